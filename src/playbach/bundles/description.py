"""What a bundle says of itself, read without running its network.

A manifest may come from anywhere: what is missing in it or is not what it should be is None here, or left out, and no
reason to fail. Knows nothing of how it is shown.
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
from playbach.bundles.bundle import SUFFIX, Bundle, known_pieces
from playbach.encodings import Encoding, symbol_label
from playbach.system.errors import BundleError, PlaybachError
from playbach.system.files import AnyPath, shown

DEEPEST = 8
LARGE = ("symbols", "headers", "alphabet", "programs")
"""What stands in an encoding's manifest besides its options."""
SAID_ELSEWHERE = ("vocabulary", "context", "shell")
"""Of what an exported network's manifest says of the export: what is large, and told by the encoding too."""


@dataclass(frozen=True, slots=True)
class Alphabet:
    """A field of a step or of its context: its name and its symbols as people say them."""

    name: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beginning:
    """How training pieces begin: the meter, the pickup (None where there is none), quarters a minute, instruments as
    (name, General MIDI program), and how many pieces do so."""

    meter: str
    pickup: str | None
    tempo: float
    tracks: tuple[tuple[str, int], ...]
    pieces: int


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """`problem` is why this version cannot compose with it; then `fields` and `context` may be empty. `members` are
    the sizes in bytes of what is packed in it; `metrics` holds the figures of each side of the split, and of what
    they are compared with; `pieces` counts the sides' pieces; `export` is how an exported network was made and
    checked, empty where it is none."""

    name: str
    path: str
    bytes: int
    shipped: bool
    problem: str | None
    sha256: str
    format: int
    playbach: str | None
    architecture: str | None
    config: dict[str, Any]
    parameters: int | None
    encoding: str | None
    encoding_options: dict[str, Any]
    fields: tuple[Alphabet, ...]
    context: tuple[Alphabet, ...]
    beginnings: tuple[Beginning, ...]
    sampling: dict[str, Any]
    corpus: str | None
    pieces: dict[str, int]
    provenance: dict[str, Any]
    metrics: dict[str, dict[str, float]]
    verdict: str | None
    export: dict[str, Any]
    members: dict[str, int]
    card: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that is named like a bundle, and why it cannot be read."""

    name: str
    path: str
    problem: str


def describe(name_or_path: AnyPath) -> BundleInfo:
    """All that a bundle says of itself.

    Raises:
        BundleError: there is none, or it is damaged.
    """
    path = bundles.find(Path(name_or_path))
    return described(bundles.read(path), path)


def described(bundle: Bundle, path: Path) -> BundleInfo:
    """All that a bundle that has been read from this path says of itself."""
    manifest = _sane(bundle.manifest)
    encoding, problem = _encoding(bundle)
    architecture, said_encoding = _dict(manifest, "architecture"), _dict(manifest, "encoding")
    provenance, metrics = _dict(manifest, "provenance"), _dict(manifest, "metrics")
    return BundleInfo(
        name=bundle.name,
        path=str(path),
        bytes=path.stat().st_size,
        shipped=path in bundles.shipped().values(),
        problem=problem,
        sha256=bundle.sha256,
        format=manifest["format"],
        playbach=_text(manifest, "playbach"),
        architecture=_text(architecture, "name"),
        config=_dict(architecture, "config"),
        parameters=_whole(architecture, "parameters"),
        encoding=_text(said_encoding, "name"),
        encoding_options={k: v for k, v in said_encoding.items() if k not in ("name", *LARGE)},
        fields=_alphabets(encoding.fields) if encoding else (),
        context=_alphabets(encoding.context) if encoding else (),
        beginnings=_beginnings(encoding) if encoding else (),
        sampling=_dict(manifest, "sampling"),
        corpus=_text(provenance, "corpus"),
        pieces=dict(Counter(side for side, *_ in known_pieces(manifest).values())),
        provenance={k: v for k, v in provenance.items() if k != "corpus"},
        metrics={side: _numbers(figures) for side, figures in metrics.items() if isinstance(figures, dict)},
        verdict=_text(metrics, "verdict"),
        export={k: v for k, v in _dict(manifest, "export").items() if k not in SAID_ELSEWHERE},
        members={name: len(data) for name, data in bundle.members.items()},
        card=bundle.card,
    )


def listed(folders: Iterable[AnyPath] = (".",)) -> Iterator[BundleInfo | Damaged]:
    """The shipped models, and those that lie in the folders, not below them; a file gives itself.

    Raises:
        PlaybachError: a folder is not there or cannot be read.
    """
    seen: set[Path] = set()
    for path in (*bundles.shipped().values(), *(path for folder in folders for path in _bundles_in(folder))):
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        try:
            yield describe(path)
        except BundleError as error:
            yield Damaged(path.stem, str(path), str(error).removeprefix(f"{shown(path)}: "))


def _bundles_in(folder: AnyPath) -> list[Path]:
    path = Path(folder)
    if path.is_file():
        return [path]
    try:
        # What is hidden is not finished.
        return sorted(p for p in path.iterdir() if _is_model(p) and not p.name.startswith(".") and p.is_file())
    except FileNotFoundError:
        raise PlaybachError(f"{shown(path)}: no such folder; check the name") from None
    except OSError as error:
        raise PlaybachError(f"{shown(path)}: this folder cannot be read ({error.strerror}); give another") from error


def _is_model(path: Path) -> bool:
    """A bundle, or an exported network with its manifest: a lone .onnx file may be anything."""
    return path.suffix == SUFFIX or (exported.is_exported(path) and exported.beside(path).is_file())


def _encoding(bundle: Bundle) -> tuple[Encoding | None, str | None]:
    """The bundle's encoding, and why this version cannot compose with it."""
    try:
        encoding = bundle.encoding()
    except BundleError as error:
        return None, str(error).removeprefix(f"{shown(bundle.name)}: ")
    architecture = _dict(bundle.manifest, "architecture")
    ours = [len(f) for f in encoding.fields], [len(f) for f in encoding.context]
    if (architecture.get("symbols"), architecture.get("context")) != ours:
        return encoding, "its network does not fit its encoding, as this version of playbach knows it; train it again"
    return encoding, None


def _alphabets(fields: Any) -> tuple[Alphabet, ...]:
    return tuple(Alphabet(f.name, tuple(symbol_label(f, i) for i in range(len(f)))) for f in fields)


def _beginnings(encoding: Encoding) -> tuple[Beginning, ...]:
    """The commonest first."""
    found = []
    for header, count in sorted(encoding.headers, key=lambda item: -item[1]):
        (_, *first), *later = header.meters
        meter, *pickup = (f"{n}/{d}" for n, d in ([first] if not later else [later[0][1:], first]))
        tracks = tuple((t.name, t.program) for t in header.tracks)
        found.append(Beginning(meter, pickup[0] if pickup else None, header.tempo, tracks, count))
    return tuple(found)


def _sane(value: Any, depth: int = DEEPEST) -> Any:
    """A copy that JSON can say: not too deep, and None for what is no number."""
    if depth == 0:
        return None
    if isinstance(value, dict):
        return {str(k): _sane(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_sane(v, depth - 1) for v in value]
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
