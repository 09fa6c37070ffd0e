"""A model as C: a folder that builds with any C99 compiler, needs no library, and composes in whole numbers.

The network comes from `playbach.export.integer`, which computes the same numbers in Python; `network` writes it down,
`music` does the same for the encoding, and the engine's own files come with the package. Knows no torch, and no
runtime.
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
from playbach.export.c.profiles import CODE, PROFILES, ROOM, Profile, demand_fit, kilobytes, profile
from playbach.export.integer import IntegerError, IntegerNetwork


def quantised(
    bundle: Bundle, weights: Mapping[str, npt.NDArray[Any]], calibration: tuple[npt.NDArray[Any], npt.NDArray[Any]]
) -> IntegerNetwork:
    """The bundle's network in integers; see `playbach.export.integer.quantised`.

    Raises:
        PlaybachError: its architecture has no integer form, or its weights do not fit what the manifest says.
    """
    return integer.quantised(bundle.manifest["architecture"]["name"], weights, bundle.encoding(), calibration)


def files(
    bundle: Bundle,
    weights: Mapping[str, npt.NDArray[Any]],
    calibration: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    on: str | Profile = "any",
) -> dict[str, bytes]:
    """All files of the folder, by name. `weights` are the bundle's by torch's names; `calibration` are previous
    symbols (T, F) and context (T, C) of real steps; `on` is a profile or the name of one.

    Raises:
        UsageError: the encoding is not one that the engine knows, or the model is too large for the profile.
        IntegerError: the architecture has no integer form.
        BundleError: the bundle is damaged.
    """
    chosen = on if isinstance(on, Profile) else profile(on)
    # First what needs no computing: an encoding that is not known is refused at once.
    notes = music.files(bundle.encoding(), bundle)
    return written(bundle, quantised(bundle, weights, calibration), notes, chosen)


def written(bundle: Bundle, net: IntegerNetwork, notes: Mapping[str, bytes], on: Profile) -> dict[str, bytes]:
    """As `files`, of a network that is quantised already and the music's files."""
    sizes = memory(net, notes)
    demand_fit(bundle.name, sizes["flash"], sizes["ram"], on)
    made = {
        **network.files(net, re.sub(r"[^A-Za-z0-9 .,_-]", "_", bundle.name)),
        **notes,
        "example.c": network.engine("example.c"),
        "README.md": _readme(bundle, net, sizes, on).encode(),
        "manifest.json": json.dumps(
            {**bundle.manifest, "export": _export(net, sizes, on)}, ensure_ascii=False, indent=1
        ).encode(),
    }
    return dict(sorted(made.items()))


def memory(net: IntegerNetwork, notes: Mapping[str, bytes]) -> dict[str, int]:
    """Bytes on a machine of 32 bits: `weights`, `tables` of the music, and `network` (the struct) exactly; `flash`
    and `ram` with room for the code and the rest."""
    weights, struct = network.flash(net), network.ram(net)
    tables = _declared(notes["vocabulary.h"].decode("ascii"))
    return {
        "weights": weights,
        "tables": tables,
        "network": struct,
        "flash": weights + tables + CODE,
        # The example keeps a mask of the symbols, too.
        "ram": struct + max(net.symbols) + ROOM,
    }


_ARRAY = re.compile(r"^static const u?int(8|16|32)_t \w+((?:\[\d+\])+) =", re.MULTILINE)


def _declared(text: str) -> int:
    """Bytes of the arrays of numbers that a header declares."""
    total = 0
    for bits, sizes in _ARRAY.findall(text):
        size = int(bits) // 8
        for n in re.findall(r"\d+", sizes):
            size *= int(n)
        total += size
    return total


def _export(net: IntegerNetwork, sizes: Mapping[str, int], on: Profile) -> dict[str, Any]:
    return {
        "format": "c",
        "profile": on.name,
        "weights": "8 bits, symmetric, a scale for each row",
        "state": {"lstm": "hidden 16 bits, cell 32 bits", "cnn": "8 bits, calibrated by the largest values"}[
            net.name
        ],
        "logits": "65,536ths of a nat",
        "bytes": dict(sizes),
        "multiply_adds_per_step": net.multiply_adds,
    }


def _steps_per_note(bundle: Bundle) -> float | None:
    """As held-out music has them; None where the bundle does not tell."""
    try:
        tested = bundle.manifest["metrics"]["test"]
        return float(tested["steps"]) / float(tested["notes"])
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return None


def _readme(bundle: Bundle, net: IntegerNetwork, sizes: Mapping[str, int], on: Profile) -> str:
    operations = f"{net.multiply_adds:,} multiply-adds a step"
    steps = _steps_per_note(bundle)
    if steps is not None:
        operations += f", {round(net.multiply_adds * steps):,} a note ({steps:.2f} steps)"
    limits = [f"{kilobytes(n)} of {kind}" for n, kind in ((on.flash, "flash"), (on.ram, "RAM")) if n is not None]
    return _README.format(
        name=bundle.name,
        network=net.name,
        operations=operations,
        flash=kilobytes(sizes["flash"]),
        ram=kilobytes(sizes["ram"]),
        weights=f"{sizes['weights']:,}",
        tables=f"{sizes['tables']:,}",
        struct=f"{sizes['network']:,}",
        profile=f"`{on.name}` ({on.said})" + (f", which has {' and '.join(limits)}" if limits else ""),
    )


_README = """\
# {name} in C

A network ({network}) that composes, and the music it knows, in C99: no library, no floats, no malloc. Written by
`playbach export --format c`; it gives the same symbols, every one, as playbach's integer reference in Python.

| | |
|---|---|
| flash | {flash}: {weights} bytes of weights, {tables} of the music's tables, and room for code |
| RAM | {ram}: {struct} bytes are `sizeof(pb_network)`, the rest is room for the music's state and the stack |
| work | {operations} |
| profile | {profile} |

## Try it

```
cc -std=c99 -O2 -o example example.c playbach.c music.c
./example 7 8               # seed 7, 8 bars: tick, track, pitch, velocity (0 ends a note)
./example --midi 7 8 0.9    # as MIDI bytes without their times, at temperature 0.9
./example --prime 0         # begin with a passage of the corpus, where the model brings any
```

For a Cortex-M4: `arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -O2 -c playbach.c music.c`, and link both with your
program. For Arduino and PlatformIO put all `.c` and `.h` files but `example.c` beside the sketch.

## The files

| file | what it is |
|---|---|
| `playbach.h`, `playbach.c` | the network's step, a random generator, and how a symbol is drawn |
| `music.h`, `music.c`, `bars.h` | what the network is told, which symbols make sense, and the notes they are |
| `model.h`, `weights.h` | this network's sizes; its weights |
| `vocabulary.h` | this model's symbols, headers and seed passages |
| `example.c` | a whole piece, from the first step to the last note |
| `manifest.json` | what the model is and what it was trained on |

## In a program of your own

1. `pb_begin` a piece and `pb_start` the network; the first previous symbols are `pb_symbols`.
2. As long as the piece is not `pb_finished`: `pb_context`, `pb_step`, then for each field `pb_allowed` and `pb_draw`.
3. `pb_feed` the step; it gives the notes that begin and end. Wait for each one's tick before you send it.
4. `pb_finish` ends what still sounds.

Keep `pb_network` and `pb_music` static: they are too large for most stacks. Any function that gives 32 random bits
will do in place of `pb_pcg32`; temperature is in 256ths, top-p in 65,536ths.
"""

__all__ = [
    "PROFILES",
    "IntegerError",
    "Profile",
    "files",
    "memory",
    "profile",
    "quantised",
    "written",
]
