"""Notes of a soundfont are in tune, looped, shaped and filtered; damaged files are errors, not crashes."""

import io
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from playbach.rendering.soundfont import MAX_NOTE_SECONDS, SAMPLE_RATE, SoundFont, default_soundfont
from playbach.system.errors import PlaybachError

RATE = 22_050
PERIOD = 50  # samples: 441 Hz at RATE, some 4 cents above the A of key 69
Generators = list[tuple[int, int]]


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def sine(periods: int = 40) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * np.arange(periods * PERIOD) / PERIOD)).astype(np.float32)


def tiny_font(path: Path, *zones: Generators, preset: Generators | None = None, vorbis: bool = False) -> Path:
    """A soundfont of one preset and one sine sample, with a zone for each list of generators."""
    wave = sine()
    if vorbis:
        buffer = io.BytesIO()
        soundfile.write(buffer, wave, RATE, format="OGG", subtype="VORBIS")
        pool, end = buffer.getvalue(), len(buffer.getvalue())
    else:
        pool = (wave * 32_767).astype("<i2").tobytes() + b"\0" * 92
        end = len(wave)
    loop = 10 * PERIOD, 30 * PERIOD
    shdr = struct.pack("<20sIIIIIBbHH", b"sine", 0, end, *loop, RATE, 69, 0, 0, 0x11 if vorbis else 1)
    gens = [g for zone in zones for g in [*zone, (53, 0)]]
    starts = np.cumsum([0] + [len(zone) + 1 for zone in zones])
    above = [*(preset or []), (41, 0)]
    tables = {
        b"phdr": struct.pack("<20sHHHIII", b"tiny", 0, 0, 0, 0, 0, 0)
        + struct.pack("<20sHHHIII", b"EOP", 0, 0, 1, 0, 0, 0),
        b"pbag": struct.pack("<HHHH", 0, 0, len(above), 0),
        b"pmod": bytes(10),
        b"pgen": b"".join(struct.pack("<Hh", *g) for g in [*above, (0, 0)]),
        b"inst": struct.pack("<20sH", b"tiny", 0) + struct.pack("<20sH", b"EOI", len(zones)),
        b"ibag": b"".join(struct.pack("<HH", int(s), 0) for s in starts),
        b"imod": bytes(10),
        b"igen": b"".join(struct.pack("<Hh", *g) for g in [*gens, (0, 0)]),
        b"shdr": shdr + struct.pack("<20sIIIIIBbHH", b"EOS", *[0] * 9),
    }
    pdta = b"pdta" + b"".join(chunk(name, data) for name, data in tables.items())
    body = b"sfbk" + chunk(b"LIST", b"sdta" + chunk(b"smpl", pool)) + chunk(b"LIST", pdta)
    path.write_bytes(chunk(b"RIFF", body))
    return path


def note(font: Path, pitch: int = 69, velocity: int = 127, seconds: float = 1.0) -> NDArray[np.float32]:
    return SoundFont(font).note(0, False, pitch, velocity, seconds).samples


def level(samples: NDArray[np.float32], at: float, length: float = 0.05) -> float:
    part = samples[..., round(at * SAMPLE_RATE) : round((at + length) * SAMPLE_RATE)]
    return float(20 * np.log10(1e-9 + np.sqrt(np.mean(np.square(part)))))


def frequency(samples: NDArray[np.float32]) -> float:
    """The lowest strong peak of the spectrum."""
    x = samples.mean(axis=0)[2000:34_768]
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 18))
    peaks = np.flatnonzero((spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] >= spectrum[2:])) + 1
    strong = peaks[spectrum[peaks] > 0.25 * spectrum.max()]
    return float(strong[0] * SAMPLE_RATE / (1 << 18))


LOOPED = (54, 1)


def test_a_sample_sounds_at_its_pitch_and_loops_without_a_click(tmp_path: Path) -> None:
    font = tiny_font(tmp_path / "a.sf2", [LOOPED])
    for pitch in (57, 69, 81, 74):
        assert frequency(note(font, pitch)) == pytest.approx(441 * 2 ** ((pitch - 69) / 12), abs=0.1)
    held = note(font, seconds=2.0)[0, 1000 : 2 * SAMPLE_RATE]
    expected = 2 * np.pi * 441 / SAMPLE_RATE
    assert np.abs(np.diff(held)).max() <= np.abs(held).max() * expected * 1.05


def test_root_key_tuning_and_scale(tmp_path: Path) -> None:
    for gens, hertz in (([(58, 81)], 220.5), ([(51, 7), (52, 50)], 441 * 2 ** (7.5 / 12)), ([(56, 0)], 441)):
        font = tiny_font(tmp_path / "a.sf2", [LOOPED, *gens])
        pitch = 69 if gens[0][0] != 56 else 60
        assert frequency(note(font, pitch)) == pytest.approx(hertz, rel=3e-4)
    font = tiny_font(tmp_path / "a.sf2", [LOOPED, (52, 30)], preset=[(52, 20)])  # a preset adds
    assert frequency(note(font)) == pytest.approx(441 * 2 ** (50 / 1200), rel=3e-4)


@pytest.mark.parametrize("gens", [[(51, 32_767)], [(52, -32_768), (51, -32_768)], [(5, 32_767)], [(13, -32_768)]])
def test_extreme_values_are_limited(tmp_path: Path, gens: Generators) -> None:
    sound = note(tiny_font(tmp_path / "a.sf2", [LOOPED, *gens]), seconds=3.0)
    assert np.isfinite(sound).all() and sound.shape[1] > SAMPLE_RATE


def test_keys_and_velocities_choose_the_zone(tmp_path: Path) -> None:
    low, high = [(43, 60 << 8), LOOPED, (51, 12)], [(43, 61 | 127 << 8), LOOPED]
    font = tiny_font(tmp_path / "a.sf2", low, high)
    assert frequency(note(font, 60)) == pytest.approx(frequency(note(font, 72)), rel=3e-4)
    font = tiny_font(tmp_path / "a.sf2", [(44, 100 | 127 << 8), LOOPED])
    assert level(note(font, velocity=110), 0.5) > -30
    assert np.abs(note(font, velocity=90)).max() == 0


def test_velocity_and_attenuation_change_the_level(tmp_path: Path) -> None:
    loud = level(note(tiny_font(tmp_path / "a.sf2", [LOOPED])), 0.3)
    assert loud - level(note(tmp_path / "a.sf2", velocity=64), 0.3) == pytest.approx(11.9, abs=0.3)
    quiet = tiny_font(tmp_path / "b.sf2", [LOOPED, (48, 250)])
    assert loud - level(note(quiet), 0.3) == pytest.approx(10, abs=0.3)  # 0.4 of 25 dB


def test_the_volume_envelope(tmp_path: Path) -> None:
    # Attack 0.5 s, hold next to nothing, decay at 100 dB in 2 s, sustain at -20 dB.
    font = tiny_font(tmp_path / "a.sf2", [LOOPED, (34, -1200), (36, 1200), (37, 200)])
    sound = note(font, seconds=2.0)
    peak = level(sound, 0.49, 0.01)
    assert peak - level(sound, 0.245, 0.01) == pytest.approx(6, abs=0.5)
    assert peak - level(sound, 0.695, 0.01) == pytest.approx(10, abs=1)
    assert peak - level(sound, 1.5) == pytest.approx(20, abs=0.5)


def test_a_note_ends_when_it_has_decayed(tmp_path: Path) -> None:
    font = tiny_font(tmp_path / "a.sf2", [LOOPED, (36, 0), (37, 1000)])
    assert note(font, seconds=10).shape[1] < 1.2 * SAMPLE_RATE
    unlooped = tiny_font(tmp_path / "b.sf2", [])
    assert note(unlooped, seconds=10).shape[1] < len(sine()) * 2 + 100
    assert abs(float(note(unlooped)[0, -1])) < 1e-3


def test_the_low_pass_filter_attenuates_without_delay(tmp_path: Path) -> None:
    plain, dull = tiny_font(tmp_path / "a.sf2", [LOOPED]), tiny_font(tmp_path / "b.sf2", [LOOPED, (8, 6900)])
    # 440 Hz cutoff: a tone there loses 3 dB, two octaves above 24.
    assert level(note(plain), 0.4) - level(note(dull), 0.4) == pytest.approx(3, abs=0.5)
    assert level(note(plain, 93), 0.4) - level(note(dull, 93), 0.4) == pytest.approx(24, abs=1)
    assert np.flatnonzero(np.abs(note(dull)[0]) > 1e-4)[0] < 100


def test_pan_makes_two_channels(tmp_path: Path) -> None:
    assert note(tiny_font(tmp_path / "a.sf2", [LOOPED])).shape[0] == 1
    left, right = note(tiny_font(tmp_path / "a.sf2", [LOOPED, (17, -500)]))
    assert np.abs(left).max() > 0.5 and np.abs(right).max() < 1e-6


def test_release_is_smooth_ends_at_zero_and_lasts_longer_for_low_notes(tmp_path: Path) -> None:
    font = SoundFont(tiny_font(tmp_path / "a.sf2", [LOOPED]))
    low, high = (font.note(0, False, pitch, 100, 0.1).release for pitch in (36, 84))
    assert len(low) > len(high) > 0.25 * SAMPLE_RATE
    assert low[0] == 1 and low[-1] == 0 and np.all(np.diff(low) <= 0)
    assert np.abs(np.diff(low)).max() < 0.001


def test_a_very_long_note_fades_out(tmp_path: Path) -> None:
    sound = note(tiny_font(tmp_path / "a.sf2", [LOOPED]), seconds=1e6)
    assert sound.shape[1] < (MAX_NOTE_SECONDS + 3) * SAMPLE_RATE
    assert sound[0, -1] == 0 and level(sound, MAX_NOTE_SECONDS - 1) > -30


def test_vorbis_samples(tmp_path: Path) -> None:
    font = tiny_font(tmp_path / "a.sf3", [LOOPED], vorbis=True)
    assert frequency(note(font)) == pytest.approx(441, rel=1e-3)


def test_missing_presets_fall_back_and_missing_drums_are_silent(tmp_path: Path) -> None:
    font = SoundFont(tiny_font(tmp_path / "a.sf2", [LOOPED]))
    assert level(font.note(73, False, 69, 127, 0.5).samples, 0.2) > -30
    assert not font.note(0, True, 38, 127, 0.5).samples.any()


@pytest.mark.parametrize("program", [0, 6, 19, 24, 40, 42, 46, 48, 52, 56, 68, 73])
def test_the_default_soundfont_is_in_tune(program: int) -> None:
    """symusic's own synthesiser fails this by up to 20 semitones."""
    font = SoundFont(default_soundfont())
    for pitch in (55, 60, 72):
        hertz = frequency(font.note(program, False, pitch, 100, 1.0).samples)
        # An organ may add the octave below, a trumpet be strongest in the octave above; ensembles vary by some cents.
        octaves = np.log2(hertz / (440 * 2 ** ((pitch - 69) / 12)))
        assert abs(octaves - round(octaves)) < 0.035, f"{hertz} Hz for key {pitch}"
        assert round(octaves) in (-1, 0, 1)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a soundfont"),
        (b"MThd" + bytes(100), "not a soundfont"),
        (b"RIFF\x24\0\0\0WAVE" + bytes(100), "not a soundfont"),
        (b"RIFF\x04\0\0\0sfbk", "the soundfont is damaged"),
        (b"RIFF\xff\xff\0\0sfbk" + bytes(50), "cut short"),
    ],
)
def test_an_invalid_soundfont_is_an_error(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "a.sf2").write_bytes(data)
    with pytest.raises(PlaybachError, match=why) as caught:
        SoundFont(tmp_path / "a.sf2")
    assert str(tmp_path / "a.sf2") in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_or_short_soundfont_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlaybachError, match="cannot read the soundfont"):
        SoundFont(tmp_path / "none.sf2")
    with pytest.raises(PlaybachError, match=r"soundfont"):
        SoundFont(tmp_path)
    data = tiny_font(tmp_path / "a.sf2", [LOOPED]).read_bytes()
    (tmp_path / "a.sf2").write_bytes(data[:-20])
    with pytest.raises(PlaybachError, match="cut short"):
        SoundFont(tmp_path / "a.sf2")


@pytest.mark.parametrize("vorbis", [False, True])
def test_damaged_soundfonts_are_played_or_give_an_error(tmp_path: Path, vorbis: bool) -> None:
    zones = [LOOPED, (8, 6900), (11, 3000), (5, 20), (36, 2000), (37, 300)], [(43, 60 << 8), LOOPED]
    data = tiny_font(tmp_path / "a.sf2", *zones, vorbis=vorbis).read_bytes()
    rng, played = random.Random(1), 0
    tables = data.index(b"pdta")  # everything after the samples
    for _ in range(250):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 8])):
            at = rng.choice([rng.randrange(len(data)), rng.randrange(tables, len(data))])
            damaged[at] = rng.randrange(256)
        (tmp_path / "b.sf2").write_bytes(damaged)
        try:
            sound = note(tmp_path / "b.sf2", rng.randrange(128), rng.randrange(1, 128), 0.1)
        except PlaybachError:
            continue
        assert np.isfinite(sound).all()
        played += 1
    assert 50 < played < 250


@pytest.mark.parametrize("vorbis", [False, True])
def test_a_chunk_of_odd_length_may_lack_its_zero(tmp_path: Path, vorbis: bool) -> None:
    """As in the SF3 files of MuseScore and Debian, whose tables follow the samples at once."""
    path = tiny_font(tmp_path / "a.sf2", [LOOPED], vorbis=vorbis)
    data = path.read_bytes()
    at, tables = data.index(b"smpl"), data.rindex(b"LIST")
    pool = data[at + 8 : tables] + b"\0" * (1 - (tables - at) % 2)
    assert len(pool) % 2
    sounds = b"sdta" + b"smpl" + struct.pack("<I", len(pool)) + pool
    body = b"sfbk" + b"LIST" + struct.pack("<I", len(sounds)) + sounds + data[tables:]
    expected = note(path)
    path.write_bytes(chunk(b"RIFF", body))
    assert np.array_equal(note(path), expected)
