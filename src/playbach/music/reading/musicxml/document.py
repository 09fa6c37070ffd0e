"""From the elements of a MusicXML part to its bars: what is written in each, in ticks from its beginning.

Pitches and keys are those that sound. Nothing is repeated, joined or ornamented here. What a bar inherits from the
bars before it (divisions, key, transposition, pedal) is worked out in the order in which the bars are written.

Source: MusicXML 4.0, https://www.w3.org/2021/06/musicxml40/.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

from playbach.music.events import DEFAULT_VELOCITY, TICKS_PER_QUARTER
from playbach.music.pedal import SUSTAIN
from playbach.music.reading.musicxml.archive import Element
from playbach.music.reading.musicxml.instruments import Instruments
from playbach.music.reading.musicxml.notes import STEPS, GraceNote, Ornament, Scale
from playbach.music.reading.musicxml.ornaments import MAX_GRACES, ornaments_of
from playbach.music.reading.musicxml.tempos import Tempos
from playbach.system.errors import ScoreError, impossible_value

_FORTE = 90
"""The velocity that dynamics in per cent refer to, by the standard."""
_DYNAMICS = {
    "n": 20,
    "pppppp": 20,
    "ppppp": 20,
    "pppp": 20,
    "ppp": 26,
    "pp": 36,
    "p": 49,
    "mp": 64,
    "mf": 80,
    "f": 96,
    "ff": 112,
    "fff": 120,
    "ffff": 127,
    "fffff": 127,
    "ffffff": 127,
}
"""Velocities of the marks."""
_GRACE_TICKS = {
    "breve": 3840,
    "whole": 1920,
    "half": 960,
    "quarter": 480,
    "eighth": 240,
    "16th": 120,
    "32nd": 60,
    "64th": 30,
    "128th": 15,
    "256th": 8,
}
CUE_NOTES = ("cue note is left out", "cue notes are left out")
CHORD_SYMBOLS = ("chord symbol is left out", "chord symbols are left out")
FIGURED_BASSES = ("figured bass is left out", "figured basses are left out")
NO_DURATION = ("note without a duration is left out", "notes without a duration are left out")
ODD_KEYS = ("key that makes no sense is left out", "keys that make no sense are left out")
ODD_METERS = ("meter that makes no sense is left out", "meters that make no sense are left out")
ODD_TRANSPOSITIONS = (
    "transposition that makes no sense is left out",
    "transpositions that make no sense are left out",
)
MORE_GRACES = ("grace note too many is left out", "grace notes too many are left out")
MICROTONES = ("microtone is played as the nearest semitone", "microtones are played as the nearest semitones")
_MOST_STAVES = 32
_MOST_FIFTHS = 12
"""A written key may have more than seven sharps or flats; the sounding one is then the same with fewer."""
_MOST_SEMITONES = 127
_ODD = 1 << 20
"""For a number that cannot be read."""
_LONGEST_BAR = 1 << 20
"""In quarters; positions beyond this are damage."""


@dataclass(frozen=True, slots=True)
class WrittenNote:
    """A note as written, in ticks from the beginning of its bar."""

    onset: int
    end: int
    pitch: int
    velocity: int
    tied: bool = False
    """To the next note."""
    tied_from: bool = False
    """From the note before, as the file says; not every file does."""
    voice: str = "1"
    staff: int = 1
    chord: int = 0
    """The number of its chord within the bar."""
    instrument: str = ""
    """The id of its instrument in the part, if it names one."""
    passes: frozenset[int] | None = None
    """The times through the bar at which it is played (`time-only`); None: each time."""
    ornaments: tuple[Ornament, ...] = ()
    graces: tuple[GraceNote, ...] = ()
    after_graces: tuple[GraceNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A value that begins at a tick of a bar: a key, a tempo, a controller."""

    tick: int
    value: tuple[int, int] | float
    passes: frozenset[int] | None = None


@dataclass
class Bar:
    """What one part has in one bar."""

    length: int = 0
    """In ticks, as far as the part's notes, rests and gaps reach; 0 for an empty bar."""
    notes: list[WrittenNote] = field(default_factory=list)
    meter: tuple[int, int] | None = None
    """A time signature that begins here."""
    keys: list[Change] = field(default_factory=list)
    """(sharps or flats below 0, 1 for minor), sounding."""
    tempos: list[Change] = field(default_factory=list)
    """Quarters a minute."""
    fermatas: list[int] = field(default_factory=list)
    """The ticks at which notes with a fermata begin."""
    controls: list[Change] = field(default_factory=list)
    """(controller, value)."""


@dataclass
class WrittenPart:
    """A part and its bars."""

    name: str
    instruments: Instruments
    bars: list[Bar]
    staves: int = 1
    is_drums: bool = False
    """Whether it has notes without pitch, or its channel is that of drums."""
    is_transposed: bool = False
    """Whether it is written in another key than it sounds."""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many things of each kind are left out or changed: of CUE_NOTES and the like, for one and for several."""


def read_part(part: Element, description: Element, siblings: tuple[str, ...] = ()) -> WrittenPart:
    """Read one part.

    Args:
        part: the `part` element.
        description: its `score-part`.
        siblings: the names of all parts of the score; a Bass beside a Soprano is a voice.

    Raises:
        ScoreError: a number, a pitch or a meter is impossible.
    """
    instruments = Instruments.of_part(description, siblings)
    written = WrittenPart(_text(description, "part-name"), instruments, [], is_drums=instruments.is_drums)
    reader = _PartReader(written, _first_divisions(part))
    for measure in part.findall("measure"):
        written.bars.append(reader.read_bar(measure))
    _fill_bar_repeats(part, written.bars)
    return written


class _PartReader:
    """The state of a part from bar to bar, and the bar that is being read."""

    def __init__(self, part: WrittenPart, divisions: Fraction) -> None:
        self._part = part
        self._divisions = divisions
        self._tempos = Tempos()
        self._fifths: dict[int, int] = {}  # by staff, as written; 0 for all staves
        self._transpositions: dict[int, tuple[int, int]] = {}  # by staff: chromatic, diatonic
        self._minor = 0
        self._velocity = DEFAULT_VELOCITY
        self._graces: dict[str, list[GraceNote]] = {}  # by voice, waiting for their note
        self._begin_bar()

    def _begin_bar(self) -> None:
        self._bar = Bar()
        self._cursor = self._furthest = self._chord_onset = Fraction(0)
        self._accidentals: dict[int, dict[int, float]] = {}  # by staff
        self._last_chord: dict[str, int] = {}  # by voice: the index of its first note
        self._chord = 0
        self._voice = "1"

    def read_bar(self, measure: Element) -> Bar:
        self._begin_bar()
        for child in measure:
            read = _READERS.get(child.tag)
            if read is not None:
                read(self, child)
        for voice in list(self._graces):
            self._close_with_graces(voice)
        self._bar.length = _ticks(self._furthest)
        return self._bar

    # ------------------------------------------------------------------------------------------------- attributes

    def attributes(self, element: Element) -> None:
        if (divisions := element.find("divisions")) is not None:
            self._divisions = _divisions(divisions)
        if (staves := element.find("staves")) is not None:
            self._part.staves = max(self._part.staves, min(_integer(staves, 1), _MOST_STAVES))
        if (time := element.find("time")) is not None:
            self._read_meter(time)
        for transpose in element.findall("transpose"):
            self._read_transposition(transpose)
        for key in element.findall("key"):
            self._read_key(key)
        if self._fifths and (element.find("key") is not None or element.find("transpose") is not None):
            fifths = self._fifths.get(1, self._fifths.get(0, 0))
            sounding = sounding_key(fifths, *self._transposition(1))
            self._bar.keys.append(Change(_ticks(self._cursor), (sounding, self._minor)))

    def _read_meter(self, element: Element) -> None:
        try:
            meter = _meter(element)
        except ValueError:
            self._part.counts[ODD_METERS] += 1
        else:
            self._bar.meter = self._bar.meter or meter

    def _read_key(self, element: Element) -> None:
        if element.find("fifths") is None:  # a key of single alterations, which has no name
            return
        fifths = _integer(element.find("fifths"), _ODD)
        if not -_MOST_FIFTHS <= fifths <= _MOST_FIFTHS:
            self._part.counts[ODD_KEYS] += 1
            return
        staff = _attribute(element, "number")
        if staff == 0:
            self._fifths.clear()
        self._fifths[staff] = fifths
        if staff <= 1:
            self._minor = int(element.findtext("mode", "").strip() == "minor")

    def _read_transposition(self, element: Element) -> None:
        octaves, chromatic = (_integer(element.find(name), _ODD) for name in ("octave-change", "chromatic"))
        steps = _integer(element.find("diatonic"), _ODD)
        if max(abs(octaves), abs(chromatic), abs(steps)) > _MOST_SEMITONES:
            self._part.counts[ODD_TRANSPOSITIONS] += 1
            return
        has_steps = element.find("diatonic") is not None
        found = chromatic + 12 * octaves, steps + 7 * octaves if has_steps else _NO_STEPS
        staff = _attribute(element, "number")
        if staff == 0:
            self._transpositions.clear()
        self._transpositions[staff] = found
        if found[0] % 12:
            self._part.is_transposed = True

    def _transposition(self, staff: int) -> tuple[int, int]:
        return self._transpositions.get(staff, self._transpositions.get(0, (0, 0)))

    # ------------------------------------------------------------------------------------------------------ notes

    def note(self, element: Element) -> None:
        is_chord, is_grace = element.find("chord") is not None, element.find("grace") is not None
        # Some files tell the voice of a chord's first note only.
        self._voice = element.findtext("voice", self._voice if is_chord else "1").strip()
        duration = Fraction(0) if is_grace else self._duration(element)
        if not is_chord:
            self._chord_onset = self._cursor
            self._chord += 1
            self._move(duration)
        if element.find("cue") is not None:
            self._part.counts[CUE_NOTES] += element.find("rest") is None
        elif element.find("rest") is not None:
            self._close_with_graces(self._voice)
        elif is_grace:
            self._read_grace(element, is_chord)
        elif duration:
            self._add_note(element, duration, is_chord)
        else:
            self._part.counts[NO_DURATION] += 1

    def _add_note(self, element: Element, duration: Fraction, is_chord: bool) -> None:
        scale, pitch = self._pitch(element)
        if pitch is None:
            return
        voice, notes = self._voice, self._bar.notes
        if not is_chord or voice not in self._last_chord:
            self._last_chord[voice] = len(notes)
        onset, end = _ticks(self._chord_onset), _ticks(self._chord_onset + duration)
        if element.find("notations/fermata") is not None:
            self._bar.fermatas.append(onset)
        instrument = element.find("instrument")
        notes.append(
            WrittenNote(
                onset,
                max(end, onset + 1),
                pitch,
                self._note_velocity(element),
                tied=_is_tied(element, "start"),
                tied_from=_is_tied(element, "stop"),
                voice=voice,
                staff=_staff(element),
                chord=self._chord,
                instrument="" if instrument is None else instrument.get("id", ""),
                passes=_passes(element.get("time-only")),
                ornaments=ornaments_of(element, scale),
                graces=tuple(self._graces.pop(voice, ())),
            )
        )

    def _note_velocity(self, element: Element) -> int:
        percent = element.get("dynamics")
        return self._velocity if percent is None else _velocity(percent, self._velocity)

    def _pitch(self, element: Element) -> tuple[Scale, int | None]:
        """The scale at a note, and its sounding pitch; None for a note without one."""
        staff = _staff(element)
        accidentals = self._accidentals.setdefault(staff, {})
        fifths = self._fifths.get(staff, self._fifths.get(0, 0))
        scale = Scale(fifths, self._transposition(staff)[0], dict(accidentals))
        pitch = element.find("pitch")
        if pitch is None:
            if element.find("unpitched") is None:
                return scale, None
            self._part.is_drums = True
            instrument = element.find("instrument")
            return scale, self._part.instruments.drum(None if instrument is None else instrument.get("id"))
        step = _text(pitch, "step").upper()
        if step not in STEPS or not step:
            raise impossible_value("pitch", step[:20] or "without a step")
        octave, alter = round(_number(pitch.find("octave"))), _number(pitch.find("alter"))
        if not -100 < alter < 100 or not -100 < octave < 100:
            raise impossible_value("pitch", f"{step}{octave}")
        self._part.counts[MICROTONES] += alter != round(alter)
        degree = 7 * octave + STEPS.index(step)
        if not _is_tied(element, "stop") or element.find("accidental") is not None:
            accidentals[degree] = alter  # a tie takes it over the bar line for its own note alone
        scale = replace(scale, accidentals={**scale.accidentals, degree: alter})
        sounding = scale.pitch(degree)
        if not 0 <= sounding <= 127:
            raise impossible_value("pitch", sounding)
        return scale, sounding

    def _read_grace(self, element: Element, is_chord: bool) -> None:
        _, pitch = self._pitch(element)
        if pitch is None:
            return
        waiting = self._graces.setdefault(self._voice, [])
        if is_chord and waiting:
            waiting[-1] = replace(waiting[-1], pitches=(*waiting[-1].pitches, pitch))
            return
        grace = element.find("grace")
        slashed = grace is not None and grace.get("slash") == "yes"
        ticks = _GRACE_TICKS.get(_text(element, "type"), _GRACE_TICKS["eighth"])
        if len(waiting) >= MAX_GRACES:
            self._part.counts[MORE_GRACES] += 1
            return
        waiting.append(GraceNote((pitch,), ticks, slashed, self._note_velocity(element)))
        # A slur that ends with a grace note ties it to the note before it, as after a trill.
        ends_slur = any(slur.get("type") == "stop" for slur in element.iterfind("notations/slur"))
        if ends_slur or (grace is not None and grace.get("steal-time-previous")):
            self._close_with_graces(self._voice)

    def _close_with_graces(self, voice: str) -> None:
        """Give waiting grace notes to the chord before them. Without one, they wait for the next note."""
        index = self._last_chord.get(voice)
        if index is not None and voice in self._graces:
            note = self._bar.notes[index]
            graces = (*note.after_graces, *self._graces.pop(voice))
            self._bar.notes[index] = replace(note, after_graces=graces)

    def _duration(self, element: Element) -> Fraction:
        found = element.find("duration")
        if found is None:
            return Fraction(0)
        duration = _fraction(found) / self._divisions
        if not 0 <= duration < _LONGEST_BAR:
            raise impossible_value("duration", (found.text or "").strip()[:20])
        return duration

    def _move(self, quarters: Fraction) -> None:
        self._cursor = max(Fraction(0), self._cursor + quarters)
        self._furthest = max(self._furthest, self._cursor)
        if self._furthest > _LONGEST_BAR:
            raise impossible_value("bar", "of more than a million quarters")

    def backup(self, element: Element) -> None:
        self._move(-self._duration(element))

    def forward(self, element: Element) -> None:
        self._move(self._duration(element))

    # ------------------------------------------------------------------------------------------------- directions

    def direction(self, element: Element) -> None:
        tick = _ticks(self._sounding_place(element))
        sound = element.find("sound")
        passes = None if sound is None else _passes(sound.get("time-only"))
        self._read_tempo(element, tick, passes)
        for pedal in element.iterfind("direction-type/pedal"):
            self._read_pedal(pedal.get("type", ""), tick, passes)
        for mark in element.iterfind("direction-type/dynamics/*"):
            self._velocity = _DYNAMICS.get(mark.tag, self._velocity)
        if sound is not None:
            self._read_sound(sound, tick, passes)

    def sound(self, element: Element) -> None:
        tick, passes = _ticks(self._sounding_place(element)), _passes(element.get("time-only"))
        self._read_tempo(element, tick, passes)
        self._read_sound(element, tick, passes)

    def _sounding_place(self, element: Element) -> Fraction:
        """Where a direction sounds: an offset counts only if it says so."""
        for offset in (element.find("sound/offset"), element.find("offset")):
            if offset is not None and (element.tag == "sound" or offset.get("sound") == "yes"):
                return max(Fraction(0), self._cursor + _fraction(offset) / self._divisions)
        return self._cursor

    def _read_tempo(self, element: Element, tick: int, passes: frozenset[int] | None) -> None:
        qpm = self._tempos.read(element)
        if qpm is not None:
            self._bar.tempos.append(Change(tick, qpm, passes))

    def _read_sound(self, sound: Element, tick: int, passes: frozenset[int] | None) -> None:
        if sound.get("dynamics") is not None:
            self._velocity = _velocity(sound.get("dynamics", ""), self._velocity)
        if (damper := sound.get("damper-pedal")) is not None:
            self._read_pedal("stop" if damper in ("no", "0") else "start", tick, passes)

    def _read_pedal(self, kind: str, tick: int, passes: frozenset[int] | None) -> None:
        changes = {"start": [127], "resume": [127], "stop": [0], "discontinue": [0], "change": [0, 127]}
        for i, value in enumerate(changes.get(kind, [])):  # lifted, then pressed a tick later
            if not any(c.tick == tick + i and c.value == (SUSTAIN, value) for c in self._bar.controls):
                self._bar.controls.append(Change(tick + i, (SUSTAIN, value), passes))

    def harmony(self, _: Element) -> None:
        self._part.counts[CHORD_SYMBOLS] += 1

    def figured_bass(self, _: Element) -> None:
        self._part.counts[FIGURED_BASSES] += 1


_READERS: Mapping[str, Callable[[_PartReader, Element], None]] = {
    "attributes": _PartReader.attributes,
    "note": _PartReader.note,
    "backup": _PartReader.backup,
    "forward": _PartReader.forward,
    "direction": _PartReader.direction,
    "sound": _PartReader.sound,
    "harmony": _PartReader.harmony,
    "figured-bass": _PartReader.figured_bass,
}

_NO_STEPS = 1 << 16
"""For a transposition that does not say by how many steps of the scale."""


def sounding_key(fifths: int, chromatic: int, diatonic: int = _NO_STEPS) -> int:
    """The key signature that sounds, for one that is written in a transposed part.

    Args:
        fifths: the written one: sharps, or flats below 0.
        chromatic: by how many semitones the part sounds higher.
        diatonic: by how many steps; _NO_STEPS: whatever gives the fewest sharps or flats.

    Returns:
        Sharps, or flats below 0; between -7 and 7.
    """
    sounding = fifths + 7 * chromatic - 12 * diatonic
    if diatonic == _NO_STEPS or not -7 <= sounding <= 7:
        is_same = chromatic % 12 == 0 and -7 <= fifths <= 7
        sounding = fifths if is_same else (fifths + 7 * chromatic + 6) % 12 - 6
    return sounding


def _first_divisions(part: Element) -> Fraction:
    """The first divisions of a part: notes before them have them too. 1 if there are none."""
    found = part.find("measure/attributes/divisions")
    return Fraction(1) if found is None else _divisions(found)


def _divisions(element: Element) -> Fraction:
    divisions = _fraction(element)
    if divisions <= 0:
        raise impossible_value("divisions", (element.text or "").strip()[:20])
    return divisions


def _meter(element: Element) -> tuple[int, int] | None:
    """The meter of a `time` element: 3+2 over 8 is 5/8, and 2/4 and 3/8 together are 7/8.

    None if it has none. Raises ValueError if it makes no sense.
    """
    beats = [e.text or "" for e in element.findall("beats")]
    types = [e.text or "" for e in element.findall("beat-type")]
    total, smallest = Fraction(0), 1
    for numerator, denominator in zip(beats, types):
        try:
            parts = [Fraction(text) for text in numerator.split("+")]
            unit = int(denominator)
            total += sum(parts, Fraction(0)) / unit
        except ZeroDivisionError:
            raise ValueError(denominator) from None
        smallest = max(smallest, unit)
    if not beats or not types:
        return None
    while smallest <= 128 and (total * smallest).denominator != 1:  # such as 2.5/4
        smallest *= 2
    count = total * smallest
    if smallest not in _BEAT_TYPES or not 1 <= count <= 255:
        raise ValueError(f"{beats[0]}/{types[0]}")
    return int(count), smallest


_BEAT_TYPES = frozenset(1 << power for power in range(8))


def _fill_bar_repeats(part: Element, bars: list[Bar]) -> None:
    """Write out bars that only say that the bars before them are played again."""
    again = 0  # how many bars the pattern has
    for i, (measure, bar) in enumerate(zip(part.iterfind("measure"), bars)):
        for mark in measure.iterfind("attributes/measure-style/measure-repeat"):
            again = max(1, min(_integer(mark, 1), 16)) if mark.get("type") == "start" else 0
        if again and i >= again and not bar.notes:
            bar.notes = list(bars[i - again].notes)
            bar.length = bar.length or bars[i - again].length


# ------------------------------------------------------------------------------------------------- texts and numbers


@lru_cache(1 << 14)
def _ticks(quarters: Fraction) -> int:
    return round(quarters * TICKS_PER_QUARTER)


def _text(element: Element, name: str) -> str:
    return " ".join((element.findtext(name) or "").split())


def _is_tied(element: Element, kind: str) -> bool:
    """Whether a tie starts or stops at a note. `tie` is what sounds; some files have only `tied`, which is drawn."""
    ties = element.findall("tie") or element.findall("notations/tied")
    return any(tie.get("type") == kind for tie in ties)


def _staff(element: Element) -> int:
    text = element.findtext("staff", "1").strip()
    return int(text) if text.isdecimal() and 1 <= len(text) <= 2 else 1


def _attribute(element: Element, name: str) -> int:
    """A staff's number; 0 for all staves."""
    text = element.get(name, "0").strip()
    return int(text) if text.isdecimal() and len(text) <= 2 else 0


def _passes(text: str | None) -> frozenset[int] | None:
    """The numbers in a `time-only`, such as `1, 2`; None if there are none."""
    numbers = frozenset(int(n) for n in re.findall(r"\d{1,4}", text or ""))
    return numbers or None


def _fraction(element: Element) -> Fraction:
    """A number as written. Raises ScoreError if it is none."""
    try:
        return _parse_fraction(element.text or "")
    except (ValueError, ZeroDivisionError):
        raise impossible_value(element.tag, repr((element.text or "").strip()[:20])) from None


@lru_cache(1 << 12)
def _parse_fraction(text: str) -> Fraction:
    if len(text) > 40 or "e" in text.lower():  # 1e999999999 would fill the memory
        raise ValueError(text)
    return Fraction(text.strip())


def _number(element: Element | None) -> float:
    """A number; 0 if the element is missing. Raises ScoreError if it is none."""
    return 0.0 if element is None else float(_fraction(element))


def _integer(element: Element | None, otherwise: int) -> int:
    """A whole number; 0 if the element is missing, `otherwise` if it is none."""
    try:
        return round(_number(element))
    except ScoreError:
        return otherwise


def _velocity(percent: str, otherwise: int) -> int:
    """The velocity for dynamics in per cent of a forte."""
    try:
        return min(max(round(float(percent) * _FORTE / 100), 1), 127)
    except (ValueError, OverflowError):
        return otherwise
