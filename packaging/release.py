"""Makes a release: builds the sdist and the wheel, tries both, puts them into dist/, and prints what is left to do.

    python packaging/release.py

Nothing is tagged and nothing is uploaded. Needs the extra `dev`, git, Node and the package registries (pip, npm).
It builds in a temporary copy of the checkout, so that no stale file gets in and nothing is left behind. The checks:

- the working tree is clean, the version has a dated section on top of CHANGELOG.md, and its tag is free;
- `twine check --strict` accepts the sdist and the wheel;
- the sdist holds every file of the repository, the wheel every file of the package, and both hold the built web page;
- the wheel that is built from the sdist, without Node, holds the same files as the wheel built from the checkout;
- that wheel composes, plays and serves in a clean environment without Node (packaging/try_install.py).

Each failure is one line. `--rehearse` leaves out the first check, which only a release needs.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 900  # for each command
HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>.+))?$", re.M)
NOT_IN_SDIST = (".github/", ".gitignore", ".pre-commit-config.yaml")  # only of use in the repository itself


class Failure(Exception):
    """What keeps this from being a release, in one line."""


def step(what: str) -> None:
    print(f"release: {what}", flush=True)


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def run(what: str, *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """What a command prints. Raises Failure with `what` and the command's last line if the command fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"{what}: {error}") from error
    if done.returncode:
        said = done.stderr if done.stderr.strip() else done.stdout
        raise Failure(f"{what}: {last_line(said)} (exit status {done.returncode})")
    return done.stdout


def version_of(root: Path) -> str:
    found = re.search(
        r'^__version__ = "([^"]+)"$', (root / "src/playbach/system/version.py").read_text("utf-8"), re.M
    )
    if found is None:
        raise Failure("src/playbach/system/version.py: no __version__")
    return found[1]


def check_changelog(text: str, version: str) -> None:
    """The topmost version is this one, with a date, and nothing is left under Unreleased."""
    _, *parts = HEADING.split(text)  # version, date, entries; again for each section
    for name, date, entries in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if name == "Unreleased":
            if entries.strip():
                raise Failure(f"CHANGELOG.md: entries under Unreleased; move them to a section [{version}]")
            continue
        if name != version:
            raise Failure(f"CHANGELOG.md: the topmost version is {name}, but version.py says {version}")
        try:
            datetime.date.fromisoformat(date or "")
        except ValueError as error:
            raise Failure(f"CHANGELOG.md: [{version}] needs a date, as in `## [{version}] - 2026-11-28`") from error
        return
    raise Failure(f"CHANGELOG.md: no section [{version}]")


def check_tree(version: str) -> None:
    changed = run("git status", "git", "status", "--porcelain").splitlines()
    if changed:
        raise Failure(f"the working tree is not clean: {len(changed)} changed files, as {changed[0][3:]}")
    if run("git tag", "git", "tag", "--list", f"v{version}").strip():
        raise Failure(f"v{version} is tagged already; raise the version in src/playbach/system/version.py")


def sources() -> list[str]:
    """The files of the repository, uncommitted ones included, ignored ones not."""
    listed = run("git ls-files", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted({name for name in listed if name and (ROOT / name).is_file()})


def copy(files: list[str], into: Path) -> None:
    for name in files:
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, into / name)


def contents_of_wheel(path: Path) -> dict[str, str]:
    """The hash of each file in a wheel, by name."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names}


def names_in_sdist(path: Path) -> set[str]:
    """The names of the files in an sdist, without its top folder."""
    with tarfile.open(path) as archive:
        return {
            PurePosixPath(*PurePosixPath(m.name).parts[1:]).as_posix() for m in archive.getmembers() if m.isfile()
        }


def check_page(names: set[str], what: str) -> None:
    """The built page: index.html, and a script and a style sheet in the folder `assets` beside it."""
    folders = [PurePosixPath(name).parent for name in names if name.endswith("/page/index.html")]
    if len(folders) != 1:
        raise Failure(f"{what} holds no web page; to see why: npm --prefix web ci && npm --prefix web run build")
    assets = {PurePosixPath(name).suffix for name in names if PurePosixPath(name).parent == folders[0] / "assets"}
    if not {".js", ".css"} <= assets:
        raise Failure(f"{what}: the web page has no script or no style sheet")


def check_sdist(names: set[str], files: list[str]) -> None:
    missing = sorted({name for name in files if not name.startswith(NOT_IN_SDIST)} - names)
    if missing:
        raise Failure(f"the sdist lacks {len(missing)} files of the repository, as {missing[0]} (MANIFEST.in)")
    check_page(names, "the sdist")


def check_wheel(names: set[str], files: list[str]) -> None:
    package = {name.removeprefix("src/") for name in files if name.startswith("src/playbach/")}
    missing = sorted(package - names)
    if missing:
        raise Failure(
            f"the wheel lacks {len(missing)} files of the package, as {missing[0]} (package-data in pyproject.toml)"
        )
    check_page(names, "the wheel")
    for licence in ("LICENSE", "NOTICE"):
        if not any(name.endswith(f".dist-info/licenses/{licence}") for name in names):
            raise Failure(f"the wheel lacks {licence} (license-files in pyproject.toml)")
    extra = sorted(name for name in names - package if ".dist-info/" not in name and "/page/" not in name)
    if extra:
        raise Failure(f"the wheel holds {len(extra)} files that are not in the repository, as {extra[0]}")


def check_same(one: Mapping[str, str], other: Mapping[str, str]) -> None:
    """Two wheels hold the same; RECORD lists the rest."""
    different = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    if different:
        raise Failure(
            f"the wheel from the sdist differs from the wheel from the checkout in {', '.join(different[:3])}"
        )


def build(source: Path, into: Path, kind: str, env: Mapping[str, str]) -> Path:
    """Builds one archive and gives its path."""
    run(
        f"building the {kind}",
        sys.executable,
        "-m",
        "build",
        f"--{kind}",
        "--outdir",
        into,
        source,
        cwd=into.parent,
        env=env,
    )
    [path] = into.iterdir()
    return path


def without_node() -> dict[str, str]:
    """This environment without the folders of PATH that hold Node."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    kept = [folder for folder in folders if not any(shutil.which(name, path=folder) for name in ("node", "npm"))]
    return {**os.environ, "PATH": os.pathsep.join(kept)}


def try_wheel(wheel: Path, folder: Path) -> str:
    """Installs a wheel into a clean environment and tries it there, with nothing else on PATH."""
    environment = folder / "environment"
    run("making an environment", sys.executable, "-m", "venv", environment)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    python = programs / ("python.exe" if os.name == "nt" else "python")
    run("installing the wheel", python, "-m", "pip", "install", "-c", ROOT / "constraints.txt", f"{wheel}[serve]")
    home = folder / "home"
    home.mkdir()
    dropped = ("PYTHON", "PLAYBACH", "XDG_", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    env = {**kept, "PATH": str(programs), "HOME": str(home), "USERPROFILE": str(home)}
    return run("the installed wheel", python, ROOT / "packaging" / "try_install.py", cwd=folder, env=env).strip()


def release(rehearse: bool, into: Path | None) -> None:
    for module in ("build", "twine"):
        if importlib.util.find_spec(module) is None:
            raise Failure(f"{module} is not installed: pip install -c constraints.txt '.[dev]'")
    if shutil.which("npm") is None:
        raise Failure("npm is not installed; the web page is built with Node 20.19 or newer")
    version = version_of(ROOT)
    for path in into.glob(f"playbach-{version}*") if into else ():
        raise Failure(f"{path} exists already; move it away")
    if not rehearse:
        step("checking the working tree, the changelog and the tag")
        check_tree(version)
        check_changelog((ROOT / "CHANGELOG.md").read_text("utf-8"), version)
    files = sources()
    with tempfile.TemporaryDirectory(prefix="playbach-release-") as name:
        work = Path(name)
        for folder in ("source", "sdist", "wheel", "again"):
            (work / folder).mkdir()
        copy(files, work / "source")
        plain = {key: value for key, value in os.environ.items() if key not in ("PLAYBACH_NO_PAGE", "PYTHONPATH")}
        step(f"building the sdist of playbach {version}, with the web page")
        sdist = build(work / "source", work / "sdist", "sdist", plain)
        check_sdist(names_in_sdist(sdist), files)
        step("building the wheel")
        wheel = build(work / "source", work / "wheel", "wheel", plain)
        contents = contents_of_wheel(wheel)
        check_wheel(set(contents), files)
        step("building the wheel from the sdist, without Node")
        with tarfile.open(sdist) as archive:
            archive.extractall(work / "unpacked", filter="data")
        [unpacked] = (work / "unpacked").iterdir()
        again = build(unpacked, work / "again", "wheel", without_node())
        check_same(contents_of_wheel(again), contents)
        step("checking both with twine")
        run("twine check", sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
        step("installing the wheel into a clean environment without Node, and trying it")
        tried = try_wheel(again, work)
        if tried != f"playbach {version} composes, plays and serves":
            raise Failure(f"the installed wheel is another version: {tried}")
        step(tried)
        if into is None:
            return
        into.mkdir(parents=True, exist_ok=True)
        for path in (sdist, wheel):
            shutil.copyfile(path, into / path.name)
            step(f"{into / path.name}  {path.stat().st_size / 1e6:.1f} MB")
    if not rehearse:
        print(f"\nNext:\n  git tag -a v{version} -m 'playbach {version}'\n  git push origin v{version}")
        print(f"  twine upload {into / sdist.name} {into / wheel.name}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build a release, check it, and print what is left to do.")
    parser.add_argument(
        "--rehearse", action="store_true", help="do not ask for a clean tree, a changelog or a free tag"
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FOLDER",
        help="where the sdist and the wheel go (default: dist; with --rehearse: nowhere)",
    )
    given = parser.parse_args(arguments)
    into = given.into or (None if given.rehearse else Path(os.path.relpath(ROOT / "dist")))
    try:
        release(given.rehearse, into)
    except Failure as failure:
        print(f"release: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
