"""The endless mix: it does not depend on the length of blocks, and notes can be changed until they begin."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from playbach.rendering.audio import NoteBank, SoundingNote, TimedNote, sounding_note
from playbach.rendering.soundfont import SAMPLE_RATE, Audio, SoundFont, default_soundfont, pan_gains
from playbach.streaming.live_mix import BLOCK_MULTIPLE, LiveMix, Mp3, frame_bytes, render_seconds

SECOND = SAMPLE_RATE // BLOCK_MULTIPLE * BLOCK_MULTIPLE


@cache
def note(start: int, samples: int, pitch: int = 60) -> SoundingNote:
    bank = NoteBank(SoundFont(default_soundfont()))
    seconds = render_seconds(samples / SAMPLE_RATE)
    return sounding_note(bank, TimedNote(start, start + samples, 19, False, pitch, 90, seconds, pan_gains(0.0)))


def mix_of(*voices: SoundingNote) -> LiveMix:
    mix = LiveMix(0.5)
    for number, voice in enumerate(voices):
        mix.add(number, voice)
    return mix


def read(mix: LiveMix, samples: int, block: int = SECOND // 4 // BLOCK_MULTIPLE * BLOCK_MULTIPLE) -> Audio:
    return np.concatenate([mix.read(min(block, samples - at)) for at in range(0, samples, block)], axis=1)


@settings(max_examples=8)
@given(blocks=st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_the_length_of_blocks_makes_no_difference(blocks: list[int]) -> None:
    """So there is no step at the edges of blocks."""
    voices = [note(0, SECOND), note(10_000, SECOND // 2, 64), note(30_000, 3000, 67)]
    total = sum(blocks) * BLOCK_MULTIPLE
    cut = mix_of(*voices)
    pieces = np.concatenate([cut.read(n * BLOCK_MULTIPLE) for n in blocks], axis=1)
    np.testing.assert_allclose(pieces, mix_of(*voices).read(total), atol=2e-5)


def test_a_removed_note_does_not_sound() -> None:
    mix = mix_of(note(0, SECOND), note(2 * SECOND, SECOND, 72))
    read(mix, SECOND)
    mix.remove_from(2 * SECOND)
    np.testing.assert_allclose(
        read(mix, 3 * SECOND), read_after(mix_of(note(0, SECOND)), SECOND, 3 * SECOND), atol=2e-5
    )


def read_after(mix: LiveMix, before: int, samples: int) -> Audio:
    read(mix, before)
    return read(mix, samples)


def test_a_replaced_note_sounds_once() -> None:
    mix = mix_of(note(SECOND, SECOND))
    mix.add(0, note(2 * SECOND, SECOND))
    early = read(mix, 2 * SECOND)
    assert np.abs(early).max() < 1e-6
    assert np.abs(read(mix, SECOND)).max() > 0.01


@pytest.mark.parametrize("off", [SECOND, 2 * SECOND])
def test_the_end_of_a_sounding_note_can_change(off: int) -> None:
    """The sound is the same as if the end had been known in advance, and nothing clicks."""
    mix = mix_of(note(0, 3 * SECOND // 2))
    begun = read(mix, SECOND // BLOCK_MULTIPLE // 2 * BLOCK_MULTIPLE)
    mix.set_end(0, off)
    rest = read(mix, 3 * SECOND)
    known = mix_of()
    known.add(0, note(0, 3 * SECOND // 2))
    known.set_end(0, off)
    whole = np.concatenate([begun, rest], axis=1)
    np.testing.assert_allclose(whole, read(known, whole.shape[1]), atol=2e-5)
    assert np.abs(np.diff(rest, axis=1)).max() < 0.15


def test_all_notes_can_be_released() -> None:
    mix = mix_of(note(0, 2 * SECOND), note(2 * SECOND, SECOND))
    read(mix, SECOND)
    assert not mix.is_silent
    mix.release_all()
    read(mix, 4 * SECOND)
    assert mix.is_silent
    assert np.abs(read(mix, SECOND)).max() < 1e-3


def test_a_note_whose_start_has_passed_is_left_out() -> None:
    mix = LiveMix()
    mix.start_at(10 * SECOND)
    mix.add(0, note(0, SECOND))
    assert np.abs(read(mix, 2 * SECOND)).max() == 0
    assert mix.at == 12 * SECOND


def test_the_gain_changes_without_a_step() -> None:
    mix = mix_of(note(0, 4 * SECOND))
    read(mix, SECOND)
    before = mix.read(SECOND // 4 // BLOCK_MULTIPLE * BLOCK_MULTIPLE)
    mix.gain = 0.1
    after = read(mix, SECOND)
    assert np.abs(after[:, 0] - before[:, -1]).max() < 0.05
    assert np.abs(after[:, SECOND // 2 :]).max() < 0.5 * np.abs(before).max()


def test_mp3_consists_of_whole_frames_and_has_no_gap() -> None:
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
    decoded, rate = soundfile.read(io.BytesIO(data))
    assert rate == SAMPLE_RATE
    middle = decoded[SAMPLE_RATE // 4 : 5 * SAMPLE_RATE // 2, 0]
    windows = np.sqrt(np.square(middle[: len(middle) // 1000 * 1000].reshape(-1, 1000)).mean(axis=1))
    np.testing.assert_allclose(
        windows, np.median(windows), rtol=0.003
    )  # the encoder makes everything a little softer
    assert np.median(windows) == pytest.approx(0.4 / np.sqrt(2), rel=0.1)


def test_an_invalid_frame_header_has_no_length() -> None:
    for header in (b"", b"RIFF", b"\xff\xfb", bytes(4), b"\xff\xfb\xf0\x00"):
        assert frame_bytes(header) == 0
