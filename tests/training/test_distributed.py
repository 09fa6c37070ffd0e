"""Training on several processes: the same steps as on one, equal weights in all of them, and an orderly end."""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest

from helpers.paths import ROOT

torch = pytest.importorskip("torch")

from playbach.data import corpora
from playbach.data.batches import IGNORED, TrainingSet
from playbach.encodings import ENCODINGS
from playbach.models import MODELS, build
from playbach.models.base import Shape
from playbach.system.errors import PlaybachError, UsageError
from playbach.training import distributed, steps
from playbach.training.callbacks import Callbacks
from playbach.training.distributed import SINGLE_PROCESS, ProcessGroup
from playbach.training.loop import train
from playbach.training.optim import train_step
from playbach.training.options import TrainOptions

SMALL = {
    "transformer": {"width": 16, "layers": 1, "heads": 2, "memory": 32, "dropout": 0.0, "symbol_dropout": 0.0},
    "lstm": {"hidden": 16, "layers": 1, "embedding": 8, "dropout": 0.0},
    "attention": {"hidden": 16, "layers": 1, "embedding": 8, "memory": 16, "dropout": 0.0},
    "cnn": {"hidden": 16, "dropout": 0.0, "symbol_dropout": 0.0},
}


@pytest.fixture(scope="module")
def music(lines_folder: Path) -> tuple[object, TrainingSet]:
    corpus, _ = corpora.open_corpus(lines_folder, 0, "notes")
    encoding = ENCODINGS["notes"].load().fit([p.score for p in corpus.train], None)
    data = TrainingSet(corpus.train, encoding)
    data._rare[4::5] = True  # windows with rare symbols draw more random numbers
    return encoding, data


# ------------------------------------------------------------------------------------------------- in one process


@pytest.mark.parametrize("size", [2, 3, 7])
def test_the_parts_of_all_processes_make_up_the_batch(music: tuple[object, TrainingSet], size: int) -> None:
    _, data = music
    assert len(data._rare_places)
    shares = [list(data.epoch(1, 5, 32, 4, share=(rank, size))) for rank in range(size)]
    for i, whole in enumerate(data.epoch(1, 5, 32, 4)):
        assert whole.mean_steps is None
        rows = [
            row
            for rank in range(size)
            for row in zip(shares[rank][i].previous, shares[rank][i].context, shares[rank][i].target)
            if (row[2] != IGNORED).any()
        ]
        order = [n for rank in range(size) for n in range(rank, len(whole.target), size)]
        assert len(rows) == len(order)
        for row, n in zip(rows, order):
            for share, known in zip(row, (whole.previous[n], whole.context[n], whole.target[n])):
                assert np.array_equal(share[: len(known)], known[: len(share)])
            assert (whole.target[n][len(row[2]) :] == IGNORED).all()
        steps = int((whole.target[..., 0] != IGNORED).sum())
        assert {share[i].mean_steps for share in shares} == {steps / size}


def test_music_encoded_by_another_process_gives_the_same_batches(music: tuple[object, TrainingSet]) -> None:
    encoding, data = music
    again = TrainingSet.open(encoding, data.shards.folder)
    again._rare[:] = data._rare
    for a, b in zip_longest(data.epoch(2, 5, 32, 4), again.epoch(2, 5, 32, 4)):
        assert np.array_equal(a.previous, b.previous) and np.array_equal(a.target, b.target)


@pytest.mark.parametrize("name", MODELS)
def test_the_mean_over_all_parts_is_the_gradient_of_the_whole_batch(
    music: tuple[object, TrainingSet], name: str
) -> None:
    """The parts differ in length and one is empty, so that a mean of means would differ."""
    encoding, data = music
    torch.manual_seed(0)
    whole = build(name, Shape.of(encoding), SMALL[name])
    options = TrainOptions(clip=1e9)
    weights = [1.0, 0.5][: len(encoding.fields)]

    def step(share: tuple[int, int]) -> tuple[float, list[torch.Tensor]]:
        model = copy.deepcopy(whole)
        batch = next(data.epoch(1, 5, 32, 5, share=share))
        frozen = torch.optim.SGD(model.parameters(), 0.0)
        cpu = torch.device("cpu")
        loss = train_step(model, batch, frozen, options=options, device=cpu, dtype=torch.float32, weights=weights)
        assert all(p.grad is not None for p in model.parameters()), "DistributedDataParallel would wait for it"
        return loss, [p.grad for p in model.parameters()]

    size = 6
    loss, gradients = step((0, 1))
    parts = [step((rank, size)) for rank in range(size)]
    assert sum(part for part, _ in parts) / size == pytest.approx(loss, rel=1e-5)
    for i, gradient in enumerate(gradients):
        mean = sum(found[i] for _, found in parts) / size
        assert torch.allclose(mean, gradient, atol=1e-5 + 1e-4 * float(gradient.abs().max()))


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with distributed.join_process_group() as group:
        assert group is SINGLE_PROCESS and group.is_leader
    monkeypatch.setenv("WORLD_SIZE", "4")  # left over from something else
    with distributed.join_process_group() as group:
        assert group is SINGLE_PROCESS


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: None)
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert ProcessGroup(5, 6, 1).device(cuda) == torch.device("cuda", 1)
    assert ProcessGroup(5, 6, 1).device(cpu) == cpu
    assert SINGLE_PROCESS.device(cuda) == cuda
    with pytest.raises(UsageError, match="has 2 GPUs, too few for process 3 there"):
        ProcessGroup(5, 6, 2).device(cuda)
    with pytest.raises(UsageError, match="not on mps"):
        ProcessGroup(1, 2, 1).device(torch.device("mps"))


def test_each_process_has_its_own_random_numbers() -> None:
    def draw(rank: int, step: int) -> float:
        torch.manual_seed(1)
        ProcessGroup(rank, 3).reseed(7, step)
        return float(torch.rand(1))

    torch.manual_seed(1)
    onward = float(torch.rand(1))
    assert draw(0, 4) == draw(0, 5) == onward, "those of process 0 stay as they are"
    assert len({draw(rank, step) for rank in range(3) for step in (4, 5)}) == 5
    assert draw(2, 4) == draw(2, 4)


def test_a_process_with_other_versions_or_other_music_is_refused(
    music: tuple[object, TrainingSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoding, data = music
    model = build("lstm", Shape.of(encoding), SMALL["lstm"])
    options = TrainOptions(encoding="notes", network=SMALL["lstm"], device="cpu")
    sent: list[dict[str, object]] = []
    monkeypatch.setattr(ProcessGroup, "share", lambda self, message: sent.append(message))
    runner = steps.EpochRunner(
        model=model,
        optimiser=torch.optim.SGD(model.parameters(), 0.1),
        data=data,
        options=options,
        weights=[1.0],
        batch=3,
        dtype="float32",
        device=torch.device("cpu"),
        group=SINGLE_PROCESS,
    )
    steps.send_setup(runner, encoding, None)

    def receive(**changes: object) -> steps.EpochRunner:
        monkeypatch.setattr(
            ProcessGroup, "share", lambda self, message: json.loads(json.dumps({**sent[0], **changes}))
        )
        return steps.receive_setup(ProcessGroup(1, 2))

    assert receive().batch == 3
    with pytest.raises(PlaybachError, match="process 0 has playbach 0; install the same versions"):
        receive(versions="playbach 0")
    with pytest.raises(PlaybachError, match="process 0 finds 9999; train in a folder that all machines share"):
        receive(sequences=9999)


def test_weights_that_have_drifted_apart_are_reported(lines_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProcessGroup, "has_same_weights", lambda self, model, device: False)
    corpus, encoding = corpora.open_corpus(lines_folder, 0, "notes")
    lines: list[str] = []
    callbacks = Callbacks()
    callbacks.report = lines.append  # type: ignore[method-assign]
    options = TrainOptions(encoding=encoding, network=SMALL["lstm"], window=32, batch=4, epochs=1)
    train(corpus, options, callbacks=callbacks)
    assert sum(line.startswith("The processes no longer have the same weights") for line in lines) == 1


# --------------------------------------------------------------------------------------------------- in several


def run_scenario(scenario: str, music: Path, into: Path) -> dict[tuple[str, int], tuple[int, str]]:
    """The exit status and the last line of output of each process, by training and rank."""
    command = [
        sys.executable,
        str(ROOT / "tests" / "helpers" / "distributed_runs.py"),
        str(music),
        str(into),
        scenario,
    ]
    python_path = os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": python_path, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    results = {}
    for line in done.stdout.splitlines():
        name, rank, status, last_line = line.split(" ", 3)
        results[name, int(rank)] = (int(status), last_line)
    return results


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.slow
@forks
def test_two_processes_learn_the_same_as_one(lines_folder: Path, tmp_path: Path) -> None:
    ended = run_scenario("same", lines_folder, tmp_path)
    assert ended == {
        ("one", 0): (0, "one.playbach"), ("two", 0): (0, "two.playbach"), ("two", 1): (0, ""),
    }  # fmt: skip
    first, second = ((tmp_path / f"two.{rank}.safetensors").read_bytes() for rank in (0, 1))
    assert first == second, "all processes have the same weights"
    curves = [
        [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text("utf-8").splitlines()]
        for name in ("one", "two")
    ]
    assert len(curves[0]) == 3
    for one, two in zip(*curves, strict=True):
        for side in ("train", "valid"):
            assert two[side]["bits_per_note"] == pytest.approx(one[side]["bits_per_note"], rel=1e-3)
    log = (tmp_path / "two.log").read_text("utf-8")
    assert "5 windows per batch over 2 processes" in log and "no longer" not in log
    assert not list(tmp_path.glob("*.run"))


@pytest.mark.slow
@forks
def test_two_processes_killed_and_resumed_end_with_the_same_weights(lines_folder: Path, tmp_path: Path) -> None:
    """With dropout, which differs between the processes."""
    ended = run_scenario("resumed", lines_folder, tmp_path)
    assert ended["killed", 0][0] == -9
    status, message = ended["killed", 1]
    assert status == 1 and message.startswith("playbach: process 1 of 2, on ") and message.endswith("with --resume")
    assert ended["cut", 0][0] == ended["cut", 1][0] == 0
    whole, cut = ((tmp_path / f"{name}.playbach").read_bytes() for name in ("whole", "cut"))
    assert whole == cut
    last = {(tmp_path / f"{name}.{rank}.safetensors").read_bytes() for name in ("whole", "cut") for rank in (0, 1)}
    assert len(last) == 1


@pytest.mark.slow
@forks
def test_a_failing_process_ends_all_and_prints_the_reason_once(lines_folder: Path, tmp_path: Path) -> None:
    ended = run_scenario("failing", lines_folder, tmp_path)
    assert ended["failed", 1] == (1, f"playbach: process 1 of 2, on {socket.gethostname()}: the disk has gone")
    assert ended["failed", 0][0] == 1
    assert "playbach:" not in ended["failed", 0][1]
    assert (tmp_path / "failed.run").is_dir(), "it can be resumed"


@pytest.mark.slow
@forks
def test_a_batch_that_is_too_small_is_refused_once(lines_folder: Path, tmp_path: Path) -> None:
    ended = run_scenario("refused", lines_folder, tmp_path)
    assert ended["refused", 1] == (1, "")
    assert ended["refused", 0][0] == 2
    assert "a batch of 1 windows cannot be shared by 2 processes" in ended["refused", 0][1]
    assert not list(tmp_path.glob("*.run"))


@pytest.mark.slow
@forks
def test_ctrl_c_ends_all_processes_normally(lines_folder: Path, tmp_path: Path) -> None:
    ended = run_scenario("stopped", lines_folder, tmp_path)
    assert ended == {("stopped", 0): (0, "stopped.playbach"), ("stopped", 1): (0, "")}
    assert "stopped by hand" in (tmp_path / "stopped.log").read_text("utf-8")


@pytest.mark.slow
def test_torchrun_starts_the_processes(lines_folder: Path, tmp_path: Path) -> None:
    options = [
        "--model=lstm", "--hidden=16", "--layers=1", "--embedding=8", "--window=64", "--epochs=1", "--device=cpu",
    ]  # fmt: skip
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*start, "-m", "playbach", "train", str(lines_folder), *options, "--name", "many"],
        capture_output=True, text=True, cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "many.playbach\n"
    assert "over 2 processes" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "many.jsonl", "many.log", "many.playbach", "many.png",
    ]  # fmt: skip
