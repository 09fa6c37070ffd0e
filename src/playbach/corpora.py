"""Corpora: a folder of music files or a built-in collection, as pieces split into train, valid and test.

The split is by piece, never by window, and pieces that share a tune stay on one side: a melody transposed, a chorale
tune used again, one movement in two files. Knows encodings only well enough to choose one.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach import chorales
from playbach.encodings import ENCODINGS
from playbach.errors import CorpusError, ScoreError
from playbach.files import shown
from playbach.scores import SUFFIXES, find_music, read_many

SIDES = chorales.SIDES
BUILTIN = (chorales.NAME,)
HELD_OUT = 0.1
"""The share of the music that goes to each of valid and test."""
FEWEST_NOTES = 8
"""A piece of fewer notes is left out."""
GRAM = 8
"""Tunes are compared by runs of this many intervals …"""
SHARED = 0.2
"""… and are one where this share of the shorter one's runs stands in the other: on music21's chorales that joins
settings of one tune and no others, and it joins no two movements of the cello suites."""

Progress = Callable[[Iterator[Any], int], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece by name, with the hash of its notes, by which it is recognised under any name."""

    name: str
    score: Score
    digest: str


@dataclass(frozen=True)
class Corpus:
    """Pieces by side of the split, and the files that were left out, each with the reason."""

    name: str
    train: tuple[Piece, ...]
    valid: tuple[Piece, ...]
    test: tuple[Piece, ...]
    skipped: tuple[str, ...] = ()
    tunes: int = 0

    def pieces(self) -> Iterator[tuple[str, Piece]]:
        for side in SIDES:
            for piece in getattr(self, side):
                yield side, piece


def digest(score: Score) -> str:
    """A hash of all that sounds: onset, duration and pitch of each note, by track; not name, tempo or velocity."""
    found = hashlib.sha256()
    for track in score.tracks:
        notes = track.notes.numpy()
        rows = np.stack([notes["time"], notes["duration"], notes["pitch"]], axis=1).astype("<i4")
        if len(rows):
            found.update(b"drums" if track.is_drum else b"track")
            found.update(rows[np.lexsort(rows.T[::-1])].tobytes())
    return found.hexdigest()


def load_builtin(name: str, progress: Progress | None = None) -> Corpus:
    """A built-in corpus on the literature's sides.

    Raises:
        CorpusError: there is none of this name.
        MissingExtra: it must be converted first and music21 is not installed.
    """
    if name not in BUILTIN:
        raise CorpusError(f"no built-in corpus called {name!r}; there are: {', '.join(BUILTIN)}")
    root = chorales.folder(progress)
    sides: dict[str, Any] = {}
    for side in SIDES:
        skipped: list[str] = []
        scores = _readable(find_music(root / side) if (root / side).is_dir() else [], root, skipped)
        # One piece less, and the figures could not be compared.
        if skipped or len(scores) != len(chorales.sides()[side]):
            raise CorpusError(f"{root}: the converted chorales are damaged; delete this folder and try again")
        sides[side] = tuple(Piece(n.rsplit("/", 1)[-1], s, digest(s)) for n, s in scores)
    everything = [p for pieces in sides.values() for p in pieces]
    return Corpus(name, **sides, tunes=len(set(tune_groups(p.score for p in everything))))


def load_folder(
    folder: Path,
    seed: int = 0,
    encoding: str | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[Corpus, str]:
    """Every music file under a folder, split by tune, and the name of the encoding to use.

    Args:
        seed: of the split.
        encoding: its name; None chooses it from the music.
        report: told, in one line each, of every file that is left out and why.

    Raises:
        CorpusError: no folder, no usable file, or too few tunes to hold any out.
    """
    paths = find_music(folder)
    if not paths:
        raise CorpusError(f"{folder}: there is no music in this folder ({', '.join(SUFFIXES)})")
    skipped: list[str] = []

    def skip(line: str) -> None:
        skipped.append(line)
        report(line)

    scores = _readable(paths, folder if folder.is_dir() else folder.parent, skipped, report)
    encoding = encoding or choose_encoding(s for _, s in scores)
    pieces: list[Piece] = []
    for name, score in scores:
        reason = ENCODINGS[encoding].suits(score)
        if score.note_num() < FEWEST_NOTES:
            reason = f"it has only {score.note_num()} notes; {FEWEST_NOTES} are the least to learn from"
        if reason:
            skip(f"{shown(folder)}/{name}: {reason}")
        else:
            pieces.append(Piece(name, score, digest(score)))
    if not pieces:
        raise CorpusError(f"{folder}: none of its {len(paths)} files can be used; the first: {skipped[0]}")
    here = Path(os.path.abspath(folder))  # noqa: PTH100 - a link keeps the name that its user knows it by
    name = here.name if here.is_dir() else here.stem
    return _split(name, pieces, tuple(skipped), seed), encoding


def _readable(
    paths: list[Path], root: Path, skipped: list[str], report: Callable[[str], None] = lambda line: None
) -> list[tuple[str, Score]]:
    scores = []
    for path, result in read_many(paths):
        if isinstance(result, ScoreError):
            skipped.append(str(result))
            report(str(result))
        else:
            scores.append((shown(path.relative_to(root).as_posix()), result))
    return scores


def choose_encoding(scores: Iterable[Score]) -> str:
    """`chorale` where at least four pieces in five are four voices of a choir's compass, else `notes`."""
    fits = [ENCODINGS["chorale"].suits(score) is None and _singable(score) for score in scores]
    return "chorale" if fits and sum(fits) >= 0.8 * len(fits) else "notes"


def _singable(score: Score) -> bool:
    """Every pitch between a low bass's C and a high soprano's C."""
    pitches = np.concatenate([t.notes.numpy()["pitch"] for t in score.tracks if len(t.notes)])
    return bool(pitches.min() >= 36 and pitches.max() <= 84)


def _split(name: str, pieces: list[Piece], skipped: tuple[str, ...], seed: int) -> Corpus:
    groups = tune_groups(p.score for p in pieces)
    members: dict[int, list[Piece]] = defaultdict(list)
    for group, piece in zip(groups, pieces):
        members[group].append(piece)
    if len(members) < len(SIDES):
        raise CorpusError(
            f"{name}: {len(pieces)} usable piece{'s' * (len(pieces) != 1)} with {len(members)} different "
            f"tune{'s' * (len(members) != 1)} are too few to hold anything out; add music until there are at "
            "least three, one each to train, to validate and to test"
        )
    order = [members[g] for g in sorted(members)]
    random.Random(seed).shuffle(order)
    sides: dict[str, list[Piece]] = {side: [] for side in SIDES}
    goal = HELD_OUT * sum(_notes(p) for p in pieces)
    # A tune with many settings is worth more in training, and so is one that is far more than is to be held out.
    order.sort(key=lambda tune: (sum(map(_notes, tune)) > 2 * goal, len(tune)))
    for tune in order:
        held = next((s for s in ("test", "valid") if sum(map(_notes, sides[s])) < goal), "train")
        sides[held].extend(tune)
    if not sides["train"]:  # few tunes of very unequal length: one each to hold out, the longest to train
        order.sort(key=lambda tune: sum(map(_notes, tune)))
        sides["test"], sides["valid"], sides["train"] = order[0], order[1], [p for t in order[2:] for p in t]
    train, valid, test = (tuple(sides[side]) for side in SIDES)
    return Corpus(name, train, valid, test, skipped, len(members))


def _notes(piece: Piece) -> int:
    return int(piece.score.note_num())


def top_line(score: Score) -> list[int]:
    """The tune: the highest notes of the highest track that has a fair share of the notes. A note that begins
    under a higher one that still sounds does not count."""
    tracks = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    most = max((len(t.notes) for t in tracks), default=0)
    tracks = [t for t in tracks if 5 * len(t.notes) >= most]
    if not tracks:
        return []
    notes = max(tracks, key=lambda t: float(np.mean(t.notes.numpy()["pitch"]))).notes.numpy()
    line: list[int] = []
    onset = until = -1
    for i in np.lexsort((-notes["pitch"], notes["time"])).tolist():
        time, pitch = int(notes["time"][i]), int(notes["pitch"][i])
        if time == onset or (line and time < until and pitch < line[-1]):
            continue
        line.append(pitch)
        onset, until = time, time + int(notes["duration"][i])
    return line


def tune_groups(scores: Iterable[Score]) -> list[int]:
    """For each score the number of its tune; the same number where tunes are shared (see SHARED).

    Of runs that more than 64 pieces have, only each piece and the next that has it are compared: common turns of
    phrase make no tune, and all pairs would cost the square.
    """
    grams: list[frozenset[tuple[int, ...]]] = []
    found: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, score in enumerate(scores):
        grams.append(_grams(top_line(score)))
        for gram in grams[-1]:
            found[gram].append(i)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for places in found.values():
        # A run that stands everywhere is a common turn of phrase; counting its pairs would cost the square.
        for pair in combinations(places, 2) if len(places) <= 64 else pairwise(places):
            shared[pair] += 1
    leader = list(range(len(grams)))

    def lead(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for (a, b), n in shared.items():
        if n >= SHARED * min(len(grams[a]), len(grams[b])):
            low, high = sorted((lead(a), lead(b)))
            leader[high] = low
    return [lead(i) for i in range(len(grams))]


def _grams(line: list[int]) -> frozenset[tuple[int, ...]]:
    steps = np.diff(line).tolist()
    if len(steps) < GRAM:
        return frozenset([tuple(steps)])
    runs = (tuple(steps[i : i + GRAM]) for i in range(len(steps) - GRAM + 1))
    # Scales, trills and repeated notes, which have one interval or two, belong to no tune.
    return frozenset(run for run in runs if len(set(run)) > 2) or frozenset([tuple(steps)])
