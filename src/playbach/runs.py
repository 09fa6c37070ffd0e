"""One training run from the call to its files: NAME.playbach, NAME.png and NAME.log, in the current folder.

While it goes on, the best weights so far lie in NAME.run/. Needs the extra `train`.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import safetensors.torch

from playbach import bundle as bundles
from playbach import chorales, corpora, plots
from playbach._version import __version__
from playbach.corpora import Corpus
from playbach.errors import MissingExtra, PlaybachError, UsageError
from playbach.export import onnx
from playbach.files import shown, writing
from playbach.models import Model
from playbach.sampling import Sampling
from playbach.training import Hooks, Trained, TrainOptions, example, train
from playbach.verdict import Verdict, judge

BEST = "best.safetensors"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: the bundle's path, the network in memory, and what was said of it."""

    path: Path
    picture: Path
    log: Path
    trained: Trained
    verdict: Verdict


def run(
    folder: str | Path | None = None,
    options: TrainOptions | None = None,
    *,
    name: str | None = None,
    into: str | Path = ".",
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[..., Any] | None = None,
) -> Run:
    """Train on a folder of MIDI files, or on the built-in chorales, and write the bundle.

    Args:
        folder: searched for MIDI files, with all folders below; None is `bach-chorales`.
        name: of the files; by default corpus, model and encoding.
        into: the folder for the files, which must exist.
        report: told each line as it comes.
        progress: makes a progress bar, called as `tqdm`.

    Raises:
        CorpusError: there is too little music.
        UsageError: an option that makes no sense, or a device that is not there.
        PlaybachError: the files cannot be written.
    """
    options = options or TrainOptions()
    if name is not None and (not name.isprintable() or name.startswith(".") or Path(name).name != name):
        raise UsageError(f"{shown(name)}: a name for a model must be a plain, printable file name, without folders")
    _demand_modules()
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        report(line)

    corpus, options = _corpus(folder, options, say, progress)
    stem = _free_stem(Path(into), name or f"{_plain(corpus.name)}-{options.model}-{options.encoding}")
    # Interruptible until the bundle is written: a Ctrl-C then must not lose it.
    with _scratch(stem) as scratch, _interruptible(say) as interrupted:
        bar = _Bar(say, progress, scratch, interrupted)
        try:
            trained = train(corpus, options, bar)
        finally:
            bar.close()
        verdict = _verdict(trained)
        for line in _closing_lines(trained, verdict):
            say(line)
        say("Writing the bundle")
        path = _write_bundle(stem, trained, verdict)
    with writing(stem.with_name(stem.name + ".png")) as picture:
        plots.draw(trained, verdict, stem.name, picture.temporary)
    with writing(stem.with_name(stem.name + ".log")) as log:
        log.temporary.write_text("\n".join(lines) + "\n", "utf-8")
    return Run(path, picture.path, log.path, trained, verdict)


def _demand_modules() -> None:
    """What is needed only after training must be known to be there before it."""
    for module in ("onnx", "onnxscript", "matplotlib"):
        if find_spec(module) is None:
            raise MissingExtra("training", "train", module)


def _corpus(
    folder: str | Path | None, options: TrainOptions, say: Callable[[str], None], progress: Any
) -> tuple[Corpus, TrainOptions]:
    if folder is None:

        def bar(names: Iterator[str], total: int) -> Iterator[str]:
            say(f"Converting {chorales.NAME} from music21, this once, into {chorales.cache_folder()}")
            return progress(names, total=total, unit="chorale") if progress else names

        encoding = options.encoding or "chorale"
        return corpora.load_builtin(chorales.NAME, bar), replace(options, encoding=encoding)
    corpus, encoding = corpora.load_folder(
        Path(folder), options.seed, options.encoding, lambda line: say(f"left out: {line}")
    )
    if corpus.skipped:
        used = len(corpus.train) + len(corpus.valid) + len(corpus.test)
        say(f"{len(corpus.skipped)} of {len(corpus.skipped) + used} files left out")
    if options.encoding is None:
        say(f"The {encoding!r} encoding suits this music; --encoding names another")
    return corpus, replace(options, encoding=encoding)


def _plain(name: str) -> str:
    """A folder's name as a part of a file name that can be printed."""
    return "".join(c if c.isprintable() else "_" for c in name).lstrip(".") or "corpus"


def _free_stem(into: Path, name: str) -> Path:
    """The first of NAME, NAME-2 … of which no file exists yet, so that a run's files have one name."""
    endings = (bundles.SUFFIX, ".png", ".log", ".run")
    number = 1
    while True:
        stem = into / (name if number == 1 else f"{name}-{number}")
        if not any(os.path.lexists(stem.with_name(stem.name + ending)) for ending in endings):
            return stem
        number += 1


@contextmanager
def _scratch(stem: Path) -> Iterator[Path]:
    """NAME.run/, removed when the run ends, well or not."""
    folder = stem.with_name(stem.name + ".run")
    try:
        folder.mkdir()
    except OSError as error:
        raise PlaybachError(f"{shown(folder)}: cannot be made ({error.strerror}); train in another folder") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


class _Bar(Hooks):
    """Hooks that draw a progress bar and keep the best weights on disk."""

    def __init__(
        self, say: Callable[[str], None], progress: Any, scratch: Path, interrupted: threading.Event
    ) -> None:
        self._say, self._progress, self._scratch, self._interrupted = say, progress, scratch, interrupted
        self._bar: Any = None

    def say(self, line: str) -> None:
        self._say(line)

    def begin(self, steps: int) -> None:
        if self._progress:
            self._bar = self._progress(total=steps, unit="step", desc="training", dynamic_ncols=True)

    def advance(self, loss: float) -> None:
        if self._bar is not None:
            self._bar.update()
            self._bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)

    def keep(self, model: Model) -> None:
        with writing(self._scratch / BEST, overwrite=True) as draft:
            draft.temporary.write_bytes(_weights(model))

    def stop(self) -> bool:
        return self._interrupted.is_set()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _weights(model: Model) -> bytes:
    """In 16-bit floats: to train on, that is enough; what plays is the ONNX step, in 32 bits."""
    tensors = {n: t.detach().cpu().half().contiguous() for n, t in model.state_dict().items()}
    return safetensors.torch.save(tensors)


def _verdict(trained: Trained) -> Verdict:
    return judge(
        [e.train.bits_per_note for e in trained.history],
        [e.valid.bits_per_note for e in trained.history],
        trained.baseline.bits_per_note,
        trained.model.parameter_count(),
        trained.training_symbols,
        trained.history.index(trained.best),
    )


def _closing_lines(trained: Trained, verdict: Verdict) -> Iterator[str]:
    minutes, seconds = divmod(round(trained.seconds), 60)
    yield f"Trained {len(trained.history)} epochs in {minutes} min {seconds} s: {trained.stopped}"
    test, guess = trained.test, trained.baseline
    yield (
        f"Held-out test music: accuracy {test.accuracy:.3f}, {test.bits_per_note:.3f} bits per note "
        f"(guessing by frequency: {guess.accuracy:.3f}, {guess.bits_per_note:.3f}); "
        f"{test.unknown:.1%} of its steps have a symbol that training never saw"
    )
    yield from verdict.lines


def _write_bundle(stem: Path, trained: Trained, verdict: Verdict) -> Path:
    step = onnx.export(trained.model)
    difference = onnx.check(step, trained.model, *example(trained))
    manifest = _manifest(stem.name, trained, verdict, difference)
    members = {
        bundles.ONNX: step,
        bundles.WEIGHTS: _weights(trained.model),
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
            "corpus": trained.corpus.name,
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
            "onnx_largest_logit_difference": difference,
            "verdict": verdict.word,
        },
        "pieces": {piece.digest: [side, piece.name] for side, piece in trained.corpus.pieces()},
    }


def _card(name: str, trained: Trained, verdict: Verdict) -> str:
    """For people: what the network is, what it learnt from, and how good it is."""
    corpus, options = trained.corpus, trained.options
    rows = [
        ("held-out test", trained.test),
        ("validation", trained.best.valid),
        ("training pieces", trained.best.train),
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
- Trained by playbach {__version__}, {len(trained.history)} epochs (the best was {trained.best.number}) in
  {minutes:.0f} minutes on {trained.device} in {trained.dtype}, batches of {trained.batch} windows of
  {options.window} steps, seed {options.seed}; it ended because of: {trained.stopped}.
- Network: {json.dumps(trained.model.config())}

| music | pieces | accuracy | bits per symbol | bits per note | unknown |
|---|---|---|---|---|---|
{table}

Accuracy is the share of steps whose most probable symbol is right. All figures are of whole pieces from their
beginning, without being told how much is left. Guessing by frequency is the least that must be beaten, not a rival.

{verdict}
"""
