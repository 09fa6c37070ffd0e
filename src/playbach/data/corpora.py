"""Corpora: a folder of music files or a built-in corpus, as pieces split into training, validation and test.

The split is by piece, never by window, and pieces that share a tune are on one side: a transposed melody, a chorale
tune used again, one movement in two files. Scores of folders are kept in a file, not in memory. Knows encodings only
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
from playbach.data.remarks import remark_lines
from playbach.data.split import split
from playbach.encodings import ENCODINGS
from playbach.encodings.choosing import encoding_for_corpus, encoding_for_piece
from playbach.music.options import ReadingOptions
from playbach.music.reading import MUSIC_SUFFIXES, ReadFile, find_music, read_many
from playbach.music.scores import content_hash
from playbach.music.tunes import interval_runs, top_line, tune_groups
from playbach.system.errors import CorpusError, ScoreError
from playbach.system.files import display_path
from playbach.system.processes import processor_count
from playbach.system.progress import Progress, Report
from playbach.system.spool import Spool

BUILTIN = tuple(builtin.CORPORA)
DEFAULT_CORPUS = chorales.CORPUS_NAME
"""The corpus used where none is named."""
FEWEST_NOTES = 8
"""A piece with fewer notes is left out."""
FILES_A_PROCESS = 500
"""One more process reads files for each multiple of this number of files."""


def builtin_name(music: str | Path | None) -> str | None:
    """The name of the built-in corpus that `music` means, or None if it means a path.

    None means the chorales. An existing file or folder takes precedence over a built-in corpus of the same name.
    """
    if music is None:
        return DEFAULT_CORPUS
    return str(music) if str(music) in BUILTIN and not os.path.lexists(music) else None


def corpus_folder(music: str | Path | None, progress: Progress | None = None) -> Path:
    """The folder of music with this path, or that of the built-in corpus with this name; converts it if necessary.

    Args:
        progress: wraps the iterator over files to be converted, given their number; not called if there are none.

    Raises:
        MissingExtra: the corpus must be converted, and music21 is not installed.
        CorpusError: the converted files cannot be written.
    """
    name = builtin_name(music)
    return Path(str(music)) if name is None else builtin.CORPORA[name].folder(progress)


def open_corpus(
    music: str | Path | None = None,
    seed: int = 0,
    encoding: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda work, total: work,
    converting: Progress | None = None,
    reading: ReadingOptions | None = None,
    remark: Report = lambda line: None,
) -> tuple[Corpus, str]:
    """Read and split a folder of music or a built-in corpus.

    Args:
        music: a path or the name of a built-in corpus; None: the chorales. The chorales have the literature's split
            whatever the seed.
        converting: like `progress`, for the conversion of a built-in corpus; not called if that is done already.

    The other arguments, the result and the errors are those of `load_folder` and `load_builtin`.
    """
    name = builtin_name(music)
    if name == chorales.CORPUS_NAME:
        return _chorales(converting, reading), encoding or "chorale"
    if name is None and music is not None and not os.path.lexists(music):
        raise CorpusError(
            f"{display_path(music)}: no such file or folder, and no built-in corpus of this name; "
            f"the built-in ones are: {', '.join(BUILTIN)}"
        )
    pieces, skipped, encoding = _read_folder(
        corpus_folder(music, converting), encoding, report, progress, reading=reading, remark=remark
    )
    return split(name or _corpus_name(Path(str(music))), pieces, skipped, seed), encoding


def load_builtin(
    name: str,
    progress: Progress | None = None,
    encoding: str | None = None,
    reading: ReadingOptions | None = None,
) -> Corpus:
    """A built-in corpus: the chorales with the literature's split, any other with that of seed 0.

    Args:
        progress: wraps the iterator over files to be converted, given their number.
        encoding: pieces that this encoding cannot represent are left out; None: choose the encoding by the music.
        reading: how the converted files are read.

    Raises:
        CorpusError: there is no built-in corpus with this name, or its converted files are damaged.
        MissingExtra: the corpus must be converted, and music21 is not installed.
    """
    if name not in BUILTIN:
        raise CorpusError(f"no built-in corpus called {name!r}; choose one of: {', '.join(BUILTIN)}")
    if name == chorales.CORPUS_NAME:
        return _chorales(progress, reading)
    pieces, skipped, _ = _read_folder(builtin.CORPORA[name].folder(progress), encoding, reading=reading)
    return split(name, pieces, skipped, 0)


def _chorales(progress: Progress | None, reading: ReadingOptions | None) -> Corpus:
    root = chorales.folder(progress)
    sides: dict[str, Any] = {}
    for side in SIDES:
        skipped: list[str] = []
        paths = find_music(root / side) if (root / side).is_dir() else []
        files = readable_files(paths, skipped.append, reading=reading)
        scores = [(path.name, file.score) for path, file in files]
        # Figures for an incomplete corpus could not be compared.
        if skipped or len(scores) != len(chorales.sides()[side]):
            raise CorpusError(f"{root}: the converted chorales are damaged; delete this folder and try again")
        sides[side] = tuple(Piece(display_path(n), s, content_hash(s)) for n, s in scores)
    everything = [p for pieces in sides.values() for p in pieces]
    return Corpus(chorales.CORPUS_NAME, **sides, tunes=len(set(tune_groups(p.score for p in everything))))


def load_folder(
    folder: Path,
    seed: int = 0,
    encoding: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda work, total: work,
    reading: ReadingOptions | None = None,
    remark: Report = lambda line: None,
) -> tuple[Corpus, str]:
    """Read all music files in a folder and its subfolders, and split them by tune.

    Args:
        seed: of the split.
        encoding: the name of the encoding to use; None: choose it by the music.
        report: called with one line for each file that is left out, with the reason.
        progress: wraps the iterator over the files, given their number.
        reading: how the files are read.
        remark: called with each line on what is left out of the files that are used, or changed (`remark_lines`).

    Returns:
        The corpus and the name of the encoding to use.

    Raises:
        CorpusError: there is no such folder or no usable file, or the files have fewer than three different tunes.
    """
    pieces, skipped, encoding = _read_folder(folder, encoding, report, progress, reading=reading, remark=remark)
    return split(_corpus_name(folder), pieces, skipped, seed), encoding


def _corpus_name(folder: Path) -> str:
    path = Path(os.path.abspath(folder))  # noqa: PTH100 - a link keeps its own name
    return path.name if path.is_dir() else path.stem


def read_folder(
    folder: Path,
    encoding: str | None = None,
    report: Callable[[str], None] = lambda line: None,
    reading: ReadingOptions | None = None,
    remark: Report = lambda line: None,
) -> tuple[list[Piece], tuple[str, ...], str]:
    """Read all music files in a folder without splitting them; one piece is enough.

    Arguments and errors are those of `load_folder`.

    Returns:
        The pieces, one line for each file that was left out, and the name of the encoding to use.
    """
    pieces, skipped, encoding = _read_folder(folder, encoding, report, reading=reading, remark=remark)
    return [p.piece for p in pieces], skipped, encoding


def music_in(folder: Path) -> list[Path]:
    """The music files in a folder and its subfolders. Raises CorpusError if there are none."""
    paths = find_music(folder)
    if not paths:
        raise CorpusError(
            f"{display_path(folder)}: no music in this folder; supported files are {', '.join(MUSIC_SUFFIXES)}"
        )
    return paths


def _read_folder(
    folder: Path,
    encoding: str | None,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda work, total: work,
    *,
    reading: ReadingOptions | None = None,
    remark: Report = lambda line: None,
) -> tuple[list[ReadPiece], tuple[str, ...], str]:
    paths = music_in(folder)
    skipped: list[str] = []

    def skip(line: str) -> None:
        skipped.append(line)
        report(line)

    root = folder if folder.is_dir() else folder.parent
    spool, candidates = Spool(), (encoding,) if encoding else tuple(ENCODINGS)
    read = [
        _read_piece(display_path(path.relative_to(root).as_posix()), file, candidates, spool)
        for path, file in readable_files(paths, skip, progress, reading)
    ]
    encoding = encoding or encoding_for_corpus(p.encoding for p in read)
    pieces: list[ReadPiece] = []
    for p in read:
        reason = p.rejections[encoding]
        if p.notes < FEWEST_NOTES:
            reason = f"it has only {p.notes} note{'s' * (p.notes != 1)}; a piece needs at least {FEWEST_NOTES}"
        if reason:
            skip(f"{display_path(folder)}/{p.piece.name}: {reason}")
        else:
            pieces.append(p)
    if not pieces:
        if len(paths) == 1:
            raise CorpusError(f"{folder}: no usable music: {skipped[0]}")
        raise CorpusError(f"{folder}: none of its {len(paths)} files can be used; the first problem: {skipped[0]}")
    for line in remark_lines((p.piece.name, line) for p in pieces for line in p.remarks[encoding]):
        remark(line)
    return pieces, tuple(skipped), encoding


def _read_piece(name: str, file: ReadFile, encodings: Iterable[str], spool: Spool) -> ReadPiece:
    score, kinds = file.score, {encoding: ENCODINGS[encoding].load() for encoding in encodings}
    rejections = {encoding: kind.rejection_reason(score) for encoding, kind in kinds.items()}
    remarks = {encoding: (*file.remarks, *kind.remarks(score)) for encoding, kind in kinds.items()}
    piece = Piece(name, spool.put(bytes(score.__getstate__())), content_hash(score))
    runs = spool.put(interval_runs(top_line(score)).tobytes())
    return ReadPiece(piece, int(score.note_num()), encoding_for_piece(score), rejections, remarks, runs)


def readable_files(
    paths: list[Path],
    skip: Callable[[str], None],
    progress: Progress = lambda work, total: work,
    reading: ReadingOptions | None = None,
) -> Iterator[tuple[Path, ReadFile]]:
    """Each file and its music. Calls `skip` with one line for each file that cannot be read."""
    processes = min(processor_count(), 1 + len(paths) // FILES_A_PROCESS)
    files = progress(iter(paths), len(paths))
    for path, result in read_many(files, processes=processes, options=reading):
        if isinstance(result, ScoreError):
            skip(str(result))
        else:
            yield path, result


def choose_encoding(scores: Iterable[Score]) -> str:
    """The encoding that suits these scores.

    `chorale` if at least four in five have four voices in a choir's range, `notes` if as many are a single line, such
    as a cello's, else `events`.
    """
    return encoding_for_corpus(map(encoding_for_piece, scores))
