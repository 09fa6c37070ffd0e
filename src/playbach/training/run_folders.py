"""NAME.run/, the folder with everything that an unfinished training run needs to be resumed.

It contains a description in JSON, a lock that the training process holds until it ends for any reason, and the files
of other modules. A folder appears complete, with its description and its lock. An interrupted removal leaves a
folder without a description, which is not a run any more. Knows nothing of networks; standard library only.
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
from playbach.system.files import display_path

RUN_SUFFIX = ".run"
DESCRIPTION_FILE, LOCK_FILE = "run.json", "lock"
RUN_FORMAT = 1
LOCK_WAIT_SECONDS = 3.0
"""Seconds to wait for a lock: after a training process is killed, its child processes take a moment to notice and to
close its files."""


@dataclass
class RunFolder:
    """The folder of a run, locked by this process."""

    path: Path
    """NAME.run."""
    description: dict[str, Any]
    """What the run was begun with, as JSON."""
    _lock: int

    @property
    def stem(self) -> Path:
        """The path of the run's files without their endings."""
        return self.path.with_name(self.path.name.removesuffix(RUN_SUFFIX))

    def release(self) -> None:
        """Unlock the folder and leave it, so that the run can be resumed."""
        with suppress(OSError):
            os.close(self._lock)

    def remove(self) -> None:
        """Remove the folder, beginning with the description, without which the run cannot be resumed."""
        with suppress(OSError):
            (self.path / DESCRIPTION_FILE).unlink(missing_ok=True)
        self.release()
        shutil.rmtree(self.path, ignore_errors=True)


def create(into: Path, name: str, endings: tuple[str, ...], description: Mapping[str, Any]) -> RunFolder:
    """Make the folder of a new run: NAME.run, or NAME-2.run … if a file with that name and one of `endings` exists or
    another process is training under that name.

    Raises:
        PlaybachError: there is an unfinished run with this name, or the folder cannot be made.
    """
    number = 1
    while True:
        stem = into / (name if number == 1 else f"{name}-{number}")
        number += 1
        target = stem.with_name(stem.name + RUN_SUFFIX)
        # First the folder: an unfinished run may have written files with these endings already.
        if os.path.lexists(target) and not _remove_leftover(target):
            continue
        if any(os.path.lexists(stem.with_name(stem.name + ending)) for ending in endings):
            continue
        try:
            return _make_folder(target, {"format": RUN_FORMAT, **description})
        except FileExistsError:
            continue  # another process was faster
        except OSError as error:
            raise PlaybachError(
                f"{display_path(target)}: cannot be made ({error.strerror}); train in another folder"
            ) from error


def reopen(path: Path) -> RunFolder:
    """Lock the folder of an unfinished run, to resume it.

    Raises:
        UsageError: there is no run to resume at `path`.
        PlaybachError: another process is training in it, or another version of playbach made it.
    """
    if not path.is_dir():
        raise UsageError(f"{display_path(path)}: no such folder; give the .run folder of an unfinished training")
    description = _read_description(path)
    if description is None:
        raise UsageError(f"{display_path(path)}: not the folder of an unfinished training; give a .run folder")
    if description.get("format") != RUN_FORMAT:
        raise PlaybachError(
            f"{display_path(path)}: made by another version of playbach; finish the training with that version"
        )
    lock = _acquire_lock(path / LOCK_FILE, LOCK_WAIT_SECONDS)
    if lock is None:
        raise PlaybachError(
            f"{display_path(path)}: another process is training in this folder; wait until it ends, or stop it"
        )
    for stale in path.glob(".playbach-*"):  # half-written files of a killed process
        with suppress(OSError):
            stale.unlink()
    return RunFolder(path, description, lock)


def unfinished_runs(into: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The runs in a folder that can be resumed or are still training, with their descriptions."""
    for path in sorted(into.glob(f"*{RUN_SUFFIX}")):
        description = _read_description(path)
        if description is not None:
            yield path, description


def _read_description(path: Path) -> dict[str, Any] | None:
    try:
        description = json.loads((path / DESCRIPTION_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return description if isinstance(description, dict) else None


def _remove_leftover(path: Path) -> bool:
    """Remove a folder that an interrupted removal has left; return whether it is gone.

    Raises:
        PlaybachError: the folder is that of an unfinished run.
    """
    if path.is_symlink() or not (path / LOCK_FILE).is_file():
        return False  # not a folder of ours
    lock = _acquire_lock(path / LOCK_FILE, 0)
    if lock is None:
        return False  # still training
    try:
        if _read_description(path) is not None:
            raise PlaybachError(
                f"{display_path(path)}: an unfinished training has this name; resume it with "
                f"`playbach train --resume {display_path(path)}`, remove its folder, or give another --name"
            )
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
    return not path.exists()


def _make_folder(target: Path, description: dict[str, Any]) -> RunFolder:
    """Make the folder under another name, with its description and lock, and rename it."""
    temporary = target.with_name(f".playbach-{secrets.token_hex(6)}{RUN_SUFFIX}")
    temporary.mkdir()
    lock = None
    try:
        (temporary / DESCRIPTION_FILE).write_text(json.dumps(description), "utf-8")
        (temporary / LOCK_FILE).touch()
        if sys.platform != "win32":  # Windows cannot move a folder with an open file in it
            lock = _acquire_lock(temporary / LOCK_FILE, 0)
        if os.path.lexists(target):
            raise FileExistsError
        temporary.rename(target)
        lock = lock or _acquire_lock(target / LOCK_FILE, LOCK_WAIT_SECONDS)
        assert lock is not None
    except BaseException as error:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and os.path.lexists(target):
            raise FileExistsError from error
        raise
    return RunFolder(target, description, lock)


def _acquire_lock(path: Path, wait_seconds: float) -> int | None:
    """A file descriptor that holds the lock until it is closed or its process ends; None if another process holds the
    lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    until = time.monotonic() + wait_seconds
    while not _try_lock(descriptor):
        if time.monotonic() >= until:
            os.close(descriptor)
            return None
        time.sleep(0.05)
    return descriptor


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        # Not lockf, whose lock is lost as soon as any other descriptor of the file is closed.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
