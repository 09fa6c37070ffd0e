"""NAME.run/, where an unfinished training keeps what it needs to go on: claimed, found again, and removed.

It holds a description in JSON, a lock that the process at work holds (and loses when it dies, however it dies), and
what others put into it. A folder appears whole, with its description and its lock, and a removal that is cut short
leaves one that says so. Knows nothing of networks; standard library only.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playbach.system.errors import PlaybachError, UsageError
from playbach.system.files import shown

SUFFIX = ".run"
DESCRIPTION, LOCK = "run.json", "lock"
FORMAT = 1
PATIENCE = 3.0
"""Seconds in which the worker processes of a killed training notice that it is gone and let go of its files."""


@dataclass
class RunFolder:
    """A run's folder that this process has locked, and what is to be known of the run."""

    path: Path
    description: dict[str, Any]
    _lock: int

    @property
    def stem(self) -> Path:
        """The path that the run's files have in common, without their endings."""
        return self.path.with_name(self.path.name.removesuffix(SUFFIX))

    def release(self) -> None:
        """Leave it as it is, to be resumed."""
        with suppress(OSError):
            os.close(self._lock)

    def remove(self) -> None:
        """The run is over. The description goes first: without it there is nothing to resume."""
        with suppress(OSError):
            (self.path / DESCRIPTION).unlink(missing_ok=True)
        self.release()
        shutil.rmtree(self.path, ignore_errors=True)


def create(into: Path, name: str, taken: tuple[str, ...], description: Mapping[str, Any]) -> RunFolder:
    """The folder of a new run: NAME.run, or NAME-2.run … where files with one of the endings `taken` have that name
    already or another process is training under it.

    Raises:
        PlaybachError: there is an unfinished run of this name, or the folder cannot be made.
    """
    number = 1
    while True:
        stem = into / (name if number == 1 else f"{name}-{number}")
        number += 1
        target = stem.with_name(stem.name + SUFFIX)
        if any(os.path.lexists(stem.with_name(stem.name + ending)) for ending in taken):
            continue
        if os.path.lexists(target) and not _cleared(target):
            continue
        try:
            return _made(target, {"format": FORMAT, **description})
        except FileExistsError:
            continue  # another process was faster
        except OSError as error:
            raise PlaybachError(
                f"{shown(target)}: cannot be made ({error.strerror}); train in another folder"
            ) from error


def reopen(path: Path) -> RunFolder:
    """The folder of an unfinished run, to go on with it.

    Raises:
        UsageError: there is no run to resume at `path`.
        PlaybachError: another process is at work on it.
    """
    if not path.is_dir():
        raise UsageError(f"{shown(path)}: no such folder; give the .run folder of an unfinished training")
    description = _described(path)
    if description is None:
        raise UsageError(f"{shown(path)}: not an unfinished training; give its .run folder")
    if description.get("format") != FORMAT:
        raise PlaybachError(f"{shown(path)}: begun by another version of playbach; finish it with that one")
    lock = _locked(path / LOCK, PATIENCE)
    if lock is None:
        raise PlaybachError(f"{shown(path)}: another process is training on it; wait for it, or stop it first")
    for stale in path.glob(".playbach-*"):  # what a killed process was writing
        with suppress(OSError):
            stale.unlink()
    return RunFolder(path, description, lock)


def unfinished(into: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The runs in a folder that can be resumed or are under way, with their descriptions."""
    for path in sorted(into.glob(f"*{SUFFIX}")):
        description = _described(path)
        if description is not None:
            yield path, description


def _described(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((path / DESCRIPTION).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _cleared(path: Path) -> bool:
    """Whether what has a new run's name was only the rest of an old one, and is gone now.

    Raises:
        PlaybachError: it can be resumed.
    """
    if path.is_symlink() or not (path / LOCK).is_file():
        return False  # somebody else's
    lock = _locked(path / LOCK, 0)
    if lock is None:
        return False  # at work
    try:
        if _described(path) is not None:
            raise PlaybachError(
                f"{shown(path)}: a training of this name was cut short; go on with it by "
                f"playbach train --resume {shown(path)}, or remove that folder, or give another --name"
            )
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
    return not path.exists()


def _made(target: Path, description: dict[str, Any]) -> RunFolder:
    """The folder with all that belongs into it, under its name at once."""
    beside = target.with_name(f".playbach-{secrets.token_hex(6)}{SUFFIX}")
    beside.mkdir()
    lock = None
    try:
        (beside / DESCRIPTION).write_text(json.dumps(description), "utf-8")
        (beside / LOCK).touch()
        if sys.platform != "win32":  # where a folder with an open file in it cannot be moved
            lock = _locked(beside / LOCK, 0)
        if os.path.lexists(target):
            raise FileExistsError
        beside.rename(target)
        lock = lock or _locked(target / LOCK, PATIENCE)
        assert lock is not None
    except BaseException as error:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(beside, ignore_errors=True)
        if isinstance(error, OSError) and os.path.lexists(target):
            raise FileExistsError from error
        raise
    return RunFolder(target, description, lock)


def _locked(path: Path, patience: float) -> int | None:
    """A descriptor that holds the lock until it is closed or its process ends; None where another one holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    until = time.monotonic() + patience
    while not _lock(descriptor):
        if time.monotonic() >= until:
            os.close(descriptor)
            return None
        time.sleep(0.05)
    return descriptor


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        # flock, as a lock of lockf's would be lost when any other descriptor of the file is closed.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
