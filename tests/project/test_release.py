"""The release script: it rejects an invalid release with one line, and its rehearsal builds one that works."""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "packaging" / "release.py"
PAGE = {"playbach/server/page/index.html", "playbach/server/page/assets/a.js", "playbach/server/page/assets/a.css"}
FILES = ["README.md", ".github/workflows/tests.yml", "src/playbach/__init__.py", "src/playbach/shipped/a.playbach"]
SDIST = {"README.md", "PKG-INFO", "src/playbach/__init__.py", "src/playbach/shipped/a.playbach"} | {
    f"src/{name}" for name in PAGE
}
INFO = {f"playbach-1.dist-info/{name}" for name in ("RECORD", "licenses/LICENSE", "licenses/NOTICE")}
WHEEL = {"playbach/__init__.py", "playbach/shipped/a.playbach"} | PAGE | INFO


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("playbach_release", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_changelog_with_this_version_on_top_is_accepted(release: ModuleType) -> None:
    release.check_changelog(
        "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-11-28\n\n- x\n\n## [1.1.0]\n", "1.2.0"
    )
    release.check_changelog("## [1.2.0] - 2026-11-28\n- x\n", "1.2.0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no section [1.2.0]"),
        ("## [Unreleased]\n", "no section [1.2.0]"),
        ("## [Unreleased]\n\n- x\n\n## [1.2.0] - 2026-11-28\n", "entries under Unreleased"),
        ("## [1.1.0] - 2026-11-22\n\n## [1.2.0] - 2026-11-28\n", "the topmost version is 1.1.0"),
        ("## [1.2.0]\n", "needs a date"),
        ("## [1.2.0] - soon\n", "needs a date"),
    ],
)
def test_any_other_changelog_is_refused(release: ModuleType, text: str, reason: str) -> None:
    with pytest.raises(release.Failure) as failure:
        release.check_changelog(text, "1.2.0")
    assert reason in str(failure.value)
    assert "\n" not in str(failure.value)


def test_archives_that_hold_everything_are_accepted(release: ModuleType) -> None:
    release.check_sdist(SDIST, FILES)
    release.check_wheel(WHEEL, FILES)
    release.check_same({"a": "1"}, {"a": "1"})


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ({"README.md"}, "README.md"),
        ({"src/playbach/shipped/a.playbach"}, "a.playbach"),
        ({"src/playbach/server/page/index.html"}, "web page"),
        ({"src/playbach/server/page/assets/a.js"}, "no script"),
    ],
)
def test_an_sdist_that_lacks_something_is_refused(release: ModuleType, lost: set[str], reason: str) -> None:
    with pytest.raises(release.Failure, match=reason):
        release.check_sdist(SDIST - lost, FILES)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (WHEEL - {"playbach/shipped/a.playbach"}, "a.playbach"),
        (WHEEL - {"playbach/server/page/index.html"}, "web page"),
        (WHEEL - {"playbach/server/page/assets/a.css"}, "no style sheet"),
        (WHEEL - {"playbach-1.dist-info/licenses/NOTICE"}, "lacks NOTICE"),
        (WHEEL | {"playbach/forgotten.py"}, "forgotten.py"),
        (WHEEL | {"tests/test_a.py"}, "tests/test_a.py"),
    ],
)
def test_a_wheel_that_holds_less_or_more_is_refused(release: ModuleType, names: set[str], reason: str) -> None:
    with pytest.raises(release.Failure, match=reason):
        release.check_wheel(names, FILES)


@pytest.mark.parametrize("other", [{"a": "2"}, {}, {"a": "1", "b": "1"}])
def test_wheels_that_differ_are_refused(release: ModuleType, other: dict[str, str]) -> None:
    with pytest.raises(release.Failure, match="differs"):
        release.check_same({"a": "1"}, other)


def test_archives_are_read(release: ModuleType, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as sdist:
        member = tarfile.TarInfo("playbach-1/src/a.py")
        member.size = 1
        sdist.addfile(member, io.BytesIO(b"x"))
    assert release.names_in_sdist(tmp_path / "a.tar.gz") == {"src/a.py"}
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("a.py", "x")
    assert list(release.contents_of_wheel(tmp_path / "a.whl")) == ["a.py"]


def test_a_command_that_fails_is_one_line(release: ModuleType) -> None:
    with pytest.raises(release.Failure) as failure:
        release.run("the thing", sys.executable, "-c", "import sys; sys.exit('first\\nlast')")
    assert str(failure.value) == "the thing: last (exit status 1)"


@pytest.mark.slow
def test_a_rehearsal_builds_a_release_that_works() -> None:
    """Takes about 40 seconds. Only the package registries are accessed."""
    for module in ("build", "twine"):
        pytest.importorskip(module, reason=f"{module} comes with the extra `dev`")
    if shutil.which("npm") is None or not (ROOT / ".git").exists():
        pytest.skip("a release needs Node and the repository")
    before = status()
    done = subprocess.run([sys.executable, SCRIPT, "--rehearse"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("composes, plays and serves")
    assert status() == before


def status() -> str:
    """The status of the checkout in git, including ignored files."""
    command = ["git", "status", "--porcelain", "--ignored", "--", ".", ":!**/__pycache__"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
