"""A network in one file of its own, with its manifest beside it: `NAME.tflite` and `NAME.tflite.json`, as
`playbach export` writes them.

The manifest is the bundle's, with all that is needed to compose (encoding and vocabulary, sampling, passages), and
says under `export` what the file is, its hash, and how it was checked. Knows nothing of networks or music. What is
read is bounded and checked as a bundle is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playbach.system.errors import BundleError
from playbach.system.files import shown, unused, writing

SUFFIXES = {".onnx": "model.onnx", ".tflite": "model.tflite"}
"""What a file of this suffix holds, as the member that it would be of a bundle."""
BESIDE = ".json"
MOST_BYTES, MOST_MANIFEST_BYTES = 1 << 30, 64 << 20


@dataclass(frozen=True)
class Exported:
    """`member` is one of SUFFIXES' values; `text` the manifest as it stands in its file."""

    member: str
    data: bytes
    manifest: Mapping[str, Any]
    text: bytes


def beside(path: Path) -> Path:
    """Where the manifest of an exported file lies."""
    return path.with_name(path.name + BESIDE)


def is_exported(path: Path) -> bool:
    """Whether a file's name says that it is one."""
    return path.suffix.lower() in SUFFIXES


def read(path: Path) -> Exported:
    """Raises BundleError where the file or its manifest is missing, damaged, too large, or they do not belong
    together."""
    name, manifest_path = shown(path), beside(path)
    if not manifest_path.exists():
        raise BundleError(
            f"{name}: its manifest {shown(manifest_path.name)} is not beside it, and without it nothing can be "
            "composed; copy both files, or export the model again"
        )
    text, data = contents(manifest_path, MOST_MANIFEST_BYTES), contents(path)
    try:
        manifest = json.loads(text)
        expected = str(manifest["export"]["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(
            f"{shown(manifest_path)}: not the manifest of an exported model, or damaged; export the model again"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise BundleError(
            f"{name}: it is damaged, or not the file that its manifest belongs to (expected {expected[:12]!a}, got "
            f"{found[:12]!a}); copy both files again, or export the model again"
        )
    return Exported(SUFFIXES[path.suffix.lower()], data, manifest, text)


def contents(path: Path, most: int = MOST_BYTES) -> bytes:
    """A file's bytes; BundleError where it cannot be read or has more than `most` of them."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise BundleError(f"{shown(path)}: cannot be read ({error.strerror or error})") from error
    if len(data) > most:
        raise BundleError(f"{shown(path)}: it is larger than the {most >> 20} MB that a model may have; not opened")
    return data


def text_of(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as it stands in a file."""
    return (json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8")


def write(path: Path, data: bytes, manifest: Mapping[str, Any], export: Mapping[str, Any]) -> Path:
    """Write both files, under names that are free for both, and give the path that the first one really has. `export`
    is filled up with the file's name, size and hash.

    Raises:
        PlaybachError: the disk is full or the folder cannot be written.
    """
    while beside(free := unused(path)).exists():
        path = free.with_name(f"{free.stem}-2{free.suffix}")
    with writing(free) as draft:
        draft.temporary.write_bytes(data)
    facts = {"file": shown(draft.path.name), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        with writing(beside(draft.path), overwrite=True) as note:
            note.temporary.write_bytes(text_of({**manifest, "export": {**export, **facts}}))
    except BaseException:
        draft.path.unlink(missing_ok=True)  # one without the other is of no use
        raise
    return draft.path
