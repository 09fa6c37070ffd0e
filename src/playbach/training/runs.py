"""One training run from the call to its files: NAME.playbach, NAME.png, NAME.log and NAME.jsonl.

While it goes on, NAME.run/ holds all that it needs to be resumed. Needs the extra `train`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

from playbach.bundles import bundle as bundles
from playbach.bundles.network import Base
from playbach.data import corpora
from playbach.data.pieces import Corpus
from playbach.system.errors import CorpusError, MissingExtra, UsageError
from playbach.system.files import shown, writing
from playbach.training import checkpoints, epoch_log, finetuning, plots, resuming, run_folders, saving
from playbach.training.checkpoints import RunState
from playbach.training.diagnosis import Verdict, judge
from playbach.training.distributed import ALONE, World
from playbach.training.loop import Diverged, Hooks, Moment, Trained, train
from playbach.training.options import TrainOptions
from playbach.training.run_folders import RunFolder

STATE, SHARDS = "state.safetensors", "shards"
SAVE_SECONDS = 60.0
"""A run's state is written after every epoch, and within long ones this often …"""
SAVE_SHARE = 0.05
"""… but after short epochs only so often that writing takes no more than this share of the time."""
PICTURE, LOG, METRICS = ".png", ".log", ".jsonl"
TENSORBOARD = ".tensorboard"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: the bundle's path, the network in memory, and what was said of it."""

    path: Path
    picture: Path
    log: Path
    metrics: Path
    """A line of JSON for each epoch."""
    trained: Trained
    verdict: Verdict


def run(
    folder: str | Path | None = None,
    options: TrainOptions | None = None,
    *,
    base: Base | None = None,
    tensorboard: bool = False,
    name: str | None = None,
    into: str | Path = ".",
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[..., Any] | None = None,
    world: World = ALONE,
) -> Run:
    """Train on a folder of MIDI and MusicXML files, or on a built-in corpus by its name, and write the bundle.

    Args:
        folder: searched for MIDI and MusicXML files, with all folders below, or the name of a built-in corpus; None
            is `bach-chorales`.
        base: what to begin with; the options are then those of `finetuning.options_of`.
        tensorboard: write NAME.tensorboard/, too, for TensorBoard to draw while training goes on.
        name: of the files; by default corpus, model and encoding.
        into: the folder for the files, which must exist.
        report: told each line as it comes.
        progress: makes a progress bar, called as `tqdm`.
        world: of which this is the leading process; the others are in `following.follow` meanwhile.

    Raises:
        CorpusError: there is too little music.
        UsageError: an option that makes no sense, or a device that is not there.
        PlaybachError: the files cannot be written.
    """
    options = options or TrainOptions()
    if name is not None and (not name.isprintable() or name.startswith(".") or Path(name).name != name):
        raise UsageError(f"{shown(name)}: a name for a model must be a plain, printable file name, without folders")
    _demand_modules()
    if tensorboard:
        epoch_log.demand_tensorboard()
    said = _Said(report)
    corpus, options = _corpus(folder, options, said, progress, base)
    name = name or f"{_plain(corpus.name)}-{options.model}-{options.encoding}"
    what = {**resuming.description(folder, corpus, options, base), "tensorboard": tensorboard}
    what["made_by"] = resuming.made_by(world.size)
    taken = (bundles.SUFFIX, PICTURE, LOG, METRICS, *[TENSORBOARD] * tensorboard)
    claimed = run_folders.create(Path(into), name, taken, what)
    return _run(claimed, corpus, options, said, progress, base, False, world)


def resume(
    path: str | Path | None = None,
    given: Mapping[str, Any] | None = None,
    *,
    folder: str | Path | None = None,
    name: str | None = None,
    into: str | Path = ".",
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[..., Any] | None = None,
    world: World = ALONE,
) -> Run:
    """Go on with a training that was cut short, to the same end as if it had not been.

    Args:
        path: its .run folder; None is the only one there is `into`, of `folder` if that is given.
        given: options of training that were given again; only epochs, max_minutes and patience may differ.
        folder: the music, where it is not to be found where it was.

    Raises:
        UsageError: there is no such run, or it was begun with other options.
        CorpusError: the music has changed.
        PlaybachError: another process is at work on it, or its files are damaged.
    """
    _demand_modules()
    claimed = run_folders.reopen(resuming.find(Path(into), folder, name, path))
    try:
        said = _Said(report)
        options = resuming.options_of(claimed, given or {})
        base = resuming.base_of(claimed)
        begun = (claimed.path / STATE).exists()
        quiet = _Said(lambda line: None) if begun else said  # what it says of the files it has said before
        music = claimed.description.get("folder") if folder is None else folder
        corpus, _ = _corpus(music, options, quiet, progress, base)
        resuming.demand_same_music(claimed, corpus)
    except BaseException:
        claimed.release()
        raise
    return _run(claimed, corpus, options, said, progress, base, begun, world)


class _Said:
    """What was said, for the log; each line is passed on."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        self._report = report

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._report(line)


def _run(
    claimed: RunFolder,
    corpus: Corpus,
    options: TrainOptions,
    say: _Said,
    progress: Any,
    base: Base | None,
    resumed: bool,
    world: World,
) -> Run:
    stem = claimed.stem
    with _kept(claimed):
        if base is not None:
            resuming.keep_base(claimed, base)
        # Interruptible until the bundle is written: a Ctrl-C then must not lose it.
        with _interruptible(say) as interrupted:
            hooks = _RunHooks(claimed, say, progress, interrupted, world.size)
            try:
                trained = train(corpus, options, hooks, folder=claimed.path / SHARDS, base=base, world=world)
            finally:
                hooks.close()
            verdict = _verdict(trained)
            for line in _closing_lines(trained, verdict):
                say(line)
            say("Writing the bundle")
            path = (saving.written(stem, trained) if resumed else None) or saving.write(stem, trained, verdict)
        # The names were free when the run began: what has them now was written before it was cut short.
        with writing(stem.with_name(stem.name + PICTURE), overwrite=resumed) as picture:
            plots.draw(trained, verdict, stem.name, picture.temporary)
        with writing(stem.with_name(stem.name + LOG), overwrite=resumed) as log:
            log.temporary.write_text("\n".join(say.lines) + "\n", "utf-8")
        with writing(stem.with_name(stem.name + METRICS), overwrite=resumed) as metrics:
            metrics.temporary.write_text(epoch_log.lines(trained.history), "utf-8")
    return Run(path, picture.path, log.path, metrics.path, trained, verdict)


def _demand_modules() -> None:
    """What is needed only after training must be known to be there before it."""
    for module in ("onnx", "onnxscript", "matplotlib"):
        if find_spec(module) is None:
            raise MissingExtra("training", "train", module)


def _corpus(
    folder: str | Path | None, options: TrainOptions, say: _Said, progress: Any, base: Base | None
) -> tuple[Corpus, TrainOptions]:
    def converting(names: Iterator[str], total: int) -> Iterator[str]:
        say(f"Converting {corpora.builtin_name(folder)} from music21, this once")
        return progress(names, total=total, unit="piece") if progress else names

    try:
        corpus, encoding = corpora.open_corpus(
            folder, options.seed, options.encoding, lambda line: say(f"left out: {line}"), _bar(progress, "file"),
            converting,
        )  # fmt: skip
    except CorpusError as error:
        if base is None:
            raise
        way_out = (
            f"{base.name} composes in the {base.encoding.name!r} encoding; without --from a new model is trained"
        )
        raise CorpusError(f"{error} ({way_out})") from error
    if corpus.skipped:
        used = len(corpus.train) + len(corpus.valid) + len(corpus.test)
        say(f"{len(corpus.skipped)} of {len(corpus.skipped) + used} files left out")
    if options.encoding is None and folder is not None:
        say(f"The {encoding!r} encoding suits this music; --encoding names another")
    if base is not None:
        corpus, moved = finetuning.honest(corpus, base)
        if moved:
            say(f"{moved} pieces that {base.name} was trained on cannot be held out, and are trained on")
    return corpus, replace(options, encoding=encoding)


def _bar(progress: Any, unit: str) -> Callable[[Iterator[Any], int], Iterator[Any]]:
    """A bar for work before training, if bars are wanted, that goes when it is done."""
    return lambda work, total: progress(work, total=total, unit=unit, leave=False) if progress else work


def _plain(name: str) -> str:
    """A folder's name as a part of a file name that can be printed."""
    return "".join(c if c.isprintable() else "_" for c in name).lstrip(".") or "corpus"


@contextmanager
def _kept(claimed: RunFolder) -> Iterator[None]:
    """NAME.run/ is removed when the run is over or given up, and left to be resumed when anything else ends it."""
    try:
        yield
    except (KeyboardInterrupt, Diverged):
        claimed.remove()
        raise
    except BaseException:
        begun = (claimed.path / STATE).exists() or any(claimed.path.glob(f"{SHARDS}/*.json"))
        claimed.release() if begun else claimed.remove()
        raise
    claimed.remove()


@contextmanager
def _interruptible(say: Callable[[str], None]) -> Iterator[threading.Event]:
    """Ctrl-C sets the event; a second one interrupts as usual."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)
        say("Stopping; the best weights are kept and written (Ctrl-C again gives up everything)")

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


class _RunHooks(Hooks):
    """Hooks that draw a progress bar and keep the run's state on disk."""

    kept: Path

    def __init__(
        self, claimed: RunFolder, say: _Said, progress: Any, interrupted: threading.Event, processes: int
    ) -> None:
        self._processes = processes
        self.kept = claimed.path / STATE
        self._say, self._progress = say, progress
        self._made_by, self._interrupted = claimed.description.get("made_by"), interrupted
        self._bar: Any = None
        self._saved, self._cost = time.monotonic(), 0.0
        self._at: tuple[int, int] | None = None
        self._metrics = claimed.path / f"metrics{METRICS}"
        self._board: epoch_log.TensorBoard | None = None
        self._wants_board = bool(claimed.description.get("tensorboard"))
        self._boards = claimed.stem.with_name(claimed.stem.name + TENSORBOARD)

    def say(self, line: str) -> None:
        self._say(line)

    def encoding(self, shards: Iterator[Any], total: int) -> Iterator[Any]:
        return _bar(self._progress, "shard")(shards, total)

    def begin(self, steps: int, done: int) -> None:
        if self._progress:
            self._bar = self._progress(total=steps, initial=done, unit="step", desc="training", dynamic_ncols=True)

    def advance(self, loss: float) -> None:
        if self._bar is not None:
            self._bar.update()
            self._bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)

    def save(self, state: RunState, moment: Moment) -> None:
        """What is left out here costs time after a power cut, never the result."""
        if moment == "epoch":
            self._draw(state)
        wait = {"step": SAVE_SECONDS, "epoch": self._cost / SAVE_SHARE, "end": 0.0}[moment]
        began, at = time.monotonic(), (state.step, state.epoch)
        if began - self._saved < wait or at == self._at:
            return
        checkpoints.write(self.kept, state, {"said": self._say.lines})
        self._saved, self._at = time.monotonic(), at
        self._cost = self._saved - began

    def _draw(self, state: RunState) -> None:
        """For whoever watches."""
        epoch_log.write(self._metrics, state.history)
        if self._wants_board:
            self._board = self._board or epoch_log.TensorBoard(self._boards, len(state.history) - 1)
            self._board.add(state.history[-1])

    def resume(self, state: RunState) -> None:
        if not self.kept.exists():
            return
        self._say.lines[:] = checkpoints.read(self.kept, state)["said"]
        self._say(f"Resumed in epoch {state.epoch}, after {state.step} steps")
        now = resuming.made_by(self._processes)
        if self._made_by != now:
            self._say(f"Begun with {self._made_by}, now with {now}: the weights may come out a little different")

    def stop(self) -> bool:
        return self._interrupted.is_set()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._board is not None:
            self._board.close()


def _verdict(trained: Trained) -> Verdict:
    return judge(
        [e.train.bits_per_note for e in trained.history],
        [e.valid.bits_per_note for e in trained.history],
        trained.baseline.bits_per_note,
        trained.model.parameter_count(),
        trained.training_symbols,
        trained.history.index(trained.best),
        (trained.test.bits_per_note, trained.ngram.bits_per_note) if trained.ngram else None,
    )


def _ngram(trained: Trained) -> str:
    rival = trained.ngram
    return f"; an n-gram: {rival.accuracy:.3f}, {rival.bits_per_note:.3f}" if rival else ""


def _closing_lines(trained: Trained, verdict: Verdict) -> Iterator[str]:
    minutes, seconds = divmod(round(trained.seconds), 60)
    yield f"Trained {len(trained.history)} epochs in {minutes} min {seconds} s: {trained.stopped}"
    test, guess = trained.test, trained.baseline
    yield (
        f"Held-out test music: accuracy {test.accuracy:.3f}, {test.bits_per_note:.3f} bits per note "
        f"(guessing by frequency: {guess.accuracy:.3f}, {guess.bits_per_note:.3f}{_ngram(trained)}); "
        f"{test.unknown:.1%} of its steps have a symbol that training never saw"
    )
    yield from verdict.lines
