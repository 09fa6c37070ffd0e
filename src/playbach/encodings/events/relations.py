"""The relations of the symbols of the `events` encoding to its context, which they refer to by the names of fields.

They are intervals from sounding and earlier notes, degrees of the key, waits to a place, and repetitions. Knows
symbols; knows nothing of notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log2

import numpy as np

from playbach.encodings.events.features.bars_before import FIRST_PLACE, NEXT_BAR_LINE
from playbach.encodings.events.grid import EVENTS_DURATIONS, EVENTS_VELOCITY_BIN, MAX_BAR
from playbach.encodings.events.state import BAR_LAGS
from playbach.encodings.events.symbols import (
    BAR_KIND,
    DRUM_KIND,
    DURATION_KIND,
    PITCH_KIND,
    PLACE_KIND,
    PROGRAM_KIND,
    TEMPO_KIND,
    VELOCITY_KIND,
    Alphabet,
)
from playbach.encodings.features import lines
from playbach.encodings.relations import Classes, Relation, chord_classes, interval_classes
from playbach.music import keys

NOTE_FIELDS = (
    *("note 1 ago", "note 2 ago", "note 3 ago", "note 4 ago", "echo of 2", "echo of 4", "echo of 8"),
    *("lowest that sounds", "note above"),
    *("second of the onset before", "third of the onset before", "lowest of the onset before"),
)
"""The context fields of notes from which the network sees the interval to the next one."""

LENGTH_STEPS = 6
"""The steps of a ratio of durations between one and its double."""

_Row = tuple[str, str, Classes, Classes]
"""The name of a relation, the context field, the classes and the aspects."""


def relations_of(alphabet: Alphabet, columns: Mapping[str, int]) -> tuple[Relation, ...]:
    """All relations. Those that are alike share their tables.

    Args:
        alphabet: the symbols.
        columns: the column of each context field, by its name.
    """
    places = _place_aspects(alphabet)
    rows: list[_Row] = [
        *_intervals(alphabet),
        ("wait", "place", _waits(), places),
        *_lengths(alphabet),
        *_repetitions(alphabet, places),
        *_levels(alphabet),
    ]
    return tuple(
        Relation(name, field=0, column=columns[field], classes=classes, aspects=aspects)
        for name, field, classes, aspects in rows
    )


def _intervals(alphabet: Alphabet) -> Iterator[_Row]:
    """From notes, and from the tonic, to pitches."""
    pitched = _pitched(alphabet)
    pitches = np.where(alphabet.kinds == PITCH_KIND, alphabet.values - alphabet.low + 1, 0).astype(np.int64)
    distance = interval_classes(_KNOWN, [None, *pitched])
    for field in NOTE_FIELDS:
        yield f"from {field}", field, distance, pitches
    yield "above the lowest", "lowest that sounds", chord_classes(_KNOWN, [None, *pitched]), pitches
    yield "degree", "home", _degrees(alphabet), pitches


def _lengths(alphabet: Alphabet) -> Iterator[_Row]:
    """From durations to equal, longer and shorter ones."""
    lengths, same = _ranks(alphabet, DURATION_KIND), _equal(len(EVENTS_DURATIONS) + 1)
    for name in ("here", "a bar before"):
        yield f"length as {name}", f"length {name}", same, lengths
    ratios: list[int | None] = [None, *(round(LENGTH_STEPS * log2(units)) for units in EVENTS_DURATIONS)]
    yield "longer", "length", interval_classes(ratios, ratios), lengths


def _repetitions(alphabet: Alphabet, places: Classes) -> Iterator[_Row]:
    """From what came some bars before to the same."""
    pitched = _pitched(alphabet)
    drum = 1 + len(pitched) + alphabet.drum_index[alphabet.values * (alphabet.kinds == DRUM_KIND)]
    pitches = np.where(alphabet.kinds == PITCH_KIND, alphabet.values - alphabet.low + 1, 0)
    notes = np.where(alphabet.kinds == DRUM_KIND, drum, pitches).astype(np.int64)
    instruments = _ranks(alphabet, PROGRAM_KIND)
    same_place, same_instrument = _equal(FIRST_PLACE + MAX_BAR), _equal(len(alphabet.tracks) + 1)
    same_note = _same(len(_KNOWN), [-1, *(lines.FIRST_NOTE + p for p in (*pitched, *alphabet.drums))])
    for lag in BAR_LAGS:
        yield f"place of {lag} bars before", f"place {lag} bars before", same_place, places
        yield f"note of {lag} bars before", f"note {lag} bars before", same_note, notes
        yield f"instrument of {lag} bars before", f"instrument {lag} bars before", same_instrument, instruments


def _levels(alphabet: Alphabet) -> Iterator[_Row]:
    """From velocities and tempos to higher and lower ones."""
    if alphabet.has_velocities:
        bins: list[int | None] = [None, *range(128 // EVENTS_VELOCITY_BIN)]
        yield "louder", "velocity", interval_classes(bins, bins), _ranks(alphabet, VELOCITY_KIND)
    low, high = alphabet.tempos
    if low < high:
        tempos: list[int | None] = [*range(low, high + 1)]
        yield "faster", "tempo", interval_classes(tempos, [None, *tempos]), _ranks(alphabet, TEMPO_KIND)


_KNOWN: list[int | None] = [None, None, *range(128)]
"""The pitch of each of PITCH_SYMBOLS."""


def _pitched(alphabet: Alphabet) -> range:
    return range(alphabet.low, alphabet.high + 1)


def _place_aspects(alphabet: Alphabet) -> Classes:
    """(V,): the context symbol of a place that each symbol leads to; 0 for others."""
    places = np.where(alphabet.kinds == PLACE_KIND, FIRST_PLACE + alphabet.values, 0)
    return np.where(alphabet.kinds == BAR_KIND, NEXT_BAR_LINE, places).astype(np.int64)


def _ranks(alphabet: Alphabet, kind: int) -> Classes:
    """(V,): for each symbol of a kind its rank by value, from 1; 0 for all others."""
    symbols = np.flatnonzero(alphabet.kinds == kind)
    ranks = np.zeros(len(alphabet), np.int64)
    ranks[symbols[np.argsort(alphabet.values[symbols])]] = np.arange(1, len(symbols) + 1)
    return ranks


def _equal(count: int) -> Classes:
    """Class 1 where the context's symbol equals the aspect; but none where both are 0."""
    return _same(count, [-1, *range(1, count)])


def _same(context_symbols: int, symbols: list[int]) -> Classes:
    """Class 1 where the context's symbol equals the one given for an aspect."""
    return np.asarray(np.arange(context_symbols)[:, None] == np.array(symbols)[None], np.int64)


def _waits() -> Classes:
    """(MAX_BAR, aspects): the wait in units from each place to each next one; 0 to a bar line."""
    wait = np.arange(-FIRST_PLACE, MAX_BAR)[None] - np.arange(MAX_BAR)[:, None]
    wait[:, :FIRST_PLACE] = 0
    return np.asarray(np.maximum(wait, 0), np.int64)


def _degrees(alphabet: Alphabet) -> Classes:
    """(25, 1 + pitches): the degree of each pitch in each key; major and minor degrees are different classes."""
    pitches = np.arange(alphabet.low, alphabet.high + 1)
    classes = np.zeros((1 + len(keys.KEY_NAMES), 1 + len(pitches)), np.int64)
    for key in range(len(keys.KEY_NAMES)):
        mode, tonic = divmod(key, 12)
        classes[1 + key, 1:] = 1 + 12 * mode + (pitches - tonic) % 12
    return classes
