"""The names of General MIDI's instruments, and the parsing of what a user writes for an instrument.

Knows nothing of sound, scores or models.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from playbach.music.events import Track
from playbach.system.errors import UsageError

INSTRUMENT_NAMES: tuple[str, ...] = tuple(
    name.strip()
    for line in (
        # Piano, chromatic percussion
        "Acoustic Grand Piano, Bright Acoustic Piano, Electric Grand Piano, Honky-tonk Piano",
        "Electric Piano 1, Electric Piano 2, Harpsichord, Clavinet",
        "Celesta, Glockenspiel, Music Box, Vibraphone, Marimba, Xylophone, Tubular Bells, Dulcimer",
        # Organ, guitar
        "Drawbar Organ, Percussive Organ, Rock Organ, Church Organ",
        "Reed Organ, Accordion, Harmonica, Tango Accordion",
        "Acoustic Guitar (nylon), Acoustic Guitar (steel), Electric Guitar (jazz), Electric Guitar (clean)",
        "Electric Guitar (muted), Overdriven Guitar, Distortion Guitar, Guitar Harmonics",
        # Bass, strings
        "Acoustic Bass, Electric Bass (finger), Electric Bass (pick), Fretless Bass",
        "Slap Bass 1, Slap Bass 2, Synth Bass 1, Synth Bass 2",
        "Violin, Viola, Cello, Contrabass, Tremolo Strings, Pizzicato Strings, Orchestral Harp, Timpani",
        # Ensemble, brass
        "String Ensemble 1, String Ensemble 2, Synth Strings 1, Synth Strings 2",
        "Choir Aahs, Voice Oohs, Synth Voice, Orchestra Hit",
        "Trumpet, Trombone, Tuba, Muted Trumpet, French Horn, Brass Section, Synth Brass 1, Synth Brass 2",
        # Reed, pipe
        "Soprano Sax, Alto Sax, Tenor Sax, Baritone Sax, Oboe, English Horn, Bassoon, Clarinet",
        "Piccolo, Flute, Recorder, Pan Flute, Blown Bottle, Shakuhachi, Whistle, Ocarina",
        # Synth lead, synth pad
        "Lead 1 (square), Lead 2 (sawtooth), Lead 3 (calliope), Lead 4 (chiff)",
        "Lead 5 (charang), Lead 6 (voice), Lead 7 (fifths), Lead 8 (bass + lead)",
        "Pad 1 (new age), Pad 2 (warm), Pad 3 (polysynth), Pad 4 (choir)",
        "Pad 5 (bowed), Pad 6 (metallic), Pad 7 (halo), Pad 8 (sweep)",
        # Synth effects, ethnic
        "FX 1 (rain), FX 2 (soundtrack), FX 3 (crystal), FX 4 (atmosphere)",
        "FX 5 (brightness), FX 6 (goblins), FX 7 (echoes), FX 8 (sci-fi)",
        "Sitar, Banjo, Shamisen, Koto, Kalimba, Bagpipe, Fiddle, Shanai",
        # Percussive, sound effects
        "Tinkle Bell, Agogo, Steel Drums, Woodblock, Taiko Drum, Melodic Tom, Synth Drum, Reverse Cymbal",
        "Guitar Fret Noise, Breath Noise, Seashore, Bird Tweet",
        "Telephone Ring, Helicopter, Applause, Gunshot",
    )
    for name in line.split(",")
)

INSTRUMENT_FAMILIES: tuple[str, ...] = (
    *("Pianos", "Chromatic Percussion", "Organs", "Guitars", "Basses", "Solo Strings", "Ensembles", "Brass"),
    *("Reeds", "Pipes", "Synth Leads", "Synth Pads", "Synth Effects", "Ethnic", "Percussive", "Sound Effects"),
)
"""The names of the 16 families of eight programs each."""

# Common names for which the standard has another name, or several.
INSTRUMENT_ALIASES = {
    "piano": "Acoustic Grand Piano",
    "grand piano": "Acoustic Grand Piano",
    "electric piano": "Electric Piano 1",
    "organ": "Church Organ",
    "pipe organ": "Church Organ",
    "guitar": "Acoustic Guitar (nylon)",
    "classical guitar": "Acoustic Guitar (nylon)",
    "bass": "Acoustic Bass",
    "double bass": "Contrabass",
    "harp": "Orchestral Harp",
    "strings": "String Ensemble 1",
    "choir": "Choir Aahs",
    "voice": "Voice Oohs",
    "horn": "French Horn",
    "brass": "Brass Section",
    "sax": "Alto Sax",
    "saxophone": "Alto Sax",
    "cembalo": "Harpsichord",
}


def parse_program(name_or_number: str) -> int:
    """The General MIDI program (0 to 127) for a name, a part of a name, or a number.

    Raises:
        UsageError: no instrument has this name or number, or several have.
    """
    wanted = _normalised(name_or_number)
    number = name_or_number.strip()
    if number.isascii() and number.removeprefix("-").isdecimal():
        if number.isdecimal() and len(wanted) <= 3 and int(wanted) < len(INSTRUMENT_NAMES):
            return int(wanted)
        raise UsageError(f"no instrument has the number {number}; General MIDI's numbers are 0 to 127")
    names = [_normalised(name) for name in INSTRUMENT_NAMES]
    if wanted in names:
        return names.index(wanted)
    if wanted in INSTRUMENT_ALIASES:
        return INSTRUMENT_NAMES.index(INSTRUMENT_ALIASES[wanted])
    for matches in (
        [i for i, name in enumerate(names) if wanted and name.startswith(wanted)],
        [i for i, name in enumerate(names) if wanted and wanted in name],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            several = ", ".join(INSTRUMENT_NAMES[i] for i in matches[:6]) + (", ..." if len(matches) > 6 else "")
            raise UsageError(f"{name_or_number!r} matches several instruments; choose one of {several}")
    raise UsageError(_unknown_instrument(name_or_number, wanted, names))


def parse_instruments(spec: Sequence[str], tracks: Sequence[Track]) -> tuple[int | None, ...]:
    """The program for each track; None for a track that keeps its own.

    Args:
        spec: `NAME` sets all tracks but drums, `VOICE=NAME` one track; a later one overrides an earlier one.
        tracks: the tracks of the model.

    Raises:
        UsageError: an instrument or a voice is unknown or ambiguous.
    """
    programs: list[int | None] = [None for _ in tracks]
    for part in spec:
        voice, separator, name = part.rpartition("=")
        number = parse_program(name)
        for i in [_track_index(voice, tracks)] if separator else [i for i, t in enumerate(tracks) if not t.drums]:
            programs[i] = number
    return tuple(programs)


def _track_index(voice: str, tracks: Sequence[Track]) -> int:
    wanted, names = _normalised(voice), [_normalised(track.name) for track in tracks]
    exact = [i for i, name in enumerate(names) if name == wanted]
    matches = exact or [i for i, name in enumerate(names) if wanted and name.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    voices = ", ".join(track.name or "(unnamed)" for track in tracks)
    problem = f"several voices begin with {voice!r}" if matches else f"no voice is called {voice!r}"
    raise UsageError(f"{problem}; this model's voices are {voices}")


def _normalised(name: str) -> str:
    """In lower case, with single spaces for everything but letters and digits."""
    return " ".join(re.findall(r"\w+", name.lower().replace("_", " ")))


def _unknown_instrument(name: str, wanted: str, names: list[str]) -> str:
    similar = difflib.get_close_matches(wanted, [*names, *INSTRUMENT_ALIASES], n=3, cutoff=0.6)
    meant = dict.fromkeys(INSTRUMENT_ALIASES.get(match) or INSTRUMENT_NAMES[names.index(match)] for match in similar)
    question = f"; did you mean {' or '.join(map(repr, meant))}?" if meant else ""
    return f"no instrument is called {name!r}{question} (playbach compose --instruments lists all names)"
