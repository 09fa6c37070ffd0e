"""Corpora: a folder of music files or a built-in collection, as pieces split into train, valid and test.

The split is by piece, never by window, and pieces that share a tune stay on one side: a melody transposed, a chorale
tune used again, one movement in two files. The scores of a large folder do not lie in memory. Knows encodings only
well enough to choose one.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach import builtin, chorales
from playbach.encodings import ENCODINGS, chosen, kind_of
from playbach.errors import CorpusError, ScoreError
from playbach.files import shown
from playbach.scores import SUFFIXES, find_music, read_many
from playbach.spools import Kept, Spool
from playbach.tunes import groups, runs_of, top_line, tune_groups

SIDES = chorales.SIDES
BUILTIN = tuple(builtin.CORPORA)
DEFAULT = chorales.NAME
"""The corpus that is meant where none is named."""
HELD_OUT = 0.1
"""The share of the music that goes to each of valid and test …"""
MOST_HELD_OUT = 500_000
"""… but not many more notes than this: more of them measure no better, only longer."""
FEWEST_NOTES = 8
"""A piece of fewer notes is left out."""
FILES_A_PROCESS = 500
"""Files that it takes for another process that reads them to be worth its start."""

__all__ = [
    "BUILTIN",
    "DEFAULT",
    "SIDES",
    "Corpus",
    "Piece",
    "Progress",
    "builtin_name",
    "choose_encoding",
    "digest",
    "folder_of",
    "load_builtin",
    "load_folder",
    "met",
    "open_corpus",
    "processors",
    "read_folder",
    "readable",
    "revived",
    "top_line",
    "tune_groups",
]

Progress = Callable[[Iterator[Any], int], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece by name, with the hash of its notes, by which it is recognised under any name."""

    name: str
    source: Score | Kept
    """The score itself, or where its bytes are kept."""
    digest: str

    @property
    def score(self) -> Score:
        """Where it is kept, it is made anew each time."""
        return self.source if isinstance(self.source, Score) else revived(self.source.read())

    def state(self) -> bytes:
        """The score as bytes, from which `revived` makes it again."""
        return bytes(self.source.__getstate__()) if isinstance(self.source, Score) else self.source.read()


def revived(state: bytes) -> Score:
    """A score from bytes of our own making, which can become nothing else."""
    score = Score.__new__(Score)
    score.__setstate__(state)
    return score


@dataclass(frozen=True, slots=True)
class _Found:
    """A readable file, and all that must be known of it before its score is needed again."""

    piece: Piece
    notes: int
    kind: str
    """The encoding that is made for it."""
    unfit: dict[str, str | None]
    """By encoding, why it cannot hold the piece."""
    runs: Kept


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


def met(manifest: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The pieces that a bundle's manifest says its network has met, by their hashes: of each its side of the split,
    and what else is said of it. A manifest may come from anywhere; what is not so is left out."""
    listed = manifest.get("pieces")
    entries = listed.items() if isinstance(listed, Mapping) else ()
    return {name: list(entry) for name, entry in entries if isinstance(entry, list) and entry and entry[0] in SIDES}


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


def builtin_name(given: str | Path | None) -> str | None:
    """The built-in corpus that is meant: the chorales where nothing is given, one by its name where no file or folder
    is called so; else None."""
    if given is None:
        return DEFAULT
    return str(given) if str(given) in BUILTIN and not os.path.lexists(given) else None


def folder_of(given: str | Path | None, progress: Progress | None = None) -> Path:
    """The folder of music that is meant by its path or by a built-in corpus's name, which is converted if need be.

    Args:
        progress: wraps the iterator over what is converted, given how much there is; not called where nothing is.

    Raises:
        MissingExtra: it must be converted first and music21 is not installed.
    """
    name = builtin_name(given)
    return Path(str(given)) if name is None else builtin.CORPORA[name].folder(progress)


def open_corpus(
    given: str | Path | None = None,
    seed: int = 0,
    encoding: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda work, total: work,
    converting: Progress | None = None,
) -> tuple[Corpus, str]:
    """A folder of music, or a built-in corpus by its name, split by tune, and the name of the encoding to use.

    Args:
        given: None is the built-in chorales, which have the literature's sides whatever the seed.
        converting: as `progress`, of the conversion of a built-in corpus; not called where it has been converted.

    The other arguments, and errors, are those of `load_folder` and `load_builtin`.
    """
    name = builtin_name(given)
    if name == chorales.NAME:
        return _chorales(converting), encoding or "chorale"
    if name is None and given is not None and not os.path.lexists(given):
        raise CorpusError(
            f"{shown(given)}: no such folder or file, nor a built-in corpus ({', '.join(BUILTIN)}); check the name"
        )
    found, skipped, encoding = _read_folder(folder_of(given, converting), encoding, report, progress)
    return _split(name or _name_of(Path(str(given))), found, skipped, seed), encoding


def load_builtin(name: str, progress: Progress | None = None, encoding: str | None = None) -> Corpus:
    """A built-in corpus: the chorales on the literature's sides, others on those that seed 0 gives them.

    Args:
        progress: wraps the iterator over what must be converted, given how much there is.
        encoding: what its pieces must suit; None chooses it from the music.

    Raises:
        CorpusError: there is none of this name.
        MissingExtra: it must be converted first and music21 is not installed.
    """
    if name not in BUILTIN:
        raise CorpusError(f"no built-in corpus called {name!r}; there are: {', '.join(BUILTIN)}")
    if name == chorales.NAME:
        return _chorales(progress)
    found, skipped, _ = _read_folder(builtin.CORPORA[name].folder(progress), encoding)
    return _split(name, found, skipped, 0)


def _chorales(progress: Progress | None) -> Corpus:
    root = chorales.folder(progress)
    sides: dict[str, Any] = {}
    for side in SIDES:
        skipped: list[str] = []
        paths = find_music(root / side) if (root / side).is_dir() else []
        scores = [(path.name, score) for path, score in readable(paths, skipped.append)]
        # One piece less, and the figures could not be compared.
        if skipped or len(scores) != len(chorales.sides()[side]):
            raise CorpusError(f"{root}: the converted chorales are damaged; delete this folder and try again")
        sides[side] = tuple(Piece(shown(n), s, digest(s)) for n, s in scores)
    everything = [p for pieces in sides.values() for p in pieces]
    return Corpus(chorales.NAME, **sides, tunes=len(set(tune_groups(p.score for p in everything))))


def load_folder(
    folder: Path,
    seed: int = 0,
    encoding: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda work, total: work,
) -> tuple[Corpus, str]:
    """Every music file under a folder, split by tune, and the name of the encoding to use.

    Args:
        seed: of the split.
        encoding: its name; None chooses it from the music.
        report: told, in one line each, of every file that is left out and why.
        progress: wraps the iterator over the files, given how many there are.

    Raises:
        CorpusError: no folder, no usable file, or too few tunes to hold any out.
    """
    found, skipped, encoding = _read_folder(folder, encoding, report, progress)
    return _split(_name_of(folder), found, skipped, seed), encoding


def _name_of(folder: Path) -> str:
    here = Path(os.path.abspath(folder))  # noqa: PTH100 - a link keeps the name that its user knows it by
    return here.name if here.is_dir() else here.stem


def read_folder(
    folder: Path, encoding: str | None = None, report: Callable[[str], None] = lambda line: None
) -> tuple[list[Piece], tuple[str, ...], str]:
    """Every piece under a folder that an encoding can hold, the files that were left out, each with the reason, and
    the name of the encoding; arguments and errors are those of `load_folder`, but one piece is enough."""
    found, skipped, encoding = _read_folder(folder, encoding, report)
    return [f.piece for f in found], skipped, encoding


def _read_folder(
    folder: Path,
    encoding: str | None,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda work, total: work,
) -> tuple[list[_Found], tuple[str, ...], str]:
    paths = find_music(folder)
    if not paths:
        raise CorpusError(f"{folder}: there is no music in this folder ({', '.join(SUFFIXES)})")
    skipped: list[str] = []

    def skip(line: str) -> None:
        skipped.append(line)
        report(line)

    root = folder if folder.is_dir() else folder.parent
    spool, may = Spool(), (encoding,) if encoding else tuple(ENCODINGS)
    read = [_found(shown(path.relative_to(root).as_posix()), score, may, spool)
            for path, score in readable(paths, skip, progress)]  # fmt: skip
    encoding = encoding or chosen(f.kind for f in read)
    found: list[_Found] = []
    for f in read:
        reason = f.unfit[encoding]
        if f.notes < FEWEST_NOTES:
            reason = f"it has only {f.notes} notes; {FEWEST_NOTES} are the least to learn from"
        if reason:
            skip(f"{shown(folder)}/{f.piece.name}: {reason}")
        else:
            found.append(f)
    if not found:
        raise CorpusError(f"{folder}: none of its {len(paths)} files can be used; the first: {skipped[0]}")
    return found, tuple(skipped), encoding


def _found(name: str, score: Score, encodings: Iterable[str], spool: Spool) -> _Found:
    unfit = {encoding: ENCODINGS[encoding].suits(score) for encoding in encodings}
    piece = Piece(name, spool.put(bytes(score.__getstate__())), digest(score))
    runs = spool.put(runs_of(top_line(score)).tobytes())
    return _Found(piece, int(score.note_num()), kind_of(score), unfit, runs)


def readable(
    paths: list[Path], skip: Callable[[str], None], progress: Progress = lambda work, total: work
) -> Iterator[tuple[Path, Score]]:
    """Each file's score; `skip` is told, in a line each, of those that cannot be read."""
    processes = min(processors(), 1 + len(paths) // FILES_A_PROCESS)
    for path, result in read_many(progress(iter(paths), len(paths)), processes=processes):
        if isinstance(result, ScoreError):
            skip(str(result))
        else:
            yield path, result


def processors() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_encoding(scores: Iterable[Score]) -> str:
    """`chorale` where at least four pieces in five are four voices of a choir's compass, `notes` where as many are
    one line (a cello's, say), else `events`."""
    return chosen(map(kind_of, scores))


def _split(name: str, found: list[_Found], skipped: tuple[str, ...], seed: int) -> Corpus:
    tunes = groups(np.frombuffer(f.runs.read(), np.uint64) for f in found)
    members: dict[int, list[_Found]] = defaultdict(list)
    for number, f in zip(tunes, found):
        members[number].append(f)
    if len(members) < len(SIDES):
        raise CorpusError(
            f"{name}: {len(found)} usable piece{'s' * (len(found) != 1)} with {len(members)} different "
            f"tune{'s' * (len(members) != 1)} are too few to hold anything out; add music until there are at "
            "least three, one each to train, to validate and to test"
        )
    order = [members[g] for g in sorted(members)]
    random.Random(seed).shuffle(order)
    sides: dict[str, list[_Found]] = {side: [] for side in SIDES}
    goal = min(HELD_OUT * _notes(found), MOST_HELD_OUT)
    # A tune with many settings is worth more in training, and so is one that is far more than is to be held out.
    order.sort(key=lambda tune: (_notes(tune) > 2 * goal, len(tune)))
    taken = dict.fromkeys(SIDES, 0)
    for tune in order:
        side = next((s for s in ("test", "valid") if taken[s] < goal), "train")
        sides[side].extend(tune)
        taken[side] += _notes(tune)
    if not sides["train"]:  # few tunes of very unequal length: one each to hold out, the longest to train
        order.sort(key=_notes)
        sides["test"], sides["valid"], sides["train"] = order[0], order[1], [f for t in order[2:] for f in t]
    train, valid, test = (tuple(f.piece for f in sides[side]) for side in SIDES)
    return Corpus(name, train, valid, test, skipped, len(members))


def _notes(found: Iterable[_Found]) -> int:
    return sum(f.notes for f in found)
