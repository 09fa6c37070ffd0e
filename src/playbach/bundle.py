"""A trained network in one file, `NAME.playbach`: a zip of JSON, ONNX and safetensors, without pickle.

Members:
    manifest.json        format, architecture, encoding with its vocabulary, sampling defaults, provenance, figures,
                         each piece's hash with its side of the split, sha256 of every other member
    model.onnx           the step
    weights.safetensors  to train on
    CARD.md              for people

Knows nothing of torch. Everything that is read is bounded and checked: names, sizes, hashes, format version.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from playbach import encodings
from playbach.encodings import Encoding
from playbach.errors import BundleError
from playbach.files import writing

FORMAT = 1
SUFFIX = ".playbach"
MANIFEST, ONNX, WEIGHTS, CARD = "manifest.json", "model.onnx", "weights.safetensors", "CARD.md"
REQUIRED = (MANIFEST, ONNX, WEIGHTS, CARD)
MOST_BYTES = {MANIFEST: 64 << 20, ONNX: 1 << 30, WEIGHTS: 1 << 30, CARD: 1 << 20}
_TIME = (1980, 1, 1, 0, 0, 0)  # the same content is the same file


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory. `sha256` is that of its manifest, which holds those of the members."""

    name: str
    manifest: Mapping[str, Any]
    members: Mapping[str, bytes]
    sha256: str

    @property
    def onnx(self) -> bytes:
        return self.members[ONNX]

    @property
    def card(self) -> str:
        return self.members[CARD].decode("utf-8")

    def encoding(self) -> Encoding:
        """Raises BundleError where this version does not know the encoding."""
        try:
            return encodings.from_manifest(self.manifest["encoding"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"{self.name}: its encoding is unknown to this version of playbach ({error}); update playbach"
            ) from error


def shipped() -> dict[str, Path]:
    """The bundles inside the package, by name."""
    folder = resources.files("playbach").joinpath("shipped")
    paths = sorted(Path(str(folder)).glob(f"*{SUFFIX}"))
    return {path.stem: path for path in paths}


def find(name_or_path: str | Path) -> Path:
    """The file that is meant: a path, a name with `.playbach` left out, or a model that the package ships.

    Raises:
        BundleError: there is none.
    """
    given = Path(name_or_path)
    for path in (given, given.with_name(given.name + SUFFIX)) if given.name else ():
        if path.is_file():
            return path
    inside = shipped()
    if str(name_or_path) in inside:
        return inside[str(name_or_path)]
    if given.is_dir():
        raise BundleError(
            f"{given}: this is a folder; give a {SUFFIX} file, or train one on it: playbach train {given}"
        )
    raise BundleError(f"{name_or_path}: no such model; give a {SUFFIX} file or one of: {', '.join(inside)}")


def read(path: str | Path) -> Bundle:
    """Raises BundleError where the file is damaged, foreign, too large or of another format version."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: _member(archive, name, path) for name in _names(archive, path)}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise BundleError(
            f"{path}: not a playbach bundle, or damaged ({error}); get or train it again"
        ) from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror or error})") from error
    manifest = _manifest(members[MANIFEST], path)
    for name, expected in manifest["sha256"].items():
        found = hashlib.sha256(members.get(name, b"")).hexdigest()
        if found != expected:
            raise BundleError(
                f"{path}: damaged: {name} does not match its hash (expected {expected[:12]}, got {found[:12]}); "
                "get or train it again"
            )
    return Bundle(path.stem, manifest, members, hashlib.sha256(members[MANIFEST]).hexdigest())


def _names(archive: zipfile.ZipFile, path: Path) -> tuple[str, ...]:
    names = [info.filename for info in archive.infolist()]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise BundleError(f"{path}: not a playbach bundle: it has no {missing[0]}")
    extra = sorted(set(names) - set(REQUIRED))
    if extra or len(names) != len(set(names)):
        raise BundleError(f"{path}: not a playbach bundle: unexpected member {(extra or names)[0]!r}")
    return REQUIRED


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """At most the allowed size, whatever the archive says of itself: a zip bomb is never unpacked."""
    most = MOST_BYTES[name]
    with archive.open(name) as file:
        data = file.read(most + 1) if archive.getinfo(name).file_size <= most else b""
    if len(data) != archive.getinfo(name).file_size:
        raise BundleError(
            f"{path}: {name} is larger than the {most >> 20} MB that a bundle may hold; not opened"
        )
    return data


def _manifest(data: bytes, path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
        version, hashes = manifest["format"], manifest["sha256"]
        complete = set(hashes) == set(REQUIRED) - {MANIFEST} and all(
            isinstance(h, str) for h in hashes.values()
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(
            f"{path}: its manifest cannot be read ({error!r}); get or train it again"
        ) from error
    if version != FORMAT:
        raise BundleError(
            f"{path}: it has format {version!r}, this version of playbach reads format {FORMAT}; "
            "update playbach, or train the model again"
        )
    if not complete:
        raise BundleError(f"{path}: its manifest does not vouch for all members; get or train it again")
    return dict(manifest)


def write(
    path: Path, manifest: Mapping[str, Any], members: Mapping[str, bytes], overwrite: bool = False
) -> Path:
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
            archive.writestr(info, text if name == MANIFEST else members[name])
    return draft.path
