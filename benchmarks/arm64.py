"""Whether a Raspberry Pi composes the same pieces as this machine: the same model and seeds in a real arm64 user
space.

Claim: the same seed makes the same piece on arm64, the architecture of a 64-bit Raspberry Pi, as on x86-64, byte for
byte, with the base install and with each light recipe of docs/raspberry-pi.md; and each install has the size that is
stated there.

debootstrap makes a Debian in FOLDER/root, whose programs run in qemu-user. FOLDER is kept; the next run is one or two
minutes shorter. Every run installs the committed source (HEAD) again. If a piece differs, the first step that differs
is reported: both symbols, the difference of the logits, and the reason. The radio is started there and its MP3 stream
is read.

Needs root, x86-64 Linux, `apt install debootstrap qemu-user-static`, a Debian mirror (from apt's own configuration,
unless --mirror gives one) and a package index that pip can reach. No mounts are left behind, and binfmt_misc is
restored. QEMU emulates the processor of a Raspberry Pi 4 (or with --pi that of a 3 or 5), which programs also see in
/proc and /sys. The speed of a Pi cannot be measured this way.

This takes five to ten minutes, so CI does not run it; tests/benchmarks/test_arm64.py tests its code without an
emulator.
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
from _bench import ROOT, Table, count, fail, parser, print_report, show_progress
from _user_space import (
    PROCESSORS,
    arm64_emulation,
    check_requirements,
    in_user_space,
    make_user_space,
    run_quietly,
    write_processor_files,
)
from weight import folder_bytes

LIGHT = ("numpy", "symusic", "platformdirs", "pySmartDL")
SOUND = ("soundfile", "cffi", "pretty_midi")
RADIO = ("starlette", "anyio", "idna", "typing_extensions", "uvicorn", "click", "h11", "websockets", "segno")
RECIPES = {
    "light": LIGHT,
    "light with sound": LIGHT + SOUND,
    "light with sound and radio": LIGHT + SOUND + RADIO,
}
"""What docs/raspberry-pi.md installs with --no-deps, in addition to playbach and the runtime."""
COMPARED = ("numpy==", "symusic==", "onnxruntime==", "ai-edge-litert==", "ai_edge_litert==")
"""Packages that compute notes: they have the same versions on both sides."""
GLIBC = 36
"""The minor version in bookworm; wheels for a later one would not load there."""
SHORT = 4
"""The bars of the piece that every install composes."""


# ------------------------------------------------------------------------------------------------------ the installs


def fetch_wheels(folder: Path, root: Path, packages: Sequence[str]) -> Path:
    """Build a wheel of the committed source and download those that it needs for arm64 into the user space.

    This machine's pip downloads them, with its configuration; the user space has no network configuration.
    """
    wheels, source = folder / "wheels", folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    subprocess.run(["tar", "-xC", source], input=committed_source(), check=True)
    pip = (sys.executable, "-m", "pip")
    show_progress("building the wheel of HEAD")
    environment = {**os.environ, "PLAYBACH_NO_PAGE": "1"}
    for old in wheels.glob("playbach-*.whl"):
        old.unlink()
    run_quietly((*pip, "wheel", "-q", "--no-deps", "-w", wheels, source), "pip wheel", env=environment)
    shutil.rmtree(source)
    [own] = wheels.glob("playbach-*.whl")
    version = run_quietly(
        in_user_space(root, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"), "python3"
    )
    show_progress("downloading the wheels for arm64")
    tags = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, GLIBC + 1)))
    kind = ("--only-binary=:all:", f"--python-version={version.strip()}", *(f"--platform={t}_aarch64" for t in tags))
    run_quietly((*pip, "download", "-q", *kind, "-d", wheels, f"{own}[serve]", *packages), "pip download")
    shutil.rmtree(root / "wheels", ignore_errors=True)
    shutil.copytree(wheels, root / "wheels")
    return own


def committed_source() -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], capture_output=True)
    if done.returncode:
        fail(f"git archive HEAD in {ROOT}: {done.stderr.decode().strip()}")
    return done.stdout


def install(root: Path, name: str, packages: Sequence[str], alone: bool) -> str:
    """Make a fresh environment with these packages in the user space, with `alone` without their dependencies.

    It has no pip of its own, so that only playbach counts towards its size. Returns its path there.
    """
    tool, place = root / "opt/pip", f"/opt/{name.replace(' ', '-')}"
    if not (tool / "bin/pip").exists():
        show_progress("making an environment for pip")
        run_quietly(in_user_space(root, "python3", "-m", "venv", "/opt/pip"), "venv")
    show_progress(f"installing: {name}")
    shutil.rmtree(root / place[1:], ignore_errors=True)
    run_quietly(in_user_space(root, "python3", "-m", "venv", "--without-pip", place), "venv")
    pip = ("/opt/pip/bin/pip", "--python", f"{place}/bin/python", "install", "-q", *(("--no-deps",) if alone else ()))
    run_quietly(in_user_space(root, *pip, *packages), f"pip install ({name})")
    return place


def install_same_versions(folder: Path, own: Path, root: Path, place: str) -> tuple[Path, list[str]]:
    """Install the same versions on this machine, so that only the processor differs; return its Python and them."""
    listed = run_quietly(
        in_user_space(root, "/opt/pip/bin/pip", "--python", f"{place}/bin/python", "freeze"), "pip freeze"
    )
    versions = [line for line in listed.lower().splitlines() if line.startswith(COMPARED)]
    environment = folder / "here"
    show_progress("installing the same versions here")
    venv.create(environment, clear=True, with_pip=True)
    python = environment / "bin/python"
    run_quietly((python, "-m", "pip", "install", "-q", own, *versions), "pip install here")
    return python, versions


# -------------------------------------------------------------------------------------------------- the comparisons


def compose_pieces(
    args: argparse.Namespace, root: Path, place: str, python: Path, model: str
) -> list[dict[str, Any]]:
    """Compose each seed on both machines and compare the pieces."""
    here, there = args.folder / "pieces", root / "pieces"
    for out in (here, there):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
    shutil.copy(Path(_steps.__file__), root / "opt/_steps.py")
    asked = [str(args.bars), *(str(args.seed + k) for k in range(args.pieces))]
    show_progress(f"composing {args.pieces} pieces on both machines")
    run_quietly((python, _steps.__file__, here, args.model, *asked), "composing here")
    run_quietly(
        in_user_space(root, f"{place}/bin/python", "/opt/_steps.py", "/pieces", model, *asked), "composing on arm64"
    )
    return [compare_piece(int(seed), here, there) for seed in asked[1:]]


def compare_piece(seed: int, here: Path, there: Path) -> dict[str, Any]:
    """Compare a piece of both machines, by its bytes and its steps."""
    left, right = (_steps.load(side / f"{seed}.npz") for side in (here, there))
    largest, first = _steps.compare_traces(left, right)
    midi = [(side / f"{seed}.mid").read_bytes() for side in (here, there)]
    return {"seed": seed, "steps": len(left["symbol"]), "bytes": len(midi[0]), "same": midi[0] == midi[1],
            "logits_apart": largest, "first": first}  # fmt: skip


def describe_piece(piece: dict[str, Any]) -> str:
    """One line about a piece."""
    if piece["same"] and piece["first"] is None:
        verdict = "the same bytes"
    elif piece["same"]:
        verdict = f"the same bytes, but a rejected ending differs: {piece['first'].describe()}"
    elif piece["first"] is None:
        verdict = "the same steps, but a different file: the performance or the writer differs"
    else:
        verdict = f"a different piece: {piece['first'].describe()}"
    return (
        f"seed {piece['seed']}: {piece['steps']:,} steps, {piece['bytes']:,} bytes of MIDI, "
        f"logits at most {piece['logits_apart']:.1e} apart; {verdict}"
    )


def weigh_install(root: Path, place: str, model: str, seed: int, expected: bytes) -> dict[str, Any]:
    """The size of an install, and whether its command composes the same short piece."""
    file = root / "pieces" / "short.mid"
    file.unlink(missing_ok=True)
    command = (f"{place}/bin/playbach", "compose", model, "--bars", str(SHORT), "--seed", str(seed))
    run_quietly(in_user_space(root, *command, "-o", "/pieces/short.mid"), f"composing in {place}")
    return {"bytes": folder_bytes(root / place[1:]), "same": file.read_bytes() == expected}


def read_radio(root: Path, place: str, model: str) -> int:
    """Start the radio there and read the beginning of its MP3 stream; return the bytes read."""
    command = in_user_space(root, f"{place}/bin/playbach", "serve", model, "--port", "0", "--seed", "7")
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
            fail(f"the radio on arm64 does not send MP3: {music[:16]!r}")
        return len(music)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", type=Path, metavar="FOLDER", help="where the user space is, or is made")
    options.add_argument(
        "--model", default="bach-chorales", help="a shipped model's name or a file (default: %(default)s)"
    )
    options.add_argument("--seed", type=int, default=7, help="the first seed (default: %(default)s)")
    options.add_argument(
        "--pieces", type=count, default=3, help="number of pieces, with consecutive seeds (default: %(default)s)"
    )
    options.add_argument("--bars", type=count, default=16, help="bars in each piece (default: %(default)s)")
    options.add_argument(
        "--pi", type=int, choices=PROCESSORS, default=4, help="the Raspberry Pi to emulate (default: %(default)s)"
    )
    options.add_argument("--suite", default="bookworm", help="the Debian release (default: %(default)s)")
    options.add_argument("--mirror", metavar="URL", help="the Debian mirror (default: this machine's)")
    args = options.parse_args()
    args.folder = args.folder.absolute()
    check_requirements(args.folder)
    with arm64_emulation():
        measure(args)


def measure(args: argparse.Namespace) -> None:
    runtime = "ai-edge-litert" if args.model.endswith(".tflite") else "onnxruntime"
    root = make_user_space(args.folder, args.suite, args.mirror)
    write_processor_files(root, args.pi)
    own = fetch_wheels(args.folder, root, (*LIGHT, *SOUND, *RADIO, runtime))
    model = copy_model(root, args.model)
    place = install(root, "base", ("playbach", runtime), alone=False)
    python, versions = install_same_versions(args.folder, own, root, place)
    found = compose_pieces(args, root, place, python, model)

    short = args.folder / "pieces" / "short.mid"
    command = (
        python.with_name("playbach"),
        "compose",
        args.model,
        "--bars",
        str(SHORT),
        "--seed",
        str(args.seed),
    )
    run_quietly((*command, "-o", short), "composing here")
    installs = {"base": weigh_install(root, place, model, args.seed, short.read_bytes())}
    for name, packages in RECIPES.items():
        place = install(root, name, ("playbach", runtime, *packages), alone=True)
        installs[name] = weigh_install(root, place, model, args.seed, short.read_bytes())
    radio_bytes = read_radio(root, place, model)

    rows = [(n, f"{i['bytes'] / 1e6:,.0f}", "yes" if i["same"] else "no") for n, i in installs.items()]
    notes = (
        *map(describe_piece, found),
        f"the radio of the last install: {radio_bytes:,} bytes of MP3 read",
        " ".join(versions),
    )
    table = Table(("install, without pip", "MB", "the same piece as here"), tuple(rows), notes)
    data = {
        "versions": versions,
        "pi": args.pi,
        "installs": installs,
        "pieces": found,
        "radio_bytes": radio_bytes,
    }
    title = f"{Path(args.model).name} on an emulated Raspberry Pi {args.pi} ({PROCESSORS[args.pi][0]})"
    print_report(title, table, data, (), args.json)
    if not all(p["same"] for p in (*found, *installs.values())):
        sys.exit(1)


def copy_model(root: Path, model: str) -> str:
    """Copy a model's file, with the files next to it of the same name, into the user space; return its path there."""
    args = Path(model)
    if not args.is_file():
        return model
    shutil.rmtree(root / "model", ignore_errors=True)
    (root / "model").mkdir()
    for path in args.absolute().parent.glob("*"):
        if path.is_file() and path.name.startswith(args.stem):
            shutil.copy(path, root / "model")
    return f"/model/{args.name}"


if __name__ == "__main__":
    main()
