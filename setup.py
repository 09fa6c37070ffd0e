"""Builds the radio's page where the package is installed from a checkout and Node is there; all else stands in
pyproject.toml. Without Node or a network the package is installed without the page, and `playbach serve` says so.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
SOURCES, PAGE = HERE / "web", HERE / "src" / "playbach" / "server" / "page" / "index.html"


def outdated() -> bool:
    """Whether a source is newer than the page; false where there are no sources."""
    if not (SOURCES / "package.json").is_file():
        return False
    parts = [SOURCES / "index.html", SOURCES / "package-lock.json", *(SOURCES / "src").glob("*")]
    return not PAGE.is_file() or any(part.stat().st_mtime > PAGE.stat().st_mtime for part in parts)


class BuildWithPage(build_py):
    def run(self) -> None:
        if outdated():
            self.build_page()
        super().run()

    def build_page(self) -> None:
        npm = shutil.which("npm")
        if npm is None:
            print("the radio's page is not built: Node.js (npm) is not installed", file=sys.stderr)
            return
        for command in (["ci"], ["run", "build"]):
            done = subprocess.run([npm, "--prefix", str(SOURCES), *command], stdout=sys.stderr, check=False)
            if done.returncode:
                print(f"the radio's page is not built: npm {' '.join(command)} failed", file=sys.stderr)
                return


setup(cmdclass={"build_py": BuildWithPage})
