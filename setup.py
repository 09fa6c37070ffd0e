"""Builds the web page and its engine into the package where possible. All other settings are in pyproject.toml.

The page is written in TypeScript (`web/`), and building it needs Node. Its engine is the C engine, built for
WebAssembly by clang and lld. Where these are missing, or with PLAYBACH_NO_PAGE=1, the package is installed without
them, and `playbach serve` and `playbach publish` show the command that builds them. An installation never fails
because of them. Source archives and wheels contain both, built. `python setup.py build_engine` builds the engine
alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from setuptools import Command, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent
WEB, PAGE = HERE / "web", HERE / "src" / "playbach" / "server" / "page" / "index.html"
ENGINE, BUILT = HERE / "src/playbach/export/web/engine", HERE / "src/playbach/export/web/built"
C_ENGINE = HERE / "src/playbach/export/c/engine"
ENGINE_SOURCES = [ENGINE / "web.c", ENGINE / "music.c", ENGINE / "string.c", C_ENGINE / "playbach.c"]
# Only instructions that every browser of the page has (Safari 16).
CLANG_FLAGS = (
    "--target=wasm32 -std=c99 -O3 -mbulk-memory -msign-ext -ffreestanding -fno-builtin -nostdlib -Wall -Wextra "
    "-Werror -pedantic -Wno-unused-function -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=65536"
)
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


def engine_is_stale(engine: Path) -> bool:
    """Whether the engine is older than what it is made of."""
    sources = [*ENGINE.glob("*"), *C_ENGINE.glob("*")]
    return not engine.is_file() or any(path.stat().st_mtime > engine.stat().st_mtime for path in sources)


def build_engine() -> None:
    """Builds an engine for each encoding."""
    if not ENGINE.is_dir() or os.environ.get("PLAYBACH_NO_PAGE"):
        return
    clang = shutil.which("clang")
    for encoding in ("chorale", "notes"):
        engine = BUILT / f"engine-{encoding}.wasm"
        if not engine_is_stale(engine):
            continue
        if clang is None:
            print("playbach: no clang here, so the engine of the radio's page is not built", file=sys.stderr)
            return
        BUILT.mkdir(exist_ok=True)
        draft = engine.with_suffix(".new")
        command = [clang, *CLANG_FLAGS.split(), f"-I{ENGINE}", f"-I{C_ENGINE}"]
        command += [f"-DPB_ENCODING_NOTES={int(encoding == 'notes')}", "-o", str(draft), *map(str, ENGINE_SOURCES)]
        try:
            subprocess.run(command, check=True, timeout=MOST_SECONDS, stdin=subprocess.DEVNULL)
            draft.chmod(0o644)
            draft.replace(engine)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"playbach: the engine of the radio's page could not be built ({error})", file=sys.stderr)
            return


class BuildWithPage(build_py):
    def run(self) -> None:
        build_page()
        build_engine()
        super().run()


class SdistWithPage(sdist):
    def run(self) -> None:
        build_page()
        build_engine()
        super().run()


class BuildEngine(Command):
    """Builds the page's engine alone, in the source folder."""

    user_options: ClassVar[list[str]] = []

    def initialize_options(self) -> None:
        pass

    def finalize_options(self) -> None:
        pass

    def run(self) -> None:
        build_engine()


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithPage, "sdist": SdistWithPage, "build_engine": BuildEngine})
