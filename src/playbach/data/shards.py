"""Encoded music on disk: sequences in memory-mapped files, made by parallel processes and finished after a kill.

A shard is some pieces that follow each other, each in all its keys if it is to be trained on: `NAME-00007.steps` and
`.context`, the smallest unsigned numbers that hold them, row by row, and `.json`, which is written last and vouches
for both. What a shard holds depends on its pieces and the encoding alone, not on how many processes there are. So one
that is there and whole is not made again. numpy only; knows nothing of networks.
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
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from playbach.data.pieces import Piece
from playbach.encodings import EncodedPiece, Encoding
from playbach.music.arrays import Ints
from playbach.music.bars import Header
from playbach.music.scores import revived, transposed
from playbach.system.errors import PlaybachError, ScoreError
from playbach.system.files import shown, writing
from playbach.system.processes import START, fork_allowed, processors
from playbach.system.progress import Progress
from playbach.system.version import __version__

PIECES = 32
"""In a shard."""
OPEN = 64
"""So many shards are mapped at once: each takes descriptors, and pages that count as this process's memory."""

PIECE, SHIFT, BEGIN, STEPS, NOTES, TICKS, SHARD = range(7)
"""The columns of the index: which piece of those given, moved by how many semitones, from which row of its shard on,
how many rows; notes and ticks as in a EncodedPiece."""


class Stopped(PlaybachError):
    """Asked to stop before there was anything to keep but shards."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A shard to be made: its pieces as bytes, the first one's number, and what it must be made of."""

    path: Path
    first: int
    states: tuple[bytes, ...]
    all_keys: bool
    identity: str


class Shards:
    """The sequences of some pieces, in order: `index` (N, 7) has a row for each. `left_out` has a line for each piece
    that could not be encoded."""

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
            rows = np.array(index, np.int64).reshape(-1, SHARD)
            tables.append(np.column_stack([rows, np.full(len(rows), number)]))
        self.index: npt.NDArray[np.int64] = np.concatenate(tables)
        self.left_out = left_out
        self._mapped: OrderedDict[int, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = OrderedDict()

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._paths[0].parent

    def window(self, row: int, begin: int, end: int) -> tuple[Ints, Ints]:
        """Steps (T, F) and context (T, C) from `begin` to `end` of one sequence."""
        steps, context = self._views(row)
        return steps[begin:end].astype(np.int32), context[begin:end].astype(np.int32)

    def sequence(self, row: int) -> EncodedPiece:
        """A whole sequence, its header left out; the context remains on disk."""
        steps, context = self._views(row)
        notes, ticks = self.index[row, [NOTES, TICKS]].tolist()
        return EncodedPiece(steps.astype(np.int32), context, Header(), notes, ticks)

    def originals(self) -> npt.NDArray[np.int64]:
        """The rows of the pieces as they are, not transposed."""
        return np.flatnonzero(self.index[:, SHIFT] == 0)

    def steps(self) -> Iterator[npt.NDArray[Any]]:
        """All steps (T, F), shard by shard."""
        for number in range(len(self._paths)):
            yield self._map(number)[0]

    def _views(self, row: int) -> tuple[npt.NDArray[Any], Ints]:
        begin, steps, number = self.index[row, [BEGIN, STEPS, SHARD]].tolist()
        return tuple(table[begin : begin + steps] for table in self._recent(number))  # type: ignore[return-value]

    def _recent(self, number: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """A shard's two tables, mapped now or not long ago."""
        found = self._mapped.pop(number, None) or self._map(number)
        self._mapped[number] = found
        if len(self._mapped) > OPEN:
            self._mapped.popitem(last=False)
        return found

    def _map(self, number: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        found: list[npt.NDArray[Any]] = []
        for suffix, dtype, columns in zip((".steps", ".context"), self._types, self._columns):
            path = self._paths[number].with_suffix(suffix)
            empty = not columns or not path.stat().st_size
            flat = np.empty(0, dtype) if empty else np.asarray(np.memmap(path, dtype, "r"))
            found.append(flat.reshape(-1, columns) if columns else np.empty((len(found[0]), 0), dtype))
        return found[0], found[1]


def build(
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
    """Encode some pieces, or find them encoded.

    Args:
        name: of the shards.
        folder: where they lie, made if it is not there; None is one that goes when the Shards go.
        all_keys: each piece as often as the encoding can transpose it.
        processes: None is one for each processor, if there is more than one shard to make.
        stop: asked after each shard.
        progress: wraps the iterator over shards that must be made, given how many there are.

    Raises:
        Stopped: `stop` said so.
        PlaybachError: the disk is full, or a process died.
    """
    kept = folder is not None
    folder = folder or Path(tempfile.mkdtemp(prefix="playbach-"))
    folder.mkdir(exist_ok=True)
    for stale in folder.glob(".playbach-*"):  # what a killed process was writing
        stale.unlink(missing_ok=True)
    paths = [folder / f"{name}-{i:05}.json" for i in range(-(-len(pieces) // PIECES))]
    plain = sha256(json.dumps([__version__, all_keys, encoding.manifest()], sort_keys=True).encode())
    identities = []
    for i in range(len(paths)):
        identity = plain.copy()
        identity.update("".join(p.digest for p in pieces[i * PIECES : (i + 1) * PIECES]).encode())
        identities.append(identity.hexdigest())
    described = [_finished(path, identity) for path, identity in zip(paths, identities)]
    missing = [i for i, found in enumerate(described) if found is None]

    def jobs() -> Iterator[_Job]:
        for i in missing:
            states = tuple(p.state() for p in pieces[i * PIECES : (i + 1) * PIECES])
            yield _Job(paths[i], i * PIECES, states, all_keys, identities[i])

    made = _in_parallel(partial(_make, encoding), jobs(), min(processes or processors(), len(missing)))
    try:
        for i, found in zip(missing, progress(made, len(missing))):
            described[i] = found
            if stop():
                raise Stopped("stopped while the music was encoded; what is done is kept for --resume")
    except BrokenProcessPool as error:
        raise PlaybachError(
            "a process that encodes music died, most likely for want of memory; close other programs, and go on "
            "with --resume"
        ) from error
    whole = [found for found in described if found is not None]
    left_out = [f"{pieces[number].name}: {why}" for found in whole for number, why in found["left_out"]]
    shards = Shards(encoding, paths, [found["index"] for found in whole], left_out)
    if not kept:
        weakref.finalize(shards, shutil.rmtree, folder, ignore_errors=True)
    return shards


def opened(encoding: Encoding, name: str, folder: Path) -> Shards:
    """What another process has built in a folder and vouches for.

    Raises:
        PlaybachError: it is not there, as when the folder is another machine's own.
    """
    paths = sorted(folder.glob(f"{name}-*.json"))
    try:
        found = [json.loads(path.read_text("utf-8")) for path in paths]
        return Shards(encoding, paths, [one["index"] for one in found], [])
    except (OSError, ValueError, KeyError, TypeError) as error:  # among them: none at all
        raise PlaybachError(
            f"{shown(folder)}: the encoded music cannot be read here; train in a folder that all machines share, "
            "under the same path"
        ) from error


def _types(encoding: Encoding) -> tuple[Any, Any]:
    """What holds the steps, and the start symbol that stands before them; and what holds the context."""
    steps = np.min_scalar_type(max(map(len, encoding.fields)))
    return steps, np.min_scalar_type(max(map(len, encoding.context), default=1) - 1)


def _finished(path: Path, identity: str) -> dict[str, Any] | None:
    """The description of a shard that is there, whole, and made of the right things."""
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
    """What the function makes of each job, in order; only a few jobs are taken ahead."""
    if processes <= 1:
        yield from map(function, jobs)
        return
    with (
        fork_allowed(),
        ProcessPoolExecutor(processes, multiprocessing.get_context(START), initializer=_follow_parent) as pool,
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
            pool.shutdown(wait=False, cancel_futures=True)  # else leaving the block would wait for all the rest
            raise


def _follow_parent() -> None:
    """Leave ^C to the parent, and end with it, even if it is killed: else we would wait for ever for its next job,
    with its lock on the run in our hands."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _make(encoding: Encoding, job: _Job) -> dict[str, Any]:
    """Writes a shard and gives its description."""
    index: list[tuple[int, ...]] = []
    left_out: list[tuple[int, str]] = []
    rows = 0
    paths = [job.path.with_suffix(suffix) for suffix in (".steps", ".context")]
    with ExitStack() as stack:
        drafts = [stack.enter_context(writing(path, overwrite=True)) for path in paths]
        files = [stack.enter_context(draft.temporary.open("r+b")) for draft in drafts]
        for number, state in enumerate(job.states, job.first):
            before, ends = (len(index), rows), [file.tell() for file in files]
            try:
                for shift, sequence in _sequences(encoding, state, job.all_keys):
                    for file, table, dtype in zip(files, (sequence.steps, sequence.context), _types(encoding)):
                        file.write(np.ascontiguousarray(table, dtype).tobytes())
                    index.append((number, shift, rows, len(sequence), sequence.notes, sequence.ticks))
                    rows += len(sequence)
            except OSError:  # the disk's fault, not the piece's
                raise
            except Exception as error:  # a bad file never stops it, nor does a fault of ours that one file brings out
                said = "it takes too much memory" if isinstance(error, MemoryError) else str(error)
                fault = "" if isinstance(error, ScoreError | MemoryError) else f"{type(error).__name__}: "
                left_out.append((number, fault + " ".join(said.split())[:120]))
                del index[before[0] :]
                rows = before[1]
                for file, end in zip(files, ends):
                    file.seek(end)
                    file.truncate()
        digests = {}
        for file, draft in zip(files, drafts):
            file.seek(0)
            digests[draft.path.suffix] = _digest(file)
    found = {"identity": job.identity, "sha256": digests, "index": index, "left_out": left_out}
    with writing(job.path, overwrite=True) as draft:
        draft.temporary.write_text(json.dumps(found), "utf-8")
    return found


def _sequences(encoding: Encoding, state: bytes, all_keys: bool) -> Iterator[tuple[int, EncodedPiece]]:
    score = revived(state)
    for shift in encoding.transpositions(score) if all_keys else (0,):
        yield shift, encoding.encode(transposed(score, shift) if shift else score)
