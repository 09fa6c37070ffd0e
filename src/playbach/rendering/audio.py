"""Renders a score as audio: WAV, FLAC, OGG and MP3, in 44.1 kHz stereo.

A `NoteBank` renders notes, a `Mixer` adds them up (one for each track whose level changes, and one for all others), a
`Reverb` adds a room, and a `Limiter` limits peaks. Each keeps its state between blocks, so that endless streams can
use them too. A file is also rendered block by block, never in memory as a whole, and twice: once to measure its
loudness, once to write it. Pedals, bends and other controllers sound as the score says (`controllers.py`).

Knows nothing of composing, and of soundfonts only how to render a note.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as ScoreTrack

from playbach.music.pedal import sustain
from playbach.music.scores import ticks_to_seconds
from playbach.rendering.controllers import Curve, TrackControls, track_controls
from playbach.rendering.soundfont import (
    MAX_RELEASE,
    SAMPLE_RATE,
    Audio,
    Bend,
    Sound,
    SoundFont,
    default_soundfont,
    pan_gains,
)
from playbach.system.errors import PlaybachError, ScoreError

_FILE_FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
RENDER_BLOCK = 65_536
"""Samples of a block. With the reverb's tail, it fills a Fourier transform of 2^17 samples."""
MAX_SECONDS = 2 * 3600
MAX_SAMPLES = MAX_SECONDS * SAMPLE_RATE
CEILING = 10 ** (-1 / 20)
"""The highest peak: -1 dBFS, because lossy formats overshoot a little."""
_TARGET_LOUDNESS = 10 ** (-19 / 20)
"""The RMS to which soft pieces are raised, unless that would limit peaks by more than _MAX_LIMITING."""
_MAX_LIMITING = 10 ** (4 / 20)
WET = 0.15
"""The share of the reverb."""
TAIL_SECONDS = 2.5
"""The length of the file after the last note."""
FADE_SECONDS = 0.6
SILENT_SECONDS = 0.05
ROOM_SECONDS = 1.4
DRUM_SECONDS = 4.0
_STEREO_WIDTH = 0.3
"""How far the outermost tracks are from the middle; 1 is fully left or right."""
_LOUDNESS_WINDOW = 16_384
"""Samples over which the power is averaged."""
_BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_VELOCITY_LAYER = 16
"""This many velocities share a rendered note, with different gains."""


@dataclass(frozen=True, slots=True)
class SoundingNote:
    """A rendered note and when it sounds."""

    start: int
    """The sample of note-on."""
    off: int
    """The sample of note-off."""
    sound: Sound
    gains: NDArray[np.float32]
    """(2,), left and right."""

    @property
    def end(self) -> int:
        """The sample at which the note has faded out."""
        return min(self.off + len(self.sound.release), self.start + int(self.sound.samples.shape[1]))


class NoteBank:
    """A cache of rendered notes, one for each program, pitch, layer of velocities and constant bend."""

    def __init__(self, soundfont: SoundFont, max_bytes: int = 300_000_000) -> None:
        self._soundfont = soundfont
        self._max_bytes = max_bytes
        self._bytes = 0
        self._notes: OrderedDict[tuple[float, ...], tuple[Sound, float]] = OrderedDict()

    def get(
        self, program: int, drum: bool, pitch: int, velocity: int, seconds: float, bend: Bend | None = None
    ) -> tuple[Sound, float]:
        """A sound that can be held for at least `seconds`, and its gain for this velocity. A sound whose bend changes
        is not kept: hardly any other note has the same bend."""
        layer = min(velocity // _VELOCITY_LAYER * _VELOCITY_LAYER + _VELOCITY_LAYER // 2, 127)
        gain = (velocity / layer) ** 2
        if bend is not None and not bend.is_constant:
            return self._soundfont.note(program, drum, pitch, layer, seconds, bend), gain
        key = program, drum, pitch, layer, *((bend.cents[0], bend.vibrato[0]) if bend else ())
        sound, held = self._notes.pop(key, (None, 0.0))
        if sound is not None:
            self._bytes -= sound.samples.nbytes
        if sound is None or held < seconds:
            sound, held = self._soundfont.note(program, drum, pitch, layer, seconds, bend), seconds
        self._notes[key] = sound, held
        self._bytes += sound.samples.nbytes
        while self._bytes > self._max_bytes and len(self._notes) > 1:
            self._bytes -= self._notes.popitem(last=False)[1][0].samples.nbytes
        return sound, gain


class Mixer:
    """Adds up notes. They are added in order of their starts, and `read` returns the next block."""

    def __init__(self) -> None:
        self.at = 0
        self._notes: deque[SoundingNote] = deque()

    def add(self, note: SoundingNote) -> None:
        self._notes.append(note)

    @property
    def is_empty(self) -> bool:
        """Whether no note that was added still sounds."""
        return not self._notes

    def replace(self, old: SoundingNote, new: SoundingNote) -> None:
        """Give a note another note-off, which must not be in the past."""
        self._notes = deque(new if note is old else note for note in self._notes)

    def read(self, n: int) -> Audio:
        """The next n samples, (2, n)."""
        block, end, unfinished = np.zeros((2, n), np.float32), self.at + n, deque[SoundingNote]()
        for note in self._notes:
            if note.start < end and note.end > self.at:
                self._mix_in(block, note)
            if note.end > end:
                unfinished.append(note)
        self.at, self._notes = end, unfinished
        return block

    def _mix_in(self, block: Audio, note: SoundingNote) -> None:
        first, last = max(note.start, self.at), min(note.end, self.at + block.shape[1])
        held = min(max(note.off, first), last)
        part = note.sound.samples[:, first - note.start : last - note.start] * note.gains[:, None]
        if last > held:
            part[:, held - first :] *= note.sound.release[held - note.off : last - note.off]
        block[:, first - self.at : last - self.at] += part


class Reverb:
    """A small hall: convolution with decaying noise, which differs between left and right."""

    def __init__(self, wet: float = WET) -> None:
        self._response = wet * _room()
        self._tail = np.zeros((2, self._response.shape[1] - 1), np.float32)
        self._spectra: dict[int, NDArray[np.complex64]] = {}

    def process(self, block: Audio) -> Audio:
        n, tail = block.shape[1], self._tail.shape[1]
        size = 1 << (n + tail - 1).bit_length()
        if size not in self._spectra:
            self._spectra[size] = np.fft.rfft(self._response, size).astype(np.complex64)
        wet = np.fft.irfft(np.fft.rfft(block.mean(axis=0), size) * self._spectra[size], size).astype(np.float32)
        wet[:, :tail] += self._tail
        self._tail = wet[:, n : n + tail].copy()
        return block + wet[:, :n]


class Limiter:
    """Keeps peaks below the ceiling. The gain falls on a ramp before a peak, and rises slowly after it.

    Peaks between samples count too. The output is `LAG` samples later than the input.
    """

    STEP = 64
    AHEAD = 6  # steps, 9 ms
    LAG = STEP * AHEAD
    RECOVERY = 1 - np.exp(-STEP / (0.12 * SAMPLE_RATE))

    def __init__(self, ceiling: float = CEILING) -> None:
        self._ceiling = ceiling
        self._waiting = np.zeros((2, self.LAG), np.float32)
        self._needs = np.ones(self.AHEAD)  # the gain that each waiting step requires
        self._gain = 1.0

    def process(self, block: Audio) -> Audio:
        """Limit a block (2, n), where n is a multiple of STEP; the result has the same length."""
        needs = np.concatenate([self._needs, self._needed_gains(block)])
        steps = len(needs) - self.AHEAD
        edges = [self._gain]  # the gain where each step begins and ends
        for highest in self._highest_gains(needs, steps).tolist():
            edges.append(min(edges[-1] + (1 - edges[-1]) * self.RECOVERY, highest))
        self._needs, self._gain = needs[steps:], edges[-1]
        ramp = np.interp(np.arange(steps * self.STEP) / self.STEP, np.arange(steps + 1), edges)
        audio = np.concatenate([self._waiting, block], axis=1)
        self._waiting = audio[:, block.shape[1] :]
        return audio[:, : block.shape[1]] * ramp.astype(np.float32)

    def _needed_gains(self, block: Audio) -> NDArray[np.float64]:
        """For each step of the block, the gain (steps,) that keeps it below the ceiling."""
        x = np.concatenate([self._waiting[:, -1:], block, np.zeros((2, 2), np.float32)], axis=1)
        between = (
            9 * (x[:, 1:-2] + x[:, 2:-1]) - x[:, :-3] - x[:, 3:]
        ) / 16  # half-way between samples, from four points
        peaks = np.maximum(np.abs(block), np.abs(between)).max(axis=0).reshape(-1, self.STEP).max(axis=1)
        needed: NDArray[np.float64] = self._ceiling / np.maximum(peaks.astype(np.float64), self._ceiling)
        return needed

    def _highest_gains(self, needs: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
        """The highest allowed gain (steps,) at the end of each step: at most what the steps before and after it need,
        and low enough for a ramp down to what later steps need."""
        ramp = np.linspace(1, 0, self.AHEAD)
        ahead = np.lib.stride_tricks.sliding_window_view(needs[1:], self.AHEAD)
        highest: NDArray[np.float64] = np.minimum((1 - (1 - ahead) * ramp).min(axis=1), needs[:steps])
        return highest


@dataclass(frozen=True, slots=True)
class TimedNote:
    """A note to be rendered."""

    start: int
    """The sample of note-on."""
    off: int
    """The sample of note-off."""
    program: int
    drum: bool
    pitch: int
    velocity: int
    longest: float
    """How many seconds the longest note of the same program and pitch is held."""
    gains: NDArray[np.float32]
    """(2,), left and right."""
    level: Curve | None = None
    """Further gains (2 columns) that change over time, for the whole track."""
    controls: TrackControls | None = None
    """What may bend it."""


def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None:
    """Write an audio file in the format of the path's suffix."""
    format_, subtype = _FILE_FORMATS[path.suffix.lower()]
    notes, samples = _timed_notes(score)
    bank = NoteBank(SoundFont(soundfont or default_soundfont()))
    gain = _loudness_gain(_render_blocks(notes, samples, bank))
    options = {"samplerate": SAMPLE_RATE, "channels": 2, "format": format_, "subtype": subtype}
    with _OutputFile(path) as output:
        try:
            with soundfile.SoundFile(output, "w", **options) as file:
                if comment:
                    file.comment = comment
                for block in _limit(block * gain for block in _render_blocks(notes, samples, bank)):
                    file.write(block.T)
        except soundfile.LibsndfileError as error:
            if output.error is None:
                raise PlaybachError(f"the audio cannot be written: {error.error_string}") from error
    if output.error is not None:
        raise output.error
    if format_ == "OGG":
        path.write_bytes(_with_serial(path.read_bytes(), 1685))


class _OutputFile:
    """A file for libsndfile that keeps the first error.

    Exceptions cannot pass through libsndfile, and it ignores a full disk with OGG and other formats.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self.error: OSError | None = None

    def __enter__(self) -> _OutputFile:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)  # libsndfile goes on; `write` raises the error at the end

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)  # writes what is buffered
        except OSError as error:
            self.error = self.error or error
            return self._file.tell() if whence else offset

    def tell(self) -> int:
        return self._file.tell()


def _timed_notes(score: Score) -> tuple[list[TimedNote], int]:
    """All notes in order of their starts, and the length of the audio in samples."""
    tracks = [track for track in sustain(score).tracks if len(track.notes)]
    if not tracks:
        raise ScoreError("the score has no notes, so there is no audio to write")
    timed = [note for track, x in zip(tracks, track_pans(len(tracks))) for note in _track_notes(score, track, x)]
    seconds = max(note.off for note in timed) / SAMPLE_RATE + TAIL_SECONDS
    if seconds > MAX_SECONDS:
        raise ScoreError(
            f"the score lasts {seconds / 3600:.1f} hours, but an audio file can last at most {MAX_SECONDS // 3600}; "
            "compose fewer bars, or write MIDI"
        )
    timed.sort(key=lambda note: (note.start, note.pitch, note.program, note.off))
    return _with_longest(timed), -(-round(seconds * SAMPLE_RATE) // Limiter.STEP) * Limiter.STEP


def _track_notes(score: Score, track: ScoreTrack, pan: float) -> list[TimedNote]:
    """The notes of a track whose position is `pan` unless it sets its own."""
    notes = track.notes.numpy()
    begin = notes["time"].astype(np.int64)
    start, off = (ticks_to_seconds(score, t) for t in (begin, begin + np.maximum(notes["duration"], 1)))
    controls, velocities, gains, level = track_controls(score, track, pan), notes["velocity"], pan_gains(pan), None
    if controls is not None:
        at = np.round(start * SAMPLE_RATE).astype(np.int64)
        velocities = controls.softened(velocities, at)
        level = None if controls.level.is_constant(int(at.min()), MAX_SAMPLES) else controls.level
        gains = np.ones(2, np.float32) if level else controls.level.block(int(at.min()), MAX_SAMPLES)[:, 0]
    timed = []
    for a, b, pitch, velocity in zip(start.tolist(), off.tolist(), notes["pitch"].tolist(), velocities.tolist()):
        first, last = round(a * SAMPLE_RATE), round(b * SAMPLE_RATE)
        what = track.program, track.is_drum, pitch, velocity
        timed.append(TimedNote(first, last, *what, b - a, gains, level, controls))
    return timed


def _with_longest(notes: list[TimedNote]) -> list[TimedNote]:
    """The notes with `longest` set, so that the bank renders each program and pitch once, and long enough."""
    longest: dict[tuple[int, bool, int], float] = {}
    for note in notes:
        key = note.program, note.drum, note.pitch
        longest[key] = max(longest.get(key, 0.0), DRUM_SECONDS if note.drum else note.longest)
    return [replace(note, longest=longest[note.program, note.drum, note.pitch]) for note in notes]


def track_pans(n: int) -> list[float]:
    """The panning of n tracks between -1 (left) and 1 (right): near the middle, the first track on the left."""
    return [0.0] if n == 1 else np.linspace(-_STEREO_WIDTH, _STEREO_WIDTH, n).tolist()


def sounding_note(bank: NoteBank, note: TimedNote) -> SoundingNote:
    """Render a note."""
    bend, seconds = None, note.longest
    if note.controls is not None:
        held = max(note.off - note.start, round(DRUM_SECONDS * SAMPLE_RATE) if note.drum else 0)
        bend = note.controls.bend(note.start, note.start + held + MAX_RELEASE)
        seconds = seconds if bend is None or bend.is_constant else held / SAMPLE_RATE
    sound, gain = bank.get(note.program, note.drum, note.pitch, note.velocity, seconds, bend)
    # A drum is struck, not held: its whole sound is played.
    off = max(note.off, note.start + sound.samples.shape[1] - len(sound.release)) if note.drum else note.off
    return SoundingNote(note.start, off, sound, note.gains * np.float32(gain))


def measure_loudness(notes: list[TimedNote], bank: NoteBank) -> float:
    """The RMS of these notes with reverb, without rests; 0 without notes."""
    end = max((note.off for note in notes), default=1)
    samples = -(-end // Limiter.STEP) * Limiter.STEP
    ordered = sorted(notes, key=lambda note: (note.start, note.pitch, note.program, note.off))
    return _rms([power for block in _render_blocks(ordered, samples, bank) for power in _powers(block)])


def _render_blocks(notes: list[TimedNote], samples: int, bank: NoteBank) -> Iterator[Audio]:
    """The blocks (2, n) of the piece with reverb, faded out at the end, before its loudness is adjusted."""
    reverb, fade = Reverb(), round(FADE_SECONDS * SAMPLE_RATE)
    mixers = {level: Mixer() for level in [None, *(note.level for note in notes)]}
    at = 0
    silent = samples - round(SILENT_SECONDS * SAMPLE_RATE)
    coming = deque(notes)
    while at < samples:
        n = min(RENDER_BLOCK, samples - at)
        while coming and coming[0].start < at + n:
            note = coming.popleft()
            mixers[note.level].add(sounding_note(bank, note))
        block = mixers[None].read(n)
        for level, mixer in mixers.items():
            if level is not None:
                block += _levelled(mixer, level, n)
        left = silent - np.arange(at, at + n)
        yield reverb.process(block) * np.clip(left / fade, 0, 1).astype(np.float32) ** 2
        at += n


def _levelled(mixer: Mixer, level: Curve, n: int) -> Audio:
    """The next n samples (2, n) of a track, with its level."""
    at, is_silent = mixer.at, mixer.is_empty
    block = mixer.read(n)
    return block if is_silent else block * level.block(at, at + n)


def _limit(blocks: Iterable[Audio]) -> Iterator[Audio]:
    """The same number of samples, limited, without the limiter's lag."""
    limiter, skip = Limiter(), Limiter.LAG
    for block in blocks:
        yield limiter.process(block)[:, skip:]
        skip = 0
    yield limiter.process(np.zeros((2, Limiter.LAG), np.float32))


def _loudness_gain(blocks: Iterable[Audio]) -> float:
    """The gain that raises the highest peak to the ceiling, and soft music further, within _MAX_LIMITING."""
    peak, powers = 0.0, []
    for block in blocks:
        peak = max(peak, float(np.abs(block).max()))
        powers += _powers(block)
    if peak == 0:
        return 1.0
    to_peak, to_loudness = CEILING / peak, _TARGET_LOUDNESS / _rms(powers)
    return float(max(to_peak, min(to_loudness, to_peak * _MAX_LIMITING)))


def _powers(block: Audio) -> list[float]:
    windows = np.array_split(block, max(1, block.shape[1] // _LOUDNESS_WINDOW), axis=1)
    return [float(np.mean(np.square(window))) for window in windows]


def _rms(powers: list[float]) -> float:
    power = np.array(powers)
    power = power[power > power.mean() / 10]  # rests and the tail do not make a piece soft
    return float(np.sqrt(power.mean())) if len(power) else 0.0


def _room() -> Audio:
    """The hall's impulse response (2, n) of unit energy: echoes after 15 ms, whose high frequencies decay faster."""
    n, rng = round(ROOM_SECONDS * SAMPLE_RATE), np.random.default_rng(1685)
    t = np.arange(n) / SAMPLE_RATE
    f = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    noise = np.fft.rfft(rng.standard_normal((2, n))) * (f * f / (f * f + 160**2))  # less bass
    low = 1 / (1 + (f / 2500) ** 2)
    deep = np.fft.irfft(noise * low, n) * 10 ** (-3 * t / ROOM_SECONDS)
    high = np.fft.irfft(noise * (1 - low) / (1 + (f / 6000) ** 2), n) * 10 ** (-3 * t / (0.45 * ROOM_SECONDS))
    echoes = (deep + high) * np.clip((t - 0.015) / 0.008, 0, 1)
    echoes *= np.clip((t[-1] - t) / 0.1, 0, 1)
    room: Audio = (echoes / np.sqrt(np.sum(echoes**2, axis=1, keepdims=True))).astype(np.float32)
    return room


def _with_serial(ogg: bytes, serial: int) -> bytes:
    """Replace an Ogg stream's serial number, and the checksum of each page.

    libsndfile chooses a random number, and the same music would give different bytes.
    """
    out, at = bytearray(ogg), 0
    while at + 27 <= len(out) and out[at : at + 4] == b"OggS":
        segments = out[at + 26]
        end = at + 27 + segments + sum(out[at + 27 : at + 27 + segments])
        out[at + 14 : at + 18] = serial.to_bytes(4, "little")
        out[at + 22 : at + 26] = bytes(4)
        out[at + 22 : at + 26] = _ogg_crc(bytes(out[at:end])).to_bytes(4, "little")
        at = end
    return bytes(out)


def _ogg_crc(page: bytes) -> int:
    """Ogg's CRC is zlib's with all bits in reverse order, and without the inversions before and after."""
    mirrored = zlib.crc32(page.translate(_BITS_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_BITS_REVERSED), "big")
