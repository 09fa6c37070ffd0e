"""How what a chorale model composes compares with Bach: voice leading, endings, rhythm, ranges, copies.

Claim: the pieces are sound as four-part writing, and where they fall short of Bach it can be seen by how much. N
pieces (seeds 0 to N - 1, the model's own sampling defaults) stand beside the built-in corpus's test side, which the
model never saw, and its training side. It is the second table of `playbach evaluate --samples N` and nothing else;
docs/evaluation.md defines each line.
"""

from __future__ import annotations

from dataclasses import asdict

from _bench import Table, count, fail, parser, report, say


def main() -> None:
    options = parser(__doc__)
    options.add_argument("model", metavar="MODEL", help="a .playbach file or a shipped model's name")
    options.add_argument("--samples", type=count, default=50, help="pieces (default: %(default)s)")
    options.add_argument("--no-rules", action="store_true", help="once more, as `playbach compose --no-rules`")
    options.add_argument("--bars", type=count, default=16, help="of each (default: %(default)s)")
    given = options.parse_args()

    from playbach.cli.evaluate import composed_rows
    from playbach.data import corpora
    from playbach.evaluation.reports import EvaluationOptions, beside_corpus
    from playbach.inference import composing
    from playbach.system.errors import PlaybachError

    try:
        composer = composing.load(given.model)
        if composer.encoding.voices != 4:
            name = composer.encoding.name
            fail(f"{given.model} is of the encoding {name!r}; give a model of four voices (chorale)")
        corpus = corpora.load_builtin(corpora.BUILTIN[0])
        scores = {side: [piece.score for piece in getattr(corpus, side)] for side in ("test", "train")}
        asked = EvaluationOptions(samples=given.samples, bars=given.bars, no_rules=given.no_rules)
        columns = dict(beside_corpus(composer, asked, scores, ["test"], say))
    except PlaybachError as error:
        fail(str(error))
    head, *rows = composed_rows(columns)
    note = f"Seeds 0 to {given.samples - 1}, {given.bars} bars; lists are of soprano, alto, tenor, bass"
    measures = {"measures": {name: asdict(found) for name, found in columns.items()}}
    table = Table(("what", *head[1:]), tuple(rows), (note,))
    report("Composed pieces and Bach's", table, measures, ("numpy", "onnxruntime", "symusic"), given.json)


if __name__ == "__main__":
    main()
