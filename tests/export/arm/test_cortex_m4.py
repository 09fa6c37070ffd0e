"""The C export on a Cortex-M4, emulated by QEMU: exactly the same symbols and notes as the integer reference."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from safetensors.numpy import load

from helpers import sample_music
from helpers.paths import GOLDEN
from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import Bundle
from playbach.data.batches import previous_of
from playbach.encodings import ENCODINGS
from playbach.encodings.base import Encoding
from playbach.encodings.options import NotesOptions
from playbach.export import c
from playbach.export.c.music import music_files
from playbach.export.integer import IntegerNetwork, IntegerSampling, Pcg32, compose, quantise
from playbach.models import build
from playbach.models.base import Shape
from playbach.music.events import Note

HERE = Path(__file__).parent
TINY = GOLDEN / "tiny.playbach"
TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-nm", "arm-none-eabi-size", "qemu-system-arm")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING),
    reason=f"needs {', '.join(MISSING)} (apt install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm)",
)
STEPS, SEED = 1000, 7
SETTINGS = (
    (IntegerSampling(256, 62259), 4),
    (IntegerSampling(0, 65536), 3),
    (IntegerSampling(512, 65536), 5),
    (IntegerSampling(200, 45875), None),
)
"""As in steps.c: sampling, and length in bars; every other one uses the style mask."""


@dataclass(frozen=True)
class Exported:
    network: IntegerNetwork
    encoding: Encoding
    files: dict[str, bytes]
    sizes: dict[str, int]


def calibration(encoding: Encoding, pieces: list[Any]) -> tuple[Any, Any]:
    encoded = [encoding.encode(piece) for piece in pieces]
    steps = np.concatenate([previous_of(s.steps, encoding) for s in encoded])
    return steps, np.concatenate([s.context for s in encoded])


def export_c(bundle: Bundle, encoding: Encoding, network: IntegerNetwork) -> Exported:
    music = music_files(encoding, bundle)
    files = c.folder_from_network(bundle, network, music, c.find_profile("cortex-m4"))
    return Exported(network, encoding, files, c.memory_sizes(network, music))


def golden() -> Exported:
    """The repository's small LSTM of four voices."""
    bundle = bundles.read(TINY)
    encoding = bundle.encoding()
    real = calibration(encoding, [sample_music.chorale(seed) for seed in range(6)])
    return export_c(bundle, encoding, quantise("lstm", load(bundle.members[bundles.WEIGHTS]), encoding, real))


def untrained() -> Exported:
    """A small convolutional network of one line, with three fields."""
    import torch

    torch.manual_seed(3)
    pieces = [sample_music.line(seed) for seed in range(6)]
    encoding = ENCODINGS["notes"].load().fit(pieces, NotesOptions("kept", "separate", True))
    shape = Shape(tuple(map(len, encoding.fields)), tuple(map(len, encoding.context)), encoding.relations)
    model = build("cnn", shape, {"image": 12, "channels": 3, "hidden": 20, "dropout": 0.0, "symbol_dropout": 0.0})
    weights = {key: value.numpy() for key, value in model.state_dict().items()}
    manifest = {
        "architecture": {"name": "cnn"},
        "encoding": encoding.manifest(),
        "sampling": {"temperature": 1.0, "top_p": 0.95},
    }
    bundle = Bundle("untrained", manifest, {}, "")
    return export_c(bundle, encoding, quantise("cnn", weights, encoding, calibration(encoding, pieces)))


def run(*command: object, seconds: float = 300) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout


CORE = ("-mcpu=cortex-m4", "-mthumb", "-ffreestanding", "-O2", "-ffunction-sections", "-fdata-sections")
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")


def build_program(exported: Exported, folder: Path) -> Path:
    for name, data in exported.files.items():
        (folder / name).write_bytes(data)
    objects = []
    for source in (folder / "playbach.c", folder / "music.c", HERE / "steps.c"):
        objects.append(folder / f"{source.stem}.o")
        options = (f"-DSTEPS={STEPS}", "-I", folder, "-I", HERE)
        run("arm-none-eabi-gcc", *CORE, *WARNINGS, *options, "-c", source, "-o", objects[-1])
    objects.append(folder / "board.o")  # a board's start-up code is not standard C
    run("arm-none-eabi-gcc", *CORE, "-std=gnu99", "-c", HERE / "board.c", "-o", objects[-1])
    program = folder / "program.elf"
    linked = ("-nostartfiles", "-specs=nano.specs", "-Wl,--gc-sections", "-T", HERE / "mps2.ld")
    run("arm-none-eabi-gcc", *CORE, *linked, *objects, "-o", program)
    return program


def run_program(program: Path) -> list[list[str]]:
    """The lines that the board prints, split into words."""
    machine = ("-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "stdio")
    printed = run("qemu-system-arm", *machine, "-semihosting-config", "enable=on,target=native", "-kernel", program)
    return [line.split() for line in printed.splitlines()]


def expected_output(exported: Exported) -> tuple[list[list[int]], list[tuple[int, ...]]]:
    """Steps and events of the integer reference in Python; of each piece, events in order."""
    random, steps, events = Pcg32(SEED), list[list[int]](), list[tuple[int, ...]]()
    for piece in range(STEPS):
        if len(steps) == STEPS:
            break
        sampling, bars = SETTINGS[piece % len(SETTINGS)]
        at = random() * sum(n for _, n in exported.encoding.headers) >> 32
        header = next(h for (h, n), end in zip(exported.encoding.headers, _ends(exported.encoding)) if at < end)
        decoder = exported.encoding.decoder(header, bars)
        notes = []
        for step, complete in compose(exported.network, decoder, sampling, random, use_style=piece % 2 == 0):
            steps.append(step.tolist())
            notes += complete
            if len(steps) == STEPS:
                break
        events += sorted(_note_events([*notes, *decoder.finish()]))
    return steps, events


def _ends(encoding: Encoding) -> list[int]:
    return np.cumsum([n for _, n in encoding.headers]).tolist()


def _note_events(notes: list[Any]) -> list[tuple[int, ...]]:
    events = []
    for note in notes:
        assert isinstance(note, Note)
        events.append((note.tick, note.track, note.pitch, note.velocity))
        events.append((note.tick + note.duration, note.track, note.pitch, 0))
    return events


@pytest.mark.parametrize("make", [golden, untrained])
def test_a_cortex_m4_composes_what_python_does(make: Any, tmp_path: Path) -> None:
    exported = make()
    program = build_program(exported, tmp_path)
    printed = run_program(program)
    steps, events = expected_output(exported)
    assert [list(map(int, line[1:])) for line in printed if line[0] == "step"] == steps
    assert len(steps) == STEPS
    assert len({tuple(step) for step in steps}) > 10  # otherwise equality would show little
    printed_events = [tuple(map(int, line[1:])) for line in printed if line[0] == "event"]
    assert sorted(printed_events) == sorted(events)

    # What the export promises: memory as stated, no floats, no heap.
    used = {line[0]: list(map(int, line[1:])) for line in printed if line[0] in ("stack", "memory")}
    text, data, bss = map(int, run("arm-none-eabi-size", program).splitlines()[1].split()[:3])
    assert used["memory"][0] == exported.sizes["network"]
    assert data + bss + used["stack"][0] <= exported.sizes["ram"]
    assert text + data <= exported.sizes["flash"]
    symbols = run("arm-none-eabi-nm", program)
    for name in ("__aeabi_f", "__aeabi_d", "__aeabi_ui2f", "__aeabi_i2f", "malloc", "sbrk"):
        assert name not in symbols
    # `pytest -s` shows the figures for the documentation.
    print(f"{make.__name__}: flash {text + data:,}, RAM {data + bss:,} and {used['stack'][0]:,} of stack", used)
