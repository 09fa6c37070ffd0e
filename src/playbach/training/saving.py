"""A trained network as a bundle: its exported step, checked; its weights, manifest and card.

Needs the extra `train`.
"""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Iterator
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch

from playbach.bundles import bundle as bundles
from playbach.bundles import passages
from playbach.data.corpora import DEFAULT
from playbach.encodings import OPTIONS
from playbach.export import onnx
from playbach.inference.sampling import Sampling
from playbach.models import Model
from playbach.system.errors import BundleError
from playbach.system.version import __version__
from playbach.training.diagnosis import Verdict
from playbach.training.loop import Trained, example
from playbach.training.options import TrainOptions


def written(stem: Path, trained: Trained) -> Path | None:
    """The bundle, where a run had written it already when it was cut short."""
    path = stem.with_name(stem.name + bundles.SUFFIX)
    try:
        found = bundles.read(path).members[bundles.WEIGHTS]
    except (BundleError, KeyError):
        return None
    return path if found == weights(trained.model) else None


def write(stem: Path, trained: Trained, verdict: Verdict) -> Path:
    step = onnx.export(trained.model)
    difference = onnx.check(step, trained.model, *example(trained))
    manifest = _manifest(stem.name, trained, verdict, difference)
    members = {
        bundles.ONNX: step,
        bundles.WEIGHTS: weights(trained.model),
        bundles.CARD: _card(stem.name, trained, verdict).encode("utf-8"),
    }
    return bundles.write(stem.with_name(stem.name + bundles.SUFFIX), manifest, members)


def _manifest(name: str, trained: Trained, verdict: Verdict, difference: float) -> dict[str, Any]:
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
            "command": command(name, trained),
            "corpus": trained.corpus.name,
            **({"base": {"name": base.name, "sha256": base.bundle.sha256}} if (base := trained.base) else {}),
            "options": asdict(trained.options),
            "device": trained.device,
            "dtype": trained.dtype,
            "batch": trained.batch,
            "training_symbols": trained.training_symbols,
            "seconds": round(trained.seconds, 1),
            "epochs": len(trained.history),
            "best_epoch": trained.best.number,
            "stopped": trained.stopped,
            "python": platform.python_version(),
            "versions": {p: version(p) for p in ("torch", "numpy", "onnx", "onnxscript", "onnxruntime", "symusic")},
        },
        "metrics": {
            "test": trained.test.manifest(),
            "valid": trained.best.valid.manifest(),
            "train": trained.best.train.manifest(),
            "guessing_by_frequency": trained.baseline.manifest(),
            **({"ngram": trained.ngram.manifest()} if trained.ngram else {}),
            "onnx_largest_logit_difference": difference,
            "verdict": verdict.word,
        },
        "pieces": _pieces(trained),
        "passages": [passage.manifest() for passage in _passages(trained)],
    }


def _passages(trained: Trained) -> Iterator[passages.Passage]:
    """Of training pieces in an order that the seed decides."""
    train = trained.corpus.train
    order = np.random.default_rng(trained.options.seed).permutation(len(train)).tolist()
    return passages.take(((train[i].name, train[i].score) for i in order), trained.encoding)


def _pieces(trained: Trained) -> dict[str, list[str]]:
    """The side and name of all that the network has met, by hash; what it began with has met pieces, too, and is not
    unlearnt."""
    before = dict(trained.base.pieces) if trained.base else {}
    now = {piece.digest: [side, piece.name] for side, piece in trained.corpus.pieces()}
    return {**before, **now}


def command(name: str, trained: Trained) -> str:
    """What would train it again: `playbach train` with all that is not a default. What has no option of the command
    line can be read in the manifest."""
    options, corpus = trained.options, trained.corpus.name
    apart = ("network", "weights", *OPTIONS)
    flags = {f.name: getattr(options, f.name) for f in fields(TrainOptions) if f.name not in apart}
    given = {flag: value for flag, value in flags.items() if value != getattr(TrainOptions(), flag)}
    chosen = asdict(getattr(options, str(options.encoding))) if options.encoding in OPTIONS else {}
    usual = asdict(OPTIONS[str(options.encoding)]()) if chosen else {}
    given |= {k: v for k, v in chosen.items() if v != usual[k]}
    if options.weights:
        given["weights"] = ",".join(f"{name}={weight:g}" for name, weight in options.weights.items())
    given = {"name": name, **given, **options.network}
    if trained.base is not None:  # which decides what network and encoding are
        decided = {"model", "encoding", *options.network, *chosen}
        given = {"from": trained.base.name, **{k: v for k, v in given.items() if k not in decided}}
    if corpus == DEFAULT and options.encoding == "chorale":
        given.pop("encoding", None)
    words = ["playbach", "train", *([] if corpus == DEFAULT else [corpus])]
    for flag, value in given.items():
        flag = flag.replace("_", "-")
        words += [f"--no-{flag}"] if value is False else [f"--{flag}", *([] if value is True else [str(value)])]
    return shlex.join(words)


def _card(name: str, trained: Trained, verdict: Verdict) -> str:
    """For people: what the network is, what it learnt from, and how good it is."""
    corpus, options = trained.corpus, trained.options
    rows = [
        ("held-out test", trained.test),
        ("validation", trained.best.valid),
        ("training pieces", trained.best.train),
        *([("test, guessed by an n-gram", trained.ngram)] if trained.ngram else []),
        ("test, guessed by frequency", trained.baseline),
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
  test; {corpus.tunes} tunes. Training pieces also in all keys within the corpus's range.
- Command: `{command(name, trained)}`
- Trained by playbach {__version__}, {len(trained.history)} epochs (the best was {trained.best.number}) in
  {minutes:.0f} minutes on {trained.device} in {trained.dtype}, batches of {trained.batch} windows of
  {options.window} steps, seed {options.seed}; it ended because of: {trained.stopped}.
{_beginning(trained)}- Network: {json.dumps(trained.model.config())}
- It carries the first {passages.BARS} bars of up to {passages.MOST} training pieces, which
  `playbach compose --prime corpus` goes on from.

| music | pieces | accuracy | bits per symbol | bits per note | unknown |
|---|---|---|---|---|---|
{table}

Accuracy is the share of steps whose most probable symbol is right. All figures are of whole pieces from their
beginning, without being told how much is left. The n-gram learnt from the same pieces in the same keys
(docs/evaluation.md); guessing by frequency is the least that must be beaten.

{verdict}
"""


def _beginning(trained: Trained) -> str:
    base = trained.base
    return f"- It began with the weights of {base.name} ({base.bundle.sha256[:12]}).\n" if base else ""


def weights(model: Model) -> bytes:
    """In 16-bit floats: to train on, that is enough; what plays is the ONNX step, in 32 bits."""
    tensors = {n: t.detach().cpu().half().contiguous() for n, t in model.state_dict().items()}
    return safetensors.torch.save(tensors)
