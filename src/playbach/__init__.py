"""playbach: train a neural network on the music you love, and let it play for you.

    import playbach

    playbach.load().compose(bars=16, seed=7).write("piece.mid")

Each function imports what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from playbach.system.errors import PlaybachError
from playbach.system.version import __version__

if TYPE_CHECKING:
    from symusic.core import ScoreTick

    from playbach.encodings.options import ChoraleOptions, EventsOptions, NotesOptions
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
    teachers: Sequence[str | Path] = (),
    tensorboard: bool = False,
    listen: bool = False,
    report: Callable[[str], None] = lambda line: None,
    pedal: Literal["keep", "ignore"] | None = None,
    plain_ornaments: bool | None = None,
    meter: str | None = None,
    encoding: str | None = None,
    notes: NotesOptions | None = None,
    chorale: ChoraleOptions | None = None,
    events: EventsOptions | None = None,
    vocabulary: Literal["music", "any"] | None = None,
    model: str | None = None,
    network: Mapping[str, Any] | None = None,
    weights: Mapping[str, float] | None = None,
    network_alone: bool | None = None,
    epochs: int | None = None,
    max_minutes: float | None = None,
    patience: int | None = None,
    batch: int | None = None,
    window: int | None = None,
    learning_rate: float | None = None,
    composed: int | None = None,
    weight_decay: float | None = None,
    averaging: float | None = None,
    clip: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    dtype: str | None = None,
) -> Run:
    """Train a network and write NAME.playbach, NAME.png, NAME.log and NAME.jsonl. After a minute of training
    NAME.playbach has the best network so far.

    Args:
        folder: a folder of MIDI and MusicXML files, or the name of a built-in corpus; by default `bach-chorales`.
        name: the name of the files; by default corpus, model and encoding.
        into: the folder for the files, which must exist.
        resume: continue an interrupted run: the path of its NAME.run, or True for the only run in `into`.
        base: continue training this model, named as for `load`; its network and encoding are kept. By default the
            shipped model that suits the music; "none": begin from nothing.
        teachers: learn also what these models of the same music predict, which differ in their seed.
        tensorboard: also write NAME.tensorboard/ (extra `tensorboard`).
        listen: also compose eight bars after each better epoch, to NAME-listen.mid.
        report: called with each progress line.

    The others are the fields of `playbach.training.options.TrainOptions`, which says what they mean; None is its
    default, and in a resumed run what the run began with.

    Raises:
        CorpusError: there is too little music.
        UsageError: an option is invalid, or differs from those of the run to resume.
        MissingExtra: the extra `train` is not installed.
        PlaybachError: the files cannot be written, or the training diverged.
    """
    from playbach.system.errors import MissingExtra, UsageError
    from playbach.system.options import given
    from playbach.training.options import TrainOptions

    options = given(TrainOptions, locals())
    try:
        from playbach.bundles import network as networks
        from playbach.training import finetuning, runs
    except ModuleNotFoundError as error:
        raise MissingExtra("training", "train", str(error.name)) from error
    if resume:
        if base is not None:
            raise UsageError("base cannot be combined with resume: a resumed run keeps its own network")
        path = None if resume is True else resume
        return runs.resume(path, options, folder=folder, listen=listen, name=name, into=into, report=report)
    begun_from = finetuning.read_base(base)
    return runs.run(
        folder,
        TrainOptions(**finetuning.finetune_options(begun_from, options)),
        base=begun_from,
        teachers=[networks.read_base_model(teacher) for teacher in teachers],
        tensorboard=tensorboard,
        listen=listen,
        name=name,
        into=into,
        report=report,
    )


def evaluate(
    model: str | Path | None = None,
    folder: str | Path | None = None,
    *,
    report: Callable[[str], None] = lambda line: None,
    side: str | None = None,
    samples: int | None = None,
    bars: int | None = None,
    no_rules: bool | None = None,
    continuations: int | None = None,
    pedal: Literal["keep", "ignore"] | None = None,
    plain_ornaments: bool | None = None,
    meter: str | None = None,
) -> Evaluation:
    """Measure a model on held-out music.

    Args:
        model: named as for `load`.
        folder: a folder of music; by default the built-in corpus that the model was trained on.
        report: called with each progress line.

    The others are the fields of `playbach.evaluation.options.EvaluationOptions`, which says what they mean; None is
    its default, and for pedal, plain_ornaments and meter what the model was trained with.

    Raises:
        BundleError: the model does not exist or is damaged.
        CorpusError: there is no music to measure it on.
        UsageError: an option is invalid.
    """
    from playbach.evaluation.options import EvaluationOptions
    from playbach.system.options import given

    options = EvaluationOptions(**given(EvaluationOptions, locals()))
    from playbach.evaluation import reports

    return reports.evaluate(load(model), folder, options, report)


def read(
    path: str | Path,
    *,
    pedal: Literal["keep", "ignore"] | None = None,
    plain_ornaments: bool | None = None,
    meter: str | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> ScoreTick:
    """Read a MIDI or MusicXML file.

    Args:
        report: called with a line for each kind of thing that is left out or changed, such as `3 notes have no end;
            each ends with its track`.

    The others are the fields of `playbach.music.options.ReadingOptions`, which says what they mean; None is its
    default.

    Raises:
        ScoreError: the file is damaged or is not music. It cannot crash the process.
        UsageError: an option is invalid.
    """
    from playbach.music.options import ReadingOptions
    from playbach.system.options import given

    options = ReadingOptions(**given(ReadingOptions, locals()))
    from playbach.music import reading

    file = reading.read_file(path, options=options)
    for line in file.remarks:
        report(line)
    return file.score


def write(score: ScoreTick, path: str | Path, *, soundfont: str | Path | None = None, sheet: bool = False) -> Path:
    """Write a score in the format of the path's suffix: .mid, .wav, .flac, .mp3, .ogg, .musicxml, .mxl, .pdf, .svg or
    .png, which is a piano roll, or with `sheet` a page.

    Returns the path of the file, which has another name if `path` exists: nothing is overwritten. Of several pages,
    it is that of the first: `NAME-1.svg`.
    """
    from playbach import rendering

    return rendering.write(score, path, soundfont=soundfont, sheet=sheet)
