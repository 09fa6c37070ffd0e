"""The marks of a MusicXML file that say in which order bars are played: repeats, endings and jumps.

A mark counts whichever part carries it, and whether a sign, a word or a `<sound>` says it. What the marks come to is
in `order.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from xml.etree.ElementTree import Element

MAX_TIMES = 100
"""Music that is to be played more often than this is played twice."""

Until = Literal["", "fine", "coda"]


@dataclass(slots=True)
class Jump:
    """A D.C. or D.S. at the end of a bar."""

    to_segno: bool = False
    """To the segno, not to the beginning."""
    segno: str = ""
    """The name of the segno, if the file names it."""
    until: Until = ""
    """What ends the way back; empty: whatever comes first."""
    repeats: bool = False
    """Whether repeats are played again on the way back."""
    begin: int = 0
    """The bar to which a D.C. leads."""
    before: int | None = None
    """The bar before which the way back ends, and playing goes on after the jump: the trio of a minuet."""
    names_movement: bool = False
    """Whether it says which movement is to be played again, as in `Menuetto D.C.`"""
    times: frozenset[int] = frozenset()
    """The times through its bar after which it is taken; empty: the last."""


@dataclass(slots=True)
class BarMarks:
    """The marks of one bar, of all parts."""

    name: str
    """Its number in the file."""
    begins_repeat: bool = False
    times: int = 0
    """How often the repeated music that ends with this bar is played; 0: no repeat ends here."""
    too_often: bool = False
    """Whether the file wants it played more than MAX_TIMES times; it is then played twice."""
    after_jump: bool = False
    """Whether that repeat is played after a jump, too."""
    begins_ending: bool = False
    numbers: set[int] = field(default_factory=set)
    """The times for which the ending that begins here is meant; empty if the file does not say."""
    ends_ending: bool = False
    segnos: set[str] = field(default_factory=set)
    """The names of segnos at the beginning of the bar; an empty name if the file gives none."""
    codas: set[str] = field(default_factory=set)
    """The names of codas that begin with the bar."""
    to_codas: set[str] = field(default_factory=set)
    """The names of codas to which one goes after the bar, on the way back."""
    coda_sign: bool = False
    """Whether it has the sign of a coda alone, which is where one leaves or where one arrives."""
    coda_title: bool = False
    """Whether it has the word `Coda` alone."""
    fine: bool = False
    goal_times: set[int] = field(default_factory=set)
    """The times through the bar at which its Fine or To Coda counts without a jump, if the file names some."""
    title: bool = False
    """Whether the bar has the title of a dance, such as `Menuetto`."""
    trio: bool = False
    """Whether the bar has the word `Trio`."""
    closes: Literal["", "part", "movement"] = ""
    """What ends with the bar, by its barline: double or final, without a repeat."""
    jump: Jump | None = None
    until: Until = ""
    """`al Fine` or `al Coda` in a direction of its own."""


def read_marks(parts: Sequence[Sequence[Element]]) -> list[BarMarks]:
    """The marks of each bar; as many bars as the longest part has.

    Args:
        parts: for each part its `measure` elements.
    """
    bars = [BarMarks(_bar_name(parts, i)) for i in range(max(map(len, parts), default=0))]
    for part in parts:
        for i, measure in enumerate(part):
            for element in measure:
                if element.tag == "barline":
                    _read_barline(element, bars, i)
                elif element.tag == "direction":
                    _read_direction(element, bars[i])
                elif element.tag == "sound":
                    _read_sound(element, bars[i])
    for bar in bars:
        if bar.jump is not None and bar.until:
            bar.jump.until = bar.jump.until or bar.until
            if bar.until == "coda":
                bar.to_codas.discard("")
    _settle_coda_signs(bars)
    _begin_lone_endings(bars)
    return bars


def _begin_lone_endings(bars: Sequence[BarMarks]) -> None:
    """A bracket that only ends, with `:|` and before the next ending, is a first ending of one bar."""
    is_open = False
    for bar, following in zip(bars, bars[1:]):
        is_open |= bar.begins_ending
        if bar.ends_ending and not is_open and bar.times and following.begins_ending:
            bar.begins_ending = True
            bar.numbers = {1}
        is_open &= not bar.ends_ending


def _bar_name(parts: Sequence[Sequence[Element]], i: int) -> str:
    number = next(part[i] for part in parts if i < len(part)).get("number", "").strip()
    return number if 0 < len(number) <= 8 and number.isalnum() else str(i + 1)


# ----------------------------------------------------------------------------------------------------------- barlines

_CLOSING: dict[str, Literal["part", "movement"]] = {
    "light-light": "part",
    "light-heavy": "movement",
    "heavy-heavy": "movement",
}


def _read_barline(barline: Element, bars: list[BarMarks], i: int) -> None:
    """What a barline at the left ends belongs to the bar before it; what one at the right begins to the bar after."""
    left = barline.get("location", "right") == "left"
    before, after = (i - 1, i) if left else (i, i + 1)
    for repeat in barline.findall("repeat"):
        if repeat.get("direction") == "forward" and after < len(bars):
            bars[after].begins_repeat = True
        elif repeat.get("direction") == "backward" and before >= 0:
            times = _times(repeat.get("times", ""))
            bars[before].too_often |= times > MAX_TIMES
            bars[before].times = max(bars[before].times, times if times <= MAX_TIMES else 2)
            bars[before].after_jump |= repeat.get("after-jump") == "yes"
    style = barline.findtext("bar-style", "").strip()
    if not left and barline.find("repeat") is None and style in _CLOSING:
        bars[i].closes = _CLOSING[style]
    for ending in barline.findall("ending"):
        if ending.get("type") == "start" and after < len(bars):
            bars[after].begins_ending = True
            bars[after].numbers |= ending_numbers(ending.get("number", "")) or ending_numbers(ending.text or "")
        elif ending.get("type") in ("stop", "discontinue") and before >= 0:
            bars[before].ends_ending = True
    if (barline.find("segno") is not None or barline.get("segno")) and after < len(bars):
        bars[after].segnos.add(barline.get("segno", ""))
    if barline.get("coda") and after < len(bars):
        bars[after].codas.add(barline.get("coda", ""))
    elif barline.find("coda") is not None and after < len(bars):
        bars[after if left else before].coda_sign = True


def _times(text: str) -> int:
    digits = text.strip()
    if not digits.isascii() or not digits.isdecimal() or int(digits[:9]) == 0:
        return 2
    return int(digits[:9])


def ending_numbers(text: str) -> set[int]:
    """The numbers of an ending: `1, 2`, `1-3`, `1.2.`. Empty if there are none that make sense."""
    numbers: set[int] = set()
    for first, last in re.findall(r"(\d{1,9})\.?(?:\s*[-–]\s*(\d{1,9}))?", text[:80]):
        if int(last or first) <= MAX_TIMES:
            numbers |= set(range(int(first), int(last or first) + 1))
    return {n for n in numbers if n >= 1}


# ---------------------------------------------------------------------------------------------------- signs and words

_SIGNS = {
    **dict.fromkeys("\U0001d10b\ue047\ue04a", " segno "),
    **dict.fromkeys("\U0001d10c\u2295\u2a01\ue048\ue049", " coda "),
}
"""The signs as characters: Unicode's, those of music fonts (SMuFL), and a circled plus."""
_DA_CAPO = re.compile(r"\b(?:dc|da ?capo|du debut|vom anfang)\b")
_DAL_SEGNO = re.compile(r"\b(?:dss?|d segno|da ?l? ?segno|del segno|au signe|vom zeichen)\b")
_UNTIL_FINE = re.compile(
    r"\b(?:al|alla|a|to|till?|until|bis|bis zum|sin|sino|sin al|sino al|jusqu a) (?:the )?(?:fine?|ende?)\b"
)
_GO_TO = r"(?:to|go to|al|alla|a|a la|zur|poi|poi la|e poi la|then|vai alla|salta alla|jump to)"
_UNTIL_CODA = re.compile(rf"\b{_GO_TO} (?:the )?coda\b")
_TIME = r"(?: (?:the )?(?:last|second|third|2nd|3rd|ultima|seconda) (?:time|volta)(?: only)?)?"
_FINE = re.compile(rf"(?:il |the )?(?:fine?|ende?){_TIME}")
_TO_CODA = re.compile(rf"{_GO_TO} (?:the )?coda(?: \d| [iv]+)?{_TIME}")
_CODA = re.compile(r"(?:la )?coda(?: \d| [iv]+)?")
_SEGNO = re.compile(r"segno(?: \d)?")
_TRIO = re.compile(r"trio(?: \d| [iv]+)?")
_TITLE = re.compile(r"(?:tempo di )?(?:menuett?o?|minuett?o?|scherzo|rondo)\b")
_MOVEMENT = re.compile(r"\bmen|minuet|\bm dc\b|scherzo|rondo|tempo di")
_WITH_REPEATS = re.compile(r"\b(?:con|with|mit|avec)(?: le| les| the| den)? (?:rep|repet|ripet|repri|wiederh)")
_MOST_WORDS = 12
"""A jump is told in at most so many words."""


def _read_direction(direction: Element, bar: BarMarks) -> None:
    """Read the signs, the words and the sound of a direction, which together are one mark."""
    said = BarMarks("")
    sound = direction.find("sound")
    if sound is not None:
        _read_sound(sound, said)
    texts = [_text_of(child) for kind in direction.findall("direction-type") for child in kind]
    words = " ".join(filter(None, texts))
    if words:
        has_sign = any(
            child.tag in ("segno", "coda") for kind in direction.findall("direction-type") for child in kind
        )
        _read_words(plain_words(words), said, has_sign=has_sign or any(sign in words for sign in _SIGNS))
    _merge(bar, said)


def _text_of(element: Element) -> str:
    if element.tag in ("segno", "coda"):
        return f" {element.tag} "
    return (element.text or "") if element.tag == "words" else ""


def plain_words(text: str) -> str:
    """A text in small letters without accents and points; `D. C.` and `D.C.` become `dc`, signs their names."""
    text = text[:200]
    for sign, name in _SIGNS.items():
        text = text.replace(sign, name)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    text = re.sub(r"\bd ?\. ?([cs])\b", r" d\1 ", text)
    text = re.sub(r"\bd ([cs]) (?=al|a |e |to )", r" d\1 ", text)
    words = " ".join(re.findall(r"[a-z0-9]+", text))
    return re.sub(r"\b(coda|segno)( \1)+\b", r"\1", words)


def _read_words(words: str, said: BarMarks, *, has_sign: bool) -> None:
    """Add what words say to what the sound beside them says; where both say a mark, it is one.

    Args:
        has_sign: whether some of the words stand for signs.
    """
    capo, segno = _DA_CAPO.search(words), _DAL_SEGNO.search(words)
    if (capo or segno) and len(words.split()) <= _MOST_WORDS:
        jump = said.jump = said.jump or Jump(to_segno=capo is None)
        jump.until = "fine" if _UNTIL_FINE.search(words) else "coda" if _UNTIL_CODA.search(words) else ""
        jump.repeats |= _WITH_REPEATS.search(words) is not None
        jump.names_movement = _MOVEMENT.search(words) is not None
        said.fine = False  # `D.C. al Fine` says where to stop; it is not the place itself
    elif _UNTIL_FINE.fullmatch(words):
        said.until = "fine"
    elif said.jump is not None:
        return
    elif _FINE.fullmatch(words):
        said.fine = True
    elif _TRIO.fullmatch(words):
        said.trio = True
    elif _TITLE.match(words):
        said.title = True
    elif _TO_CODA.fullmatch(words) and not said.codas:
        said.until = "coda" if words.startswith("al") else ""  # beside a jump, `al Coda` belongs to it
        said.to_codas = said.to_codas or {""}
    elif _SEGNO.fullmatch(words) and has_sign:
        said.segnos = said.segnos or {""}
    elif _CODA.fullmatch(words) and not said.to_codas and not said.codas:
        said.coda_sign = has_sign
        said.coda_title = not has_sign


def _read_sound(sound: Element, bar: BarMarks) -> None:
    times = frozenset(ending_numbers(sound.get("time-only", "")))
    if sound.get("dacapo") == "yes":
        bar.jump = bar.jump or Jump(times=times)
    elif sound.get("dalsegno"):
        bar.jump = bar.jump or Jump(to_segno=True, segno=sound.get("dalsegno", ""), times=times)
    if sound.get("forward-repeat") == "yes":
        bar.begins_repeat = True
    if sound.get("segno"):
        bar.segnos.add(sound.get("segno", ""))
    if sound.get("coda"):
        bar.codas.add(sound.get("coda", ""))
    if sound.get("tocoda"):
        bar.to_codas.add(sound.get("tocoda", ""))
        bar.goal_times |= times
    if sound.get("fine") not in (None, "no"):
        bar.fine = True
        bar.goal_times |= times


def _merge(bar: BarMarks, said: BarMarks) -> None:
    """Add what one direction says to its bar; a jump that several parts or elements tell of is one."""
    bar.begins_repeat |= said.begins_repeat
    bar.segnos |= said.segnos
    bar.codas |= said.codas
    bar.to_codas |= said.to_codas
    bar.coda_sign |= said.coda_sign
    bar.coda_title |= said.coda_title
    bar.fine |= said.fine
    bar.goal_times |= said.goal_times
    bar.trio |= said.trio
    bar.title |= said.title
    bar.until = bar.until or said.until
    if said.jump is not None and bar.jump is None:
        bar.jump = said.jump
    elif said.jump is not None and bar.jump is not None:
        bar.jump.until = bar.jump.until or said.jump.until
        bar.jump.segno = bar.jump.segno or said.jump.segno
        bar.jump.to_segno |= said.jump.to_segno


def _settle_coda_signs(bars: list[BarMarks]) -> None:
    """A lone sign of a coda is where one leaves, if it comes first, and where one arrives, if it comes second.

    The word alone is a mark only if it is where one arrives.
    """
    has_exit = any(bar.to_codas for bar in bars)
    has_entry = any(bar.codas for bar in bars)
    for bar in bars:
        if bar.codas or bar.to_codas:
            continue
        if (bar.coda_sign or bar.coda_title) and has_exit and not has_entry:
            bar.codas.add("")
            has_entry = True
        elif bar.coda_sign and not has_exit:
            bar.to_codas.add("")
            has_exit = True
