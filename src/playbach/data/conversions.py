"""Converts music once, into a folder of the cache that appears complete or not at all.

Knows where the cache is and how to share work among processes; knows nothing of the music. Converting needs music21
(extra `train`); converted music does not.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from playbach.system.errors import CorpusError, MissingExtra
from playbach.system.processes import START_METHOD, ignore_fork_warnings
from playbach.system.progress import Progress

Result = TypeVar("Result")


def corpus_cache_folder(name: str, version: int) -> Path:
    """Where the converted files of a corpus are. `PLAYBACH_CACHE` sets another cache."""
    root = os.environ.get("PLAYBACH_CACHE") or platformdirs.user_cache_dir("playbach", appauthor=False)
    return Path(root) / f"{name}-{version}"


def converted_folder(name: str, version: int, fill: Callable[[Path], None]) -> Path:
    """The folder with the converted files of a corpus; converts them if necessary.

    Args:
        fill: writes the converted files into an empty folder.

    Raises:
        MissingExtra: the files must be converted, and music21 is not installed.
        CorpusError: the cache folder cannot be written, or a process that converts died.
    """
    target = corpus_cache_folder(name, version)
    if target.is_dir():
        return target
    if find_spec("music21") is None:
        raise MissingExtra(f"the built-in corpus {name}", "train", "music21")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
        try:
            fill(temporary)
            try:
                temporary.rename(target)
            except OSError:
                if not target.is_dir():  # otherwise another process was faster
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except BrokenProcessPool as error:
        raise CorpusError(f"{target}: a process that converts {name} died; try again") from error
    except OSError as error:
        raise CorpusError(
            f"{target.parent}: cannot write the converted corpus {name} here ({error.strerror or error}); "
            "set PLAYBACH_CACHE to another folder"
        ) from error
    return target


def music21_collection() -> Path:
    """The folder of the collection of music that comes with music21. Does not load music21."""
    spec = find_spec("music21")
    return Path(spec.origin or "").parent / "corpus" if spec else Path()


def in_processes(
    work: Callable[[Any], Result], jobs: Sequence[Any], progress: Progress | None = None, at_once: int = 1
) -> Iterator[Result]:
    """The results of `work` for all jobs, in order, computed by one process for each processor.

    Args:
        progress: wraps the iterator over results, given their number.
        at_once: how many jobs a process takes at a time.
    """
    with ignore_fork_warnings(), ProcessPoolExecutor(mp_context=multiprocessing.get_context(START_METHOD)) as pool:
        done = pool.map(work, jobs, chunksize=at_once)
        try:
            yield from progress(done, len(jobs)) if progress else done
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # otherwise the block would run all remaining jobs
            raise
