"""Fixtures for tests in a real browser: `playbach serve` on a free port, and Debian's Chromium, headless and offline.

The tests measure the page's audio just before it reaches the speakers. If Chromium, Playwright, the server's packages
or the built page are missing, the tests are skipped with that reason.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

# A loopback address other than 127.0.0.1, as of another computer.
HOST = "127.0.0.2"
# To the browser this name is an insecure origin, like any address on a local network: it has no AudioWorklet.
PLAIN_NAME = "radio.test"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=document-user-activation-required "
    f"--host-resolver-rules=MAP~{PLAIN_NAME}~{HOST}"
)
BLOCK = 1024  # samples per measured level
TAP = """
(() => {
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) {
      const tap = new AnalyserNode(this.context, { fftSize: 32768 });
      connect.call(this, tap);
      window.levels = () => {
        const samples = new Float32Array(tap.fftSize);
        tap.getFloatTimeDomainData(samples);
        const levels = [];
        for (let at = 0; at < samples.length; at += BLOCK) {
          levels.push(Math.hypot(...samples.subarray(at, at + BLOCK)) / Math.sqrt(BLOCK));
        }
        return { rate: this.context.sampleRate, levels };
      };
    }
    return connect.call(this, to, ...rest);
  };
})();
""".replace("BLOCK", str(BLOCK))


@pytest.fixture(scope="session")
def tap() -> str:
    """The script that measures a page's audio: `window.levels()`."""
    return TAP


@pytest.fixture(scope="session")
def server_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server with a station and the shipped model."""
    pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
    from playbach.server import page

    if not page.page_files():
        pytest.skip(f"the page has not been built ({page.BUILD_COMMAND})")
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(log) as port:
        yield port


@contextmanager
def serving(log: Path, port: int = 0, options: Sequence[str | Path] = ()) -> Iterator[int]:
    named = ["--host", HOST, "--port", str(port), "--origin", f"http://{PLAIN_NAME}"]
    command = [sys.executable, "-m", "playbach", "serve", *named, "--seed", "7", *map(str, options)]
    with log.open("w") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith(f"http://{HOST}:"), f"{line}{log.read_text()}"
        yield int(line.rstrip("/\n").rpartition(":")[2])
    finally:
        server.terminate()
        server.communicate(timeout=20)


# The scope is the module: Playwright keeps an event loop running in this thread until it is closed, and tests of
# other modules call `asyncio.run`.
@pytest.fixture(scope="module")
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
    """The page in a browser, with the WebSocket messages that it received (`frames`) and sent (`sent`)."""

    ready, status_line = "#play:enabled", ".now .status"  # with the countdown

    def __init__(self, browser: Any, address: str, fragment: str, context_options: dict[str, Any]) -> None:
        self.context = browser.new_context(**context_options)
        self.page = self.context.new_page()
        self.address = address
        self.frames: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.page.set_default_timeout(15_000)
        self.page.add_init_script(TAP)
        self.page.on("websocket", self._record_messages)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", self._check_console)
        self.page.on("request", self._check_request)
        self.page.goto(address + fragment)
        self.page.wait_for_selector(self.ready)

    def _record_messages(self, socket: Any) -> None:
        socket.on("framereceived", lambda text: self.frames.append(json.loads(text)))
        socket.on("framesent", lambda text: self.sent.append(json.loads(text)))

    def _check_console(self, message: Any) -> None:
        # On plain HTTP, Chromium reports this ignored header as an error.
        if message.type == "error" and "Opener-Policy header has been ignored" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _check_request(self, request: Any) -> None:
        if not request.url.startswith((self.address, f"blob:{self.address}")):
            self.faults.append(f"a request for {request.url}")

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 40) -> Any:
        """Waits until `condition` returns a true value, and returns it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited {seconds} s for {what}; the page's status is {self.status()!r}")

    def status(self) -> str:
        return str(self.page.inner_text(self.status_line))

    def levels(self) -> tuple[int, list[float]]:
        """The sampling rate, and the RMS level of each 1,024 samples of the last 0.7 s."""
        found = self.page.evaluate("window.levels?.() ?? { rate: 44100, levels: [] }")
        return found["rate"], found["levels"]

    def sounds(self, above: float = 0.004) -> bool:
        return max(self.levels()[1], default=0.0) > above

    def longest_silence(self, seconds: float, below: float = 1e-3) -> float:
        """The longest silence in the next `seconds`, in seconds. Call it once there is sound."""
        self.page.wait_for_timeout(800)
        longest, end = 0.0, time.monotonic() + seconds
        while time.monotonic() < end:
            rate, levels = self.levels()
            quiet = 0
            for level in levels:
                quiet = quiet + 1 if level < below else 0
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
def listener(chromium: Any, server_port: int) -> Iterator[Callable[..., Listener]]:
    """Opens pages. Afterwards, none of them may have had an error or made a request to another server."""
    opened: list[Listener] = []
    with ExitStack() as stack:

        def open_page(fragment: str = "", host: str = HOST, **context: Any) -> Listener:
            address = f"http://{host}:{server_port}/"
            opened.append(Listener(chromium, address, fragment, context))
            stack.callback(opened[-1].context.close)
            return opened[-1]

        yield open_page
        faults = [fault for page in opened for fault in page.faults]
    assert faults == []
