"""What every encoding of music promises: a score to steps of integers and back, and a decoder fed step by step.

Knows scores and events; knows nothing of networks. A *step* is F integers, one a field; its *context* is C further
integers that are known before the step is predicted. Index 0 of every field is UNKNOWN, a symbol that training
never saw: it is never sampled, but it is paid for when music is measured. Index V (the number of symbols) stands,
as a previous symbol only, for the start of a piece.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, ClassVar, Self

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.encodings.relations import Relation
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import FASTEST, SLOWEST, Bars, Header
from playbach.music.events import Event, Track
from playbach.system.errors import UsageError

UNKNOWN = 0
UNKNOWN_NAME = "?"
LEFT = "left"
"""The context field that tells how much of the piece is left; its last symbol is `unknown`."""
LEFT_SYMBOLS = (*map(str, range(9)), "many", "unknown")
LEFT_MANY, LEFT_UNKNOWN = 9, 10


@dataclass(frozen=True, slots=True)
class Field:
    """A named alphabet."""

    name: str
    symbols: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.symbols)


@dataclass(frozen=True, slots=True)
class EncodedPiece:
    """An encoded piece: steps (T, F) and context (T, C), int32; `notes` is how many notes it holds, `ticks` how long
    they last together."""

    steps: Ints
    context: Ints
    header: Header
    notes: int
    ticks: int

    def __len__(self) -> int:
        return len(self.steps)


def meter_symbol(meters: tuple[str, ...], name: str) -> int:
    """The symbol of a meter in a context field whose symbols are UNKNOWN and then `meters`."""
    return meters.index(name) + 1 if name in meters else UNKNOWN


def left_bucket(left: int) -> int:
    """How much is left (0: this is the last bar) as an index into LEFT_SYMBOLS."""
    return min(max(left, 0), LEFT_MANY)


class Decoder(ABC):
    """Turns steps back into events, one step at a time. Ticks count from the beginning of the piece.

    `finished` is True when the length that was asked for is reached; nothing may be fed after that.
    """

    finished: bool = False
    final_until: int = 0
    """In ticks: no event that is still to come begins before it."""
    tick: int = 0
    """Where the next step begins, in ticks."""

    def __init__(self, header: Header, bars: int | None) -> None:
        """A piece that begins so, and ends after so many full bars; None: it goes on for ever."""
        self._bars = Bars(header.meters)
        self._end = None if bars is None else self._bars.end(bars)

    @property
    def bar(self) -> int:
        """The number of the bar in which the next step begins: 1 is the first full one, 0 a pickup."""
        return self._bars.number(self.tick)

    @property
    def begun(self) -> int:
        """The number of the last bar that what was fed fills or begins; 0 before anything."""
        return self._bars.number(self.tick - 1) if self.tick else 0

    def end_after(self, bars: int | None) -> None:
        """From now on the piece ends after so many full bars; this one is the last where that is too few."""
        self._end = None if bars is None else self._bars.end(max(bars, self.bar))

    def left(self) -> int:
        """How much is left, as a symbol of the context field LEFT."""
        if self._end is None:
            return LEFT_UNKNOWN
        return left_bucket(self._bars.number(self._end - 1) - self._bars.number(self.tick))

    def _reached_end(self) -> bool:
        return self._end is not None and self.tick >= self._end

    @abstractmethod
    def context(self) -> Ints:
        """The context (C,) of the next step."""

    @abstractmethod
    def valid_mask(self) -> list[Mask]:
        """For each field, which symbols (V,) make sense as the next step. At least one does."""

    def style_mask(self) -> list[Mask]:
        """Of the allowed symbols, those that a careful writer would take; all of them where there are no rules."""
        return self.valid_mask()

    @abstractmethod
    def feed(self, step: Ints) -> list[Event]:
        """Take the next step (F,) and give the events that are complete by it, in any order."""

    def is_good_ending(self) -> bool:
        """Whether what has been fed would be an ending, if it ended here; True where there are no rules."""
        return True

    def copy(self) -> Self:
        """A decoder that goes on from here by itself."""
        twin = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, list):
                setattr(twin, name, [list(v) if isinstance(v, list) else v for v in value])
        return twin

    @abstractmethod
    def finish(self) -> list[Event]:
        """End everything that sounds, here."""


class Encoding(ABC):
    """See the module. Instances are immutable: `fit` gives a new one with a frozen vocabulary."""

    name: ClassVar[str]
    voices: ClassVar[int | None]
    """How many tracks a piece has; None where pieces differ in that, and tracks are told apart by their names."""
    step_kind: ClassVar[str | None] = None
    """The context field that says what kind of step comes next (the voice, in `chorale`); None if all are alike."""
    fields: tuple[Field, ...]
    context: tuple[Field, ...]
    meters: tuple[str, ...]
    """The meters of the training pieces, `3/4`."""
    headers: tuple[tuple[Header, int], ...]
    """The headers with which the training pieces begin, cut down to what composing needs, and how many do."""

    @classmethod
    @abstractmethod
    def fit(cls, scores: Iterable[Score], options: Any = None, base: Self | None = None) -> Self:
        """Freeze the vocabulary and all constants. `scores` are training pieces only. With a `base`, which has the
        same options, its symbols keep their numbers, and new ones come after them."""

    @classmethod
    @abstractmethod
    def rejection_reason(cls, score: Score) -> str | None:
        """None where this encoding can hold the score, else why not, in half a sentence."""

    @abstractmethod
    def encode(self, score: Score) -> EncodedPiece:
        """Steps, context and header of a score; ScoreError where it does not fit."""

    @abstractmethod
    def project(self, score: Score) -> Score:
        """What this encoding can say of a score; what `decoder` makes of what `encode` gives."""

    @abstractmethod
    def decoder(self, header: Header, bars: int | None = None) -> Decoder: ...

    def paced(self, offset: float | None, duration: float | None) -> Self:
        """The encoding with fixed times when it is decoded: `offset` from each onset to the next, `duration` of each
        note, in quarters; None leaves it to the steps.

        Raises:
            UsageError: the times of this encoding cannot be fixed.
        """
        raise UsageError(f"offset and duration go with models of one line, not with the {self.name!r} encoding")

    @abstractmethod
    def transpositions(self, score: Score) -> range:
        """The semitones by which a training piece can be moved and still lie within the corpus's range."""

    @abstractmethod
    def manifest(self) -> dict[str, Any]:
        """All of it as JSON; `from_manifest` is its inverse."""

    @classmethod
    @abstractmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Self: ...

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All that a piece may have, with their usual instruments."""
        return self.headers[0][0].tracks

    @property
    def velocities(self) -> bool:
        """Whether the dynamics are composed."""
        return any(field.name == "velocity" for field in self.fields)

    @property
    def relations(self) -> tuple[Relation, ...]:
        """How symbols stand to the context; by default nothing is said of it."""
        return ()

    def unknowns(self) -> tuple[Ints, ...]:
        """For each field (V,) the symbol that stands for it where training never saw it."""
        return tuple(np.zeros(len(f), np.int32) for f in self.fields)

    def is_continuation(self, steps: Ints) -> Mask:
        """Which steps (T,) of (T, F) only go on with what sounds, or with silence; by default none."""
        return np.zeros(len(steps), bool)

    def mask_rare(self, steps: Ints, context: Ints, hidden: Mask) -> tuple[Ints, Ints]:
        """Steps and context, from a piece's beginning, as they would be had training never seen the first field's
        symbols at `hidden` (T,); by default as they are, where training sees all that there is of it."""
        return steps, context

    @property
    def left_column(self) -> int:
        """The column of the context that tells how much is left; every encoding has one."""
        return next(i for i, f in enumerate(self.context) if f.name == LEFT)


def appended(known: Iterable[Any], found: Iterable[Any]) -> list[Any]:
    """What is known, where it is, and after it what else was found."""
    return list(dict.fromkeys([*known, *found]))


def most_common_headers(headers: Iterable[Header], most: int = 24) -> tuple[tuple[Header, int], ...]:
    """The meters (with a pickup, without later changes), tempo and tracks that training pieces begin with."""
    counts = Counter(_opening(h) for h in headers)
    # Where many are equally common, as with a folder of different tempos, the cut must not be one by name.
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], sha256(repr(item[0]).encode()).digest()))[:most])


def _opening(header: Header) -> Header:
    kept = 2 if Bars(header.meters).pickup else 1
    tempo = float(min(max(round(header.tempo), SLOWEST), FASTEST))
    return replace(header, meters=header.meters[:kept], tempo=tempo)


def shifts(low: int, high: int) -> range:
    """The semitones to move a piece by that lie in [low, high], of -5 to 6, so that no key comes twice; 0 alone where
    there are none."""
    return range(max(low, -5), min(high, 6) + 1) or range(1)
