"""The `notes` encoding: one step for each onset, which is a note `A2`, a chord `A2.F#3` or a rest `R`.

It is the encoding of the articles "Play Bach". All tracks are merged: notes that begin together are one chord, the
next onset ends it, and a silence is a rest unless it is mere articulation.

- Durations are left out (every onset lasts an eighth), joined to the pitch in one symbol (`A2:1/2`), or a field of
  their own.
- Velocities, if composed, are a field of their own.
- Octaves are kept, or folded: then symbols have only pitch classes, which are played around the median pitch.

Knows nothing of networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from symusic.core import NoteTick as ScoreNote
from symusic.core import ScoreTick as Score

from playbach.encodings import lines
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
    narrow_mask,
    transposition_range,
)
from playbach.encodings.onsets import (
    DURATION_SYMBOLS,
    FIXED_DURATION,
    NOTES_DURATIONS,
    NOTES_GRID,
    NOTES_UNITS,
    ONLY_DRUMS,
    REST_CHORD,
    Chord,
    Onset,
    durations_to,
    longest_runs,
    onsets_of,
)
from playbach.encodings.options import NotesOptions
from playbach.encodings.relations import Relation, chord_classes, interval_classes
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header, meters_of, printable_name, tempo_of
from playbach.music.events import DEFAULT_VELOCITY, Event, Note, Track
from playbach.music.keys import pitch_name
from playbach.music.scores import score_from_header
from playbach.system.errors import ScoreError

NOTES_PLACES = 8 * NOTES_UNITS
"""Places in the bar that the context distinguishes, in units; the rest is `later`."""
NOTES_VELOCITY_BIN = 4
"""MIDI velocities are rounded to bins of this width."""
VELOCITY_REST, FIRST_VELOCITY = 1, 2
MAX_SYMBOLS = 8192
MAX_COUNTED_SYMBOLS = 1 << 17
"""The most symbols counted at a time to find the common ones; limits memory."""
TOP_REST, FIRST_TOP = 1, lines.FIRST_NOTE
LINE_SLICE = slice(1, 2 + lines.LINE_COLUMNS)
"""The columns of the context for the line of top notes."""

ANY_CHORD: Chord = (-1,)
"""A chord that training never saw, in a symbol that still gives its duration."""
Symbol = tuple[Chord, int]
"""A chord and its duration in units, which is 0 where durations are not joined."""


@dataclass(frozen=True)
class NotesEncoding(Encoding):
    """See the module."""

    name: ClassVar[str] = "notes"
    track_count: ClassVar[int] = 1
    options: NotesOptions
    symbols: tuple[Symbol, ...]
    """The vocabulary without UNKNOWN."""
    low: int
    """The lowest pitch of the training pieces."""
    high: int
    """The highest pitch of the training pieces."""
    middle: int
    """The pitch around which folded octaves are played."""
    longest_run: int
    """The most equal chords in succession."""
    longest_rest: int
    """The most rests in succession."""
    meters: tuple[str, ...]
    headers: tuple[tuple[Header, int], ...]
    offset: int = 0
    """If not 0: the fixed time from each onset to the next when decoded, in units."""
    duration: int = 0
    """If not 0: the fixed duration of all notes when decoded, in units."""

    @cached_property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        fields = [Field("symbol", (UNKNOWN_NAME, *(self._name(s) for s in self.symbols)))]
        if self.options.durations == "separate":
            fields.append(Field("duration", (UNKNOWN_NAME, *map(duration_name, self._durations))))
        if self.options.velocities:
            bins = (str(velocity_of_bin(b)) for b in range(128 // NOTES_VELOCITY_BIN))
            fields.append(Field("velocity", (UNKNOWN_NAME, "rest", *bins)))
        return tuple(fields)

    @property
    def _durations(self) -> tuple[int, ...]:
        return durations_to(longest_units(self.options))

    @cached_property
    def context(self) -> tuple[Field, ...]:  # type: ignore[override]
        """Bars left, the top note of the previous onset, the line of top notes; with durations, place and meter."""
        always = (Field(BARS_LEFT, BARS_LEFT_SYMBOLS), Field("top", lines.PITCH_SYMBOLS), *lines.LINE_FIELDS)
        if self.options.durations == "none":
            return always
        place = Field("place", (*map(str, range(NOTES_PLACES)), "later"))
        return (*always, place, Field("meter", (UNKNOWN_NAME, *self.meters)))

    def _name(self, symbol: Symbol) -> str:
        chord, units = symbol
        folded = self.options.octaves == "folded"
        name = ".".join(pitch_name(p, folded) for p in chord) if chord != ANY_CHORD else UNKNOWN_NAME
        return (name or "R") + (f":{duration_name(units)}" if units else "")

    @cached_property
    def _index(self) -> dict[Symbol, int]:
        return {s: i for i, s in enumerate(self.symbols, 1)}

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Any = None, base: Self | None = None) -> Self:
        options = options or NotesOptions()
        joined, fold = options.durations == "joined", options.octaves == "folded"
        # Pieces of one range get the same transpositions, so that their symbols can be counted together.
        by_range: dict[tuple[int, int], Counter[Symbol]] = {}
        counted, pitches = 0, np.zeros(128, np.int64)
        meters: set[str] = set()
        headers: list[Header] = []
        longest_run = longest_rest = 1
        for score in scores:
            onsets = onsets_with(options, score)
            sounding = [p for _, chord, _, _ in onsets for p in chord]
            pitches += np.bincount(sounding, minlength=128)
            chords = [_folded(o[1]) if fold else o[1] for o in onsets]
            counts = by_range.setdefault((min(sounding), max(sounding)), Counter())
            counted -= len(counts)
            counts.update((chord, o[2] if joined else 0) for o, chord in zip(onsets, chords))
            counted += len(counts)
            if counted > MAX_COUNTED_SYMBOLS:
                counted = _forget_rare(by_range.values())
            longest_run, longest_rest = map(max, (longest_run, longest_rest), longest_runs(chords))
            header = notes_header(score, options)
            meters |= {Bars(header.meters).meter(m[0]) for m in header.meters}
            headers.append(replace(header, meters=header.meters[:2]))  # a pickup and the meter after it
        if not by_range:
            raise ScoreError("the notes encoding has no pieces to learn its vocabulary from")
        low, high = int(pitches.nonzero()[0][0]), int(pitches.nonzero()[0][-1])
        two = np.searchsorted(pitches.cumsum(), [(pitches.sum() + 1) // 2, pitches.sum() // 2 + 1])
        middle = int(two.mean())  # the median
        names = sorted(meters)
        if base is None:
            symbols = _vocabulary(by_range, low, high, options)
        else:
            low, high, middle = min(low, base.low), max(high, base.high), base.middle
            longest_run, longest_rest = max(longest_run, base.longest_run), max(longest_rest, base.longest_rest)
            symbols = tuple(append_new(base.symbols, _vocabulary(by_range, low, high, options)))
            names = append_new(base.meters, names)
        return cls(
            options,
            symbols,
            low,
            high,
            middle,
            longest_run,
            longest_rest,
            tuple(names),
            most_common_headers(headers),
        )

    @classmethod
    def rejection_reason(cls, score: Score) -> str | None:
        if any(len(t.notes) and not t.is_drum for t in score.tracks):
            return None
        return ONLY_DRUMS

    def encode(self, score: Score) -> EncodedPiece:
        onsets = onsets_with(self.options, score)
        header = notes_header(score, self.options)
        index, joined = self._index, self.options.durations == "joined"
        fold = self.options.octaves == "folded"
        columns = []
        symbols = []
        for _, chord, units, _ in onsets:
            key = (_folded(chord) if fold else chord, units if joined else 0)
            symbol = index.get(key)
            if symbol is None:
                symbol = index.get((ANY_CHORD, units), UNKNOWN) if joined else UNKNOWN
            symbols.append(symbol)
        columns.append(symbols)
        if self.options.durations == "separate":
            columns.append([DURATION_SYMBOLS[o[2]] for o in onsets])
        if self.options.velocities:
            columns.append([FIRST_VELOCITY + o[3] // NOTES_VELOCITY_BIN if o[1] else VELOCITY_REST for o in onsets])
        steps = np.array(columns, np.int32).T
        ticks = np.array([o[0] for o in onsets], np.int32) * NOTES_GRID
        notes = sum(len(o[1]) for o in onsets)
        end = (onsets[-1][0] + onsets[-1][2]) * NOTES_GRID
        return EncodedPiece(steps, self._contexts(ticks, steps[:, 0], header), header, notes, end)

    def _contexts(self, ticks: Ints, symbols: Ints, header: Header) -> Ints:
        bars = Bars(header.meters)
        numbers, places = bars.numbers_and_places(ticks)
        context = np.zeros((len(ticks), len(self.context)), np.int32)
        context[:, 0] = np.clip(numbers[-1] - numbers, 0, bars_left_symbol(99))
        context[:, LINE_SLICE] = self._line(symbols)
        if self.options.durations != "none":
            context[:, LINE_SLICE.stop] = np.minimum(places // NOTES_GRID, NOTES_PLACES)
            starts = [m[0] for m in header.meters]
            meters = np.array([meter_symbol(self.meters, bars.meter(s)) for s in starts])
            context[:, LINE_SLICE.stop + 1] = meters[np.searchsorted(starts, ticks, side="right") - 1]
        return context

    def _line(self, symbols: Ints) -> Ints:
        """The columns LINE_SLICE of the context, for steps with these symbols (T,)."""
        tops = self._tops[symbols]
        before = np.concatenate([[0], tops[:-1]])
        sounds = tops >= FIRST_TOP
        earlier: Ints = np.cumsum(sounds) - sounds  # notes of the line before each step
        contexts = lines.line_contexts(tops[sounds] - FIRST_TOP, self._modulus)
        return np.column_stack([before, contexts[earlier]])

    @property
    def _modulus(self) -> int | None:
        return 12 if self.options.octaves == "folded" else None

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """The interval to a symbol's top note from each of the line's last notes and echoes."""
        known = [None, None, *range(128)]
        classes = chord_classes(known, known) if self._modulus else interval_classes(known, known)
        aspects = self._tops.astype(np.int64)
        columns = [i for i, f in enumerate(self.context) if f.name.startswith(("note ", "echo "))]
        return tuple(Relation(f"from {self.context[i].name}", 0, i, classes, aspects) for i in columns)

    @cached_property
    def _tops(self) -> Ints:
        """For each symbol (V,) its highest note as an index into the context field `top`."""
        tops = [TOP_REST]  # of UNKNOWN
        for chord, _ in self.symbols:
            tops.append(FIRST_TOP + chord[-1] if chord and chord != ANY_CHORD else TOP_REST)
        return np.array(tops, np.int32)

    def mask_rare(self, steps: Ints, context: Ints, hidden: Mask) -> tuple[Ints, Ints]:
        steps, context, symbols = steps.copy(), context.copy(), steps[:, 0]
        steps[hidden, 0] = self.unknown_symbols()[0][symbols[hidden]]
        context[:, LINE_SLICE] = self._line(steps[:, 0])
        return steps, context

    def unknown_symbols(self) -> tuple[Ints, ...]:
        symbols, *others = super().unknown_symbols()
        if self.options.durations == "joined":
            for i, (_, units) in enumerate(self.symbols, 1):
                symbols[i] = self._index[(ANY_CHORD, units)]
        return (symbols, *others)

    def project(self, score: Score) -> Score:
        joined, fold = self.options.durations == "joined", self.options.octaves == "folded"
        known = set(self.symbols)
        projected = score_from_header(notes_header(score, self.options))
        for tick, chord, units, loudness in onsets_with(self.options, score):
            pitches = _folded(chord) if fold else chord
            if (pitches, units if joined else 0) not in known:
                continue
            bin_ = loudness // NOTES_VELOCITY_BIN
            velocity = velocity_of_bin(bin_) if self.options.velocities else DEFAULT_VELOCITY
            for pitch in pitches:
                played = self._unfolded(pitch) if fold else pitch
                projected.tracks[0].notes.append(ScoreNote(tick * NOTES_GRID, units * NOTES_GRID, played, velocity))
        projected.tracks[0].notes.sort()
        return projected

    def _unfolded(self, pitch_class: int) -> int:
        """The pitch of this class from six semitones below the middle to five above it."""
        lowest = self.middle - 6
        return lowest + (pitch_class - lowest) % 12

    def decoder(self, header: Header, bars: int | None = None) -> NotesDecoder:
        return NotesDecoder(self, header, bars)

    def with_fixed_times(self, offset: float | None, duration: float | None) -> Self:
        """See `Encoding.with_fixed_times`. No note lasts beyond the next onset."""
        apart, lasting = (max(1, round(quarters * NOTES_UNITS)) if quarters else 0 for quarters in (offset, duration))
        return replace(self, offset=apart, duration=lasting)

    def transpositions(self, score: Score) -> range:
        pitches = [p for t in score.tracks if not t.is_drum for p in t.notes.numpy()["pitch"].tolist()]
        return transposition_range(self.low - min(pitches), self.high - max(pitches))

    def manifest(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "options": asdict(self.options),
            "symbols": [[list(chord), units] for chord, units in self.symbols],
            "low": self.low,
            "high": self.high,
            "middle": self.middle,
            "longest_run": self.longest_run,
            "longest_rest": self.longest_rest,
            "meters": list(self.meters),
            "headers": [[h.manifest(), n] for h, n in self.headers],
        }

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            NotesOptions(**data["options"]),
            tuple((tuple(map(int, chord)), int(units)) for chord, units in data["symbols"]),
            int(data["low"]),
            int(data["high"]),
            int(data["middle"]),
            int(data["longest_run"]),
            int(data["longest_rest"]),
            tuple(map(str, data["meters"])),
            tuple((Header.from_manifest(h), int(n)) for h, n in data["headers"]),
        )


class NotesDecoder(Decoder):
    def __init__(self, encoding: NotesEncoding, header: Header, bars: int | None) -> None:
        self._encoding = encoding
        self._options = encoding.options
        super().__init__(header, bars)
        self._steps = 0
        self._last: tuple[Chord | None, int] = (None, 0)  # the last chord and how often it came in succession
        self._top = 0
        self._line = lines.Line(encoding._modulus)
        self._last_units = 0
        self._sounds = np.array([False, *(c not in (REST_CHORD, ANY_CHORD) for c, _ in encoding.symbols)])
        self._rests = np.array([False, *(c == REST_CHORD for c, _ in encoding.symbols)])
        self._units = np.array([0, *(units for _, units in encoding.symbols)], np.int32)

    def context(self) -> Ints:
        context = [self.bars_left(), self._top, *self._line.context()]
        if self._options.durations != "none":
            place = min(self._bars.place(self.tick) // NOTES_GRID, NOTES_PLACES)
            context += [place, meter_symbol(self._encoding.meters, self._bars.meter(self.tick))]
        return np.array(context, np.int32)

    def copy(self) -> Self:
        twin = super().copy()
        twin._line = self._line.copy()
        return twin

    def valid_mask(self) -> list[Mask]:
        symbols = self._sounds | self._rests
        chord, run = self._last
        if chord == REST_CHORD and run >= self._encoding.longest_rest:
            symbols &= ~self._rests
        elif chord not in (None, REST_CHORD) and run >= self._encoding.longest_run:
            same = [i for i, (c, _) in enumerate(self._encoding.symbols, 1) if c == chord]
            symbols[same] = False
        remaining = None if self._end is None else (self._end - self.tick) // NOTES_GRID
        if self._encoding.offset:
            remaining = None  # with fixed times, composed durations have no effect
        if self._options.durations == "joined" and remaining is not None:
            symbols = narrow_mask(symbols, self._units <= remaining)
        masks = [narrow_mask(self._sounds | self._rests, symbols)]
        if self._options.durations == "separate":
            durations = self._encoding._durations
            longest = durations[-1] if remaining is None else max(remaining, 1)
            masks.append(np.array([False, *(d <= longest for d in durations)]))
        if self._options.velocities:
            masks.append(np.arange(FIRST_VELOCITY + 128 // NOTES_VELOCITY_BIN) >= VELOCITY_REST)
        return masks

    def style_mask(self) -> list[Mask]:
        """Leave at least a quarter for the last onset."""
        masks = self.valid_mask()
        if self._end is None or self._options.durations == "none" or self._encoding.offset:
            return masks
        remaining = (self._end - self.tick) // NOTES_GRID
        if self._options.durations == "joined":
            field, units = 0, self._units
        else:
            field, units = 1, np.array([0, *self._encoding._durations])
        masks[field] = narrow_mask(masks[field], (units == remaining) | (remaining - units >= NOTES_UNITS))
        return masks

    def feed(self, step: Ints) -> list[Event]:
        values = [int(s) for s in step]
        chord, units = self._encoding.symbols[values[0] - 1] if values[0] else (ANY_CHORD, FIXED_DURATION)
        if self._options.durations == "separate":
            units = NOTES_DURATIONS[values[1] - 1] if values[1] else FIXED_DURATION
        elif self._options.durations == "none":
            units = self._encoding.offset or FIXED_DURATION
        sounding, units = self._encoding.duration or units, self._encoding.offset or units
        velocity = velocity_of_bin(values[-1] - FIRST_VELOCITY) if self._options.velocities else DEFAULT_VELOCITY
        events = self._chord(chord, min(sounding, units) * NOTES_GRID, velocity)
        self._last = (chord, self._last[1] + 1 if chord == self._last[0] else 1)
        self._top = int(self._encoding._tops[values[0]])
        if self._top >= FIRST_TOP:
            self._line.add(self._top - FIRST_TOP)
        self._last_units = units
        self._steps += 1
        self.tick += units * NOTES_GRID
        self.final_until = self.tick
        self.finished = self._reached_end()
        return events

    def _chord(self, chord: Chord, duration: int, velocity: int) -> list[Event]:
        if chord in (REST_CHORD, ANY_CHORD):
            return []
        if self._end is not None:
            duration = min(duration, self._end - self.tick)
        pitches = map(self._encoding._unfolded, chord) if self._options.octaves == "folded" else chord
        return [Note(self.tick, duration, pitch, velocity, 0, (self._steps,)) for pitch in pitches]

    def is_good_ending(self) -> bool:
        """Whether the last onset is not a rest, and lasts at least a quarter if durations are composed."""
        sounds = self._last[0] not in (None, REST_CHORD, ANY_CHORD)
        fixed = self._options.durations == "none" or self._encoding.offset
        return sounds and (bool(fixed) or self._last_units >= NOTES_UNITS)

    def finish(self) -> list[Event]:
        return []


def duration_name(units: int) -> str:
    """A duration in quarters: `1/2` is an eighth."""
    return str(Fraction(units, NOTES_UNITS))


def velocity_of_bin(index: int) -> int:
    return min(max(index, 0) * NOTES_VELOCITY_BIN + NOTES_VELOCITY_BIN // 2, 127)


def longest_units(options: NotesOptions) -> int:
    """The longest duration, in units."""
    return durations_to(int(options.max_duration * NOTES_UNITS))[-1]


def onsets_with(options: NotesOptions, score: Score) -> list[Onset]:
    """The chords and rests of a score, with these options."""
    return onsets_of(score, options.durations == "none", longest_units(options), options.chordify)


def notes_header(score: Score, options: NotesOptions) -> Header:
    tracks = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    if not tracks:
        raise ScoreError(ONLY_DRUMS)
    main = max(tracks, key=lambda t: len(t.notes))
    meters = meters_of(score, NOTES_GRID)
    if options.durations == "none":  # times are not kept, so changes of meter have no place
        meters = ((0, *meters[-1 if len(meters) == 1 else 1][1:]),)
    return Header(meters, tempo_of(score), (Track(printable_name(main.name), main.program),))


def _folded(chord: Chord) -> Chord:
    return tuple(sorted({p % 12 for p in chord}))


def _forget_rare(counters: Collection[Counter[Symbol]]) -> int:
    """Drop the rarest symbols until at most half of MAX_COUNTED_SYMBOLS are left; return how many are left.

    The counts of common symbols stay nearly right (lossy counting; Manku and Motwani, 2002).
    """
    least = 1
    while (left := sum(map(len, counters))) > MAX_COUNTED_SYMBOLS // 2:
        for counts in counters:
            for symbol in [s for s, n in counts.items() if n <= least]:
                del counts[symbol]
        least += 1
    return left


def _vocabulary(
    by_range: Mapping[tuple[int, int], Counter[Symbol]], low: int, high: int, options: NotesOptions
) -> tuple[Symbol, ...]:
    """The symbols of the training pieces and of their transpositions within the range, the most common MAX_SYMBOLS.

    Args:
        by_range: the symbols of the pieces of each range, counted.
    """
    joined, fold = options.durations == "joined", options.octaves == "folded"
    counts: Counter[Symbol] = Counter()
    for (lowest, highest), symbols in by_range.items():
        transpositions = transposition_range(low - lowest, high - highest)
        for (chord, units), n in symbols.items():
            for semitones in transpositions:
                moved = tuple(p + semitones for p in chord)
                counts[(_folded(moved) if fold else moved, units)] += n
            if len(counts) > MAX_COUNTED_SYMBOLS:
                _forget_rare([counts])
    kept = {s for s, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_SYMBOLS]}
    if joined:
        kept |= {(ANY_CHORD, d) for d in durations_to(longest_units(options))}
    return tuple(sorted(kept))
