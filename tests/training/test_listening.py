"""What can be heard while a network is trained: its bundle after a minute, eight bars after each better epoch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import playbach
from helpers import sample_music
from playbach.bundles import bundle as bundles
from playbach.cli.main import main
from playbach.export import onnx
from playbach.inspection.music import describe_music
from playbach.models import MODELS, build
from playbach.models.base import Shape
from playbach.music.bars import Bars, meters_of
from playbach.music.reading import read
from playbach.rendering.midi import find_comment
from playbach.system.errors import PlaybachError, UsageError
from playbach.training import listening, loop, members, runs, saving
from playbach.training.finetuning import Beginning
from playbach.training.options import TrainOptions
from playbach.training.runs import Run
from playbach.training.trained import NetworkSoFar

SMALL = {"hidden": 16, "layers": 1, "embedding": 8, "dropout": 0.3}
NETWORKS = {
    "lstm": SMALL,
    "attention": {**SMALL, "memory": 16},
    "transformer": {"width": 16, "layers": 1, "heads": 2, "memory": 32},
    "cnn": {"hidden": 16, "channels": 3, "image": 12},
}
OPTIONS = TrainOptions(network=SMALL, epochs=3, dtype="float32", window=32, batch=4)


run_on = partial(runs.run, base=Beginning.NOTHING, name="x")


class Clock:
    """A clock that advances by the same time whenever it is read."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def weights(path: Path) -> bytes:
    return bundles.read(path).weights


def without_export(patched: pytest.MonkeyPatch) -> None:
    """Write bundles without an ONNX step and n-grams, which take longer than these trainings."""
    patched.setattr(members, "MAX_COUNTED_STEPS", 0)
    patched.setattr(onnx, "export_step", lambda model: b"step")
    patched.setattr(onnx, "check_step", lambda *_: 0.0)


@pytest.fixture
def faster_export(monkeypatch: pytest.MonkeyPatch) -> None:
    without_export(monkeypatch)


# ------------------------------------------------------------------------------------------- a bundle after a minute


@pytest.fixture(scope="module")
def heard(chorales_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Path, list[str]]]:
    """A run, a copy of the bundle that it wrote while it trained, and the lines that it reported."""
    into, aside = tmp_path_factory.mktemp("heard"), tmp_path_factory.mktemp("aside")
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patched:

        def report(line: str) -> None:
            lines.append(line)
            if line.startswith("You can listen now"):
                shutil.copy(into / "x.playbach", aside / "x.playbach")
                without_export(patched)

        run = run_on(chorales_folder, OPTIONS, into=into, report=report, clock=Clock(10.0))
        yield run, aside / "x.playbach", lines


def test_after_a_minute_there_is_something_to_hear(heard: tuple[Run, Path, list[str]]) -> None:
    run, early, lines = heard
    [at] = [i for i, line in enumerate(lines) if "listen" in line]
    stem = run.path.with_suffix("")
    said = f"You can listen now: playbach compose {stem} (the network of epoch 1; training goes on)"
    assert lines[at] == said and lines[at - 1].startswith("Epoch 1:")
    assert playbach.load(early).compose(bars=2, seed=1).score.note_num() > 0


def test_it_says_that_training_was_not_finished(heard: tuple[Run, Path, list[str]]) -> None:
    bundle = bundles.read(heard[1])
    provenance, metrics = bundle.manifest["provenance"], bundle.manifest["metrics"]
    assert provenance["unfinished"] is True and "stopped" not in provenance
    assert provenance["epochs"] == provenance["best_epoch"] == 1
    assert metrics["verdict"] == "not finished"
    assert {"valid", "train"} <= metrics.keys(), "the figures that chose it"
    assert not {"test", "ngram", "ngrams", "guessing_by_frequency"} & metrics.keys(), (
        "the test side is looked at once"
    )
    card = bundle.card
    assert "**Training was not finished**" in card and "1 epochs" in card
    assert "| validation |" in card and "held-out test" not in card


def test_a_run_that_ends_leaves_what_it_left_before(
    heard: tuple[Run, Path, list[str]], chorales_folder: Path, tmp_path: Path, faster_export: None
) -> None:
    """The weights and the figures are those of a run that lasts less than a minute, in which nothing is exported."""
    run, early, _ = heard
    assert files(run.path.parent) == ["x.jsonl", "x.log", "x.playbach", "x.png"]
    short = run_on(chorales_folder, OPTIONS, into=tmp_path, clock=Clock(0.0))
    assert files(tmp_path) == files(run.path.parent)
    one, other = bundles.read(run.path), bundles.read(short.path)
    assert one.weights == other.weights
    assert {**one.manifest["provenance"], "seconds": 0} == {**other.manifest["provenance"], "seconds": 0}
    assert one.manifest["metrics"] == other.manifest["metrics"]
    assert weights(early) != weights(run.path)


class Epochs:
    """Feeds a BundleSoFar with epochs that end at given seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_to_write: float = 1.0) -> None:
        self.clock, self.lines, self.best = Clock(seconds_to_write), [], 0
        self.number, self.written = 0, []
        self.writes: Callable[[], Path | None] = lambda: Path("x.playbach")
        self.bundle = listening.BundleSoFar(Path("x"), self.lines.append, self.clock)
        monkeypatch.setattr(saving, "write_bundle_so_far", self.write)

    def write(self, stem: Path, network: Any) -> Path | None:
        path = self.writes()
        self.written.append(network.best.number)
        return path

    def end(self, seconds: float, better: bool = True) -> list[int]:
        self.number += 1
        self.best = self.number if better else self.best
        best = type("Epoch", (), {"number": self.best})
        self.bundle.on_epoch(type("Network", (), {"seconds": seconds, "best": best})())  # type: ignore[arg-type]
        return self.written


def test_better_networks_follow_about_every_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = Epochs(monkeypatch)
    assert epochs.end(30) == []
    assert epochs.end(61, better=False) == [1], "the best so far, although this epoch was no better"
    assert epochs.end(100) == [1]
    assert epochs.end(125, better=False) == [1, 3], "what was better meanwhile"
    assert epochs.end(190, better=False) == [1, 3], "nothing new"
    assert epochs.end(200) == [1, 3, 6]
    assert [line.partition(":")[0] for line in epochs.lines] == [
        "You can listen now",
        "x.playbach now has the network of epoch 3",
        "x.playbach now has the network of epoch 6",
    ]


def test_a_slow_export_makes_it_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = Epochs(monkeypatch, seconds_to_write=10.0)
    assert epochs.end(60) == [1]
    assert epochs.end(259) == [1]
    assert epochs.end(260) == [1, 3]


def test_an_export_that_fails_does_not_end_training(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = Epochs(monkeypatch)

    def fail() -> Path:
        raise PlaybachError("x.playbach: cannot be written: the disk is full")

    epochs.writes = fail
    epochs.end(60)
    assert epochs.lines == [
        "The network so far could not be written: x.playbach: cannot be written: the disk is full"
    ]
    epochs.writes = lambda: Path("x.playbach")
    assert epochs.end(130, better=False) == [1]
    assert epochs.lines[-1].startswith("You can listen now: playbach compose x ")


def test_a_name_that_a_shell_would_split_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = Epochs(monkeypatch)
    epochs.bundle = listening.BundleSoFar(Path("my tunes"), epochs.lines.append, epochs.clock)
    epochs.end(60)
    assert "playbach compose 'my tunes' (" in epochs.lines[0]


def test_another_file_of_this_name_is_kept(lines_folder: Path, tmp_path: Path, faster_export: None) -> None:
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if line.startswith("Epoch 1:"):
            (tmp_path / "x.playbach").write_text("precious")

    run = run_on(lines_folder, OPTIONS, into=tmp_path, report=report, clock=Clock(10.0))
    assert (tmp_path / "x.playbach").read_text() == "precious"
    assert run.path == tmp_path / "x-2.playbach"
    assert any("x.playbach: another file has this name now and is kept" in line for line in lines)
    assert not any("listen now" in line for line in lines)


# ----------------------------------------------------------------------------------------- interrupted and resumed


class Crash(Exception):
    """Ends a training in these tests, as a bug or full memory would."""


def crashed(folder: Path, into: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """A run that crashed after its last epoch, when it had written the network so far."""

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(saving, "write_bundle", crash)
        with pytest.raises(Crash):
            run_on(folder, replace(OPTIONS, epochs=1), into=into, clock=Clock(10.0), **options)


def test_a_resumed_run_replaces_the_network_so_far(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster_export: None
) -> None:
    """Its weights are the final ones, so only what the manifest says tells the two apart."""
    crashed(lines_folder, tmp_path, monkeypatch)
    assert files(tmp_path) == ["x.playbach", "x.run"]
    before = weights(tmp_path / "x.playbach")
    run = runs.resume(into=tmp_path)
    bundle = bundles.read(run.path)
    assert run.path == tmp_path / "x.playbach"
    assert bundle.weights == before
    assert bundle.manifest["provenance"]["stopped"] == "all 1 epochs done"
    assert "test" in bundle.manifest["metrics"]
    assert files(tmp_path) == ["x.jsonl", "x.log", "x.playbach", "x.png"]


def test_a_new_run_leaves_an_interrupted_one_alone(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster_export: None
) -> None:
    crashed(lines_folder, tmp_path, monkeypatch)
    before = (tmp_path / "x.playbach").read_bytes()
    with pytest.raises(PlaybachError, match="an unfinished training has this name; resume it with"):
        run_on(lines_folder, OPTIONS, into=tmp_path)
    shutil.rmtree(tmp_path / "x.run")  # the message says so
    run = run_on(lines_folder, replace(OPTIONS, epochs=1), into=tmp_path, clock=Clock(10.0))
    assert run.path.name == "x-2.playbach"
    assert (tmp_path / "x.playbach").read_bytes() == before


def test_discarding_everything_discards_what_was_heard(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster_export: None
) -> None:
    def interrupt(*_: object) -> None:
        assert files(tmp_path) == ["x-listen.mid", "x.playbach", "x.run"]
        raise KeyboardInterrupt

    def compose(network: NetworkSoFar, path: Path, name: str, clock: object) -> bool:
        return compose_bars(network, path, name, Clock(0.0))

    compose_bars, clock = listening.compose_bars, Clock(10.0)
    monkeypatch.setattr(listening, "compose_bars", compose)
    monkeypatch.setattr(runs._RunCallbacks, "_log_epoch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_on(lines_folder, OPTIONS, into=tmp_path, listen=True, clock=clock)
    assert files(tmp_path) == []


def test_a_network_from_before_training_diverged_is_kept(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster_export: None
) -> None:
    validate, lines = loop.Trainer.validate, []

    def diverge(self: loop.Trainer) -> Any:
        if self.state.epoch == 2:
            raise loop.Diverged("training diverged in epoch 2")
        return validate(self)

    monkeypatch.setattr(loop.Trainer, "validate", diverge)
    with pytest.raises(PlaybachError, match="diverged"):
        run_on(lines_folder, OPTIONS, into=tmp_path, report=lines.append, clock=Clock(10.0))
    assert files(tmp_path) == ["x.playbach"]
    assert lines[-1] == f"{tmp_path / 'x.playbach'} has the best network before training diverged"


# ----------------------------------------------------------------------------------- eight bars after a better epoch


def listened(folder: Path, into: Path, listen: bool = True, **options: Any) -> tuple[Run, list[str]]:
    """A run that lasts less than a minute by its clock, and its lines."""
    lines: list[str] = []
    chosen = replace(OPTIONS, **options)
    return run_on(folder, chosen, into=into, listen=listen, report=lines.append, clock=Clock(0)), lines


def test_each_better_epoch_composes_eight_bars(
    chorales_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster_export: None
) -> None:
    pieces: list[bytes] = []
    compose = listening.compose_bars

    def noted(network: NetworkSoFar, path: Path, name: str, clock: Callable[[], float]) -> bool:
        whole = compose(network, path, name, clock)
        pieces.append(path.read_bytes())
        return whole

    monkeypatch.setattr(listening, "compose_bars", noted)
    run, lines = listened(chorales_folder, tmp_path, epochs=4)
    path = tmp_path / "x-listen.mid"
    better = [epoch.number for epoch in run.trained.history if epoch.saved]
    assert len(pieces) == len(better) and len(set(pieces)) > 1
    assert path.read_bytes() == pieces[-1]
    said = f"Listen: {path} (8 bars)"
    assert [lines[i - 1].partition(":")[0] for i, line in enumerate(lines) if line == said] == [
        f"Epoch {number}" for number in better
    ]
    score = read(path)
    assert json.loads(find_comment(score) or "")["epoch"] == better[-1]
    assert Bars(meters_of(score, 120)).number(score.end() - 1) >= 8
    assert "x-listen.mid" in files(tmp_path), "it stays when training is over"


@pytest.mark.parametrize("model", MODELS)
def test_listening_does_not_change_the_network(
    lines_folder: Path, tmp_path: Path, faster_export: None, model: str
) -> None:
    """With dropout, so that a random number that is drawn in between would change it."""
    found = []
    for listen in (True, False):
        (into := tmp_path / str(listen)).mkdir()
        run, _ = listened(lines_folder, into, listen, model=model, network=NETWORKS[model], epochs=2)
        found.append((weights(run.path), [replace(e, seconds=0) for e in run.trained.history]))
    assert found[0] == found[1]


@pytest.mark.parametrize("model", MODELS)
def test_the_network_in_memory_steps_as_over_whole_pieces(model: str, chorales_bundle: Path) -> None:
    encoding = bundles.read(chorales_bundle).encoding()
    network = build(model, Shape.of(encoding), NETWORKS[model]).eval()
    piece = encoding.encode(sample_music.chorale(1))
    previous = np.concatenate([[[len(f) for f in encoding.fields]], piece.steps[:19]])
    runtime = listening.TorchRuntime(network)
    state, found = runtime.start(), []
    for t in range(20):
        logits, state = runtime.step(previous[t], piece.context[t], state)
        found.append(logits[0])
    with torch.no_grad():
        whole = network(torch.from_numpy(previous)[None], torch.from_numpy(piece.context[None, :20]).long())
    np.testing.assert_allclose(np.stack(found), whole[0][0].numpy(), atol=1e-4)


def so_far(folder: Path) -> NetworkSoFar:
    """A network after an epoch."""
    found: list[NetworkSoFar] = []

    class Keep(loop.Callbacks):
        def on_epoch(self, best: NetworkSoFar) -> None:
            found.append(best)

    corpus, options = runs._open_corpus(folder, OPTIONS, base=None, log=runs._Log(lambda _: None), progress=None)
    loop.train(corpus, replace(options, epochs=1), callbacks=Keep())
    return found[0]


def test_what_takes_long_breaks_off(chorales_folder: Path, tmp_path: Path) -> None:
    network, path, lines = so_far(chorales_folder), tmp_path / "x-listen.mid", []
    for seconds, many in ((0.0, "8 bars"), (0.02, "what was composed of 8 bars in 2 seconds")):
        listening.Listening(tmp_path / "x", lines.append, Clock(seconds)).on_epoch(network)
        assert lines.pop() == f"Listen: {path} ({many})"
        notes = read(path).note_num()
        assert notes > 0
    whole = tmp_path / "whole.mid"
    assert listening.compose_bars(network, whole, "x", Clock(0.0))
    assert read(whole).note_num() > notes
    path.unlink()
    listening.Listening(tmp_path / "x", lines.append, Clock(3.0)).on_epoch(network)
    assert lines == ["Listen: nothing yet, since not one note was composed in 2 seconds"] and not path.exists()


def test_another_file_of_the_name_is_kept(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster_export: None
) -> None:
    """Of a new run, the files get another name; a run that is resumed has its name already."""
    (tmp_path / "x-listen.mid").write_text("precious")
    run, _ = listened(lines_folder, tmp_path, epochs=1)
    assert run.path.name == "x-2.playbach" and (tmp_path / "x-2-listen.mid").exists()
    (into := tmp_path / "resumed").mkdir()
    crashed(lines_folder, into, monkeypatch)
    (into / "x-listen.mid").write_text("precious")
    own = listening.own_path(into / "x")
    assert own.name == "x-listen-2.mid"
    listening.compose_bars(so_far(lines_folder), own, "x", Clock(0.0))
    assert listening.own_path(into / "x") == own
    lines: list[str] = []
    runs.resume(changes={"epochs": 2}, into=into, listen=True, report=lines.append, clock=Clock(0.0))
    assert (into / "x-listen.mid").read_text() == "precious"
    assert files(into) == ["x-listen-2.mid", "x-listen.mid", "x.jsonl", "x.log", "x.playbach", "x.png"]


def test_nothing_is_written_into_the_music(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    music = Path(shutil.copytree(lines_folder, tmp_path / "music"))
    (music / "models").mkdir()
    monkeypatch.chdir(music / "models")
    with pytest.raises(UsageError, match=r"--listen would write its music into .*music, which is trained on"):
        playbach.train(music, listen=True)
    assert files(music / "models") == []


def test_on_the_command_line(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    faster_export: None,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    options = ["--listen", "--from", "none", "--name", "x", "--epochs", "1", "--hidden", "16", "--dtype", "float32"]
    assert main(["train", str(lines_folder), *options]) == 0
    printed = capsys.readouterr()
    assert printed.out == "x.playbach\n"
    assert "Listen: x-listen.mid (8 bars)\n" in printed.err


def test_the_piece_is_not_said_to_be_composed_by_a_command(lines_folder: Path, tmp_path: Path) -> None:
    """No command composes it again."""
    path = tmp_path / "x-listen.mid"
    listening.compose_bars(so_far(lines_folder), path, "x", Clock(0.0))
    assert describe_music(path).made_by is None
