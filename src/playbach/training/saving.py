"""Writes a trained network as a bundle: the exported and checked step, the weights, the manifest and the card.

Needs the extra `train`.
"""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Collection, Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch

from playbach.bundles import bundle as bundles
from playbach.bundles import passages
from playbach.bundles.network import BaseModel
from playbach.data import terms
from playbach.data.corpora import DEFAULT_CORPUS
from playbach.encodings import OPTIONS
from playbach.export import onnx
from playbach.inference.options import Sampling
from playbach.models import MODELS
from playbach.models.base import Model
from playbach.ngrams.ngram import NGRAM_MEMBERS
from playbach.system.errors import BundleError
from playbach.system.options import changed, listed
from playbach.system.version import __version__
from playbach.training.diagnosis import Diagnosis
from playbach.training.trained import TrainedNetwork, example_inputs


def find_written(stem: Path, trained: TrainedNetwork) -> Path | None:
    """The run's bundle, if it had been written before the run was interrupted."""
    path = stem.with_name(stem.name + bundles.BUNDLE_SUFFIX)
    try:
        weights = bundles.read(path).members[bundles.WEIGHTS]
    except (BundleError, KeyError):
        return None
    return path if weights == weights_as_bytes(trained.model) else None


def write_bundle(stem: Path, trained: TrainedNetwork, diagnosis: Diagnosis) -> Path:
    """Export the network's step, check it against torch, and write the bundle; return its path."""
    step = onnx.export_step(trained.model)
    difference = onnx.check_step(step, trained.model, *example_inputs(trained))
    manifest = _manifest(stem.name, trained, diagnosis, difference)
    members = {
        bundles.ONNX: step,
        bundles.WEIGHTS: weights_as_bytes(trained.model),
        bundles.CARD: _card(stem.name, trained, diagnosis).encode("utf-8"),
    }
    if trained.members is not None:
        members[bundles.NGRAMS] = trained.members.data
    if rows := terms.sources(trained.corpus.name):
        members[bundles.SOURCES] = terms.as_tsv(rows).encode("utf-8")
    return bundles.write(stem.with_name(stem.name + bundles.BUNDLE_SUFFIX), manifest, members)


def _manifest(name: str, trained: TrainedNetwork, diagnosis: Diagnosis, difference: float) -> dict[str, Any]:
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
            "stopped": trained.stop_reason,
            "python": platform.python_version(),
            "versions": {p: version(p) for p in ("torch", "numpy", "onnx", "onnxscript", "onnxruntime", "symusic")},
        },
        "metrics": {
            "test": trained.test.manifest(),
            **({"test_alone": trained.alone.manifest()} if trained.members else {}),
            "valid": trained.best.valid.manifest(),
            "train": trained.best.train.manifest(),
            "guessing_by_frequency": trained.baseline.manifest(),
            **({"ngram": trained.ngram.manifest()} if trained.ngram else {}),
            **({"ngrams": trained.ngrams.manifest()} if trained.ngrams else {}),
            "onnx_largest_logit_difference": difference,
            "verdict": diagnosis.word,
        },
        "pieces": _pieces(trained),
        "passages": [passage.manifest() for passage in _passages(trained)],
    }


def _identity(model: BaseModel) -> dict[str, str]:
    return {"name": model.name, "sha256": model.bundle.sha256}


def _passages(trained: TrainedNetwork) -> Iterator[passages.Passage]:
    """Passages of training pieces, in a random order that depends on the seed."""
    train = trained.corpus.train
    order = np.random.default_rng(trained.options.seed).permutation(len(train)).tolist()
    return passages.first_passages(((train[i].name, train[i].score) for i in order), trained.encoding)


def _pieces(trained: TrainedNetwork) -> dict[str, list[str]]:
    """The side of the split and the name of each piece, by content hash: those of the base model and of this run."""
    of_base = dict(trained.base.pieces) if trained.base else {}
    of_corpus = {piece.digest: [side, piece.name] for side, piece in trained.corpus.pieces()}
    return {**of_base, **of_corpus}


def training_command(name: str, trained: TrainedNetwork) -> str:
    """The command that trains this network again: `playbach train` with all options that differ from the defaults.
    Options that the command line lacks are in the manifest only."""
    options, corpus, base = trained.options, trained.corpus.name, trained.base
    words = [*([] if corpus == DEFAULT_CORPUS else [corpus])]
    words += [*(["--from", base.name] if base else []), "--name", name]
    words += [word for teacher in trained.teachers for word in ("--teacher", teacher.name)]
    of_base = {"encoding", "model"} if base else set()
    is_chosen = {"encoding"} if corpus == DEFAULT_CORPUS and options.encoding == "chorale" else set()
    words += _words(options, without=of_base | is_chosen | {"weights"})
    if options.weights:
        words += ["--weights", ",".join(f"{field}={weight:g}" for field, weight in options.weights.items())]
    if base is None:
        words += _words(getattr(options, str(options.encoding))) if options.encoding in OPTIONS else []
        words += _words(MODELS[options.model].options(**options.network))
    return shlex.join(["playbach", "train", *words])


def _words(options: Any, without: Collection[str] = ()) -> list[str]:
    """The words of the command line that set the options of a dataclass that differ from the defaults."""
    return [w for option, value in changed(options) if option.name not in without for w in option.words(value)]


def _card(name: str, trained: TrainedNetwork, diagnosis: Diagnosis) -> str:
    """CARD.md: what the network is, how it was trained, and how good it is."""
    corpus, options = trained.corpus, trained.options
    rows = [
        ("held-out test", trained.test),
        *([("test, the network alone", trained.alone)] if trained.members else []),
        ("validation", trained.best.valid),
        ("training pieces", trained.best.train),
        *([("test, one n-gram", trained.ngram)] if trained.ngram else []),
        *([(f"test, {NGRAM_MEMBERS} n-grams averaged", trained.ngrams)] if trained.ngrams else []),
        ("test, guessing by frequency", trained.baseline),
    ]
    table = "\n".join(
        f"| {what} | {f.pieces} | {f.accuracy:.3f} | {f.bits_per_symbol:.3f} | {f.bits_per_note:.3f} "
        f"| {f.unknown:.2%} |"
        for what, f in rows
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
  {options.window} steps; seed {options.seed}. Reason for stopping: {trained.stop_reason}.
{_base_line(trained)}- Network: {json.dumps(trained.model.config())}
- Contains the first {passages.PASSAGE_BARS} bars of up to {passages.MAX_PASSAGES} training pieces, which
  `playbach compose --prime corpus` continues.

| music | pieces | accuracy | bits per symbol | bits per note | unknown |
|---|---|---|---|---|---|
{table}

Accuracy is the proportion of steps whose most probable symbol is correct. All figures are for whole pieces, measured
without telling the network how much of the piece is left. The n-gram was fitted to the same training pieces in the
same keys (see docs/evaluation.md). Guessing by frequency is the minimum that a network must beat.

{diagnosis}
"""


def _base_line(trained: TrainedNetwork) -> str:
    base, teachers = trained.base, trained.teachers
    line = f"- Trained further from {base.name} ({base.bundle.sha256[:12]}).\n" if base else ""
    if members := trained.members:
        line += (
            f"- {members.count} n-grams play together with the network, which has {members.network_share:.0%} of the "
            "say. For them the bundle contains all training pieces.\n"
        )
    if teachers:
        line += f"- Learnt also what {listed([t.name for t in teachers], 'and')} and n-grams know together.\n"
    return line


def weights_as_bytes(model: Model) -> bytes:
    """The weights in safetensors as 16-bit floats, which is enough for training further; playing uses the ONNX step,
    which has 32 bits."""
    tensors = {n: t.detach().cpu().half().contiguous() for n, t in model.state_dict().items()}
    return safetensors.torch.save(tensors)
