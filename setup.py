"""Builds the web page into the package where possible. All other settings are in pyproject.toml.

The page is written in TypeScript (`web/`), and building it needs Node. Without Node or the npm registry, or with
PLAYBACH_NO_PAGE=1, the package is installed without the page, and `playbach serve` shows the command that builds it.
An installation never fails because of the page. Source archives and wheels both contain the built page.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent
WEB, PAGE = HERE / "web", HERE / "src" / "playbach" / "server" / "page" / "index.html"
MOST_SECONDS = 300


def stale() -> bool:
    """Whether the page is older than what it is made of."""
    if not PAGE.is_file():
        return True
    built = PAGE.stat().st_mtime
    sources = [*WEB.glob("*.*"), *WEB.glob("src/**/*"), *WEB.glob("public/**/*")]
    return any(path.is_file() and path.stat().st_mtime > built for path in sources)


def build_page() -> None:
    npm = shutil.which("npm")
    if not (WEB / "package.json").is_file() or not stale() or os.environ.get("PLAYBACH_NO_PAGE"):
        return
    if npm is None:
        print("playbach: no Node here, so the radio's page is not built", file=sys.stderr)
        return
    commands = [[npm, "run", "build"]]
    if not (WEB / "node_modules").is_dir():
        commands.insert(0, [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"])
    try:
        for command in commands:
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            subprocess.run(command, cwd=WEB, check=True, timeout=MOST_SECONDS, **quiet)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"playbach: the radio's page could not be built ({error})", file=sys.stderr)


class BuildWithPage(build_py):
    def run(self) -> None:
        build_page()
        super().run()


class SdistWithPage(sdist):
    def run(self) -> None:
        build_page()
        super().run()


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithPage, "sdist": SdistWithPage})
