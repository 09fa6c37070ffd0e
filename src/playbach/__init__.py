"""playbach: train a neural network on the music you love, and let it play for you.

    import playbach

    playbach.load().compose(bars=16, seed=7).write("piece.mid")

Everything heavy is imported when it is first called.
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
    """The composer of a bundle or an exported network: a path, the name of a model that the package ships, or by
    default its chorale model. `runtime` is `onnx` or `litert`, by default what suits the file.

    Raises:
        BundleError: there is none, it is damaged, or the runtime cannot play it.
        UsageError: there is no such runtime.
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
    """Train on a folder of MIDI and MusicXML files, or on a built-in corpus by its name, and write NAME.playbach,
    NAME.png, NAME.log and NAME.jsonl.

    Args:
        into: the folder for the files, which must exist.
        resume: go on with a training that was cut short: the path of its NAME.run, or True for the only one there is.
        base: a model, named as for `load`, to go on training; what its network and encoding are stays.
        tensorboard: write NAME.tensorboard/, too (extra `tensorboard`).
        report: told each line of talk.
        options: the fields of `playbach.training.options.TrainOptions`: encoding, model, epochs, seed, device …

    Raises:
        CorpusError: there is too little music.
        UsageError: an option that makes no sense, or one that a run to be resumed was not begun with.
        MissingExtra: the extra `train` is not installed.
        PlaybachError: the files cannot be written, or training diverged.
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
            f"{', '.join(known)} (options of the network go into the dict `network`)"
        )
    if resume:
        if base is not None:
            raise UsageError("base and resume contradict each other: a run goes on with what it began with")
        path = None if resume is True else resume
        return runs.resume(path, options, folder=folder, name=name, into=into, report=report)
    begun = network.read_base(base) if base is not None else None
    chosen = finetuning.options_of(begun, options) if begun else options
    files: dict[str, Any] = {"name": name, "into": into, "tensorboard": tensorboard}
    return runs.run(folder, TrainOptions(**chosen), base=begun, report=report, **files)


def evaluate(
    model: str | Path | None = None,
    folder: str | Path | None = None,
    *,
    report: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Evaluation:
    """Measure a model, named as for `load`, on the music in a folder, or on its own corpus if that is a built-in one.

    Args:
        report: told each line of talk.
        options: the fields of `playbach.evaluation.reports.EvaluationOptions`: side, samples, bars, no_rules …

    Raises:
        BundleError: there is no such model, or it is damaged.
        CorpusError: there is no music to measure it on.
        UsageError: an option that makes no sense.
    """
    from playbach.evaluation import reports
    from playbach.system.errors import UsageError

    known = reports.EvaluationOptions.__dataclass_fields__
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(f"evaluating has no option {unknown[0]!r}; it has: report, {', '.join(known)}")
    return reports.evaluate(load(model), folder, reports.EvaluationOptions(**options), report)


def read(path: str | Path) -> ScoreTick:
    """The score in a MIDI or MusicXML file, parsed safely: a damaged file raises ScoreError and nothing worse."""
    from playbach.music import reading

    return reading.read(path)


def write(score: ScoreTick, path: str | Path, *, soundfont: str | Path | None = None) -> Path:
    """Write a score in the format of the path's suffix (.mid, .wav, .flac, .mp3, .ogg, .png) and give the path it
    really has: nothing is ever overwritten."""
    from playbach import rendering

    return rendering.write(score, path, soundfont=soundfont)
