"""Drives WebKit and Firefox, as they come with Debian, with the standard library alone.

WebKit (the nearest to an iPhone that runs here) is driven by WebKitWebDriver over HTTP, as the W3C's WebDriver says;
Firefox over its own Marionette, a socket with the same commands. Neither can put a script before those of a page, so
the page is served with one that measures the sound (`serving_measured`).
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from browser.conftest import HOST, TAP
from playbach.server.page import PAGE_FOLDER

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of an element's name, by the standard."""
SERVER = """
import sys
from pathlib import Path
from playbach.server import page
page.page_files.__defaults__ = (Path(sys.argv.pop(1)),)
from playbach.cli.main import main
sys.exit(main())
"""
RECORDS = """
window.faults = [];
window.contexts = [];
window.frames_received = [];
window.AudioContext = class extends AudioContext {
  constructor(...options) { super(...options); window.contexts.push(this); }
};
window.WebSocket = class extends WebSocket {
  constructor(...address) {
    super(...address);
    this.addEventListener("message", (event) => window.frames_received.push(JSON.parse(event.data)));
  }
};
addEventListener("error", (event) => window.faults.push(String(event.message)), true);
addEventListener("unhandledrejection", (event) => window.faults.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => window.faults.push(`blocked: ${event.blockedURI}`));
"""
PREFERENCES = {
    "marionette.port": 0,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.startup.page": 0,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
}


class DriverError(Exception):
    """The browser's answer to a command that failed."""


class Driver(ABC):
    """A browser with one window."""

    @abstractmethod
    def open(self, url: str) -> None: ...

    @abstractmethod
    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page, and return what it returns."""

    @abstractmethod
    def find(self, selector: str) -> str:
        """The name of an element."""

    @abstractmethod
    def screenshot(self) -> bytes:
        """Of the window, as PNG."""

    @abstractmethod
    def click_element(self, element: str) -> None: ...

    @abstractmethod
    def send_keys(self, element: str, keys: str) -> None: ...

    def click(self, selector: str) -> None:
        self.click_element(self.find(selector))

    def keys(self, selector: str, keys: str) -> None:
        self.send_keys(self.find(selector), keys)

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """Wait until `condition` returns a true value, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.05)
        state = self.run("return [document.body.innerText.slice(0, 400), window.faults ?? null]")
        raise AssertionError(f"waited {seconds} s for {what}; the page: {state}")

    def level(self) -> float:
        """The loudest RMS level of the last 0.7 s, just before the speakers."""
        return float(self.run("return window.levels ? Math.max(...window.levels().levels) : 0"))

    def sounds(self, above: float = 0.004) -> bool:
        return self.level() > above

    def audio_time(self) -> float:
        """The time of the page's audio context, in seconds."""
        return float(self.run("return window.contexts[0].currentTime"))

    def frames(self, kind: str) -> list[dict[str, Any]]:
        """The messages of this type that the page has received."""
        return list(self.run("return window.frames_received.filter((f) => f.type === arguments[0])", kind))

    def attribute(self, selector: str, name: str) -> str | None:
        found = self.run("return document.querySelector(arguments[0]).getAttribute(arguments[1])", selector, name)
        return None if found is None else str(found)

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def faults(self) -> list[str]:
        return list(self.run("return window.faults"))


class WebDriver(Driver):
    """W3C WebDriver over HTTP."""

    def __init__(self, port: int, capabilities: dict[str, Any]) -> None:
        self._address = f"http://127.0.0.1:{port}/session"
        began = self._send("POST", "", {"capabilities": {"alwaysMatch": capabilities}})
        self._address += f"/{began['sessionId']}"

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._address + path, data, {"content-type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise DriverError(error.read().decode("utf-8", "replace")[:1000]) from error

    def open(self, url: str) -> None:
        self._send("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        return self._send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector: str) -> str:
        return str(self._send("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT])

    def click_element(self, element: str) -> None:
        self._send("POST", f"/element/{element}/click", {})

    def send_keys(self, element: str, keys: str) -> None:
        self._send("POST", f"/element/{element}/value", {"text": keys})

    def screenshot(self) -> bytes:
        return b64decode(self._send("GET", "/screenshot"))

    def close(self) -> None:
        self._send("DELETE", "")


class Marionette(Driver):
    """Firefox's own protocol: `length:[0, number, command, parameters]`, answered by `[1, number, error, result]`."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._number, self._received = 0, b""
        self._read()  # a greeting
        self._send("WebDriver:NewSession", {})

    def _read(self) -> Any:
        while b":" not in self._received:
            self._received += self._more()
        length, _, rest = self._received.partition(b":")
        while len(rest) < int(length):
            rest += self._more()
        self._received = rest[int(length) :]
        return json.loads(rest[: int(length)])

    def _more(self) -> bytes:
        part = self._socket.recv(65_536)
        if not part:
            raise DriverError("Firefox has ended")
        return part

    def _send(self, command: str, parameters: dict[str, Any]) -> Any:
        self._number += 1
        data = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(data), data))
        _, number, error, result = self._read()
        assert number == self._number
        if error is not None:
            raise DriverError(str(error)[:1000])
        return result

    def open(self, url: str) -> None:
        self._send("WebDriver:Navigate", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        # Without a sandbox of its own, so that the script sees what the page has put into `window`.
        return self._send("WebDriver:ExecuteScript", {"script": script, "args": list(arguments), "sandbox": None})[
            "value"
        ]

    def find(self, selector: str) -> str:
        found = self._send("WebDriver:FindElement", {"using": "css selector", "value": selector})
        return str(found["value"][ELEMENT])

    def click_element(self, element: str) -> None:
        self._send("WebDriver:ElementClick", {"id": element})

    def send_keys(self, element: str, keys: str) -> None:
        self._send("WebDriver:ElementSendKeys", {"id": element, "text": keys})

    def screenshot(self) -> bytes:
        return b64decode(self._send("WebDriver:TakeScreenshot", {"full": False})["value"])

    def close(self) -> None:
        self._socket.close()


# ------------------------------------------------------------------------------------------------------- programs


def missing_for_webkit() -> str | None:
    """Why WebKit cannot be driven here; None if it can."""
    if shutil.which("WebKitWebDriver") is None or mini_browser() is None:
        return "WebKitWebDriver is not installed (apt-get install webkit2gtk-driver)"
    return None if shutil.which("Xvfb") else "Xvfb is not installed (apt-get install xvfb)"


def missing_for_firefox() -> str | None:
    """Why Firefox cannot be driven here; None if it can. Without a sound device its audio clock does not run."""
    if firefox() is None:
        return "Firefox is not installed (apt-get install firefox-esr)"
    return None if shutil.which("pulseaudio") else "pulseaudio is not installed (apt-get install pulseaudio)"


def mini_browser() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))), None)


def firefox() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


@contextmanager
def running(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(list(map(str, command)), text=True, start_new_session=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def webkit() -> Iterator[Driver]:
    """MiniBrowser on a display in memory."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        read, write = os.pipe()
        display = stack.enter_context(
            running(
                ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"],
                pass_fds=[write],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        assert number, f"Xvfb ended with {display.poll()}"
        places = {name: str(home) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        environment = {**os.environ, **places, "DISPLAY": f":{number}", "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1"}
        port = free_port()
        log = stack.enter_context((home / "log").open("w"))
        stack.enter_context(
            running(["WebKitWebDriver", f"--port={port}"], env=environment, stdout=log, stderr=subprocess.STDOUT)
        )
        wait_for_port(port)
        options = {"binary": str(mini_browser()), "args": ["--automation"]}
        driver = WebDriver(port, {"webkitgtk:browserOptions": options})
        stack.callback(driver.close)
        yield driver


@contextmanager
def headless_firefox() -> Iterator[Driver]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
        (home / "user.js").write_text("".join(lines))
        sound = stack.enter_context(null_sink(home))
        environment = {**os.environ, "HOME": str(home), "MOZ_HEADLESS": "1", **sound}
        log = stack.enter_context((home / "log").open("w"))
        command = [str(firefox()), "--marionette", "--profile", str(home)]
        process = stack.enter_context(running(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
        written, end = home / "MarionetteActivePort", time.monotonic() + 60
        while not (written.exists() and written.read_text().strip()):
            assert process.poll() is None and time.monotonic() < end, (home / "log").read_text()[-2000:]
            time.sleep(0.05)
        driver = Marionette(int(written.read_text()))
        stack.callback(driver.close)
        yield driver


@contextmanager
def null_sink(folder: Path) -> Iterator[dict[str, str]]:
    """A PulseAudio server whose sound goes nowhere; what a program needs in its environment to use it."""
    address, environment = folder / "sound", {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    modules = ["-L", "module-null-sink", "-L", f"module-native-protocol-unix auth-anonymous=1 socket={address}"]
    options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running(["pulseaudio", *options, *modules], env=environment, **quiet) as server:
        end = time.monotonic() + 20
        while not address.exists():
            assert server.poll() is None and time.monotonic() < end, "PulseAudio does not start"
            time.sleep(0.05)
        yield {"PULSE_SERVER": f"unix:{address}"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for_port(port: int, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            assert time.monotonic() < end, f"nothing listens on port {port}"
            time.sleep(0.05)


@contextmanager
def serving_measured(folder: Path, host: str = HOST, options: Sequence[str | Path] = ()) -> Iterator[str]:
    """`playbach serve` with a copy of the page whose first script measures the sound; its address."""
    copy = folder / "page"
    shutil.copytree(PAGE_FOLDER, copy)
    measure(copy)
    command = [sys.executable, "-c", SERVER, copy, "serve", "--host", host, "--port", "0", "--seed", "7", *options]
    with (folder / "log").open("w") as log, running(command, stdout=subprocess.PIPE, stderr=log) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith(f"http://{host}:"), (folder / "log").read_text()
        yield line.strip()


def measure(page: Path) -> None:
    """Add the script that measures the sound to the pages in a folder."""
    (page / "assets" / "measure.js").write_text(TAP + RECORDS)
    for path in page.glob("*.html"):
        text = path.read_text("utf-8")
        path.write_text(text.replace("<head>", '<head><script src="./assets/measure.js"></script>', 1), "utf-8")


@contextmanager
def publishing_measured(folder: Path) -> Iterator[str]:
    """The address of a published site on a static host."""
    from playbach.bundles import bundle as bundles
    from playbach.server import publishing

    site = publishing.publish([bundles.DEFAULT_MODEL], folder / "site").path
    measure(site)
    handler = functools.partial(QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
