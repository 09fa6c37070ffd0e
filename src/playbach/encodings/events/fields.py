"""The context of the `events` encoding, field by field, and the relations of symbols to it.

The context holds which kind of symbol comes next, where it is, what sounds, the instrument's line, the note chosen
last, and what came at the same place one, two and four bars before. `context.py` computes it for a whole piece,
`state.py` step by step. Knows symbols; knows nothing of notes.
"""

from __future__ import annotations

import numpy as np

from playbach.encodings import lines
from playbach.encodings.base import BARS_LEFT, BARS_LEFT_SYMBOLS, UNKNOWN_NAME, Field
from playbach.encodings.events.alphabet import (
    BAR_KIND,
    DRUM_KIND,
    DURATION_KIND,
    PITCH_KIND,
    PLACE_KIND,
    PROGRAM_KIND,
    TEMPO_KIND,
    VELOCITY_KIND,
    Alphabet,
    in_quarters,
    tempo_name,
    velocity_of,
)
from playbach.encodings.events.grid import EVENTS_DURATIONS, EVENTS_UNITS, EVENTS_VELOCITY_BIN, MAX_BAR
from playbach.encodings.relations import Classes, Relation, chord_classes, interval_classes
from playbach.music import keys

NEXT_SYMBOLS = ("event", "pitch", "duration", "velocity")
NEXT_EVENT, NEXT_PITCH, NEXT_DURATION, NEXT_VELOCITY = range(4)
"""The kinds of the next step; `event` is any symbol that can stand at this place."""
AFTER_SYMBOLS = ("bar", "meter", "place", "tempo", "instrument", "note")
AFTER_BAR, AFTER_METER, AFTER_PLACE, AFTER_TEMPO, AFTER_PROGRAM, AFTER_NOTE = range(6)
BAR_LAGS = (1, 2, 4)
"""How many bars back the context looks for what came at the same place."""
LINE_SELECTION = (0, 1, 2, 3, 8, 9, 10, 16, 18, 20, 22, 24, 26)
"""The columns of `lines.LINE_FIELDS` in this context: the last four notes, the intervals between them, the echoes of
2, 4 and 8 intervals, and the intervals to them."""
LENGTH_SYMBOLS = {units: i for i, units in enumerate(EVENTS_DURATIONS, 1)}
"""The context symbol of each duration; 0 is none."""
NO_PLACE, NEXT_BAR_LINE, FIRST_PLACE = 0, 1, 2
"""The first symbols for the place some bars before: there was no such bar; only a bar line followed; place 0."""
MAX_WAITED = MAX_BAR
"""In units."""
(
    NEXT_COLUMN,
    AFTER_COLUMN,
    PLACE_COLUMN,
    BEAT_COLUMN,
    METER_COLUMN,
    BARS_LEFT_COLUMN,
    INSTRUMENT_COLUMN,
    TEMPO_COLUMN,
    WAITED_COLUMN,
    HOME_COLUMN,
    LOWEST_SOUNDING_COLUMN,
    NOTE_ABOVE_COLUMN,
    SECOND_COLUMN,
    THIRD_COLUMN,
    LOWEST_COLUMN,
    LENGTH_COLUMN,
    BAR_LENGTH_COLUMN,
    VELOCITY_COLUMN,
    LAG_COLUMN,
) = range(19)
"""The columns of the context, in the order of `context_fields`; LAG_COLUMN is the first of those some bars before."""
LAG_PLACE, LAG_INSTRUMENT, LAG_NOTE = range(3)


def lag_column(what: int, lag: int) -> int:
    """The column of LAG_PLACE, LAG_INSTRUMENT or LAG_NOTE, this many bars before."""
    return LAG_COLUMN + what * len(BAR_LAGS) + BAR_LAGS.index(lag)


LINE_COLUMN = LAG_COLUMN + 3 * len(BAR_LAGS)
"""The first column of the line."""


def context_fields(alphabet: Alphabet, meters: tuple[str, ...]) -> tuple[Field, ...]:
    """The fields of the context, in order. `meters` are those of the training pieces."""
    places = tuple(in_quarters(p) for p in range(MAX_BAR))
    instruments = ("none", *(t.name for t in alphabet.tracks))
    lengths = ("none", *map(in_quarters, EVENTS_DURATIONS))
    low, high = alphabet.tempos
    return (
        Field("next", NEXT_SYMBOLS),
        Field("after", AFTER_SYMBOLS),
        Field("place", places),
        Field("within the beat", places[:EVENTS_UNITS]),
        Field("meter", (UNKNOWN_NAME, *meters)),
        Field(BARS_LEFT, BARS_LEFT_SYMBOLS),
        Field("instrument", instruments),
        Field("tempo", tuple(map(tempo_name, range(low, high + 1)))),
        Field("waited", (*places, in_quarters(MAX_BAR))),
        Field("home", ("nothing", *keys.KEY_NAMES)),
        Field("lowest that sounds", lines.PITCH_SYMBOLS),
        Field("note above", lines.PITCH_SYMBOLS),
        *(Field(f"{which} of the onset before", lines.PITCH_SYMBOLS) for which in ("second", "third", "lowest")),
        Field("length before", lengths),
        Field("length a bar before", lengths),
        Field("velocity before", ("none", *(str(velocity_of(b)) for b in range(128 // EVENTS_VELOCITY_BIN)))),
        *(Field(f"place {lag} bars before", ("none", "bar", *places)) for lag in BAR_LAGS),
        *(Field(f"instrument {lag} bars before", instruments) for lag in BAR_LAGS),
        *(Field(f"note {lag} bars before", lines.PITCH_SYMBOLS) for lag in BAR_LAGS),
        *(lines.LINE_FIELDS[i] for i in LINE_SELECTION),
    )


def relations_of(alphabet: Alphabet) -> tuple[Relation, ...]:
    """Intervals from sounding and earlier notes, degrees of the key, waits to a place, and repetitions."""
    kinds, values = alphabet.kinds, alphabet.values
    pitched = range(alphabet.low, alphabet.high + 1)
    pitches = np.where(kinds == PITCH_KIND, values - alphabet.low + 1, 0).astype(np.int64)
    drum = 1 + len(pitched) + alphabet.drum_index[values * (kinds == DRUM_KIND)]
    struck = np.where(kinds == DRUM_KIND, drum, pitches).astype(np.int64)
    places = np.where(
        kinds == BAR_KIND, NEXT_BAR_LINE, np.where(kinds == PLACE_KIND, FIRST_PLACE + values, 0)
    ).astype(np.int64)
    programs, tempos, lengths, loud = (
        _aspects(alphabet, kind) for kind in (PROGRAM_KIND, TEMPO_KIND, DURATION_KIND, VELOCITY_KIND)
    )

    known: list[int | None] = [None, None, *range(128)]
    distance = interval_classes(known, [None, *pitched])
    above = chord_classes(known, [None, *pitched])
    same = _same(len(known), [-1, *(lines.FIRST_NOTE + p for p in (*pitched, *alphabet.drums))])
    here = _same(FIRST_PLACE + MAX_BAR, [-1, *range(1, FIRST_PLACE + MAX_BAR)])
    length = _same(len(EVENTS_DURATIONS) + 1, [-1, *range(1, len(EVENTS_DURATIONS) + 1)])
    program = _same(len(alphabet.tracks) + 1, [-1, *range(1, len(alphabet.tracks) + 1)])
    bins: list[int | None] = [None, *range(128 // EVENTS_VELOCITY_BIN)]
    low, high = alphabet.tempos
    paces: list[int | None] = [*range(low, high + 1)]

    def relation(name: str, column: int, classes: Classes, aspects: Classes) -> Relation:
        return Relation(name, 0, column, classes, aspects)

    relations = [
        *(
            relation(f"from {lines.LINE_FIELDS[LINE_SELECTION[i]].name}", LINE_COLUMN + i, distance, pitches)
            for i in (0, 1, 2, 3, 7, 8, 9)
        ),
        *(
            relation(f"from column {c}", c, distance, pitches)
            for c in (LOWEST_SOUNDING_COLUMN, NOTE_ABOVE_COLUMN, SECOND_COLUMN, THIRD_COLUMN, LOWEST_COLUMN)
        ),
        relation("above the lowest", LOWEST_SOUNDING_COLUMN, above, pitches),
        relation("degree", HOME_COLUMN, _degrees(alphabet), pitches),
        relation("wait", PLACE_COLUMN, _waits(), places),
        relation("length as before", LENGTH_COLUMN, length, lengths),
        relation("length as a bar before", BAR_LENGTH_COLUMN, length, lengths),
    ]
    for lag in BAR_LAGS:
        relations += [
            relation(f"place of {lag} bars before", lag_column(LAG_PLACE, lag), here, places),
            relation(f"note of {lag} bars before", lag_column(LAG_NOTE, lag), same, struck),
            relation(f"instrument of {lag} bars before", lag_column(LAG_INSTRUMENT, lag), program, programs),
        ]
    if alphabet.has_velocities:
        relations.append(relation("louder", VELOCITY_COLUMN, interval_classes(bins, bins), loud))
    if low < high:
        relations.append(relation("faster", TEMPO_COLUMN, interval_classes(paces, [None, *paces]), tempos))
    return tuple(relations)


def _aspects(alphabet: Alphabet, kind: int) -> Classes:
    """(V,): for each symbol of a kind its rank by value, from 1; 0 for all others."""
    symbols = np.flatnonzero(alphabet.kinds == kind)
    aspects = np.zeros(len(alphabet), np.int64)
    aspects[symbols[np.argsort(alphabet.values[symbols])]] = np.arange(1, len(symbols) + 1)
    return aspects


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
