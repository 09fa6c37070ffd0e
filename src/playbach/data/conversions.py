"""Music that is converted once, into a folder of the cache that appears whole or not at all.

Knows where the cache lies and how work is shared among processes; knows nothing of the music. Converting needs
music21 (extra `train`), what has been converted does not.
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
from playbach.system.processes import START, fork_allowed
from playbach.system.progress import Progress

T = TypeVar("T")


def cache_folder(name: str, version: int) -> Path:
    """Where the converted files of a collection lie; `PLAYBACH_CACHE` names another cache."""
    root = os.environ.get("PLAYBACH_CACHE") or platformdirs.user_cache_dir("playbach", appauthor=False)
    return Path(root) / f"{name}-{version}"


def converted(name: str, version: int, fill: Callable[[Path], None]) -> Path:
    """The folder with a collection's converted files; `fill` puts them into an empty one where it is not there yet.

    Raises:
        MissingExtra: they must be converted and music21 is not installed.
        CorpusError: the cache folder cannot be written.
    """
    target = cache_folder(name, version)
    if target.is_dir():
        return target
    if find_spec("music21") is None:
        raise MissingExtra(f"the built-in corpus {name}", "train", "music21")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
        try:
            fill(beside)
            try:
                beside.rename(target)
            except OSError:
                if not target.is_dir():  # else another process was faster
                    raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except BrokenProcessPool as error:
        raise CorpusError(f"{target}: a worker that converts {name} died; try again") from error
    except OSError as error:
        raise CorpusError(
            f"{target.parent}: {name} cannot be kept there ({error.strerror or error}); "
            "name another folder in PLAYBACH_CACHE"
        ) from error
    return target


def in_processes(
    work: Callable[[Any], T], jobs: Sequence[Any], progress: Progress | None = None, at_once: int = 1
) -> Iterator[T]:
    """What `work` makes of each job, in their order, by as many processes as there are processors, `at_once` jobs
    handed to each at a time."""
    with fork_allowed(), ProcessPoolExecutor(mp_context=multiprocessing.get_context(START)) as pool:
        done = pool.map(work, jobs, chunksize=at_once)
        try:
            yield from progress(done, len(jobs)) if progress else done
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # else leaving the block would convert all the rest first
            raise
