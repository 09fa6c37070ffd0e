"""playbach: train a neural network on the music you love, and let it play for you.

    import playbach

    playbach.load().compose(bars=16, seed=7).write("piece.mid")

Each function imports what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbach.system.errors import PlaybachError
from playbach.system.version import __version__

if TYPE_CHECKING:
    from symusic.core import ScoreTick

    from playbach.evaluation.reports import Evaluation
    from playbach.inference.composing import Composer
    from playbach.training.runs import Run

__all__ = ["PlaybachError", "__version__", "evaluate", "load", "read", "train", "write"]


def load(name_or_path: str | Path | None = None, *, runtime: str | None = None) -> Composer:
    """Load a model and return its composer.

    Args:
        name_or_path: a bundle, an exported file or the name of a shipped model; by default the chorale model.
        runtime: `onnx` or `litert`; by default the one that fits the file.

    Raises:
        BundleError: the model does not exist or is damaged, or the runtime does not support it.
        UsageError: the runtime is unknown.
        MissingExtra: the runtime is not installed.
    """
    from playbach.inference.composing import load

    return load(name_or_path, runtime)


def train(
    folder: str | Path | None = None,
    *,
    name: str | None = None,
    into: str | Path = ".",
    resume: bool | str | Path = False,
    base: str | Path | None = None,
    tensorboard: bool = False,
    report: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Run:
    """Train a network and write NAME.playbach, NAME.png, NAME.log and NAME.jsonl.

    Args:
        folder: a folder of MIDI and MusicXML files, or the name of a built-in corpus; by default `bach-chorales`.
        name: the name of the files; by default corpus, model and encoding.
        into: the folder for the files, which must exist.
        resume: continue an interrupted run: the path of its NAME.run, or True for the only run in `into`.
        base: continue training this model, named as for `load`; its network and encoding are kept.
        tensorboard: also write NAME.tensorboard/ (extra `tensorboard`).
        report: called with each progress line.
        options: fields of `playbach.training.options.TrainOptions`, such as encoding, model, epochs, seed, device.

    Raises:
        CorpusError: there is too little music.
        UsageError: an option is invalid, or differs from those of the run to resume.
        MissingExtra: the extra `train` is not installed.
        PlaybachError: the files cannot be written, or the training diverged.
    """
    from playbach.system.errors import MissingExtra, UsageError

    try:
        from playbach.bundles import network
        from playbach.training import finetuning, runs
        from playbach.training.options import TrainOptions
    except ModuleNotFoundError as error:
        raise MissingExtra("training", "train", str(error.name)) from error
    known = TrainOptions.__dataclass_fields__
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(
            f"training has no option {unknown[0]!r}; it has: name, into, resume, base, tensorboard, report, "
            f"{', '.join(known)} (the network's own options belong in the dict `network`)"
        )
    if resume:
        if base is not None:
            raise UsageError("base cannot be combined with resume: a resumed run keeps its own network")
        path = None if resume is True else resume
        return runs.resume(path, options, folder=folder, name=name, into=into, report=report)
    base_model = network.read_base_model(base) if base is not None else None
    chosen = finetuning.finetune_options(base_model, options) if base_model else options
    files: dict[str, Any] = {"name": name, "into": into, "tensorboard": tensorboard}
    return runs.run(folder, TrainOptions(**chosen), base=base_model, report=report, **files)


def evaluate(
    model: str | Path | None = None,
    folder: str | Path | None = None,
    *,
    report: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Evaluation:
    """Measure a model on held-out music.

    Args:
        model: named as for `load`.
        folder: a folder of music; by default the built-in corpus that the model was trained on.
        report: called with each progress line.
        options: fields of `playbach.evaluation.reports.EvaluationOptions`: side, samples, bars, no_rules,
            continuations.

    Raises:
        BundleError: the model does not exist or is damaged.
        CorpusError: there is no music to measure it on.
        UsageError: an option is invalid.
    """
    from playbach.evaluation import reports
    from playbach.system.errors import UsageError

    known = reports.EvaluationOptions.__dataclass_fields__
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(f"evaluation has no option {unknown[0]!r}; it has: report, {', '.join(known)}")
    return reports.evaluate(load(model), folder, reports.EvaluationOptions(**options), report)


def read(path: str | Path) -> ScoreTick:
    """Read a MIDI or MusicXML file. A damaged file raises ScoreError, and cannot crash the process."""
    from playbach.music import reading

    return reading.read(path)


def write(score: ScoreTick, path: str | Path, *, soundfont: str | Path | None = None) -> Path:
    """Write a score in the format of the path's suffix: .mid, .wav, .flac, .mp3, .ogg or .png.

    Returns the path of the file, which has another name if `path` exists: nothing is overwritten.
    """
    from playbach import rendering

    return rendering.write(score, path, soundfont=soundfont)
