"""Turns a score into sound: WAV, FLAC, OGG and MP3, 44.1 kHz stereo.

Notes come from a `NoteBank`, are laid over one another by a `Mixer`, get a room from a `Reverb` and pass a
`Limiter`. Each of these four keeps its state between blocks, so that an endless stream can use them too.
A file is made in blocks too and never lies in memory as a whole: the blocks are made twice, first to measure
them, then to write them at the right loudness.

Knows nothing of how a score came to be, nor of soundfonts beyond asking one for a note.
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

from playbach.music.scores import seconds_at
from playbach.rendering.soundfont import SAMPLE_RATE, Audio, Sound, SoundFont, default_path, place
from playbach.system.errors import PlaybachError, ScoreError

FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
BLOCK = 65_536  # with the reverb's tail behind it this fills a transform of 2^17 samples
MAX_SECONDS = 2 * 3600
CEILING = 10 ** (-1 / 20)  # -1 dBFS: lossy formats overshoot a little
LOUDNESS = 10 ** (-19 / 20)  # RMS that soft and thin pieces are raised towards...
MOST_LIMITING = 10 ** (4 / 20)  # ...while the limiter takes off no more than 4 dB
WET = 0.15
TAIL_SECONDS = 2.5  # after the last note has ended
FADE_SECONDS = 0.6
SILENT_SECONDS = 0.05
ROOM_SECONDS = 1.4
DRUM_SECONDS = 4.0
WIDTH = 0.3  # of the way from the middle to either side
WINDOW = 16_384  # samples whose loudness is taken together
MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
LAYER = 16  # velocities share a rendered note by sixteens, and differ in gain within


@dataclass(frozen=True, slots=True)
class Voice:
    """A sound that starts at sample `start` and is let go at sample `off`, with a gain for each side."""

    start: int
    off: int
    sound: Sound
    gains: NDArray[np.float32]  # (2,)

    @property
    def end(self) -> int:
        return min(self.off + len(self.sound.release), self.start + int(self.sound.samples.shape[1]))


class NoteBank:
    """Single notes, each rendered once per program, pitch and layer of velocities, and kept."""

    def __init__(self, soundfont: SoundFont, most_bytes: int = 300_000_000) -> None:
        self._soundfont = soundfont
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[int, bool, int, int], tuple[Sound, float]] = OrderedDict()

    def get(self, program: int, drum: bool, pitch: int, velocity: int, seconds: float) -> tuple[Sound, float]:
        """A sound that can be held for `seconds` at least, and the gain that makes it this loud."""
        layer = min(velocity // LAYER * LAYER + LAYER // 2, 127)
        key = program, drum, pitch, layer
        sound, held = self._kept.pop(key, (None, 0.0))
        if sound is not None:
            self._bytes -= sound.samples.nbytes
        if sound is None or held < seconds:
            sound, held = self._soundfont.note(program, drum, pitch, layer, seconds), seconds
        self._kept[key] = sound, held
        self._bytes += sound.samples.nbytes
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1][0].samples.nbytes
        return sound, (velocity / layer) ** 2


class Mixer:
    """Lays voices over one another. They are added in order of their starts; `read` gives the next block."""

    def __init__(self) -> None:
        self.at = 0
        self._voices: deque[Voice] = deque()

    def add(self, voice: Voice) -> None:
        self._voices.append(voice)

    def change(self, old: Voice, new: Voice) -> None:
        """Let go at another time, not before now, what sounds already."""
        self._voices = deque(new if voice is old else voice for voice in self._voices)

    def read(self, n: int) -> Audio:
        """The next n samples, (2, n)."""
        block, end, still = np.zeros((2, n), np.float32), self.at + n, deque[Voice]()
        for voice in self._voices:
            if voice.start < end and voice.end > self.at:
                self._lay(block, voice)
            if voice.end > end:
                still.append(voice)
        self.at, self._voices = end, still
        return block

    def _lay(self, block: Audio, voice: Voice) -> None:
        first, last = max(voice.start, self.at), min(voice.end, self.at + block.shape[1])
        held = min(max(voice.off, first), last)
        part = voice.sound.samples[:, first - voice.start : last - voice.start] * voice.gains[:, None]
        if last > held:
            part[:, held - first :] *= voice.sound.release[held - voice.off : last - voice.off]
        block[:, first - self.at : last - self.at] += part


class Reverb:
    """A small hall: decaying noise, different on either side, convolved block by block."""

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
    """Keeps peaks below the ceiling by lowering the gain in time, on a ramp, and raising it again slowly.

    Peaks are looked for between samples too. What comes out lags `LAG` samples behind what goes in."""

    STEP = 64
    AHEAD = 6  # steps, 9 ms
    LAG = STEP * AHEAD
    RECOVERY = 1 - np.exp(-STEP / (0.12 * SAMPLE_RATE))

    def __init__(self, ceiling: float = CEILING) -> None:
        self._ceiling = ceiling
        self._waiting = np.zeros((2, self.LAG), np.float32)
        self._needs = np.ones(self.AHEAD)  # the gain that each waiting step needs
        self._gain = 1.0

    def process(self, block: Audio) -> Audio:
        """`block` is a multiple of STEP long, and so is what comes back."""
        needs = np.concatenate([self._needs, self._needed(block)])
        steps = len(needs) - self.AHEAD
        edges = [self._gain]  # the gain where each step begins and ends
        for most in self._allowed(needs, steps).tolist():
            edges.append(min(edges[-1] + (1 - edges[-1]) * self.RECOVERY, most))
        self._needs, self._gain = needs[steps:], edges[-1]
        ramp = np.interp(np.arange(steps * self.STEP) / self.STEP, np.arange(steps + 1), edges)
        audio = np.concatenate([self._waiting, block], axis=1)
        self._waiting = audio[:, block.shape[1] :]
        return audio[:, : block.shape[1]] * ramp.astype(np.float32)

    def _needed(self, block: Audio) -> NDArray[np.float64]:
        """The gain (steps,) that brings each step of the block below the ceiling."""
        x = np.concatenate([self._waiting[:, -1:], block, np.zeros((2, 2), np.float32)], axis=1)
        between = (9 * (x[:, 1:-2] + x[:, 2:-1]) - x[:, :-3] - x[:, 3:]) / 16  # half-way, by four points
        peaks = np.maximum(np.abs(block), np.abs(between)).max(axis=0).reshape(-1, self.STEP).max(axis=1)
        needed: NDArray[np.float64] = self._ceiling / np.maximum(peaks.astype(np.float64), self._ceiling)
        return needed

    def _allowed(self, needs: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
        """The most gain (steps,) at the end of each step: what the steps on both its sides need, and on the
        straight way down to what the steps after those will need."""
        ramp = np.linspace(1, 0, self.AHEAD)
        ahead = np.lib.stride_tricks.sliding_window_view(needs[1:], self.AHEAD)
        allowed: NDArray[np.float64] = np.minimum((1 - (1 - ahead) * ramp).min(axis=1), needs[:steps])
        return allowed


@dataclass(frozen=True, slots=True)
class Cue:
    """A note of the score in samples. `longest` is how many seconds the longest note like it is held."""

    start: int
    off: int
    program: int
    drum: bool
    pitch: int
    velocity: int
    longest: float
    gains: NDArray[np.float32]  # (2,)


def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None:
    """Render the score into `path`, in the format that its suffix names."""
    format_, subtype = FORMATS[path.suffix.lower()]
    cues, samples = _cues(score)
    bank = NoteBank(SoundFont(soundfont or default_path()))
    gain = _loudness_gain(_mixed(cues, samples, bank))
    options = {"samplerate": SAMPLE_RATE, "channels": 2, "format": format_, "subtype": subtype}
    with _Disk(path) as disk:
        try:
            with soundfile.SoundFile(disk, "w", **options) as file:
                if comment:
                    file.comment = comment
                for block in _limited(block * gain for block in _mixed(cues, samples, bank)):
                    file.write(block.T)
        except soundfile.LibsndfileError as error:
            if disk.fault is None:
                raise PlaybachError(f"the audio cannot be written: {error.error_string}") from error
    if disk.fault is not None:
        raise disk.fault
    if format_ == "OGG":
        path.write_bytes(_with_serial(path.read_bytes(), 1685))


class _Disk:
    """A file for libsndfile that remembers what went wrong: its writers of OGG and others take a full disk for
    success, and an exception cannot pass through it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self.fault: OSError | None = None

    def __enter__(self) -> _Disk:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.fault = self.fault or error

    def write(self, data: bytes) -> int:
        if self.fault is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.fault = error
        return len(data)  # it goes on undisturbed, and hears of the fault when it is done

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)  # writes what is buffered
        except OSError as error:
            self.fault = self.fault or error
            return self._file.tell() if whence else offset

    def tell(self) -> int:
        return self._file.tell()


def _cues(score: Score) -> tuple[list[Cue], int]:
    """All notes in order of their starts, and the length of the whole in samples."""
    tracks = [track for track in score.tracks if len(track.notes)]
    if not tracks:
        raise ScoreError("the score holds no notes: there is nothing to hear")
    cues: list[Cue] = []
    for track, x in zip(tracks, places(len(tracks))):
        notes, gains = track.notes.numpy(), place(x)
        begin = notes["time"].astype(np.int64)
        start, off = (seconds_at(score, t) for t in (begin, begin + np.maximum(notes["duration"], 1)))
        rows = zip(start.tolist(), off.tolist(), notes["pitch"].tolist(), notes["velocity"].tolist())
        for a, b, pitch, velocity in rows:
            first, last = round(a * SAMPLE_RATE), round(b * SAMPLE_RATE)
            cues.append(Cue(first, last, track.program, track.is_drum, pitch, velocity, b - a, gains))
    seconds = max(cue.off for cue in cues) / SAMPLE_RATE + TAIL_SECONDS
    if seconds > MAX_SECONDS:
        raise ScoreError(
            f"the score lasts {seconds / 3600:.1f} hours; audio files can last {MAX_SECONDS // 3600}: "
            "compose fewer bars, or write MIDI"
        )
    cues.sort(key=lambda cue: (cue.start, cue.pitch, cue.program, cue.off))
    return _with_longest(cues), -(-round(seconds * SAMPLE_RATE) // Limiter.STEP) * Limiter.STEP


def _with_longest(cues: list[Cue]) -> list[Cue]:
    """So that the bank renders each note once, and long enough for all that are like it."""
    longest: dict[tuple[int, bool, int], float] = {}
    for cue in cues:
        key = cue.program, cue.drum, cue.pitch
        longest[key] = max(longest.get(key, 0.0), DRUM_SECONDS if cue.drum else cue.longest)
    return [replace(cue, longest=longest[cue.program, cue.drum, cue.pitch]) for cue in cues]


def places(n: int) -> list[float]:
    """Where n tracks sit, from left to right: near the middle, the first of several on the left."""
    return [0.0] if n == 1 else np.linspace(-WIDTH, WIDTH, n).tolist()


def voice(bank: NoteBank, cue: Cue) -> Voice:
    sound, gain = bank.get(cue.program, cue.drum, cue.pitch, cue.velocity, cue.longest)
    # A drum is hit, not held: it sounds as long as it likes.
    off = max(cue.off, cue.start + sound.samples.shape[1] - len(sound.release)) if cue.drum else cue.off
    return Voice(cue.start, off, sound, cue.gains * np.float32(gain))


def loudness(cues: list[Cue], bank: NoteBank) -> float:
    """The RMS of these notes in their room, where they sound; 0 where nothing does."""
    end = max((cue.off for cue in cues), default=1)
    samples = -(-end // Limiter.STEP) * Limiter.STEP
    ordered = sorted(cues, key=lambda cue: (cue.start, cue.pitch, cue.program, cue.off))
    return _rms([power for block in _mixed(ordered, samples, bank) for power in _powers(block)])


def _mixed(cues: list[Cue], samples: int, bank: NoteBank) -> Iterator[Audio]:
    """The blocks (2, n) of the piece in its room, faded out at the end; not yet at its final loudness."""
    mixer, reverb, fade = Mixer(), Reverb(), round(FADE_SECONDS * SAMPLE_RATE)
    silent = samples - round(SILENT_SECONDS * SAMPLE_RATE)
    coming = deque(cues)
    while mixer.at < samples:
        n = min(BLOCK, samples - mixer.at)
        while coming and coming[0].start < mixer.at + n:
            mixer.add(voice(bank, coming.popleft()))
        left = silent - np.arange(mixer.at, mixer.at + n)
        yield reverb.process(mixer.read(n)) * np.clip(left / fade, 0, 1).astype(np.float32) ** 2


def _limited(blocks: Iterable[Audio]) -> Iterator[Audio]:
    """The same samples, limited: the lag comes off the front, and what is held back comes at the end."""
    limiter, skip = Limiter(), Limiter.LAG
    for block in blocks:
        yield limiter.process(block)[:, skip:]
        skip = 0
    yield limiter.process(np.zeros((2, Limiter.LAG), np.float32))


def _loudness_gain(blocks: Iterable[Audio]) -> float:
    """What brings the loudest peak to the ceiling, and soft music further, as far as the limiter may work."""
    peak, powers = 0.0, []
    for block in blocks:
        peak = max(peak, float(np.abs(block).max()))
        powers += _powers(block)
    if peak == 0:
        return 1.0
    to_peak, to_loudness = CEILING / peak, LOUDNESS / _rms(powers)
    return float(max(to_peak, min(to_loudness, to_peak * MOST_LIMITING)))


def _powers(block: Audio) -> list[float]:
    windows = np.array_split(block, max(1, block.shape[1] // WINDOW), axis=1)
    return [float(np.mean(np.square(window))) for window in windows]


def _rms(powers: list[float]) -> float:
    power = np.array(powers)
    power = power[power > power.mean() / 10]  # rests and the tail do not make a piece soft
    return float(np.sqrt(power.mean())) if len(power) else 0.0


def _room() -> Audio:
    """The hall's response (2, n), with unit energy: after 15 ms a swarm of echoes, high ones dying first."""
    n, rng = round(ROOM_SECONDS * SAMPLE_RATE), np.random.default_rng(1685)
    t = np.arange(n) / SAMPLE_RATE
    f = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    noise = np.fft.rfft(rng.standard_normal((2, n))) * (f * f / (f * f + 160**2))  # no mud in the bass
    low = 1 / (1 + (f / 2500) ** 2)
    deep = np.fft.irfft(noise * low, n) * 10 ** (-3 * t / ROOM_SECONDS)
    high = np.fft.irfft(noise * (1 - low) / (1 + (f / 6000) ** 2), n) * 10 ** (-3 * t / (0.45 * ROOM_SECONDS))
    echoes = (deep + high) * np.clip((t - 0.015) / 0.008, 0, 1)
    echoes *= np.clip((t[-1] - t) / 0.1, 0, 1)
    room: Audio = (echoes / np.sqrt(np.sum(echoes**2, axis=1, keepdims=True))).astype(np.float32)
    return room


def _with_serial(ogg: bytes, serial: int) -> bytes:
    """libsndfile draws an Ogg stream's serial number by lot: the same music would never give the same bytes.
    Give every page this one, and its checksum anew."""
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
    """Ogg's CRC is zlib's with all bits the other way round, and without the inversions before and after."""
    mirrored = zlib.crc32(page.translate(MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(MIRROR), "big")
