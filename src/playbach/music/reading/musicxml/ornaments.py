"""Ornaments of MusicXML: which a note carries, and how they are played.

They are played as MuseScore 3.2.3 plays them in its MIDI export, a rule for each kind, found by exporting notes of
many lengths at many tempos. Where the program ignores what MusicXML says (an accidental on a trill, a slide, a
tremolo of more than four strokes), the notation is followed. All ornaments of a note stay within the note.

Knows the XML of one note, but not of a bar; not symusic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from xml.etree.ElementTree import Element

from playbach.music.reading.musicxml.notes import (
    QUARTER,
    STEPS,
    Figure,
    GraceNote,
    Ornament,
    PartNote,
    Scale,
    Slots,
)

_DEFAULT_TEMPO = 120.0
_TEMPO_RANGE = (10.0, 960.0)
_MAX_NOTES = 256
"""A written note is played as at most so many notes."""
_MAX_MARKS = 32
"""At most so many marks of a note are looked at; there are 16 numbers for those that span notes."""
MAX_GRACES = 100
"""At most so many grace notes are played before a note, and as many after it."""


# ------------------------------------------------------------------------------------------------ what is played


def _slots(*degrees: int) -> Slots:
    return tuple((degree, 1) for degree in degrees)


_TRILL = Figure(_slots(0, 1), _slots(0, 1))
_TURN = Figure(_slots(1, 0, -1, 0))
_INVERTED_TURN = Figure(_slots(-1, 0, 1, 0))
_FIGURES = {
    "trill-mark": ("trill", _TRILL),
    "wavy-line": ("trill", _TRILL),
    "turn": ("turn", _TURN),
    "delayed-turn": ("turn", _TURN),
    "vertical-turn": ("turn", _TURN),
    "haydn": ("turn", _TURN),
    "inverted-turn": ("inverted turn", _INVERTED_TURN),
    "delayed-inverted-turn": ("inverted turn", _INVERTED_TURN),
    "inverted-vertical-turn": ("inverted turn", _INVERTED_TURN),
    "mordent": ("mordent", Figure(_slots(0, -1, 0))),
    "inverted-mordent": ("inverted mordent", Figure(_slots(0, 1, 0))),
    "shake": ("inverted mordent", Figure(_slots(1, 0, 1, 0))),
    "schleifer": ("schleifer", Figure(_slots(-2, -1, 0))),
}
_EIGHTHS = QUARTER // 4
_LONG_MORDENTS = {
    # Name, approach, departure.
    ("mordent", "", ""): Figure(_slots(1, 0, -1, 0)),
    ("mordent", "below", ""): Figure(_slots(-1, 0), _slots(1, 0), _slots(-1, 0), _EIGHTHS),
    ("mordent", "above", ""): Figure(((1, 3), (0, 1)), _slots(1, 0), _slots(-1, 0), _EIGHTHS),
    ("inverted-mordent", "", ""): Figure(_slots(1, 0, 1, 0)),
    ("inverted-mordent", "below", ""): Figure(_slots(-1, 0), _slots(1, 0), _slots(1, 0), _EIGHTHS),
    ("inverted-mordent", "above", ""): Figure(((1, 3), (0, 1)), _slots(1, 0), (), _EIGHTHS),
    ("inverted-mordent", "", "above"): Figure(_slots(1, 0), _slots(1, 0), _slots(-1, 0), _EIGHTHS),
    ("inverted-mordent", "", "below"): Figure(_slots(1, 0), _slots(1, 0), ((-1, 1), (0, 3)), _EIGHTHS),
}
_ALTERATIONS = {
    "sharp": 1.0,
    "natural": 0.0,
    "flat": -1.0,
    "double-sharp": 2.0,
    "sharp-sharp": 2.0,
    "flat-flat": -2.0,
    "double-flat": -2.0,
    "natural-sharp": 1.0,
    "natural-flat": -1.0,
}


# ------------------------------------------------------------------------------------------- ornaments of one note


def ornaments_of(note: Element, scale: Scale) -> tuple[Ornament, ...]:
    """The ornaments in a note's `<notations>`.

    Args:
        note: a `<note>`.
        scale: what holds at the note, with the note's own accidental.
    """
    found: list[Ornament] = []
    for notations in note.iterfind("notations"):
        for element in notations:
            if element.tag == "ornaments":
                found.extend(_in_ornaments(element, _degree(note), scale))
            elif element.tag == "arpeggiate":
                found.append(Ornament("arpeggio", downward=element.get("direction") == "down"))
            elif element.tag in ("glissando", "slide"):
                found.append(Ornament(element.tag, place=element.get("type", ""), number=_number(element)))
    return tuple(found[:_MAX_MARKS])


def _in_ornaments(ornaments: Element, degree: int | None, scale: Scale) -> Iterator[Ornament]:
    children = list(ornaments)[:_MAX_MARKS]
    for index, element in enumerate(children):
        if element.tag == "tremolo":
            tremolo = _tremolo(element)
            if tremolo is not None:
                yield tremolo
        elif element.tag in _FIGURES and degree is not None:
            kind, figure = _FIGURES[element.tag]
            if element.get("long") == "yes":
                figure = _long_mordent(element) or figure
            spans = element.tag == "wavy-line"
            yield Ornament(
                kind,
                place=element.get("type", "start") if spans else "",
                number=_number(element) if spans else "1",
                figure=figure,
                neighbours=_neighbours(children[index + 1 :], degree, scale, upper_first=figure != _MORDENT),
                scale=replace(scale, accidentals=dict(scale.accidentals)),
            )


_MORDENT = _FIGURES["mordent"][1]


def _degree(note: Element) -> int | None:
    """7 * octave + step; None: the note has no pitch."""
    pitch = note.find("pitch")
    if pitch is None:
        return None
    step, octave = pitch.findtext("step", "").strip(), pitch.findtext("octave", "").strip()
    if step not in STEPS or len(step) != 1 or not (octave.isdecimal() and len(octave) == 1):
        return None
    return 7 * int(octave) + STEPS.index(step)


def _neighbours(following: Iterable[Element], degree: int, scale: Scale, *, upper_first: bool) -> tuple[int, int]:
    """The pitches below and above, altered by the accidental marks that follow the ornament."""
    below = above = None
    for element in following:
        if element.tag in _FIGURES or element.tag == "tremolo":
            if element.tag != "wavy-line":
                break
        elif element.tag == "accidental-mark":
            alter = _ALTERATIONS.get((element.text or "").strip())
            if element.get("placement", "above" if upper_first else "below") == "below":
                below = alter
            else:
                above = alter
    return _midi(scale.pitch(degree - 1, below)), _midi(scale.pitch(degree + 1, above))


def _midi(pitch: int) -> int:
    return min(max(pitch, 0), 127)


def _long_mordent(element: Element) -> Figure | None:
    """None: it isn't known how this one is played."""
    return _LONG_MORDENTS.get((element.tag, element.get("approach", ""), element.get("departure", "")))


def _tremolo(element: Element) -> Ornament | None:
    kind, text = element.get("type", "single"), (element.text or "").strip()
    if kind == "unmeasured":
        return Ornament("tremolo", strokes=3)
    if kind not in ("single", "start", "stop") or text not in ("1", "2", "3", "4", "5", "6", "7", "8"):
        return None
    return Ornament("tremolo", place="" if kind == "single" else kind, strokes=min(int(text), 4))


def _number(element: Element) -> str:
    number = element.get("number", "1")
    return number if number in _NUMBERS else "1"


_NUMBERS = frozenset(str(number) for number in range(1, 17))


# ---------------------------------------------------------------------------------------------------- whole parts


def count_ornaments(notes: Sequence[PartNote]) -> dict[str, int]:
    """How many there are of each kind, such as `{"trill": 3, "grace note": 12}`. Ornaments of a chord, and those that
    span notes, count once."""
    counts: Counter[str] = Counter()
    for chord in _chords(notes):
        counts["grace note"] += sum(len(note.graces) + len(note.after_graces) for note in chord)
        counts.update({o.kind for note in chord for o in note.ornaments if o.place in ("", "start")})
    return {kind: count for kind, count in counts.items() if count}


def without_ornaments(notes: Sequence[PartNote]) -> list[PartNote]:
    """The notes as plain notes, without grace notes."""
    return [_plain(note) for note in notes]


def play_ornaments(notes: Sequence[PartNote], tempo_at: Callable[[int], float] | None = None) -> list[PartNote]:
    """The notes with their ornaments and grace notes played out, by onset.

    Args:
        notes: of one part; those of each voice by onset.
        tempo_at: quarters per minute at a tick; None: 120 everywhere.

    Returns:
        Notes without ornaments and grace notes: at most 256 for each note, and 200 grace notes for each chord. All
        are at least one tick long and within the written note (one without length stays as it is).
    """
    chords = _chords(notes)
    trills = _trills_over_notes(chords)
    targets = _glissando_targets(chords)
    partners = _tremolo_partners(chords)
    seconds = set(partners.values())
    played: list[PartNote] = []
    for index, chord in enumerate(chords):
        if index in partners:
            played += _play_tremolo_of_two(chord, chords[partners[index]], _tempo(tempo_at, chord[0].onset))
        elif index in seconds:
            continue
        elif index in trills or any(n.ornaments or n.graces or n.after_graces for n in chord):
            tempo = _tempo(tempo_at, chord[0].onset)
            played += _play_chord(chord, trills.get(index), targets, tempo)
        else:
            played += chord
    return sorted(played, key=lambda note: (note.onset, note.pitch))


def _plain(note: PartNote) -> PartNote:
    if not (note.ornaments or note.graces or note.after_graces):
        return note
    return replace(note, ornaments=(), graces=(), after_graces=())


def _chords(notes: Sequence[PartNote]) -> list[list[PartNote]]:
    return [list(chord) for _, chord in groupby(notes, key=lambda note: (note.chord, note.onset, note.voice))]


def _tempo(tempo_at: Callable[[int], float] | None, tick: int) -> float:
    tempo = _DEFAULT_TEMPO if tempo_at is None else tempo_at(tick)
    low, high = _TEMPO_RANGE
    return min(max(tempo, low), high) if tempo > 0 else _DEFAULT_TEMPO


def _trills_over_notes(chords: Sequence[Sequence[PartNote]]) -> dict[int, Ornament]:
    """The trill over each chord from the start of a wavy line to its stop, by the chord's index. A line that never
    stops holds for its first chord alone."""
    trills: dict[int, Ornament] = {}
    open_lines: dict[str, tuple[int, Ornament]] = {}
    for index, chord in enumerate(chords):
        lines = [o for note in chord for o in note.ornaments if o.kind == "trill" and o.place]
        for line in lines:
            if line.place == "start":
                open_lines[line.number] = index, line
                trills[index] = line
        for line in lines:
            if line.place == "stop" and line.number in open_lines:
                first, opening = open_lines.pop(line.number)
                voice = chords[first][0].voice
                trills.update({i: opening for i in range(first, index + 1) if chords[i][0].voice == voice})
    return trills


def _glissando_targets(chords: Sequence[Sequence[PartNote]]) -> dict[int, int]:
    """The pitch to which each note with a glissando slides, by the note's identity."""
    targets: dict[int, int] = {}
    open_lines: dict[tuple[str, str], PartNote] = {}
    for note in (note for chord in chords for note in chord):
        lines = [o for o in note.ornaments if o.kind in ("glissando", "slide")]
        for line in lines:
            if line.place == "stop" and (line.kind, line.number) in open_lines:
                targets[id(open_lines.pop((line.kind, line.number)))] = note.pitch
        for line in lines:
            if line.place == "start":
                open_lines[line.kind, line.number] = note
    return targets


def _tremolo_partners(chords: Sequence[Sequence[PartNote]]) -> dict[int, int]:
    """The indices of the chords that alternate: of the first, that of the second, which follows in its voice."""
    partners: dict[int, int] = {}
    open_tremolos: dict[str, int] = {}
    for index, chord in enumerate(chords):
        first = open_tremolos.pop(chord[0].voice, None)
        places = {o.place for note in chord for o in note.ornaments if o.kind == "tremolo"}
        if first is not None and "stop" in places and chords[first][0].end == chord[0].onset:
            partners[first] = index
        elif "start" in places:
            open_tremolos[chord[0].voice] = index
    return partners


# --------------------------------------------------------------------------------------------------- one chord


def _play_chord(
    chord: Sequence[PartNote], line: Ornament | None, targets: dict[int, int], tempo: float
) -> Iterator[PartNote]:
    """One chord's notes: of several ornaments the one that the program prefers."""
    ornaments = [o for note in chord for o in note.ornaments]
    tremolos = [o for o in ornaments if o.kind == "tremolo" and not o.place]
    figures = [o for o in ornaments if o.figure is not None and o.place in ("", "start")]
    if line is not None:
        figures = [line]
    figures = [o for o in figures if o.kind == "trill"][:1] or figures[-1:]
    arpeggio = any(o.kind == "arpeggio" for o in ornaments)
    if figures and not tremolos and not arpeggio and not any(id(note) in targets for note in chord):
        played = _play_figure(chord, figures[0], tempo)
        if played:
            yield from played
            return
    graces, start, end = _play_graces(chord, tempo)
    yield from graces
    if tremolos:  # the program lets the graces sound together with the first notes of a tremolo or arpeggio
        yield from _play_tremolo(chord, tremolos[0].strokes, end)
    elif arpeggio:
        yield from _play_arpeggio(chord, tempo, end, downward=any(o.downward for o in ornaments))
    else:
        for note in chord:
            if id(note) in targets:
                yield from _play_glissando(note, targets[id(note)], start, end)
            else:
                yield _note(note, start, end if note.end == chord[0].end else note.end)


def _note(note: PartNote, onset: int, end: int, pitch: int | None = None) -> PartNote:
    """A played note, within the written one, and at least one tick long."""
    plain = _plain(note)
    if plain.end <= plain.onset:
        return plain
    onset = min(max(onset, plain.onset), plain.end - 1)
    end = min(max(end, onset + 1), plain.end)
    return replace(plain, onset=onset, end=end, pitch=plain.pitch if pitch is None else pitch)


def _play_graces(chord: Sequence[PartNote], tempo: float) -> tuple[list[PartNote], int, int]:
    """The grace notes of a chord, and from when to when the chord itself sounds.

    One note with a stroke takes 65 ms, at most half of the chord. Otherwise all together take half of it, or the
    undotted value of a dotted note, in equal parts, whatever their written lengths.
    """
    before, after = _graces(chord)
    first = chord[0]
    opening, closing = _graces_share(first.tied[0] if first.tied else first.end - first.onset), 0
    if after:
        closing = _graces_share(first.tied[-1]) if first.tied else opening * len(after) // (len(before) + len(after))
        opening = opening if first.tied else opening - closing
    elif len(before) == 1 and before[0].slashed:
        opening = min(int(0.065 * tempo / 60 * QUARTER), opening, (first.end - first.onset) // 2)
    opening = max(min(opening, first.end - first.onset - 1), 0) if before else 0
    closing = max(min(closing, first.end - first.onset - 1 - opening), 0)
    start, end = first.onset + opening, first.end - closing
    graces = [
        *_play_in_turn(first, [(g.pitches, g.velocity) for g in before[:opening]], first.onset, start),
        *_play_in_turn(first, [(g.pitches, g.velocity) for g in after[:closing]], end, first.end),
    ]
    return graces, start, end


def _graces(chord: Sequence[PartNote]) -> tuple[list[GraceNote], list[GraceNote]]:
    before = [grace for note in chord for grace in note.graces]
    after = [grace for note in chord for grace in note.after_graces]
    return before[:MAX_GRACES], after[:MAX_GRACES]


def _play_in_turn(
    note: PartNote, sounds: Sequence[tuple[tuple[int, ...], int]], onset: int, end: int
) -> Iterator[PartNote]:
    """Pitches with their velocities, one group after the other, all equally long."""
    for index, (pitches, velocity) in enumerate(sounds):
        begin, stop = (onset + (end - onset) * i // len(sounds) for i in (index, index + 1))
        for pitch in pitches:
            yield replace(_note(note, begin, stop, pitch), velocity=velocity)


def _graces_share(ticks: int) -> int:
    """How much of a written note its grace notes take."""
    undotted = _undotted(ticks)
    return ticks // 2 if undotted == ticks else undotted


def _undotted(ticks: int) -> int:
    """A note's value without its dots, told from its length: one dot makes it 3/2, two 7/4, three 15/8."""
    units, rest = divmod(ticks, QUARTER // 32)
    while units and units % 2 == 0:
        units //= 2
    return ticks if rest or units not in (3, 7, 15) else ticks // units * ((units + 1) // 2)


def _play_figure(chord: Sequence[PartNote], ornament: Ornament, tempo: float) -> list[PartNote]:
    """Trills, turns and mordents, with the grace notes at their speed; none if a note is too short for it."""
    assert ornament.figure is not None
    before, after = _graces(chord)
    played: list[PartNote] = []
    for note in chord:
        unit = _unit(ornament.figure, note.end - note.onset, len(before) + len(after), tempo)
        if unit is None:
            if not played:
                return []
            played.append(_plain(note))
            continue
        start, end = note.onset + int(len(before) * unit), note.end - int(len(after) * unit)
        slots = _filled(ornament.figure, (end - start) / unit)
        pitches = _degrees(note, ornament)
        place = 0
        for index, (degree, units) in enumerate(slots):
            stop = end if index == len(slots) - 1 else start + int((place + units) * unit + _EPSILON)
            played.append(_note(note, start + int(place * unit + _EPSILON), stop, pitches[degree]))
            place += units
        if note is chord[0]:
            played += _play_in_turn(note, [(g.pitches, g.velocity) for g in before], note.onset, start)
            played += _play_in_turn(note, [(g.pitches, g.velocity) for g in after], end, note.end)
    return played


_EPSILON = 1e-6


def _unit(figure: Figure, ticks: int, graces: int, tempo: float) -> float | None:
    """The length of a unit: at most 1/8 s, at least 1/64 s, and short enough for the figure to fit."""
    longest, shortest = QUARTER * tempo / 60 / 8, QUARTER * tempo / 60 / 64
    unit = float(figure.unit)
    while unit > longest:
        unit /= 2
    unit = max(unit, shortest)
    needed = graces + sum(units for _, units in figure.before + figure.body + figure.after)
    if needed * unit > ticks:
        unit = ticks / needed
    return unit if unit >= max(shortest, 1.0) - _EPSILON else None


def _filled(figure: Figure, room: float) -> Slots:
    """The figure's notes, for so many units."""
    ends = figure.before + figure.after
    if not figure.body:
        return ends
    repeats = int((room - sum(units for _, units in ends)) / sum(units for _, units in figure.body) + _EPSILON)
    repeats = min(repeats, (_MAX_NOTES - len(ends)) // len(figure.body))
    return figure.before + figure.body * repeats + figure.after


def _degrees(note: PartNote, ornament: Ornament) -> dict[int, int]:
    """The pitches of the degrees beside a note. `ornament` may be another note's, but its own marks are preferred."""
    own = [o for o in note.ornaments if o.figure is not None and o.kind == ornament.kind]
    below, above = own[0].neighbours if own else _beside(note.pitch, ornament.scale)
    return {-2: _beside(below, ornament.scale)[0], -1: below, 0: note.pitch, 1: above}


def _beside(pitch: int, scale: Scale) -> tuple[int, int]:
    """The pitches of the degrees below and above a sounding pitch, whose degree isn't known."""
    middle = 7 * ((pitch - scale.transposition) // 12 - 1)
    near = [scale.pitch(degree) for degree in range(middle - 2, middle + 9)]
    if pitch in near:
        index = near.index(pitch)
        if 0 < index < len(near) - 1:
            return _midi(near[index - 1]), _midi(near[index + 1])
    below, above = [p for p in near if p < pitch], [p for p in near if p > pitch]
    return _midi(max(below, default=pitch)), _midi(min(above, default=pitch))


def _play_tremolo(chord: Sequence[PartNote], strokes: int, end: int) -> Iterator[PartNote]:
    first = chord[0]
    step = _stroke(first.tied[0] if first.tied else first.end - first.onset, strokes)
    for note in chord:
        count = min(max(int((note.end - note.onset) / step), 1), _MAX_NOTES)
        stop = min(end, note.end)
        for index in range(count):
            begin = note.onset + int(index * step)
            if begin < stop or index == 0:
                yield _note(
                    note, begin, stop if index == count - 1 else min(stop, note.onset + int((index + 1) * step))
                )


def _stroke(ticks: int, strokes: int) -> float:
    """The length of a stroke: strokes divide a quarter, or a shorter value."""
    value = float(_undotted(ticks))
    while value > QUARTER:
        value /= 2
    return max(value / (1 << strokes), 1.0)


def _play_tremolo_of_two(first: Sequence[PartNote], second: Sequence[PartNote], tempo: float) -> Iterator[PartNote]:
    """Two chords in alternation, from the beginning of the first to the end of the second."""
    onset, end = first[0].onset, second[0].end
    strokes = next(o.strokes for note in first for o in note.ornaments if o.kind == "tremolo")
    step = _stroke(end - onset, strokes)
    count = min(max(int((end - onset) / step) // 2, 1), _MAX_NOTES) * 2
    for chord in (first, second):
        yield from _play_graces(chord, tempo)[0]
    for index in range(count):
        begin = onset + int(index * step)
        stop = end if index == count - 1 else onset + int((index + 1) * step)
        for note in (first, second)[index % 2]:
            yield replace(_plain(note), onset=begin, end=stop)


def _play_arpeggio(chord: Sequence[PartNote], tempo: float, end: int, *, downward: bool) -> Iterator[PartNote]:
    """The notes one after the other, 1/15 s apart, and closer in a short chord; all sound to the end."""
    ticks = chord[0].end - chord[0].onset
    step = 64
    while step and step * len(chord) > ticks:
        step = 2 * step // 3
    apart = step * tempo / _DEFAULT_TEMPO
    if apart * (len(chord) - 1) >= ticks:
        apart = ticks / len(chord)
    for index, note in enumerate(sorted(chord, key=lambda note: note.pitch, reverse=downward)):
        yield _note(note, note.onset + int(index * apart), end if note.end == chord[0].end else note.end)


def _play_glissando(note: PartNote, target: int, start: int, end: int) -> Iterator[PartNote]:
    """All semitones from the note up or down to the one before the target, equally long."""
    count = min(max(abs(target - note.pitch), 1), max(end - start, 1))
    sign = 1 if target > note.pitch else -1
    for index in range(count):
        begin, stop = (start + (end - start) * i // count for i in (index, index + 1))
        yield _note(note, begin, stop, note.pitch + sign * index)
