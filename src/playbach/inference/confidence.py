"""How sure the network was of each onset of a piece: what it chose, how probable that was, and what else it weighed.

All probabilities are those of temperature 1 among the symbols that were allowed, which is what likelihood means here;
temperature and top-p, which may sharpen them before a symbol is drawn, are the listener's wish and no knowledge of
the network's. Knows events and the names of symbols; knows nothing of networks, and prints nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from playbach.encodings import Field, pitch_name, symbol_label
from playbach.music.bars import Bars
from playbach.music.events import TICKS_PER_QUARTER, Choice, Event, Meter, Note, Start

SURE, NO_CLUE = 0.5, 0.25
"""The network is sure where one symbol has half of the probability or more, and has no clue where none has a quarter.
By that it has no clue about 2 in a hundred onsets of the first shipped model, and about all of those of a network
that has learnt no more than how common each symbol is."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One field's symbol by name with its probability, the likeliest others with theirs, the likeliest first."""

    field: str
    symbol: str
    probability: float
    others: tuple[tuple[str, float], ...]

    @property
    def favourite(self) -> float:
        """The probability of the likeliest symbol, whether it was chosen or not."""
        return max([self.probability, *(p for _, p in self.others)])

    @property
    def sure(self) -> bool:
        return self.favourite >= SURE

    @property
    def no_clue(self) -> bool:
        return self.favourite < NO_CLUE


@dataclass(frozen=True, slots=True)
class Confidence:
    """An onset: the notes that one step began, where, in which voice, and how the step's fields were chosen; none
    where a prime gave it. `bar` counts as musicians do, 0 for a pickup; `beat` begins with 1."""

    bar: int
    beat: float
    voice: str
    pitches: tuple[int, ...]
    chosen: tuple[Chosen, ...]

    @property
    def given(self) -> bool:
        return not self.chosen

    @property
    def sure(self) -> bool:
        """That the notes are given, or that the network was sure of the first field, which says which notes."""
        return self.given or self.chosen[0].sure

    @property
    def no_clue(self) -> bool:
        return not self.given and self.chosen[0].no_clue

    @property
    def names(self) -> str:
        """The notes as the `notes` encoding writes them, `A2.F#3`."""
        return ".".join(map(pitch_name, self.pitches))


def confidences(events: Sequence[Event], fields: Sequence[Field]) -> tuple[Confidence, ...]:
    """For each onset of one piece, in the order of `events`: how sure the network was of it."""
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


def _chosen(choice: Choice, field: Field) -> Chosen:
    others = tuple((symbol_label(field, symbol), p) for symbol, p in choice.others)
    return Chosen(field.name, symbol_label(field, choice.symbol), choice.probability, others)


def closing(table: Sequence[Confidence]) -> str:
    """One sentence on the whole piece."""
    own = [onset for onset in table if not onset.given]
    if not own:
        return "All onsets were given; the network chose none."
    clueless = sum(onset.no_clue for onset in own)
    sure = sum(onset.sure for onset in own)
    given = len(table) - len(own)
    return (
        f"Of {len(own)} onsets the network was sure of {sure} (one symbol had half of the probability or more), "
        f"weighed several for {len(own) - sure - clueless}, and had no clue about {clueless} (none had a quarter)"
        + (f"; {given} were given." if given else ".")
    )
