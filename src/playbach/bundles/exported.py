"""An exported network: `NAME.tflite` or `NAME.onnx`, with its manifest beside it as `NAME.tflite.json`.

The manifest is the bundle's, with all that is needed to compose (encoding and vocabulary, sampling, passages). Its
entry `export` has the file's name and hash, and how it was checked. Sizes and hash are checked when a file is read.
Knows nothing of networks or music.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playbach.system.errors import BundleError
from playbach.system.files import display_path, pending_file, unused_path

MEMBER_OF_SUFFIX = {".onnx": "model.onnx", ".tflite": "model.tflite"}
"""By suffix: the member of a bundle that the file is read as."""
NGRAMS = "ngrams.json"
"""The member of a bundle with the n-grams that predict together with the network. An exported file has none."""
MANIFEST_SUFFIX = ".json"
MAX_FILE_BYTES, MAX_MANIFEST_BYTES = 1 << 30, 64 << 20


@dataclass(frozen=True)
class ExportedModel:
    """An exported file and its manifest."""

    member: str
    """One of the values of MEMBER_OF_SUFFIX."""
    data: bytes
    manifest: Mapping[str, Any]
    text: bytes
    """The manifest as it is in its file."""


def manifest_path(path: Path) -> Path:
    """The path of an exported file's manifest."""
    return path.with_name(path.name + MANIFEST_SUFFIX)


def is_exported(path: Path) -> bool:
    """Whether a path has the suffix of an exported file."""
    return path.suffix.lower() in MEMBER_OF_SUFFIX


def read(path: Path) -> ExportedModel:
    """Read an exported file and its manifest.

    Raises:
        BundleError: one of the two is missing, damaged or too large, or they do not belong together.
    """
    name, beside = display_path(path), manifest_path(path)
    if not beside.exists():
        raise BundleError(
            f"{name}: its manifest {display_path(beside.name)} is missing; copy both files into one folder, "
            "or export the model again"
        )
    text, data = read_bytes(beside, MAX_MANIFEST_BYTES), read_bytes(path)
    try:
        manifest = json.loads(text)
        expected = str(manifest["export"]["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(
            f"{display_path(beside)}: not the manifest of an exported model, or damaged; export the model again"
        ) from error
    actual = hashlib.sha256(data).hexdigest()
    if actual != expected:
        raise BundleError(
            f"{name}: damaged, or not the file of its manifest (expected hash {expected[:12]!a}, "
            f"got {actual[:12]!a}); copy both files again, or export the model again"
        )
    return ExportedModel(MEMBER_OF_SUFFIX[path.suffix.lower()], data, manifest, text)


def read_bytes(path: Path, most: int = MAX_FILE_BYTES) -> bytes:
    """Read a file of at most `most` bytes.

    Raises:
        BundleError: it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise BundleError(
            f"{display_path(path)}: cannot be read ({error.strerror or error}); give another file"
        ) from error
    if len(data) > most:
        raise BundleError(f"{display_path(path)}: larger than the {most >> 20} MB that a model may have; not opened")
    return data


def manifest_text(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as it is written to a file."""
    return (json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8")


def write(path: Path, data: bytes, manifest: Mapping[str, Any], export: Mapping[str, Any]) -> Path:
    """Write an exported file and its manifest under unused names, and return the path of the first.

    `export` becomes the manifest's entry, with the file's name, size and hash added.

    Raises:
        PlaybachError: the disk is full or the folder cannot be written.
    """
    while manifest_path(free := unused_path(path)).exists():
        path = free.with_name(f"{free.stem}-2{free.suffix}")
    with pending_file(free) as pending:
        pending.temporary.write_bytes(data)
    facts = {"file": display_path(pending.path.name), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        with pending_file(manifest_path(pending.path), overwrite=True) as beside:
            beside.temporary.write_bytes(manifest_text({**manifest, "export": {**export, **facts}}))
    except BaseException:
        pending.path.unlink(missing_ok=True)  # neither is of use without the other
        raise
    return pending.path
