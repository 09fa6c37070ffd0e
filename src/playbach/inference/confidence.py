"""How sure the network was of each onset of a piece: the probabilities of the chosen symbols and of the alternatives.

All probabilities are those among the valid symbols, before temperature and top-p, since the listener chooses these
two settings, not the network. Knows events and the labels of symbols; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from playbach.encodings.fields import Field, symbol_label
from playbach.music.bars import Bars
from playbach.music.events import TICKS_PER_QUARTER, Choice, Event, Meter, Note, Start
from playbach.music.keys import pitch_name

SURE, NO_CLUE = 0.5, 0.25
"""The network is sure where one symbol has a probability of at least 0.5, and has no clue where all are below 0.25.
By this definition the first shipped model had no clue about 2 % of its onsets, and a network that has learnt only the
frequency of each symbol has no clue about any."""


@dataclass(frozen=True, slots=True)
class ChosenSymbol:
    """The symbol that was chosen for a field."""

    field: str
    symbol: str
    probability: float
    others: tuple[tuple[str, float], ...]
    """The most probable alternatives and their probabilities, the most probable first."""

    @property
    def favourite(self) -> float:
        """The probability of the most probable symbol, chosen or not."""
        return max([self.probability, *(p for _, p in self.others)])

    @property
    def sure(self) -> bool:
        return self.favourite >= SURE

    @property
    def no_clue(self) -> bool:
        return self.favourite < NO_CLUE


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure the network was of an onset: of the notes that begin with one step."""

    bar: int
    """1 is the first full bar, 0 a pickup."""
    beat: float
    """Counted from 1."""
    voice: str
    pitches: tuple[int, ...]
    chosen: tuple[ChosenSymbol, ...]
    """The chosen symbol of each field of the step; empty for an onset of the prime."""

    @property
    def given(self) -> bool:
        return not self.chosen

    @property
    def sure(self) -> bool:
        """Whether the notes are the prime's, or the network was sure of the first field, which has the pitches."""
        return self.given or self.chosen[0].sure

    @property
    def no_clue(self) -> bool:
        return not self.given and self.chosen[0].no_clue

    @property
    def names(self) -> str:
        """The pitches in the notation of the encoding `notes`, `A2.F#3`."""
        return ".".join(map(pitch_name, self.pitches))


def confidences(events: Sequence[Event], fields: Sequence[Field]) -> tuple[Confidence, ...]:
    """The confidence of each onset of a piece, in the order of its events."""
    start = next(e for e in events if isinstance(e, Start))
    bars = Bars(tuple((e.tick - start.tick, e.numerator, e.denominator) for e in events if isinstance(e, Meter)))
    notes = (e for e in events if isinstance(e, Note))
    return tuple(
        _confidence(tuple(group), tick - start.tick, bars, start.tracks[track].name, fields)
        for (tick, track, _), group in groupby(notes, lambda n: (n.tick, n.track, n.steps[:1]))
    )


def _confidence(notes: tuple[Note, ...], tick: int, bars: Bars, voice: str, fields: Sequence[Field]) -> Confidence:
    beat = TICKS_PER_QUARTER * 4 // int(bars.meter(tick).partition("/")[2])
    chosen = tuple(_chosen(choice, field) for choice, field in zip(notes[0].choices, fields))
    pitches = tuple(note.pitch for note in notes)
    return Confidence(bars.number(tick), 1 + bars.place(tick) / beat, voice, pitches, chosen)


def _chosen(choice: Choice, field: Field) -> ChosenSymbol:
    others = tuple((symbol_label(field, symbol), p) for symbol, p in choice.others)
    return ChosenSymbol(field.name, symbol_label(field, choice.symbol), choice.probability, others)


def summary_sentence(table: Sequence[Confidence]) -> str:
    """A sentence about the whole piece."""
    own = [onset for onset in table if not onset.given]
    if not own:
        return "All onsets are the prime's; the network chose none."
    clueless = sum(onset.no_clue for onset in own)
    sure = sum(onset.sure for onset in own)
    given = len(table) - len(own)
    return (
        f"Of {len(own)} onsets, the network was sure of {sure} (one symbol had a probability of 0.5 or more), "
        f"unsure of {len(own) - sure - clueless}, and had no clue about {clueless} (all were below 0.25)"
        + (f"; {given} onsets are the prime's." if given else ".")
    )
