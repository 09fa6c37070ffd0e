"""What the network is told before each step of the `events` encoding, by name, and how symbols stand to it.

What kind of symbol must come, where it is, what sounds, what the instrument's line was, what has just been chosen,
and what came at this place one, two and four bars before. The values of a whole piece come from `events_context.py`,
those of one step from `events_hearing.py`. Knows symbols; knows nothing of notes.
"""

from __future__ import annotations

import numpy as np

from playbach.encodings import lines
from playbach.encodings.base import LEFT, LEFT_SYMBOLS, UNKNOWN_NAME, Field
from playbach.encodings.events.alphabet import (
    BAR,
    DRUM,
    DURATION,
    PITCH,
    PLACE,
    PROGRAM,
    TEMPO,
    VELOCITY,
    Alphabet,
    in_quarters,
    tempo_name,
    velocity_of,
)
from playbach.encodings.events.grid import BINS, DURATIONS, MAX_BAR, UNITS
from playbach.encodings.relations import Classes, Relation, chord_classes, interval_classes
from playbach.music import keys

NEXT = ("event", "pitch", "duration", "velocity")
EVENT, A_PITCH, A_DURATION, A_VELOCITY = range(4)
"""What the next step must be; an event is whatever the place allows."""
AFTER = ("bar", "meter", "place", "tempo", "instrument", "note")
AFTER_BAR, AFTER_METER, AFTER_PLACE, AFTER_TEMPO, AFTER_PROGRAM, AFTER_NOTE = range(6)
LAGS = (1, 2, 4)
"""So many bars before, the network is told what came at this place."""
TOLD = (0, 1, 2, 3, 8, 9, 10, 16, 18, 20, 22, 24, 26)
"""Of the columns of `lines`: the last four notes and the steps between them; the echoes of 2, 4 and 8 intervals, and
the steps to them."""
LENGTHS = {units: i for i, units in enumerate(DURATIONS, 1)}
NO_PLACE, BAR_LINE, FIRST_PLACE = 0, 1, 2
SILENCE, FIRST = lines.NOTHING, lines.FIRST
MOST_WAIT = MAX_BAR
# Columns.
KIND, SINCE, WHERE, PHASE, IN_METER, HOW_MUCH, WHO, PACE, WAITED, HOME, BASS = range(11)
ABOVE, SECOND, THIRD, LOWEST, LENGTH, LENGTH_BEFORE, LOUDNESS, ECHOES = range(11, 19)


def column_of(what: int, lag: int) -> int:
    """The column that tells the place (0), track (1) or note (2) of so many bars before."""
    return ECHOES + what * len(LAGS) + LAGS.index(lag)


LINE = ECHOES + 3 * len(LAGS)


def fields_of(alphabet: Alphabet, meters: tuple[str, ...]) -> tuple[Field, ...]:
    """The context's fields, in order. `meters` are those of the training pieces."""
    places = tuple(in_quarters(p) for p in range(MAX_BAR))
    instruments = ("none", *(t.name for t in alphabet.tracks))
    lengths = ("none", *map(in_quarters, DURATIONS))
    low, high = alphabet.tempos
    return (
        Field("next", NEXT),
        Field("after", AFTER),
        Field("place", places),
        Field("within the beat", places[:UNITS]),
        Field("meter", (UNKNOWN_NAME, *meters)),
        Field(LEFT, LEFT_SYMBOLS),
        Field("instrument", instruments),
        Field("tempo", tuple(map(tempo_name, range(low, high + 1)))),
        Field("waited", (*places, in_quarters(MAX_BAR))),
        Field("home", ("nothing", *keys.NAMES)),
        Field("lowest that sounds", lines.PITCHES),
        Field("note above", lines.PITCHES),
        *(Field(f"{which} of the onset before", lines.PITCHES) for which in ("second", "third", "lowest")),
        Field("length before", lengths),
        Field("length a bar before", lengths),
        Field("velocity before", ("none", *(str(velocity_of(b)) for b in range(128 // BINS)))),
        *(Field(f"place {lag} bars before", ("none", "bar", *places)) for lag in LAGS),
        *(Field(f"instrument {lag} bars before", instruments) for lag in LAGS),
        *(Field(f"note {lag} bars before", lines.PITCHES) for lag in LAGS),
        *(lines.FIELDS[i] for i in TOLD),
    )


def relations_of(alphabet: Alphabet) -> tuple[Relation, ...]:
    """Intervals from what sounds and was, degrees of the key, the wait to a place, and what is the same as before."""
    kinds, values = alphabet.kinds, alphabet.values
    pitched = range(alphabet.low, alphabet.high + 1)
    pitches = np.where(kinds == PITCH, values - alphabet.low + 1, 0).astype(np.int64)
    drum = 1 + len(pitched) + alphabet.drum_index[values * (kinds == DRUM)]
    struck = np.where(kinds == DRUM, drum, pitches).astype(np.int64)
    places = np.where(kinds == BAR, BAR_LINE, np.where(kinds == PLACE, FIRST_PLACE + values, 0)).astype(np.int64)
    programs, tempos, lengths, loud = (_aspects(alphabet, kind) for kind in (PROGRAM, TEMPO, DURATION, VELOCITY))

    known: list[int | None] = [None, None, *range(128)]
    distance = interval_classes(known, [None, *pitched])
    above = chord_classes(known, [None, *pitched])
    same = _same(len(known), [-1, *(FIRST + p for p in (*pitched, *alphabet.drums))])
    here = _same(FIRST_PLACE + MAX_BAR, [-1, *range(1, FIRST_PLACE + MAX_BAR)])
    length = _same(len(DURATIONS) + 1, [-1, *range(1, len(DURATIONS) + 1)])
    program = _same(len(alphabet.tracks) + 1, [-1, *range(1, len(alphabet.tracks) + 1)])
    bins: list[int | None] = [None, *range(128 // BINS)]
    low, high = alphabet.tempos
    paces: list[int | None] = [*range(low, high + 1)]

    def told(name: str, column: int, classes: Classes, aspects: Classes) -> Relation:
        return Relation(name, 0, column, classes, aspects)

    found = [
        *(told(f"from {lines.FIELDS[TOLD[i]].name}", LINE + i, distance, pitches) for i in (0, 1, 2, 3, 7, 8, 9)),
        *(told(f"from column {c}", c, distance, pitches) for c in (BASS, ABOVE, SECOND, THIRD, LOWEST)),
        told("above the lowest", BASS, above, pitches),
        told("degree", HOME, _degrees(alphabet), pitches),
        told("wait", WHERE, _waits(), places),
        told("length as before", LENGTH, length, lengths),
        told("length as a bar before", LENGTH_BEFORE, length, lengths),
    ]
    for lag in LAGS:
        found.append(told(f"place of {lag} bars before", column_of(0, lag), here, places))
        found.append(told(f"note of {lag} bars before", column_of(2, lag), same, struck))
        found.append(told(f"instrument of {lag} bars before", column_of(1, lag), program, programs))
    if alphabet.velocities:
        found.append(told("louder", LOUDNESS, interval_classes(bins, bins), loud))
    if low < high:
        found.append(told("faster", PACE, interval_classes(paces, [None, *paces]), tempos))
    return tuple(found)


def _aspects(alphabet: Alphabet, kind: int) -> Classes:
    """Of each symbol (V,) its number among those of a kind, by their values, from 1 on; 0 of all others."""
    chosen = np.flatnonzero(alphabet.kinds == kind)
    found = np.zeros(len(alphabet), np.int64)
    found[chosen[np.argsort(alphabet.values[chosen])]] = np.arange(1, len(chosen) + 1)
    return found


def _same(known: int, said: list[int]) -> Classes:
    """Class 1 where the context's symbol is the one that is said."""
    return np.asarray(np.arange(known)[:, None] == np.array(said)[None], np.int64)


def _waits() -> Classes:
    """From each place (MAX_BAR,) to each one that is said, in units; a bar line is none."""
    wait = np.arange(-FIRST_PLACE, MAX_BAR)[None] - np.arange(MAX_BAR)[:, None]
    wait[:, :FIRST_PLACE] = 0
    return np.asarray(np.maximum(wait, 0), np.int64)


def _degrees(alphabet: Alphabet) -> Classes:
    """Of each pitch in each key; those of major and minor are different classes."""
    pitches = np.arange(alphabet.low, alphabet.high + 1)
    classes = np.zeros((1 + len(keys.NAMES), 1 + len(pitches)), np.int64)
    for key in range(len(keys.NAMES)):
        mode, tonic = divmod(key, 12)
        classes[1 + key, 1:] = 1 + 12 * mode + (pitches - tonic) % 12
    return classes
