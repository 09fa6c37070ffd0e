"""Reads a soundfont (SF2, or SF3 with Vorbis samples) and renders single notes, with numpy alone.

symusic 0.5.9 has a synthesiser, but it ignores most of a soundfont: root keys (TimGM6mb's piano is 20 semitones too
high, its cello 2 too low), velocities, envelopes, filters, vibrato. This module implements those parts of the
SoundFont 2.04 standard that shape a note most: key and velocity ranges, tuning, loops, volume and modulation
envelopes, both LFOs, the low-pass filter, attenuation and pan. Of the modulators it has pitch bend and modulation to
vibrato; chorus sends and exclusive classes are left out.

Knows nothing of scores or mixing.
"""

from __future__ import annotations

import importlib.util
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from playbach.system.errors import PlaybachError

Audio = NDArray[np.float32]
"""(channels, samples)"""
_Floats = NDArray[np.floating[Any]]
Generators = dict[int, int]
"""Amounts by generator number."""

SAMPLE_RATE = 44_100
DRUM_BANK = 128
MAX_NOTE_SECONDS = 60.0
"""A note that is held longer fades out, so that memory is bounded."""
_MAX_RELEASE_SECONDS, _RELEASE_SHARE = 3.0, 0.75
"""Seconds until a release has fallen to -100 dB, and the share of them, to -75 dB, that is rendered."""
MAX_RELEASE = round(_RELEASE_SHARE * _MAX_RELEASE_SECONDS * SAMPLE_RATE)
"""Samples of the longest release."""
CONTROL_SAMPLES = 32
"""Envelopes, LFOs and bends are computed once for this many samples."""
_FILTER_FRAME = 1024
"""Samples of the low-pass filter's frames, which overlap by half."""

# The generators of the standard (section 8.1.2) that are used here.
GEN_START, GEN_END, GEN_LOOP_START, GEN_LOOP_END = 0, 1, 2, 3
GEN_START_COARSE, GEN_END_COARSE, GEN_LOOP_START_COARSE, GEN_LOOP_END_COARSE = 4, 12, 45, 50
GEN_LFO_TO_PITCH, GEN_VIBRATO_TO_PITCH, GEN_ENVELOPE_TO_PITCH = 5, 6, 7
GEN_CUTOFF, GEN_RESONANCE, GEN_LFO_TO_CUTOFF, GEN_ENVELOPE_TO_CUTOFF, GEN_LFO_TO_VOLUME = 8, 9, 10, 11, 13
GEN_PAN, GEN_LFO_DELAY, GEN_LFO_FREQUENCY, GEN_VIBRATO_DELAY, GEN_VIBRATO_FREQUENCY = 17, 21, 22, 23, 24
# The first of eight: delay, attack, hold, decay, sustain, release, key to hold, key to decay.
GEN_MODULATION_ENVELOPE, GEN_VOLUME_ENVELOPE = 25, 33
GEN_INSTRUMENT, GEN_KEY_RANGE, GEN_VELOCITY_RANGE, GEN_ATTENUATION = 41, 43, 44, 48
GEN_COARSE_TUNE, GEN_FINE_TUNE, GEN_SAMPLE, GEN_LOOP_MODE, GEN_SCALE_TUNING, GEN_ROOT_KEY = 51, 52, 53, 54, 56, 58

_INSTANT = dict.fromkeys((21, 23, 25, 26, 27, 28, 30, 33, 34, 35, 36, 38), -12_000)
_NON_ZERO = {GEN_CUTOFF: 13_500, GEN_SCALE_TUNING: 100, GEN_ROOT_KEY: -1, 46: -1, 47: -1}
_GENERATOR_DEFAULTS: Generators = _INSTANT | _NON_ZERO
_INSTRUMENT_ONLY = {0, 1, 2, 3, 4, 12, 41, 43, 44, 45, 46, 47, 50, 53, 54, 57, 58}
"""Generators that a preset cannot change."""

_RECORDS = {
    "phdr": np.dtype([("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("rest", "V12")]),
    "pbag": np.dtype([("gen", "<u2"), ("mod", "<u2")]),
    "pgen": np.dtype([("what", "<u2"), ("amount", "<i2")]),
    "inst": np.dtype([("name", "S20"), ("bag", "<u2")]),
    "ibag": np.dtype([("gen", "<u2"), ("mod", "<u2")]),
    "igen": np.dtype([("what", "<u2"), ("amount", "<i2")]),
    "shdr": np.dtype(
        [("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("loop_start", "<u4"), ("loop_end", "<u4")]
        + [("rate", "<u4"), ("root", "u1"), ("correction", "i1"), ("link", "<u2"), ("kind", "<u2")]
    ),
}
_POINTERS = "phdr bag pbag", "pbag gen pgen", "inst bag ibag", "ibag gen igen"
"""A table, its column of row numbers, and the table to which the numbers refer."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A rendered note."""

    samples: Audio
    """(1 or 2, n), as if the note were held."""
    release: NDArray[np.float32]
    """(r,), from 1 to exactly 0: the gain from note-off on."""


@dataclass(frozen=True, slots=True, eq=False)
class Bend:
    """How far a note is from its pitch, with a value for every CONTROL_SAMPLES samples; the last one holds."""

    cents: NDArray[np.float64]
    """(k,)"""
    vibrato: NDArray[np.float64]
    """(k,), how deep the soundfont's vibrato is beyond what its own zones say, in cents."""

    @property
    def is_constant(self) -> bool:
        return len(self.cents) == 1


_NO_BEND = Bend(np.zeros(1), np.zeros(1))


def default_soundfont() -> Path:
    """The soundfont of the package pretty_midi, found without importing it, which would be slow."""
    spec = importlib.util.find_spec("pretty_midi")
    if spec is None or spec.origin is None:
        raise PlaybachError(
            "there is no soundfont: install the package pretty_midi, which has one, or give an .sf2 file"
        )
    return Path(spec.origin).parent / "TimGM6mb.sf2"


class SoundFont:
    """A validated soundfont file. Its samples stay on the disk until a note needs them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        chunks = self._chunks(self._open())
        self.chunks = chunks
        """The contents of the file's chunks by name, such as INAM or pmod."""
        self.tables = {name: self._records(name, chunks) for name in _RECORDS}
        self._check_pointers()
        self.pool = chunks["smpl"]
        headers = self.tables["phdr"][:-1]  # the last record only marks the end
        self.presets = {(int(h["bank"]), int(h["program"])): i for i, h in enumerate(headers)}
        """Row numbers in phdr by bank and program."""
        self._instruments, self._sample = cache(self._read_instruments), cache(self._read_sample)

    def _invalid(self, problem: str) -> PlaybachError:
        return PlaybachError(f"{self.path}: {problem}; give another .sf2 or .sf3 file, or none for the default one")

    def damaged(self, problem: str) -> PlaybachError:
        return self._invalid(f"the soundfont is damaged ({problem})")

    def _open(self) -> NDArray[np.uint8]:
        try:
            size = self.path.stat().st_size
            if size < 12 or not self.path.is_file():
                raise self._invalid("this is not a soundfont")
            data: NDArray[np.uint8] = np.memmap(self.path, np.uint8, "r")
        except OSError as error:
            raise PlaybachError(
                f"{self.path}: cannot read the soundfont ({error.strerror}); check the path"
            ) from error
        if bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"sfbk":
            raise self._invalid("this is not a soundfont")
        if _u4(data, 4) + 8 > size:
            raise self._invalid(f"the soundfont is cut short (it has {size} of {_u4(data, 4) + 8} bytes)")
        return data

    def _chunks(self, data: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
        found: dict[str, NDArray[np.uint8]] = {}
        spans = [(12, _u4(data, 4) + 8)]
        while spans:
            at, end = spans.pop()
            while at + 8 <= end:
                name, size = bytes(data[at : at + 4]), _u4(data, at + 4)
                if at + 8 + size > end:
                    raise self.damaged("a chunk is longer than the one that contains it")
                if name == b"LIST":
                    spans.append((at + 12, at + 8 + size))
                else:
                    found[name.decode("latin-1")] = data[at + 8 : at + 8 + size]
                at += 8 + size
                # An odd length is followed by a zero, which sf3convert leaves out, and so do Debian's SF3 files.
                at += size % 2 and bytes(data[at : at + 4]) != b"LIST"
        missing = [name for name in (*_RECORDS, "smpl") if name not in found]
        if missing:
            raise self.damaged(f"it has no chunk {missing[0]!r}")
        return found

    def _records(self, name: str, chunks: dict[str, NDArray[np.uint8]]) -> NDArray[Any]:
        raw, record = chunks[name].tobytes(), _RECORDS[name]
        if len(raw) % record.itemsize or len(raw) < record.itemsize:
            raise self.damaged(f"its chunk {name!r} cannot have {len(raw)} bytes")
        return np.frombuffer(raw, record)

    def _check_pointers(self) -> None:
        for table, column, target in map(str.split, _POINTERS):
            rows = self.tables[table][column].astype(np.int64)
            if np.any(np.diff(rows) < 0) or rows[-1] > len(self.tables[target]):
                raise self.damaged(f"its chunk {table!r} points outside {target!r}")

    def _zones(self, header: str, bag: str, gen: str, index: int) -> list[Generators]:
        """The zones of one preset or instrument, each merged with the generators of its global zone."""
        table, bags, gens = self.tables[header], self.tables[bag], self.tables[gen]
        shared: Generators = {}
        zones: list[Generators] = []
        for b in range(int(table["bag"][index]), int(table["bag"][index + 1])):
            last = int(bags["gen"][b + 1]) if b + 1 < len(bags) else len(gens)
            rows = gens[int(bags["gen"][b]) : last]
            zone = dict(zip(rows["what"].tolist(), rows["amount"].tolist()))
            if (GEN_INSTRUMENT if header == "phdr" else GEN_SAMPLE) in zone:
                zones.append(shared | zone)
            elif not zones:
                shared = zone
        return zones

    def _preset(self, program: int, drum: bool) -> int | None:
        """The preset for a program; if it is missing, the standard kit or the piano, or else the first preset."""
        wanted = [(DRUM_BANK, program), (DRUM_BANK, 0)] if drum else [(0, program), (0, 0)]
        rest = sorted(key for key in self.presets if (key[0] == DRUM_BANK) == drum)
        return next((self.presets[key] for key in wanted + rest if key in self.presets), None)

    def _read_instruments(self, program: int, drum: bool) -> list[Generators]:
        preset = self._preset(program, drum)
        if preset is None:
            return []
        zones = []
        for above in self._zones("phdr", "pbag", "pgen", preset):
            instrument = above[GEN_INSTRUMENT] & 0xFFFF
            if instrument + 1 >= len(self.tables["inst"]):
                raise self.damaged("a preset refers to a missing instrument")
            for below in self._zones("inst", "ibag", "igen", instrument):
                zone = _GENERATOR_DEFAULTS | below
                for what, amount in above.items():
                    if what not in _INSTRUMENT_ONLY:
                        zone[what] = zone.get(what, 0) + amount
                ranges = [
                    (z.get(GEN_KEY_RANGE, 127 << 8), z.get(GEN_VELOCITY_RANGE, 127 << 8)) for z in (above, below)
                ]
                zone[GEN_KEY_RANGE], zone[GEN_VELOCITY_RANGE] = (_intersect(a, b) for a, b in zip(*ranges))
                zones.append(zone)
        return zones

    def _read_sample(self, index: int) -> tuple[Audio, float, int, int, int]:
        """Samples (n,), their rate in Hz, the root key, and the loop's start and end."""
        if index + 1 >= len(self.tables["shdr"]):
            raise self.damaged("a zone refers to a missing sample")
        h = self.tables["shdr"][index]
        start, end, kind = int(h["start"]), int(h["end"]), int(h["kind"])
        loop = int(h["loop_start"]), int(h["loop_end"])
        packed = kind & 0x10  # SF3: a Vorbis file, whose loop counts from its own beginning
        if not start < end <= len(self.pool) // (1 if packed else 2) or not 0 < h["rate"] <= 400_000:
            raise self.damaged(f"sample {index} is outside the file")
        if packed:
            body = self._vorbis(self.pool[start:end].tobytes())
        else:
            body = self.pool[2 * start : 2 * end].copy().view("<i2").astype(np.float32) / np.float32(32_768)
            loop = loop[0] - start, loop[1] - start
        rate = float(h["rate"]) * 2.0 ** (int(h["correction"]) / 1200)
        return body, rate, int(h["root"]) if h["root"] < 128 else 60, loop[0], loop[1]

    def _vorbis(self, packed: bytes) -> Audio:
        import soundfile

        try:
            body: Audio = soundfile.read(io.BytesIO(packed), dtype="float32", always_2d=True)[0][:, 0]
        except soundfile.LibsndfileError as error:
            raise self.damaged("a sample cannot be decoded") from error
        return body

    def note(
        self, program: int, drum: bool, pitch: int, velocity: int, seconds: float, bend: Bend | None = None
    ) -> Sound:
        """Render a note that is held for `seconds`, with its release; shorter if it fades away before."""
        zones = self._instruments(program, drum)
        matching = [
            z for z in zones if _in_range(z[GEN_KEY_RANGE], pitch) and _in_range(z[GEN_VELOCITY_RANGE], velocity)
        ]
        release = _release(matching, pitch)
        n = round(min(seconds, MAX_NOTE_SECONDS) * SAMPLE_RATE) + len(release)
        voices = [(self._voice(zone, pitch, velocity, n, bend or _NO_BEND), zone) for zone in matching]
        length = max((len(v) for v, _ in voices), default=1)
        stereo = any(abs(zone.get(GEN_PAN, 0)) > 10 for _, zone in voices)
        out = np.zeros((2 if stereo else 1, length), np.float32)
        for voice, zone in voices:
            if stereo:
                out[:, : len(voice)] += pan_gains(min(max(zone.get(GEN_PAN, 0) / 500, -1), 1))[:, None] * voice
            else:
                out[0, : len(voice)] += voice
        if seconds > MAX_NOTE_SECONDS:
            out[:, -len(release) :] *= release[-out.shape[1] :]
        return Sound(out, release)

    def _voice(self, zone: Generators, pitch: int, velocity: int, n: int, bend: Bend) -> NDArray[np.float32]:
        """One zone's part of a note, resampled, filtered and shaped."""
        body, rate, root, loop_start, loop_end = self._sample(zone[GEN_SAMPLE] & 0xFFFF)
        start = _address_offset(zone, GEN_START, GEN_START_COARSE)
        body = body[: max(len(body) + min(0, _address_offset(zone, GEN_END, GEN_END_COARSE)), 0)]
        if len(body) < 4:
            return np.zeros(1, np.float32)
        loop_start += _address_offset(zone, GEN_LOOP_START, GEN_LOOP_START_COARSE)
        loop_end = min(loop_end + _address_offset(zone, GEN_LOOP_END, GEN_LOOP_END_COARSE), len(body))
        root = zone[GEN_ROOT_KEY] if zone[GEN_ROOT_KEY] >= 0 else root
        looped = zone.get(GEN_LOOP_MODE, 0) & 1 and loop_start >= 0 and loop_end - loop_start >= 4

        shape = _Shape(zone, pitch, velocity, n, bend)
        cents = (
            (pitch - root) * zone[GEN_SCALE_TUNING]
            + 100 * zone.get(GEN_COARSE_TUNE, 0)
            + zone.get(GEN_FINE_TUNE, 0)
            + shape.cents
        )
        cents = np.clip(cents, -12_000, 9600)  # a damaged file may have any value
        step = rate / SAMPLE_RATE * 2.0 ** (cents / 1200)
        if step.min() == step.max():
            at = max(start, 0) + np.arange(n) * step[0]
        else:
            at = (
                max(start, 0)
                + np.cumsum(np.interp(np.arange(n), np.arange(len(step)) * CONTROL_SAMPLES, step))
                - step[0]
            )
        if looped:
            late = int(np.searchsorted(at, loop_end))
            at[late:] = loop_start + np.mod(at[late:] - loop_start, loop_end - loop_start)
            body = np.concatenate([body[:loop_end], body[loop_start : loop_start + 3]])
        else:
            at = at[: int(np.searchsorted(at, len(body) - 1))]
            body = np.concatenate([body, np.zeros(2, np.float32)])
        voice = _cubic(body, at)
        if shape.cutoff.min() < 12_500:  # 11 kHz: a higher cutoff is hardly audible
            voice = _low_pass(voice, shape.cutoff, zone.get(GEN_RESONANCE, 0) / 10)
        voice *= shape.gain(len(voice))
        return _fade(voice[: shape.audible], 64)


class _Shape:
    """How pitch, cutoff and loudness change during a note, with a value for every CONTROL_SAMPLES samples."""

    def __init__(self, zone: Generators, pitch: int, velocity: int, n: int, bend: Bend) -> None:
        t = np.arange(-(-n // CONTROL_SAMPLES) + 1) * (CONTROL_SAMPLES / SAMPLE_RATE)
        envelope = _Stages(zone, GEN_MODULATION_ENVELOPE, pitch)
        sustain = 1 - min(max(zone.get(GEN_MODULATION_ENVELOPE + 4, 0), 0), 1000) / 1000
        swing = envelope.attack(t) * np.maximum(1 - envelope.decay(t), sustain)
        lfo = _triangle(t, zone[GEN_LFO_DELAY], zone.get(GEN_LFO_FREQUENCY, 0))
        vibrato = _triangle(t, zone[GEN_VIBRATO_DELAY], zone.get(GEN_VIBRATO_FREQUENCY, 0))
        moment = np.minimum(np.arange(len(t)), len(bend.cents) - 1)
        self.cents: _Floats = lfo * zone.get(GEN_LFO_TO_PITCH, 0) + bend.cents[moment]
        self.cents += vibrato * (zone.get(GEN_VIBRATO_TO_PITCH, 0) + bend.vibrato[moment])
        self.cents += swing * zone.get(GEN_ENVELOPE_TO_PITCH, 0)
        # Softer notes are darker: the cutoff falls by up to an octave.
        darker = 1200 * (1 - velocity / 127)
        self.cutoff: _Floats = zone[GEN_CUTOFF] - darker + swing * zone.get(GEN_ENVELOPE_TO_CUTOFF, 0)
        self.cutoff += lfo * zone.get(GEN_LFO_TO_CUTOFF, 0)
        stages = _Stages(zone, GEN_VOLUME_ENVELOPE, pitch)
        floor = min(max(zone.get(GEN_VOLUME_ENVELOPE + 4, 0), 0), 1440) / 10
        decibels = -np.minimum(100 * stages.decay(t), floor)
        # Soundfonts are balanced for the first sound cards, which applied 0.4 of the attenuation.
        constant = -0.04 * max(zone.get(GEN_ATTENUATION, 0), 0) + 40 * np.log10(max(velocity, 1) / 127)
        tremolo = lfo * min(max(zone.get(GEN_LFO_TO_VOLUME, 0), -960), 960) / 10
        self._gain = stages.attack(t) * 10 ** ((decibels + constant + tremolo) / 20)
        audible = np.flatnonzero(decibels > -85)
        self.audible = (int(audible[-1]) + 1) * CONTROL_SAMPLES if len(audible) else CONTROL_SAMPLES

    def gain(self, n: int) -> NDArray[np.float32]:
        steps = self._gain.astype(np.float32)
        ramps = steps[:-1, None] + np.diff(steps)[:, None] * (
            np.arange(CONTROL_SAMPLES, dtype=np.float32) / CONTROL_SAMPLES
        )
        gain: NDArray[np.float32] = ramps.reshape(-1)[:n]
        return gain


class _Stages:
    """The delay, attack, hold and decay of an envelope, in seconds. `first` is its first generator."""

    def __init__(self, zone: Generators, first: int, pitch: int) -> None:
        self._delay = _seconds(zone[first])
        self._rise = max(_seconds(zone[first + 1]), 0.001)
        hold = _seconds(zone[first + 2] + zone.get(first + 6, 0) * (60 - pitch))
        self._hold_end = self._delay + self._rise + hold
        self._fall = _seconds(zone[first + 3] + zone.get(first + 7, 0) * (60 - pitch))

    def attack(self, t: _Floats) -> _Floats:
        rising: _Floats = np.clip((t - self._delay) / self._rise, 0, 1)
        return rising

    def decay(self, t: _Floats) -> _Floats:
        """The time since the end of the hold, in decay times."""
        fallen: _Floats = np.maximum(t - self._hold_end, 0) / self._fall
        return fallen


def pan_gains(x: float) -> NDArray[np.float32]:
    """Constant-power gains (2,) for a position from -1 (left) to 1 (right); both are 1 in the middle."""
    angle = (1 + x) * np.pi / 4
    return np.array([np.cos(angle), np.sin(angle)], np.float32) * np.float32(np.sqrt(2))


def _release(zones: list[Generators], pitch: int) -> NDArray[np.float32]:
    """The gain from note-off on: an exponential decay with the release time of the loudest zone.

    The release time has a minimum, so that notes do not seem cut off; the minimum is longer for low notes.
    """
    loudest = min(zones, key=lambda zone: zone.get(GEN_ATTENUATION, 0), default=_GENERATOR_DEFAULTS)
    shortest = 0.9 * 2.0 ** ((48 - pitch) / 48)  # seconds to -100 dB: 1.1 for a low C2, 0.5 for C6
    seconds = min(max(_seconds(loudest[GEN_VOLUME_ENVELOPE + 5]), shortest, 0.4), _MAX_RELEASE_SECONDS)
    n = round(_RELEASE_SHARE * seconds * SAMPLE_RATE)
    curve = np.exp(np.arange(n) * (-np.log(1e5) / (seconds * SAMPLE_RATE))).astype(np.float32)
    return _fade(curve, 512)


def _fade(x: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Fade the last n samples to exactly 0, in place."""
    n = min(n, len(x))
    x[len(x) - n :] *= np.linspace(1, 0, n, dtype=np.float32)
    return x


def _cubic(body: NDArray[np.float32], at: _Floats) -> NDArray[np.float32]:
    """Interpolate `body` at fractional positions, by Catmull-Rom. `body` has two more samples than are needed."""
    whole = at.astype(np.int32)
    f = (at - whole).astype(np.float32)
    padded = np.concatenate([body[:1], body, body[-1:]])
    a, b, c, d = (padded[whole + k] for k in range(4))
    values: NDArray[np.float32] = b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))
    return values


def _low_pass(x: NDArray[np.float32], cents: _Floats, resonance: float) -> NDArray[np.float32]:
    """A two-pole low-pass filter with a changing cutoff: overlapping frames, each with the response at its centre."""
    hop = _FILTER_FRAME // 2
    frames = len(x) // hop + 2
    padded = np.zeros((frames + 1) * hop, np.float32)
    padded[hop : hop + len(x)] = x
    window = np.hanning(_FILTER_FRAME + 1)[:_FILTER_FRAME].astype(np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(padded, _FILTER_FRAME)[::hop][:frames] * window
    spectra = np.fft.rfft(cut, 2 * _FILTER_FRAME)  # twice as long, since the convolution is circular
    moment = np.clip(np.arange(frames) * hop // CONTROL_SAMPLES, 0, len(cents) - 1)
    cutoff = 8.176 * 2.0 ** (np.clip(cents[moment], 1500, 13_500) / 1200)
    q = 10 ** ((min(max(resonance, 0), 30) - 3.01) / 20)
    ratio = (np.fft.rfftfreq(2 * _FILTER_FRAME, 1 / SAMPLE_RATE) / cutoff[:, None]).astype(np.float32)
    spectra /= (1 - ratio * ratio) + np.complex64(1j / q) * ratio
    parts = np.fft.irfft(spectra, 2 * _FILTER_FRAME).astype(np.float32).reshape(frames, 4, hop)
    out = np.zeros((frames + 3, hop), np.float32)
    for k in range(4):
        out[k : k + frames] += parts[:, k]
    return out.reshape(-1)[hop : hop + len(x)]


def _triangle(t: _Floats, delay: int, frequency: int) -> _Floats:
    phase = np.maximum(t - _seconds(delay), 0) * 8.176 * 2.0 ** (min(max(frequency, -16_000), 4500) / 1200)
    wave: _Floats = 1 - np.abs(np.mod(phase + 0.75, 1) * 4 - 2)
    return wave


def _seconds(timecents: int) -> float:
    return float(2.0 ** (min(max(timecents, -12_000), 8000) / 1200))


def _address_offset(zone: Generators, fine: int, coarse: int) -> int:
    return zone.get(fine, 0) + 32_768 * zone.get(coarse, 0)


def _in_range(span: int, value: int) -> bool:
    return span & 0xFF <= value <= (span >> 8) & 0xFF


def _intersect(a: int, b: int) -> int:
    low, high = max(a & 0xFF, b & 0xFF), min((a >> 8) & 0xFF, (b >> 8) & 0xFF)
    return low | high << 8 if low <= high else 1  # 1: from 1 to 0, an empty range


def _u4(data: NDArray[np.uint8], at: int) -> int:
    return int.from_bytes(data[at : at + 4].tobytes(), "little")
