"""Controllers and bends measured in the sound: pitch, level, position, length, and no clicks."""

import numpy as np
import pytest
import symusic
from numpy.typing import NDArray

from playbach.rendering import audio
from playbach.rendering.audio import NoteBank, Reverb
from playbach.rendering.controllers import GLIDE, track_controls
from playbach.rendering.soundfont import SAMPLE_RATE, SoundFont, default_soundfont

Samples = NDArray[np.float32]
Rows = list[tuple[int, ...]]
ORGAN, PIANO = 19, 0
BANK = NoteBank(SoundFont(default_soundfont()))
HELD = [(0, 1920, 69, 80)]
"""An a' of two seconds."""


@pytest.fixture(autouse=True)
def _without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "Reverb", lambda: Reverb(0.0))


def a_track(
    notes: Rows, controls: Rows = (), bends: Rows = (), program: int = ORGAN, drum: bool = False
) -> symusic.Track:
    track = symusic.Track("Voice", program, drum)
    for note in notes:
        track.notes.append(symusic.Note(*note))
    for control in controls:
        track.controls.append(symusic.ControlChange(*control))
    for bend in bends:
        track.pitch_bends.append(symusic.PitchBend(*bend))
    return track


def a_score(*tracks: symusic.Track) -> symusic.Score:
    """A score at 120 quarters of 480 ticks a minute: 960 ticks are a second."""
    score = symusic.Score(480)
    for track in tracks:
        score.tracks.append(track)
    return score


def sound(*tracks: symusic.Track) -> Samples:
    """The samples (2, n) before loudness is adjusted, without reverb."""
    return np.concatenate(list(audio._render_blocks(*audio._timed_notes(a_score(*tracks)), BANK)), axis=1)


def part(samples: Samples, begin: float, end: float) -> Samples:
    """The samples between two moments in seconds."""
    return samples[:, round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def decibels(x: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(x, dtype=np.float64)) + 1e-20))


def frequency(x: Samples) -> float:
    """The frequency of the highest peak (2, n) in Hz, interpolated between the bins of a Fourier transform."""
    mono = x.mean(axis=0)
    spectrum = np.log(np.abs(np.fft.rfft(mono * np.hanning(len(mono)), 8 * len(mono))) + 1e-12)
    k = int(spectrum[1:-1].argmax()) + 1
    a, b, c = spectrum[k - 1 : k + 2]
    return float((k + (a - c) / (2 * (a - 2 * b + c))) * SAMPLE_RATE / (8 * len(mono)))


def cents(x: Samples, plain: Samples) -> float:
    return 1200 * float(np.log2(frequency(x) / frequency(plain)))


RANGE_OF_12: Rows = [(0, 101, 0), (0, 100, 0), (0, 6, 12), (0, 38, 0)]


@pytest.mark.parametrize("program", [ORGAN, PIANO, 40])
@pytest.mark.parametrize(
    ("controls", "bend", "expected"),
    [
        ([], 8191, 200),
        ([], -8192, -200),
        ([], 2048, 50),
        (RANGE_OF_12, 4096, 600),
        (RANGE_OF_12, -8192, -1200),
        ([(0, 101, 0), (0, 100, 0), (0, 6, 0), (0, 38, 50)], 8191, 50),
        # Deselected, or not registered: the range stays.
        ([(0, 101, 0), (0, 100, 0), (0, 101, 127), (0, 100, 127), (0, 6, 12)], 8191, 200),
        ([(0, 101, 0), (0, 100, 0), (0, 99, 1), (0, 98, 8), (0, 6, 12)], 8191, 200),
        ([*RANGE_OF_12, (0, 121, 0)], 4096, 600),
        # Fine tuning and coarse tuning.
        ([(0, 101, 0), (0, 100, 1), (0, 6, 96)], 0, 50),
        ([(0, 101, 0), (0, 100, 2), (0, 6, 62)], 2048, -150),
    ],
)
def test_a_bent_note_has_the_pitch_that_the_file_says(
    program: int, controls: Rows, bend: int, expected: float
) -> None:
    plain = sound(a_track(HELD, program=program))
    bent = sound(a_track(HELD, controls, [(0, bend)], program=program))
    assert cents(part(bent, 0.5, 1.5), part(plain, 0.5, 1.5)) == pytest.approx(expected, abs=10)


def test_a_held_note_follows_the_bend() -> None:
    """Up by two semitones over a second, in 100 steps, and down at once."""
    glide = [(960 + 10 * i, 8191 * i // 100) for i in range(1, 97)] + [(1920, 8191), (2880, 0)]
    plain = sound(a_track([(0, 3840, 69, 80)]))
    bent = sound(a_track([(0, 3840, 69, 80)], bends=glide))
    for begin, end, expected in ((0.2, 0.9, 0), (1.45, 1.55, 100), (2.1, 2.9, 200), (3.05, 3.8, 0)):
        assert cents(part(bent, begin, end), part(plain, begin, end)) == pytest.approx(expected, abs=10)
    assert steepest(bent) < 1.3 * steepest(plain)


def test_reset_all_controllers_takes_a_bend_back() -> None:
    plain = sound(a_track(HELD))
    reset = sound(a_track(HELD, [(960, 121, 0)], [(0, 8191)]))
    assert cents(part(reset, 0.2, 0.9), part(plain, 0.2, 0.9)) == pytest.approx(200, abs=10)
    assert cents(part(reset, 1.2, 1.9), part(plain, 1.2, 1.9)) == pytest.approx(0, abs=10)


def steepest(x: Samples) -> float:
    """The largest second difference: a click is far above what the sound itself has."""
    return float(np.abs(np.diff(x, 2)).max())


TWICE = [(0, 960, 69, 80), (1920, 960, 69, 80)]
"""The same note twice, two seconds apart."""


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ([(0, 7, 100), (1900, 7, 50)], 40 * np.log10(50 / 100)),
        ([(1900, 7, 127)], 40 * np.log10(127 / 100)),
        ([(1900, 11, 64)], 40 * np.log10(64 / 127)),
        ([(1920, 7, 50), (1920, 11, 64)], 40 * np.log10(50 / 100 * 64 / 127)),
        ([(0, 11, 30), (1900, 121, 0)], 40 * np.log10(127 / 30)),
        ([(0, 7, 30), (1900, 121, 0)], 0.0),  # volume is not reset
        ([(1920, 7, 10), (1920, 7, 100)], 0.0),  # the last one at a tick counts
    ],
)
def test_volume_and_expression_give_the_levels_of_general_midi(controls: Rows, expected: float) -> None:
    got = sound(a_track(TWICE, controls))
    assert decibels(part(got, 2, 3)) - decibels(part(got, 0, 1)) == pytest.approx(expected, abs=0.1)


def test_a_note_that_begins_with_a_change_has_the_new_level_at_once() -> None:
    full, after_silence = sound(a_track(TWICE)), sound(a_track(TWICE, [(0, 7, 0), (1920, 7, 100)]))
    assert not part(after_silence, 0, 1.9).any()
    assert np.abs(part(after_silence, 2, 3) - part(full, 2, 3)).max() < 1e-6


@pytest.mark.parametrize("value", [0, 1, 20, 64, 100, 127])
def test_pan_gives_the_positions_of_rp_036(value: int) -> None:
    plain, panned = sound(a_track(HELD)), sound(a_track(HELD, [(0, 10, value)]))
    angle = np.pi / 2 * max(0, value - 1) / 126
    for side, gain in enumerate((np.cos(angle), np.sin(angle))):
        ratio = np.sqrt(np.mean(panned[side] ** 2) / np.mean(plain[side] ** 2))
        assert ratio == pytest.approx(np.sqrt(2) * gain, abs=1e-3)


def test_pan_replaces_only_the_positions_of_tracks_that_set_it() -> None:
    second = a_track([(2880, 960, 60, 80)])
    alone = sound(a_track(HELD))
    plain = sound(a_track(HELD), second)
    panned = sound(a_track(HELD, [(0, 10, 64)]), second)
    assert decibels(part(plain, 0, 2)[0]) - decibels(part(alone, 0, 2)[0]) > 1  # the first track is on the left
    assert np.array_equal(part(panned, 0, 2), part(alone, 0, 2))
    assert np.array_equal(part(plain, 3, 4), part(panned, 3, 4))


def test_a_position_that_changes_moves_the_held_note() -> None:
    plain, got = sound(a_track(HELD)), sound(a_track(HELD, [(0, 10, 1), (960, 10, 127)]))
    assert decibels(part(got, 0.1, 0.9)[1]) < -100 and decibels(part(got, 1.1, 1.9)[0]) < -100
    for side, begin, end in ((0, 0.1, 0.9), (1, 1.1, 1.9)):
        louder = decibels(part(got, begin, end)[side]) - decibels(part(plain, begin, end)[side])
        assert louder == pytest.approx(3.01, abs=0.1)


@pytest.mark.parametrize("number", [7, 10, 11])
def test_a_change_within_a_held_note_does_not_click(number: int) -> None:
    steps = [(960, number, 20), (1100, number, 127), (1300, number, 1), (1301, number, 100)]
    plain, changed = sound(a_track(HELD)), sound(a_track(HELD, steps))
    assert steepest(changed) < 1.3 * 2 * steepest(plain)  # at most 4 dB louder, or all on one side
    assert np.abs(np.diff(changed)).max() < 2 * np.abs(np.diff(plain)).max()


def test_blocks_join_where_a_level_changes() -> None:
    """A change in every hundredth of a second gives what one curve over the whole sound gives."""
    controls = [(10 * i, 11, 40 + i % 80) for i in range(300)]
    track = a_track([(0, 3000, 69, 80)], controls)
    curve = track_controls(a_score(track), track, 0.0)
    assert curve is not None
    plain, shaped = sound(a_track([(0, 3000, 69, 80)])), sound(track)
    assert shaped.shape[1] > 2 * audio.RENDER_BLOCK
    assert np.abs(shaped - plain * curve.level.sample(np.arange(plain.shape[1]))).max() < 1e-5


def test_default_values_change_no_sample() -> None:
    plain = sound(a_track(HELD), a_track(HELD))
    defaults = [(0, 7, 100), (0, 11, 127), (0, 1, 0), *RANGE_OF_12, (0, 91, 40), (500, 7, 100), (700, 64, 0)]
    assert np.array_equal(sound(a_track(HELD, defaults, [(0, 0)]), a_track(HELD)), plain)


def test_a_pedalled_note_sounds_until_the_pedal_lifts() -> None:
    short = [(0, 120, 60, 80), (3840, 120, 72, 80)]
    plain = sound(a_track(short))
    held = sound(a_track(short, [(0, 64, 127), (1920, 64, 0)]))
    assert decibels(part(plain, 1, 1.9)) < -60
    assert decibels(part(held, 1, 1.9)) == pytest.approx(decibels(part(held, 0.2, 1)), abs=3)
    assert decibels(part(held, 3, 3.9)) < -60
    assert np.array_equal(part(held, 4, 5), part(plain, 4, 5))


def test_the_soft_pedal_makes_notes_softer() -> None:
    got = sound(a_track(TWICE, [(1920, 67, 127)], program=PIANO))
    assert -6 < decibels(part(got, 2, 3)) - decibels(part(got, 0, 1)) < -3


def test_modulation_is_a_vibrato_of_half_a_semitone() -> None:
    long = [(0, 3840, 69, 80)]
    plain, moved = sound(a_track(long)), sound(a_track(long, [(1920, 1, 127)]))
    assert np.abs(part(plain, 0, 1.9) - part(moved, 0, 1.9)).max() < 1e-5
    bends = [cents(part(moved, t, t + 0.05), part(plain, t, t + 0.05)) for t in np.arange(2.1, 3.8, 0.013)]
    assert 25 < max(bends) < 60 and -60 < min(bends) < -25


@pytest.mark.parametrize("drum", [False, True])
def test_hostile_controllers_are_bounded(drum: bool) -> None:
    rng = np.random.default_rng(5)
    numbers = rng.choice([1, 6, 7, 10, 11, 38, 64, 66, 67, 98, 99, 100, 101, 120, 121], 3000)
    controls = [
        (int(t), int(n), int(v)) for t, n, v in zip(rng.integers(0, 99, 3000), numbers, rng.integers(0, 128, 3000))
    ]
    bends = [(int(t), int(v)) for t, v in zip(rng.integers(0, 2000, 500), rng.integers(-8192, 8192, 500))]
    widest = [(0, 101, 0), (0, 100, 0), (0, 6, 127), (0, 38, 127)]
    got = sound(a_track([(0, 480, 40, 127), (50, 900, 100, 90)], widest + controls, bends, drum=drum))
    assert np.isfinite(got).all() and np.abs(got).max() < 10


def test_a_note_of_many_hours_has_a_bounded_bend() -> None:
    track = a_track([(0, 2_000_000_000, 69, 80)], bends=[(0, 100), (10**9, 200)])
    controls = track_controls(a_score(track), track, 0.0)
    assert controls is not None
    bend = controls.bend(0, 10**12)
    assert bend is not None and len(bend.cents) * GLIDE < 10**8
