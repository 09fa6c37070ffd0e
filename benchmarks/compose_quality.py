"""How the pieces that a chorale model composes compare with Bach: voice leading, endings, rhythm, ranges, copies.

Claim: the pieces are sound four-part writing, and the table shows where they fall short of Bach and by how much. N
pieces (seeds 0 to N - 1, the model's own sampling defaults) are compared with the test side of the built-in corpus,
which the model never saw, and with its training side. This is the second table of `playbach evaluate --samples N`;
docs/evaluation.md defines each line.
"""

from __future__ import annotations

from dataclasses import asdict

from _bench import Table, count, fail, parser, print_report, show_progress


def main() -> None:
    options = parser(__doc__)
    options.add_argument("model", metavar="MODEL", help="a .playbach file or a shipped model's name")
    options.add_argument("--samples", type=count, default=50, help="number of pieces (default: %(default)s)")
    options.add_argument(
        "--no-rules", action="store_true", help="also compose without rules, as `playbach compose --no-rules`"
    )
    options.add_argument("--bars", type=count, default=16, help="bars in each piece (default: %(default)s)")
    args = options.parse_args()

    from playbach.cli.evaluate import composed_rows
    from playbach.data import corpora
    from playbach.evaluation.reports import EvaluationOptions, compare_with_corpus
    from playbach.inference import composing
    from playbach.system.errors import PlaybachError

    try:
        composer = composing.load(args.model)
        if composer.encoding.track_count != 4:
            name = composer.encoding.name
            fail(f"{args.model}: its encoding is {name!r}; give a model of four voices (chorale)")
        corpus = corpora.load_builtin(corpora.BUILTIN[0])
        scores = {side: [piece.score for piece in getattr(corpus, side)] for side in ("test", "train")}
        asked = EvaluationOptions(samples=args.samples, bars=args.bars, no_rules=args.no_rules)
        columns = dict(compare_with_corpus(composer, asked, scores, ["test"], show_progress))
    except PlaybachError as error:
        fail(str(error))
    head, *rows = composed_rows(columns)
    note = f"Seeds 0 to {args.samples - 1}, {args.bars} bars; lists are in the order soprano, alto, tenor, bass"
    measures = {"measures": {name: asdict(found) for name, found in columns.items()}}
    table = Table(("what", *head[1:]), tuple(rows), (note,))
    print_report("Composed pieces and Bach's", table, measures, ("numpy", "onnxruntime", "symusic"), args.json)


if __name__ == "__main__":
    main()
