"""`playbach compose --replay`: a file of playbach or of its page is composed again, note for note."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TextMetaTick, TrackTick

import playbach
from helpers.paths import GOLDEN
from playbach.cli.main import main
from playbach.inference.composing import Composer
from playbach.inference.options import ParameterChange
from playbach.inference.recipes import Replay, command_words, parse_recipe, read_replay
from playbach.streaming.programme import Programme
from playbach.streaming.replay import compose_again
from playbach.streaming.settings import ProgrammeChange, ProgrammeSettings
from playbach.streaming.stream import Stream, TimedBar
from playbach.system.errors import UsageError

TINY = GOLDEN / "tiny.playbach"


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(TINY)


def write_marked(path: Path, recipe: object) -> Path:
    """A file with a note and a recipe."""
    score = ScoreTick(480)
    score.tracks.append(TrackTick("one"))
    score.tracks[0].notes.append(NoteTick(0, 480, 60, 64))
    score.markers.append(TextMetaTick(0, f"playbach {json.dumps(recipe)}"))
    score.dump_midi(path)
    return path


def piece_of(bars: list[TimedBar], piece: int) -> tuple[set[tuple[int, ...]], list[tuple[int, float]]]:
    """The notes and the tempos of a piece of a stream."""
    own = [bar for bar in bars if bar.position[0] == piece]
    notes = {
        (n.note.track, n.note.tick, n.note.pitch, n.note.duration, n.note.velocity) for bar in own for n in bar.notes
    }
    tempos = [(tick, qpm) for bar in own for tick, _, qpm in bar.tempos]
    return notes, [t for i, t in enumerate(tempos) if not i or tempos[i - 1][1] != pytest.approx(t[1])]


def notes_and_tempos(score: ScoreTick) -> tuple[set[tuple[int, ...]], list[tuple[int, float]]]:
    notes = {
        (i, n.time, n.pitch, n.duration, n.velocity) for i, track in enumerate(score.tracks) for n in track.notes
    }
    tempos = [(t.time, t.qpm) for t in score.tempos]
    return notes, [t for i, t in enumerate(tempos) if not i or tempos[i - 1][1] != pytest.approx(t[1])]


def recipe_of_page(stream: Stream, piece: int) -> dict[str, Any]:
    """What the page writes (web/src/playback/recording.ts)."""
    programme = Programme(stream.composer, stream.settings, stream.changes)
    beginning = {name: programme.value_at(name, piece, 0) for name in ("temperature", "tempo")}
    within = [c for c in stream.changes if c.piece == piece and (c.bar > 0 or c.parameter == "length")]
    return {
        "model": "tiny", "bundle": stream.composer.bundle.sha256, "runtime": "onnx",
        "seed": stream.settings.seed + piece,
        "options": {"bars": stream.settings.bars, **{k: v for k, v in beginning.items() if v is not None}},
        "changes": [[c.bar, c.parameter, c.value] for c in within], "program": 19, "instruments": [[3, 19]],
    }  # fmt: skip


CHANGES = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.integers(0, 9), st.just("temperature"), st.sampled_from([None, 0.5, 3.0]))
    | st.tuples(st.sampled_from([0, 1]), st.integers(0, 9), st.just("tempo"), st.sampled_from([None, 50, 200]))
    | st.tuples(st.just(1), st.integers(0, 6), st.just("length"), st.integers(6, 9)),
    max_size=5,
).map(lambda rows: [ProgrammeChange(*row) for row in sorted(rows, key=lambda row: row[:2])])


@given(CHANGES, st.sampled_from([None, 90]), st.sampled_from([None, 2.0]))
@example([ProgrammeChange(0, 2, "tempo", 50), ProgrammeChange(1, 1, "temperature", None),
          ProgrammeChange(1, 3, "tempo", None), ProgrammeChange(1, 4, "length", 6)], 90, 2.0)  # fmt: skip
@settings(deadline=None, max_examples=6)
def test_a_piece_of_a_stream_is_made_again_with_all_changes(
    composer: Composer, changes: list[ProgrammeChange], tempo: float | None, temperature: float | None
) -> None:
    stream = Stream(composer, ProgrammeSettings(40, 8, temperature, tempo), changes, piece=1)
    bars = [stream.next()]
    while bars[-1].position[0] < 2:
        bars.append(stream.next())
    replay = read_replay(json.dumps(recipe_of_page(stream, 1)))
    piece = compose_again(composer, replay)
    (notes, tempos), (wanted, wanted_tempos) = notes_and_tempos(piece.score), piece_of(bars, 1)
    assert notes == wanted
    assert tempos == [(tick, pytest.approx(qpm, abs=0.01)) for tick, qpm in wanted_tempos]
    assert {track.program for track in piece.score.tracks} == {19}


def test_the_command_that_inspect_prints_makes_the_same_file(
    composer: Composer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.playbach").symlink_to(TINY)
    changes = (ParameterChange(2, 2.0, 7), ParameterChange(4, 0.5, 7))
    composer.compose(seed=5, bars=9, changes=changes).write("piece.mid")
    assert main(["inspect", "piece.mid"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  playbach compose --replay piece.mid" in lines
    assert main(["compose", "tiny.playbach", "--replay", "piece.mid", "-o", "again.mid"]) == 0
    assert Path("again.mid").read_bytes() == Path("piece.mid").read_bytes()


RECIPE = {"model": "tiny", "seed": 3, "options": {"bars": 4}}


@pytest.mark.parametrize(
    ("recipe", "word"),
    [
        ({}, "does not say how"),
        ([1], "does not say how"),
        ({**RECIPE, "seed": -1}, "seed"),
        ({**RECIPE, "model": "../tiny"}, "MODEL"),
        ({**RECIPE, "model": ""}, "MODEL"),
        ({**RECIPE, "prime": "corpus: x"}, "another file"),
        ({**RECIPE, "command": "rewrite"}, "another file"),
        ({**RECIPE, "runtime": "web"}, "browser"),
        ({**RECIPE, "program": 128}, "program"),
        ({**RECIPE, "changes": [[0, 2, "tempo", 90]]}, "does not say where"),  # as earlier versions of the page wrote
        ({**RECIPE, "options": {"changes": [{"bar": 2, "volume": 3}]}}, "does not say where"),
        ({**RECIPE, "options": {"changes": [{"bar": 5}, {"bar": 2}]}}, "does not say where"),
        ({**RECIPE, "options": {"changes": [{"bar": 2, "temperature": 99}]}}, "does not say where"),
        ({**RECIPE, "options": {"changes": "x"}}, "does not say where"),
        ({**RECIPE, "changes": "x"}, "does not say where"),
    ],
)
def test_a_file_that_cannot_be_made_again_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recipe: Any, word: str
) -> None:
    file = write_marked(tmp_path / "piece.mid", recipe)
    assert main(["compose", "--replay", str(file), "-o", str(tmp_path / "again.mid")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "piece.mid cannot be composed again" in line
    assert word in line
    assert not (tmp_path / "again.mid").exists()


@pytest.mark.parametrize(
    "change", [[2, "volume", 3], [2, "tempo", 9], [40, "tempo", 90], [3, "length", 2], [-1, "tempo", 90]]
)
def test_a_value_out_of_range_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: list[Any]
) -> None:
    file = write_marked(tmp_path / "piece.mid", {**RECIPE, "changes": [change]})
    assert main(["compose", str(TINY), "--replay", str(file), "-o", str(tmp_path / "again.mid")]) in (1, 2)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_another_network_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_marked(tmp_path / "piece.mid", {**RECIPE, "bundle": "0" * 64})
    output = ["-o", str(tmp_path / "again.mid")]
    assert main(["compose", str(TINY), "--replay", str(file), *output]) == 1
    assert "another network than" in capsys.readouterr().err
    write_marked(file, {**RECIPE, "bundle": playbach.load(TINY).bundle.sha256[:12]})
    assert main(["compose", str(TINY), "--replay", str(file), *output]) == 0


@pytest.mark.parametrize(
    "given_options",
    [["--seed", "3"], ["--bars", "4"], ["--no-rules"], ["--instrument", "Oboe"], ["--count", "2"], ["--original"],
     ["--prime", "corpus"], ["--key", "d minor"], ["--plain"], ["--tempo", "90"]],
)  # fmt: skip
def test_replay_takes_everything_from_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given_options: list[str]
) -> None:
    file = write_marked(tmp_path / "piece.mid", RECIPE)
    assert main(["compose", str(TINY), "--replay", str(file), *given_options]) == 2
    assert f"leave out {given_options[0]}" in capsys.readouterr().err


def test_without_changes_the_command_says_all_by_itself() -> None:
    recipe = {**RECIPE, "runtime": "onnx", "program": 68, "options": {"bars": 8, "temperature": 0.9}}
    found = parse_recipe(json.dumps(recipe))
    assert found is not None
    assert command_words(found) == (
        "playbach", "compose", "tiny", "--seed", "3", "--runtime", "onnx", "--instrument", "68", "--bars", "8",
        "--temperature", "0.9",
    )  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["bar", "bars", "x"]), inner),
)


@given(
    st.dictionaries(st.sampled_from(["model", "seed", "options", "changes", "program", "runtime", "bundle"]), JSON),
    st.dictionaries(st.sampled_from(["changes", "bars", "programs", "temperature", "rules", "key"]), JSON),
)
def test_a_foreign_recipe_is_refused_or_read(recipe: dict[str, Any], options: dict[str, Any]) -> None:
    text = json.dumps({"model": "tiny", "seed": 3, **recipe, "options": options})
    parsed = parse_recipe(text)
    if parsed is not None:
        command_words(parsed)
    try:
        assert isinstance(read_replay(text), Replay)
    except UsageError as error:
        assert str(error)
