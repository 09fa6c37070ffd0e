"""Corpora: a folder of music files or a built-in collection, as pieces split into train, valid and test.

The split is by piece, never by window, and pieces that share a tune stay on one side: a melody transposed, a chorale
tune used again, one movement in two files. The scores of a large folder do not lie in memory. Knows encodings only
well enough to choose one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick as Score

from playbach.data import builtin, chorales
from playbach.data.pieces import SIDES, Corpus, Piece, ReadPiece
from playbach.data.split import split
from playbach.encodings import ENCODINGS, chosen, kind_of
from playbach.music.reading import SUFFIXES, find_music, read_many
from playbach.music.scores import digest
from playbach.music.tunes import runs_of, top_line, tune_groups
from playbach.system.errors import CorpusError, ScoreError
from playbach.system.files import shown
from playbach.system.processes import processors
from playbach.system.progress import Progress
from playbach.system.spool import Spool

BUILTIN = tuple(builtin.CORPORA)
DEFAULT = chorales.NAME
"""The corpus that is meant where none is named."""
FEWEST_NOTES = 8
"""A piece of fewer notes is left out."""
FILES_A_PROCESS = 500
"""Files that it takes for another process that reads them to be worth its start."""


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
    return split(name or _name_of(Path(str(given))), found, skipped, seed), encoding


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
    return split(name, found, skipped, 0)


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
    return split(_name_of(folder), found, skipped, seed), encoding


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
) -> tuple[list[ReadPiece], tuple[str, ...], str]:
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
    found: list[ReadPiece] = []
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


def _found(name: str, score: Score, encodings: Iterable[str], spool: Spool) -> ReadPiece:
    unfit = {encoding: ENCODINGS[encoding].rejection_reason(score) for encoding in encodings}
    piece = Piece(name, spool.put(bytes(score.__getstate__())), digest(score))
    runs = spool.put(runs_of(top_line(score)).tobytes())
    return ReadPiece(piece, int(score.note_num()), kind_of(score), unfit, runs)


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


def choose_encoding(scores: Iterable[Score]) -> str:
    """`chorale` where at least four pieces in five are four voices of a choir's compass, `notes` where as many are
    one line (a cello's, say), else `events`."""
    return chosen(map(kind_of, scores))
