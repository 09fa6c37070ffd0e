"""What an encoding is: it writes a score as steps of integers, and its decoder turns steps back into events.

A new encoding is a package with a subclass of `Encoding`, one of `Decoder` and a tuple of features, and an entry of
`ENCODINGS` (`encodings/__init__.py`). The conformance tests then cover it.

- A *step* has F integers, one symbol for each of `fields`. The network predicts all fields of a step at once. Where
  one depends on another, the encoding writes them as successive steps of one field.
- The *context* of a step has C integers, one symbol for each field of the encoding's *features*
  (`encodings/features/`). The network is given them before it predicts the step.
- V, the number of symbols, stands for the start of a piece. It appears only as the previous symbol of a first step.

Knows scores and events; knows nothing of networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, ClassVar, Never, Self

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.encodings.features.bars import (
    BARS_LEFT,
    UNKNOWN_BARS_LEFT,
    bars_left_symbol,
)
from playbach.encodings.features.base import Features
from playbach.encodings.fields import Field
from playbach.encodings.relations import Relation
from playbach.music.arrays import Ints, Mask
from playbach.music.bars import Bars, Header
from playbach.music.events import MAX_TEMPO, MIN_TEMPO, Event, Track
from playbach.system.errors import UsageError


@dataclass(frozen=True, slots=True)
class EncodedPiece:
    """A piece as steps and contexts."""

    steps: Ints
    """(T, F), int32."""
    context: Ints
    """(T, C), int32: row t is known before step t."""
    header: Header
    notes: int
    """The number of notes, whether training knows them or not."""
    ticks: int
    """The length of the piece, 480 ticks to a quarter note."""

    def __len__(self) -> int:
        return len(self.steps)


def narrow_mask(mask: Mask, other: Mask) -> Mask:
    """The symbols that both masks allow, or `mask` where they have none in common."""
    both = mask & other
    return both if both.any() else mask


class Decoder(ABC):
    """Turns the steps of one piece into events, one step at a time.

    Before each step a caller asks for its `context()` and `valid_mask()`, chooses a symbol for each field, and calls
    `feed()`. All positions are in ticks from the beginning of the piece.
    """

    finished: bool = False
    """Whether the piece has reached its requested length. No step may be fed after that."""
    final_until: int = 0
    """No later event begins before this tick, so all events before it can be played."""
    tick: int = 0
    """The tick at which the next step begins."""
    keeps_meter: bool = False
    """Whether no change of meter may be composed."""
    features: Features[Never, Any]
    """The features of the encoding. A subclass sets them; they are computed from it."""

    def __init__(self, header: Header, bars: int | None) -> None:
        """Begin a piece with this header. It ends after `bars` full bars, or never if `bars` is None."""
        self._bars = Bars(header.meters)
        self._end = None if bars is None else self._bars.end(bars)

    @property
    def bar(self) -> int:
        """The number of the bar in which the next step begins: 1 is the first full bar, 0 a pickup."""
        return self._bars.number(self.tick)

    @property
    def last_begun_bar(self) -> int:
        """The number of the last bar that the steps so far begin or fill; 0 before the first step."""
        return self._bars.number(self.tick - 1) if self.tick else 0

    @property
    def place(self) -> int:
        """The place in the bar at which the next step begins, in ticks."""
        return self._bars.place(self.tick)

    @property
    def meter(self) -> str:
        """The meter in which the next step begins, such as `3/4`."""
        return self._bars.meter(self.tick)

    def end_after(self, bars: int | None) -> None:
        """Change the length: end after `bars` full bars, or after this bar if that is later; None: never end."""
        self._end = None if bars is None else self._bars.end(max(bars, self.bar))

    def end_at(self, tick: int) -> None:
        """End the piece at a tick."""
        self._end = tick

    def bars_left(self) -> int:
        """The symbol of the context field BARS_LEFT."""
        if self._end is None:
            return UNKNOWN_BARS_LEFT
        return bars_left_symbol(self._bars.number(self._end - 1) - self._bars.number(self.tick))

    def _reached_end(self) -> bool:
        return self._end is not None and self.tick >= self._end

    def context(self) -> Ints:
        """The context of the next step, (C,): its features."""
        return self.features.of_state(self)

    @abstractmethod
    def valid_mask(self) -> list[Mask]:
        """For each field a mask (V,) of the symbols that are possible as the next step; at least one is.

        Any piece made of valid symbols must be one that could be encoded, and must end at its requested length.
        """

    def style_mask(self) -> list[Mask]:
        """The valid symbols that also keep the encoding's rules of style; by default all valid symbols."""
        return self.valid_mask()

    @abstractmethod
    def feed(self, step: Ints) -> list[Event]:
        """Take the next step, (F,), and return the events that it completes, in any order."""

    def is_good_ending(self) -> bool:
        """Whether the piece would have a good ending if it ended here; by default True."""
        return True

    def copy(self) -> Self:
        """A decoder in the same state that continues independently.

        Attributes that are lists, and lists in them, are copied. A subclass with other mutable state extends this.
        """
        twin = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, list):
                setattr(twin, name, [list(v) if isinstance(v, list) else v for v in value])
        return twin

    @abstractmethod
    def finish(self) -> list[Event]:
        """End all sounding notes at this tick and return their events."""


class Encoding(ABC):
    """An encoding with a fixed vocabulary. Instances are immutable; `fit` makes one from training pieces.

    Decoding `encode(score).steps` must give `project(score)`, and projecting a second time must change nothing.
    """

    name: ClassVar[str]
    track_count: ClassVar[int | None]
    """The number of tracks of every piece; None if it varies. Tracks are then identified by their names."""
    step_kind: ClassVar[str | None] = None
    """The context field that names the kind of the next step, such as the voice in `chorale`; None if all steps
    are of one kind."""
    has_single_voices: ClassVar[bool] = False
    """Whether a track sounds one note at a time, so that each note ends the one before it."""
    fields: tuple[Field, ...]
    """The fields of a step, F of them."""
    meters: tuple[str, ...]
    """The meters of the training pieces, such as `3/4`."""
    headers: tuple[tuple[Header, int], ...]
    """The most common headers of the training pieces, each with its number of pieces; see `most_common_headers`."""

    @classmethod
    @abstractmethod
    def fit(cls, scores: Iterable[Score], options: Any = None, base: Self | None = None) -> Self:
        """Make an encoding whose vocabulary and constants are those of some training pieces.

        Args:
            scores: training pieces only, never held-out ones.
            options: an instance of the encoding's dataclass of options; None: its defaults.
            base: an encoding with the same options. Its symbols keep their numbers, and new symbols follow them.

        Raises:
            ScoreError: there are no scores, or one of them does not fit the encoding.
        """

    @classmethod
    def for_any_music(cls, options: Any = None) -> Self:
        """An encoding with the symbols of any usual music, as a `base` for `fit`: music on which a network trains
        later then seldom has a new symbol.

        Raises:
            UsageError: the encoding has no such vocabulary.
        """
        raise UsageError(f"the vocabulary `any` does not exist for the {cls.name!r} encoding; use `music`")

    @classmethod
    @abstractmethod
    def rejection_reason(cls, score: Score) -> str | None:
        """Why this encoding cannot represent a score, as a clause for a message; None if it can."""

    @classmethod
    def remarks(cls, score: Score) -> tuple[str, ...]:
        """What this encoding leaves out of a score or changes that a user may not expect, one line for each kind.

        By default nothing is said. That times are rounded to a grid goes without saying.
        """
        return ()

    @abstractmethod
    def encode(self, score: Score) -> EncodedPiece:
        """Write a score as steps and contexts.

        Raises:
            ScoreError: the score does not fit the encoding.
        """

    def encode_all(self, scores: Iterable[Score]) -> Iterator[EncodedPiece]:
        """Each score as `encode` writes it. An encoding that is faster with many at once does better than this."""
        return map(self.encode, scores)

    @abstractmethod
    def project(self, score: Score) -> Score:
        """The score as this encoding represents it. Computed without `encode`, so that tests can compare the two."""

    @property
    def keeps_times(self) -> bool:
        """Whether a decoder fed with an encoded score is at the tick of the score, up to the grid."""
        return True

    def sources(self, score: Score, header: Header) -> tuple[int | None, ...]:
        """For each track of the header with which this score is encoded, the index of the score's track that composed
        notes continue; None if there is none.

        By default the track with the name, else the first one with the program, of those with notes.
        """
        return tuple(_source(score, track) for track in header.tracks)

    def heard_tracks(self, score: Score, header: Header) -> tuple[tuple[int, ...], ...]:
        """For each track of the header with which this score is encoded, the indices of all tracks of the score whose
        notes it stands for. By default those of `sources`."""
        return tuple(() if source is None else (source,) for source in self.sources(score, header))

    def unheard(self, score: Score) -> dict[str, Ints]:
        """The onsets in ticks (n,) of the notes that no symbol of training stands for, by the reason.

        A reason goes on after "they are", such as `beyond its range`. By default there are none.
        """
        return {}

    @abstractmethod
    def decoder(self, header: Header, bars: int | None = None) -> Decoder:
        """A decoder at the beginning of a piece of `bars` full bars; None: without an end."""

    def with_fixed_times(self, offset: float | None, duration: float | None) -> Self:
        """This encoding with a decoder that ignores the composed durations.

        Args:
            offset: the time from each onset to the next, in quarters; None: as composed.
            duration: the length of each note, in quarters; None: as composed.

        Raises:
            UsageError: the encoding does not support this.
        """
        raise UsageError(
            f"offset and duration work only with the 'notes' encoding; the encoding of this model is {self.name!r}"
        )

    @abstractmethod
    def transpositions(self, score: Score) -> range:
        """The transpositions of a training piece, in semitones, that stay within the range of the corpus."""

    @abstractmethod
    def manifest(self) -> dict[str, Any]:
        """The encoding as JSON for a bundle's manifest; `from_manifest` is its inverse."""

    @classmethod
    @abstractmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Self:
        """The encoding that `manifest` wrote.

        Raises:
            ValueError, TypeError, LookupError, UsageError: the data is malformed.
        """

    @property
    @abstractmethod
    def features(self) -> Features[Never, Never]:
        """What the network is told before each step. Only the encoding itself can compute them from its pieces and
        decoders."""

    @property
    def context(self) -> tuple[Field, ...]:
        """The fields of the context, C of them: those of the features."""
        return self.features.fields

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All tracks that a piece can have, each with its usual instrument."""
        return self.headers[0][0].tracks

    @property
    def has_velocities(self) -> bool:
        """Whether velocities are composed."""
        return any(field.name == "velocity" for field in self.fields)

    @property
    def relations(self) -> tuple[Relation, ...]:
        """The relations between symbols and context that a network scores in addition; by default none."""
        return ()

    @property
    def tellable_voices(self) -> int:
        """The number of voices of which a network can be told ahead what they do; by default 0."""
        return 0

    def untold(self, context: Ints) -> Ints:
        """Contexts (…, C) without what is told of given voices."""
        return context

    def tell(self, steps: Ints, context: Ints, voices: Sequence[int]) -> Ints:
        """The contexts (T, C) of a whole piece in which some voices are given, so that the network is told of them.

        Args:
            steps: (T, F), of a whole piece.
            context: (T, C), as `encode` made it.
            voices: numbers below `tellable_voices`.
        """
        raise NotImplementedError

    def unknown_symbols(self) -> tuple[Ints, ...]:
        """For each field, (V,): what replaces each symbol where training never saw it; by default UNKNOWN."""
        return tuple(np.zeros(len(f), np.int32) for f in self.fields)

    def similar_symbols(self) -> tuple[Ints, ...]:
        """For each field, (V,): a more common symbol that each symbol resembles, such as the top note of a chord, as
        which a network can begin to learn it; by default UNKNOWN."""
        return tuple(np.zeros(len(f), np.int32) for f in self.fields)

    def is_continuation(self, steps: Ints) -> Mask:
        """Which of the steps (T, F) only continue a note or a silence, as a mask (T,); by default none."""
        return np.zeros(len(steps), bool)

    def mask_rare(self, steps: Ints, context: Ints, hidden: Mask) -> tuple[Ints, Ints]:
        """Replace symbols of the first field as if training had never seen them.

        By default nothing changes: this suits an encoding in which hardly any symbol is rare.

        Args:
            steps: (T, F), from the beginning of a piece.
            context: (T, C).
            hidden: (T,), the steps whose first symbol is replaced.

        Returns:
            New steps, and the contexts that follow from them.
        """
        return steps, context

    @property
    def bars_left_column(self) -> int:
        """The column of the context that holds the bars left."""
        return [field.name for field in self.context].index(BARS_LEFT)


def _source(score: Score, track: Track) -> int | None:
    found = [i for i, t in enumerate(score.tracks) if len(t.notes) and t.is_drum == track.drums]
    named = [i for i in found if score.tracks[i].name == track.name]
    played = [i for i in found if score.tracks[i].program == track.program]
    return next(iter([*named, *played]), None)


def append_new(known: Iterable[Any], items: Iterable[Any]) -> list[Any]:
    """The known items in their order, then the new ones; each once."""
    return list(dict.fromkeys([*known, *items]))


def most_common_headers(headers: Iterable[Header], most: int = 24) -> tuple[tuple[Header, int], ...]:
    """The headers that most pieces begin with, each with its number of pieces.

    Later changes of meter are left out, and tempos are rounded to whole quarters a minute.
    """
    counts = Counter(_opening(h) for h in headers)
    # A hash breaks ties. In an order by name or tempo, the cut would favour one end of the equally common headers.
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], sha256(repr(item[0]).encode()).digest()))[:most])


def _opening(header: Header) -> Header:
    kept = 2 if Bars(header.meters).pickup else 1
    tempo = float(min(max(round(header.tempo), MIN_TEMPO), MAX_TEMPO))
    return replace(header, meters=header.meters[:kept], tempo=tempo)


def transposition_range(low: int, high: int) -> range:
    """The transpositions from `low` to `high` semitones, at most -5 to 6, so that no key comes twice.

    range(1), no transposition, if none is left.
    """
    return range(max(low, -5), min(high, 6) + 1) or range(1)
