"""Hypothesis strategies for MusicXML with every mark that changes what is played, whether it makes sense or not.

A plan is a plain value that can be printed; `build` makes the file. Marks are drawn for any place of any bar:
repeats, endings, jumps, notes for one pass, grace notes, ornaments, tremolos, tuplets, transpositions, divisions,
meters, keys, metronome marks, backups. Then whole bars are copied, moved and deleted, and numbers replaced by odd
ones. Knows nothing of playbach.
"""

from __future__ import annotations

import copy
from typing import Any
from xml.etree import ElementTree

from hypothesis import strategies as st

from helpers import sample_musicxml

SENSIBLE = ("1", "2", "3", "4", "1, 2", "8")
ODD = ("0", "-1", "7", "16", "255", "1000", "99999999999999999999", "-99999999999999999999", "0.5", "1e9", "1e308")
ODD += ("nan", "inf", "", " ", "x", "1,2,", "2-1", "1-99999999", "3,3,3", "１", "2, 1", "1.5.2", "+4")


def _direction(content: str, more: str = "") -> str:
    return f"<direction><direction-type>{content}</direction-type>{more}</direction>"


def _note(notations: str = "", before: str = "", after: str = "", duration: str = "4", attributes: str = "") -> str:
    length = f"<duration>{duration}</duration>" if duration else ""
    marks = f"<notations>{notations}</notations>" if notations else ""
    pitch = "<pitch><step>G</step><octave>4</octave></pitch>"
    return f"<note{attributes}>{before}{pitch}{length}<voice>1</voice>{after}{marks}</note>"


def _attributes(content: str) -> str:
    return f"<attributes>{content}</attributes>"


def _ornament(name: str, more: str = "") -> str:
    return _note(f"<ornaments><{name}/>{more}</ornaments>", after="<type>quarter</type>")


def _spoken(words: str) -> str:
    return _direction(f"<words>{words}</words>")


MARKS: dict[str, str] = {
    "repeat from": '<barline location="left"><repeat direction="forward"/></barline>',
    "repeat to": '<barline location="right"><repeat direction="backward"/></barline>',
    "repeat to, times": '<barline location="right"><repeat direction="backward" times="{}"/></barline>',
    "repeat in the middle": '<barline location="middle"><repeat direction="backward"/></barline>',
    "ending begins": '<barline location="left"><ending number="{}" type="start"/></barline>',
    "ending stops": '<barline location="right"><ending number="{}" type="stop"/></barline>',
    "ending repeats": '<barline location="right"><ending number="{}" type="stop"/><repeat direction="backward"/>'
    "</barline>",
    "ending discontinues": '<barline location="right"><ending number="{}" type="discontinue"/></barline>',
    "segno": _direction("<segno/>"),
    "coda": _direction("<coda/>"),
    "sound segno": '<sound segno="{}"/>',
    "sound coda": '<sound coda="{}"/>',
    "sound dal segno": '<sound dalsegno="{}"/>',
    "sound to coda": '<sound tocoda="{}"/>',
    "sound da capo": '<sound dacapo="yes"/>',
    "sound fine": '<sound fine="{}"/>',
    "sound forward repeat": '<sound forward-repeat="yes"/>',
    "words da capo": _spoken("D.C. al Fine"),
    "words da capo al coda": _spoken("Da Capo al Coda"),
    "words dal segno": _spoken("D.S. al Coda"),
    "words dal segno al fine": _spoken("dal segno al fine"),
    "words fine": _spoken("Fine"),
    "words to coda": _spoken("To Coda"),
    "sound within a direction": _direction("<words>D.S.</words>", '<sound dalsegno="{}" time-only="{}"/>'),
    "note for one pass": _note(attributes=' time-only="{}"'),
    "sound for one pass": '<sound tempo="90" time-only="{}"/>',
    "grace note": _note(before="<grace/>", duration=""),
    "slashed grace notes": _note(before='<grace slash="yes"/>', duration="") * 3,
    "grace note that steals": _note(before='<grace steal-time-previous="{}"/>', duration=""),
    "grace note that takes": _note(before='<grace make-time="{}"/>', duration=""),
    "grace chord": _note(before="<grace/>", duration="") + _note(before="<grace/><chord/>", duration=""),
    "trill": _ornament("trill-mark"),
    "trill with a line": _ornament("trill-mark", '<wavy-line type="start" number="1"/>'),
    "line begins": _ornament("wavy-line type='start'"),
    "line stops": _ornament("wavy-line type='stop'"),
    "mordent": _ornament("mordent"),
    "inverted mordent": _ornament("inverted-mordent long='yes'"),
    "turn": _ornament("turn"),
    "delayed turn": _ornament("delayed-inverted-turn", "<accidental-mark>sharp</accidental-mark>"),
    "tremolo": _note('<ornaments><tremolo type="single">{}</tremolo></ornaments>', duration="16"),
    "tremolo begins": _note('<ornaments><tremolo type="start">{}</tremolo></ornaments>', duration="8"),
    "tremolo stops": _note('<ornaments><tremolo type="stop">{}</tremolo></ornaments>', duration="8"),
    "arpeggio": _note("<arpeggiate/>") + _note("<arpeggiate/>", before="<chord/>"),
    "glissando": _note('<glissando type="start"/>') + _note('<glissando type="stop"/>'),
    "fermata": _note("<fermata/>"),
    "tie from": _note(after='<tie type="start"/>'),
    "tie to": _note(after='<tie type="stop"/>'),
    "tuplet": _note(
        after="<time-modification><actual-notes>{}</actual-notes><normal-notes>{}</normal-notes></time-modification>",
        duration="1",
    ),
    "note of a length": _note(duration="{}"),
    "chord": _note() + _note(before="<chord/>", duration="{}"),
    "chord with nothing before": _note(before="<chord/>"),
    "cue": _note(before="<cue/>"),
    "rest of a bar": '<note><rest measure="yes"/><duration>{}</duration></note>',
    "backup": "<backup><duration>{}</duration></backup>",
    "forward": "<forward><duration>{}</duration></forward>",
    "divisions": _attributes("<divisions>{}</divisions>"),
    "meter": _attributes("<time><beats>{}</beats><beat-type>4</beat-type></time>"),
    "beat type": _attributes("<time><beats>3</beats><beat-type>{}</beat-type></time>"),
    "sum of beats": _attributes(
        "<time><beats>3+{}</beats><beat-type>8</beat-type><beats>2</beats><beat-type>4</beat-type></time>"
    ),
    "no meter": _attributes("<time><senza-misura/></time>"),
    "key": _attributes("<key><fifths>{}</fifths><mode>minor</mode></key>"),
    "transposition": _attributes("<transpose><diatonic>1</diatonic><chromatic>{}</chromatic></transpose>"),
    "octaves": _attributes(
        "<transpose><chromatic>0</chromatic><octave-change>{}</octave-change><double/></transpose>"
    ),
    "staves": _attributes("<staves>{}</staves>"),
    "bars repeated": _attributes('<measure-style><measure-repeat type="start">{}</measure-repeat></measure-style>'),
    "bars of rest": _attributes("<measure-style><multiple-rest>{}</multiple-rest></measure-style>"),
    "metronome": _direction(
        "<metronome><beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>{}</per-minute></metronome>"
    ),
    "metric modulation": _direction(
        "<metronome><beat-unit>quarter</beat-unit><beat-unit>eighth</beat-unit><beat-unit-dot/></metronome>"
    ),
    "tempo": '<sound tempo="{}"/>',
    "tempo later": _direction("<words>rit.</words>", '<offset sound="yes">{}</offset><sound tempo="60"/>'),
    "pedal": _direction('<pedal type="start"/>'),
    "pedal lifts": _direction('<pedal type="stop"/>'),
    "dynamics": _direction("<dynamics><ff/></dynamics>", '<sound dynamics="{}"/>'),
    "ottava": _direction('<octave-shift type="down" size="{}"/>'),
    "swing": "<sound><swing><first>{}</first><second>1</second><swing-type>eighth</swing-type></swing></sound>",
    "instrument": "<sound><midi-instrument id='P1-I1'><midi-program>{}</midi-program></midi-instrument></sound>",
    "unpitched": "<note><unpitched/><duration>4</duration></note>",
    "alter": "<note><pitch><step>B</step><alter>{}</alter><octave>9</octave></pitch><duration>4</duration></note>",
    "octave": "<note><pitch><step>C</step><octave>{}</octave></pitch><duration>4</duration></note>",
    "chord symbol": "<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>",
}
"""Marks by name; `{}` stands for a number."""

NUMBERS = ("duration", "divisions", "beats", "beat-type", "fifths", "chromatic", "octave", "per-minute")
NUMBERS += ("actual-notes", "normal-notes", "staff", "voice", "alter", "tremolo")
"""The elements that hold a number."""

_ORDER = sorted(
    name
    for name in MARKS
    if name.startswith(("repeat", "ending", "segno", "coda", "words", "sound s", "sound c", "sound d", "sound t"))
)
"""The marks that change the order of the bars."""

_place = st.integers(0, 63)
_number = st.one_of(st.sampled_from(SENSIBLE), st.sampled_from(SENSIBLE), st.sampled_from(ODD))
_mark = st.tuples(_place, _place, st.one_of(st.sampled_from(_ORDER), st.sampled_from(sorted(MARKS))), _number)
_change = st.tuples(st.sampled_from(("copy", "move", "delete", "number", "drop")), _place, _place, _number)

plans = st.tuples(
    st.integers(1, 2),
    st.integers(1, 24),
    st.lists(_mark, min_size=1, max_size=24),
    st.one_of(st.just([]), st.lists(_change, max_size=4)),
)
"""The number of parts and bars; the marks, each with its bar, its place there, its name and number; the changes."""


def build(plan: Any) -> bytes:
    """The file of a plan."""
    parts, bars, marks, changes = plan
    music: list[list[list[str]]] = [
        [[sample_musicxml.note(60 + (bar + beat) % 12, 4) for beat in range(4)] for bar in range(bars)]
        for _ in range(parts)
    ]
    for bar, place, name, number in marks:
        own = music[place % parts][bar % bars]
        mark = MARKS[name].replace("{}", number)
        if 'location="right"' in mark:
            own.append(mark)
        elif 'location="left"' in mark:
            own.insert(0, mark)
        else:
            own.insert(place % (len(own) + 1), mark)
    made = [
        sample_musicxml.part(
            [sample_musicxml.FOUR_FOUR * (i == 0) + "".join(bar) for i, bar in enumerate(own)], f"P{number}"
        )
        for number, own in enumerate(music, 1)
    ]
    return _changed(sample_musicxml.musicxml(*made), changes) if changes else sample_musicxml.musicxml(*made)


def _changed(data: bytes, changes: list[tuple[str, int, int, str]]) -> bytes:
    root = ElementTree.fromstring(data)
    for kind, place, second, number in changes:
        part = root.findall("part")[place % len(root.findall("part"))]
        bars = part.findall("measure")
        if not bars:
            continue
        bar = bars[place % len(bars)]
        match kind:
            case "copy":
                for _ in range(1 + second % 8):
                    part.insert(second % (len(part) + 1), copy.deepcopy(bar))
            case "move":
                part.remove(bar)
                part.insert(second % (len(part) + 1), bar)
            case "delete":
                part.remove(bar)
            case "drop" if len(bar):
                bar.remove(bar[second % len(bar)])
            case "number":
                found = [element for element in root.iter() if element.tag in NUMBERS]
                if found:
                    found[(place * 64 + second) % len(found)].text = number
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
