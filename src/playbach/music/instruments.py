"""General MIDI's instruments by name: what a user writes into program numbers.

Knows nothing of sound, scores or models.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from playbach.music.events import Track
from playbach.system.errors import UsageError

NAMES: tuple[str, ...] = tuple(
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

FAMILIES: tuple[str, ...] = (
    *("Pianos", "Chromatic Percussion", "Organs", "Guitars", "Basses", "Solo Strings", "Ensembles", "Brass"),
    *("Reeds", "Pipes", "Synth Leads", "Synth Pads", "Synth Effects", "Ethnic", "Percussive", "Sound Effects"),
)
"""Of eight programs each."""

# What people say where the standard has another name, or several.
ALIASES = {
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


def program(name_or_number: str) -> int:
    """The General MIDI program 0-127 that a name, part of a name, or a number means."""
    wanted = _plain(name_or_number)
    number = name_or_number.strip()
    if number.isascii() and number.removeprefix("-").isdecimal():
        if number.isdecimal() and len(wanted) <= 3 and int(wanted) < len(NAMES):
            return int(wanted)
        raise UsageError(f"no instrument {number}: General MIDI counts from 0 to 127")
    names = [_plain(name) for name in NAMES]
    if wanted in names:
        return names.index(wanted)
    if wanted in ALIASES:
        return NAMES.index(ALIASES[wanted])
    for fits in (
        [i for i, name in enumerate(names) if wanted and name.startswith(wanted)],
        [i for i, name in enumerate(names) if wanted and wanted in name],
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            several = ", ".join(NAMES[i] for i in fits[:6]) + (", ..." if len(fits) > 6 else "")
            raise UsageError(f"{name_or_number!r} could be any of these instruments: {several}")
    raise UsageError(_unknown(name_or_number, wanted, names))


def parse(spec: Sequence[str], tracks: Sequence[Track]) -> tuple[int | None, ...]:
    """The program of each track, None where it keeps its own: `NAME` sets all but drums, `VOICE=NAME` one; of
    several, the later counts."""
    programs: list[int | None] = [None for _ in tracks]
    for part in spec:
        voice, given, name = part.rpartition("=")
        number = program(name)
        for i in [_voice(voice, tracks)] if given else [i for i, track in enumerate(tracks) if not track.drums]:
            programs[i] = number
    return tuple(programs)


def _voice(voice: str, tracks: Sequence[Track]) -> int:
    wanted, names = _plain(voice), [_plain(track.name) for track in tracks]
    exact = [i for i, name in enumerate(names) if name == wanted]
    fits = exact or [i for i, name in enumerate(names) if wanted and name.startswith(wanted)]
    if len(fits) == 1:
        return fits[0]
    there = ", ".join(track.name or "(unnamed)" for track in tracks)
    what = f"more than one voice begins with {voice!r}" if fits else f"no voice called {voice!r}"
    raise UsageError(f"{what}; there are: {there}")


def _plain(name: str) -> str:
    """Lower case, and single spaces for everything that is no letter or digit."""
    return " ".join(re.findall(r"\w+", name.lower().replace("_", " ")))


def _unknown(name: str, wanted: str, names: list[str]) -> str:
    close = difflib.get_close_matches(wanted, [*names, *ALIASES], n=3, cutoff=0.6)
    meant = dict.fromkeys(ALIASES.get(match) or NAMES[names.index(match)] for match in close)
    question = f"; did you mean {' or '.join(map(repr, meant))}?" if meant else ""
    rest = "(General MIDI's 128 names: playbach compose --instruments lists them)"
    return f"no instrument called {name!r}{question} {rest}"
