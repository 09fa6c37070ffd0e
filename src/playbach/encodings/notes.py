"""The `notes` encoding, that of the articles: a step for each onset, of a note `A2`, a chord `A2.F#3` or a rest `R`.

All tracks are taken together: what begins at one time is one chord, the next onset ends it, and a silence is a rest
unless it is mere articulation. Durations are left out (every onset lasts an eighth), joined to the pitch into one
symbol (`A2:1/2`), or a field of their own; velocities are a field of their own. `folded` octaves keep only the
pitch class, played around the corpus's middle. Knows nothing of networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
from symusic.core import NoteTick as ScoreNote
from symusic.core import ScoreTick as Score

from playbach.encodings import lines
from playbach.encodings.base import (
    LEFT,
    LEFT_SYMBOLS,
    UNKNOWN,
    UNKNOWN_NAME,
    Decoder,
    EncodedPiece,
    Encoding,
    Field,
    appended,
    left_bucket,
    meter_symbol,
    most_common_headers,
    shifts,
)
from playbach.encodings.onsets import (
    DURATION_INDEX,
    DURATIONS,
    FIXED,
    GRID,
    REST,
    UNITS,
    Chord,
    Onset,
    durations_to,
    longest_runs,
    onsets_of,
)
from playbach.encodings.relations import Relation, chord_classes, interval_classes
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header, meters_of, plain_name, tempo_of
from playbach.music.events import Event, Note, Track
from playbach.music.scores import bare_score
from playbach.system.errors import ScoreError, UsageError, demand_numbers

MAX_PLACES = 8 * UNITS
VELOCITY = 80
BIN = 4
"""MIDI velocities are told apart in bins of this width."""
VELOCITY_REST, FIRST_VELOCITY = 1, 2
OCTAVES = ("kept", "folded")
LEAST_LONGEST, MOST_LONGEST = 1.0, DURATIONS[-1] / UNITS
"""What the longest duration can be, in quarters; a last onset needs one."""
DURATION_KINDS = ("none", "joined", "separate")
MOST_SYMBOLS = 8192
MOST_COUNTED = 1 << 17
"""So many different symbols are counted at once to find the commonest; memory is for no more."""
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
TOP_REST, FIRST_TOP = 1, lines.FIRST
LINE = slice(1, 2 + lines.COLUMNS)
"""The columns of the context that tell of the top notes."""

ANY_CHORD: Chord = (-1,)
"""A chord that training never saw, where the symbol still has to tell its duration."""
Symbol = tuple[Chord, int]
"""A chord and its duration in units; 0 where durations are not joined."""


@dataclass(frozen=True, slots=True)
class NotesOptions:
    """The article's `normal` (folded octaves), `concatenate` (joined durations), `predict_velocity`, `max_duration`
    (in quarters; what lasts longer is cut, and a rest follows) and `chordify` (a chord is all that sounds, struck
    anew wherever a note begins or ends)."""

    octaves: Literal["kept", "folded"] = "kept"
    durations: Literal["none", "joined", "separate"] = "separate"
    velocities: bool = False
    max_duration: float = MOST_LONGEST
    chordify: bool = False

    def __post_init__(self) -> None:
        flags = (False, True)
        choices = {"octaves": OCTAVES, "durations": DURATION_KINDS, "velocities": flags, "chordify": flags}
        demand_numbers(self, "max_duration")
        for name, known in choices.items():
            if getattr(self, name) not in known:
                listed = ", ".join(map(str, known))
                raise UsageError(f"{name} must be one of: {listed}; not {getattr(self, name)!r:.40}")
        if not LEAST_LONGEST <= self.max_duration <= MOST_LONGEST:
            between = f"between {LEAST_LONGEST:g} and {MOST_LONGEST:g} quarters"
            raise UsageError(f"max-duration must lie {between}, not {self.max_duration!r:.40}")
        if self.durations == "none" and self.max_duration < MOST_LONGEST:
            raise UsageError("max-duration and durations none contradict each other: there are no durations to cut")

    @property
    def longest(self) -> int:
        """The longest duration, in units."""
        return durations_to(int(self.max_duration * UNITS))[-1]

    def onsets(self, score: Score) -> list[Onset]:
        """A score as these options see it."""
        return onsets_of(score, self.durations == "none", self.longest, self.chordify)


@dataclass(frozen=True)
class NotesEncoding(Encoding):
    """`symbols` are the vocabulary after UNKNOWN; `low` and `high` the training pieces' range; `middle` the pitch
    around which folded octaves are played; `longest_run` how often at most one chord is struck in succession, and
    `longest_rest` how many rests at most follow each other."""

    name: ClassVar[str] = "notes"
    voices: ClassVar[int] = 1
    options: NotesOptions
    symbols: tuple[Symbol, ...]
    low: int
    high: int
    middle: int
    longest_run: int
    longest_rest: int
    meters: tuple[str, ...]
    headers: tuple[tuple[Header, int], ...]
    offset: int = 0
    """In units, as is `duration`: what all onsets are apart, and all notes last, where that is not 0."""
    duration: int = 0

    @cached_property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        fields = [Field("symbol", (UNKNOWN_NAME, *(self._name(s) for s in self.symbols)))]
        if self.options.durations == "separate":
            fields.append(Field("duration", (UNKNOWN_NAME, *map(duration_name, self._durations))))
        if self.options.velocities:
            bins = (str(velocity_of_bin(b)) for b in range(128 // BIN))
            fields.append(Field("velocity", (UNKNOWN_NAME, "rest", *bins)))
        return tuple(fields)

    @property
    def _durations(self) -> tuple[int, ...]:
        return durations_to(self.options.longest)

    @cached_property
    def context(self) -> tuple[Field, ...]:  # type: ignore[override]
        """How much is left, the top note of the onset before, what the line of top notes remembers, and where notes
        have durations the place and meter."""
        always = (Field(LEFT, LEFT_SYMBOLS), Field("top", lines.PITCHES), *lines.FIELDS)
        if self.options.durations == "none":
            return always
        place = Field("place", (*map(str, range(MAX_PLACES)), "later"))
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
        # Pieces of one compass can be moved to the same keys, and their symbols are counted together.
        compasses: dict[tuple[int, int], Counter[Symbol]] = {}
        counted, pitches = 0, np.zeros(128, np.int64)
        meters: set[str] = set()
        headers: list[Header] = []
        longest_run = longest_rest = 1
        for score in scores:
            onsets = options.onsets(score)
            sounding = [p for _, chord, _, _ in onsets for p in chord]
            pitches += np.bincount(sounding, minlength=128)
            chords = [_folded(o[1]) if fold else o[1] for o in onsets]
            counts = compasses.setdefault((min(sounding), max(sounding)), Counter())
            counted -= len(counts)
            counts.update((chord, o[2] if joined else 0) for o, chord in zip(onsets, chords))
            counted += len(counts)
            if counted > MOST_COUNTED:
                counted = _forget_rare(compasses.values())
            longest_run, longest_rest = map(max, (longest_run, longest_rest), longest_runs(chords))
            header = header_of(score, options)
            meters |= {Bars(header.meters).meter(m[0]) for m in header.meters}
            headers.append(replace(header, meters=header.meters[:2]))  # no more are needed of where pieces begin
        if not compasses:
            raise ScoreError("no piece to fit the notes encoding to")
        low, high = int(pitches.nonzero()[0][0]), int(pitches.nonzero()[0][-1])
        two = np.searchsorted(pitches.cumsum(), [(pitches.sum() + 1) // 2, pitches.sum() // 2 + 1])
        middle = int(two.mean())  # the median
        names = sorted(meters)
        if base is None:
            symbols = _vocabulary(compasses, low, high, options)
        else:
            low, high, middle = min(low, base.low), max(high, base.high), base.middle
            longest_run, longest_rest = max(longest_run, base.longest_run), max(longest_rest, base.longest_rest)
            symbols = tuple(appended(base.symbols, _vocabulary(compasses, low, high, options)))
            names = appended(base.meters, names)
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
        return "it has no notes but drums"

    def encode(self, score: Score) -> EncodedPiece:
        onsets = self.options.onsets(score)
        header = header_of(score, self.options)
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
            columns.append([DURATION_INDEX[o[2]] for o in onsets])
        if self.options.velocities:
            columns.append([FIRST_VELOCITY + o[3] // BIN if o[1] else VELOCITY_REST for o in onsets])
        steps = np.array(columns, np.int32).T
        ticks = np.array([o[0] for o in onsets], np.int32) * GRID
        notes = sum(len(o[1]) for o in onsets)
        end = (onsets[-1][0] + onsets[-1][2]) * GRID
        return EncodedPiece(steps, self._contexts(ticks, steps[:, 0], header), header, notes, end)

    def _contexts(self, ticks: Ints, symbols: Ints, header: Header) -> Ints:
        bars = Bars(header.meters)
        numbers, places = bars.columns(ticks)
        context = np.zeros((len(ticks), len(self.context)), np.int32)
        context[:, 0] = np.clip(numbers[-1] - numbers, 0, left_bucket(99))
        context[:, LINE] = self._line(symbols)
        if self.options.durations != "none":
            context[:, LINE.stop] = np.minimum(places // GRID, MAX_PLACES)
            starts = [m[0] for m in header.meters]
            meters = np.array([meter_symbol(self.meters, bars.meter(s)) for s in starts])
            context[:, LINE.stop + 1] = meters[np.searchsorted(starts, ticks, side="right") - 1]
        return context

    def _line(self, symbols: Ints) -> Ints:
        """The context columns LINE of steps with these symbols (T,)."""
        tops = self._tops[symbols]
        before = np.concatenate([[0], tops[:-1]])
        sounds = tops >= FIRST_TOP
        heard: Ints = np.cumsum(sounds) - sounds  # notes of the line before each step
        told = lines.told(tops[sounds] - FIRST_TOP, self._modulus)[heard]
        return np.column_stack([before, told])

    @property
    def _modulus(self) -> int | None:
        return 12 if self.options.octaves == "folded" else None

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """The interval from each note that the line tells of to a symbol's top note."""
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
        steps[hidden, 0] = self.unknowns()[0][symbols[hidden]]
        context[:, LINE] = self._line(steps[:, 0])
        return steps, context

    def unknowns(self) -> tuple[Ints, ...]:
        symbols, *others = super().unknowns()
        if self.options.durations == "joined":
            known = ((i, self._index[(ANY_CHORD, units)]) for i, (_, units) in enumerate(self.symbols, 1))
            for i, unknown in known:
                symbols[i] = unknown
        return (symbols, *others)

    def project(self, score: Score) -> Score:
        joined, fold = self.options.durations == "joined", self.options.octaves == "folded"
        known = set(self.symbols)
        projected = bare_score(header_of(score, self.options))
        for tick, chord, units, loudness in self.options.onsets(score):
            said = tuple(sorted({p % 12 for p in chord})) if fold else chord
            if (said, units if joined else 0) not in known:
                continue
            velocity = loudness // BIN * BIN + BIN // 2 if self.options.velocities else VELOCITY
            for pitch in said:
                played = self._unfolded(pitch) if fold else pitch
                projected.tracks[0].notes.append(ScoreNote(tick * GRID, units * GRID, played, velocity))
        projected.tracks[0].notes.sort()
        return projected

    def _unfolded(self, pitch_class: int) -> int:
        """The pitch of this class from six semitones under the middle to five above it."""
        lowest = self.middle - 6
        return lowest + (pitch_class - lowest) % 12

    def decoder(self, header: Header, bars: int | None = None) -> NotesDecoder:
        return NotesDecoder(self, header, bars)

    def paced(self, offset: float | None, duration: float | None) -> Self:
        """No note lasts longer than until the next onset."""
        apart, lasting = (max(1, round(quarters * UNITS)) if quarters else 0 for quarters in (offset, duration))
        return replace(self, offset=apart, duration=lasting)

    def transpositions(self, score: Score) -> range:
        pitches = [p for t in score.tracks if not t.is_drum for p in t.notes.numpy()["pitch"].tolist()]
        return shifts(self.low - min(pitches), self.high - max(pitches))

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
        self._sounds = np.array([False, *(c not in (REST, ANY_CHORD) for c, _ in encoding.symbols)])
        self._rests = np.array([False, *(c == REST for c, _ in encoding.symbols)])
        self._units = np.array([0, *(units for _, units in encoding.symbols)], np.int32)

    def context(self) -> Ints:
        context = [self.left(), self._top, *self._line.told()]
        if self._options.durations != "none":
            place = min(self._bars.place(self.tick) // GRID, MAX_PLACES)
            context += [place, meter_symbol(self._encoding.meters, self._bars.meter(self.tick))]
        return np.array(context, np.int32)

    def copy(self) -> Self:
        twin = super().copy()
        twin._line = self._line.copy()
        return twin

    def valid_mask(self) -> list[Mask]:
        symbols = self._sounds | self._rests
        chord, run = self._last
        if chord == REST and run >= self._encoding.longest_rest:
            symbols &= ~self._rests
        elif chord not in (None, REST) and run >= self._encoding.longest_run:
            same = [i for i, (c, _) in enumerate(self._encoding.symbols, 1) if c == chord]
            symbols[same] = False
        remaining = None if self._end is None else (self._end - self.tick) // GRID
        if self._encoding.offset:
            remaining = None  # what a step says of its duration moves nothing
        if self._options.durations == "joined" and remaining is not None:
            symbols = _narrowed(symbols, self._units <= remaining)
        masks = [_narrowed(self._sounds | self._rests, symbols)]
        if self._options.durations == "separate":
            there = self._encoding._durations
            longest = there[-1] if remaining is None else max(remaining, 1)
            masks.append(np.array([False, *(d <= longest for d in there)]))
        if self._options.velocities:
            masks.append(np.arange(FIRST_VELOCITY + 128 // BIN) >= VELOCITY_REST)
        return masks

    def style_mask(self) -> list[Mask]:
        """So that the last onset has a quarter at least: what comes before it leaves that much."""
        masks = self.valid_mask()
        if self._end is None or self._options.durations == "none" or self._encoding.offset:
            return masks
        remaining = (self._end - self.tick) // GRID
        if self._options.durations == "joined":
            field, units = 0, self._units
        else:
            field, units = 1, np.array([0, *self._encoding._durations])
        masks[field] = _narrowed(masks[field], (units == remaining) | (remaining - units >= UNITS))
        return masks

    def feed(self, step: Ints) -> list[Event]:
        values = [int(s) for s in step]
        chord, units = self._encoding.symbols[values[0] - 1] if values[0] else (ANY_CHORD, FIXED)
        if self._options.durations == "separate":
            units = DURATIONS[values[1] - 1] if values[1] else FIXED
        elif self._options.durations == "none":
            units = self._encoding.offset or FIXED
        sounding, units = self._encoding.duration or units, self._encoding.offset or units
        velocity = velocity_of_bin(values[-1] - FIRST_VELOCITY) if self._options.velocities else VELOCITY
        events = self._chord(chord, min(sounding, units) * GRID, velocity)
        self._last = (chord, self._last[1] + 1 if chord == self._last[0] else 1)
        self._top = int(self._encoding._tops[values[0]])
        if self._top >= FIRST_TOP:
            self._line.hear(self._top - FIRST_TOP)
        self._last_units = units
        self._steps += 1
        self.tick += units * GRID
        self.final_until = self.tick
        self.finished = self._reached_end()
        return events

    def _chord(self, chord: Chord, duration: int, velocity: int) -> list[Event]:
        if chord in (REST, ANY_CHORD):
            return []
        if self._end is not None:
            duration = min(duration, self._end - self.tick)
        pitches = map(self._encoding._unfolded, chord) if self._options.octaves == "folded" else chord
        return [Note(self.tick, duration, pitch, velocity, 0, (self._steps,)) for pitch in pitches]

    def is_good_ending(self) -> bool:
        """The last onset sounds, for a quarter at least where the network decides on durations."""
        sounds = self._last[0] not in (None, REST, ANY_CHORD)
        fixed = self._options.durations == "none" or self._encoding.offset
        return sounds and (bool(fixed) or self._last_units >= UNITS)

    def finish(self) -> list[Event]:
        return []


def _narrowed(mask: Mask, by: Mask) -> Mask:
    """The symbols that both masks allow, or the first mask where they agree on none."""
    both = mask & by
    return both if both.any() else mask


def pitch_name(pitch: int, folded: bool = False) -> str:
    """`F#3`; C4 is middle C, 60. Folded, the octave is left out."""
    return NAMES[pitch % 12] + ("" if folded else str(pitch // 12 - 1))


def duration_name(units: int) -> str:
    """In quarters: `1/2` is an eighth."""
    return str(Fraction(units, UNITS))


def velocity_of_bin(index: int) -> int:
    return min(max(index, 0) * BIN + BIN // 2, 127)


def header_of(score: Score, options: NotesOptions) -> Header:
    tracks = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    if not tracks:
        raise ScoreError("it has no notes but drums")
    main = max(tracks, key=lambda t: len(t.notes))
    meters = meters_of(score, GRID)
    if options.durations == "none":  # time is the encoding's own, so changes of meter have lost their places
        meters = ((0, *meters[-1 if len(meters) == 1 else 1][1:]),)
    return Header(meters, tempo_of(score), (Track(plain_name(main.name), main.program),))


def _folded(chord: Chord) -> Chord:
    return tuple(sorted({p % 12 for p in chord}))


def _forget_rare(counters: Collection[Counter[Symbol]]) -> int:
    """Drop what was counted least, until half of MOST_COUNTED is left: what is common is not among it, and its
    count stays nearly right (lossy counting; Manku and Motwani, 2002). Gives how many are left."""
    least = 1
    while (left := sum(map(len, counters))) > MOST_COUNTED // 2:
        for counts in counters:
            for symbol in [s for s, n in counts.items() if n <= least]:
                del counts[symbol]
        least += 1
    return left


def _vocabulary(
    compasses: Mapping[tuple[int, int], Counter[Symbol]], low: int, high: int, options: NotesOptions
) -> tuple[Symbol, ...]:
    """Every symbol of the training pieces and of their transpositions within the range, the commonest where there
    are too many."""
    joined, fold = options.durations == "joined", options.octaves == "folded"
    counts: Counter[Symbol] = Counter()
    for (lowest, highest), symbols in compasses.items():
        moves = shifts(low - lowest, high - highest)
        for (chord, units), n in symbols.items():
            for semitones in moves:
                moved = tuple(p + semitones for p in chord)
                counts[(_folded(moved) if fold else moved, units)] += n
            if len(counts) > MOST_COUNTED:
                _forget_rare([counts])
    kept = {s for s, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_SYMBOLS]}
    if joined:
        kept |= {(ANY_CHORD, d) for d in durations_to(options.longest)}
    return tuple(sorted(kept))
