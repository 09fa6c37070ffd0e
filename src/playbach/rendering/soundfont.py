"""Reads a soundfont (SF2, or SF3 with Vorbis samples) and renders single notes of it, with numpy alone.

symusic 0.5.9 has a synthesiser, but it ignores most of what a soundfont says: root keys (TimGM6mb's piano
sounds 20 semitones too high, its cello 2 too low), velocities, envelopes, filters, vibrato. Here is the part
of the SoundFont 2.04 standard that decides how a note sounds: key and velocity ranges, tuning, loops, volume
and modulation envelopes, both LFOs, the low-pass filter, attenuation and pan. Modulators, chorus sends and
exclusive classes are left out.

Knows nothing of scores, mixing or files other than the soundfont.
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

Audio = NDArray[np.float32]  # (channels, samples)
Floats = NDArray[np.floating[Any]]
Generators = dict[int, int]  # generator number -> amount

SAMPLE_RATE = 44_100
DRUM_BANK = 128
MAX_NOTE_SECONDS = 60.0  # whoever holds a note longer hears it fade: memory is bounded
CONTROL = 32  # envelopes and LFOs are computed once every so many samples
FRAME = 1024  # the moving filter's frames, half overlapping

# The generators of the standard (section 8.1.2) that are used here, and the defaults that are not 0.
START, END, LOOP_START, LOOP_END = 0, 1, 2, 3
START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE = 4, 12, 45, 50
LFO_PITCH, VIBRATO_PITCH, ENV_PITCH = 5, 6, 7
CUTOFF, RESONANCE, LFO_CUTOFF, ENV_CUTOFF, LFO_VOLUME = 8, 9, 10, 11, 13
PAN, LFO_DELAY, LFO_FREQUENCY, VIBRATO_DELAY, VIBRATO_FREQUENCY = 17, 21, 22, 23, 24
# Two envelopes, each with: delay, attack, hold, decay, sustain, release, key to hold, key to decay.
MOD_ENVELOPE, VOLUME_ENVELOPE = 25, 33
INSTRUMENT, KEYS, VELOCITIES, ATTENUATION, COARSE, FINE, SAMPLE = 41, 43, 44, 48, 51, 52, 53
LOOP_MODE, SCALE, ROOT = 54, 56, 58
NO_DELAY = dict.fromkeys((21, 23, 25, 26, 27, 28, 30, 33, 34, 35, 36, 38), -12_000)
DEFAULTS: Generators = NO_DELAY | {CUTOFF: 13_500, SCALE: 100, ROOT: -1, 46: -1, 47: -1}
ABSOLUTE = {0, 1, 2, 3, 4, 12, 41, 43, 44, 45, 46, 47, 50, 53, 54, 57, 58}  # a preset may not add to these

RECORDS = {
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
POINTERS = "phdr bag pbag", "pbag gen pgen", "inst bag ibag", "ibag gen igen"  # what counts which rows


@dataclass(frozen=True, slots=True)
class Sound:
    """One note held down: its samples, and the curve that they are multiplied with from note-off on."""

    samples: Audio  # (1 or 2, n)
    release: NDArray[np.float32]  # (r,) from 1 to exactly 0


def default_path() -> Path:
    """The soundfont that comes with PyPI's pretty_midi. Found without importing that, which is slow."""
    spec = importlib.util.find_spec("pretty_midi")
    if spec is None or spec.origin is None:
        raise PlaybachError("no soundfont: pip install pretty_midi, which brings one, or name an .sf2 file")
    return Path(spec.origin).parent / "TimGM6mb.sf2"


class SoundFont:
    """A soundfont file, checked, with its samples left on disk until a note needs them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        chunks = self._chunks(self._open())
        self._tables = {name: self._records(name, chunks) for name in RECORDS}
        self._check_pointers()
        self._pool = chunks["smpl"]
        headers = self._tables["phdr"][:-1]  # the last record only marks the end
        self._presets = {(int(h["bank"]), int(h["program"])): i for i, h in enumerate(headers)}
        self._instruments, self._sample = cache(self._read_instruments), cache(self._read_sample)

    def _bad(self, why: str) -> PlaybachError:
        return PlaybachError(f"{self.path}: {why}; give an .sf2 or .sf3 file, or none for our own")

    def _open(self) -> NDArray[np.uint8]:
        try:
            size = self.path.stat().st_size
            if size < 12 or not self.path.is_file():
                raise self._bad("not a soundfont")
            data: NDArray[np.uint8] = np.memmap(self.path, np.uint8, "r")
        except OSError as error:
            raise PlaybachError(f"{self.path}: cannot read the soundfont: {error.strerror}") from error
        if bytes(data[:4]) != b"RIFF" or bytes(data[8:12]) != b"sfbk":
            raise self._bad("not a soundfont")
        if _u4(data, 4) + 8 > size:
            raise self._bad(f"soundfont cut short, {_u4(data, 4) + 8} bytes expected, {size} found")
        return data

    def _chunks(self, data: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
        found: dict[str, NDArray[np.uint8]] = {}
        spans = [(12, _u4(data, 4) + 8)]
        while spans:
            at, end = spans.pop()
            while at + 8 <= end:
                name, size = bytes(data[at : at + 4]), _u4(data, at + 4)
                if at + 8 + size > end:
                    raise self._bad("damaged soundfont (a chunk is longer than the one around it)")
                if name == b"LIST":
                    spans.append((at + 12, at + 8 + size))
                else:
                    found[name.decode("latin-1")] = data[at + 8 : at + 8 + size]
                at += 8 + size + size % 2
        missing = [name for name in (*RECORDS, "smpl") if name not in found]
        if missing:
            raise self._bad(f"damaged soundfont (no {missing[0]!r} chunk)")
        return found

    def _records(self, name: str, chunks: dict[str, NDArray[np.uint8]]) -> NDArray[Any]:
        raw, record = chunks[name].tobytes(), RECORDS[name]
        if len(raw) % record.itemsize or len(raw) < record.itemsize:
            raise self._bad(f"damaged soundfont (chunk {name!r} has {len(raw)} bytes)")
        return np.frombuffer(raw, record)

    def _check_pointers(self) -> None:
        for table, column, target in map(str.split, POINTERS):
            rows = self._tables[table][column].astype(np.int64)
            if np.any(np.diff(rows) < 0) or rows[-1] > len(self._tables[target]):
                raise self._bad(f"damaged soundfont (chunk {table!r} points outside {target!r})")

    def _zones(self, header: str, bag: str, gen: str, index: int) -> list[Generators]:
        """The zones of one preset or instrument, the global zone's generators merged into each."""
        table, bags, gens = self._tables[header], self._tables[bag], self._tables[gen]
        shared: Generators = {}
        zones: list[Generators] = []
        for b in range(int(table["bag"][index]), int(table["bag"][index + 1])):
            last = int(bags["gen"][b + 1]) if b + 1 < len(bags) else len(gens)
            rows = gens[int(bags["gen"][b]) : last]
            zone = dict(zip(rows["what"].tolist(), rows["amount"].tolist()))
            if (INSTRUMENT if header == "phdr" else SAMPLE) in zone:
                zones.append(shared | zone)
            elif not zones:
                shared = zone
        return zones

    def _preset(self, program: int, drum: bool) -> int | None:
        """The preset for a program, or the nearest thing: the standard kit, the piano, the first preset."""
        wanted = [(DRUM_BANK, program), (DRUM_BANK, 0)] if drum else [(0, program), (0, 0)]
        rest = sorted(key for key in self._presets if (key[0] == DRUM_BANK) == drum)
        return next((self._presets[key] for key in wanted + rest if key in self._presets), None)

    def _read_instruments(self, program: int, drum: bool) -> list[Generators]:
        preset = self._preset(program, drum)
        if preset is None:
            return []
        zones = []
        for above in self._zones("phdr", "pbag", "pgen", preset):
            instrument = above[INSTRUMENT] & 0xFFFF
            if instrument + 1 >= len(self._tables["inst"]):
                raise self._bad("damaged soundfont (a preset names an instrument that is not there)")
            for below in self._zones("inst", "ibag", "igen", instrument):
                zone = DEFAULTS | below
                for what, amount in above.items():
                    if what not in ABSOLUTE:
                        zone[what] = zone.get(what, 0) + amount
                ranges = [(z.get(KEYS, 127 << 8), z.get(VELOCITIES, 127 << 8)) for z in (above, below)]
                zone[KEYS], zone[VELOCITIES] = (_overlap(a, b) for a, b in zip(*ranges))
                zones.append(zone)
        return zones

    def _read_sample(self, index: int) -> tuple[Audio, float, int, int, int]:
        """Samples (n,), their rate in Hz, root key, and the loop."""
        if index + 1 >= len(self._tables["shdr"]):
            raise self._bad("damaged soundfont (a zone names a sample that is not there)")
        h = self._tables["shdr"][index]
        start, end, kind = int(h["start"]), int(h["end"]), int(h["kind"])
        loop = int(h["loop_start"]), int(h["loop_end"])
        packed = kind & 0x10  # SF3: bytes of a Vorbis file, with the loop counted from its beginning
        if not start < end <= len(self._pool) // (1 if packed else 2) or not 0 < h["rate"] <= 400_000:
            raise self._bad(f"damaged soundfont (sample {index} lies outside the file)")
        if packed:
            body = self._vorbis(self._pool[start:end].tobytes())
        else:
            body = self._pool[2 * start : 2 * end].copy().view("<i2").astype(np.float32) / np.float32(32_768)
            loop = loop[0] - start, loop[1] - start
        rate = float(h["rate"]) * 2.0 ** (int(h["correction"]) / 1200)
        return body, rate, int(h["root"]) if h["root"] < 128 else 60, loop[0], loop[1]

    def _vorbis(self, packed: bytes) -> Audio:
        import soundfile

        try:
            body: Audio = soundfile.read(io.BytesIO(packed), dtype="float32", always_2d=True)[0][:, 0]
        except soundfile.LibsndfileError as error:
            raise self._bad("damaged soundfont (a sample cannot be decoded)") from error
        return body

    def note(self, program: int, drum: bool, pitch: int, velocity: int, seconds: float) -> Sound:
        """A note held for `seconds`, and its release; shorter where it has died away before."""
        zones = self._instruments(program, drum)
        fits = [z for z in zones if _within(z[KEYS], pitch) and _within(z[VELOCITIES], velocity)]
        release = _release(fits, pitch)
        n = round(min(seconds, MAX_NOTE_SECONDS) * SAMPLE_RATE) + len(release)
        voices = [(self._voice(zone, pitch, velocity, n), zone) for zone in fits]
        length = max((len(v) for v, _ in voices), default=1)
        stereo = any(abs(zone.get(PAN, 0)) > 10 for _, zone in voices)
        out = np.zeros((2 if stereo else 1, length), np.float32)
        for voice, zone in voices:
            if stereo:
                out[:, : len(voice)] += place(min(max(zone.get(PAN, 0) / 500, -1), 1))[:, None] * voice
            else:
                out[0, : len(voice)] += voice
        if seconds > MAX_NOTE_SECONDS:
            out[:, -len(release) :] *= release[-out.shape[1] :]
        return Sound(out, release)

    def _voice(self, zone: Generators, pitch: int, velocity: int, n: int) -> NDArray[np.float32]:
        """One zone's part of a note: resample, filter, shape."""
        body, rate, root, loop_start, loop_end = self._sample(zone[SAMPLE] & 0xFFFF)
        start = _offset(zone, START, START_COARSE)
        body = body[: max(len(body) + min(0, _offset(zone, END, END_COARSE)), 0)]
        if len(body) < 4:
            return np.zeros(1, np.float32)
        loop_start += _offset(zone, LOOP_START, LOOP_START_COARSE)
        loop_end = min(loop_end + _offset(zone, LOOP_END, LOOP_END_COARSE), len(body))
        root = zone[ROOT] if zone[ROOT] >= 0 else root
        looped = zone.get(LOOP_MODE, 0) & 1 and loop_start >= 0 and loop_end - loop_start >= 4

        shape = _Shape(zone, pitch, velocity, n)
        cents = (pitch - root) * zone[SCALE] + 100 * zone.get(COARSE, 0) + zone.get(FINE, 0) + shape.cents
        cents = np.clip(cents, -12_000, 9600)  # a damaged file may ask for anything
        step = rate / SAMPLE_RATE * 2.0 ** (cents / 1200)
        if step.min() == step.max():
            at = max(start, 0) + np.arange(n) * step[0]
        else:
            at = max(start, 0) + np.cumsum(np.interp(np.arange(n), np.arange(len(step)) * CONTROL, step)) - step[0]
        if looped:
            late = int(np.searchsorted(at, loop_end))
            at[late:] = loop_start + np.mod(at[late:] - loop_start, loop_end - loop_start)
            body = np.concatenate([body[:loop_end], body[loop_start : loop_start + 3]])
        else:
            at = at[: int(np.searchsorted(at, len(body) - 1))]
            body = np.concatenate([body, np.zeros(2, np.float32)])
        voice = _cubic(body, at)
        if shape.cutoff.min() < 12_500:  # 11 kHz: above that there is next to nothing to take away
            voice = _low_pass(voice, shape.cutoff, zone.get(RESONANCE, 0) / 10)
        voice *= shape.gain(len(voice))
        return _faded(voice[: shape.audible], 64)


class _Shape:
    """How a note changes while it is held: values every CONTROL samples for pitch, cutoff and loudness."""

    def __init__(self, zone: Generators, pitch: int, velocity: int, n: int) -> None:
        t = np.arange(-(-n // CONTROL) + 1) * (CONTROL / SAMPLE_RATE)
        envelope = _Stages(zone, MOD_ENVELOPE, pitch)
        sustain = 1 - min(max(zone.get(MOD_ENVELOPE + 4, 0), 0), 1000) / 1000
        bend = envelope.attack(t) * np.maximum(1 - envelope.decay(t), sustain)
        lfo = _triangle(t, zone[LFO_DELAY], zone.get(LFO_FREQUENCY, 0))
        vibrato = _triangle(t, zone[VIBRATO_DELAY], zone.get(VIBRATO_FREQUENCY, 0))
        self.cents: Floats = lfo * zone.get(LFO_PITCH, 0) + vibrato * zone.get(VIBRATO_PITCH, 0)
        self.cents += bend * zone.get(ENV_PITCH, 0)
        # A soft note is a darker note: an octave of cutoff over the whole range of velocities.
        darker = 1200 * (1 - velocity / 127)
        self.cutoff: Floats = zone[CUTOFF] - darker + bend * zone.get(ENV_CUTOFF, 0)
        self.cutoff += lfo * zone.get(LFO_CUTOFF, 0)
        stages = _Stages(zone, VOLUME_ENVELOPE, pitch)
        floor = min(max(zone.get(VOLUME_ENVELOPE + 4, 0), 0), 1440) / 10
        decibels = -np.minimum(100 * stages.decay(t), floor)
        # Soundfonts are balanced for the first sound cards, which took 0.4 of the attenuation.
        still = -0.04 * max(zone.get(ATTENUATION, 0), 0) + 40 * np.log10(max(velocity, 1) / 127)
        swell = lfo * min(max(zone.get(LFO_VOLUME, 0), -960), 960) / 10
        self._gain = stages.attack(t) * 10 ** ((decibels + still + swell) / 20)
        heard = np.flatnonzero(decibels > -85)
        self.audible = (int(heard[-1]) + 1) * CONTROL if len(heard) else CONTROL

    def gain(self, n: int) -> NDArray[np.float32]:
        steps = self._gain.astype(np.float32)
        ramps = steps[:-1, None] + np.diff(steps)[:, None] * (np.arange(CONTROL, dtype=np.float32) / CONTROL)
        gain: NDArray[np.float32] = ramps.reshape(-1)[:n]
        return gain


class _Stages:
    """Delay, attack, hold and decay of one of the two envelopes, in seconds."""

    def __init__(self, zone: Generators, first: int, pitch: int) -> None:
        self._delay = _seconds(zone[first])
        self._rise = max(_seconds(zone[first + 1]), 0.001)
        hold = _seconds(zone[first + 2] + zone.get(first + 6, 0) * (60 - pitch))
        self._hold_end = self._delay + self._rise + hold
        self._fall = _seconds(zone[first + 3] + zone.get(first + 7, 0) * (60 - pitch))

    def attack(self, t: Floats) -> Floats:
        rising: Floats = np.clip((t - self._delay) / self._rise, 0, 1)
        return rising

    def decay(self, t: Floats) -> Floats:
        """How much of a full decay has passed: 0 until the hold has ended, then 1 per decay time."""
        fallen: Floats = np.maximum(t - self._hold_end, 0) / self._fall
        return fallen


def place(x: float) -> NDArray[np.float32]:
    """Gains (2,) of constant power for a place from -1 (left) to 1 (right); both are 1 in the middle."""
    angle = (1 + x) * np.pi / 4
    return np.array([np.cos(angle), np.sin(angle)], np.float32) * np.float32(np.sqrt(2))


def _release(zones: list[Generators], pitch: int) -> NDArray[np.float32]:
    """From note-off on: exponential, as long as the loudest zone says, but never so short that the note seems
    cut off, and longer for low notes, whose strings and pipes are."""
    loudest = min(zones, key=lambda zone: zone.get(ATTENUATION, 0), default=DEFAULTS)
    shortest = 0.9 * 2.0 ** ((48 - pitch) / 48)  # seconds to -100 dB: 1.1 for a low C2, 0.5 for C6
    seconds = min(max(_seconds(loudest[VOLUME_ENVELOPE + 5]), shortest, 0.4), 3.0)
    n = round(0.75 * seconds * SAMPLE_RATE)  # until -75 dB
    curve = np.exp(np.arange(n) * (-np.log(1e5) / (seconds * SAMPLE_RATE))).astype(np.float32)
    return _faded(curve, 512)


def _faded(x: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """The last n samples taken down to exactly 0."""
    n = min(n, len(x))
    x[len(x) - n :] *= np.linspace(1, 0, n, dtype=np.float32)
    return x


def _cubic(body: NDArray[np.float32], at: Floats) -> NDArray[np.float32]:
    """`body` read at fractional places, by Catmull-Rom's four points. `body` reaches two samples further."""
    whole = at.astype(np.int32)
    f = (at - whole).astype(np.float32)
    padded = np.concatenate([body[:1], body, body[-1:]])
    a, b, c, d = (padded[whole + k] for k in range(4))
    read: NDArray[np.float32] = b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))
    return read


def _low_pass(x: NDArray[np.float32], cents: Floats, resonance: float) -> NDArray[np.float32]:
    """Two poles whose cutoff moves: in overlapping frames, each with the response of its moment."""
    hop = FRAME // 2
    frames = len(x) // hop + 2
    padded = np.zeros((frames + 1) * hop, np.float32)
    padded[hop : hop + len(x)] = x
    window = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::hop][:frames] * window
    spectra = np.fft.rfft(cut, 2 * FRAME)  # twice as long: the response's own tail must not come round
    moment = np.clip(np.arange(frames) * hop // CONTROL, 0, len(cents) - 1)
    cutoff = 8.176 * 2.0 ** (np.clip(cents[moment], 1500, 13_500) / 1200)
    q = 10 ** ((min(max(resonance, 0), 30) - 3.01) / 20)
    ratio = (np.fft.rfftfreq(2 * FRAME, 1 / SAMPLE_RATE) / cutoff[:, None]).astype(np.float32)
    spectra /= (1 - ratio * ratio) + np.complex64(1j / q) * ratio
    parts = np.fft.irfft(spectra, 2 * FRAME).astype(np.float32).reshape(frames, 4, hop)
    out = np.zeros((frames + 3, hop), np.float32)
    for k in range(4):
        out[k : k + frames] += parts[:, k]
    return out.reshape(-1)[hop : hop + len(x)]


def _triangle(t: Floats, delay: int, frequency: int) -> Floats:
    phase = np.maximum(t - _seconds(delay), 0) * 8.176 * 2.0 ** (min(max(frequency, -16_000), 4500) / 1200)
    wave: Floats = 1 - np.abs(np.mod(phase + 0.75, 1) * 4 - 2)
    return wave


def _seconds(timecents: int) -> float:
    return float(2.0 ** (min(max(timecents, -12_000), 8000) / 1200))


def _offset(zone: Generators, fine: int, coarse: int) -> int:
    return zone.get(fine, 0) + 32_768 * zone.get(coarse, 0)


def _within(span: int, value: int) -> bool:
    return span & 0xFF <= value <= (span >> 8) & 0xFF


def _overlap(a: int, b: int) -> int:
    low, high = max(a & 0xFF, b & 0xFF), min((a >> 8) & 0xFF, (b >> 8) & 0xFF)
    return low | high << 8 if low <= high else 1  # 1: from 1 to 0, nothing


def _u4(data: NDArray[np.uint8], at: int) -> int:
    return int.from_bytes(data[at : at + 4].tobytes(), "little")
