"""Tries the playbach that is installed: it composes, plays and serves. Run with the Python that it is installed in.

Needs the extra `serve`, but no sound card: `playbach play` finds a stand-in for python-rtmidi, whose only port writes
the messages to a file. The first failure ends the script with one line. Nothing is left behind. The script uses no
other file of the repository, so it tries a wheel as a user has it.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

SECONDS = 90  # for each command: far more than any needs
NOTES = 8  # notes that `play` must send before it is stopped
FIRST_BYTES = {".mid": b"MThd", ".wav": b"RIFF", ".flac": b"fLaC", ".png": b"\x89PNG"}
NAMED = re.compile(r'<(?:script|link)\b[^>]*?\b(?:src|href)="([^":]+)"')
RTMIDI = """
import os
class RtMidiError(Exception):
    pass
def get_compiled_api():
    return [0]
class MidiOut:
    def __init__(self, api=0, name=""):
        self._file = open(os.environ["PLAYBACH_MESSAGES"], "ab", buffering=0)
    def get_ports(self):
        return ["recorder"]
    def open_port(self, number=0, name=""):
        return self
    def send_message(self, message):
        self._file.write((" ".join(map(str, message)) + "\\n").encode())
    def close_port(self):
        self._file.close()
"""


class Failure(Exception):
    """What does not work, in one line."""


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def expect(true: object, what: str) -> None:
    if not true:
        raise Failure(what)


def playbach(*arguments: str, folder: Path) -> str:
    """What a command prints on stdout."""
    command = [sys.executable, "-m", "playbach", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    name = "playbach " + " ".join(arguments)
    expect(done.returncode == 0, f"`{name}` exited with {done.returncode}: {last_line(done.stderr)}")
    return done.stdout


@contextmanager
def running(*arguments: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until it is stopped. It is killed when it takes too long, and when the caller fails."""
    command = [sys.executable, "-m", "playbach", *arguments]
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, **environment},
        )  # fmt: skip
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str], folder: Path, name: str) -> None:
    """Ctrl-C, which must end the command without an error. Windows cannot send it to a single process."""
    if sys.platform == "win32":
        process.terminate()
        process.wait()
        return
    process.send_signal(signal.SIGINT)
    status = process.wait(SECONDS)
    said = (folder / "errors").read_text("utf-8")
    expect(status == 0 and "Traceback" not in said, f"`{name}` exited with {status} on Ctrl-C: {last_line(said)}")


def compose(folder: Path) -> None:
    for suffix, start in FIRST_BYTES.items():
        name = f"piece{suffix}"
        printed = playbach("compose", "--bars", "4", "--seed", "1", "-o", name, folder=folder).strip()
        content = (folder / name).read_bytes()
        expect(printed == name and content.startswith(start) and len(content) > 200, f"compose wrote no {suffix}")
    playbach("compose", "bach-pocket", "--bars", "4", "--seed", "1", "-o", "pocket.mid", folder=folder)


def messages(path: Path) -> list[list[int]]:
    complete = path.read_text("ascii").rpartition("\n")[0] if path.exists() else ""
    return [[int(number) for number in line.split()] for line in complete.splitlines()]


def play(folder: Path) -> None:
    """To the stand-in's port: notes arrive, and Ctrl-C ends on a cadence with no note left on."""
    (folder / "modules").mkdir()
    (folder / "modules" / "rtmidi.py").write_text(RTMIDI, "utf-8")
    sent = folder / "messages"
    arguments = ("play", "--port", "recorder", "--seed", "1", "--bars", "4", "--tempo", "300")
    environment = {"PYTHONPATH": str(folder / "modules"), "PLAYBACH_MESSAGES": str(sent)}
    with running(*arguments, folder=folder, **environment) as process:
        while sum(message[0] & 0xF0 == 0x90 for message in messages(sent)) < NOTES:
            time.sleep(0.1)
            said = (folder / "errors").read_text("utf-8", "replace")
            expect(
                process.poll() is None, f"`playbach play` ended before it had sent {NOTES} notes: {last_line(said)}"
            )
        stop(process, folder, "playbach play")
    if sys.platform == "win32":
        return
    on: set[tuple[int, int]] = set()
    for status, pitch, *_ in messages(sent):
        if status & 0xE0 == 0x80:
            (on.add if status & 0x10 else on.discard)((status & 0x0F, pitch))
    expect(not on, f"`playbach play` left {len(on)} notes on")


def page_files() -> dict[str, bytes]:
    """The files of the web page that are installed, by their address."""
    installed = importlib.metadata.files("playbach") or []
    [*indices] = [path for path in installed if path.name == "index.html"]
    expect(len(indices) == 1, f"{len(indices)} files called index.html are installed, not one: the page is missing")
    folder = indices[0].parent
    inside = [path for path in installed if path.is_relative_to(folder) and path.suffix != ".map"]
    return {path.relative_to(folder).as_posix(): path.read_binary() for path in inside}


def fetch(address: str, path: str) -> bytes:
    try:
        with urllib.request.urlopen(address + path, timeout=30) as answer:
            body: bytes = answer.read(1000 if path == "live.mp3" else -1)
            return body
    except urllib.error.HTTPError as error:
        raise Failure(f"/{path} is answered with {error.code}") from error


def serve(folder: Path) -> None:
    with running("serve", "--port", "0", "--seed", "1", folder=folder) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        said = (folder / "errors").read_text("utf-8", "replace")
        expect(address.startswith("http://"), f"`playbach serve` printed no address: {last_line(said)}")
        expect(fetch(address, "ping") == b"pong", "/ping is not answered with pong")
        page = page_files()
        html = page["index.html"].decode()
        named = [PurePosixPath(name).as_posix() for name in NAMED.findall(html)]
        for suffix in (".js", ".css"):
            expect(any(name.endswith(suffix) for name in named), f"the page names no {suffix} file")
        for name in named:
            expect(name in page, f"the page names {name}, which is not installed")
        page.pop("blind-test.html", None)  # served only with a listening test
        for name, content in page.items():
            expect(
                fetch(address, "" if name == "index.html" else name) == content, f"/{name} is not the installed file"
            )
        models = [model["name"] for model in json.loads(fetch(address, "api/models"))["models"]]
        expect(models == ["bach-chorales"], f"models served: {models}")
        parts = [part["file"] for part in json.loads(fetch(address, "sounds/index.json"))["parts"]]
        choir = gzip.decompress(fetch(address, "sounds/52.sf3.gz"))
        expect("52.sf3.gz" in parts and choir[:4] == b"RIFF", "/sounds has no choir")
        expect(len(fetch(address, "live.mp3")) == 1000, "/live.mp3 sends no music")
        stream(address)
        stop(process, folder, "playbach serve")


def stream(address: str) -> None:
    """A stream over the WebSocket, up to its first notes."""
    from websockets.sync.client import connect

    types: list[str] = []
    with connect(address.replace("http://", "ws://") + "ws", open_timeout=30) as socket:
        socket.send(json.dumps({"type": "start", "seed": 1}))
        while len(types) < 10:
            message = json.loads(socket.recv(timeout=30))
            types.append(message["type"])
            if message.get("notes"):
                return
    raise Failure(f"the WebSocket sent no notes, only {types}")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="playbach-try-") as name:
        folder = Path(name)
        try:
            version = playbach("--version", folder=folder).strip()
            for step in (compose, play, serve):
                (folder / step.__name__).mkdir()
                step(folder / step.__name__)
        except (Failure, subprocess.TimeoutExpired, OSError) as error:
            print(f"try_install: {error}", file=sys.stderr)
            return 1
    print(f"{version} composes, plays and serves")
    return 0


if __name__ == "__main__":
    sys.exit(main())
