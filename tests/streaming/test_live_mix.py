"""Sound without end: the same however it is cut into blocks, with notes that can be changed until they sound."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from playbach.rendering.audio import Cue, NoteBank, Voice, voice
from playbach.rendering.soundfont import SAMPLE_RATE, Audio, SoundFont, default_path, place
from playbach.streaming.live_mix import STEP, Endless, Mp3, frame_bytes, longest

SECOND = SAMPLE_RATE // STEP * STEP


@cache
def note(start: int, samples: int, pitch: int = 60) -> Voice:
    bank = NoteBank(SoundFont(default_path()))
    held = longest(samples / SAMPLE_RATE)
    return voice(bank, Cue(start, start + samples, 19, False, pitch, 90, held, place(0.0)))


def mix(*voices: Voice) -> Endless:
    made = Endless(0.5)
    for number, sounding in enumerate(voices):
        made.put(number, sounding)
    return made


def sound(made: Endless, samples: int, block: int = SECOND // 4 // STEP * STEP) -> Audio:
    return np.concatenate([made.read(min(block, samples - at)) for at in range(0, samples, block)], axis=1)


@settings(max_examples=8, deadline=None)
@given(blocks=st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_it_sounds_the_same_however_it_is_cut(blocks: list[int]) -> None:
    """So there is no step at the edges of blocks."""
    voices = [note(0, SECOND), note(10_000, SECOND // 2, 64), note(30_000, 3000, 67)]
    total = sum(blocks) * STEP
    cut = mix(*voices)
    pieces = np.concatenate([cut.read(n * STEP) for n in blocks], axis=1)
    np.testing.assert_allclose(pieces, mix(*voices).read(total), atol=2e-5)


def test_a_note_that_was_dropped_is_not_heard() -> None:
    made = mix(note(0, SECOND), note(2 * SECOND, SECOND, 72))
    sound(made, SECOND)
    made.drop(2 * SECOND)
    np.testing.assert_allclose(
        sound(made, 3 * SECOND), sound_after(mix(note(0, SECOND)), SECOND, 3 * SECOND), atol=2e-5
    )


def sound_after(made: Endless, before: int, samples: int) -> Audio:
    sound(made, before)
    return sound(made, samples)


def test_what_is_put_again_is_heard_once() -> None:
    made = mix(note(SECOND, SECOND))
    made.put(0, note(2 * SECOND, SECOND))
    early = sound(made, 2 * SECOND)
    assert np.abs(early).max() < 1e-6
    assert np.abs(sound(made, SECOND)).max() > 0.01


@pytest.mark.parametrize("off", [SECOND, 2 * SECOND])
def test_a_note_that_sounds_can_be_let_go_at_another_time(off: int) -> None:
    """Without a step: what comes is what would have come had it been known, and nothing clicks."""
    made = mix(note(0, 3 * SECOND // 2))
    begun = sound(made, SECOND // STEP // 2 * STEP)
    made.hold(0, off)
    rest = sound(made, 3 * SECOND)
    known = mix()
    known.put(0, note(0, 3 * SECOND // 2))
    known.hold(0, off)
    whole = np.concatenate([begun, rest], axis=1)
    np.testing.assert_allclose(whole, sound(known, whole.shape[1]), atol=2e-5)
    assert np.abs(np.diff(rest, axis=1)).max() < 0.15


def test_all_can_be_let_go() -> None:
    made = mix(note(0, 2 * SECOND), note(2 * SECOND, SECOND))
    sound(made, SECOND)
    assert not made.silent
    made.release()
    sound(made, 4 * SECOND)
    assert made.silent
    assert np.abs(sound(made, SECOND)).max() < 1e-3


def test_what_should_have_begun_is_left_out() -> None:
    made = Endless()
    made.skip(10 * SECOND)
    made.put(0, note(0, SECOND))
    assert np.abs(sound(made, 2 * SECOND)).max() == 0
    assert made.at == 12 * SECOND


def test_another_gain_comes_without_a_step() -> None:
    made = mix(note(0, 4 * SECOND))
    sound(made, SECOND)
    before = made.read(SECOND // 4 // STEP * STEP)
    made.gain = 0.1
    after = sound(made, SECOND)
    assert np.abs(after[:, 0] - before[:, -1]).max() < 0.05
    assert np.abs(after[:, SECOND // 2 :]).max() < 0.5 * np.abs(before).max()


def test_mp3_comes_in_whole_frames_and_joins_without_a_gap() -> None:
    """A steady tone, encoded in blocks and decoded, stays steady."""
    encoder, wave = Mp3(), np.sin(np.arange(3 * SAMPLE_RATE) * 2 * np.pi * 441 / SAMPLE_RATE).astype(np.float32) * 0.4
    data = b""
    for block in np.array_split(wave, 13):
        frames = encoder.encode(np.stack([block, block]))
        at = 0
        while at < len(frames):
            length = frame_bytes(frames[at : at + 4])
            assert length
            at += length
        assert at == len(frames)
        data += frames
    encoder.close()
    heard, rate = soundfile.read(io.BytesIO(data))
    assert rate == SAMPLE_RATE
    middle = heard[SAMPLE_RATE // 4 : 5 * SAMPLE_RATE // 2, 0]
    windows = np.sqrt(np.square(middle[: len(middle) // 1000 * 1000].reshape(-1, 1000)).mean(axis=1))
    np.testing.assert_allclose(windows, np.median(windows), rtol=0.003)  # the encoder takes it all down by a little
    assert np.median(windows) == pytest.approx(0.4 / np.sqrt(2), rel=0.1)


def test_what_is_no_frame_has_no_length() -> None:
    for header in (b"", b"RIFF", b"\xff\xfb", bytes(4), b"\xff\xfb\xf0\x00"):
        assert frame_bytes(header) == 0
