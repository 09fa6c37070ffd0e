"""A model as C: a folder that any C99 compiler builds, without libraries, and that composes in integer arithmetic.

`playbach.export.integer` makes the network and computes the same numbers in Python. `network` writes it as C source,
`music` writes the encoding, and the engine's own files come with the package. Knows neither torch nor runtimes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from playbach.bundles.bundle import Bundle
from playbach.export import integer
from playbach.export.c import music, network
from playbach.export.c.source import engine_file
from playbach.export.integer import IntegerError, IntegerNetwork
from playbach.export.profiles import (
    CODE_BYTES,
    MACHINE_PROFILES,
    SPARE_RAM_BYTES,
    MachineProfile,
    demand_fit,
    find_profile,
    kilobytes,
)


def quantise(
    bundle: Bundle, weights: Mapping[str, npt.NDArray[Any]], calibration: tuple[npt.NDArray[Any], npt.NDArray[Any]]
) -> IntegerNetwork:
    """Convert the bundle's network to integers; see `playbach.export.integer.quantise`.

    Raises:
        PlaybachError: its architecture has no integer form, or its weights do not fit its manifest.
    """
    return integer.quantise(bundle.manifest["architecture"]["name"], weights, bundle.encoding(), calibration)


def folder_from_bundle(
    bundle: Bundle,
    weights: Mapping[str, npt.NDArray[Any]],
    calibration: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    profile: str | MachineProfile = "any",
) -> dict[str, bytes]:
    """Make all files of the folder, by name.

    Args:
        weights: of the bundle, by torch's names.
        calibration: previous symbols (T, F) and context (T, C) of real steps.
        profile: a machine, or its name.

    Raises:
        UsageError: the engine does not support the encoding, or the model is too large for the profile.
        IntegerError: the architecture has no integer form.
        BundleError: the bundle is damaged.
    """
    machine = profile if isinstance(profile, MachineProfile) else find_profile(profile)
    # The music comes first, so that an encoding that is not supported is refused before any computing.
    music_files = music.music_files(bundle.encoding(), bundle)
    return folder_from_network(bundle, quantise(bundle, weights, calibration), music_files, machine)


def folder_from_network(
    bundle: Bundle, net: IntegerNetwork, music_files: Mapping[str, bytes], profile: MachineProfile
) -> dict[str, bytes]:
    """As `folder_from_bundle`, from a quantised network and the music's files."""
    sizes = memory_sizes(net, music_files)
    demand_fit(bundle.name, sizes["flash"], sizes["ram"], profile)
    files = {
        **network.network_files(net, re.sub(r"[^A-Za-z0-9 .,_-]", "_", bundle.name)),
        **music_files,
        "example.c": engine_file("example.c"),
        "README.md": _readme(bundle, net, sizes, profile).encode(),
        "manifest.json": json.dumps(
            {**bundle.manifest, "export": _facts(net, sizes, profile)}, ensure_ascii=False, indent=1
        ).encode(),
    }
    return dict(sorted(files.items()))


def memory_sizes(net: IntegerNetwork, music_files: Mapping[str, bytes]) -> dict[str, int]:
    """Bytes on a 32-bit machine.

    `weights`, `tables` (of the music) and `network` (the struct) are exact; `flash` and `ram` are totals, with room
    for the code and the rest.
    """
    weights, struct = network.flash_bytes(net), network.ram_bytes(net)
    tables = _array_bytes(music_files["vocabulary.h"].decode("ascii"))
    return {
        "weights": weights,
        "tables": tables,
        "network": struct,
        "flash": weights + tables + CODE_BYTES,
        # Includes the mask of symbols in example.c.
        "ram": struct + max(net.symbols) + SPARE_RAM_BYTES,
    }


_ARRAY = re.compile(r"^static const u?int(8|16|32)_t \w+((?:\[\d+\])+) =", re.MULTILINE)


def _array_bytes(text: str) -> int:
    """The bytes of the number arrays that a header declares."""
    total = 0
    for bits, sizes in _ARRAY.findall(text):
        size = int(bits) // 8
        for n in re.findall(r"\d+", sizes):
            size *= int(n)
        total += size
    return total


def _facts(net: IntegerNetwork, sizes: Mapping[str, int], profile: MachineProfile) -> dict[str, Any]:
    """The manifest's entry about the export."""
    return {
        "format": "c",
        "profile": profile.name,
        "weights": "8 bits, symmetric, a scale for each row",
        "state": {"lstm": "hidden 16 bits, cell 32 bits", "cnn": "8 bits, calibrated by the largest values"}[
            net.name
        ],
        "logits": "65,536ths of a nat",
        "bytes": dict(sizes),
        "multiply_adds_per_step": net.multiply_adds,
    }


def _steps_per_note(bundle: Bundle) -> float | None:
    """In held-out music; None if the bundle has no such figures."""
    try:
        test = bundle.manifest["metrics"]["test"]
        return float(test["steps"]) / float(test["notes"])
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return None


def _readme(bundle: Bundle, net: IntegerNetwork, sizes: Mapping[str, int], profile: MachineProfile) -> str:
    operations = f"{net.multiply_adds:,} multiply-adds a step"
    steps = _steps_per_note(bundle)
    if steps is not None:
        operations += f", {round(net.multiply_adds * steps):,} a note ({steps:.2f} steps)"
    memory = ((profile.flash, "flash"), (profile.ram, "RAM"))
    limits = [f"{kilobytes(size)} of {kind}" for size, kind in memory if size is not None]
    machine = f"`{profile.name}` ({profile.description})"
    return _README.format(
        name=bundle.name,
        network=net.name,
        operations=operations,
        flash=kilobytes(sizes["flash"]),
        ram=kilobytes(sizes["ram"]),
        weights=f"{sizes['weights']:,}",
        tables=f"{sizes['tables']:,}",
        struct=f"{sizes['network']:,}",
        profile=machine + (f", which has {' and '.join(limits)}" if limits else ""),
    )


_README = """\
# {name} in C

A network ({network}) that composes, and its musical vocabulary, in C99 without a library, floats or malloc. Written
by `playbach export --format c`. It draws exactly the same symbols as playbach's integer reference in Python.

| | |
|---|---|
| flash | {flash}: {weights} bytes of weights, {tables} of the music's tables, and room for code |
| RAM | {ram}: {struct} bytes are `sizeof(pb_network)`, the rest is room for the music's state and the stack |
| computing | {operations} |
| profile | {profile} |

## Try it

```
cc -std=c99 -O2 -o example example.c playbach.c music.c
./example 7 8               # seed 7, 8 bars: tick, track, pitch, velocity (0 ends a note)
./example --midi 7 8 0.9    # as MIDI bytes without their times, at temperature 0.9
./example --prime 0         # begin with the first passage of the corpus, if the model has any
```

For a Cortex-M4: `arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -O2 -c playbach.c music.c`, and link both with your
program. For Arduino and PlatformIO copy all `.c` and `.h` files except `example.c` into the folder of the sketch.

## The files

| file | contents |
|---|---|
| `playbach.h`, `playbach.c` | the network's step, a random generator, and sampling |
| `music.h`, `music.c`, `bars.h` | each step's context, the masks of symbols that may be drawn, and the steps' notes |
| `model.h`, `weights.h` | this network's sizes and weights |
| `vocabulary.h` | this model's symbols, headers and seed passages |
| `example.c` | composes a whole piece, from the first step to the last note |
| `manifest.json` | what the model is and what it was trained on |

## In a program of your own

1. Call `pb_begin` for the piece and `pb_start` for the network. The first previous symbols are `pb_symbols`.
2. Until `pb_finished`: call `pb_context` and `pb_step`, then for each field `pb_style_mask` (or `pb_valid_mask`,
   which allows more) and `pb_draw`.
3. Pass the step to `pb_feed`, which returns the notes that begin and end. Send each event at its tick.
4. Call `pb_finish` to end the notes that still sound.

Keep `pb_network` and `pb_music` static: they are too large for most stacks. Any function that returns 32 random bits
can replace `pb_pcg32`. Temperature is in 1/256, top-p in 1/65,536.
"""

__all__ = [
    "MACHINE_PROFILES",
    "IntegerError",
    "MachineProfile",
    "find_profile",
    "folder_from_bundle",
    "folder_from_network",
    "memory_sizes",
    "quantise",
]
