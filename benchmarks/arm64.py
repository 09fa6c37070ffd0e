"""Whether a Raspberry Pi composes what this machine composes: the same model and seeds in a real arm64 user space.

Claim: the same seed makes the same piece on arm64, a 64-bit Raspberry Pi's kind of processor, as on x86-64, byte
for byte, with the base install and with each light recipe of docs/raspberry-pi.md, and each takes as much room as is
said there.

debootstrap makes a Debian in FOLDER/root, whose programs qemu-user runs; FOLDER is kept, and the next run takes a
minute or two less. Every run installs what is committed (HEAD) anew. Where a piece differs, the first step drawn
differently is told, with both symbols, how far the logits are apart, and why. The radio is started there, and its MP3
read.

Needs root, x86-64 Linux, `apt install debootstrap qemu-user-static`, a Debian mirror (taken from apt's own
configuration unless --mirror names one) and a package index that pip can reach. It leaves no mounts behind, and
binfmt_misc as it was. QEMU emulates the processor of a Raspberry Pi 4 (or --pi 3 or 5), and programs are shown that
one in /proc and /sys. How fast a Pi is cannot be measured so.

Five to ten minutes, so CI leaves it out; tests/benchmarks/test_arm64.py tests what it computes, without an emulator.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _steps
from _bench import ROOT, Table, count, fail, parser, report, say
from _user_space import PROCESSORS, demand, describe, emulated, inside, quietly, user_space
from weight import weight

LIGHT = ("numpy", "symusic", "platformdirs", "pySmartDL")
SOUND = ("soundfile", "cffi", "pretty_midi")
RADIO = ("starlette", "anyio", "idna", "typing_extensions", "uvicorn", "click", "h11", "websockets", "segno")
RECIPES = {
    "light": LIGHT,
    "light with sound": LIGHT + SOUND,
    "light with sound and radio": LIGHT + SOUND + RADIO,
}
"""What docs/raspberry-pi.md installs with --no-deps, beside playbach and the runtime."""
COMPARED = ("numpy==", "symusic==", "onnxruntime==", "ai-edge-litert==", "ai_edge_litert==")
"""What computes notes has the same version on both sides."""
GLIBC = 36
"""The minor version of bookworm's: wheels for a later one would not load there."""
SHORT = 4
"""Bars of the piece that every install composes."""


# ------------------------------------------------------------------------------------------------------ the installs


def fetched(folder: Path, root: Path, packages: Sequence[str]) -> Path:
    """The wheel of what is committed, and those of all that it needs for arm64, where the user space sees them.

    pip gets them on this machine, as it is configured here; in the user space there is no network to configure.
    """
    wheels, source = folder / "wheels", folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    subprocess.run(["tar", "-xC", source], input=_committed(), check=True)
    pip = (sys.executable, "-m", "pip")
    say("building the wheel of HEAD")
    environment = {**os.environ, "PLAYBACH_NO_PAGE": "1"}
    for old in wheels.glob("playbach-*.whl"):
        old.unlink()
    quietly((*pip, "wheel", "-q", "--no-deps", "-w", wheels, source), "pip wheel", env=environment)
    shutil.rmtree(source)
    [own] = wheels.glob("playbach-*.whl")
    version = quietly(inside(root, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"), "python3")
    say("getting the wheels for arm64")
    tags = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, GLIBC + 1)))
    kind = ("--only-binary=:all:", f"--python-version={version.strip()}", *(f"--platform={t}_aarch64" for t in tags))
    quietly((*pip, "download", "-q", *kind, "-d", wheels, f"{own}[serve]", *packages), "pip download")
    shutil.rmtree(root / "wheels", ignore_errors=True)
    shutil.copytree(wheels, root / "wheels")
    return own


def _committed() -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], capture_output=True)
    if done.returncode:
        fail(f"git archive HEAD in {ROOT}: {done.stderr.decode().strip()}")
    return done.stdout


def install(root: Path, name: str, packages: Sequence[str], alone: bool) -> str:
    """A fresh environment in the user space with these packages, `alone` without what they ask for; its place there.

    It has no pip of its own, so that its weight is that of playbach.
    """
    tool, place = root / "opt/pip", f"/opt/{name.replace(' ', '-')}"
    if not (tool / "bin/pip").exists():
        say("an environment for pip")
        quietly(inside(root, "python3", "-m", "venv", "/opt/pip"), "venv")
    say(f"installing: {name}")
    shutil.rmtree(root / place[1:], ignore_errors=True)
    quietly(inside(root, "python3", "-m", "venv", "--without-pip", place), "venv")
    pip = ("/opt/pip/bin/pip", "--python", f"{place}/bin/python", "install", "-q", *(("--no-deps",) if alone else ()))
    quietly(inside(root, *pip, *packages), f"pip install ({name})")
    return place


def beside(folder: Path, own: Path, root: Path, place: str) -> tuple[Path, list[str]]:
    """An interpreter of this machine with the same versions, so that nothing but the processor differs; and these."""
    listed = quietly(inside(root, "/opt/pip/bin/pip", "--python", f"{place}/bin/python", "freeze"), "pip freeze")
    versions = [line for line in listed.lower().splitlines() if line.startswith(COMPARED)]
    environment = folder / "here"
    say("installing the same versions here")
    venv.create(environment, clear=True, with_pip=True)
    python = environment / "bin/python"
    quietly((python, "-m", "pip", "install", "-q", own, *versions), "pip install here")
    return python, versions


# ----------------------------------------------------------------------------------------------------- the questions


def pieces(given: argparse.Namespace, root: Path, place: str, python: Path, model: str) -> list[dict[str, Any]]:
    """Of each seed: whether it makes the same piece on both machines, and where not, why."""
    here, there = given.folder / "pieces", root / "pieces"
    for out in (here, there):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
    shutil.copy(Path(_steps.__file__), root / "opt/_steps.py")
    asked = [str(given.bars), *(str(given.seed + k) for k in range(given.pieces))]
    say(f"composing {given.pieces} pieces here and there")
    quietly((python, _steps.__file__, here, given.model, *asked), "composing here")
    quietly(inside(root, f"{place}/bin/python", "/opt/_steps.py", "/pieces", model, *asked), "composing on arm64")
    return [judged(int(seed), here, there) for seed in asked[1:]]


def judged(seed: int, here: Path, there: Path) -> dict[str, Any]:
    """One piece of both machines, by its bytes and its steps."""
    left, right = (_steps.load(side / f"{seed}.npz") for side in (here, there))
    largest, first = _steps.compared(left, right)
    midi = [(side / f"{seed}.mid").read_bytes() for side in (here, there)]
    return {"seed": seed, "steps": len(left["symbol"]), "bytes": len(midi[0]), "same": midi[0] == midi[1],
            "logits_apart": largest, "first": first}  # fmt: skip


def line_of(piece: dict[str, Any]) -> str:
    """A piece's result for people."""
    if piece["same"] and piece["first"] is None:
        verdict = "the same bytes"
    elif piece["same"]:
        verdict = f"the same bytes, though an ending that was not kept differs: {piece['first'].told()}"
    elif piece["first"] is None:
        verdict = "the same steps, but another file: what is made of them differs (performing, or the writer)"
    else:
        verdict = f"another piece: {piece['first'].told()}"
    return (
        f"seed {piece['seed']}: {piece['steps']:,} steps, {piece['bytes']:,} bytes of MIDI, "
        f"logits at most {piece['logits_apart']:.1e} apart; {verdict}"
    )


def weighed(root: Path, place: str, model: str, seed: int, expected: bytes) -> dict[str, Any]:
    """An install's bytes, and whether its own command composes the same short piece."""
    file = root / "pieces" / "short.mid"
    file.unlink(missing_ok=True)
    command = (f"{place}/bin/playbach", "compose", model, "--bars", str(SHORT), "--seed", str(seed))
    quietly(inside(root, *command, "-o", "/pieces/short.mid"), f"composing in {place}")
    return {"bytes": weight(root / place[1:]), "same": file.read_bytes() == expected}


def radio(root: Path, place: str, model: str) -> int:
    """Start the radio there and read its MP3: so many bytes came, beginning with a frame."""
    command = inside(root, f"{place}/bin/playbach", "serve", model, "--port", "0", "--seed", "7")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address.startswith("http://127.0.0.1:"):
            fail(f"the radio on arm64 does not start: {address!r}")
        asked = http.client.HTTPConnection(address[7:].rstrip("/"), timeout=120)
        asked.request("GET", "/live.mp3")
        music = asked.getresponse().read(32_768)
        if len(music) < 32_768 or music[0] != 0xFF or music[1] & 0xE0 != 0xE0:
            fail(f"the radio on arm64 gives no MP3: {music[:16]!r}")
        return len(music)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", type=Path, metavar="FOLDER", help="where the user space lies, or is made")
    options.add_argument("--model", default="bach-chorales", help="a name or a file (default: %(default)s)")
    options.add_argument("--seed", type=int, default=7, help="the first (default: %(default)s)")
    options.add_argument("--pieces", type=count, default=3, help="so many seeds in a row (default: %(default)s)")
    options.add_argument("--bars", type=count, default=16, help="of each piece (default: %(default)s)")
    options.add_argument(
        "--pi", type=int, choices=PROCESSORS, default=4, help="whose processor (default: %(default)s)"
    )
    options.add_argument("--suite", default="bookworm", help="of Debian (default: %(default)s)")
    options.add_argument("--mirror", metavar="URL", help="of Debian (default: this machine's)")
    given = options.parse_args()
    given.folder = given.folder.absolute()
    demand(given.folder)
    with emulated():
        measure(given)


def measure(given: argparse.Namespace) -> None:
    runtime = "ai-edge-litert" if given.model.endswith(".tflite") else "onnxruntime"
    root = user_space(given.folder, given.suite, given.mirror)
    describe(root, given.pi)
    own = fetched(given.folder, root, (*LIGHT, *SOUND, *RADIO, runtime))
    model = lent(root, given.model)
    place = install(root, "base", ("playbach", runtime), alone=False)
    python, versions = beside(given.folder, own, root, place)
    found = pieces(given, root, place, python, model)

    short = given.folder / "pieces" / "short.mid"
    command = (python.with_name("playbach"), "compose", given.model, "--bars", str(SHORT), "--seed", str(given.seed))
    quietly((*command, "-o", short), "composing here")
    installs = {"base": weighed(root, place, model, given.seed, short.read_bytes())}
    for name, packages in RECIPES.items():
        place = install(root, name, ("playbach", runtime, *packages), alone=True)
        installs[name] = weighed(root, place, model, given.seed, short.read_bytes())
    heard = radio(root, place, model)

    rows = [(n, f"{i['bytes'] / 1e6:,.0f}", "yes" if i["same"] else "no") for n, i in installs.items()]
    notes = (*map(line_of, found), f"the radio of the last one: {heard:,} bytes of MP3 read", " ".join(versions))
    table = Table(("install, without pip", "MB", "the same piece as here"), tuple(rows), notes)
    data = {"versions": versions, "pi": given.pi, "installs": installs, "pieces": found, "radio_bytes": heard}
    title = f"{Path(given.model).name} on an emulated Raspberry Pi {given.pi} ({PROCESSORS[given.pi][0]})"
    report(title, table, data, (), given.json)
    if not all(p["same"] for p in (*found, *installs.values())):
        sys.exit(1)


def lent(root: Path, model: str) -> str:
    """The model's name in the user space, where a file is laid with all that stands beside it under its name."""
    given = Path(model)
    if not given.is_file():
        return model
    shutil.rmtree(root / "model", ignore_errors=True)
    (root / "model").mkdir()
    for path in given.absolute().parent.glob("*"):
        if path.is_file() and path.name.startswith(given.stem):
            shutil.copy(path, root / "model")
    return f"/model/{given.name}"


if __name__ == "__main__":
    main()
