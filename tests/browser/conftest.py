"""A real browser at a real radio: `playbach serve` on a free port, Debian's Chromium, headless, without a network.

What the tests hear is taken from the page's own audio, just before it leaves for the speakers. Where Chromium,
Playwright, the server's packages or the built page are missing, the tests are skipped, and say what is.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

# Loopback, but none of the names that make the server refuse others.
HOST = "127.0.0.2"
# By name it is an address like any in the house: browsers give it no AudioWorklet.
PLAIN_NAME = "radio.test"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=document-user-activation-required "
    f"--host-resolver-rules=MAP~{PLAIN_NAME}~{HOST}"
)
BLOCK = 1024  # samples of which one loudness is taken
TAP = """
(() => {
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) {
      const tap = new AnalyserNode(this.context, { fftSize: 32768 });
      connect.call(this, tap);
      window.loudness = () => {
        const samples = new Float32Array(tap.fftSize);
        tap.getFloatTimeDomainData(samples);
        const loud = [];
        for (let at = 0; at < samples.length; at += BLOCK) {
          loud.push(Math.hypot(...samples.subarray(at, at + BLOCK)) / Math.sqrt(BLOCK));
        }
        return { rate: this.context.sampleRate, loud };
      };
    }
    return connect.call(this, to, ...rest);
  };
})();
""".replace("BLOCK", str(BLOCK))


@pytest.fixture(scope="session")
def radio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a radio with a station and the shipped model."""
    pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
    from playbach.server import page

    if not page.files():
        pytest.skip(f"the page has not been built ({page.BUILD})")
    log = tmp_path_factory.mktemp("radio") / "log"
    with serving(log) as port:
        yield port


@contextmanager
def serving(log: Path, port: int = 0) -> Iterator[int]:
    command = [sys.executable, "-m", "playbach", "serve", "--host", HOST, "--port", str(port), "--seed", "7"]
    with log.open("w") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert server.stdout is not None
        told = server.stdout.readline()
        assert told.startswith(f"http://{HOST}:"), f"{told}{log.read_text()}"
        yield int(told.rstrip("/\n").rpartition(":")[2])
    finally:
        server.terminate()
        server.communicate(timeout=20)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    flags = [flag.replace("~", " ") for flag in FLAGS.split()]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=flags, ignore_default_args=["--mute-audio"])
        yield browser
        browser.close()


class Listener:
    """Somebody with the page open. What the server sends is in `frames`, what they hear is asked for."""

    def __init__(self, browser: Any, address: str, fragment: str, given: dict[str, Any]) -> None:
        self.context = browser.new_context(**given)
        self.page = self.context.new_page()
        self.address = address
        self.frames: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.page.set_default_timeout(15_000)
        self.page.add_init_script(TAP)
        self.page.on("websocket", self._listen)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", self._read)
        self.page.on("request", self._watch)
        self.page.goto(address + fragment)
        self.page.wait_for_selector("#play:enabled")

    def _listen(self, socket: Any) -> None:
        socket.on("framereceived", lambda text: self.frames.append(json.loads(text)))
        socket.on("framesent", lambda text: self.sent.append(json.loads(text)))

    def _read(self, message: Any) -> None:
        # What a header is not worth on a plain-HTTP address is told as an error, but is none.
        if message.type == "error" and "Opener-Policy header has been ignored" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _watch(self, request: Any) -> None:
        if not request.url.startswith((self.address, f"blob:{self.address}")):
            self.faults.append(f"a request for {request.url}")

    def until(self, holds: Callable[[], Any], what: str, seconds: float = 40) -> Any:
        """What `holds` gives, as soon as that is anything."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := holds():
                return found
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{what}: waited in vain; the page says {self.said()!r}")

    def said(self) -> str:
        return str(self.page.inner_text("#status"))

    def heard(self) -> tuple[int, list[float]]:
        """The sampling rate, and the loudness (RMS) of each 1,024 samples of the last 0.7 s."""
        found = self.page.evaluate("window.loudness?.() ?? { rate: 44100, loud: [] }")
        return found["rate"], found["loud"]

    def sounds(self, above: float = 0.004) -> bool:
        return max(self.heard()[1], default=0.0) > above

    def longest_silence(self, seconds: float, below: float = 1e-3) -> float:
        """Seconds of the longest silence while listening for so long, from when there has been sound for 0.7 s."""
        self.page.wait_for_timeout(800)
        longest, end = 0.0, time.monotonic() + seconds
        while time.monotonic() < end:
            rate, loud = self.heard()
            quiet = 0
            for value in loud:
                quiet = quiet + 1 if value < below else 0
                longest = max(longest, quiet * BLOCK / rate)
            self.page.wait_for_timeout(400)
        assert not math.isnan(longest)
        return longest

    def bars(self) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == "bar"]

    def play(self) -> None:
        self.page.click("#play")
        self.until(self.sounds, "sound")


@pytest.fixture
def listener(chromium: Any, radio: int) -> Iterator[Callable[..., Listener]]:
    """Opens pages; at the end none of them may have had an error, or asked anybody but its own server."""
    opened: list[Listener] = []
    with ExitStack() as stack:

        def open_page(fragment: str = "", host: str = HOST, **context: Any) -> Listener:
            address = f"http://{host}:{radio}/"
            opened.append(Listener(chromium, address, fragment, context))
            stack.callback(opened[-1].context.close)
            return opened[-1]

        yield open_page
        faults = [fault for page in opened for fault in page.faults]
    assert faults == []
