"""A vocabulary of the `events` encoding for any music, from which networks begin that are to be trained further.

It has symbols for what the training pieces of such a network may lack and those of a later one have. Symbols cost
little: with all instruments of General MIDI there are about 800 of them, and a network of 256 units grows by about
a tenth. Knows symbols; knows nothing of pieces.
"""

from __future__ import annotations

from playbach.encodings.events.grid import DRUM_PROGRAM
from playbach.encodings.events.survey import FAMILY
from playbach.encodings.events.symbols import Alphabet
from playbach.encodings.options import EventsOptions
from playbach.music.events import Track
from playbach.music.instruments import INSTRUMENT_FAMILIES, INSTRUMENT_NAMES

ANY_METERS = tuple(
    f"{beats}/{unit}"
    for unit, most in ((2, 4), (4, 8), (8, 13), (16, 15))
    for beats in range(1, most + 1)
    if unit < 16 or beats % 2  # a bar of 6/16 and the like is written in eighths
)
"""All meters of up to eight quarters that are usual, and those of bars that are cut short."""
ANY_TEMPO = 48
"""In steps of a sixteenth of an octave: an eighth to eight times the opening tempo, for fermatas and cadenzas."""
ANY_PITCH = 127
"""The highest pitch; the lowest is 0. Beyond the keys of a piano are organ stops, piccolos and effects."""
ANY_DRUMS = range(27, 88)
"""Those of General MIDI 2."""


def any_alphabet(options: EventsOptions) -> Alphabet:
    """The symbols for any music: all instruments, pitches and drums, the usual meters and tempos."""
    families = options.programs == "families"
    tracks = [Track(name, i * FAMILY if families else i) for i, name in enumerate(instrument_groups(options))]
    return Alphabet(
        meters=ANY_METERS,
        tempos=(-ANY_TEMPO, ANY_TEMPO) if options.tempos == "kept" else (0, 0),
        tracks=(*tracks, Track("Drums", 0, True)),
        low=0,
        high=ANY_PITCH,
        drums=tuple(ANY_DRUMS),
        has_velocities=options.velocities,
    )


def instrument_groups(options: EventsOptions) -> tuple[str, ...]:
    """The names of the instruments without drums."""
    return INSTRUMENT_FAMILIES if options.programs == "families" else INSTRUMENT_NAMES


def any_programs(options: EventsOptions) -> tuple[int, ...]:
    """The track of each program (129,), the last that of the drums."""
    size = FAMILY if options.programs == "families" else 1
    return (*(program // size for program in range(DRUM_PROGRAM)), DRUM_PROGRAM // size)
