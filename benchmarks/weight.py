"""The disk space that playbach needs: a fresh virtual environment with it, and its ten largest packages.

Claim: composing needs only a light install. The environment is made in a temporary folder from the repository of this
script, and removed afterwards. Sizes are those of the files (1 MB is 1,000,000 bytes), including pip itself and the
bytecode that it compiles. Needs a package index that pip can reach. Nothing is random, so there is no seed, and one
run is enough.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from pathlib import Path

from _bench import ROOT, Table, count, fail, parser, print_report, show_progress

LISTING = """
import json
from importlib.metadata import distributions
print(json.dumps({d.name: [d.version, [str(d.locate_file(f)) for f in d.files or ()]] for d in distributions()}))
"""
"""A script for the environment's interpreter: prints every package with its version and files."""


def folder_bytes(folder: Path) -> int:
    """The bytes of all files in a folder and its subfolders; a file with several names counts once."""
    return file_bytes(folder.rglob("*"))


def file_bytes(paths: Iterable[Path]) -> int:
    """The bytes of these files; links and missing files count as nothing."""
    sizes: dict[tuple[int, int], int] = {}
    for path in paths:
        if path.is_file() and not path.is_symlink():
            found = path.stat()
            # Some file systems have no inode numbers on Windows; there every path counts.
            key = (found.st_dev, found.st_ino) if found.st_ino else (0, hash(path))
            sizes[key] = found.st_size
    return sum(sizes.values())


def copy_source(into: Path) -> Path:
    """Copy the parts of the repository that the package is built from, so that the build writes nothing into it."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, into)
    shutil.copytree(ROOT / "src", into / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return into


def install_into(environment: Path, source: Path, extra: str | None, pip: list[str]) -> Path:
    """Make the environment, install the package, and return the environment's interpreter."""
    show_progress("making the environment")
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = f"{source}[{extra}]" if extra else str(source)
    show_progress(f"pip install .{f'[{extra}]' if extra else ''}")
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *pip, wanted]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        fail("pip cannot install the package:\n" + "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:]))
    return python


def packages(python: Path) -> dict[str, tuple[str, int]]:
    """Name, version and bytes of every package, the largest first."""
    listed = json.loads(
        subprocess.run([str(python), "-c", LISTING], capture_output=True, text=True, check=True).stdout
    )
    found = {name: (version, file_bytes(map(Path, files))) for name, (version, files) in listed.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--extra", metavar="NAME", help="also install an extra, such as train")
    options.add_argument("--show", type=count, default=10, help="number of packages to list (default: %(default)s)")
    options.add_argument("--pip", action="append", default=[], metavar="ARGUMENT",
                         help="passed to pip install, as --pip=--extra-index-url=URL; may be repeated")  # fmt: skip
    args = options.parse_args()

    with tempfile.TemporaryDirectory(prefix="playbach-weight-") as folder:
        environment, source = Path(folder) / "environment", Path(folder) / "source"
        source.mkdir()
        python = install_into(environment, copy_source(source), args.extra, args.pip)
        everything = folder_bytes(environment)
        found = packages(python)

    listed = list(found.items())[: args.show]
    others = everything - sum(size for _, (_, size) in listed)
    rows = [(f"{name} {version}", f"{size / 1e6:,.1f}") for name, (version, size) in listed]
    rows += [(f"{len(found) - len(listed)} other packages and the environment itself", f"{others / 1e6:,.1f}")]
    rows += [("the whole environment", f"{everything / 1e6:,.1f}")]
    what = f"playbach[{args.extra}]" if args.extra else "playbach"
    data = {
        "installed": what,
        "environment_bytes": everything,
        "packages": {name: {"version": version, "bytes": size} for name, (version, size) in found.items()},
    }
    notes = (f"{len(found)} packages including pip; built with Python {sys.version.split()[0]}",)
    print_report(f"The size of {what} in MB", Table(("package", "MB"), tuple(rows), notes), data, (), args.json)


if __name__ == "__main__":
    main()
