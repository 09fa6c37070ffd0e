"""Chromium and a server of one's own, for the benchmarks of the radio's page."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from _bench import fail

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextlib.contextmanager
def serving(model: str | None, origin: str) -> Iterator[str]:
    """A server of its own, for a page at `origin`; yields its address."""
    command = [sys.executable, "-m", "playbach", "serve", *([model] if model else [])]
    command += ["--port", "0", "--seed", "7", "--origin", origin]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline().strip()
        if not line.startswith("http://"):
            fail("the server did not start")
        time.sleep(2)  # not the server's first second, in which it prepares
        yield line
    finally:
        server.terminate()
        server.wait(20)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a cache; ends the script with a message if it is not installed."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        fail("Playwright is not installed; run: pip install playwright")
    path = shutil.which("chromium")
    if path is None:
        fail("Chromium is not installed")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS, ignore_default_args=["--mute-audio"])
        try:
            yield browser
        finally:
            browser.close()


def add_slower(options: argparse.ArgumentParser) -> None:
    options.add_argument(
        "--slower", type=float, default=1, help="factor by which the processor is slowed down (default: 1)"
    )


def slow_down(context: Any, page: Any, factor: float) -> None:
    """Slow down the processor for a page."""
    if factor > 1:
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": factor})
