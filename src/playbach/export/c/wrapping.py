"""A `.tflite` file as a C array, for those who run TensorFlow Lite Micro. Needs nothing but Python."""

from __future__ import annotations

import re
from pathlib import Path

from playbach.bundles import exported
from playbach.system.errors import UsageError
from playbach.system.files import made_folder, shown, writing_folder

MAGIC = b"TFL3"
_PER_LINE = 16


def wrap(path: Path, into: Path) -> Path:
    """Write the folder `NAME-tflite-c` with `model_data.h`, `model_data.c`, and the manifest if one lies beside the
    file, and give its path.

    Raises:
        UsageError: it is no TFLite file.
        BundleError: it cannot be read, or its manifest belongs to another file.
        PlaybachError: the folder cannot be written.
    """
    manifest = b""
    if exported.beside(path).exists():
        found = exported.read(path)
        data, manifest = found.data, found.text
    else:
        data = exported.contents(path)
    if data[4:8] != MAGIC:
        raise UsageError(f"{shown(path)}: this is no TFLite file; give one that playbach export wrote")
    name = "pb_" + re.sub(r"\W", "_", path.stem, flags=re.ASCII).lower()
    with made_folder(into) as place, writing_folder(place / f"{path.stem}-tflite-c") as draft:
        (draft.temporary / "model_data.h").write_text(_header(name, len(data)), "ascii")
        (draft.temporary / "model_data.c").write_text(_source(name, data), "ascii")
        if manifest:
            (draft.temporary / "manifest.json").write_bytes(manifest)
    return draft.path


def _header(name: str, size: int) -> str:
    return f"""/* A TFLite graph for TensorFlow Lite Micro: tflite::GetModel({name}). */
#ifndef PB_MODEL_DATA_H
#define PB_MODEL_DATA_H

#ifdef __cplusplus
extern "C" {{
#endif

#define {name.upper()}_BYTES {size}u
extern const unsigned char {name}[{size}];

#ifdef __cplusplus
}}
#endif
#endif
"""


def _source(name: str, data: bytes) -> str:
    """The interpreter reads the weights where they lie, at addresses that are multiples of 16."""
    lines = (data[i : i + _PER_LINE] for i in range(0, len(data), _PER_LINE))
    text = ",\n".join("    " + ", ".join(f"0x{byte:02x}" for byte in line) for line in lines)
    return f"""#include "model_data.h"

#if defined(__GNUC__) || defined(__clang__)
__attribute__((aligned(16)))
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Alignas(16)
#endif
const unsigned char {name}[{len(data)}] = {{
{text}
}};
"""
