"""Files that come into being whole or not at all, and never in the place of another by accident.

`unused` finds a free name; `writing` lends a hidden file beside the target and moves it into place once it is
complete, `writing_folder` a hidden folder. Knows nothing of what is in the files.
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

# What went wrong, and what to do: the faults of disks and folders that a user can mend.
_FAULTS = {
    errno.ENOSPC: ("no space left on the disk", "free some, or write to another disk"),
    errno.EDQUOT: ("your disk quota is used up", "free some space, or write to another disk"),
    errno.EFBIG: ("the file grew larger than this disk or your limits allow", "write to another disk"),
    errno.EROFS: ("the disk is read-only", "write to another place"),
    errno.EACCES: ("you may not write there", "change the folder's permissions, or write to another place"),
    errno.EPERM: ("you may not write there", "change the folder's permissions, or write to another place"),
    errno.ENOENT: ("its folder does not exist", "make the folder first"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "write to another place"),
    errno.EISDIR: ("there is a folder of this name", "choose another name"),
    errno.EEXIST: ("there is something of this name", "choose another name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.EIO: ("the disk reports an input/output error", "write to another disk"),
}


@dataclass
class PendingFile:
    """A file or folder being written: fill `temporary`; after the `with` block it is at `path`."""

    path: Path
    temporary: Path


def shown(path: AnyPath) -> str:
    """A path as it may stand in a message of one line, whatever bytes its name is made of."""
    text = os.fspath(path)
    return text if text.isprintable() else ascii(text)


def unused(path: AnyPath) -> Path:
    """`path` itself, or the first of `name-2.mid`, `name-3.mid` … that does not exist."""
    path = Path(path)
    # lexists: a dangling link is somebody's too, and writing through it would create a file elsewhere
    if not os.path.lexists(path):
        return path
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(name for name in names if not os.path.lexists(name))


@contextmanager
def writing(path: AnyPath, overwrite: bool = False) -> Iterator[PendingFile]:
    """Lend a temporary file beside `path`, and move it into place if the block ends well; else remove it.

    Without `overwrite` nothing that exists is ever replaced: a free name is taken instead, also when somebody
    takes the wanted one meanwhile, and `PendingFile.path` says which. The folder must exist.
    """
    path = Path(path)
    if not path.name:
        raise _folder(path)
    # Hidden, so that nobody takes it for music; short, so that a long name still fits; with the suffix, as
    # some writers choose the format by it.
    draft = PendingFile(path, path.with_name(f".playbach-{secrets.token_hex(6)}{path.suffix}"))
    with _plainly(path, draft):
        try:
            if path.is_dir():
                raise _folder(path)
            # Here and not by the writer: a missing or read-only folder is told before the work begins.
            draft.temporary.touch(exist_ok=False)
            yield draft
            if overwrite:
                draft.temporary.replace(path)
            else:
                _place(draft)
        finally:
            with suppress(OSError):
                draft.temporary.unlink(missing_ok=True)


@contextmanager
def writing_folder(path: AnyPath) -> Iterator[PendingFile]:
    """Lend an empty folder beside `path`, and give it the first free name of `path`, `path-2` … if the block ends
    well; else remove it with all that is in it. The folder above is made where it is missing, but none above that."""
    path = Path(path)
    draft = PendingFile(path, path.with_name(f".playbach-{secrets.token_hex(6)}"))
    with _plainly(path.parent, draft), _made(path.parent):
        try:
            draft.temporary.mkdir()
            yield draft
            placed = False
            while not placed:
                draft.path = unused(path)
                # A rename replaces an empty folder, but never a file or a folder that holds anything.
                with suppress(FileExistsError, NotADirectoryError):
                    try:
                        draft.temporary.rename(draft.path)
                        placed = True
                    except OSError as error:
                        if error.errno != errno.ENOTEMPTY:
                            raise
        finally:
            shutil.rmtree(draft.temporary, ignore_errors=True)


@contextmanager
def made_folder(path: AnyPath) -> Iterator[Path]:
    """A folder to write into, made where it is missing, but none above it; if the block fails it is removed again,
    as long as nothing is in it."""
    path = Path(path)
    with _plainly(path, PendingFile(path, path)), _made(path):
        yield path


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """A folder that is there, and stays if it was there or the block ends well."""
    there = folder.is_dir()
    if not there:
        folder.mkdir()
    try:
        yield
    except BaseException:
        if not there:
            with suppress(OSError):
                folder.rmdir()
        raise


def _folder(path: Path) -> PlaybachError:
    return PlaybachError(f"{shown(path)}: this is a folder; give a file name")


def _place(draft: PendingFile) -> None:
    """Give the finished file the first free name, atomically."""
    wanted = draft.path
    placed = False
    while not placed:
        draft.path = unused(wanted)
        try:
            draft.path.hardlink_to(draft.temporary)  # unlike a rename, fails if the name exists
            placed = True
        except FileExistsError:
            continue  # somebody was quicker: try the next name
        except OSError:  # a file system without links (FAT, some network shares), or a fault that comes again
            placed = _claim(draft.temporary, draft.path)


def _claim(temporary: Path, name: Path) -> bool:
    """Without links: reserve the name with an empty file of our own, and replace that; False if taken."""
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
def _plainly(path: Path, draft: PendingFile) -> Iterator[None]:
    """A fault of the disk in one line about `path`; one of other files, or a bug of ours, passes as it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FAULTS or not _about(error, path, draft):
            raise
        wrong, remedy = _FAULTS[error.errno]
        raise PlaybachError(f"{shown(path)}: cannot be written: {wrong}; {remedy}") from error


def _about(error: OSError, path: Path, draft: PendingFile) -> bool:
    """Whether a fault is one of the files being written, or of what is in a folder being written."""
    if error.filename is None:
        return True
    failed = Path(error.filename)
    return failed in (path, draft.path) or draft.temporary in (failed, *failed.parents)
