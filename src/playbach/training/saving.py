"""Writes a network as a bundle: the exported and checked step, the weights, the manifest and the card. The network is
a trained one, or the best so far while training goes on.

Needs the extra `train`.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from playbach.bundles import bundle as bundles
from playbach.bundles import passages
from playbach.bundles.bundle import Bundle
from playbach.bundles.exported import NGRAMS
from playbach.bundles.fingerprints import numbers_of_pieces, read_index
from playbach.bundles.network import BaseModel
from playbach.data import terms
from playbach.data.corpora import DEFAULT_CORPUS
from playbach.data.pieces import Corpus
from playbach.encodings import OPTIONS
from playbach.evaluation import originality
from playbach.evaluation.metrics import Figures
from playbach.export import onnx
from playbach.inference.options import Sampling
from playbach.models import MODELS
from playbach.models.base import Model
from playbach.music.borrowing import stored
from playbach.ngrams.ngram import NGRAM_MEMBERS
from playbach.system.errors import BundleError
from playbach.system.options import changed, listed
from playbach.system.version import __version__
from playbach.training import finetuning
from playbach.training.diagnosis import Diagnosis
from playbach.training.trained import NetworkSoFar, TrainedNetwork, example_inputs

VERDICT_SO_FAR = Diagnosis("not finished", ("Not finished: training was going on when this file was written.",))


def bundle_path(stem: Path) -> Path:
    """The bundle of a run whose files have this path without their endings."""
    return stem.with_name(stem.name + bundles.BUNDLE_SUFFIX)


def find_written(stem: Path, trained: TrainedNetwork) -> Path | None:
    """The run's bundle, if it had been written before the run was interrupted."""
    path = bundle_path(stem)
    try:
        bundle = bundles.read(path)
        weights = bundle.members[bundles.WEIGHTS]
    except (BundleError, KeyError):
        return None
    is_written = not _is_unfinished(bundle) and weights == weights_as_bytes(trained.model)
    return path if is_written else None


def is_own_bundle_so_far(stem: Path, corpus: Corpus) -> bool:
    """Whether the file with the name of a run's bundle is one that `write_bundle_so_far` has written, with this name
    and of this music, and not a file of the user's."""
    try:
        bundle = bundles.read(bundle_path(stem))
    except BundleError:
        return False
    known, pieces = bundles.known_pieces(bundle.manifest), (piece.digest for _, piece in corpus.pieces())
    return _is_unfinished(bundle) and bundle.manifest.get("name") == stem.name and known.keys() >= set(pieces)


def _is_unfinished(bundle: Bundle) -> bool:
    provenance = bundle.manifest.get("provenance")
    return isinstance(provenance, Mapping) and provenance.get("unfinished") is True


def write_bundle(stem: Path, trained: TrainedNetwork, diagnosis: Diagnosis) -> Path:
    """Export the network's step, check it against torch, and write the bundle; return its path. It takes the place of
    the run's own bundle so far; any other file of this name stays, and the bundle gets another name."""
    return _write(stem, trained, diagnosis, overwrite=is_own_bundle_so_far(stem, trained.corpus))


def write_bundle_so_far(stem: Path, network: NetworkSoFar) -> Path | None:
    """Write the bundle of a network whose training goes on, in the place of an earlier one. Return its path, or None
    if the name now belongs to a file of the user's, which stays.

    Raises:
        PlaybachError: the exported step differs from torch's, or the file cannot be written.
    """
    path = bundle_path(stem)
    if os.path.lexists(path) and not is_own_bundle_so_far(stem, network.corpus):
        return None
    with torch.random.fork_rng(devices=[]):  # an exporter that draws a random number must not change the training
        return _write(stem, network, VERDICT_SO_FAR, overwrite=True)


def _write(stem: Path, network: NetworkSoFar, diagnosis: Diagnosis, *, overwrite: bool) -> Path:
    step = onnx.export_step(network.model)
    difference = onnx.check_step(step, network.model, *example_inputs(network))
    manifest = _manifest(stem.name, network, diagnosis, difference)
    members = {
        bundles.ONNX: step,
        bundles.WEIGHTS: weights_as_bytes(network.model),
        bundles.CARD: _card(stem.name, network, diagnosis).encode("utf-8"),
    }
    if isinstance(network, TrainedNetwork) and network.members is not None:
        members[NGRAMS] = network.members.data
    if isinstance(network, TrainedNetwork):
        members[bundles.FINGERPRINTS] = _index(network, manifest)
    if rows := terms.sources(network.corpus.name):
        members[bundles.SOURCES] = terms.as_tsv(rows).encode("utf-8")
    return bundles.write(bundle_path(stem), manifest, members, overwrite)


def _manifest(name: str, trained: NetworkSoFar, diagnosis: Diagnosis, difference: float) -> dict[str, Any]:
    model = trained.model
    return {
        "playbach": __version__,
        "name": name,
        "architecture": {
            "name": model.name,
            "config": model.config(),
            "symbols": list(model.shape.symbols),
            "context": list(model.shape.context),
            "parameters": model.parameter_count(),
        },
        "encoding": trained.encoding.manifest(),
        "sampling": asdict(Sampling()),
        "provenance": {
            "command": training_command(name, trained),
            "corpus": trained.corpus.name,
            **({"base": _identity(trained.base)} if trained.base else {}),
            **({"teachers": [_identity(teacher) for teacher in trained.teachers]} if trained.teachers else {}),
            "options": asdict(trained.options),
            "device": trained.device,
            "dtype": trained.dtype,
            "batch": trained.batch,
            "training_symbols": trained.training_symbols,
            "seconds": round(trained.seconds, 1),
            "epochs": len(trained.history),
            "best_epoch": trained.best.number,
            **_ending(trained),
            "python": platform.python_version(),
            "versions": {p: version(p) for p in ("torch", "numpy", "onnx", "onnxscript", "onnxruntime", "symusic")},
        },
        "metrics": {
            **{side: figures.manifest() for side, figures in _figures(trained).items()},
            "onnx_largest_logit_difference": difference,
            "verdict": diagnosis.word,
        },
        "pieces": _pieces(trained),
        "passages": [passage.manifest() for passage in _passages(trained)],
    }


def _index(trained: TrainedNetwork, manifest: Mapping[str, Any]) -> bytes:
    """The index of the training pieces, and before them of those of the base model, if that has an index."""
    of_base = read_index(trained.base.bundle) if trained.base else None
    base = () if of_base is None else of_base.index.shelves[1 - stored.MAX_SHELVES :]
    return originality.index_of(trained.corpus, trained.encoding, numbers_of_pieces(manifest), base)


def _identity(model: BaseModel) -> dict[str, str]:
    return {"name": model.name, "sha256": model.bundle.sha256}


def _ending(network: NetworkSoFar) -> dict[str, Any]:
    """How training ended, for the manifest."""
    return {"stopped": network.stop_reason} if isinstance(network, TrainedNetwork) else {"unfinished": True}


def _figures(network: NetworkSoFar) -> dict[str, Figures]:
    """The network's figures, and those of the baselines, under their names in the manifest."""
    on_valid_and_train = {"valid": network.best.valid, "train": network.best.train}
    if not isinstance(network, TrainedNetwork):
        return on_valid_and_train
    others = {
        "test_alone": network.alone if network.members else None,
        "ngram": network.ngram,
        "ngrams": network.ngrams,
    }
    return {
        "test": network.test,
        **on_valid_and_train,
        "guessing_by_frequency": network.baseline,
        **{name: figures for name, figures in others.items() if figures},
    }


_CARD_ROWS = {
    "test": "held-out test",
    "test_alone": "test, the network alone",
    "valid": "validation",
    "train": "training pieces",
    "ngram": "test, one n-gram",
    "ngrams": f"test, {NGRAM_MEMBERS} n-grams averaged",
    "guessing_by_frequency": "test, guessing by frequency",
}
"""What a row of the card's table is called, by the name of its figures in the manifest."""


def _passages(trained: NetworkSoFar) -> Iterator[passages.Passage]:
    """Passages of training pieces, in a random order that depends on the seed."""
    train = trained.corpus.train
    order = np.random.default_rng(trained.options.seed).permutation(len(train)).tolist()
    return passages.first_passages(((train[i].name, train[i].score) for i in order), trained.encoding)


def _pieces(trained: NetworkSoFar) -> dict[str, list[str]]:
    """The side of the split and the name of each piece, by content hash: those of the base model and of this run."""
    of_base = dict(trained.base.pieces) if trained.base else {}
    of_corpus = {piece.digest: [side, piece.name] for side, piece in trained.corpus.pieces()}
    return {**of_base, **of_corpus}


def training_command(name: str, trained: NetworkSoFar) -> str:
    """The command that trains this network again: `playbach train` with all options that differ from the defaults.
    Options that the command line lacks are in the manifest only."""
    options, corpus, base = trained.options, trained.corpus.name, trained.base
    words = [*([] if corpus == DEFAULT_CORPUS else [corpus])]
    words += ["--from", base.name if base else finetuning.Beginning.NOTHING.value, "--name", name]
    words += [word for teacher in trained.teachers for word in ("--teacher", teacher.name)]
    of_base = {"encoding", "model"} if base else set()
    is_chosen = {"encoding"} if corpus == DEFAULT_CORPUS and options.encoding == "chorale" else set()
    words += _words(options, without=of_base | is_chosen | {"weights"})
    if options.weights:
        words += ["--weights", ",".join(f"{field}={weight:g}" for field, weight in options.weights.items())]
    if options.encoding in OPTIONS and (base is None or options.encoding == "chorale"):  # which may add to its base
        words += _words(getattr(options, str(options.encoding)))
    if base is None:
        words += _words(MODELS[options.model].options(**options.network))
    return shlex.join(["playbach", "train", *words])


def _words(options: Any, without: Collection[str] = ()) -> list[str]:
    """The words of the command line that set the options of a dataclass that differ from the defaults."""
    return [w for option, value in changed(options) if option.name not in without for w in option.words(value)]


def _card(name: str, trained: NetworkSoFar, diagnosis: Diagnosis) -> str:
    """CARD.md: what the network is, how it was trained, and how good it is."""
    corpus, options = trained.corpus, trained.options
    figures = _figures(trained)
    table = "\n".join(
        f"| {what} | {f.pieces} | {f.accuracy:.3f} | {f.bits_per_symbol:.3f} | {f.bits_per_note:.3f} "
        f"| {f.unknown:.2%} |"
        for f, what in ((figures[side], what) for side, what in _CARD_ROWS.items() if side in figures)
    )
    minutes = trained.seconds / 60
    return f"""# {name}

A `{trained.model.name}` of {trained.model.parameter_count():,} parameters that composes in the
`{trained.encoding.name}` encoding.

- Corpus: {corpus.name}; {len(corpus.train)} pieces to train, {len(corpus.valid)} to validate, {len(corpus.test)} to
  test; {corpus.tunes} different tunes. Training pieces are transposed to all keys within the corpus's range.
- Command: `{training_command(name, trained)}`
- Training: playbach {__version__}; {len(trained.history)} epochs (the best was epoch {trained.best.number}) in
  {minutes:.0f} minutes on {trained.device} in {trained.dtype}; batches of {trained.batch} windows of up to
  {options.window} steps; seed {options.seed}. {_card_ending(trained)}
{_base_line(trained)}- Network: {json.dumps(trained.model.config())}
- Contains the first {passages.PASSAGE_BARS} bars of up to {passages.MAX_PASSAGES} training pieces, which
  `playbach compose --prime corpus` continues.
{_index_line(trained)}
| music | pieces | accuracy | bits per symbol | bits per note | unknown |
|---|---|---|---|---|---|
{table}

Accuracy is the proportion of steps whose most probable symbol is correct. All figures are for whole pieces, measured
without telling the network how much of the piece is left. {_about_test(trained)}

{diagnosis}
"""


def _index_line(network: NetworkSoFar) -> str:
    if not isinstance(network, TrainedNetwork):
        return ""
    return """- Contains fingerprints of its training pieces, by which `playbach originality` and `playbach compose
  --original` see what is borrowed from them.
"""


def _card_ending(network: NetworkSoFar) -> str:
    if isinstance(network, TrainedNetwork):
        return f"Reason for stopping: {network.stop_reason}."
    return "**Training was not finished** when this\n  file was written: it is the best network so far."


def _about_test(network: NetworkSoFar) -> str:
    if not isinstance(network, TrainedNetwork):
        return "The test pieces are measured once, when training is\nover."
    return """The n-grams were fitted to the same training pieces in the
same keys (see docs/evaluation.md). Guessing by frequency is the minimum that a network must beat."""


def _base_line(trained: NetworkSoFar) -> str:
    base, teachers = trained.base, trained.teachers
    line = f"- Trained further from {base.name} ({base.bundle.sha256[:12]}).\n" if base else ""
    if isinstance(trained, TrainedNetwork) and (members := trained.members):
        line += (
            f"- {members.count} n-grams play together with the network, whose share at the beginning of a piece is "
            f"{members.network_share:.0%}. For\n  them the bundle contains all training pieces.\n"
        )
    if teachers:
        line += f"- Learnt also what {listed([t.name for t in teachers], 'and')} and n-grams know together.\n"
    return line


def weights_as_bytes(model: Model) -> bytes:
    """The weights in safetensors as 16-bit floats, to which they have been rounded; the ONNX step has the same ones
    in 32 bits."""
    tensors = {n: t.detach().cpu().half().contiguous() for n, t in model.state_dict().items()}
    return safetensors.torch.save(tensors)
