"""Writes files and folders completely or not at all, and never over existing ones unless asked.

`unused_path` finds a free name. `pending_file` and `pending_folder` provide a hidden file or folder next to the
target, and move it into place when it is complete. Knows nothing of what is in the files.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from playbach.system.errors import PlaybachError

AnyPath = str | os.PathLike[str]

# Errors of disks and folders that a user can correct: what is wrong, and what to do.
_CORRECTABLE = {
    errno.ENOSPC: ("no space is left on the disk", "free some space, or write to another disk"),
    errno.EDQUOT: ("your disk quota is used up", "free some space, or write to another disk"),
    errno.EFBIG: ("the file is larger than this disk or your limits allow", "write to another disk"),
    errno.EROFS: ("the disk is read-only", "write to another folder"),
    errno.EACCES: ("you do not have permission", "change the folder's permissions, or write to another folder"),
    errno.EPERM: ("you do not have permission", "change the folder's permissions, or write to another folder"),
    errno.ENOENT: ("its folder does not exist", "create the folder first"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "write to another folder"),
    errno.EISDIR: ("a folder has this name", "choose another name"),
    errno.EEXIST: ("a file or folder has this name", "choose another name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name"),
    errno.EIO: ("the disk reports an input/output error", "write to another disk"),
}


@dataclass
class PendingFile:
    """A file or folder that is being written."""

    path: Path
    """Where it is after the `with` block."""
    temporary: Path
    """Where to write it."""


def display_path(path: AnyPath) -> str:
    """A path as printable text for a one-line message, whatever bytes its name contains."""
    text = os.fspath(path)
    return text if text.isprintable() else ascii(text)


def unused_path(path: AnyPath) -> Path:
    """`path` itself, or else the first of `name-2.mid`, `name-3.mid` … that does not exist."""
    path = Path(path)
    # lexists: writing to a dangling link would create a file elsewhere
    if not os.path.lexists(path):
        return path
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(name for name in names if not os.path.lexists(name))


@contextmanager
def pending_file(path: AnyPath, overwrite: bool = False) -> Iterator[PendingFile]:
    """Provide a temporary file next to `path`; after the block move it there, or remove it after an error.

    Without `overwrite` no existing file is replaced: the file gets the first free name of `unused_path`, even if
    another process takes a name meanwhile, and `PendingFile.path` is that name. The folder must exist.

    Raises:
        PlaybachError: the disk is full, the folder is missing, or the like.
    """
    path = Path(path)
    if not path.name:
        raise _is_folder(path)
    # Hidden, so that it is not taken for music; short, so that a long name still fits; with the suffix, because some
    # writers choose the format by it.
    pending = PendingFile(path, path.with_name(f".playbach-{secrets.token_hex(6)}{path.suffix}"))
    with _plain_errors(path, pending):
        try:
            if path.is_dir():
                raise _is_folder(path)
            # A missing or read-only folder is an error before the work begins, not after it.
            pending.temporary.touch(exist_ok=False)
            yield pending
            if overwrite:
                pending.temporary.replace(path)
            else:
                _move_to_free_name(pending)
        finally:
            with suppress(OSError):
                pending.temporary.unlink(missing_ok=True)


@contextmanager
def pending_folder(path: AnyPath) -> Iterator[PendingFile]:
    """Provide an empty folder next to `path`; after the block give it the first free name of `path`, `path-2` …, or
    remove it with its contents after an error.

    The parent folder is created if it is missing, but not the folders above it.
    """
    path = Path(path)
    pending = PendingFile(path, path.with_name(f".playbach-{secrets.token_hex(6)}"))
    with _plain_errors(path.parent, pending), _ensure_folder(path.parent):
        try:
            pending.temporary.mkdir()
            yield pending
            placed = False
            while not placed:
                pending.path = unused_path(path)
                # A rename replaces an empty folder, but never a file or a folder that holds anything.
                with suppress(FileExistsError, NotADirectoryError):
                    try:
                        pending.temporary.rename(pending.path)
                        placed = True
                    except OSError as error:
                        if error.errno != errno.ENOTEMPTY:
                            raise
        finally:
            shutil.rmtree(pending.temporary, ignore_errors=True)


@contextmanager
def output_folder(path: AnyPath) -> Iterator[Path]:
    """Create the folder if it is missing, but not those above it; remove it after an error if it is new and empty."""
    path = Path(path)
    with _plain_errors(path, PendingFile(path, path)), _ensure_folder(path):
        yield path


@contextmanager
def _ensure_folder(folder: Path) -> Iterator[None]:
    """Create the folder if it is missing, and remove it again after an error if it is new and empty."""
    existed = folder.is_dir()
    if not existed:
        folder.mkdir()
    try:
        yield
    except BaseException:
        if not existed:
            with suppress(OSError):
                folder.rmdir()
        raise


def _is_folder(path: Path) -> PlaybachError:
    return PlaybachError(f"{display_path(path)}: this is a folder; give a file name")


def _move_to_free_name(pending: PendingFile) -> None:
    """Give the complete file the first free name, atomically."""
    wanted = pending.path
    placed = False
    while not placed:
        pending.path = unused_path(wanted)
        try:
            pending.path.hardlink_to(pending.temporary)  # unlike a rename, this fails if the name exists
            placed = True
        except FileExistsError:
            continue  # another process has just taken it: try the next name
        except OSError:  # a file system without links (FAT, some network shares), or an error that will come again
            placed = _replace_placeholder(pending.temporary, pending.path)


def _replace_placeholder(temporary: Path, name: Path) -> bool:
    """Without links: reserve the name with an empty file and replace that. False if the name is taken."""
    try:
        name.touch(exist_ok=False)
    except FileExistsError:
        return False
    try:
        temporary.replace(name)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
    return True


@contextmanager
def _plain_errors(path: Path, pending: PendingFile) -> Iterator[None]:
    """Convert errors of the disk to a PlaybachError about `path`. Errors about other files are raised as they are."""
    try:
        yield
    except OSError as error:
        if error.errno not in _CORRECTABLE or not _is_about(error, path, pending):
            raise
        wrong, remedy = _CORRECTABLE[error.errno]
        raise PlaybachError(f"{display_path(path)}: cannot be written: {wrong}; {remedy}") from error


def _is_about(error: OSError, path: Path, pending: PendingFile) -> bool:
    """Whether the error is about the file or folder that is being written, or about a file in that folder."""
    if error.filename is None:
        return True
    failed = Path(error.filename)
    return failed in (path, pending.path) or pending.temporary in (failed, *failed.parents)
