"""How well rewritten bars fit between what stands on both sides.

Claim: bars that are weighed by how probable they make what follows are harder to tell from Bach's own than bars that
are composed from left to right alone.

Two bars in the middle of each held-out chorale are composed anew. A judge (logistic regression) is trained on
statistics of these bars and of their seams to tell them from the originals; it judges chorales on which it was not
trained (ten folds). *AUC* is the probability that it finds a rewritten passage less like Bach than an original one:
0.5 where it cannot tell them apart, 1 where it always can. docs/evaluation.md defines the statistics. Needs the extra
`train`, which reads the chorales.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from _bench import Table, count, fail, parser, print_report, summarise

FOLDS = 10
PENALTY = 1.0
"""Of squared weights of the judge, whose statistics have variance 1."""
STATISTICS = (
    "largest leap into the bars",
    "largest leap out of the bars",
    "leaps into the bars",
    "leaps out of the bars",
    "notes",
    "beats without a triad",
    "seconds and sevenths on beats",
    "crossings",
    "parallels",
    "notes outside the key",
    "largest leap inside",
    "repeated notes",
)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model", default="bach-chorales", help="(default: %(default)s)")
    options.add_argument("--side", choices=["valid", "test"], default="test", help="(default: %(default)s)")
    options.add_argument("--pieces", type=count, default=100, help="at most (default: %(default)s)")
    options.add_argument("--drafts", type=count, nargs="+", default=[1, 8, 32, 128], help="(default: 1 8 32 128)")
    options.add_argument("--seeds", type=count, default=3, help="(default: %(default)s)")
    args = options.parse_args()

    from playbach.data import corpora
    from playbach.inference import composing
    from playbach.system.errors import PlaybachError

    try:
        composer = composing.load(args.model, runtime="onnx")
        corpus = corpora.load_builtin("bach-chorales")
        scores = [piece.score for piece in getattr(corpus, args.side)][: args.pieces]
        windows = [middle(score) for score in scores]
        scores = [score for score, window in zip(scores, windows) if window is not None]
        windows = [window for window in windows if window is not None]
        originals = np.array([statistics(s, s, w) for s, w in zip(scores, windows)])
        found: dict[int, list[Any]] = {}
        for drafts in args.drafts:
            found[drafts] = [rewritten(composer, scores, windows, drafts, seed) for seed in range(args.seeds)]
    except PlaybachError as error:
        fail(str(error))
    aucs = {drafts: summarise(auc(originals, rows) for rows in runs) for drafts, runs in found.items()}
    table = {"Bach": originals.mean(axis=0)} | {str(n): np.mean(runs, axis=(0, 1)) for n, runs in found.items()}
    rows = [(name, *(f"{column[i]:.2f}" for column in table.values())) for i, name in enumerate(STATISTICS)]
    rows.append(("AUC", "", *(f"{a.median:.3f} ({a.low:.3f} to {a.high:.3f})" for a in aucs.values())))
    notes = (
        f"two bars of each of {len(scores)} chorales of the {args.side} side, {args.seeds} seeds; columns: drafts",
        "of 1 draft, what follows weighs nothing",
    )
    data = {"auc": {n: asdict(a) for n, a in aucs.items()}}
    header = ("", "Bach", *(f"{n} draft{'s' * (n > 1)}" for n in found))
    print_report("Bars composed anew", Table(header, tuple(rows), notes), data, ("numpy", "onnxruntime"), args.json)


def middle(score: Any) -> tuple[int, int] | None:
    """Two bars in the middle; None for a chorale of fewer than six bars."""
    from playbach.music.bars import Bars, meters_of

    last = max(int(n.end) for track in score.tracks for n in track.notes)
    bars = Bars(meters_of(score, 1)).number(last - 1)
    return (bars // 2, bars // 2 + 1) if bars >= 6 else None


def rewritten(composer: Any, scores: Sequence[Any], windows: Sequence[Any], drafts: int, seed: int) -> Any:
    """The statistics (n, S) of the chorales with their bars composed anew."""
    rows = []
    for number, (score, (first, last)) in enumerate(zip(scores, windows)):
        new = composer.rewrite(score, f"{first}-{last}", seed=1000 * seed + number, drafts=drafts).score
        rows.append(statistics(new, score, (first, last)))
    return np.array(rows)


# ------------------------------------------------------------------------------------------------------- statistics


def statistics(score: Any, original: Any, window: tuple[int, int]) -> list[float]:
    """What STATISTICS names, of some bars of a score; the key is the original's outside them."""
    from playbach.encodings.voices import SIXTEENTH, voice_tracks
    from playbach.music.bars import Bars, meters_of

    bars = Bars(meters_of(original, 1))
    begin, end = (bars.start(number) // SIXTEENTH for number in (window[0], window[1] + 1))
    lines = [grid_of(score.tracks[i], SIXTEENTH) for i in voice_tracks(score)]
    length = max(len(line) for line, _ in lines)
    pitches = np.stack([np.pad(line, (0, length - len(line))) for line, _ in lines])
    begins = np.stack([np.pad(starts, (0, length - len(starts))) for _, starts in lines])
    inside = slice(begin, end)
    into, out = leaps_at(pitches, begin), leaps_at(pitches, end)
    beats = pitches[:, begin:end:4]
    within = [np.abs(np.diff(line[inside][starts[inside]])) for line, starts in zip(pitches, begins)]
    steps = np.concatenate(within) if within else np.zeros(0)
    outside_key = outside(pitches, begins, begin, end)
    return [
        float(max(into, default=0)),
        float(max(out, default=0)),
        float(sum(into)),
        float(sum(out)),
        float(begins[:, inside].sum()),
        float(sum(not is_chord(beat) for beat in beats.T)),
        float(sum(dissonances(beat) for beat in beats.T)),
        float((np.diff(pitches[:, inside], axis=0) > 0).sum()),
        float(parallels(pitches, begins, begin, end)),
        outside_key,
        float(steps.max(initial=0)),
        float((steps == 0).sum()),
    ]


def grid_of(track: Any, unit: int) -> tuple[Any, Any]:
    """The pitch at each sixteenth, 0 in silence, and where notes begin."""
    notes = track.notes.numpy()
    onsets, ends = np.round(notes["time"] / unit).astype(int), np.round((notes["time"] + notes["duration"]) / unit)
    pitches = np.zeros(int(ends.max(initial=0)), int)
    begins = np.zeros(len(pitches), bool)
    for onset, end, pitch in zip(onsets, ends.astype(int), notes["pitch"]):
        pitches[onset:end] = pitch
        if onset < len(begins):
            begins[onset] = True
    return pitches, begins


def leaps_at(pitches: Any, place: int) -> list[int]:
    """By how many semitones each voice moves over a bar line."""
    if not 0 < place < pitches.shape[1]:
        return []
    pairs = pitches[:, [place - 1, place]]
    return [abs(int(b) - int(a)) for a, b in pairs if a and b]


def is_chord(beat: Any) -> bool:
    from playbach.music.chords import is_triad

    return is_triad([int(p) for p in beat if p])


def dissonances(beat: Any) -> int:
    sounding = [int(p) for p in beat if p]
    pairs = [(a - b) % 12 for i, a in enumerate(sounding) for b in sounding[i + 1 :]]
    return sum(interval in (1, 2, 10, 11) for interval in pairs)


def parallels(pitches: Any, begins: Any, begin: int, end: int) -> int:
    """Parallel fifths, octaves and unisons that lead to an onset in the bars or where they end."""
    found = 0
    for place in range(max(begin, 1), min(end + 1, pitches.shape[1])):
        for a in range(len(pitches)):
            for b in range(a + 1, len(pitches)):
                (p, q), (r, s) = pitches[[a, b], place - 1], pitches[[a, b], place]
                moves = begins[a, place] and begins[b, place] and min(p, q, r, s) > 0 and p != r and q != s
                found += bool(moves and (p - q) % 12 == (r - s) % 12 and (p - q) % 12 in (0, 7))
    return found


def outside(pitches: Any, begins: Any, begin: int, end: int) -> float:
    """The notes in the bars that are not in the key of the bars around them; minor keys have both sevenths."""
    from playbach.music.keys import estimate_key

    near = np.concatenate([pitches[:, max(begin - 64, 0) : begin], pitches[:, end : end + 64]], axis=1)
    weights = np.bincount(near[near > 0] % 12, minlength=12)
    key = estimate_key(weights) if len(weights) else None
    if key is None:
        return 0.0
    scale = {0, 2, 4, 5, 7, 9, 11} if key.mode == "major" else {0, 2, 3, 5, 7, 8, 10, 11}
    notes = pitches[:, begin:end][begins[:, begin:end]]
    return float(sum((int(p) - key.tonic) % 12 not in scale for p in notes if p))


# ------------------------------------------------------------------------------------------------------------ judge


def auc(originals: Any, others: Any) -> float:
    """That of a judge on pieces on which it was not trained; row k of both is of the same chorale."""
    scores = np.zeros((2, len(originals)))
    for fold in range(FOLDS):
        held = np.arange(len(originals)) % FOLDS == fold
        weights = fitted(originals[~held], others[~held])
        scores[:, held] = [judged(rows[held], weights) for rows in (originals, others)]
    below = scores[0][:, None] < scores[1][None]
    equal = scores[0][:, None] == scores[1][None]
    return float((below + 0.5 * equal).mean())


def fitted(originals: Any, others: Any) -> tuple[Any, Any, Any]:
    """The mean and scale of each statistic, and the weights (S + 1,) of a logistic regression, by Newton's method."""
    rows = np.concatenate([originals, others])
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    x = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    y = np.concatenate([np.zeros(len(originals)), np.ones(len(others))])
    weights = np.zeros(x.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (p - y) + PENALTY * weights
        curvature = (x * (p * (1 - p))[:, None]).T @ x + PENALTY * np.eye(x.shape[1])
        weights -= np.linalg.solve(curvature, gradient)
    return mean, scale, weights


def judged(rows: Any, judge: tuple[Any, Any, Any]) -> Any:
    mean, scale, weights = judge
    return np.column_stack([(rows - mean) / scale, np.ones(len(rows))]) @ weights


if __name__ == "__main__":
    main()
