"""A small encoding, as an example: a melody in quarters, one step a quarter, which is a pitch or a rest.

The highest note that begins in a quarter is kept, and lasts until the next quarter. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from symusic.core import NoteTick as ScoreNote
from symusic.core import ScoreTick as Score

from playbach.encodings.base import (
    Decoder,
    EncodedPiece,
    Encoding,
    append_new,
    most_common_headers,
    transposition_range,
)
from playbach.encodings.features.bars import BarsLeft, Timing
from playbach.encodings.features.base import Feature, Features
from playbach.encodings.fields import UNKNOWN_NAME, Field
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header, meters_of, tempo_of
from playbach.music.events import DEFAULT_VELOCITY, TICKS_PER_QUARTER, Event, Note, Track
from playbach.music.scores import score_from_header
from playbach.system.errors import ScoreError

REST = 1
"""A symbol; 0 is UNKNOWN, and the pitches follow."""
NO_PITCHES = "it has no notes other than drums"


@dataclass(frozen=True)
class PulsePiece:
    """A piece of T steps, as its features see it."""

    symbols: Ints
    """(T,)."""
    timing: Timing


@dataclass(frozen=True)
class Sounded(Feature[PulsePiece, "PulseDecoder"]):
    """Whether the step before is a pitch. The network learns where melodies breathe."""

    fields = (Field("sounded", ("no", "yes")),)

    def of_piece(self, piece: PulsePiece) -> Ints:
        before = np.concatenate([np.array([REST], np.int32), piece.symbols[:-1]])
        return (before > REST).astype(np.int32)[:, None]

    def of_state(self, state: PulseDecoder) -> Sequence[int]:
        return (int(state.last > REST),)


FEATURES = Features((BarsLeft(), Sounded()))


@dataclass(frozen=True)
class PulseEncoding(Encoding):
    """See the module."""

    name: ClassVar[str] = "pulse"
    track_count: ClassVar[int | None] = 1
    pitches: tuple[int, ...]
    """The vocabulary without UNKNOWN and the rest."""
    meters: tuple[str, ...]
    headers: tuple[tuple[Header, int], ...]

    @property
    def features(self) -> Features[PulsePiece, PulseDecoder]:
        return FEATURES

    @cached_property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        return (Field("symbol", (UNKNOWN_NAME, "rest", *map(str, self.pitches))),)

    @classmethod
    def fit(cls, scores: Iterable[Score], options: Any = None, base: Self | None = None) -> Self:
        pitches: set[int] = set()
        headers = []
        for score in scores:
            pitches |= {pitch for _, pitch in quarters_of(score) if pitch is not None}
            headers.append(pulse_header(score))
        if not headers:
            raise ScoreError("the pulse encoding has no pieces to learn its vocabulary from")
        meters = sorted({Bars(h.meters).meter(m[0]) for h in headers for m in h.meters})
        known = append_new(base.pitches if base else (), range(min(pitches), max(pitches) + 1))
        names = append_new(base.meters if base else (), meters)
        return cls(tuple(known), tuple(names), most_common_headers(headers))

    @classmethod
    def rejection_reason(cls, score: Score) -> str | None:
        return None if any(len(t.notes) and not t.is_drum for t in score.tracks) else NO_PITCHES

    def encode(self, score: Score) -> EncodedPiece:
        quarters, header = quarters_of(score), pulse_header(score)
        symbols = np.array([self._symbol(pitch) for _, pitch in quarters], np.int32)
        ticks = np.array([tick for tick, _ in quarters], np.int32)
        context = FEATURES.of_piece(PulsePiece(symbols, Timing(header, ticks, int(ticks[-1]))))
        notes = sum(pitch is not None for _, pitch in quarters)
        return EncodedPiece(symbols[:, None], context, header, notes, int(ticks[-1]) + TICKS_PER_QUARTER)

    def _symbol(self, pitch: int | None) -> int:
        if pitch is None:
            return REST
        return 2 + self.pitches.index(pitch) if pitch in self.pitches else 0

    def project(self, score: Score) -> Score:
        projected = score_from_header(pulse_header(score))
        for tick, pitch in quarters_of(score):
            if pitch in self.pitches:
                projected.tracks[0].notes.append(ScoreNote(tick, TICKS_PER_QUARTER, pitch, DEFAULT_VELOCITY))
        return projected

    def decoder(self, header: Header, bars: int | None = None) -> PulseDecoder:
        return PulseDecoder(self, header, bars)

    def transpositions(self, score: Score) -> range:
        pitches = [pitch for _, pitch in quarters_of(score) if pitch is not None]
        return transposition_range(min(self.pitches) - min(pitches), max(self.pitches) - max(pitches))

    def manifest(self) -> dict[str, Any]:
        headers = [[header.manifest(), count] for header, count in self.headers]
        return {
            "name": self.name,
            "pitches": list(self.pitches),
            "meters": list(self.meters),
            "headers": headers,
        }

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Self:
        headers = tuple((Header.from_manifest(header), int(count)) for header, count in data["headers"])
        return cls(tuple(map(int, data["pitches"])), tuple(map(str, data["meters"])), headers)


class PulseDecoder(Decoder):
    """See the module."""

    def __init__(self, encoding: PulseEncoding, header: Header, bars: int | None) -> None:
        super().__init__(header, bars)
        self._encoding, self.features = encoding, FEATURES
        self.last = REST
        self._steps = 0

    def valid_mask(self) -> list[Mask]:
        mask = np.ones(len(self._encoding.fields[0]), bool)
        mask[0] = False
        return [mask]

    def feed(self, step: Ints) -> list[Event]:
        self.last = int(step[0])
        length = TICKS_PER_QUARTER if self._end is None else min(TICKS_PER_QUARTER, self._end - self.tick)
        events: list[Event] = []
        if self.last > REST:
            pitch = self._encoding.pitches[self.last - 2]
            events.append(Note(self.tick, length, pitch, DEFAULT_VELOCITY, 0, (self._steps,)))
        self._steps += 1
        self.tick += length
        self.final_until = self.tick
        self.finished = self._reached_end()
        return events

    def finish(self) -> list[Event]:
        return []


def pulse_header(score: Score) -> Header:
    tracks = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    if not tracks:
        raise ScoreError(NO_PITCHES)
    return Header(meters_of(score, TICKS_PER_QUARTER), tempo_of(score), (Track("Pulse", tracks[0].program),))


def quarters_of(score: Score) -> list[tuple[int, int | None]]:
    """The tick of each quarter, and the highest pitch that begins in it."""
    notes = [(n.time // TICKS_PER_QUARTER, n.pitch) for t in score.tracks if not t.is_drum for n in t.notes]
    if not notes:
        raise ScoreError(NO_PITCHES)
    highest: dict[int, int] = {}
    for quarter, pitch in notes:
        highest[quarter] = max(pitch, highest.get(quarter, 0))
    return [(quarter * TICKS_PER_QUARTER, highest.get(quarter)) for quarter in range(max(highest) + 1)]
