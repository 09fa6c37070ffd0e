"""A trained network in one file, `NAME.playbach`: a zip of JSON, ONNX and safetensors, without pickle.

Members:
    manifest.json        format version, architecture, encoding with its vocabulary, sampling defaults, provenance,
                         figures, the hash of each piece with its side of the split, sha256 of every other member
    model.onnx           the step
    weights.safetensors  to train on
    CARD.md              for people
    ngrams.json          n-grams that predict together with the network; only where that is better
    fingerprints.bin     an index of the training pieces, by which one sees what is borrowed from them
    SOURCES.tsv          the files that a base model learnt from, with their terms; only where they are known

An exported network, `NAME.tflite` with its manifest beside it, is read as a bundle of one member (`exported`). Names,
sizes, hashes and the format version of what is read are checked. Knows nothing of torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
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
from playbach.encodings import ENCODINGS
from playbach.encodings.base import Encoding
from playbach.music.bars import Header
from playbach.music.events import MAX_NUMERATOR, MAX_TEMPO, METER_DENOMINATORS, MIN_TEMPO
from playbach.music.options import ReadingOptions
from playbach.system.errors import BundleError, UsageError
from playbach.system.files import display_path, pending_file
from playbach.system.options import options_of
from playbach.system.version import __version__

BUNDLE_FORMAT = 2
"""The format version that is written. Raise it when the members change, or when the fields or the context of an
encoding change: a network cannot be used with fields other than those that it was trained with."""
READABLE_FORMATS = (1, 2)
"""Format 1 is that of playbach 0.1.0, whose `chorale` encoding had another context, and of the development versions
after it, whose bundles can be read."""
BUNDLE_SUFFIX = ".playbach"
DEFAULT_MODEL = "bach-chorales"
MANIFEST, WEIGHTS, CARD = "manifest.json", "weights.safetensors", "CARD.md"
ONNX, TFLITE = exported.MEMBER_OF_SUFFIX[".onnx"], exported.MEMBER_OF_SUFFIX[".tflite"]
"""The member of an exported network."""
MEMBER_NAMES = (MANIFEST, ONNX, WEIGHTS, CARD)
"""The members of every bundle."""
SOURCES = "SOURCES.tsv"
FINGERPRINTS = "fingerprints.bin"
OPTIONAL_NAMES = (exported.NGRAMS, FINGERPRINTS, SOURCES)
MAX_MEMBER_BYTES = {
    MANIFEST: 64 << 20,
    ONNX: 1 << 30,
    WEIGHTS: 1 << 30,
    CARD: 1 << 20,
    exported.NGRAMS: 64 << 20,
    FINGERPRINTS: 64 << 20,
    SOURCES: 16 << 20,
}
MAX_RATIO, SMALL_MEMBER_BYTES = 100, 1 << 20
"""A member larger than SMALL_MEMBER_BYTES that unpacks to more than MAX_RATIO times its packed size is refused as a
zip bomb: weights hardly shrink."""
_TIME = (1980, 1, 1, 0, 0, 0)  # so that equal contents give equal files

MALFORMED = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    UsageError,
)
"""The exceptions that a malformed encoding, or n-grams that do not fit it, can raise."""


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory."""

    name: str
    manifest: Mapping[str, Any]
    members: Mapping[str, bytes]
    sha256: str
    """The hash of the manifest, which contains the hashes of the other members."""

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
        """The content of a member.

        Args:
            missing: what an exported network lacks without the member, for the message: `no weights …`.

        Raises:
            BundleError: there is no such member, since this is an exported network.
        """
        if name not in self.members:
            raise BundleError(
                f"{display_path(self.name)}: this is an exported network, which has {missing}; "
                f"give the {BUNDLE_SUFFIX} file that it was exported from"
            )
        return self.members[name]

    def encoding(self) -> Encoding:
        """The encoding that the manifest describes.

        Raises:
            BundleError: this version cannot read it, or cannot begin a piece with it.
        """
        try:
            encoding = encodings.from_manifest(self.manifest["encoding"])
            _check_numbers(encoding.manifest())
            _check_beginnings(encoding)
        except MALFORMED as error:
            raise BundleError(f"{display_path(self.name)}: {self._unreadable_encoding(error)}") from error
        return encoding

    def fits(self, encoding: Encoding) -> bool:
        """Whether the network has the symbols and the context of this encoding, according to the manifest."""
        network = self.manifest.get("architecture")
        sizes = [len(f) for f in encoding.fields], [len(f) for f in encoding.context]
        return isinstance(network, Mapping) and (network.get("symbols"), network.get("context")) == sizes

    def mismatch(self) -> str:
        """Why the network does not fit the encoding as this version reads it, and what to do."""
        return self._other_version() or "damaged: its network does not fit its encoding; get or train it again"

    def _unreadable_encoding(self, error: Exception) -> str:
        name = _encoding_name(self.manifest)
        if name is not None and name not in ENCODINGS:
            return f"its encoding {name!a:.40} is unknown to this version of playbach; update playbach"
        cause = f"its encoding cannot be read ({cause_of(error)}); get or train it again, or update playbach"
        return self._other_version() or cause

    def _other_version(self) -> str | None:
        """Which version made this bundle, and what to do; None if it was this version or is unknown."""
        made_by = self.manifest.get("playbach")
        version = _VERSION.fullmatch(made_by) if isinstance(made_by, str) else None
        if version is None or made_by == __version__:
            return None
        encoding = _encoding_name(self.manifest) or "(unnamed)"
        fault = (
            f"made by playbach {made_by}, whose {encoding:.20} encoding this version ({__version__}) does not read"
        )
        if [*map(int, version.groups())] > [*map(int, __version__.split(".")[:2])]:
            return f"{fault}; update playbach"
        remedy = "train and export it again" if "export" in self.manifest else "train it again"
        return f"{fault}; {remedy}, or install playbach {version[1]}.{version[2]}"


_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})[\w.+-]{0,20}", re.ASCII)


def _encoding_name(manifest: Mapping[str, Any]) -> str | None:
    encoding = manifest.get("encoding")
    name = encoding.get("name") if isinstance(encoding, Mapping) else None
    return name if isinstance(name, str) else None


def cause_of(error: Exception) -> str:
    """A Python exception as a part of one line."""
    return f"{type(error).__name__}: {ascii(str(error))[1:-1]:.100}"


MAX_NUMBER = 1 << 20
"""The largest number in an encoding: pitches, durations, bars and counts of pieces all stay below it."""


def _check_numbers(data: Any) -> None:
    """Raise ValueError if a vocabulary made from these numbers could fill the memory."""
    if isinstance(data, Mapping | list):
        for value in data.values() if isinstance(data, Mapping) else data:
            _check_numbers(value)
    elif isinstance(data, int | float) and not -MAX_NUMBER <= data <= MAX_NUMBER:
        raise ValueError(f"the number {data:.3g} is out of range")


def _check_beginnings(encoding: Encoding) -> None:
    """Raise ValueError if an encoding from a file cannot begin a piece with each of its headers."""
    if not encoding.headers:
        raise ValueError("it has no header")
    for header, count in encoding.headers:
        _check_header(header, encoding.track_count)
        if count < 1:
            raise ValueError(f"a header of {count} pieces")
        decoder = encoding.decoder(header, 1)
        if any(not 0 <= c < len(f) for c, f in zip(decoder.context(), encoding.context, strict=True)):
            raise ValueError("the context is out of range")
        for mask, field in zip(decoder.valid_mask(), encoding.fields, strict=True):
            if mask.shape != (len(field),) or not mask.any():
                raise ValueError(f"the field {field.name} has no valid first symbol")


def _check_header(header: Header, track_count: int | None) -> None:
    ticks = [tick for tick, _, _ in header.meters]
    if not ticks or ticks[0] != 0 or ticks != sorted(set(ticks)):
        raise ValueError("the meters are not in order")
    for _, numerator, denominator in header.meters:
        if not 1 <= numerator <= MAX_NUMERATOR or denominator not in METER_DENOMINATORS:
            raise ValueError(f"invalid meter {numerator}/{denominator}")
    if not MIN_TEMPO <= header.tempo <= MAX_TEMPO:
        raise ValueError(f"invalid tempo {header.tempo:g}")
    if not header.tracks:
        raise ValueError("no tracks")
    if track_count is not None and len(header.tracks) != track_count:
        raise ValueError(f"expected {track_count} tracks, got {len(header.tracks)}")
    if any(not 0 <= track.program <= 127 for track in header.tracks):
        raise ValueError("invalid instrument")


def shipped_models() -> dict[str, Path]:
    """The bundles in the package, by name."""
    folder = resources.files("playbach").joinpath("bundles", "shipped")
    paths = sorted(Path(str(folder)).glob(f"*{BUNDLE_SUFFIX}"))
    return {path.stem: path for path in paths}


def find(name_or_path: str | Path) -> Path:
    """The file of a model: a path (also of an exported network), a path without `.playbach`, or the name of a shipped
    model.

    Raises:
        BundleError: there is no such model.
    """
    path = Path(name_or_path)
    for candidate in (path, path.with_name(path.name + BUNDLE_SUFFIX)) if path.name else ():
        if os.path.isfile(candidate):  # noqa: PTH113 - Path.is_file raises on a name that is too long
            return candidate
    shipped = shipped_models()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    if os.path.isdir(path):  # noqa: PTH112
        name = display_path(path)
        raise BundleError(
            f"{name}: this is a folder, not a model; give a {BUNDLE_SUFFIX} file, or train a model on the folder: "
            f"playbach train {name}"
        )
    names = f", or one of the shipped models: {', '.join(shipped)}" if shipped else ""
    raise BundleError(f"{display_path(name_or_path)}: no such model; give a {BUNDLE_SUFFIX} file{names}")


# Exceptions that zipfile can raise for a malformed archive.
_BAD_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def read(path: str | Path) -> Bundle:
    """Read a bundle or an exported network.

    Raises:
        BundleError: the file is damaged, foreign, too large or of another format version.
    """
    path, name = Path(path), display_path(path)
    if exported.is_exported(path):
        return _read_exported(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member: _read_member(archive, member, name) for member in _check_names(archive, name)}
    except _BAD_ARCHIVE as error:
        raise BundleError(
            f"{name}: not a playbach bundle, or damaged ({cause_of(error)}); get or train it again"
        ) from error
    except OSError as error:
        raise BundleError(f"{name}: cannot be read ({error.strerror or error}); give another file") from error
    manifest = _parse_manifest(members, name)
    for member, expected in manifest["sha256"].items():
        actual = hashlib.sha256(members[member]).hexdigest()
        if actual != expected:
            raise BundleError(
                f"{name}: damaged: {member} does not match its hash (expected {expected[:12]!a}, "
                f"got {actual[:12]!a}); get or train it again"
            )
    return Bundle(path.stem, manifest, members, hashlib.sha256(members[MANIFEST]).hexdigest())


def _read_exported(path: Path) -> Bundle:
    model = exported.read(path)
    _check_format(model.manifest.get("format"), display_path(path))
    return Bundle(path.name, model.manifest, {model.member: model.data}, hashlib.sha256(model.text).hexdigest())


def _check_names(archive: zipfile.ZipFile, path: str) -> tuple[str, ...]:
    names = [info.filename for info in archive.infolist()]
    missing = [name for name in MEMBER_NAMES if name not in names]
    if missing:
        raise BundleError(f"{path}: not a playbach bundle: it has no {missing[0]}")
    extra = [name for name, n in Counter(names).items() if n > 1 or name not in MEMBER_NAMES + OPTIONAL_NAMES]
    if extra:
        raise BundleError(f"{path}: not a playbach bundle: unexpected member {extra[0]!a:.80}")
    return tuple(name for name in MEMBER_NAMES + OPTIONAL_NAMES if name in names)


def _read_member(archive: zipfile.ZipFile, name: str, path: str) -> bytes:
    """Unpack at most the allowed size, whatever size the archive claims: a zip bomb is never unpacked."""
    info, most = archive.getinfo(name), MAX_MEMBER_BYTES[name]
    if info.file_size > most:
        raise BundleError(f"{path}: {name} is larger than the {most >> 20} MB that a bundle may hold; not opened")
    if info.file_size > max(SMALL_MEMBER_BYTES, MAX_RATIO * info.compress_size):
        raise BundleError(
            f"{path}: {name} would unpack from {info.compress_size:,} to {info.file_size:,} bytes, like a zip bomb; "
            "not opened"
        )
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleError(f"{path}: {name} is compressed by an unsupported method; get or train it again")
    with archive.open(name) as file:
        data = file.read(info.file_size)  # zipfile unpacks no more than it is asked for, then checks the CRC
    if len(data) != info.file_size:
        raise BundleError(f"{path}: damaged: {name} is cut short; get or train it again")
    return data


def _parse_manifest(members: Mapping[str, bytes], path: str) -> dict[str, Any]:
    try:
        manifest = json.loads(members[MANIFEST])
        version, hashes = manifest["format"], manifest["sha256"]
        complete = set(hashes) == set(members) - {MANIFEST} and all(isinstance(h, str) for h in hashes.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(
            f"{path}: its manifest cannot be read ({cause_of(error)}); get or train it again"
        ) from error
    _check_format(version, path)
    if not complete:
        raise BundleError(f"{path}: its manifest does not list the hash of every member; get or train it again")
    return dict(manifest)


def _check_format(version: Any, path: str) -> None:
    if version not in READABLE_FORMATS:
        readable = " and ".join(map(str, READABLE_FORMATS))
        raise BundleError(
            f"{path}: it has format {version!a:.40}, and this version of playbach reads formats {readable}; "
            "update playbach, or train the model again"
        )


def write(path: Path, manifest: Mapping[str, Any], members: Mapping[str, bytes], overwrite: bool = False) -> Path:
    """Write a bundle and return its path. The format version and the hashes are added to the manifest.

    Without `overwrite` an existing file stays, and the bundle gets another name.

    Raises:
        PlaybachError: the disk is full or the folder cannot be written.
    """
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(members.items())}
    full = {"format": BUNDLE_FORMAT, **manifest, "sha256": hashes}
    text = json.dumps(full, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
    with pending_file(path, overwrite) as pending, zipfile.ZipFile(pending.temporary, "w") as archive:
        for name in (name for name in MEMBER_NAMES + OPTIONAL_NAMES if name == MANIFEST or name in members):
            data, info = text if name == MANIFEST else members[name], zipfile.ZipInfo(name, _TIME)
            info.compress_type = zipfile.ZIP_STORED if _looks_like_a_bomb(data) else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.create_system = 3  # the same on every system
            archive.writestr(info, data)
    return pending.path


def _looks_like_a_bomb(data: bytes) -> bool:
    """Whether a member would be refused if it were packed, such as the index of a corpus of one repeated note."""
    return len(data) > SMALL_MEMBER_BYTES and MAX_RATIO * len(zlib.compress(data)) < len(data)


def known_pieces(manifest: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The pieces that a bundle's network was trained, validated or tested on: by content hash, the side of the split
    and what else the manifest lists. Malformed entries are left out, since a manifest may come from anywhere."""
    pieces = manifest.get("pieces")
    entries = pieces.items() if isinstance(pieces, Mapping) else ()
    return {key: list(entry) for key, entry in entries if isinstance(entry, list) and entry and entry[0] in SIDES}


def reading_options(bundle: Bundle) -> ReadingOptions:
    """How the files were read that a bundle's network was trained on.

    Networks of versions that did not know the pedal learned written lengths.

    Raises:
        BundleError: the manifest has an option that is not valid.
    """
    provenance = bundle.manifest.get("provenance")
    stored = provenance.get("options") if isinstance(provenance, Mapping) else None
    stored = stored if isinstance(stored, Mapping) else {}
    values = {"pedal": "ignore", **{o.name: stored[o.name] for o in options_of(ReadingOptions) if o.name in stored}}
    try:
        return ReadingOptions(**values)
    except UsageError as error:
        raise BundleError(f"{bundle.name}: how its music was read is not valid ({error}); train it again") from error
