"""The `chorale` encoding: four voices on a grid of sixteenths, one onset after another.

An onset is a sixteenth at which at least one voice begins a note or a rest. It has five steps of one field:

- Soprano, bass, alto and tenor have a step each: a pitch where a note begins, `rest` where the voice falls silent,
  `hold` where the voice continues its note or its rest.
- The fifth step is the wait until the next onset, `+1` to `+16` sixteenths. A wait never crosses a bar line: where
  nothing begins at one, all four voices hold.

The context is what a student of counterpoint looks at: whose step it is, the place in the bar, the meter, the bars
left, the last wait, how long each voice has held, what sounds in each voice now, the interval of this voice to each
other voice before, the last motion of each voice, and the key that the piece seems to be in. Relations give the
network the intervals and the degree of each possible note.

Outer voices come first, as in teaching, and as in the most successful model of chorales (TonicNet, arXiv:1911.11775).
With waits, a piece has less than half as many steps as with one step for every sixteenth. Knows nothing of networks.
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
    BARS_LEFT,
    BARS_LEFT_SYMBOLS,
    UNKNOWN,
    UNKNOWN_NAME,
    Decoder,
    EncodedPiece,
    Encoding,
    Field,
    append_new,
    bars_left_symbol,
    meter_symbol,
    most_common_headers,
    transposition_range,
)
from playbach.encodings.relations import Classes, Relation, chord_classes, interval_classes
from playbach.encodings.voices import SIXTEENTH, VOICES, SingleNote, chorale_header, voices_of
from playbach.music import keys
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header
from playbach.music.events import DEFAULT_VELOCITY, TICKS_PER_QUARTER, Event, Note
from playbach.music.scores import score_from_header
from playbach.system.errors import ScoreError

ORDER = (0, 3, 1, 2)
"""The voices, as indices into VOICES, in the order in which they are predicted."""
STEPS_PER_ONSET = len(ORDER) + 1
"""The steps of an onset: the four voices and the wait."""
HOLD, REST, FIRST_PITCH = 1, 2, 3
"""Symbols; 0 is UNKNOWN."""
MAX_WAIT = 16
"""In sixteenths."""
WAITS = tuple(f"+{n}" for n in range(1, MAX_WAIT + 1))
MAX_LENGTH = 32
"""The context distinguishes how long a voice has held up to this many sixteenths."""
CHORALE_PLACES = 64
"""Places in the bar that the context distinguishes, in sixteenths; the rest is `later`."""
_LENGTH_COLUMN, _OWN_COLUMN, _SOUNDING_COLUMN, _INTERVAL_COLUMN, _MOTION_COLUMN = 5, 9, 10, 14, 18
"""Columns of the context. _OWN_COLUMN is what this voice sounded before; each other constant is the first of four
columns, one for each voice."""


@dataclass(frozen=True)
class ChoraleEncoding(Encoding):
    """See the module."""

    name: ClassVar[str] = "chorale"
    track_count: ClassVar[int] = 4
    step_kind: ClassVar[str | None] = "voice"
    ranges: tuple[tuple[int, int], ...]
    """The lowest and highest pitch of each voice in the training pieces."""
    longest: int
    """The longest note of the training pieces, in sixteenths."""
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
        return (Field("symbol", (UNKNOWN_NAME, "hold", "rest", *pitches, *WAITS)),)

    @property
    def first_wait(self) -> int:
        """The symbol of the shortest wait, a sixteenth."""
        return FIRST_PITCH + self.high - self.low + 1

    @cached_property
    def context(self) -> tuple[Field, ...]:  # type: ignore[override]
        sounding = (UNKNOWN_NAME, "nothing", "rest", *map(str, range(self.low, self.high + 1)))
        return (
            Field("voice", (*(VOICES[v] for v in ORDER), "wait")),
            Field("place", (*map(str, range(CHORALE_PLACES)), "later")),
            Field("meter", (UNKNOWN_NAME, *self.meters)),
            Field(BARS_LEFT, BARS_LEFT_SYMBOLS),
            Field("waited", ("0", *WAITS)),
            *(Field(f"length of {v.lower()}", tuple(map(str, range(MAX_LENGTH + 1)))) for v in VOICES),
            Field("sounding", sounding),
            *(Field(f"sounding {v.lower()}", sounding) for v in VOICES),
            *(Field(f"interval to {v.lower()}", (*map(str, range(12)), "none")) for v in VOICES),
            *(Field(f"motion of {v.lower()}", (*map(str, range(-12, 13)), "none")) for v in VOICES),
            Field("home", ("nothing", *keys.KEY_NAMES)),
        )

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """The intervals to a note from the voice's last note and from each sounding voice, the latter also modulo the
        octave, and the note's degree in the key that the piece seems to be in."""
        known = [None, None, None, *range(self.high - self.low + 1)]
        aspects = np.zeros(len(self.fields[0]), np.int64)
        aspects[FIRST_PITCH : self.first_wait] = np.arange(FIRST_PITCH, self.first_wait)
        distance, above = interval_classes(known, known), chord_classes(known, known)
        return (
            Relation("motion", 0, _OWN_COLUMN, distance, aspects),
            *(
                Relation(f"distance from {v.lower()}", 0, _SOUNDING_COLUMN + i, distance, aspects)
                for i, v in enumerate(VOICES)
            ),
            *(Relation(f"above {v.lower()}", 0, _SOUNDING_COLUMN + i, above, aspects) for i, v in enumerate(VOICES)),
            Relation("degree", 0, len(self.context) - 1, self._degrees(), aspects),
        )

    def _degrees(self) -> Classes:
        """The degree of each pitch in each key, (25, pitches); major and minor degrees are different classes."""
        pitches = np.arange(self.high - self.low + 1) + self.low
        classes = np.zeros((1 + len(keys.KEY_NAMES), FIRST_PITCH + len(pitches)), np.int64)
        for key in range(len(keys.KEY_NAMES)):
            mode, tonic = divmod(key, 12)
            classes[1 + key, FIRST_PITCH:] = 1 + 12 * mode + (pitches - tonic) % 12
        return classes

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Any = None, base: Self | None = None) -> Self:
        """See `Encoding.fit`. With a `base`, pitches outside its range stay UNKNOWN; pieces can be moved into it."""
        lows, highs, longest = [127] * 4, [0] * 4, 1
        headers: list[Header] = []
        for score in scores:
            for v, voice in enumerate(voices_of(score)):
                lows[v] = min([lows[v], *(p for _, _, p in voice)])
                highs[v] = max([highs[v], *(p for _, _, p in voice)])
                longest = max([longest, *(end - onset for onset, end, _ in voice)])
            headers.append(chorale_header(score))
        if not headers:
            raise ScoreError("the chorale encoding has no pieces to learn its vocabulary from")
        names = sorted({Bars(h.meters).meter(m[0]) for h in headers for m in h.meters})
        ranges = tuple(zip(lows, highs))
        if base is not None:
            names = append_new(base.meters, names)
            longest = max(longest, base.longest)
            ranges = tuple(
                (max(min(low, lowest), base.low), min(max(high, highest), base.high))
                for (low, high), (lowest, highest) in zip(ranges, base.ranges)
            )
        return cls(ranges, longest, tuple(names), most_common_headers(headers))

    @classmethod
    def rejection_reason(cls, score: Score) -> str | None:
        try:
            voices_of(score)
        except ScoreError as error:
            return str(error)
        return None

    def encode(self, score: Score) -> EncodedPiece:
        parts = voices_of(score)
        frames = max(end for part in parts for _, end, _ in part)
        header = chorale_header(score)
        bars = Bars(header.meters)
        symbols = self._symbols(parts, frames)
        onsets = _onsets(symbols, bars)
        waits = np.diff(onsets, append=frames)
        sounding, lengths = self._states(symbols, onsets)
        numbers, places = bars.numbers_and_places(onsets * SIXTEENTH)
        last = bars.number((frames - 1) * SIXTEENTH)

        context = np.zeros((len(onsets), STEPS_PER_ONSET, len(self.context)), np.int32)
        context[:, :, 0] = np.arange(STEPS_PER_ONSET)
        context[:, :, 1] = np.minimum(places // SIXTEENTH, CHORALE_PLACES)[:, None]
        context[:, :, 2] = self._meters(header, bars, onsets)[:, None]
        context[:, :, 3] = np.clip(last - numbers, 0, bars_left_symbol(99))[:, None]
        context[1:, :, 4] = waits[:-1, None]
        for j in range(STEPS_PER_ONSET):
            own = sounding[ORDER[j] if j < len(ORDER) else 3, :-1]
            if j < len(ORDER):
                context[:, j, _OWN_COLUMN] = own
            for other in range(4):
                # Voices earlier in the order have already taken their step at this onset.
                done = ORDER.index(other) < j
                before, now = sounding[other, :-1], sounding[other, 1 if done else 0 :][: len(onsets)]
                begun = done & (symbols[other, onsets] != HOLD)
                context[:, j, _LENGTH_COLUMN + other] = np.where(begun, 0, np.minimum(lengths[other], MAX_LENGTH))
                context[:, j, _SOUNDING_COLUMN + other] = now
                context[:, j, _INTERVAL_COLUMN + other] = _interval(own, before)
                context[:, j, _MOTION_COLUMN + other] = _motion(before, now)
        steps = np.vstack([symbols[list(ORDER)][:, onsets], self.first_wait - 1 + waits])
        context[:, :, -1] = self._likeliest_keys(sounding, waits)[:, None]
        notes = sum(len(part) for part in parts)
        rows = context.reshape(len(onsets) * STEPS_PER_ONSET, -1)
        return EncodedPiece(steps.T.reshape(-1, 1).astype(np.int32), rows, header, notes, frames * SIXTEENTH)

    def _meters(self, header: Header, bars: Bars, onsets: Ints) -> Ints:
        starts = np.array([m[0] for m in header.meters])
        meters = np.array([meter_symbol(self.meters, bars.meter(m[0])) for m in header.meters])
        return meters[np.searchsorted(starts, onsets * SIXTEENTH, side="right") - 1]

    def _symbols(self, parts: list[list[SingleNote]], frames: int) -> Ints:
        """The symbol of each voice at each sixteenth, (4, frames)."""
        symbols = np.full((4, frames), HOLD, np.int32)
        for v, part in enumerate(parts):
            if not part or part[0][0] > 0:
                symbols[v, 0] = REST
            for i, (onset, end, pitch) in enumerate(part):
                symbols[v, onset] = self._symbol(pitch)
                if end < frames and (i + 1 == len(part) or part[i + 1][0] > end):
                    symbols[v, end] = REST
        return symbols

    def _states(self, symbols: Ints, onsets: Ints) -> tuple[Ints, Ints]:
        """The state of the voices around N onsets.

        Returns:
            What sounds before the first and after each onset (4, N + 1), and for how many sixteenths each voice has
            held its note or rest when an onset comes (4, N).
        """
        at = symbols[:, onsets]
        begun = np.maximum.accumulate(np.where(at != HOLD, np.arange(len(onsets)), 0), axis=1)
        sounding = np.full((4, len(onsets) + 1), HOLD, np.int32)
        sounding[:, 1:] = np.take_along_axis(at, begun, axis=1)
        lengths = np.zeros((4, len(onsets)), np.int32)
        lengths[:, 1:] = onsets[1:] - onsets[begun[:, :-1]]
        return sounding, lengths

    def _likeliest_keys(self, sounding: Ints, waits: Ints) -> Ints:
        """The likeliest key of all notes before each onset, (N,); 0 before the first note."""
        weights = np.zeros((len(waits) + 1, 12), np.int64)
        for voice in sounding[:, 1:]:
            notes = np.flatnonzero(voice >= FIRST_PITCH)
            weights[notes + 1, self._pitch_class(voice[notes])] += waits[notes]
        weights = weights.cumsum(axis=0)[:-1]
        homes: Ints = np.where(weights.any(axis=1), 1 + keys.likeliest_keys(weights), 0)
        return homes

    def _pitch_class(self, symbol: Any) -> Any:
        return (symbol - FIRST_PITCH + self.low) % 12

    def _symbol(self, pitch: int) -> int:
        return FIRST_PITCH + pitch - self.low if self.low <= pitch <= self.high else UNKNOWN

    def project(self, score: Score) -> Score:
        projected = score_from_header(chorale_header(score))
        for track, voice in zip(projected.tracks, voices_of(score)):
            for onset, end, pitch in voice:
                if self.low <= pitch <= self.high:
                    track.notes.append(
                        ScoreNote(onset * SIXTEENTH, (end - onset) * SIXTEENTH, pitch, DEFAULT_VELOCITY)
                    )
        return projected

    def decoder(self, header: Header, bars: int | None = None) -> ChoraleDecoder:
        return ChoraleDecoder(self, header, bars)

    def is_continuation(self, steps: Ints) -> Mask:
        return np.asarray(steps[:, 0] == HOLD)

    def transpositions(self, score: Score) -> range:
        down, up = -127, 127
        for (low, high), voice in zip(self.ranges, voices_of(score)):
            if not voice:
                continue
            pitches = [p for _, _, p in voice]
            down, up = max(down, low - min(pitches)), min(up, high - max(pitches))
        return transposition_range(down, up)

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
        self._frame = 0  # the sixteenth of this onset
        self._waited = 0
        self._sounding = [HOLD] * 4
        self._before = [HOLD] * 4  # what sounded before this onset
        self._begun = [0] * 4
        self._weights = [0] * 12  # the total length of each pitch class
        self._key = 0
        self._note_steps: list[list[int]] = [[], [], [], []]
        self._pitch_masks = [self._pitch_mask(v) for v in range(4)]

    def _pitch_mask(self, voice: int) -> Mask:
        low, high = self._encoding.ranges[voice]
        mask = np.zeros(len(self._encoding.fields[0]), bool)
        if low <= high:  # else: no training piece has a note in this voice
            mask[self._encoding._symbol(low) : self._encoding._symbol(high) + 1] = True
        return mask

    @property
    def _slot(self) -> int:
        return self._steps % STEPS_PER_ONSET

    @property
    def tick(self) -> int:  # type: ignore[override]
        return self._frame * SIXTEENTH

    def context(self) -> Ints:
        slot = self._slot
        place = min(self._bars.place(self.tick) // SIXTEENTH, CHORALE_PLACES)
        lengths = [min(self._frame - begun, MAX_LENGTH) for begun in self._begun]
        meter = meter_symbol(self._encoding.meters, self._bars.meter(self.tick))
        before, now = np.array(self._before), np.array(self._sounding)
        wait = slot == len(ORDER)
        own = before[3 if wait else ORDER[slot]]  # for the wait, intervals count from the bass
        sounding = [0 if wait else own, *now]
        relations = [*_interval(own, before), *_motion(before, now)]
        context = [slot, place, meter, self.bars_left(), self._waited, *lengths, *sounding, *relations, self._key]
        return np.array(context, np.int32)

    def valid_mask(self) -> list[Mask]:
        if self._slot == len(ORDER):
            return [self._waits()]
        voice = ORDER[self._slot]
        sounding, length = self._sounding[voice], self._frame - self._begun[voice]
        mask = self._pitch_masks[voice].copy()
        mask[HOLD] = sounding != HOLD and (sounding == REST or length < self._encoding.longest)
        mask[REST] = sounding != REST
        if self._slot == len(ORDER) - 1 and not self._can_all_hold() and max(self._begun) < self._frame:
            mask[HOLD] = False  # otherwise nothing would begin at this onset …
            mask[HOLD] = not mask.any()  # … but a voice without notes in training can only hold
        return [mask]

    def _can_all_hold(self) -> bool:
        """Whether all voices may hold here: at a bar line, and after the longest wait."""
        return self._waited == MAX_WAIT or self._bars.place(self.tick) == 0

    def _waits(self) -> Mask:
        mask = np.zeros(len(self._encoding.fields[0]), bool)
        until = self._bars.start(self._bars.number(self.tick) + 1)
        if self._end is not None:
            until = min(until, self._end)
        longest = min(until // SIXTEENTH - self._frame, MAX_WAIT)
        mask[self._encoding.first_wait :][: max(longest, 1)] = True
        return mask

    def style_mask(self) -> list[Mask]:
        """Forbid parallel octaves, unisons and fifths.

        Bach has one such parallel in about a thousand onsets; a small network without this rule has twenty, at any
        temperature.
        """
        [valid] = self.valid_mask()
        if self._slot == len(ORDER):
            return [valid]
        own, mask = self._sounding[ORDER[self._slot]], valid.copy()
        symbols = np.arange(len(mask))
        for other in ORDER[: self._slot]:
            before, now = self._before[other], self._sounding[other]
            interval = abs(own - before) % 12
            if min(own, before, now) >= FIRST_PITCH and now != before and interval in (0, 7):
                parallel = np.sign(symbols - own) == np.sign(now - before)
                mask[(symbols >= FIRST_PITCH) & parallel & (abs(symbols - now) % 12 == interval)] = False
        return [mask if mask.any() else valid]

    def feed(self, step: Ints) -> list[Event]:
        symbol, slot = int(step[0]), self._slot
        events: list[Event] = []
        if slot == len(ORDER):
            self._before = list(self._sounding)
            self._waited = max(1, symbol - self._encoding.first_wait + 1)
            self._frame += self._waited
            for sounds in self._sounding:
                if sounds >= FIRST_PITCH:
                    self._weights[self._encoding._pitch_class(sounds)] += self._waited
            self._key = 1 + int(keys.likeliest_keys(np.array(self._weights))) if any(self._weights) else 0
            sounding = [self._begun[v] * SIXTEENTH for v in range(4) if self._sounding[v] >= FIRST_PITCH]
            self.final_until = min([self.tick, *sounding])
            self.finished = self._reached_end()
        elif symbol == HOLD:
            self._note_steps[ORDER[slot]].append(self._steps)
        else:
            voice = ORDER[slot]
            events = self._end_note(voice)
            self._sounding[voice], self._begun[voice] = symbol, self._frame
            self._note_steps[voice] = [self._steps]
        self._steps += 1
        return events

    def is_good_ending(self) -> bool:
        """Whether all voices have held a major or minor triad on the tonic for at least a quarter; the fifth may be
        missing. All of Bach's chorales end with such a triad, and most of them on the tonic."""
        if min(self._sounding) < FIRST_PITCH or self._frame - max(self._begun) < TICKS_PER_QUARTER // SIXTEENTH:
            return False
        if (self._key - 1) % 12 != self._encoding._pitch_class(self._sounding[3]):
            return False
        above = {(symbol - self._sounding[3]) % 12 for symbol in self._sounding}
        return {0, 3} <= above <= {0, 3, 7} or {0, 4} <= above <= {0, 4, 7}

    def _end_note(self, voice: int) -> list[Event]:
        symbol, onset = self._sounding[voice], self._begun[voice]
        if symbol < FIRST_PITCH or self._frame <= onset:
            return []
        pitch = self._encoding.low + symbol - FIRST_PITCH
        made_by = tuple(self._note_steps[voice])
        return [Note(onset * SIXTEENTH, (self._frame - onset) * SIXTEENTH, pitch, DEFAULT_VELOCITY, voice, made_by)]

    def finish(self) -> list[Event]:
        events = [event for voice in range(4) for event in self._end_note(voice)]
        self._sounding = [REST] * 4
        self.final_until = self.tick
        return events


def _onsets(symbols: Ints, bars: Bars) -> Ints:
    """The sixteenths (N,) at which a voice begins a note or rest, a bar begins, or the longest wait is over."""
    frames = symbols.shape[1]
    _, places = bars.numbers_and_places(np.arange(frames, dtype=np.int32) * SIXTEENTH)
    found = np.flatnonzero((symbols != HOLD).any(axis=0) | (places == 0)).tolist()
    onsets: list[int] = []
    for onset, following in zip(found, [*found[1:], frames]):
        onsets += range(onset, following, MAX_WAIT)
    return np.array(onsets, np.int32)


def _interval(voice: Ints, other: Ints) -> Ints:
    """Semitones from another voice's symbol up to this one's, modulo the octave; 12 where one is silent."""
    return np.where((voice >= FIRST_PITCH) & (other >= FIRST_PITCH), (voice - other) % 12, 12)


def _motion(before: Ints, now: Ints) -> Ints:
    """The symbol of the interval by which a voice has just moved; 25 where it rests or rested."""
    moved = np.clip(now - before, -12, 12) + 12
    return np.where((before >= FIRST_PITCH) & (now >= FIRST_PITCH), moved, 25)
