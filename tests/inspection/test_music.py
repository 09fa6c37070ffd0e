"""Descriptions of pieces, compared with counts by hand."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import symusic

from helpers import sample_music
from playbach.bundles import bundle as bundles
from playbach.cli.main import main
from playbach.inference.recipes import SAME_FILE
from playbach.inspection import describe_music
from playbach.inspection.music import FromBar, TempoInfo
from playbach.music.options import ReadingOptions
from playbach.music.pedal import pedal_presses
from playbach.rendering import midi
from playbach.system.errors import BundleError, ScoreError


def saved(score: symusic.Score, path: Path) -> Path:
    path.write_bytes(bytes(score.dumps_midi()))
    return path


@pytest.fixture
def piece(tmp_path: Path) -> Path:
    """A pickup, three bars of 3/4, one of 2/4; chords on the second track, and drums."""
    score = sample_music.score(
        [
            [(0, 480, 67), (480, 960, 72), (1440, 480, 71), (1920, 2880, 72)],
            [(480, 1440, 48), (480, 1440, 52), (1200, 240, 55), (1920, 1440, 48)],
            [(480, 10, 36)],
        ],
        meters=((0, 1, 4), (480, 3, 4), (480 + 3 * 1440, 2, 4)),
        names=("Flute", "Piano", "Kit"),
        programs=(73, 0, 0),
        tempo=120,
    )
    score.tracks[2].is_drum = True
    score.tempos.append(symusic.Tempo(480 + 2880, qpm=60))
    score.key_signatures.append(symusic.KeySignature(0, 0, 0))
    score.key_signatures.append(symusic.KeySignature(480 + 1440, -3, 1))
    score.markers.append(symusic.TextMeta(480, "verse\x1b[31m"))
    return saved(score, tmp_path / "piece.mid")


def test_a_piece(piece: Path) -> None:
    music = describe_music(piece)
    assert (music.path, music.bytes) == (str(piece), piece.stat().st_size)
    assert (music.bars, music.pickup, music.quarters) == (3, 1.0, 10.0)
    assert music.seconds == pytest.approx(7 * 0.5 + 3 * 1.0)
    assert music.meters == (FromBar(0, "1/4"), FromBar(1, "3/4"), FromBar(4, "2/4"))
    assert music.tempos == TempoInfo(120, 60, 120, 1)
    assert music.key_signatures == (FromBar(0, "C major"), FromBar(2, "C minor"))
    assert music.key is not None
    assert music.key.name == "C major"
    assert music.notes == 9
    assert music.at_once == 4  # the flute's C with three notes of the piano; drums do not count
    assert music.markers == ("verse [31m",)
    assert (music.made_by, music.again, music.model) == (None, None, None)


def test_its_tracks(piece: Path) -> None:
    flute, piano, kit = (
        t for name in ("Flute", "Piano", "Kit") for t in describe_music(piece).tracks if t.name == name
    )
    assert (flute.instrument, flute.notes, flute.lowest, flute.highest, flute.at_once) == ("Flute", 4, "G4", "C5", 1)
    assert (piano.program, piano.notes, piano.lowest, piano.highest, piano.at_once) == (0, 4, "C3", "G3", 3)
    assert (kit.drums, kit.instrument) == (True, "Drums")


def test_how_it_encodes(piece: Path, tmp_path: Path) -> None:
    found = {e.encoding: e for e in describe_music(piece).encodings}
    assert set(found) == {"notes", "chorale", "events"}
    assert found["events"].fields == ("symbol",)
    assert "four voices" in (found["chorale"].problem or "")
    notes = found["notes"]
    assert notes.fields == ("symbol", "duration")
    assert notes.first[:3] == (("G4", "1"), ("C3.E3.C5", "3/2"), ("G3", "1/2"))
    assert notes.steps_per_bar == pytest.approx(notes.steps / 3, abs=0.01)
    voices = {e.encoding: e for e in describe_music(saved(sample_music.chorale(1), tmp_path / "four.mid")).encodings}
    assert voices["chorale"].problem is None
    assert any(name[-1].isdigit() and name[0] in "ABCDEFG" for (name,) in voices["chorale"].first)


def test_only_drums(tmp_path: Path) -> None:
    score = sample_music.score([[(0, 480, 36)]])
    score.tracks[0].is_drum = True
    music = describe_music(saved(score, tmp_path / "drums.mid"))
    assert (music.key, music.at_once) == (None, 0)
    assert {e.encoding for e in music.encodings if e.problem} == {"notes", "chorale"}
    assert [e.first[0] for e in music.encodings if not e.problem] == [("drum 36",)]


def test_a_file_that_says_nothing_of_tempo_or_meter(tmp_path: Path) -> None:
    score = sample_music.line(1, bars=2)
    score.tempos.clear()
    score.time_signatures.clear()
    music = describe_music(saved(score, tmp_path / "bare.mid"))
    assert music.seconds == pytest.approx(4.0)
    assert music.meters == (FromBar(1, "4/4"),)


def test_a_model_knows_its_own_piece(lines_bundle: Path, lines_folder: Path, tmp_path: Path) -> None:
    manifest = bundles.read(lines_bundle).manifest
    sides = {name: side for side, name in manifest["pieces"].values()}
    for path in sorted(lines_folder.iterdir())[:6]:
        taken = describe_music(path, lines_bundle).model
        assert taken is not None
        assert taken.side == sides[path.name]
        assert taken.unknown == 0 or taken.side != "train"
    low = sample_music.score([[(0, 480, 12), (480, 480, 14), (960, 480, 60), (1440, 480, 62)]])
    strange = describe_music(saved(low, tmp_path / "low.mid"), lines_bundle).model
    assert strange is not None
    assert (strange.side, strange.steps, strange.unknown) == (None, 4, 0.5)


def test_a_model_that_cannot_take_it_says_why(chorales_bundle: Path, lines_folder: Path) -> None:
    taken = describe_music(lines_folder / "piece00.mid", chorales_bundle).model
    assert taken is not None
    assert "four voices" in (taken.problem or "")


def test_what_we_composed_can_be_made_again(
    chorales_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(chorales_bundle.parent)
    prime = saved(sample_music.chorale(5, bars=3), tmp_path / "prime file.mid")
    arguments = ["compose", chorales_bundle.stem, "--bars", "3", "--seed", "9", "--temperature", "0.9", "--plain"]
    arguments += ["--instrument", "alto=oboe", "--prime", str(prime), "--prime-bars", "2", "--no-rules", "--no-prime"]
    assert main([*arguments, "-o", str(tmp_path / "a.mid")]) == 0
    music = describe_music(tmp_path / "a.mid")
    assert music.made_by is not None
    assert (music.made_by["seed"], music.made_by["model"]) == (9, chorales_bundle.stem)
    assert music.again is not None
    words = [str(prime) if word == SAME_FILE else word for word in music.again]
    assert main([*words[1:], "-o", str(tmp_path / "b.mid")]) == 0
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_a_fixed_rhythm_can_be_made_again(
    lines_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lines_bundle.parent)
    arguments = ["compose", lines_bundle.stem, "--bars", "2", "--seed", "9", "--offset", "0.5", "--duration", "0.25"]
    assert main([*arguments, "-o", str(tmp_path / "a.mid")]) == 0
    again = describe_music(tmp_path / "a.mid").again
    assert again is not None
    assert main([*again[1:], "-o", str(tmp_path / "b.mid")]) == 0
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


@pytest.mark.parametrize(
    "comment",
    ["", "nonsense", "[]", "{}", '{"options": 3}', "[" * 5000, '{"options": {}, "seed": "7", "model": "x"}'],
)
def test_a_comment_that_is_not_ours_is_no_command(comment: str, tmp_path: Path) -> None:
    score = sample_music.line(1)
    score.markers.append(symusic.TextMeta(0, midi.MARKER_PREFIX + comment))
    assert describe_music(saved(score, tmp_path / "a.mid")).again is None


def test_a_command_out_of_a_file_is_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score = sample_music.line(1)
    how = {"model": "x; rm -rf $HOME", "seed": 1, "options": {"bars": 3, "tempo": "`id`"}}
    score.markers.append(symusic.TextMeta(0, midi.MARKER_PREFIX + json.dumps(how)))
    path = saved(score, tmp_path / "a.mid")
    assert main(["inspect", str(path)]) == 0
    [line] = [x for x in capsys.readouterr().out.splitlines() if x.startswith("  playbach compose")]
    assert shlex.split(line) == ["playbach", "compose", "x; rm -rf $HOME", "--seed", "1", "--bars", "3"]


def test_faults(tmp_path: Path, lines_folder: Path) -> None:
    with pytest.raises(ScoreError, match="no such file"):
        describe_music(tmp_path / "missing.mid")
    with pytest.raises(BundleError, match="no such model"):
        describe_music(lines_folder / "piece00.mid", "nothing")


def test_what_an_encoding_changes_is_said(tmp_path: Path) -> None:
    piece = sample_music.score(
        [[(t * 480, 480, 60 + t % 5) for t in range(24)]], meters=((0, 4, 4), (3840, 11, 4), (9120, 4, 4))
    )
    music = describe_music(saved(piece, tmp_path / "piece.mid"))
    said = {found.encoding: found.remarks for found in music.encodings}
    assert said["events"] == ("bar 3 (11/4) is split into bars of 4/4",)
    assert said["notes"] == ()


@pytest.mark.parametrize(
    ("values", "presses"),
    [([], 0), ([127, 0, 127, 0], 2), ([127, 100, 64, 63, 64], 2), ([10, 63, 0], 0), ([64], 1)],
)
def test_the_pedal_is_pressed_where_its_controller_rises_to_64(values: list[int], presses: int) -> None:
    piece = sample_music.score([[(0, 480, 60)]])
    for tick, value in reversed(list(enumerate(values))):
        piece.tracks[0].controls.append(symusic.ControlChange(tick, 64, value))
        piece.tracks[0].controls.append(symusic.ControlChange(tick, 7, 127 - value))
    assert pedal_presses(piece) == presses


def test_a_piece_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    piece = sample_music.score([[(t * 480, 480, 60 + t % 5) for t in range(24)]], meters=((0, 1, 4),))
    piece.tracks[0].controls.append(symusic.ControlChange(0, 64, 127))
    path = saved(piece, tmp_path / "piece.mid")
    music = describe_music(path)
    assert (music.pedal, music.pedal_presses, music.ornaments, music.bars) == ("keep", 1, {}, 24)
    assert [r for r in music.remarks if "1/4 all through" in r]
    asked = describe_music(path, options=ReadingOptions(pedal="ignore", meter="4/4", plain_ornaments=True))
    assert (asked.pedal, asked.pedal_presses, asked.plain_ornaments, asked.bars) == ("ignore", 1, True, 6)
    assert asked.meters == (FromBar(1, "4/4"),)
    assert not [r for r in asked.remarks if "all through" in r]
