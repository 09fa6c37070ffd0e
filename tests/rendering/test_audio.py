"""Audio measured: levels, clicks, timing, silence at the end, the same bytes each time."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import symusic
from numpy.typing import NDArray

from playbach.music.scores import ticks_to_seconds
from playbach.rendering import audio
from playbach.rendering.audio import CEILING, Limiter, Mixer, NoteBank, Reverb, SoundingNote, write
from playbach.rendering.soundfont import SAMPLE_RATE, Bend, Sound, SoundFont, default_soundfont
from playbach.system.errors import PlaybachError, ScoreError

FORMATS = [".wav", ".flac", ".ogg", ".mp3"]
Rows = list[tuple[int, int, int, int]]
Samples = NDArray[np.float64]


def a_score(
    notes: Rows, program: int = 0, drum: bool = False, tempos: tuple[tuple[int, float], ...] = ((0, 120.0),)
) -> symusic.Score:
    score = symusic.Score(480)
    for tick, qpm in tempos:
        score.tempos.append(symusic.Tempo(tick, qpm))
    track = symusic.Track("Voice", program, drum)
    for note in notes:
        track.notes.append(symusic.Note(*note))
    score.tracks.append(track)
    return score


def rendered(score: symusic.Score, folder: Path, suffix: str = ".wav") -> Samples:
    """The samples (2, n) of the file."""
    write(score, folder / f"a{suffix}")
    samples, rate = soundfile.read(folder / f"a{suffix}", always_2d=True)
    assert rate == SAMPLE_RATE and samples.shape[1] == 2
    return np.ascontiguousarray(samples.T)


def decibels(x: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(x)) + 1e-20))


MELODY: Rows = [(240 * i, 240, 60 + (0, 2, 4, 5, 7, 5, 4, 2)[i % 8], 80) for i in range(16)]


@pytest.mark.parametrize("program", [0, 6, 19, 42, 48])
def test_the_highest_peak_is_just_below_the_ceiling(tmp_path: Path, program: int) -> None:
    samples = rendered(a_score(MELODY, program), tmp_path)
    assert 0.85 < np.abs(samples).max() <= CEILING + 1e-4
    assert -26 < decibels(samples) < -9


def test_thirty_loud_notes_at_once_do_not_clip(tmp_path: Path) -> None:
    samples = rendered(a_score([(0, 1920, 48 + i, 127) for i in range(30)], 19), tmp_path)
    assert np.abs(samples).max() <= CEILING + 1e-4


def test_a_soft_piece_is_as_loud_as_others(tmp_path: Path) -> None:
    soft = rendered(a_score([(t, d, p, 12) for t, d, p, _ in MELODY]), tmp_path)
    assert np.abs(soft).max() > 0.85 and decibels(soft) > -26


def test_lossy_formats_stay_below_full_scale(tmp_path: Path) -> None:
    for suffix in (".ogg", ".mp3"):
        assert 0.8 < np.abs(rendered(a_score(MELODY, 6), tmp_path, suffix)).max() < 1


def test_short_hard_sounds_are_raised_and_limited(tmp_path: Path) -> None:
    """The peaks of sparse drums are far above their loudness, so that the limiter must act."""
    score = a_score([(1920 * i, 60, 37, 127 if i % 2 else 90) for i in range(4)], drum=True)  # side stick
    blocks = list(audio._render_blocks(*audio._timed_notes(score), NoteBank(SoundFont(default_soundfont()))))
    assert audio._loudness_gain(blocks) * max(np.abs(block).max() for block in blocks) > 1.2 * CEILING
    samples = rendered(score, tmp_path)
    assert 0.8 < np.abs(samples).max() <= CEILING + 1e-4


def test_a_long_decay_is_faded_out(tmp_path: Path) -> None:
    samples = rendered(a_score([(0, 60, 49, 127)], drum=True), tmp_path)  # a crash cymbal
    assert not samples[:, -round(0.01 * SAMPLE_RATE) :].any()
    assert decibels(samples[:, -13_230:-8_820]) > -90  # still audible shortly before
    assert second_difference(samples[:, -26_460:]).max() < 0.02


def test_audio_ends_in_silence_after_a_tail(tmp_path: Path) -> None:
    samples = rendered(a_score(MELODY), tmp_path)
    end = round(16 * 0.25 * SAMPLE_RATE)  # the last note-off
    assert 2 * SAMPLE_RATE < samples.shape[1] - end < 3.5 * SAMPLE_RATE
    assert not samples[:, -round(0.01 * SAMPLE_RATE) :].any()
    # It becomes softer without a cut: until -70 dB, no window is much softer than the one before.
    windows = [decibels(samples[:, i : i + 4410]) for i in range(end, samples.shape[1] - 4410, 4410)]
    audible = [w for w in windows if w > -70]
    assert len(audible) >= 8 and max(np.diff(audible)) < 1 and min(np.diff(audible)) > -15


def second_difference(x: Samples) -> Samples:
    return np.abs(np.diff(x, 2))


@pytest.mark.parametrize("program", [0, 19, 42, 73])
def test_no_click_where_notes_end(tmp_path: Path, program: int) -> None:
    """A step gives a second difference far above what the same sound has a moment before."""
    samples = rendered(a_score([(480 * i, 240, p, 100) for i, p in enumerate((45, 60, 72))], program), tmp_path)
    for i in range(3):
        off = round((0.5 * i + 0.25) * SAMPLE_RATE)
        before = second_difference(samples[:, off - 4000 : off - 100]).max()
        assert second_difference(samples[:, off - 50 : off + 2000]).max() < 1.5 * before
        # and it does not stop at once
        assert decibels(samples[:, off + 441 : off + 1323]) > decibels(samples[:, off - 882 : off]) - 20


def test_the_end_of_a_release_is_no_click_either(tmp_path: Path) -> None:
    samples = rendered(a_score([(0, 240, 60, 100)], 19), tmp_path)
    quiet = samples[:, round(0.55 * SAMPLE_RATE) :]
    assert second_difference(quiet).max() < 0.01


@pytest.mark.parametrize(("program", "drum"), [(6, False), (0, False), (0, True)])
def test_each_onset_is_at_its_time_across_changes_of_tempo(tmp_path: Path, program: int, drum: bool) -> None:
    tempos = ((0, 120.0), (960, 60.0), (1440, 200.0))
    ticks = [0, 480, 960, 1440, 1920, 2400, 3360]
    expected = [0, 0.5, 1.0, 2.0, 2.3, 2.6, 3.2]
    score = a_score([(tick, 60, 38 if drum else 60, 100) for tick in ticks], program, drum, tempos)
    assert ticks_to_seconds(score, np.array(ticks)) == pytest.approx(expected)
    samples = rendered(score, tmp_path)
    for at in expected[1:]:
        centre = round(at * SAMPLE_RATE)
        around = np.abs(samples[:, centre - 2205 : centre + 2205]).max(axis=0)
        before = around[: 2205 - 88].max()  # up to 2 ms before the onset
        rise = np.flatnonzero(around > 2 * before)[0] - 2205
        assert -0.002 < rise / SAMPLE_RATE < 0.012, at


def test_the_tempo_before_the_first_one_is_120() -> None:
    score = a_score([(0, 480, 60, 90)], tempos=((960, 60.0),))
    assert ticks_to_seconds(score, np.array([0, 960, 1440])) == pytest.approx([0, 1, 2])


def test_several_tracks_are_panned_and_one_is_in_the_middle(tmp_path: Path) -> None:
    alone = rendered(a_score(MELODY, 42), tmp_path)[:, :40_000]
    assert abs(decibels(alone[0]) - decibels(alone[1])) < 1.2  # the room is not quite the same on both sides
    score = a_score(MELODY, 42)
    score.tracks.append(symusic.Track("Late", 42, False))
    score.tracks[1].notes.append(symusic.Note(6000, 480, 50, 80))
    first = rendered(score, tmp_path)[:, :40_000]
    assert 2 < decibels(first[0]) - decibels(first[1]) < 8


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_score_gives_the_same_bytes_and_the_comment_is_kept(tmp_path: Path, suffix: str) -> None:
    comment = '{"bundle": "ab12", "seed": 7, "note": "Pr\\u00e4ludium"}'
    for name in "ab":
        write(a_score(MELODY[:6]), tmp_path / f"{name}{suffix}", comment=comment)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    with soundfile.SoundFile(tmp_path / f"a{suffix}") as file:
        assert file.comment == comment


def test_an_ogg_page_has_the_checksum_of_the_standard() -> None:
    """Bit by bit, as the standard has it: polynomial 04c11db7, highest bit first, from 0."""
    page, crc = bytes(range(256)) * 3, 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    assert audio._ogg_crc(page) == crc


def test_an_empty_score_is_an_error(tmp_path: Path) -> None:
    for score in (symusic.Score(480), a_score([])):
        with pytest.raises(ScoreError, match="no notes"):
            write(score, tmp_path / "a.wav")


def test_a_score_of_many_hours_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="hours"):
        write(a_score([(0, 480, 60, 90), (960 * 3600 * 3, 480, 60, 90)]), tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())


def test_a_missing_or_wrong_soundfont_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "wrong.sf2").write_bytes(b"RIFF....WAVE" + bytes(100))
    for name, why in (("wrong.sf2", "not a soundfont"), ("none.sf2", "cannot read the soundfont")):
        with pytest.raises(PlaybachError, match=why):
            write(a_score(MELODY), tmp_path / "a.wav", soundfont=tmp_path / name)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    from playbach import rendering

    with pytest.raises(PlaybachError, match=r"a\.wav: cannot be written: its folder does not exist"):
        rendering.write(a_score(MELODY[:2]), tmp_path / "none" / "a.wav")


def in_blocks(process: object, signal: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    assert callable(process)
    return np.concatenate([process(signal[:, i : i + size]) for i in range(0, signal.shape[1], size)], axis=1)


def noise(n: int, gain: float) -> NDArray[np.float32]:
    return (gain * np.random.default_rng(1).standard_normal((2, n))).astype(np.float32)


def test_reverb_and_limiter_do_not_depend_on_the_blocks() -> None:
    signal = noise(64 * 600, 0.5)
    for make in (Reverb, Limiter):
        whole = in_blocks(make().process, signal, signal.shape[1])
        parts = in_blocks(make().process, signal, 64 * 50)
        assert np.abs(whole - parts).max() < 2e-5


def test_the_reverb_is_stereo_delayed_and_soft() -> None:
    click = np.zeros((2, 2 * SAMPLE_RATE), np.float32)
    click[:, 0] = 1
    room = Reverb().process(click) - click
    assert np.sqrt(np.sum(room[0] ** 2)) == pytest.approx(audio.WET, rel=0.02)
    assert np.abs(room[:, : round(0.014 * SAMPLE_RATE)]).max() < 1e-6
    assert abs(np.corrcoef(room)[0, 1]) < 0.1
    early, late = (np.sqrt(np.mean(room[:, i : i + 4410] ** 2)) for i in (1000, 30_000))
    assert late < early / 5


def test_the_limiter_keeps_the_ceiling_and_leaves_soft_sound_alone() -> None:
    out = Limiter().process(noise(64 * 700, 1.5))
    assert np.abs(out).max() <= CEILING * 1.0001
    soft = noise(64 * 700, 0.05)
    assert np.array_equal(Limiter().process(soft)[:, Limiter.LAG :], soft[:, : -Limiter.LAG])


def test_the_limiter_comes_down_on_a_ramp() -> None:
    signal = np.full((2, 64 * 100), 0.5, np.float32)
    signal[:, 64 * 50 :] = 2.0
    gain = Limiter().process(signal)[:, Limiter.LAG :] / signal[:, : -Limiter.LAG]
    assert 0.9 * CEILING / 2 < gain.min() <= CEILING / 2  # a step overshoots between samples
    assert np.abs(np.diff(gain[0])).max() < 0.003


def test_mixing_in_blocks_gives_the_sum_of_the_notes() -> None:
    rng, sounding = np.random.default_rng(2), []
    release = np.linspace(1, 0, 300).astype(np.float32)
    whole = np.zeros((2, 6000), np.float32)
    for start in (0, 100, 1500, 1501, 4000):
        samples = rng.standard_normal((1 if start % 2 else 2, 1300)).astype(np.float32)
        gains = np.array([0.5, 0.25], np.float32)
        sounding.append(SoundingNote(start, start + 1000, Sound(samples, release), gains))
        shaped = samples * gains[:, None]
        shaped[:, 1000:] *= release
        whole[:, start : start + 1300] += shaped
    for size in (6000, 250, 999):
        mixer = Mixer()
        mixer.add(SoundingNote(-9000, -8000, sounding[0].sound, sounding[0].gains))  # it has already ended
        for note in sounding:
            mixer.add(note)
        mixed = np.concatenate([mixer.read(min(size, 6000 - at)) for at in range(0, 6000, size)], axis=1)
        assert np.abs(mixed - whole).max() < 1e-6


def test_the_bank_renders_each_note_once_and_bounds_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    font = SoundFont(default_soundfont())
    rendered_notes: list[tuple[object, ...]] = []
    render = font.note

    def count(program: int, drum: bool, pitch: int, velocity: int, seconds: float, bend: Bend | None) -> Sound:
        rendered_notes.append((pitch, velocity, seconds))
        return render(program, drum, pitch, velocity, seconds, bend)

    monkeypatch.setattr(font, "note", count)
    bank = NoteBank(font)
    (one, soft), (two, loud) = bank.get(0, False, 60, 65, 1.0), bank.get(0, False, 60, 78, 0.5)
    assert one is two and len(rendered_notes) == 1 and soft < loud
    bank.get(0, False, 60, 65, 2.0)  # longer
    bank.get(0, False, 60, 100, 1.0)  # louder
    assert len(rendered_notes) == 3
    small = NoteBank(font, max_bytes=1)
    rendered_notes.clear()
    for pitch in (60, 62, 60):
        small.get(0, False, pitch, 64, 1.0)
    assert len(rendered_notes) == 3


def test_the_bank_keeps_notes_with_a_constant_bend_and_no_others() -> None:
    bank = NoteBank(SoundFont(default_soundfont()))
    bends = [Bend(np.array([a]), np.zeros(1)) for a in (50.0, 50.0, 60.0)]
    first, same, other = (bank.get(0, False, 60, 64, 1.0, bend)[0] for bend in bends)
    assert first is same and first is not other and first is not bank.get(0, False, 60, 64, 1.0)[0]
    glide = Bend(np.array([0.0, 50.0]), np.zeros(2))
    assert bank.get(0, False, 60, 64, 1.0, glide)[0] is not bank.get(0, False, 60, 64, 1.0, glide)[0]
