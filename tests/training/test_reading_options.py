"""The options of reading files, from training to everything that repeats it."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from helpers import sample_music

pytest.importorskip("torch")

import playbach
from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import reading_options
from playbach.cli.main import build_parser, main
from playbach.data import corpora
from playbach.evaluation.reports import groups_of
from playbach.inference import composing
from playbach.music.options import ReadingOptions
from playbach.system.errors import BundleError
from playbach.training.runs import Run

QUICK: dict[str, Any] = {"network": {"hidden": 16, "embedding": 8}, "epochs": 1, "dtype": "float32"}


@pytest.fixture(scope="module")
def in_quarters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines whose files say 1/4 all through."""
    folder = tmp_path_factory.mktemp("music") / "quarters"
    folder.mkdir()
    for seed in range(8):
        line = sample_music.line(seed)
        line.time_signatures.clear()
        line.time_signatures.extend(sample_music.score([[]], meters=((0, 1, 4),)).time_signatures)
        line.dump_midi(folder / f"{seed}.mid")
    return folder


@pytest.fixture(scope="module")
def run(in_quarters: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[str]]:
    lines: list[str] = []
    into = tmp_path_factory.mktemp("run")
    options = {"meter": "4/4", "pedal": "ignore", "plain_ornaments": True}
    return playbach.train(in_quarters, into=into, report=lines.append, **options, **QUICK), lines


def test_the_meter_of_all_training_pieces_is_replaced(run: tuple[Run, list[str]]) -> None:
    finished, lines = run
    assert bundles.read(finished.path).encoding().meters == ("4/4",)
    assert not [line for line in lines if line.startswith("remark:")]


def test_without_it_the_log_doubts_the_meter(in_quarters: Path, tmp_path: Path, faster_saving: None) -> None:
    finished = playbach.train(in_quarters, into=tmp_path, **QUICK)
    log = finished.log.read_text("utf-8").splitlines()
    said = [line for line in log if line.startswith("remark: ")]
    assert len(said) == 4
    assert "0.mid: its meter is 1/4 all through" in said[0]
    assert "and 5 more files, such as 3.mid: its meter is 1/4 all through" in said[-1]
    assert finished.trained.encoding.meters == ("1/4",)


def test_the_bundle_repeats_how_its_music_was_read(
    run: tuple[Run, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = bundles.read(run[0].path)
    options = ReadingOptions(pedal="ignore", plain_ornaments=True, meter="4/4")
    assert reading_options(bundle) == options
    words = shlex.split(bundle.manifest["provenance"]["command"])
    arguments = build_parser().parse_args(words[1:])
    assert (arguments.pedal, arguments.plain_ornaments, arguments.meter) == ("ignore", True, "4/4")
    assert main(["inspect", str(run[0].path), "--config"]) == 0
    config = tomllib.loads(capsys.readouterr().out)
    assert (config["pedal"], config["plain_ornaments"], config["meter"]) == ("ignore", True, "4/4")


def test_training_further_reads_music_in_the_same_way(
    run: tuple[Run, list[str]], in_quarters: Path, tmp_path: Path, faster_saving: None
) -> None:
    further = playbach.train(in_quarters, base=run[0].path, into=tmp_path, epochs=1, dtype="float32", pedal="keep")
    assert further.trained.options.reading() == ReadingOptions(pedal="keep", plain_ornaments=True, meter="4/4")
    assert further.trained.encoding.meters == ("4/4",)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ReadingOptions(pedal="ignore", plain_ornaments=True, meter="4/4")),
        ({"pedal": "keep", "meter": "3/4"}, ReadingOptions(pedal="keep", plain_ornaments=True, meter="3/4")),
        ({"plain_ornaments": False}, ReadingOptions(pedal="ignore", plain_ornaments=False, meter="4/4")),
    ],
)
def test_evaluating_reads_music_as_for_training(
    run: tuple[Run, list[str]],
    in_quarters: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    expected: ReadingOptions,
) -> None:
    asked: list[ReadingOptions] = []
    read_folder = corpora.read_folder

    def record(*arguments: Any, reading: ReadingOptions, **others: Any) -> Any:
        asked.append(reading)
        return read_folder(*arguments, reading=reading, **others)

    monkeypatch.setattr(corpora, "read_folder", record)
    playbach.evaluate(run[0].path, in_quarters, side="test", **given)
    assert asked == [expected]


def test_its_own_pieces_are_recognised_as_they_were_read(run: tuple[Run, list[str]], in_quarters: Path) -> None:
    groups, _ = groups_of(composing.load(run[0].path), in_quarters, lambda line: None)
    assert not groups["unseen"]
    assert sum(map(len, groups.values())) == 8


def test_a_network_that_knew_no_pedal_learned_written_lengths(run: tuple[Run, list[str]]) -> None:
    bundle = bundles.read(run[0].path)
    for options in ({}, None, {"epochs": 3}):
        old = bundles.Bundle(bundle.name, {"provenance": {"options": options}}, {}, "")
        assert reading_options(old) == ReadingOptions(pedal="ignore")
    wrong = bundles.Bundle(bundle.name, {"provenance": {"options": {"meter": 4}}}, {}, "")
    with pytest.raises(BundleError, match="how its music was read is not valid"):
        reading_options(wrong)


def test_reading_one_file_says_the_same(in_quarters: Path) -> None:
    lines: list[str] = []
    score = playbach.read(in_quarters / "0.mid", report=lines.append)
    assert [(m.numerator, m.denominator) for m in score.time_signatures] == [(1, 4)]
    assert len(lines) == 1 and "1/4 all through" in lines[0]
    lines.clear()
    score = playbach.read(in_quarters / "0.mid", meter="4/4", report=lines.append)
    assert [(m.numerator, m.denominator) for m in score.time_signatures] == [(4, 4)]
    assert lines == []


@pytest.mark.parametrize("command", [["train"], ["evaluate", "bach-chorales"], ["inspect"]])
def test_a_wrong_meter_is_one_line(command: list[str], in_quarters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, str(in_quarters), "--meter", "4"]) == 2
    assert capsys.readouterr().err.startswith("playbach: meter must be a fraction such as 4/4 or 6/8, ")
