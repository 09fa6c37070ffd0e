"""`playbach inspect`: describes a bundle, a music file or a corpus, as text, as JSON or as a picture.

The descriptions come from `inspection`, which is imported when it runs; the texts for music, corpora and networks are
in `inspect_music`, `inspect_corpus` and `inspect_network`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.cli import options
from playbach.cli.common import (
    Command,
    escape,
    format_bytes,
    format_labels,
    format_percent,
    format_table,
    print_result,
)
from playbach.music.options import MUSIC_SUFFIXES, ReadingOptions
from playbach.system.errors import PlaybachError, UsageError
from playbach.system.options import given, spelling

if TYPE_CHECKING:
    from playbach.bundles.description import HeaderInfo, NGramsInfo, Vocabulary
    from playbach.inspection import BundleInfo

SHOWN_SYMBOLS = 24
"""The number of symbols shown of a long vocabulary."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        help=f"a .playbach file, a shipped model, a music file ({', '.join(MUSIC_SUFFIXES)}), a folder or a built-in "
        "corpus",
    )
    model = parser.add_argument_group("options for a model")
    model.add_argument("--vocabulary", action="store_true", help="list every symbol, those of the context included")
    model.add_argument("--graph", action="store_true", help="list the network's layers and parameters")
    model.add_argument(
        "--config", action="store_true", help="print the training options as a file for `playbach train --config`"
    )
    options.add_options(parser.add_argument_group("options for a music file or a corpus"), ReadingOptions)
    music = parser.add_argument_group("options for a music file")
    music.add_argument("--model", metavar="MODEL", help="show how well this model's vocabulary covers the file")
    corpus = parser.add_argument_group("options for a corpus")
    corpus.add_argument("--corpus", action="store_true", help="inspect the corpus if a model has the same name")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="draw a corpus (.png), or a network with --graph (.png, .svg)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object with all details")


def run(arguments: argparse.Namespace) -> int:
    kind = "corpus" if arguments.corpus else _kind(arguments.file)
    if kind == "bundle" and arguments.graph:
        kind = "graph"
    _check_options(arguments, kind)
    if arguments.config:
        print_result(_config(arguments))
        return 0
    lines, data, picture = {"bundle": _bundle, "graph": _graph, "music": _music, "corpus": _corpus}[kind](arguments)
    if arguments.json:
        paths = {"picture": str(picture)} if picture else {}
        print_result(json.dumps({"kind": kind, **data, **paths}, indent=2))
    else:
        print_result("\n".join(map(escape, [*([str(picture), ""] if picture else []), *lines])))
    return 0


_Description = tuple[Iterable[str], dict[str, Any], Path | None]
"""The lines of text, the data for JSON, and the picture's path if one was drawn."""


def _bundle(arguments: argparse.Namespace) -> _Description:
    from playbach import inspection

    bundle = inspection.describe_model(arguments.file)
    return _bundle_lines(bundle, arguments.vocabulary), asdict(bundle), None


def _config(arguments: argparse.Namespace) -> str:
    from playbach.bundles import bundle as bundles
    from playbach.inspection import configuration

    bundle = bundles.read(bundles.find(arguments.file))
    stored = bundle.manifest.get("provenance", {}).get("options")
    if not isinstance(stored, Mapping):
        raise PlaybachError(f"{arguments.file}: the model does not contain its training options")
    return configuration.toml_text(stored).rstrip()


def _graph(arguments: argparse.Namespace) -> _Description:
    from playbach import inspection
    from playbach.cli import inspect_network

    graph = inspection.network_graph(arguments.file)
    picture = inspection.draw_network(graph, arguments.output) if arguments.output else None
    return inspect_network.format_network(graph), asdict(graph), picture


def _music(arguments: argparse.Namespace) -> _Description:
    from playbach import inspection
    from playbach.cli import inspect_music

    music = inspection.describe_music(arguments.file, arguments.model, _reading(arguments))
    return inspect_music.format_music(music), asdict(music), None


def _corpus(arguments: argparse.Namespace) -> _Description:
    from playbach import inspection
    from playbach.cli import inspect_corpus
    from playbach.cli.corpora import conversion_progress

    survey = inspection.survey_corpus(
        arguments.file, converting=conversion_progress(arguments.file), options=_reading(arguments)
    )
    picture = inspection.draw_corpus(survey, arguments.output) if arguments.output else None
    return inspect_corpus.format_corpus(survey), asdict(survey), picture


def _reading(arguments: argparse.Namespace) -> ReadingOptions:
    return ReadingOptions(**given(ReadingOptions, vars(arguments)))


KIND_NAMES = {"bundle": "a model", "graph": "a model", "music": "a music file", "corpus": "a corpus"}
PICTURE_SUFFIXES = {"corpus": (".png",), "graph": (".png", ".svg")}


def _check_options(arguments: argparse.Namespace, kind: str) -> None:
    """Raise UsageError if an option does not apply to this kind of FILE."""
    subject = f"{arguments.file} is {KIND_NAMES[kind]}"
    if arguments.model is not None and kind != "music":
        raise UsageError(f"{subject}; --model applies only to a music file")
    if kind in ("bundle", "graph"):
        for name in given(ReadingOptions, vars(arguments)):
            raise UsageError(f"{subject}; --{spelling(name)} applies only to a music file or a corpus")
    if arguments.vocabulary and kind == "graph":
        raise UsageError("--vocabulary cannot be combined with --graph")
    if arguments.vocabulary and kind != "bundle":
        raise UsageError(f"{subject}; --vocabulary applies only to a model")
    if arguments.config and kind not in ("bundle", "graph"):
        raise UsageError(f"{subject}; --config applies only to a model")
    if arguments.config and (kind == "graph" or arguments.json or arguments.output):
        raise UsageError("--config cannot be combined with --graph, --json or -o")
    if arguments.graph and kind != "graph":
        raise UsageError(f"{subject}; --graph applies only to a model")
    if arguments.output is None:
        return
    if kind not in PICTURE_SUFFIXES:
        hint = "for a piano roll, use playbach.write in Python" if kind == "music" else "add --graph"
        raise UsageError(f"{subject}; -o draws a corpus, or a model's network with --graph: {hint}")
    if arguments.output.suffix.lower() not in PICTURE_SUFFIXES[kind]:
        raise UsageError(
            f"-o {arguments.output}: the picture's name must end in {' or '.join(PICTURE_SUFFIXES[kind])}"
        )


def _kind(name: str) -> str:
    """The kind of FILE: bundle, music or corpus. Raises PlaybachError if there is nothing of this name."""
    from playbach.bundles.bundle import BUNDLE_SUFFIX, MANIFEST, shipped_models
    from playbach.bundles.exported import is_exported
    from playbach.system.files import display_path

    path = Path(name)
    if not name:
        raise UsageError("FILE is empty; name a file, a folder, a model or a corpus")
    if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises on a name that is too long
        is_model = path.suffix.lower() == BUNDLE_SUFFIX or is_exported(path)
        return "bundle" if is_model or _contains(path, MANIFEST) else "music"
    if os.path.isdir(path):  # noqa: PTH112
        return "corpus"
    if name in shipped_models() or os.path.isfile(name + BUNDLE_SUFFIX):  # noqa: PTH113
        return "bundle"
    from playbach.data.builtin import CORPORA

    if name in CORPORA:
        return "corpus"
    if not os.path.lexists(path):
        raise PlaybachError(
            f"{display_path(name)}: no such file or folder, shipped model ({', '.join(shipped_models())}) or "
            f"built-in corpus ({', '.join(CORPORA)})"
        )
    return "music"


def _contains(path: Path, member: str) -> bool:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return member in archive.namelist()
    except Exception:  # not a zip; the reader of music reports what is wrong
        return False


# --------------------------------------------------------------------------------------------------------- bundles


def _bundle_lines(bundle: BundleInfo, all_symbols: bool) -> list[str]:
    provenance = dict(bundle.provenance)
    parameters = "" if bundle.parameters is None else f", {bundle.parameters:,} parameters"
    encoding_options, versions = _listed(bundle.encoding_options), _listed(provenance.pop("versions", {}))
    lines = [f"{bundle.name}: a model, {format_bytes(bundle.bytes)}", ""]
    lines += format_labels(
        [
            ("file", f"{bundle.path}{' (shipped with playbach)' if bundle.shipped else ''}"),
            ("problem", bundle.problem or ""),
            ("made by", f"playbach {bundle.playbach or '(unknown)'}, format {bundle.format}"),
            ("hash", bundle.sha256[:12]),
            ("network", f"{bundle.architecture or 'unknown'}{parameters}"),
            ("", _listed(bundle.config)),
            ("n-grams", _format_ngrams(bundle.ngrams)),
            ("encoding", f"{bundle.encoding or 'unknown'}{': ' if encoding_options else ''}{encoding_options}"),
            ("step fields", ", ".join(f"{f.name} ({len(f.symbols):,})" for f in bundle.fields)),
            ("context", ", ".join(f"{f.name} ({len(f.symbols):,})" for f in bundle.context)),
            ("sampling", _listed(bundle.sampling)),
            ("trained on", f"{bundle.corpus or 'unknown'}{_format_sides(bundle.pieces)}"),
            ("", _format_beginnings(bundle.beginnings)),
            ("options", _listed(provenance.pop("options", {}))),
            ("software", ", ".join(filter(None, (_listed({"python": provenance.pop("python", None)}), versions)))),
            ("training", _listed(provenance)),
            ("exported", _listed(bundle.export)),
            ("members", ", ".join(f"{name} {format_bytes(size)}" for name, size in bundle.members.items())),
        ]
    )
    lines += ["", "Figures", *_figures(bundle.metrics)] if bundle.metrics else []
    vocabularies = [*bundle.fields, *(bundle.context if all_symbols else ())]
    lines += ["", "Vocabulary", *_vocabulary(vocabularies, all_symbols)] if vocabularies else []
    card = [f"  {line}".rstrip() for line in bundle.card.splitlines()]
    return [*lines, "", "Card", *card] if card else lines


def _listed(data: Any) -> str:
    """A part of a manifest, of any structure, in one line."""
    pairs = _flat(data if isinstance(data, dict) else {"": data})
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}".strip() for name, value in pairs)


def _value(value: Any) -> str:
    """A value of a manifest in a few words."""
    if isinstance(value, list):
        return " ".join("-".join(map(_value, v)) if isinstance(v, list) else _value(v) for v in value)
    if isinstance(value, dict):
        return " ".join(f"{k} {_value(v)}" for k, v in value.items())
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(data: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """The names and values of nested dicts, without those that are None."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value)
        elif value is not None:
            yield name, value


def _format_ngrams(ngrams: NGramsInfo | None) -> str:
    if ngrams is None:
        return ""
    number, verb = (f"{ngrams.count}", "play") if ngrams.count > 1 else ("one", "plays")
    return (
        f"{number} {verb} together with the network, with a share of {format_percent(ngrams.share)} at the beginning "
        f"of a piece; for them the file contains {_counted(ngrams.pieces, 'training piece')}"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _format_sides(pieces: Mapping[str, int]) -> str:
    return (
        f": {', '.join(f'{n:,} {side}' for side, n in pieces.items())} pieces, without duplicates" if pieces else ""
    )


def _format_beginnings(beginnings: tuple[HeaderInfo, ...]) -> str:
    parts = [
        f"{b.pieces:,} begin in {b.meter}"
        + (f" after a pickup of {b.pickup}" if b.pickup else "")
        + f" at {b.tempo:g} qpm"
        for b in beginnings[:3]
    ]
    more = len(beginnings) - 3
    return ", ".join(parts) + (f", and {more} other beginnings" if more > 0 else "")


def _figures(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A table: a row for each figure, a column for each side of the split and each baseline."""
    names = dict.fromkeys(name for figures in metrics.values() for name in figures)
    head = ("", *(side.replace("_", " ") for side in metrics))
    rows = [(name.replace("_", " "), *(_figure(f.get(name), name) for f in metrics.values())) for name in names]
    return [f"  {line}" for line in format_table([head, *rows], right=range(1, len(head)))]


def _figure(value: float | None, name: str) -> str:
    if value is None:
        return ""
    if name in ("accuracy", "unknown"):
        return format_percent(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _vocabulary(vocabularies: Iterable[Vocabulary], all_symbols: bool) -> list[str]:
    rows = []
    for field in vocabularies:
        shown = field.symbols if all_symbols else field.symbols[:SHOWN_SYMBOLS]
        more = len(field.symbols) - len(shown)
        rows.append(
            (field.name, " ".join(shown) + (f" … and {more:,} more (--vocabulary shows all)" if more else ""))
        )
    return format_labels(rows, indent=2)


COMMAND = Command(
    "Describe a model (network, encoding, vocabulary, figures, card), a music file (tracks, key, meters, length, "
    "encodings; the command that composed it) or a corpus (pieces, notes, keys, meters, pitches, durations).",
    add_options=add_options,
    run=run,
)
