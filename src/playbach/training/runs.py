"""A training run from the call to its files: NAME.playbach, NAME.png, NAME.log and NAME.jsonl.

During training, NAME.run/ contains everything that is needed to resume the run, and after a minute NAME.playbach has
the best network so far. Needs the extra `train`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

from playbach.bundles import bundle as bundles
from playbach.bundles.network import BaseModel
from playbach.data import corpora
from playbach.data.pieces import Corpus
from playbach.system.errors import CorpusError, MissingExtra, UsageError
from playbach.system.files import display_path, pending_file
from playbach.system.progress import Progress, Report
from playbach.training import (
    checkpoints,
    epoch_log,
    finetuning,
    listening,
    plots,
    reporting,
    resuming,
    run_folders,
    saving,
)
from playbach.training.callbacks import Callbacks, Item, SavePoint
from playbach.training.checkpoints import RunState
from playbach.training.diagnosis import Diagnosis, diagnose
from playbach.training.distributed import SINGLE_PROCESS, ProcessGroup
from playbach.training.finetuning import Beginning
from playbach.training.loop import Diverged, train
from playbach.training.options import TrainOptions
from playbach.training.run_folders import RunFolder
from playbach.training.trained import NetworkSoFar, TrainedNetwork

STATE_FILE, SHARDS_FOLDER = "state.safetensors", "shards"
"""In NAME.run/."""
SAVE_INTERVAL_SECONDS = 60.0
"""The state is saved after every epoch, and at this interval within long epochs."""
MAX_SAVE_SHARE = 0.05
"""After short epochs the state is saved less often, so that saving takes at most this fraction of the time."""
PICTURE_SUFFIX, LOG_SUFFIX, METRICS_SUFFIX = ".png", ".log", ".jsonl"
TENSORBOARD_SUFFIX = ".tensorboard"
ProgressBar = Callable[..., Any]
"""Makes a progress bar; called like `tqdm`, which has no types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished training run."""

    path: Path
    """NAME.playbach."""
    picture: Path
    """NAME.png, with the curves."""
    log: Path
    """NAME.log, with all lines that were reported."""
    metrics: Path
    """NAME.jsonl, with a line of JSON for each epoch."""
    trained: TrainedNetwork
    """The network in memory, with its figures."""
    diagnosis: Diagnosis
    """Whether it fits well, overfits or underfits."""


def run(
    folder: str | Path | None = None,
    options: TrainOptions | None = None,
    *,
    base: BaseModel | Beginning = Beginning.SUITABLE,
    teachers: Sequence[BaseModel] = (),
    tensorboard: bool = False,
    listen: bool = False,
    name: str | None = None,
    into: str | Path = ".",
    report: Report = lambda line: None,
    progress: ProgressBar | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Train on a folder of MIDI and MusicXML files, or on a built-in corpus, and write the bundle.

    Args:
        folder: searched for MIDI and MusicXML files, including all folders below it; or the name of a built-in
            corpus. None is `bach-chorales`.
        base: the model to begin from; if one is given, the options are those of `finetuning.finetune_options`.
        teachers: models of the same music, whose predictions are learnt too; training then begins from nothing,
            unless `base` is given.
        tensorboard: also write NAME.tensorboard/ during training.
        listen: also compose eight bars after each better epoch, to NAME-listen.mid.
        name: the name of the files; by default made of corpus, model and encoding.
        into: the folder for the files, which must exist.
        report: called with each line of text.
        progress: makes a progress bar.
        group: the processes to train with, of which this is process 0; the others are in `loop.take_part`.
        clock: returns seconds.

    Raises:
        CorpusError: there is too little music.
        UsageError: an option is invalid, or the device is not available.
        PlaybachError: a file cannot be written, or training diverged.
    """
    options = options or TrainOptions()
    _require_name(name)
    _require_modules()
    if tensorboard:
        epoch_log.require_tensorboard()
    if listen:
        _require_another_folder(folder, Path(into))
    log = _Log(report)
    named = base if isinstance(base, BaseModel) else None
    corpus, options = _open_corpus(folder, options, base=named, log=log, progress=progress)
    if base is Beginning.SUITABLE and not teachers:
        named, line = finetuning.suitable_base(corpus, options)
        if line:
            log(line)
        options = finetuning.with_base(named, options) if named else options
    corpus = _with_known_pieces(corpus, named, log)
    name = name or f"{_printable(corpus.name)}-{options.model}-{options.encoding}"
    description = {
        **resuming.describe_run(folder, corpus, options, named, teachers),
        "tensorboard": tensorboard,
        "listen": listen,
    }
    description["made_by"] = resuming.environment(group.size)
    endings = (bundles.BUNDLE_SUFFIX, PICTURE_SUFFIX, LOG_SUFFIX, METRICS_SUFFIX, *[TENSORBOARD_SUFFIX] * tensorboard)
    endings += (listening.LISTEN_ENDING,) * listen
    session = _Session(
        run_folder=run_folders.create(Path(into), name, endings, description),
        corpus=corpus,
        options=options,
        base=named,
        teachers=tuple(teachers),
        log=log,
        progress=progress,
        group=group,
        is_resumed=False,
        listen=listen,
        clock=clock,
    )
    return session.run()


def resume(
    path: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    folder: str | Path | None = None,
    listen: bool = False,
    name: str | None = None,
    into: str | Path = ".",
    report: Report = lambda line: None,
    progress: ProgressBar | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Resume an unfinished run, so that it ends exactly as if it had not been interrupted.

    Args:
        path: its .run folder; None is the only one in `into` (for the music in `folder`, if that is given).
        changes: options of training; only epochs, max_minutes and patience may differ from those of the run.
        folder: the music, if it has moved.
        listen: also compose eight bars after each better epoch, if the run was not begun so.

    Raises:
        UsageError: there is no such run, or another option would change.
        CorpusError: the music has changed.
        PlaybachError: another process is training in the folder, or its files are damaged.
    """
    _require_modules()
    run_folder = run_folders.reopen(resuming.find_run(Path(into), folder, name, path))
    try:
        log = _Log(report)
        options = resuming.resume_options(run_folder, changes or {})
        base, teachers = resuming.load_base(run_folder), resuming.load_teachers(run_folder)
        has_state = (run_folder.path / STATE_FILE).exists()
        # The saved log already has the lines about the corpus.
        corpus_log = _Log(lambda line: None) if has_state else log
        music = run_folder.description.get("folder") if folder is None else folder
        listen = listen or bool(run_folder.description.get("listen"))
        if listen:
            _require_another_folder(music, run_folder.path.parent)
        corpus, _ = _open_corpus(music, options, base=base, log=corpus_log, progress=progress)
        corpus = _with_known_pieces(corpus, base, corpus_log)
        resuming.require_same_music(run_folder, corpus)
    except BaseException:
        run_folder.release()
        raise
    session = _Session(
        run_folder=run_folder,
        corpus=corpus,
        options=options,
        base=base,
        teachers=tuple(teachers),
        log=log,
        progress=progress,
        group=group,
        is_resumed=has_state,
        listen=listen,
        clock=clock,
    )
    return session.run()


class _Log:
    """Collects the lines that are reported, and passes each on."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        self._report = report

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._report(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """A run from its beginning, or from where it was interrupted."""

    run_folder: RunFolder
    corpus: Corpus
    options: TrainOptions
    base: BaseModel | None
    teachers: tuple[BaseModel, ...]
    log: _Log
    progress: ProgressBar | None
    group: ProcessGroup
    is_resumed: bool
    """Whether the state of an earlier session is there."""
    listen: bool
    """Whether to compose a few bars after each better epoch."""
    clock: Callable[[], float]

    def run(self) -> Run:
        with _cleaning_up(self.run_folder):
            resuming.save_models(self.run_folder, self.base, self.teachers)
            # Ctrl-C is handled until the bundle is written, so that it cannot lose the network.
            with _handling_interrupts(self.log) as interrupted, self._caring_for_what_was_heard():
                trained = self._train(interrupted)
                diagnosis = _diagnose(trained)
                for line in reporting.closing_lines(trained, diagnosis):
                    self.log(line)
                path = self._write_bundle(trained, diagnosis)
            self._write_curves(trained, diagnosis)
        return Run(
            path=path,
            picture=self.file(PICTURE_SUFFIX),
            log=self.file(LOG_SUFFIX),
            metrics=self.file(METRICS_SUFFIX),
            trained=trained,
            diagnosis=diagnosis,
        )

    def _train(self, interrupted: threading.Event) -> TrainedNetwork:
        callbacks = _RunCallbacks(self, interrupted)
        shards = self.run_folder.path / SHARDS_FOLDER
        try:
            return train(
                self.corpus,
                self.options,
                callbacks=callbacks,
                clock=self.clock,
                folder=shards,
                base=self.base,
                teachers=self.teachers,
                group=self.group,
            )
        finally:
            callbacks.close()

    @contextmanager
    def _caring_for_what_was_heard(self) -> Iterator[None]:
        """Remove what could be heard during training if the user discards everything, and name it if training
        diverges."""
        stem = self.run_folder.stem
        try:
            yield
        except KeyboardInterrupt:
            listening.remove(stem, self.corpus)
            raise
        except Diverged:
            if saving.is_own_bundle_so_far(stem, self.corpus):
                self.log(f"{display_path(saving.bundle_path(stem))} has the best network before training diverged")
            raise

    def _write_bundle(self, trained: TrainedNetwork, diagnosis: Diagnosis) -> Path:
        self.log("Writing the bundle")
        stem = self.run_folder.stem
        written = saving.find_written(stem, trained) if self.is_resumed else None
        return written or saving.write_bundle(stem, trained, diagnosis)

    def _write_curves(self, trained: TrainedNetwork, diagnosis: Diagnosis) -> None:
        """Write the picture, the log and the metrics."""
        # The names were free when the run began: what is there now, this run wrote before it was interrupted.
        with pending_file(self.file(PICTURE_SUFFIX), overwrite=self.is_resumed) as picture:
            plots.draw_curves(trained, diagnosis, self.run_folder.stem.name, picture.temporary)
        with pending_file(self.file(LOG_SUFFIX), overwrite=self.is_resumed) as log:
            log.temporary.write_text("\n".join(self.log.lines) + "\n", "utf-8")
        with pending_file(self.file(METRICS_SUFFIX), overwrite=self.is_resumed) as metrics:
            metrics.temporary.write_text(epoch_log.json_lines(trained.history), "utf-8")

    def file(self, suffix: str) -> Path:
        """The path of one of the run's files."""
        return self.run_folder.stem.with_name(self.run_folder.stem.name + suffix)


def _require_name(name: str | None) -> None:
    if name is not None and (not name.isprintable() or name.startswith(".") or Path(name).name != name):
        raise UsageError(
            f"{display_path(name)}: a model name must be printable, without folders, and must not begin with a dot"
        )


def _require_modules() -> None:
    """Raise MissingExtra before training if a module is missing that is needed only after it."""
    for module in ("onnx", "onnxscript", "matplotlib"):
        if find_spec(module) is None:
            raise MissingExtra("training", "train", module)


def _open_corpus(
    folder: str | Path | None,
    options: TrainOptions,
    *,
    base: BaseModel | None,
    log: _Log,
    progress: ProgressBar | None,
) -> tuple[Corpus, TrainOptions]:
    """The corpus to train on, and the options with its encoding."""

    def converting(names: Iterator[str], total: int) -> Iterator[str]:
        log(f"Converting {corpora.builtin_name(folder)} from music21 (only the first time)")
        return progress(names, total=total, unit="piece") if progress else names

    try:
        corpus, encoding = corpora.open_corpus(
            folder,
            options.seed,
            options.encoding,
            report=lambda line: log(f"left out: {line}"),
            reading=options.reading(),
            remark=lambda line: log(f"remark: {line}"),
            progress=_bar(progress, "file"),
            converting=converting,
        )
    except CorpusError as error:
        if base is None:
            raise
        hint = f"{base.name} uses the {base.encoding.name!r} encoding; leave out --from to train a new model"
        raise CorpusError(f"{error} ({hint})") from error
    if corpus.skipped:
        used = len(corpus.train) + len(corpus.valid) + len(corpus.test)
        log(f"{len(corpus.skipped)} of {len(corpus.skipped) + used} files left out")
    if options.encoding is None and folder is not None:
        log(f"Chose the {encoding!r} encoding for this music (--encoding chooses another)")
    return corpus, replace(options, encoding=encoding)


def _with_known_pieces(corpus: Corpus, base: BaseModel | None, log: _Log) -> Corpus:
    """The corpus, with the pieces that the base knows on the training side."""
    if base is None:
        return corpus
    corpus, moved = finetuning.move_known_pieces(corpus, base)
    if moved:
        log(f"{base.name} was trained on {moved} of the held-out pieces: they are used for training instead")
    return corpus


def _bar(progress: ProgressBar | None, unit: str) -> Progress:
    """A progress bar for work before training, which disappears when the work is done; none without `progress`."""
    return lambda work, total: progress(work, total=total, unit=unit, leave=False) if progress else work


def _require_another_folder(music: str | Path | None, into: Path) -> None:
    """Raise UsageError if the music that is composed during training would lie in the folder to learn from."""
    if corpora.builtin_name(music) is None and into.resolve().is_relative_to(Path(str(music)).resolve()):
        raise UsageError(
            f"--listen would write its music into {display_path(str(music))}, which is trained on; train in another "
            "folder"
        )


def _printable(name: str) -> str:
    """A folder's name as a part of a file name, with printable characters only."""
    return "".join(c if c.isprintable() else "_" for c in name).lstrip(".") or "corpus"


@contextmanager
def _cleaning_up(run_folder: RunFolder) -> Iterator[None]:
    """Remove NAME.run/ after the run, or if the user interrupts it or it diverges. After any other error, leave it
    there to be resumed."""
    try:
        yield
    except (KeyboardInterrupt, Diverged):
        run_folder.remove()
        raise
    except BaseException:
        has_state = (run_folder.path / STATE_FILE).exists()
        can_resume = has_state or any(run_folder.path.glob(f"{SHARDS_FOLDER}/*.json"))
        run_folder.release() if can_resume else run_folder.remove()
        raise
    run_folder.remove()


@contextmanager
def _handling_interrupts(log: Callable[[str], None]) -> Iterator[threading.Event]:
    """An event that Ctrl-C sets; a second Ctrl-C interrupts as usual."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)
        log("Stopping; the best weights will be saved (press Ctrl-C again to discard everything)")

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


class _RunCallbacks(Callbacks):
    """Callbacks that show a progress bar and save the run's state."""

    state_path: Path

    def __init__(self, session: _Session, interrupted: threading.Event) -> None:
        run_folder = session.run_folder
        self._processes = session.group.size
        self.state_path = run_folder.path / STATE_FILE
        self._log, self._progress = session.log, session.progress
        self._begun_with, self._interrupted = run_folder.description.get("made_by"), interrupted
        self._bar: Any = None  # of tqdm, which has no types
        self._saved_at, self._save_seconds = time.monotonic(), 0.0
        self._saved_step: tuple[int, int] | None = None
        self._metrics = run_folder.path / f"metrics{METRICS_SUFFIX}"
        self._tensorboard: epoch_log.TensorBoard | None = None
        self._wants_tensorboard = bool(run_folder.description.get("tensorboard"))
        self._tensorboard_folder = session.file(TENSORBOARD_SUFFIX)
        stem, report, clock = run_folder.stem, session.log, session.clock
        self._bundle = listening.BundleSoFar(stem, report, clock)
        self._listening = listening.Listening(stem, report, clock) if session.listen else None

    def report(self, line: str) -> None:
        self._log(line)

    def encoding_progress(self, shards: Iterator[Item], total: int) -> Iterator[Item]:
        return _bar(self._progress, "shard")(shards, total)

    def on_start(self, steps: int, done: int) -> None:
        if self._progress:
            self._bar = self._progress(total=steps, initial=done, unit="step", desc="training", dynamic_ncols=True)

    def on_step(self, loss: float) -> None:
        if self._bar is not None:
            self._bar.update()
            self._bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)

    def on_epoch(self, best: NetworkSoFar) -> None:
        self._bundle.on_epoch(best)
        if self._listening is not None:
            self._listening.on_epoch(best)

    def save(self, state: RunState, point: SavePoint) -> None:
        """Save the state, unless it was saved recently: after a crash, a skipped save costs only time."""
        if point == "epoch":
            self._log_epoch(state)
        interval = {"step": SAVE_INTERVAL_SECONDS, "epoch": self._save_seconds / MAX_SAVE_SHARE, "end": 0.0}[point]
        began, step = time.monotonic(), (state.step, state.epoch)
        if began - self._saved_at < interval or step == self._saved_step:
            return
        checkpoints.write(self.state_path, state, {"said": self._log.lines})  # the key of checkpoint format 1
        self._saved_at, self._saved_step = time.monotonic(), step
        self._save_seconds = self._saved_at - began

    def _log_epoch(self, state: RunState) -> None:
        """Write the results of the last epoch, for those who watch the run."""
        epoch_log.write_json_lines(self._metrics, state.history)
        if self._wants_tensorboard:
            done = len(state.history) - 1
            self._tensorboard = self._tensorboard or epoch_log.TensorBoard(self._tensorboard_folder, done)
            self._tensorboard.add(state.history[-1])

    def restore(self, state: RunState) -> None:
        if not self.state_path.exists():
            return
        self._log.lines[:] = checkpoints.read(self.state_path, state)["said"]
        self._log(f"Resumed in epoch {state.epoch}, after {state.step} steps")
        now = resuming.environment(self._processes)
        if self._begun_with != now:
            self._log(f"Begun with {self._begun_with}, resumed with {now}: the weights may differ slightly")

    def should_stop(self) -> bool:
        return self._interrupted.is_set()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._tensorboard is not None:
            self._tensorboard.close()


def _diagnose(trained: TrainedNetwork) -> Diagnosis:
    return diagnose(
        [e.train.bits_per_note for e in trained.history],
        [e.valid.bits_per_note for e in trained.history],
        guessing=trained.baseline.bits_per_note,
        parameters=trained.model.parameter_count(),
        symbols=trained.training_symbols,
        best=trained.history.index(trained.best),
        test_and_ngram=(trained.alone.bits_per_note, trained.ngram.bits_per_note) if trained.ngram else None,
    )
