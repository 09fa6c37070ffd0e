"""What other programs make of MusicXML: each one's MIDI export, as bytes. For `agreement.py`.

As a script it is a worker: it gets a program's name, reads one path a line on stdin, and writes one line of JSON for
each to stdout. A program can abort or hang over an odd file, so that only the worker ends.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

SECONDS = 600
"""The longest that a program may take over one file."""


def music21(path: Path) -> bytes:
    """music21's export: repeats are expanded, parts that transpose are written as they sound."""
    from music21 import converter
    from music21.midi.translate import music21ObjectToMidiFile

    score = converter.parse(path, forceSource=True, storePickle=False)
    return bytes(music21ObjectToMidiFile(score).writestr())


def verovio(path: Path) -> bytes:
    """verovio's export, with the order of the bars that it makes from the repeats."""
    import verovio as package

    package.enableLog(package.LOG_OFF)
    kit = package.toolkit(False)
    kit.setResourcePath(str(Path(package.__file__).parent / "data"))
    if not kit.loadFile(str(path)) and not kit.loadData(_as_utf8(path)):
        raise ValueError("it cannot load the file")
    return base64.b64decode(kit.renderToMIDI())


def _as_utf8(path: Path) -> str:
    """The text of a MusicXML file; verovio knows no UTF-16."""
    data = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            data = archive.read(next(name for name in archive.namelist() if not name.startswith("META-INF")))
    return ElementTree.tostring(ElementTree.fromstring(data), encoding="unicode")


def musescore(path: Path) -> bytes:
    """MuseScore's export. Raises ValueError if it fails, and TimeoutExpired."""
    program = musescore_program()
    if program is None:
        raise ValueError("neither musescore3 nor mscore is on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.mid"
        command = [program, "-o", str(made), str(path.absolute())]
        done = subprocess.run(command, env=_without_screen(), capture_output=True, timeout=120)
        if not made.exists():
            raise ValueError(f"it ends with {done.returncode}, and there is no file")
        return made.read_bytes()


def _without_screen() -> dict[str, str]:
    return {**os.environ, "QT_QPA_PLATFORM": "offscreen"}


def musescore_program() -> str | None:
    return shutil.which("musescore3") or shutil.which("mscore")


PROGRAMS: dict[str, Callable[[Path], bytes]] = {"music21": music21, "verovio": verovio, "musescore": musescore}


def program_version(name: str) -> str:
    if name == "musescore":
        command = [str(musescore_program()), "--version"]
        asked = subprocess.run(command, env=_without_screen(), capture_output=True, text=True)
        return asked.stdout.split()[-1]
    return version(name)


class Cache:
    """Exports kept in a folder, named after the program, its version and the file's contents."""

    def __init__(self, folder: Path | None, program: str) -> None:
        self._folder = folder / f"{program}-{program_version(program)}" if folder else None
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)

    def get(self, path: Path) -> bytes | str | None:
        """The export, or one line of why there is none; None if it is not known."""
        if self._folder is None:
            return None
        name = self._name(path)
        if (self._folder / f"{name}.mid").exists():
            return (self._folder / f"{name}.mid").read_bytes()
        failed = self._folder / f"{name}.txt"
        return failed.read_text("utf-8") if failed.exists() else None

    def put(self, path: Path, made: bytes | str) -> None:
        if self._folder is None:
            return
        name = self._name(path)
        if isinstance(made, bytes):
            (self._folder / f"{name}.mid").write_bytes(made)
        else:
            (self._folder / f"{name}.txt").write_text(made, "utf-8")

    def _name(self, path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:24]


def exports(program: str, paths: Iterable[Path], jobs: int, cache: Cache) -> Iterator[tuple[Path, bytes | str]]:
    """Each path with the program's export, or one line of why there is none; in any order."""
    todo: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Path, bytes | str]] = queue.SimpleQueue()
    many = 0
    for path in paths:
        known = cache.get(path)
        if known is None:
            todo.put(path)
            many += 1
        else:
            yield path, known
    threads = [threading.Thread(target=_work, args=(program, todo, done), daemon=True) for _ in range(jobs)]
    for thread in threads:
        todo.put(None)
        thread.start()
    for _ in range(many):
        path, made = done.get()
        cache.put(path, made)
        yield path, made


def _work(
    program: str, todo: queue.SimpleQueue[Path | None], done: queue.SimpleQueue[tuple[Path, bytes | str]]
) -> None:
    """Give paths to a worker process, and a new one to the next path if it ends."""
    worker: subprocess.Popen[str] | None = None
    while (path := todo.get()) is not None:
        if worker is not None and worker.poll() is not None:
            _end(worker)
            worker = None
        worker = worker or _start(program)
        done.put((path, _ask(worker, path)))
    if worker is not None:
        _end(worker)


def _start(program: str) -> subprocess.Popen[str]:
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen([sys.executable, __file__, program], stdin=pipe, stdout=pipe, stderr=nothing, text=True)


def _end(worker: subprocess.Popen[str]) -> None:
    worker.kill()
    worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        with suppress(OSError):
            pipe and pipe.close()


def _ask(worker: subprocess.Popen[str], path: Path) -> bytes | str:
    assert worker.stdin is not None and worker.stdout is not None
    late = threading.Timer(SECONDS, worker.kill)
    late.start()
    try:
        worker.stdin.write(f"{path.absolute()}\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
    except OSError:
        line = ""
    finally:
        late.cancel()
    if not line:
        return f"it crashes or takes more than {SECONDS} s (exit status {worker.wait()})"
    made, reason = json.loads(line)
    return reason if made is None else base64.b64decode(made)


def main() -> None:
    """The worker."""
    export, out = PROGRAMS[sys.argv[1]], os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a program prints is no answer
    for line in sys.stdin:
        made, reason = None, ""
        try:
            made = base64.b64encode(export(Path(line.rstrip("\n")))).decode()
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        print(json.dumps([made, reason]), file=out, flush=True)


if __name__ == "__main__":
    main()
