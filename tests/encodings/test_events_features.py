"""Each feature of the `events` encoding tells the same of a whole piece and of a decoder before each of its steps.

For each feature apart, so that a test's name says which of them has two faces that differ. Beyond the conformance
tests, over pieces in which training knows little, and over a long one.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import symusic

from helpers import sample_music
from playbach.encodings.base import EncodedPiece
from playbach.encodings.events.encoding import EventsEncoding
from playbach.encodings.features.bars import BARS_LEFT
from playbach.encodings.options import EventsOptions


def in_many_meters(score: symusic.Score) -> symusic.Score:
    changed = score.copy()
    changed.time_signatures = changed.time_signatures[:0]
    for tick, meter in ((0, (1, 4)), (480, (4, 4)), (4320, (5, 8)), (6000, (3, 4)), (8000, (4, 4))):
        changed.time_signatures.append(symusic.TimeSignature(tick, *meter))
    return changed


def transposed(score: symusic.Score, semitones: int) -> symusic.Score:
    moved = score.copy()
    for track in moved.tracks:
        track.shift_pitch(semitones, inplace=True)
    return moved


@cache
def case(name: str) -> tuple[EventsEncoding, list[EncodedPiece]]:
    """An encoding, and pieces in it."""
    piano, band = sample_music.piano, sample_music.band
    training = {"piano": [piano(0), piano(1)], "band": [band(0), band(1)]}
    options = EventsOptions()
    if name == "plain":
        options = EventsOptions("families", "fixed", velocities=False)
    pieces = training.get(name, [*training["piano"], *training["band"]])
    encoding = EventsEncoding.fit(pieces, options)
    scores = [band(2), piano(2), band(3, tonic=7), in_many_meters(band(4)), transposed(piano(3), 15)]
    return encoding, [encoding.encode(score) for score in (*scores, piano(4, bars=180))]


NAMES = [feature.fields[0].name for feature in case("mixed")[0].features]


@pytest.mark.parametrize("vocabulary", ["piano", "band", "mixed", "plain"])
@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_a_feature_tells_the_same_of_a_piece_and_of_its_states(number: int, vocabulary: str) -> None:
    encoding, pieces = case(vocabulary)
    feature = list(encoding.features)[number]
    columns = encoding.features.columns_of(feature)
    for piece in pieces:
        expected = piece.context[:, columns]
        bars = None
        if feature.fields[0].name == BARS_LEFT:
            decoder = encoding.decoder(piece.header)
            for step in piece.steps[:-1]:
                decoder.feed(step)
            bars = decoder.bar
        decoder = encoding.decoder(piece.header, bars)
        for step, symbols in zip(piece.steps, expected.tolist(), strict=True):
            assert list(feature.of_state(decoder)) == symbols
            decoder.feed(step)


def test_the_features_are_the_context() -> None:
    encoding, pieces = case("mixed")
    assert encoding.features.fields == encoding.context
    assert [encoding.features.column(field.name) for field in encoding.context] == list(range(len(encoding.context)))
    assert pieces[0].context.dtype == np.int32
