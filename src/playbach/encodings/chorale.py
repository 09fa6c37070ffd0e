"""The `chorale` encoding: four voices on a grid of sixteenths, interleaved soprano, bass, alto, tenor.

Every sixteenth has four steps of one field: a pitch where a note begins, `hold` where the voice goes on (sounding
or silent), `rest` where it falls silent. Before each step the network is told the voice, the place in the bar, the
meter, how many bars are left, how long this voice has held, what sounds in each voice at this moment, in which
interval this voice stood to each other one before, and by how much each has just moved: what a student of
counterpoint looks at.

The order, outer voices first, is the one in which chorales are taught and were most successfully modelled
(TonicNet, arXiv:1911.11775). Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from symusic.core import NoteTick as ScoreNote
from symusic.core import ScoreTick as Score

from playbach.encodings.base import (
    LEFT,
    LEFT_SYMBOLS,
    UNKNOWN,
    UNKNOWN_NAME,
    Bars,
    Decoder,
    Encoding,
    Field,
    Header,
    Ints,
    Mask,
    Sequence,
    bare_score,
    intervals,
    left_bucket,
    meters_of,
    most_common_headers,
    quantise,
    tempo_of,
)
from playbach.errors import ScoreError
from playbach.events import TICKS_PER_QUARTER, Event, Note, Track

GRID = TICKS_PER_QUARTER // 4
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
ORDER = (0, 3, 1, 2)
"""The voices (index into VOICES) in the order in which they are predicted."""
CHOIR = 52  # General MIDI: Choir Aahs
HOLD, REST, FIRST_PITCH = 1, 2, 3
MAX_LENGTH = 32
"""Holds are told apart up to this many sixteenths."""
VELOCITY = 80
MAX_PLACES = 64

SingleNote = tuple[int, int, int]
"""Onset and end in sixteenths, pitch."""


@dataclass(frozen=True)
class ChoraleEncoding(Encoding):
    """`ranges` are lowest and highest pitch of each voice, `longest` the longest note in sixteenths, both as
    the training pieces have them."""

    name: ClassVar[str] = "chorale"
    voices: ClassVar[int] = 4
    ranges: tuple[tuple[int, int], ...]
    longest: int
    meters: tuple[str, ...]
    headers: tuple[tuple[Header, int], ...]

    @cached_property
    def low(self) -> int:
        return min(r[0] for r in self.ranges)

    @cached_property
    def high(self) -> int:
        return max(r[1] for r in self.ranges)

    @cached_property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        pitches = tuple(map(str, range(self.low, self.high + 1)))
        return (Field("symbol", (UNKNOWN_NAME, "hold", "rest", *pitches)),)

    @cached_property
    def context(self) -> tuple[Field, ...]:  # type: ignore[override]
        sounding = (UNKNOWN_NAME, "nothing", "rest", *map(str, range(self.low, self.high + 1)))
        return (
            Field("voice", tuple(VOICES[v] for v in ORDER)),
            Field("place", (*map(str, range(MAX_PLACES)), "later")),
            Field("meter", (UNKNOWN_NAME, *self.meters)),
            Field(LEFT, LEFT_SYMBOLS),
            Field("length", tuple(map(str, range(MAX_LENGTH + 1)))),
            *(Field(f"sounding {v.lower()}", sounding) for v in VOICES),
            *(Field(f"interval to {v.lower()}", (*map(str, range(12)), "none")) for v in VOICES),
            *(Field(f"motion of {v.lower()}", (*map(str, range(-12, 13)), "none")) for v in VOICES),
        )

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Any = None) -> Self:
        lows, highs, longest = [127] * 4, [0] * 4, 1
        headers: list[Header] = []
        for score in scores:
            for v, voice in enumerate(voices(score)):
                lows[v] = min([lows[v], *(p for _, _, p in voice)])
                highs[v] = max([highs[v], *(p for _, _, p in voice)])
                longest = max([longest, *(end - onset for onset, end, _ in voice)])
            headers.append(header_of(score))
        if not headers:
            raise ScoreError("no piece to fit the chorale encoding to")
        names = sorted({Bars(h.meters).meter(m[0]) for h in headers for m in h.meters})
        return cls(tuple(zip(lows, highs)), longest, tuple(names), most_common_headers(headers))

    @classmethod
    def suits(cls, score: Score) -> str | None:
        try:
            voices(score)
        except ScoreError as error:
            return str(error)
        return None

    def encode(self, score: Score) -> Sequence:
        parts = voices(score)
        symbols, sounding, lengths = self._frames(parts)
        frames = symbols.shape[1]
        header = header_of(score)
        bars = Bars(header.meters)
        numbers, places = bars.columns(np.arange(frames, dtype=np.int32) * GRID)
        context = np.zeros((frames, 4, len(self.context)), np.int32)
        context[:, :, 0] = np.arange(4)
        context[:, :, 1] = np.minimum(places // GRID, MAX_PLACES)[:, None]
        meters = [self._meter(bars.meter(m[0])) for m in header.meters]
        starts = np.array([m[0] for m in header.meters])
        at = np.searchsorted(starts, np.arange(frames) * GRID, side="right") - 1
        context[:, :, 2] = np.array(meters)[at][:, None]
        context[:, :, 3] = np.clip(numbers[-1] - numbers, 0, left_bucket(99))[:, None]
        for j, voice in enumerate(ORDER):
            context[:, j, 4] = np.minimum(lengths[voice], MAX_LENGTH)
            for other in range(4):
                # Voices that come earlier in the order already have this sixteenth's note.
                now = ORDER.index(other) < j
                before, after = sounding[other, :-1], sounding[other, 1 if now else 0 :][:frames]
                context[:, j, 5 + other] = after
                context[:, j, 9 + other] = _interval(sounding[voice, :-1], before)
                context[:, j, 13 + other] = _motion(before, after)
        steps = symbols[list(ORDER)].T.reshape(-1, 1)
        notes = sum(len(part) for part in parts)
        return Sequence(steps.astype(np.int32), context.reshape(frames * 4, -1), header, notes, frames * GRID)

    def _frames(self, parts: list[list[SingleNote]]) -> tuple[Ints, Ints, Ints]:
        """Symbols (4, T), what sounds after each sixteenth, beginning with none (4, T + 1), and for how many
        sixteenths the voice has done what it does (4, T)."""
        frames = max(end for part in parts for _, end, _ in part)
        symbols = np.full((4, frames), HOLD, np.int32)
        sounding = np.full((4, frames + 1), REST, np.int32)
        sounding[:, 0] = HOLD
        for v, part in enumerate(parts):
            if not part or part[0][0] > 0:
                symbols[v, 0] = REST
            for i, (onset, end, pitch) in enumerate(part):
                symbol = self._symbol(pitch)
                symbols[v, onset] = symbol
                sounding[v, onset + 1 : end + 1] = symbol
                if end < frames and (i + 1 == len(part) or part[i + 1][0] > end):
                    symbols[v, end] = REST
        onsets = np.where(symbols != HOLD, np.arange(frames), 0)
        begun = np.maximum.accumulate(onsets, axis=1)
        lengths = np.zeros((4, frames), np.int32)
        lengths[:, 1:] = np.arange(1, frames) - begun[:, :-1]
        return symbols, sounding, lengths

    def _symbol(self, pitch: int) -> int:
        return FIRST_PITCH + pitch - self.low if self.low <= pitch <= self.high else UNKNOWN

    def project(self, score: Score) -> Score:
        projected = bare_score(header_of(score))
        for track, voice in zip(projected.tracks, voices(score)):
            for onset, end, pitch in voice:
                if self.low <= pitch <= self.high:
                    track.notes.append(ScoreNote(onset * GRID, (end - onset) * GRID, pitch, VELOCITY))
        return projected

    def decoder(self, header: Header, bars: int | None = None) -> ChoraleDecoder:
        return ChoraleDecoder(self, header, bars)

    def hide(self, steps: Ints, context: Ints, hidden: Mask) -> tuple[Ints, Ints]:
        """Nothing: every pitch within the range is a symbol, so that training sees them all."""
        return steps, context

    def transpositions(self, score: Score) -> range:
        down, up = -127, 127
        for (low, high), voice in zip(self.ranges, voices(score)):
            if not voice:
                continue
            pitches = [p for _, _, p in voice]
            down, up = max(down, low - min(pitches)), min(up, high - max(pitches))
        allowed = list(intervals(down, up)) or [0]
        return range(allowed[0], allowed[-1] + 1)

    def manifest(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ranges": [list(r) for r in self.ranges],
            "longest": self.longest,
            "meters": list(self.meters),
            "headers": [[h.manifest(), n] for h, n in self.headers],
        }

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            tuple((int(a), int(b)) for a, b in data["ranges"]),
            int(data["longest"]),
            tuple(map(str, data["meters"])),
            tuple((Header.from_manifest(h), int(n)) for h, n in data["headers"]),
        )


class ChoraleDecoder(Decoder):
    def __init__(self, encoding: ChoraleEncoding, header: Header, bars: int | None) -> None:
        self._encoding = encoding
        super().__init__(header, bars)
        self._steps = 0
        self._sounding = [HOLD] * 4
        self._before = [HOLD] * 4  # what sounded before this sixteenth
        self._begun = [0] * 4
        self._made_by: list[list[int]] = [[], [], [], []]
        self._pitch_masks = [self._pitch_mask(v) for v in range(4)]

    def _pitch_mask(self, voice: int) -> Mask:
        low, high = self._encoding.ranges[voice]
        mask = np.zeros(len(self._encoding.fields[0]), bool)
        if low <= high:  # else no training piece has a note in this voice
            mask[self._encoding._symbol(low) : self._encoding._symbol(high) + 1] = True
        return mask

    @property
    def _voice(self) -> int:
        return ORDER[self._steps % 4]

    @property
    def tick(self) -> int:  # type: ignore[override]
        return self._steps // 4 * GRID

    def context(self) -> Ints:
        frame, voice = divmod(self._steps, 4)
        place = min(self._bars.place(self.tick) // GRID, MAX_PLACES)
        length = min(frame - self._begun[ORDER[voice]], MAX_LENGTH)
        meter = self._encoding._meter(self._bars.meter(self.tick))
        before, now = np.array(self._before), np.array(self._sounding)
        relations = [*_interval(now[ORDER[voice]], before), *_motion(before, now)]
        return np.array([voice, place, meter, self.left(), length, *now, *relations], np.int32)

    def allowed(self) -> list[Mask]:
        voice = self._voice
        sounding, length = self._sounding[voice], self.tick // GRID - self._begun[voice]
        mask = self._pitch_masks[voice].copy()
        mask[HOLD] = sounding != HOLD and (sounding == REST or length < self._encoding.longest)
        mask[REST] = sounding != REST
        return [mask]

    def careful(self) -> list[Mask]:
        """Without parallel octaves, unisons and fifths: voices that stood in one must not move on into another.

        Bach has one in about a thousand onsets; a network this small has twenty, at any temperature.
        """
        [allowed] = self.allowed()
        own, mask = self._sounding[self._voice], allowed.copy()
        symbols = np.arange(len(mask))
        for other in ORDER[: self._steps % 4]:
            before, now = self._before[other], self._sounding[other]
            interval = abs(own - before) % 12
            if min(own, before, now) >= FIRST_PITCH and now != before and interval in (0, 7):
                same_way = np.sign(symbols - own) == np.sign(now - before)
                mask[(symbols >= FIRST_PITCH) & same_way & (abs(symbols - now) % 12 == interval)] = False
        return [mask if mask.any() else allowed]

    def feed(self, step: Ints) -> list[Event]:
        symbol, voice, frame = int(step[0]), self._voice, self._steps // 4
        events: list[Event] = []
        if symbol == HOLD:
            self._made_by[voice].append(self._steps)
        else:
            events = self._end_note(voice, frame)
            self._sounding[voice], self._begun[voice] = symbol, frame
            self._made_by[voice] = [self._steps]
        self._steps += 1
        if self._steps % 4 == 0:
            self._before = list(self._sounding)
            sounding = [self._begun[v] * GRID for v in range(4) if self._sounding[v] >= FIRST_PITCH]
            self.final_until = min([self.tick, *sounding])
            self.finished = self._reached_end()
        return events

    def ends_well(self) -> bool:
        """All voices have held for a quarter at least, in a major or minor triad on the bass; the fifth may be
        missing. Every chorale of Bach's ends so."""
        frame = self._steps // 4
        if min(self._sounding) < FIRST_PITCH or frame - max(self._begun) < TICKS_PER_QUARTER // GRID:
            return False
        above = {(symbol - self._sounding[3]) % 12 for symbol in self._sounding}
        return {0, 3} <= above <= {0, 3, 7} or {0, 4} <= above <= {0, 4, 7}

    def _end_note(self, voice: int, frame: int) -> list[Event]:
        symbol, onset = self._sounding[voice], self._begun[voice]
        if symbol < FIRST_PITCH or frame <= onset:
            return []
        pitch = self._encoding.low + symbol - FIRST_PITCH
        made_by = tuple(self._made_by[voice])
        return [Note(onset * GRID, (frame - onset) * GRID, pitch, VELOCITY, voice, made_by)]

    def finish(self) -> list[Event]:
        frame = -(-self._steps // 4)
        events = [event for voice in range(4) for event in self._end_note(voice, frame)]
        self._sounding = [REST] * 4
        self.final_until = self.tick
        return events


def _interval(voice: Ints, other: Ints) -> Ints:
    """Semitones, modulo the octave, from another voice's symbol to this one's; 12 where one does not sound."""
    return np.where((voice >= FIRST_PITCH) & (other >= FIRST_PITCH), (voice - other) % 12, 12)


def _motion(before: Ints, now: Ints) -> Ints:
    """Index of the interval by which a voice has moved in this sixteenth; 25 where it rests or rested."""
    moved = np.clip(now - before, -12, 12) + 12
    return np.where((before >= FIRST_PITCH) & (now >= FIRST_PITCH), moved, 25)


def header_of(score: Score) -> Header:
    """Meters, tempo and the four voices with their instruments. Raises ScoreError as `voices` does."""
    programs = [part.program for part in _parts(score)]
    if len(set(programs)) == 1:  # a plain export leaves every part on program 0, which says nothing
        programs = [programs[0] or CHOIR] * 4
    tracks = tuple(Track(name, program) for name, program in zip(VOICES, programs))
    return Header(meters_of(score, GRID), tempo_of(score), tracks)


def voices(score: Score) -> list[list[SingleNote]]:
    """Soprano, alto, tenor and bass as (onset, end, pitch), one note at a time, in sixteenths.

    Of several notes that begin on one sixteenth of a voice the last written stays; a new note ends the one before it.

    Raises:
        ScoreError: there are not four single voices, or no notes in them.
    """
    found = [_single_voice(part.notes.numpy(), part.name) for part in _parts(score)]
    if not any(found):
        raise ScoreError("there are no notes in its four voices")
    return found


def _parts(score: Score) -> list[Any]:
    """The tracks with the voices' names, or else the score's four tracks with notes, from high to low."""
    named = {track.name.strip().lower(): track for track in score.tracks if not track.is_drum}
    if all(name.lower() in named for name in VOICES):
        return [named[name.lower()] for name in VOICES]
    parts = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    if len(parts) != 4:
        there = f"{len(parts)} track{'s' * (len(parts) != 1)} with notes"
        raise ScoreError(f"the chorale encoding needs four voices on four tracks, but there are {there}")
    mean = [float(np.mean(t.notes.numpy()["pitch"])) for t in parts]
    return [parts[i] for i in sorted(range(4), key=lambda i: (-mean[i], i))]


def _single_voice(notes: Mapping[str, Any], name: str) -> list[SingleNote]:
    onsets = notes["time"].astype(np.int64)
    ends = onsets + notes["duration"]
    order = np.argsort(onsets, kind="stable")
    voice: list[SingleNote] = []
    overlaps = 0
    for i in order.tolist():
        onset = int(quantise(int(onsets[i]), GRID))
        end = max(int(quantise(int(ends[i]), GRID)), onset + 1)
        if voice and voice[-1][0] == onset:
            overlaps += 1
            voice.pop()
        if voice and voice[-1][1] > onset:
            overlaps += voice[-1][1] - onset > 1
            voice[-1] = (voice[-1][0], onset, voice[-1][2])
        voice.append((onset, end, int(notes["pitch"][i])))
    if overlaps * 8 > len(order):
        raise ScoreError(f"the chorale encoding needs single voices, but the track {name!r} has chords")
    return voice
