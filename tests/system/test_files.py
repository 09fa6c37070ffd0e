"""Files are written completely or not at all, and never over existing ones."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from playbach.system import files
from playbach.system.errors import PlaybachError
from playbach.system.files import display_path, pending_file, unused_path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def message_of(caught: pytest.ExceptionInfo[PlaybachError]) -> str:
    line = str(caught.value)
    assert "\n" not in line
    return line


# ----------------------------------------------------------------------------------------------------- unused_path


def test_unused_path_counts_up_from_two(tmp_path: Path) -> None:
    wanted = tmp_path / "Op. 12 no. 3.mid"
    assert unused_path(wanted) == wanted
    wanted.touch()
    assert unused_path(str(wanted)).name == "Op. 12 no. 3-2.mid"
    (tmp_path / "Op. 12 no. 3-2.mid").touch()
    assert unused_path(wanted).name == "Op. 12 no. 3-3.mid"


def test_unused_path_respects_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "nowhere")
    assert unused_path(tmp_path / "a").name == "a-2"


# ---------------------------------------------------------------------------------------------------- pending_file


def test_a_pending_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "fugue.mid"
    with pending_file(target) as pending:
        assert pending.temporary.parent == tmp_path
        assert pending.temporary.suffix == ".mid"
        assert pending.temporary.name.startswith(".")
        pending.temporary.write_bytes(b"music")
        assert not target.exists()
    assert pending.path == target
    assert target.read_bytes() == b"music"
    assert names(tmp_path) == ["fugue.mid"]


def test_a_pending_file_gets_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with pending_file(tmp_path / "drafted"):
        pass
    assert (tmp_path / "drafted").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_pending_file_replaces_no_file_by_default(tmp_path: Path) -> None:
    target = tmp_path / "fugue.mid"
    target.write_bytes(b"old")
    with pending_file(target) as pending:
        pending.temporary.write_bytes(b"new")
    assert pending.path.name == "fugue-2.mid"
    assert target.read_bytes() == b"old"
    assert pending.path.read_bytes() == b"new"


def test_a_pending_file_replaces_a_file_if_asked(tmp_path: Path) -> None:
    target = tmp_path / "fugue.mid"
    target.write_bytes(b"old")
    with pending_file(target, overwrite=True) as pending:
        pending.temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert pending.path == target
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["fugue.mid"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError, GeneratorExit])
def test_an_interrupted_pending_file_leaves_nothing_behind(
    tmp_path: Path, fault: type[BaseException], overwrite: bool
) -> None:
    (tmp_path / "fugue.mid").write_bytes(b"old")
    with pytest.raises(fault), pending_file(tmp_path / "fugue.mid", overwrite) as pending:
        pending.temporary.write_bytes(b"half")
        raise fault
    assert names(tmp_path) == ["fugue.mid"]
    assert (tmp_path / "fugue.mid").read_bytes() == b"old"


@pytest.fixture(params=["links", "no links"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without hard links, as on a FAT stick."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("file_system")
def test_a_pending_file_gets_another_name_if_its_own_is_taken_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "fugue.mid"
    with pending_file(target) as pending:
        pending.temporary.write_bytes(b"ours")
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert pending.path.read_bytes() == b"ours"
    assert names(tmp_path) == ["fugue-2.mid", "fugue.mid"]


@pytest.mark.usefixtures("file_system")
def test_a_pending_file_gets_another_name_if_its_own_is_taken_at_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "fugue.mid"

    def late(path: Path) -> Path:
        name = unused_path(path)
        if name == target:
            target.write_bytes(b"theirs")  # between the check and the move
        return name

    monkeypatch.setattr(files, "unused_path", late)
    with pending_file(target) as pending:
        pending.temporary.write_bytes(b"ours")
    assert target.read_bytes() == b"theirs"
    assert pending.path.name == "fugue-2.mid"
    assert pending.path.read_bytes() == b"ours"


@pytest.mark.usefixtures("file_system")
def test_many_writers_of_one_name_all_keep_their_file(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        with pending_file(tmp_path / "a.mid") as pending:
            pending.temporary.write_text(str(number))
            barrier.wait()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(tmp_path)) == 8
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == list("01234567")


def test_without_links_a_failed_move_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PlaybachError) as caught, pending_file(tmp_path / "a.mid"):
        pass
    assert "input/output error" in message_of(caught)
    assert names(tmp_path) == []


# ---------------------------------------------------------------------------------------------------------- errors


def test_a_missing_folder_is_an_error_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(PlaybachError) as caught, pending_file(tmp_path / "none" / "a.mid"):
        pytest.fail("the block must not run")
    assert message_of(caught) == (
        f"{tmp_path}/none/a.mid: cannot be written: its folder does not exist; create the folder first"
    )


def test_other_paths_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.mid").mkdir()
    for place, wrong in (
        (tmp_path / "file" / "a.mid", "a file, not a folder"),
        (tmp_path / ("x" * 300 + ".mid"), "the name is too long"),
        (tmp_path / "folder.mid", "this is a folder"),
        (Path("/"), "this is a folder"),
    ):
        for overwrite in (False, True):
            with pytest.raises(PlaybachError, match=wrong) as caught, pending_file(place, overwrite):
                pass
            assert message_of(caught).startswith(f"{place}: ")
    assert names(tmp_path) == ["file", "folder.mid"]


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PlaybachError, match="you do not have permission"), pending_file(tmp_path / "a.mid"):
            pass
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_no_space_left(tmp_path: Path) -> None:
    with (
        pytest.raises(PlaybachError, match="no space is left") as caught,
        pending_file(tmp_path / "a.mid"),
        Path("/dev/full").open("wb") as full,
    ):
        full.write(b"x")
    assert message_of(caught).startswith(f"{tmp_path}/a.mid: ")
    assert names(tmp_path) == []


OVERFLOW = """
import sys
from playbach.system.errors import PlaybachError
from playbach.system.files import pending_file
try:
    with pending_file(sys.argv[1] + "/a.mid") as pending, pending.temporary.open("wb") as file:
        for _ in range(64):
            file.write(bytes(4096))
except PlaybachError as error:
    print(error)
"""


def test_a_file_larger_than_the_limit(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs limits on processes")
    done = subprocess.run(
        [sys.executable, "-c", OVERFLOW, tmp_path],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)),
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith(f"{tmp_path}/a.mid: cannot be written: the file is larger than this disk"), done
    assert names(tmp_path) == []


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    if not shutil.which("unshare"):
        pytest.skip("needs `unshare` to mount a small disk")
    script = 'mount -t tmpfs -o size=64k none "$1" || exit 77; "$2" -c "$3" "$1"; ls -A "$1"'
    arguments = [str(tmp_path), sys.executable, OVERFLOW]
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    line, *left = done.stdout.splitlines()
    assert line.startswith(f"{tmp_path}/a.mid: cannot be written: no space is left on the disk; "), done
    assert left == []


def test_errors_about_other_files_are_raised_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), pending_file(tmp_path / "a.mid"):
        (tmp_path / "some other file").read_bytes()
    with pytest.raises(BrokenPipeError), pending_file(tmp_path / "a.mid"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    with pytest.raises(PlaybachError, match=r"^ours$"), pending_file(tmp_path / "a.mid"):
        raise PlaybachError("ours")
    assert names(tmp_path) == []


def test_display_path_is_one_printable_line() -> None:
    assert display_path("Präludium ♭.mid") == "Präludium ♭.mid"
    assert display_path(Path("a\nb.mid")) == r"'a\nb.mid'"
    display_path(os.fsdecode(b"\xff.mid")).encode()
