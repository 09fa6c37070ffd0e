"""How what a chorale model composes compares with Bach: voice leading, endings, rhythm, ranges.

Claim: the pieces are sound as four-part writing, and where they fall short of Bach it can be seen by how much. N
pieces (seeds 0 to N - 1, the model's own sampling defaults) stand beside the built-in corpus's test side, which the
model never saw; that is left out where it is neither there nor can be made. Rates are over all pieces together.

Parallels: two voices that go in the same direction, at the same time, from one perfect fifth to another (or from one
octave or unison to another), compound intervals included; per 1,000 note onsets of all voices. A final chord counts
as a triad if it is a major or minor one, with or without its fifth. Velocities are those of the file: the corpus's
are all alike, a performed piece's are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, groupby
from pathlib import Path
from typing import Any

import numpy as np

from _bench import Table, count, fail, parser, report, say, summary

FIFTH, OCTAVE = 7, 0
VOICES = ("soprano", "alto", "tenor", "bass")


@dataclass(frozen=True)
class Grid:
    """A piece in sixteenths: sounding pitch (4, T), -1 where a voice is silent; onset (4, T), where a note begins."""

    pitch: np.ndarray
    onset: np.ndarray
    bar: int = 16
    velocities: tuple[int, ...] = ()


def grid_of(parts: list[list[tuple[int, int, int]]], bar: int = 16, velocities: tuple[int, ...] = ()) -> Grid:
    """From four voices of (onset, end, pitch) in sixteenths, soprano first."""
    frames = max(end for part in parts for _, end, _ in part)
    pitch, onset = np.full((len(parts), frames), -1), np.zeros((len(parts), frames), bool)
    for voice, part in enumerate(parts):
        for begin, end, sounding in part:
            pitch[voice, begin:end] = sounding
            onset[voice, begin] = True
    return Grid(pitch, onset, bar, velocities)


def grid_of_score(score: Any) -> Grid:
    from playbach.encodings.chorale import header_of, voices

    _, numerator, denominator = header_of(score).meters[-1]
    velocities = tuple(v for t in score.tracks for v in t.notes.numpy()["velocity"].tolist())
    return grid_of(voices(score), 16 * numerator // denominator, velocities)


def parallels(grid: Grid, interval: int) -> int:
    """How often two voices go in parallel from one interval (in semitones, octaves taken off) to another."""
    found = 0
    for a, b in combinations(grid.pitch, 2):
        sounding = (a[1:] >= 0) & (a[:-1] >= 0) & (b[1:] >= 0) & (b[:-1] >= 0)
        together = np.sign(np.diff(a)) * np.sign(np.diff(b)) == 1
        both = (abs(a - b) % 12 == interval)[1:] & (abs(a - b) % 12 == interval)[:-1]
        found += int((sounding & together & both).sum())
    return found


def crossings(grid: Grid) -> int:
    """Sixteenths in which a voice sounds below its lower neighbour."""
    upper, lower = grid.pitch[:-1], grid.pitch[1:]
    return int(((upper >= 0) & (lower >= 0) & (upper < lower)).any(axis=0).sum())


def held(grid: Grid) -> int:
    """Sixteenths of single voices in which nothing begins, neither a note nor a rest."""
    before = np.concatenate([np.full((len(grid.pitch), 1), -2), grid.pitch[:, :-1]], axis=1)
    return int((~grid.onset & (grid.pitch == before)).sum())


def longest_repetition(grid: Grid) -> int:
    """The most notes of one pitch in succession in one voice."""
    return max((len(list(run)) for p, o in zip(grid.pitch, grid.onset) for _, run in groupby(p[o])), default=0)


def longest_silence(grid: Grid) -> int:
    """The most sixteenths in succession in which one voice is silent."""
    return max((len(list(run)) for p in grid.pitch for silent, run in groupby(p < 0) if silent), default=0)


def ends_in_triad(grid: Grid) -> bool:
    """Whether all voices sound up to the end, in a major or minor triad whose fifth may be missing."""
    if (grid.pitch[:, -1] < 0).any():
        return False
    classes = set((grid.pitch[:, -1] % 12).tolist())
    chords = [(r, (r + third) % 12, (r + 7) % 12) for r in range(12) for third in (3, 4)]
    return any(classes >= {root, third} and classes <= {root, third, fifth} for root, third, fifth in chords)


def ends_on_its_key(grid: Grid) -> bool:
    """Whether the last bass note is the pitch class that sounds longest in the last four bars."""
    last = grid.pitch[:, -4 * grid.bar :]
    bass = grid.pitch[-1][grid.pitch[-1] >= 0]
    weights = np.bincount(last[last >= 0] % 12, minlength=12)
    return bool(len(bass)) and bool(weights[bass[-1] % 12] == weights.max())


def figures(grids: list[Grid]) -> dict[str, float | list[float]]:
    """Everything, of all pieces together; of each voice where it is a list, soprano first."""
    onsets = sum(int(g.onset.sum()) for g in grids)
    frames = sum(g.pitch.shape[1] for g in grids)
    bars = sum(g.pitch.shape[1] / g.bar for g in grids)
    loud = np.array([v for g in grids for v in g.velocities] or [0])

    def share(test: Callable[[Grid], bool]) -> float:
        return 100 * sum(map(test, grids)) / len(grids)

    def by_voice(of: Callable[[np.ndarray], Any]) -> list[float]:
        together = [np.concatenate([g.pitch[v] for g in grids]) for v in range(4)]
        return [float(of(p[p >= 0])) if (p >= 0).any() else float("nan") for p in together]

    repetitions, silences = summary(map(longest_repetition, grids)), summary(map(longest_silence, grids))
    return {
        "pieces": len(grids),
        "notes a bar": [sum(int(g.onset[v].sum()) for g in grids) / bars for v in range(4)],
        "lowest pitch": by_voice(np.min),
        "highest pitch": by_voice(np.max),
        "steps held, %": 100 * sum(map(held, grids)) / (4 * frames),
        "longest repetition of a pitch in a piece, notes: median": repetitions.median,
        "longest repetition of a pitch in any piece, notes": repetitions.high,
        "longest silence of a voice in a piece, sixteenths: median": silences.median,
        "longest silence of a voice in any piece, sixteenths": silences.high,
        "pieces that end together in a triad, %": share(ends_in_triad),
        "pieces whose last bass note is their last bars' main one, %": share(ends_on_its_key),
        "parallel fifths per 1,000 onsets": 1000 * sum(parallels(g, FIFTH) for g in grids) / onsets,
        "parallel octaves per 1,000 onsets": 1000 * sum(parallels(g, OCTAVE) for g in grids) / onsets,
        "voices crossed per 1,000 sixteenths": 1000 * sum(map(crossings, grids)) / frames,
        "velocity, standard deviation": float(loud.std()),
        "velocity, lowest and highest": [float(loud.min()), float(loud.max())],
    }


def composed(model: str, samples: int, bars: int, rules: bool = True) -> Iterator[Any]:
    """The pieces of seeds 0 to `samples` - 1."""
    from playbach import composing

    composer = composing.load(model)
    if composer.encoding.name != "chorale":
        fail(f"{model} is of the encoding {composer.encoding.name!r}; give a model of four voices (chorale)")
    for seed in range(samples):
        say(f"piece {seed + 1} of {samples}")
        yield composer.compose(seed=seed, bars=bars, rules=rules).score


def corpus_test() -> tuple[list[Any], str]:
    """The built-in corpus's test pieces, or none and why."""
    from playbach import chorales, scores
    from playbach.errors import PlaybachError

    try:
        paths = scores.find_music(chorales.folder() / "test")
    except PlaybachError as error:
        return [], str(error)
    return [score for _, score in scores.read_many(paths) if not isinstance(score, PlaybachError)], ""


def cell(value: float | list[float]) -> str:
    values = value if isinstance(value, list) else [value]
    return "  ".join(f"{v:,.0f}" if float(v).is_integer() else f"{v:,.2f}" for v in values)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("model", metavar="MODEL", help="a .playbach file or a shipped model's name")
    options.add_argument("--samples", type=count, default=50, help="pieces (default: %(default)s)")
    options.add_argument("--no-rules", action="store_true", help="as `playbach compose --no-rules`")
    options.add_argument("--bars", type=count, default=16, help="of each (default: %(default)s)")
    given = options.parse_args()

    from playbach.errors import PlaybachError

    try:
        pieces = [
            grid_of_score(score) for score in composed(given.model, given.samples, given.bars, not given.no_rules)
        ]
    except PlaybachError as error:
        fail(str(error))
    test, why_not = corpus_test()
    columns = {Path(given.model).stem: figures(pieces)}
    notes = [f"Seeds 0 to {given.samples - 1}, {given.bars} bars; lists are of soprano, alto, tenor, bass"]
    if test:
        columns["Bach, test side"] = figures([grid_of_score(score) for score in test])
    else:
        notes.append(f"Bach's side is missing: {why_not}")
    rows = [(name, *(cell(found[name]) for found in columns.values())) for name in next(iter(columns.values()))]
    table = Table(("what", *columns), tuple(rows), tuple(notes))
    report("Composed pieces and Bach's", table, {"figures": columns}, ("numpy", "onnxruntime", "symusic"), given.json)


if __name__ == "__main__":
    main()
