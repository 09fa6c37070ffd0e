"""`playbach inspect`: what is in a bundle, a file of music or a corpus, for people, or as JSON, or as a picture.

Knows how they are described, which is imported when it runs; the words for music, corpora and networks stand beside
it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.cli.common import bytes_of, columns, percent, printable, result, sheet
from playbach.system.errors import PlaybachError, UsageError

if TYPE_CHECKING:
    from playbach.bundles.description import Alphabet, Beginning
    from playbach.inspection import BundleInfo

SYMBOLS = 24
"""Of a long list, so many are shown."""


def add(commands: Any) -> None:
    inspect = commands.add_parser(
        "inspect",
        help="tell what is in a model, in a file of music, or in a corpus",
        description="Of a model: its network, encoding, vocabulary, figures and card. Of a file of music: its "
        "tracks, key, meters and length, how it encodes, and, if playbach composed it, how to make it again. Of a "
        "folder or a built-in corpus: how many pieces, notes, keys, meters, pitches, durations.",
    )
    inspect.set_defaults(run=run)
    inspect.add_argument("file", metavar="FILE", help="a .playbach file, the name of a shipped model, a file of "
                         "music (.mid, .midi, .musicxml, .xml, .mxl), a folder, or a built-in corpus")  # fmt: skip
    inspect.add_argument("--vocabulary", action="store_true", help="of a model: every symbol, of the context too")
    inspect.add_argument("--graph", action="store_true", help="of a model: its layers and parameters")
    inspect.add_argument("--config", action="store_true",
                         help="of a model: the options of its training, for playbach train --config")  # fmt: skip
    inspect.add_argument("--model", metavar="M", help="of music: tell how this model's vocabulary takes it")
    inspect.add_argument("--corpus", action="store_true",
                         help="take FILE for a built-in corpus, where a model has the same name")  # fmt: skip
    inspect.add_argument("-o", "--output", type=Path, metavar="PATH",
                         help="draw a corpus (.png), or with --graph a network (.png, .svg)")  # fmt: skip
    inspect.add_argument("--json", action="store_true", help="print one JSON object, with all there is")


def run(given: argparse.Namespace) -> int:
    kind = "corpus" if given.corpus else _kind(given.file)
    if kind == "bundle" and given.graph:
        kind = "graph"
    _demand_sense(given, kind)
    if given.config:
        result(_config(given))
        return 0
    lines, found, picture = {"bundle": _bundle, "graph": _graph, "music": _music, "corpus": _corpus}[kind](given)
    if given.json:
        made = {"picture": str(picture)} if picture else {}
        result(json.dumps({"kind": kind, **found, **made}, indent=2))
    else:
        result("\n".join(map(printable, [*([str(picture), ""] if picture else []), *lines])))
    return 0


Told = tuple[Iterable[str], dict[str, Any], Path | None]
"""In words, as data, and the picture that was asked for."""


def _bundle(given: argparse.Namespace) -> Told:
    from playbach import inspection

    bundle = inspection.describe(given.file)
    return _bundle_lines(bundle, given.vocabulary), asdict(bundle), None


def _config(given: argparse.Namespace) -> str:
    from playbach.bundles import bundle as bundles
    from playbach.inspection import configuration

    bundle = bundles.read(bundles.find(given.file))
    options = bundle.manifest.get("provenance", {}).get("options")
    if not isinstance(options, Mapping):
        raise PlaybachError(f"{given.file}: it does not say how it was trained")
    return configuration.text(options).rstrip()


def _graph(given: argparse.Namespace) -> Told:
    from playbach import inspection
    from playbach.cli import inspect_network

    graph = inspection.graph(given.file)
    picture = inspection.picture_of_network(graph, given.output) if given.output else None
    return inspect_network.lines_of(graph), asdict(graph), picture


def _music(given: argparse.Namespace) -> Told:
    from playbach import inspection
    from playbach.cli import inspect_music

    music = inspection.hear(given.file, given.model)
    return inspect_music.lines_of(music), asdict(music), None


def _corpus(given: argparse.Namespace) -> Told:
    from playbach import inspection
    from playbach.cli import inspect_corpus
    from playbach.cli.corpora import converting

    survey = inspection.survey(given.file, converting=converting(given.file))
    picture = inspection.picture_of_corpus(survey, given.output) if given.output else None
    return inspect_corpus.lines_of(survey), asdict(survey), picture


PICTURES = {"corpus": (".png",), "graph": (".png", ".svg")}


def _demand_sense(given: argparse.Namespace, kind: str) -> None:
    """UsageError where an option does not go with what is looked at."""
    if given.model is not None and kind != "music":
        raise UsageError("--model goes with a file of music; a model is told of by itself")
    if given.vocabulary and kind != "bundle":
        raise UsageError("--vocabulary goes with a model; for music, --model M tells how one takes it")
    if given.config and (kind != "bundle" or given.json or given.output):
        raise UsageError("--config goes with a model, and with no other option")
    if given.graph and kind != "graph":
        raise UsageError("--graph goes with a model, not with music")
    if given.output is None:
        return
    if kind not in PICTURES:
        hint = "compose -o and playbach.write draw piano rolls" if kind == "music" else "add --graph"
        raise UsageError(f"-o draws a corpus, or with --graph a model's network; {hint}")
    if given.output.suffix.lower() not in PICTURES[kind]:
        raise UsageError(f"-o {given.output}: cannot draw that; possible are {', '.join(PICTURES[kind])}")


def _kind(name: str) -> str:
    """What is meant: bundle, music or corpus. Raises PlaybachError where nothing can be."""
    from playbach.bundles.bundle import MANIFEST, SUFFIX, shipped
    from playbach.bundles.exported import is_exported
    from playbach.system.files import shown

    path = Path(name)
    if not name:
        raise UsageError("an empty name is no file")
    if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises on a name that is too long
        named = path.suffix.lower() == SUFFIX or is_exported(path)
        return "bundle" if named or _holds(path, MANIFEST) else "music"
    if os.path.isdir(path):  # noqa: PTH112
        return "corpus"
    if name in shipped() or os.path.isfile(name + SUFFIX):  # noqa: PTH113
        return "bundle"
    from playbach.data.builtin import CORPORA

    if name in CORPORA:
        return "corpus"
    if not os.path.lexists(path):
        raise PlaybachError(
            f"{shown(name)}: neither a file or folder nor a shipped model ({', '.join(shipped())}) or a built-in "
            f"corpus ({', '.join(CORPORA)}); check the name"
        )
    return "music"


def _holds(path: Path, member: str) -> bool:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return member in archive.namelist()
    except Exception:  # whatever it is, it is no zip; who reads it next will say what is wrong with it
        return False


# --------------------------------------------------------------------------------------------------------- bundles


def _bundle_lines(bundle: BundleInfo, whole: bool) -> list[str]:
    provenance = dict(bundle.provenance)
    parameters = "" if bundle.parameters is None else f", {bundle.parameters:,} parameters"
    options, versions = _listed(bundle.encoding_options), _listed(provenance.pop("versions", {}))
    lines = [f"{bundle.name}: a model, {bytes_of(bundle.bytes)}", ""]
    lines += sheet(
        [
            ("file", f"{bundle.path}{' (shipped with playbach)' if bundle.shipped else ''}"),
            ("problem", bundle.problem or ""),
            ("made by", f"playbach {bundle.playbach or '(unknown)'}, format {bundle.format}"),
            ("hash", bundle.sha256[:12]),
            ("network", f"{bundle.architecture or 'unknown'}{parameters}"),
            ("", _listed(bundle.config)),
            ("encoding", f"{bundle.encoding or 'unknown'}{': ' if options else ''}{options}"),
            ("a step", ", ".join(f"{f.name} ({len(f.symbols):,})" for f in bundle.fields)),
            ("context", ", ".join(f"{f.name} ({len(f.symbols):,})" for f in bundle.context)),
            ("sampling", _listed(bundle.sampling)),
            ("learnt from", f"{bundle.corpus or 'unknown'}{_sides(bundle.pieces)}"),
            ("", _beginnings(bundle.beginnings)),
            ("options", _listed(provenance.pop("options", {}))),
            ("software", ", ".join(filter(None, (_listed({"python": provenance.pop("python", None)}), versions)))),
            ("training", _listed(provenance)),
            ("exported", _listed(bundle.export)),
            ("holds", ", ".join(f"{name} {bytes_of(size)}" for name, size in bundle.members.items())),
        ]
    )
    lines += ["", "Figures", *_figures(bundle.metrics)] if bundle.metrics else []
    alphabets = [*bundle.fields, *(bundle.context if whole else ())]
    lines += ["", "Vocabulary", *_vocabulary(alphabets, whole)] if alphabets else []
    card = [f"  {line}".rstrip() for line in bundle.card.splitlines()]
    return [*lines, "", "Card", *card] if card else lines


def _listed(data: Any) -> str:
    """A part of a manifest, whatever it is, in one line."""
    pairs = _flat(data if isinstance(data, dict) else {"": data})
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}".strip() for name, value in pairs)


def _value(value: Any) -> str:
    """A manifest's value in a word or a few."""
    if isinstance(value, list):
        return " ".join("-".join(map(_value, v)) if isinstance(v, list) else _value(v) for v in value)
    if isinstance(value, dict):
        return " ".join(f"{k} {_value(v)}" for k, v in value.items())
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(data: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Names and values, without the empty ones and the frames around them."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value)
        elif value is not None:
            yield name, value


def _sides(pieces: Mapping[str, int]) -> str:
    return f": {', '.join(f'{n:,} {side}' for side, n in pieces.items())} pieces, each counted once" if pieces else ""


def _beginnings(beginnings: tuple[Beginning, ...]) -> str:
    parts = [
        f"{b.pieces:,} begin in {b.meter}"
        + (f" after a pickup of {b.pickup}" if b.pickup else "")
        + f" at {b.tempo:g} qpm"
        for b in beginnings[:3]
    ]
    more = len(beginnings) - 3
    return ", ".join(parts) + (f", and in {more} other ways" if more > 0 else "")


def _figures(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A row for each figure, a column for each side of the split and each comparison."""
    names = dict.fromkeys(name for figures in metrics.values() for name in figures)
    head = ("", *(side.replace("_", " ") for side in metrics))
    rows = [(name.replace("_", " "), *(_figure(f.get(name), name) for f in metrics.values())) for name in names]
    return [f"  {line}" for line in columns([head, *rows], right=range(1, len(head)))]


def _figure(value: float | None, name: str) -> str:
    if value is None:
        return ""
    if name in ("accuracy", "unknown"):
        return percent(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _vocabulary(alphabets: Iterable[Alphabet], whole: bool) -> list[str]:
    rows = []
    for field in alphabets:
        some = field.symbols if whole else field.symbols[:SYMBOLS]
        more = len(field.symbols) - len(some)
        rows.append((field.name, " ".join(some) + (f" … and {more:,} more (--vocabulary shows all)" if more else "")))
    return sheet(rows, indent=2)
