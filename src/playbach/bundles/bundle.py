"""A trained network in one file, `NAME.playbach`: a zip of JSON, ONNX and safetensors, without pickle.

Members:
    manifest.json        format, architecture, encoding with its vocabulary, sampling defaults, provenance, figures,
                         each piece's hash with its side of the split, sha256 of every other member
    model.onnx           the step
    weights.safetensors  to train on
    CARD.md              for people

A network that was exported, `NAME.tflite` with its manifest beside it, is read as a bundle of one member
(`exported`). Knows nothing of torch. Everything that is read is bounded and checked: names, sizes, hashes, format
version.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from playbach import encodings
from playbach.bundles import exported
from playbach.data.pieces import SIDES
from playbach.encodings import Encoding
from playbach.music.bars import FASTEST, SLOWEST, Header
from playbach.system.errors import BundleError, UsageError
from playbach.system.files import shown, writing

FORMAT = 1
SUFFIX = ".playbach"
DEFAULT = "bach-chorales"
"""The shipped model that is meant where none is named."""
MANIFEST, ONNX, WEIGHTS, CARD = "manifest.json", "model.onnx", "weights.safetensors", "CARD.md"
TFLITE = "model.tflite"
"""Only of an exported network."""
REQUIRED = (MANIFEST, ONNX, WEIGHTS, CARD)
MOST_BYTES = {MANIFEST: 64 << 20, ONNX: 1 << 30, WEIGHTS: 1 << 30, CARD: 1 << 20}
MOST_RATIO, SMALL = 100, 1 << 20
"""A member larger than SMALL that unpacks to more than MOST_RATIO times its size is a bomb: weights hardly shrink."""
_TIME = (1980, 1, 1, 0, 0, 0)  # the same content is the same file


# What an encoding raises of a description that is none.
_NONSENSE = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, UsageError,
)  # fmt: skip


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory. `sha256` is that of its manifest, which holds those of the members."""

    name: str
    manifest: Mapping[str, Any]
    members: Mapping[str, bytes]
    sha256: str

    @property
    def onnx(self) -> bytes:
        return self.member(ONNX, "no ONNX step")

    @property
    def weights(self) -> bytes:
        return self.member(WEIGHTS, "no weights to train on or to export")

    @property
    def card(self) -> str:
        return self.members.get(CARD, b"").decode("utf-8", errors="replace")

    def member(self, name: str, missing: str) -> bytes:
        """What a member holds; BundleError says that an exported network has it not, as `missing` puts it."""
        if name not in self.members:
            raise BundleError(
                f"{shown(self.name)}: this is an exported network, which has {missing}; give the {SUFFIX} file that "
                "it was exported from"
            )
        return self.members[name]

    def encoding(self) -> Encoding:
        """Raises BundleError where this version does not know the encoding, or cannot begin a piece with it."""
        try:
            encoding = encodings.from_manifest(self.manifest["encoding"])
            _check_numbers(encoding.manifest())
            _check(encoding)
        except _NONSENSE as error:
            raise BundleError(
                f"{shown(self.name)}: its encoding is unknown to this version of playbach ({_said(error)}); "
                "update playbach"
            ) from error
        return encoding


def _said(error: Exception) -> str:
    """An error of Python's as a part of one line."""
    return f"{type(error).__name__}: {ascii(str(error))[1:-1]:.100}"


MOST_NUMBER = 1 << 20
"""No number in an encoding is larger: the most that pitches, durations, bars and counts of pieces come to."""


def _check_numbers(data: Any) -> None:
    """ValueError where a vocabulary, made from these numbers, could fill the memory."""
    if isinstance(data, Mapping | list):
        for value in data.values() if isinstance(data, Mapping) else data:
            _check_numbers(value)
    elif isinstance(data, int | float) and not -MOST_NUMBER <= data <= MOST_NUMBER:
        raise ValueError(f"the number {data:.3g} is out of range")


def _check(encoding: Encoding) -> None:
    """An encoding from a file must be able to begin a piece with each of its headers; raises what goes wrong."""
    if not encoding.headers:
        raise ValueError("no header")
    for header, count in encoding.headers:
        _check_header(header, encoding.voices)
        if count < 1:
            raise ValueError(f"{count} pieces with one header")
        decoder = encoding.decoder(header, 1)
        if any(not 0 <= c < len(f) for c, f in zip(decoder.context(), encoding.context, strict=True)):
            raise ValueError("the context is out of its range")
        for mask, field in zip(decoder.valid_mask(), encoding.fields, strict=True):
            if mask.shape != (len(field),) or not mask.any():
                raise ValueError(f"no {field.name} is allowed")


def _check_header(header: Header, voices: int | None) -> None:
    ticks = [tick for tick, _, _ in header.meters]
    if not ticks or ticks[0] != 0 or ticks != sorted(set(ticks)):
        raise ValueError("the meters are not in order")
    for _, numerator, denominator in header.meters:
        if not 1 <= numerator <= 64 or denominator not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError(f"there is no meter {numerator}/{denominator}")
    if not SLOWEST <= header.tempo <= FASTEST:
        raise ValueError(f"there is no tempo {header.tempo:g}")
    if not header.tracks:
        raise ValueError("no tracks")
    if voices is not None and len(header.tracks) != voices:
        raise ValueError(f"expected {voices} tracks, got {len(header.tracks)}")
    if any(not 0 <= track.program <= 127 for track in header.tracks):
        raise ValueError("there is no such instrument")


def shipped() -> dict[str, Path]:
    """The bundles inside the package, by name."""
    folder = resources.files("playbach").joinpath("bundles", "shipped")
    paths = sorted(Path(str(folder)).glob(f"*{SUFFIX}"))
    return {path.stem: path for path in paths}


def find(name_or_path: str | Path) -> Path:
    """The file that is meant: a path (of an exported network too), a name with `.playbach` left out, or a model that
    the package ships.

    Raises:
        BundleError: there is none.
    """
    given = Path(name_or_path)
    for path in (given, given.with_name(given.name + SUFFIX)) if given.name else ():
        if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises on a name that is too long
            return path
    inside = shipped()
    if str(name_or_path) in inside:
        return inside[str(name_or_path)]
    if os.path.isdir(given):  # noqa: PTH112
        name = shown(given)
        raise BundleError(
            f"{name}: this is a folder; give a {SUFFIX} file, or train one on it: playbach train {name}"
        )
    known = f" or one of: {', '.join(inside)}" if inside else ""
    raise BundleError(f"{shown(name_or_path)}: no such model; give a {SUFFIX} file{known}")


# What zipfile raises of an archive that is none; ValueError and struct.error of one whose fields are nonsense.
_DAMAGES = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OverflowError, RuntimeError, ValueError,
)  # fmt: skip


def read(path: str | Path) -> Bundle:
    """Raises BundleError where the file is damaged, foreign, too large or of another format version."""
    path, name = Path(path), shown(path)
    if exported.is_exported(path):
        return _exported(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member: _member(archive, member, name) for member in _names(archive, name)}
    except _DAMAGES as error:
        raise BundleError(
            f"{name}: not a playbach bundle, or damaged ({_said(error)}); get or train it again"
        ) from error
    except OSError as error:
        raise BundleError(f"{name}: cannot be read ({error.strerror or error})") from error
    manifest = _manifest(members[MANIFEST], name)
    for member, expected in manifest["sha256"].items():
        found = hashlib.sha256(members[member]).hexdigest()
        if found != expected:
            raise BundleError(
                f"{name}: damaged: {member} does not match its hash (expected {expected[:12]!a}, "
                f"got {found[:12]!a}); get or train it again"
            )
    return Bundle(path.stem, manifest, members, hashlib.sha256(members[MANIFEST]).hexdigest())


def _exported(path: Path) -> Bundle:
    found = exported.read(path)
    _check_version(found.manifest.get("format"), shown(path))
    return Bundle(path.name, found.manifest, {found.member: found.data}, hashlib.sha256(found.text).hexdigest())


def _names(archive: zipfile.ZipFile, path: str) -> tuple[str, ...]:
    names = [info.filename for info in archive.infolist()]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise BundleError(f"{path}: not a playbach bundle: it has no {missing[0]}")
    extra = [name for name, n in Counter(names).items() if n > 1 or name not in REQUIRED]
    if extra:
        raise BundleError(f"{path}: not a playbach bundle: unexpected member {extra[0]!a:.80}")
    return REQUIRED


def _member(archive: zipfile.ZipFile, name: str, path: str) -> bytes:
    """At most the allowed size, whatever the archive says of itself: a zip bomb is never unpacked."""
    info, most = archive.getinfo(name), MOST_BYTES[name]
    if info.file_size > most:
        raise BundleError(f"{path}: {name} is larger than the {most >> 20} MB that a bundle may hold; not opened")
    if info.file_size > max(SMALL, MOST_RATIO * info.compress_size):
        raise BundleError(
            f"{path}: {name} would grow from {info.compress_size:,} to {info.file_size:,} bytes, as a zip bomb does; "
            "not opened"
        )
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleError(f"{path}: {name} is packed in a way that bundles are not; get or train it again")
    with archive.open(name) as file:
        data = file.read(info.file_size)  # zipfile unpacks no more than it is asked for, then checks the CRC
    if len(data) != info.file_size:
        raise BundleError(f"{path}: damaged: {name} is cut short; get or train it again")
    return data


def _manifest(data: bytes, path: str) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
        version, hashes = manifest["format"], manifest["sha256"]
        complete = set(hashes) == set(REQUIRED) - {MANIFEST} and all(isinstance(h, str) for h in hashes.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{path}: its manifest cannot be read ({_said(error)}); get or train it again") from error
    _check_version(version, path)
    if not complete:
        raise BundleError(f"{path}: its manifest does not vouch for all members; get or train it again")
    return dict(manifest)


def _check_version(version: Any, path: str) -> None:
    if version != FORMAT:
        raise BundleError(
            f"{path}: it has format {version!a:.40}, this version of playbach reads format {FORMAT}; "
            "update playbach, or train the model again"
        )


def write(path: Path, manifest: Mapping[str, Any], members: Mapping[str, bytes], overwrite: bool = False) -> Path:
    """Write a bundle beside and rename it, and give the path it really has; format and hashes are filled in.

    Raises:
        PlaybachError: the disk is full or the folder cannot be written.
    """
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(members.items())}
    full = {"format": FORMAT, **manifest, "sha256": hashes}
    text = json.dumps(full, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
    with writing(path, overwrite) as draft, zipfile.ZipFile(draft.temporary, "w") as archive:
        for name in REQUIRED:
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.create_system = 3  # whichever system writes it
            archive.writestr(info, text if name == MANIFEST else members[name])
    return draft.path


def known_pieces(manifest: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The pieces that a bundle's manifest says its network has met, by their hashes: of each its side of the split,
    and what else is said of it. A manifest may come from anywhere; what is not so is left out."""
    listed = manifest.get("pieces")
    entries = listed.items() if isinstance(listed, Mapping) else ()
    return {name: list(entry) for name, entry in entries if isinstance(entry, list) and entry and entry[0] in SIDES}
