"""Encoded music on disk: memory-mapped files, written by parallel processes, and continued if they are interrupted.

A shard holds successive pieces, each in all its keys if it is for training. `NAME-00007.steps` and
`NAME-00007.context` hold the integers row by row, in the smallest unsigned type. `NAME-00007.json` is written last
and has their hashes. The content of a shard depends only on its pieces and the encoding, not on the number of
processes, so a complete shard is never made again. Uses numpy only; knows nothing of networks.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from playbach.data.pieces import Piece
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.music.arrays import Ints
from playbach.music.bars import Header
from playbach.music.scores import score_from_bytes, transpose
from playbach.system.errors import PlaybachError, ScoreError
from playbach.system.files import display_path, pending_file
from playbach.system.processes import START_METHOD, ignore_fork_warnings, processor_count
from playbach.system.progress import Progress
from playbach.system.version import __version__

PIECES_PER_SHARD = 32
"""The last shard may have fewer."""
MAX_OPEN_SHARDS = 64
"""The most shards mapped at a time: each takes file descriptors and counts as memory of this process."""

PIECE_COLUMN, SHIFT_COLUMN, BEGIN_COLUMN, STEPS_COLUMN, NOTES_COLUMN, TICKS_COLUMN, SHARD_COLUMN = range(7)
"""The columns of the index: the index of the piece, its transposition in semitones, its first row in the shard, its
number of rows, notes and ticks as in an EncodedPiece, and the index of the shard."""


class Stopped(PlaybachError):
    """The user stopped the program while music was encoded."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A shard to be made."""

    path: Path
    """The path of its JSON file."""
    first: int
    """The index of its first piece."""
    states: tuple[bytes, ...]
    """Its pieces as bytes; empty before the job is given to a process."""
    all_keys: bool
    identity: str
    """A hash of all that its content depends on."""


class Shards:
    """Encoded pieces on disk: a row of `index` (N, 7) for each, and a line of `left_out` for each that failed."""

    def __init__(
        self,
        encoding: Encoding,
        paths: Sequence[Path],
        indexes: Sequence[Sequence[Sequence[int]]],
        left_out: Sequence[str],
    ) -> None:
        self._types = _types(encoding)
        self._columns = len(encoding.fields), len(encoding.context)
        self._paths = paths
        tables = []
        for number, index in enumerate(indexes):
            rows = np.array(index, np.int64).reshape(-1, SHARD_COLUMN)
            tables.append(np.column_stack([rows, np.full(len(rows), number)]))
        self.index: npt.NDArray[np.int64] = np.concatenate(tables)
        self.left_out = left_out
        self._mapped: OrderedDict[int, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = OrderedDict()

    @property
    def folder(self) -> Path:
        """The folder with the files."""
        return self._paths[0].parent

    def window(self, row: int, begin: int, end: int) -> tuple[Ints, Ints]:
        """Steps (T, F) and context (T, C) of one encoded piece, from `begin` to `end`."""
        steps, context = self._views(row)
        return steps[begin:end].astype(np.int32), context[begin:end].astype(np.int32)

    def encoded_piece(self, row: int) -> EncodedPiece:
        """A whole encoded piece with an empty header. Its context stays on disk."""
        steps, context = self._views(row)
        notes, ticks = self.index[row, [NOTES_COLUMN, TICKS_COLUMN]].tolist()
        return EncodedPiece(steps.astype(np.int32), context, Header(), notes, ticks)

    def originals(self) -> npt.NDArray[np.int64]:
        """The rows of the index of pieces in their own keys."""
        return np.flatnonzero(self.index[:, SHIFT_COLUMN] == 0)

    def steps(self) -> Iterator[npt.NDArray[Any]]:
        """The steps (T, F) of each shard."""
        for number in range(len(self._paths)):
            yield self._map(number)[0]

    def _views(self, row: int) -> tuple[npt.NDArray[Any], Ints]:
        begin, steps, number = self.index[row, [BEGIN_COLUMN, STEPS_COLUMN, SHARD_COLUMN]].tolist()
        return tuple(table[begin : begin + steps] for table in self._recent(number))  # type: ignore[return-value]

    def _recent(self, number: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """A shard's two tables, which stay mapped for a while."""
        tables = self._mapped.pop(number, None) or self._map(number)
        self._mapped[number] = tables
        if len(self._mapped) > MAX_OPEN_SHARDS:
            self._mapped.popitem(last=False)
        return tables

    def _map(self, number: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        tables: list[npt.NDArray[Any]] = []
        for suffix, dtype, columns in zip((".steps", ".context"), self._types, self._columns):
            path = self._paths[number].with_suffix(suffix)
            empty = not columns or not path.stat().st_size
            flat = np.empty(0, dtype) if empty else np.asarray(np.memmap(path, dtype, "r"))
            tables.append(flat.reshape(-1, columns) if columns else np.empty((len(tables[0]), 0), dtype))
        return tables[0], tables[1]


def build_shards(
    pieces: Sequence[Piece],
    encoding: Encoding,
    name: str,
    folder: Path | None = None,
    *,
    all_keys: bool = False,
    processes: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = lambda work, total: work,
) -> Shards:
    """Encode pieces into shards, except those that are complete already.

    Args:
        name: the first part of the files' names.
        folder: where to write, made if necessary; None: a temporary folder that is deleted with the returned object.
        all_keys: whether to encode each piece in all its keys.
        processes: None: one for each processor, but not more than shards.
        stop: called after each shard; True stops.
        progress: wraps the iterator over the shards to be made, given their number.

    Raises:
        Stopped: `stop` returned True.
        PlaybachError: the disk is full, or a process died.
    """
    is_temporary = folder is None
    folder = folder or Path(tempfile.mkdtemp(prefix="playbach-"))
    folder.mkdir(exist_ok=True)
    for stale in folder.glob(".playbach-*"):  # left by a killed process
        stale.unlink(missing_ok=True)
    jobs = list(_jobs(pieces, encoding, folder, name, all_keys))
    descriptions = [_read_description(job.path, job.identity) for job in jobs]
    missing = [i for i, description in enumerate(descriptions) if description is None]
    to_do = (replace(jobs[i], states=tuple(p.state() for p in _of_shard(pieces, i))) for i in missing)
    made = _in_parallel(partial(_make, encoding), to_do, min(processes or processor_count(), len(missing)))
    try:
        for i, description in zip(missing, progress(made, len(missing))):
            descriptions[i] = description
            if stop():
                raise Stopped("stopped while encoding the music; --resume continues from here")
    except BrokenProcessPool as error:
        raise PlaybachError(
            "a process that encodes music died, probably because memory ran out; close other programs, then continue "
            "with --resume"
        ) from error
    whole = [description for description in descriptions if description is not None]
    left_out = [f"{pieces[number].name}: {reason}" for d in whole for number, reason in d["left_out"]]
    shards = Shards(encoding, [job.path for job in jobs], [d["index"] for d in whole], left_out)
    if is_temporary:
        weakref.finalize(shards, shutil.rmtree, folder, ignore_errors=True)
    return shards


def _jobs(pieces: Sequence[Piece], encoding: Encoding, folder: Path, name: str, all_keys: bool) -> Iterator[_Job]:
    """A job for each shard, without the pieces. Its identity is a hash of all that the shard depends on."""
    base_hash = sha256(json.dumps([__version__, all_keys, encoding.manifest()], sort_keys=True).encode())
    for i in range(-(-len(pieces) // PIECES_PER_SHARD)):
        identity = base_hash.copy()
        identity.update("".join(p.digest for p in _of_shard(pieces, i)).encode())
        path = folder / f"{name}-{i:05}.json"
        yield _Job(path, i * PIECES_PER_SHARD, (), all_keys, identity.hexdigest())


def _of_shard(pieces: Sequence[Piece], number: int) -> Sequence[Piece]:
    return pieces[number * PIECES_PER_SHARD : (number + 1) * PIECES_PER_SHARD]


def open_shards(encoding: Encoding, name: str, folder: Path) -> Shards:
    """Open the shards that another process has completed.

    Raises:
        PlaybachError: they cannot be read, for instance because the folder is on another machine.
    """
    paths = sorted(folder.glob(f"{name}-*.json"))
    try:
        found = [json.loads(path.read_text("utf-8")) for path in paths]
        return Shards(encoding, paths, [one["index"] for one in found], [])
    except (OSError, ValueError, KeyError, TypeError) as error:  # the folder may also be empty
        raise PlaybachError(
            f"{display_path(folder)}: this machine cannot read the encoded music; train in a folder that all "
            "machines share under the same path"
        ) from error


def _types(encoding: Encoding) -> tuple[Any, Any]:
    """The smallest types for the steps, with room for the start symbol, and for the context."""
    steps = np.min_scalar_type(max(map(len, encoding.fields)))
    return steps, np.min_scalar_type(max(map(len, encoding.context), default=1) - 1)


def _read_description(path: Path, identity: str) -> dict[str, Any] | None:
    """The description of a shard; None unless its files are complete and have the right identity."""
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["identity"] != identity:
            return None
        for suffix, digest in found["sha256"].items():
            with path.with_suffix(suffix).open("rb") as file:
                if _digest(file) != digest:
                    return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(found)


def _digest(file: IO[bytes]) -> str:
    found = sha256()
    while block := file.read(1 << 20):
        found.update(block)
    return found.hexdigest()


# ---------------------------------------------------------------------------------------------- in other processes


def _in_parallel(
    function: Callable[[_Job], dict[str, Any]], jobs: Iterable[_Job], processes: int
) -> Iterator[dict[str, Any]]:
    """The results of the function for all jobs, in order. Takes only a few jobs in advance."""
    if processes <= 1:
        yield from map(function, jobs)
        return
    with (
        ignore_fork_warnings(),
        ProcessPoolExecutor(processes, multiprocessing.get_context(START_METHOD), initializer=_follow_parent) as pool,
    ):
        waiting: deque[Future[dict[str, Any]]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(function, job))
                if len(waiting) > 2 * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # otherwise the block would run all remaining jobs
            raise


def _follow_parent() -> None:
    """Ignore ^C, which the parent handles, and exit when the parent ends, even if it is killed.

    Otherwise this process would wait for the next job for ever, and keep the run's lock.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _make(encoding: Encoding, job: _Job) -> dict[str, Any]:
    """Write a shard and return its description."""
    index: list[tuple[int, ...]] = []
    left_out: list[tuple[int, str]] = []
    types, pieces = _types(encoding), list(enumerate(job.states, job.first))
    paths = [job.path.with_suffix(suffix) for suffix in (".steps", ".context")]
    with ExitStack() as stack:
        drafts = [stack.enter_context(pending_file(path, overwrite=True)) for path in paths]
        files = [stack.enter_context(draft.temporary.open("r+b")) for draft in drafts]

        def write(pieces: Sequence[tuple[int, bytes]]) -> None:
            """Write some pieces, or none of them if one fails."""
            before, ends = len(index), [file.tell() for file in files]
            try:
                for number, shift, piece in _encode_in_keys(encoding, pieces, job.all_keys):
                    for file, table, dtype in zip(files, (piece.steps, piece.context), types):
                        file.write(table.astype(dtype).tobytes())
                    rows = index[-1][BEGIN_COLUMN] + index[-1][STEPS_COLUMN] if index else 0
                    index.append((number, shift, rows, len(piece), piece.notes, piece.ticks))
            except Exception:
                del index[before:]
                for file, end in zip(files, ends):
                    file.seek(end)
                    file.truncate()
                raise

        try:
            write(pieces)  # together, which is faster
        except OSError:  # an error of the disk, not of a piece
            raise
        except Exception:  # a bad piece, or a bug that it triggers, must not stop the others
            for number, state in pieces:
                try:
                    write([(number, state)])
                except OSError:
                    raise
                except Exception as error:
                    problem = "it takes too much memory" if isinstance(error, MemoryError) else str(error)
                    fault = "" if isinstance(error, ScoreError | MemoryError) else f"{type(error).__name__}: "
                    left_out.append((number, fault + " ".join(problem.split())[:120]))
        digests = {}
        for file, draft in zip(files, drafts):
            file.seek(0)
            digests[draft.path.suffix] = _digest(file)
    description = {"identity": job.identity, "sha256": digests, "index": index, "left_out": left_out}
    with pending_file(job.path, overwrite=True) as draft:
        draft.temporary.write_text(json.dumps(description), "utf-8")
    return description


def _encode_in_keys(
    encoding: Encoding, pieces: Sequence[tuple[int, bytes]], all_keys: bool
) -> Iterator[tuple[int, int, EncodedPiece]]:
    """Each piece in its keys: its number, the transposition in semitones, its steps and contexts."""
    scores = [(number, score_from_bytes(state)) for number, state in pieces]
    keys = [
        (number, shift, score)
        for number, score in scores
        for shift in (encoding.transpositions(score) if all_keys else (0,))
    ]
    encoded = encoding.encode_all(transpose(score, shift) if shift else score for _, shift, score in keys)
    for (number, shift, _), piece in zip(keys, encoded):
        yield number, shift, piece
