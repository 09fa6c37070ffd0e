"""Wishes: the key and the meter of a piece are kept, or refused with what there is otherwise."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import playbach
from helpers import sample_music
from playbach.encodings.fields import Field, symbol_label, transposed_field
from playbach.inference import composing, wishes
from playbach.inference.composing import Composer
from playbach.inspection.music import key_of
from playbach.music.bars import Bars, meters_of
from playbach.music.keys import KEY_NAMES, parse_key
from playbach.system.errors import UsageError


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(runtime="onnx")


@pytest.mark.parametrize("key", ["D minor", "Eb major"])
def test_a_piece_is_in_the_wished_key(composer: Composer, key: str) -> None:
    piece = composer.compose(seed=1, bars=4, key=key.lower(), plain=True)
    found = key_of(piece.score)
    assert found is not None and found.name == key
    lows = [min(n.pitch for n in track.notes) for track in piece.score.tracks]
    highs = [max(n.pitch for n in track.notes) for track in piece.score.tracks]
    ranges = composer.encoding.ranges  # type: ignore[attr-defined]
    assert all(low <= a and b <= high for (low, high), a, b in zip(ranges, lows, highs))
    named = {p for onset in piece.confidence for p in onset.pitches}
    assert named == {n.pitch for track in piece.score.tracks for n in track.notes}
    for onset in piece.confidence:
        assert onset.chosen[0].symbol in (onset.names, "hold", "rest")
    again = composer.compose(seed=1, bars=4, key=key, plain=True)
    assert [n.pitch for n in again.score.tracks[0].notes] == [n.pitch for n in piece.score.tracks[0].notes]
    assert json.loads(again.comment)["options"]["key"] == key


@pytest.mark.parametrize(("model", "meter"), [("bach-chorales", "3/4"), ("folk", "6/8"), ("ensemble", "3/4")])
def test_a_piece_keeps_the_wished_meter(model: str, meter: str) -> None:
    score = playbach.load(model, runtime="onnx").compose(seed=2, bars=4, meter=meter, plain=True).score
    meters = meters_of(score, 1)
    bars = Bars(meters)
    assert bars.meter(0) == meter
    assert {f"{n}/{d}" for _, n, d in meters[1 if bars.pickup else 0 :]} == {meter}


def test_a_passage_in_the_meter_is_continued(composer: Composer) -> None:
    score = composer.compose(seed=2, bars=1, prime="corpus", meter="3/4", plain=True).score
    assert Bars(meters_of(score, 1)).meter(0) == "3/4"


def test_wishes_that_cannot_be_kept_are_refused(composer: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    prime = sample_music.chorale(1)
    with pytest.raises(UsageError, match=r"begins in 5/4; choose 4/4, 3/4 or 3/2"):
        composer.compose(meter="5/4")
    with pytest.raises(UsageError, match="meter must be a fraction"):
        composer.compose(meter="waltz")
    with pytest.raises(UsageError, match=r"key must be a tonic and a mode, such as .*, not 'h moll'"):
        composer.compose(key="h moll")
    with pytest.raises(UsageError, match="continues a prime has its key"):
        composer.compose(key="C major", prime=prime)
    with pytest.raises(UsageError, match="continues a prime has its meter"):
        composer.compose(meter="4/4", prime=prime)
    monkeypatch.setattr(composing, "KEY_DRAWS", 3)
    monkeypatch.setattr(wishes, "_key", lambda events: None)
    with pytest.raises(UsageError, match="none of 3 composed pieces can be in C major: 3 are in no major key"):
        composer.compose(key="C major", seed=1, bars=1)


def test_names_of_keys() -> None:
    for index, name in enumerate(KEY_NAMES):
        key = parse_key(name)
        assert (key.tonic, key.mode) == (index % 12, name.split()[1])
    assert parse_key("c-sharp min")[:2] == parse_key("Db minor")[:2] == parse_key("C♯ minor")[:2] == (1, "minor")


@given(st.integers(30, 90), st.integers(-12, 12))
def test_names_of_pitches_move_with_a_piece(pitch: int, semitones: int) -> None:
    symbols = ("?", "hold", str(pitch), playbach.music.keys.pitch_name(pitch), "A2.F#3", "+4", "R", "C#")
    moved = transposed_field(Field("symbol", symbols), semitones)
    name = playbach.music.keys.pitch_name(pitch + semitones)
    assert symbol_label(moved, 2) == moved.symbols[3] == name
    assert (moved.symbols[0], moved.symbols[1], moved.symbols[5], moved.symbols[6]) == ("?", "hold", "+4", "R")
    other = Field("duration", ("1/4", "2"))
    assert transposed_field(other, semitones) == other
