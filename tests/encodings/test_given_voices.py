"""Given voices: what a network is told of them, and what they force, agree with the piece that they are from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sample_music
from playbach.encodings import ENCODINGS
from playbach.encodings.chorale.encoding import ChoraleEncoding
from playbach.encodings.chorale.given import FARTHEST, GivenVoice, given_voices
from playbach.encodings.chorale.piece import chorale_piece
from playbach.encodings.chorale.vocabulary import HOLD, REST, WAIT_SLOT
from playbach.encodings.options import ChoraleOptions

PIECES = [sample_music.chorale(seed) for seed in range(4)]


def fitted() -> ChoraleEncoding:
    encoding = ENCODINGS["chorale"].load().fit(PIECES, ChoraleOptions(given=True))
    assert isinstance(encoding, ChoraleEncoding)
    return encoding


ENCODING = fitted()
SOME_VOICES = st.sets(st.integers(0, 3), min_size=1)


def lines_of(number: int) -> tuple[GivenVoice, ...]:
    piece, _ = chorale_piece(PIECES[number], ENCODING)
    return given_voices(piece.onsets, piece.at_onsets, piece.end)


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 3), voices=SOME_VOICES)
def test_a_piece_is_possible_around_its_own_voices(number: int, voices: set[int]) -> None:
    encoded, lines = ENCODING.encode(PIECES[number]), lines_of(number)
    told = ENCODING.tell(encoded.steps, encoded.context, sorted(voices))
    decoder = ENCODING.decoder_around(encoded.header, {voice: lines[voice] for voice in voices})
    for step, context in zip(encoded.steps, told, strict=True):
        [mask] = decoder.valid_mask()
        assert mask[step[0]]
        if decoder.slot != WAIT_SLOT and decoder.voice in voices:
            assert np.flatnonzero(mask).tolist() == [step[0]]
        assert decoder.context().tolist() == context.tolist()
        decoder.feed(step)
    assert decoder.finished


@settings(max_examples=25, deadline=None)
@given(number=st.integers(0, 3), voices=SOME_VOICES, seed=st.integers(0, 1000))
def test_whatever_is_drawn_has_the_given_voices(number: int, voices: set[int], seed: int) -> None:
    lines, rng = lines_of(number), np.random.default_rng(seed)
    decoder = ENCODING.decoder_around(
        ENCODING.encode(PIECES[number]).header, {voice: lines[voice] for voice in voices}
    )
    events = []
    while not decoder.finished:
        masks = decoder.style_mask() if seed % 2 else decoder.valid_mask()
        events += decoder.feed(np.array([rng.choice(np.flatnonzero(masks[0]))], np.int32))
    events += decoder.finish()
    for voice in voices:
        line = lines[voice]
        notes = sorted((note.tick // 120, ENCODING.symbol_of(note.pitch)) for note in events if note.track == voice)
        assert notes == [(o, s) for o, s in zip(line.onsets, line.symbols) if s != REST]


def test_nothing_is_told_of_voices_that_are_not_given() -> None:
    encoded = ENCODING.encode(PIECES[0])
    assert ENCODING.tell(encoded.steps, encoded.context, []).tolist() == encoded.context.tolist()
    told = ENCODING.tell(encoded.steps, encoded.context, [0, 3])
    assert (told != encoded.context).any() and (ENCODING.untold(told) == encoded.context).all()
    first = ENCODING.features.column("next soprano")
    assert not encoded.context[:, first:].any()


def test_the_next_two_onsets_are_told_and_then_the_end() -> None:
    voice = GivenVoice(onsets=(0, 4, 60), symbols=(5, REST, 7), end=64)
    assert voice.told(0, is_taken=False) == [5, 1, REST, 5]
    assert voice.told(0, is_taken=True) == [REST, 5, 7, 1 + FARTHEST]
    assert voice.told(56, is_taken=False) == [7, 5, HOLD, 9]
    assert voice.told(60, is_taken=True) == [HOLD, 5, HOLD, 5]


@pytest.mark.parametrize("options", [None, ChoraleOptions()])
def test_an_encoding_without_given_voices_tells_of_none(options: ChoraleOptions | None) -> None:
    encoding = ENCODINGS["chorale"].load().fit(PIECES, options)
    assert encoding.tellable_voices == 0
    assert len(encoding.context) < len(ENCODING.context)
    assert ENCODINGS["chorale"].load().from_manifest(encoding.manifest()) == encoding


def test_a_manifest_of_earlier_versions_has_no_given_voices() -> None:
    manifest = ENCODING.manifest()
    del manifest["options"]
    assert ENCODINGS["chorale"].load().from_manifest(manifest).tellable_voices == 0
