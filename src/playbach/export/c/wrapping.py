"""Writes a `.tflite` file as a C array, for TensorFlow Lite Micro. Needs only Python."""

from __future__ import annotations

import re
from pathlib import Path

from playbach.bundles import exported
from playbach.system.errors import UsageError
from playbach.system.files import display_path, output_folder, pending_folder

TFLITE_IDENTIFIER = b"TFL3"
_BYTES_PER_LINE = 16


def wrap(path: Path, into: Path) -> Path:
    """Write the folder `NAME-tflite-c` with `model_data.h`, `model_data.c` and, if the file has one, its manifest.

    Returns:
        The folder's path.

    Raises:
        UsageError: the file is not a TFLite file.
        BundleError: the file cannot be read, or its manifest belongs to another file.
        PlaybachError: the folder cannot be written.
    """
    manifest = b""
    if exported.manifest_path(path).exists():
        found = exported.read(path)
        data, manifest = found.data, found.text
    else:
        data = exported.read_bytes(path)
    if data[4:8] != TFLITE_IDENTIFIER:
        raise UsageError(f"{display_path(path)}: not a TFLite file; give one that playbach export wrote")
    name = "pb_" + re.sub(r"\W", "_", path.stem, flags=re.ASCII).lower()
    with output_folder(into) as place, pending_folder(place / f"{path.stem}-tflite-c") as draft:
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
    """The interpreter reads the weights in place, at addresses that must be multiples of 16."""
    lines = (data[i : i + _BYTES_PER_LINE] for i in range(0, len(data), _BYTES_PER_LINE))
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
