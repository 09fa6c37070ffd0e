"""How much room playbach takes: a fresh virtual environment with it, weighed, and its ten largest packages.

Claim: composing needs a light install. The environment is made in a temporary folder from the repository that this
script lies in, and removed afterwards. Sizes are those of the files (1 MB is 1,000,000 bytes), with the bytecode that
pip compiles and with pip itself. Needs a package index that pip can reach; there is no chance in it, so no seed, and
one run is enough.
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

from _bench import ROOT, Table, count, fail, parser, report, say

LISTING = """
import json
from importlib.metadata import distributions
print(json.dumps({d.name: [d.version, [str(d.locate_file(f)) for f in d.files or ()]] for d in distributions()}))
"""
"""What the environment's own interpreter is asked: every package with its version and files."""


def weight(folder: Path) -> int:
    """The bytes of all files below a folder, each counted once however many names it has."""
    return weight_of(folder.rglob("*"))


def weight_of(paths: Iterable[Path]) -> int:
    """The bytes of these files; links and what is not there weigh nothing."""
    sizes: dict[tuple[int, int], int] = {}
    for path in paths:
        if path.is_file() and not path.is_symlink():
            found = path.stat()
            # Windows gives some file systems no inode numbers: there every path counts.
            key = (found.st_dev, found.st_ino) if found.st_ino else (0, hash(path))
            sizes[key] = found.st_size
    return sum(sizes.values())


def copied_source(into: Path) -> Path:
    """The parts of the repository that a package is built from, so that the build leaves nothing in it."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, into)
    shutil.copytree(ROOT / "src", into / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return into


def installed(environment: Path, source: Path, extra: str | None, pip: list[str]) -> Path:
    """The environment's interpreter, once the package is installed."""
    say("making the environment")
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = f"{source}[{extra}]" if extra else str(source)
    say(f"pip install .{f'[{extra}]' if extra else ''}")
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *pip, wanted]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        fail("pip cannot install it:\n" + "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:]))
    return python


def packages(python: Path) -> dict[str, tuple[str, int]]:
    """Name, version and bytes of every package, the heaviest first."""
    listed = json.loads(
        subprocess.run([str(python), "-c", LISTING], capture_output=True, text=True, check=True).stdout
    )
    found = {name: (version, weight_of(map(Path, files))) for name, (version, files) in listed.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--extra", metavar="NAME", help="install an extra too, such as train")
    options.add_argument("--show", type=count, default=10, help="so many packages (default: %(default)s)")
    options.add_argument("--pip", action="append", default=[], metavar="ARGUMENT",
                         help="handed to pip install, as --pip=--extra-index-url=URL; may be repeated")  # fmt: skip
    given = options.parse_args()

    with tempfile.TemporaryDirectory(prefix="playbach-weight-") as folder:
        environment, source = Path(folder) / "environment", Path(folder) / "source"
        source.mkdir()
        python = installed(environment, copied_source(source), given.extra, given.pip)
        everything = weight(environment)
        found = packages(python)

    listed = list(found.items())[: given.show]
    others = everything - sum(size for _, (_, size) in listed)
    rows = [(f"{name} {version}", f"{size / 1e6:,.1f}") for name, (version, size) in listed]
    rows += [(f"{len(found) - len(listed)} other packages and the environment itself", f"{others / 1e6:,.1f}")]
    rows += [("the whole environment", f"{everything / 1e6:,.1f}")]
    what = f"playbach[{given.extra}]" if given.extra else "playbach"
    data = {
        "installed": what,
        "environment_bytes": everything,
        "packages": {name: {"version": version, "bytes": size} for name, (version, size) in found.items()},
    }
    notes = (f"{len(found)} packages, pip among them; built with Python {sys.version.split()[0]}",)
    report(f"The weight of {what} in MB", Table(("package", "MB"), tuple(rows), notes), data, (), given.json)


if __name__ == "__main__":
    main()
