"""Describes bundles, without running their networks.

A manifest may come from anywhere: entries that are missing or malformed become None or are left out. Knows nothing of
how a description is printed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playbach.bundles import bundle as bundles
from playbach.bundles import exported
from playbach.bundles.bundle import BUNDLE_SUFFIX, Bundle, known_pieces
from playbach.encodings.base import Encoding
from playbach.encodings.fields import symbol_label
from playbach.ngrams import stored
from playbach.system.errors import BundleError, PlaybachError
from playbach.system.files import AnyPath, display_path

_MAX_DEPTH = 8
_NOT_OPTIONS = ("name", "symbols", "headers", "alphabet", "programs")
"""The entries of an encoding's manifest that are not its options."""
_NOT_DESCRIBED = ("vocabulary", "context", "shell")
"""The entries of an export's manifest that are large; the first two repeat the encoding."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A field of a step or of its context, and the labels of its symbols."""

    name: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeaderInfo:
    """How some training pieces begin."""

    meter: str
    pickup: str | None
    """Its length as a meter, `1/4`."""
    tempo: float
    """In quarters per minute."""
    tracks: tuple[tuple[str, int], ...]
    """Names and General MIDI programs."""
    pieces: int
    """How many training pieces begin in this way."""


@dataclass(frozen=True, slots=True)
class NGramsInfo:
    """The n-grams that play together with a network."""

    count: int
    share: float
    """Their share of the mixture at the beginning of a piece, above 0 and below 1."""
    pieces: int
    """How many training pieces the bundle contains for them."""


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """The description of a bundle or of an exported network."""

    name: str
    path: str
    bytes: int
    shipped: bool
    problem: str | None
    """Why this version cannot compose with it; then `fields` and `context` may be empty."""
    sha256: str
    format: int
    playbach: str | None
    architecture: str | None
    config: dict[str, Any]
    parameters: int | None
    encoding: str | None
    encoding_options: dict[str, Any]
    fields: tuple[Vocabulary, ...]
    context: tuple[Vocabulary, ...]
    beginnings: tuple[HeaderInfo, ...]
    sampling: dict[str, Any]
    corpus: str | None
    pieces: dict[str, int]
    """The number of pieces on each side of the split."""
    provenance: dict[str, Any]
    metrics: dict[str, dict[str, float]]
    """The figures of each side of the split, and of the baselines."""
    verdict: str | None
    export: dict[str, Any]
    """How an exported network was made and checked; empty for a bundle."""
    members: dict[str, int]
    """The size of each member in bytes."""
    ngrams: NGramsInfo | None
    """The n-grams that play together with the network; None if it plays alone."""
    card: str


@dataclass(frozen=True, slots=True)
class DamagedModel:
    """A file with the name of a bundle, and why it cannot be read."""

    name: str
    path: str
    problem: str


def describe_model(name_or_path: AnyPath) -> BundleInfo:
    """Find, read and describe a model.

    Raises:
        BundleError: there is no such model, or it is damaged.
    """
    path = bundles.find(Path(name_or_path))
    return describe_bundle(bundles.read(path), path)


def describe_bundle(bundle: Bundle, path: Path) -> BundleInfo:
    """Describe a bundle that was read from this path."""
    manifest = _json_safe(bundle.manifest)
    encoding, problem = _encoding(bundle)
    architecture, encoding_manifest = _dict(manifest, "architecture"), _dict(manifest, "encoding")
    provenance, metrics = _dict(manifest, "provenance"), _dict(manifest, "metrics")
    return BundleInfo(
        name=bundle.name,
        path=str(path),
        bytes=path.stat().st_size,
        shipped=path in bundles.shipped_models().values(),
        problem=problem,
        sha256=bundle.sha256,
        format=manifest["format"],
        playbach=_text(manifest, "playbach"),
        architecture=_text(architecture, "name"),
        config=_dict(architecture, "config"),
        parameters=_whole(architecture, "parameters"),
        encoding=_text(encoding_manifest, "name"),
        encoding_options={k: v for k, v in encoding_manifest.items() if k not in _NOT_OPTIONS},
        fields=_vocabularies(encoding.fields) if encoding else (),
        context=_vocabularies(encoding.context) if encoding else (),
        beginnings=_headers(encoding) if encoding else (),
        sampling=_dict(manifest, "sampling"),
        corpus=_text(provenance, "corpus"),
        pieces=dict(Counter(side for side, *_ in known_pieces(manifest).values())),
        provenance={k: v for k, v in provenance.items() if k != "corpus"},
        metrics={side: _numbers(figures) for side, figures in metrics.items() if isinstance(figures, dict)},
        verdict=_text(metrics, "verdict"),
        export={k: v for k, v in _dict(manifest, "export").items() if k not in _NOT_DESCRIBED},
        members={name: len(data) for name, data in bundle.members.items()},
        ngrams=_ngrams(bundle),
        card=bundle.card,
    )


def list_models(folders: Iterable[AnyPath] = (".",)) -> Iterator[BundleInfo | DamagedModel]:
    """Describe the shipped models and the models in some folders, without their subfolders. An entry of `folders` may
    also be a file.

    Raises:
        PlaybachError: a folder does not exist or cannot be read.
    """
    seen: set[Path] = set()
    for path in (*bundles.shipped_models().values(), *(path for folder in folders for path in _bundles_in(folder))):
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        try:
            yield describe_model(path)
        except BundleError as error:
            yield DamagedModel(path.stem, str(path), str(error).removeprefix(f"{display_path(path)}: "))


def _bundles_in(folder: AnyPath) -> list[Path]:
    path = Path(folder)
    if path.is_file():
        return [path]
    try:
        # A hidden file is one that is still being written.
        return sorted(p for p in path.iterdir() if _is_model(p) and not p.name.startswith(".") and p.is_file())
    except FileNotFoundError:
        raise PlaybachError(f"{display_path(path)}: no such folder; check the name") from None
    except OSError as error:
        raise PlaybachError(
            f"{display_path(path)}: the folder cannot be read ({error.strerror}); give another folder"
        ) from error


def _is_model(path: Path) -> bool:
    """Whether a path is a bundle, or an exported network with its manifest: a lone .onnx file may be anything."""
    return path.suffix == BUNDLE_SUFFIX or (exported.is_exported(path) and exported.manifest_path(path).is_file())


def _encoding(bundle: Bundle) -> tuple[Encoding | None, str | None]:
    """The encoding of a bundle, and why this version cannot compose with it."""
    try:
        encoding = bundle.encoding()
    except BundleError as error:
        return None, str(error).removeprefix(f"{display_path(bundle.name)}: ")
    return encoding, None if bundle.fits(encoding) else bundle.mismatch()


def _ngrams(bundle: Bundle) -> NGramsInfo | None:
    """The n-grams of a bundle; None if it has none, or they are malformed."""
    if exported.NGRAMS not in bundle.members:
        return None
    try:
        found = stored.summary(bundle.members[exported.NGRAMS])
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return NGramsInfo(found.members, 1 - found.network_share, found.pieces)


def _vocabularies(fields: Any) -> tuple[Vocabulary, ...]:
    return tuple(Vocabulary(f.name, tuple(symbol_label(f, i) for i in range(len(f)))) for f in fields)


def _headers(encoding: Encoding) -> tuple[HeaderInfo, ...]:
    """The most frequent first."""
    headers = []
    for header, count in sorted(encoding.headers, key=lambda item: -item[1]):
        (_, *first), *later = header.meters
        meter, *pickup = (f"{n}/{d}" for n, d in ([first] if not later else [later[0][1:], first]))
        tracks = tuple((t.name, t.program) for t in header.tracks)
        headers.append(HeaderInfo(meter, pickup[0] if pickup else None, header.tempo, tracks, count))
    return tuple(headers)


def _json_safe(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """A copy that can be written as JSON: not too deep, and None for NaN and infinity."""
    if depth == 0:
        return None
    if isinstance(value, dict):
        return {str(k): _json_safe(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_json_safe(v, depth - 1) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _dict(data: Any, key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _text(data: dict[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) else None


def _whole(data: dict[str, Any], key: str) -> int | None:
    value = data.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _numbers(data: dict[str, Any]) -> dict[str, float]:
    return {k: v for k, v in data.items() if isinstance(v, int | float) and not isinstance(v, bool)}
