"""The C export on a Cortex-M4, which QEMU plays: the same symbols and notes as the integer reference, every one."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from helpers import sample_music
from helpers.paths import GOLDEN
from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import Bundle
from playbach.data.batches import previous_of
from playbach.encodings import ENCODINGS, Encoding, NotesOptions
from playbach.export import c
from playbach.export.c import music
from playbach.export.integer import IntegerNetwork, IntegerSampling, Pcg32, compose, quantised
from playbach.models import Shape, build
from playbach.music.events import Note

HERE = Path(__file__).parent
TINY = GOLDEN / "tiny.playbach"
TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-nm", "arm-none-eabi-size", "qemu-system-arm")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING),
    reason=f"{', '.join(MISSING)} absent (apt install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm)",
)
STEPS, SEED = 1000, 7
WAYS = (
    (IntegerSampling(256, 62259), 4),
    (IntegerSampling(0, 65536), 3),
    (IntegerSampling(512, 65536), 5),
    (IntegerSampling(200, 45875), None),
)
"""As steps.c has them: sampling, and length in bars; every other one is careful."""


@dataclass(frozen=True)
class Exported:
    network: IntegerNetwork
    encoding: Encoding
    files: dict[str, bytes]
    sizes: dict[str, int]


def calibration(encoding: Encoding, pieces: list[Any]) -> tuple[Any, Any]:
    found = [encoding.encode(piece) for piece in pieces]
    steps = np.concatenate([previous_of(s.steps, encoding) for s in found])
    return steps, np.concatenate([s.context for s in found])


def exported(bundle: Bundle, encoding: Encoding, network: IntegerNetwork) -> Exported:
    notes = music.files(encoding, bundle)
    files = c.written(bundle, network, notes, c.profile("cortex-m4"))
    return Exported(network, encoding, files, c.memory(network, notes))


def golden() -> Exported:
    """The LSTM of four voices that the repository has."""
    bundle = bundles.read(TINY)
    encoding = bundle.encoding()
    real = calibration(encoding, [sample_music.chorale(seed) for seed in range(6)])
    return exported(bundle, encoding, quantised("lstm", load(bundle.members[bundles.WEIGHTS]), encoding, real))


def untrained() -> Exported:
    """A small convolutional network of one line, with three fields."""
    import torch

    torch.manual_seed(3)
    pieces = [sample_music.line(seed) for seed in range(6)]
    encoding = ENCODINGS["notes"].fit(pieces, NotesOptions("kept", "separate", True))
    shape = Shape(tuple(map(len, encoding.fields)), tuple(map(len, encoding.context)), encoding.relations)
    model = build("cnn", shape, {"image": 12, "channels": 3, "hidden": 20, "dropout": 0.0, "symbol_dropout": 0.0})
    weights = {key: value.numpy() for key, value in model.state_dict().items()}
    manifest = {
        "architecture": {"name": "cnn"},
        "encoding": encoding.manifest(),
        "sampling": {"temperature": 1.0, "top_p": 0.95},
    }
    bundle = Bundle("untrained", manifest, {}, "")
    return exported(bundle, encoding, quantised("cnn", weights, encoding, calibration(encoding, pieces)))


def run(*command: object, seconds: float = 300) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout


CORE = ("-mcpu=cortex-m4", "-mthumb", "-ffreestanding", "-O2", "-ffunction-sections", "-fdata-sections")
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")


def built(made: Exported, folder: Path) -> Path:
    for name, data in made.files.items():
        (folder / name).write_bytes(data)
    objects = []
    for source in (folder / "playbach.c", folder / "music.c", HERE / "steps.c"):
        objects.append(folder / f"{source.stem}.o")
        options = (f"-DSTEPS={STEPS}", "-I", folder, "-I", HERE)
        run("arm-none-eabi-gcc", *CORE, *WARNINGS, *options, "-c", source, "-o", objects[-1])
    objects.append(folder / "board.o")  # what a board starts with is not standard C
    run("arm-none-eabi-gcc", *CORE, "-std=gnu99", "-c", HERE / "board.c", "-o", objects[-1])
    program = folder / "program.elf"
    linked = ("-nostartfiles", "-specs=nano.specs", "-Wl,--gc-sections", "-T", HERE / "mps2.ld")
    run("arm-none-eabi-gcc", *CORE, *linked, *objects, "-o", program)
    return program


def played(program: Path) -> list[list[str]]:
    """What the board says."""
    machine = ("-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "stdio")
    said = run("qemu-system-arm", *machine, "-semihosting-config", "enable=on,target=native", "-kernel", program)
    return [line.split() for line in said.splitlines()]


def expected(made: Exported) -> tuple[list[list[int]], list[tuple[int, ...]]]:
    """Steps and events of the integer reference in Python; of each piece, events in order."""
    random, steps, events = Pcg32(SEED), list[list[int]](), list[tuple[int, ...]]()
    for piece in range(STEPS):
        if len(steps) == STEPS:
            break
        sampling, bars = WAYS[piece % len(WAYS)]
        at = random() * sum(n for _, n in made.encoding.headers) >> 32
        header = next(h for (h, n), end in zip(made.encoding.headers, _ends(made.encoding)) if at < end)
        decoder = made.encoding.decoder(header, bars)
        heard = []
        for step, complete in compose(made.network, decoder, sampling, random, careful=piece % 2 == 0):
            steps.append(step.tolist())
            heard += complete
            if len(steps) == STEPS:
                break
        events += sorted(_told([*heard, *decoder.finish()]))
    return steps, events


def _ends(encoding: Encoding) -> list[int]:
    return np.cumsum([n for _, n in encoding.headers]).tolist()


def _told(notes: list[Any]) -> list[tuple[int, ...]]:
    told = []
    for note in notes:
        assert isinstance(note, Note)
        told.append((note.tick, note.track, note.pitch, note.velocity))
        told.append((note.tick + note.duration, note.track, note.pitch, 0))
    return told


@pytest.mark.parametrize("make", [golden, untrained])
def test_a_cortex_m4_composes_what_python_does(make: Any, tmp_path: Path) -> None:
    made = make()
    program = built(made, tmp_path)
    said = played(program)
    steps, events = expected(made)
    assert [list(map(int, line[1:])) for line in said if line[0] == "step"] == steps
    assert len(steps) == STEPS
    assert len({tuple(step) for step in steps}) > 10  # else equality would say little
    told = [tuple(map(int, line[1:])) for line in said if line[0] == "event"]
    assert sorted(told) == sorted(events)

    # The promises of what it needs: memory as the export says, no floats, no heap.
    used = {line[0]: list(map(int, line[1:])) for line in said if line[0] in ("stack", "memory")}
    text, data, bss = map(int, run("arm-none-eabi-size", program).splitlines()[1].split()[:3])
    assert used["memory"][0] == made.sizes["network"]
    assert data + bss + used["stack"][0] <= made.sizes["ram"]
    assert text + data <= made.sizes["flash"]
    symbols = run("arm-none-eabi-nm", program)
    for name in ("__aeabi_f", "__aeabi_d", "__aeabi_ui2f", "__aeabi_i2f", "malloc", "sbrk"):
        assert name not in symbols
    # `pytest -s` shows the figures that documentation has.
    print(f"{make.__name__}: flash {text + data:,}, RAM {data + bss:,} and {used['stack'][0]:,} of stack", used)
