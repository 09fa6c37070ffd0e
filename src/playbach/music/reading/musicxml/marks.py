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
    coda_signs: int = 0
    """Signs of a coda that do not say which end of the way they are."""
    fine: bool = False
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
        if bar.jump is not None:
            bar.jump.until = bar.jump.until or bar.until
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
        bars[after if left else before].coda_signs += 1


def _times(text: str) -> int:
    digits = text.strip()
    if not digits.isascii() or not digits.isdecimal() or int(digits[:9]) == 0:
        return 2
    return int(digits[:9])


def ending_numbers(text: str) -> set[int]:
    """The numbers of an ending: `1, 2`, `1-3`, `1.2.`. Empty if there are none that make sense."""
    numbers: set[int] = set()
    for first, last in re.findall(r"(\d{1,3})(?:\s*[-–]\s*(\d{1,3}))?", text[:80]):
        numbers |= set(range(int(first), min(int(last or first), MAX_TIMES) + 1))
    return {n for n in numbers if 1 <= n <= MAX_TIMES}


# ---------------------------------------------------------------------------------------------------- signs and words

_DA_CAPO = re.compile(r"\b(?:d\. ?c\b|dc\b|da capo\b|dacapo\b|du debut\b|vom anfang\b)")
_DAL_SEGNO = re.compile(r"\b(?:d\. ?s\b|ds\b|dal segno\b|dalsegno\b|del segno\b|au signe\b|vom zeichen\b)")
_FINE = re.compile(r"^\W*(?:fine|fin|ende)\W*$")
_UNTIL = re.compile(r"^\W*(?:e poi )?al (?P<until>fine|coda)\W*$")
_TRIO = re.compile(r"^\W*trio\W*(?:[iv12]+\W*)?$")
_MOVEMENT = re.compile(r"menuet|minuet|\bm\. ?d\. ?c|scherzo|rondo|tempo di")
_TO_CODA = re.compile(r"\b(?:to|alla|al|zur) (?:the )?coda\b")
_CODA = re.compile(r"^\W*coda\W*$")


def _read_direction(direction: Element, bar: BarMarks) -> None:
    sound = direction.find("sound")
    said = BarMarks("")
    if sound is not None:
        _read_sound(sound, said)
    kinds = direction.findall("direction-type")
    text = _plain(" ".join(words.text or "" for kind in kinds for words in kind.findall("words")))
    has_segno = any(kind.find("segno") is not None for kind in kinds)
    has_coda = any(kind.find("coda") is not None for kind in kinds)
    _read_words(text, said, sign="segno" if has_segno else "coda" if has_coda else "")
    if has_segno and said.jump is None and not said.segnos:
        said.segnos.add("")
    if has_coda and said.jump is None and not said.until and not said.codas and not said.to_codas:
        said.coda_signs += 1
    _merge(bar, said)


def _read_words(text: str, said: BarMarks, sign: str) -> None:
    """Add what words say to what the sound beside them says; where both say a mark, it is one."""
    jump = _jump(text, sign)
    if jump is not None:
        if said.jump is None:
            said.jump = jump
        said.jump.until = jump.until
        said.jump.names_movement = jump.names_movement
        said.fine = False  # `D.C. al Fine` says where to stop; it is not the place itself
        return
    if found := _UNTIL.search(text):
        said.until = "fine" if found["until"] == "fine" else "coda"
        said.to_codas.clear()
    elif said.jump is not None:
        return
    elif _TRIO.search(text):
        said.trio = True
    elif _FINE.search(text):
        said.fine = True
    elif _TO_CODA.search(text) and not said.codas:
        said.to_codas = said.to_codas or {""}
    elif _CODA.search(text) and not said.to_codas and not said.codas:
        said.coda_signs += 1


def _jump(text: str, sign: str) -> Jump | None:
    capo, segno = _DA_CAPO.search(text), _DAL_SEGNO.search(text)
    if not capo and not segno:
        # `dal` beside the sign of a segno.
        if not (sign == "segno" and re.match(r"^\W*(?:dal|d\.)\W*$", text)):
            return None
        segno = re.match("", text)
    until: Until = "fine" if re.search(r"\bfine?\b", text) else "coda" if "coda" in text else ""
    return Jump(
        to_segno=segno is not None and not capo, until=until, names_movement=_MOVEMENT.search(text) is not None
    )


def _plain(text: str) -> str:
    """In lower case, without accents, with single spaces."""
    folded = unicodedata.normalize("NFKD", text[:200]).encode("ascii", "ignore").decode().lower()
    return " ".join(folded.split())


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
    if sound.get("fine") not in (None, "no"):
        bar.fine = True


def _merge(bar: BarMarks, said: BarMarks) -> None:
    """Add what one direction says to its bar; a jump that several parts or elements tell of is one."""
    bar.begins_repeat |= said.begins_repeat
    bar.segnos |= said.segnos
    bar.codas |= said.codas
    bar.to_codas |= said.to_codas
    bar.coda_signs = max(bar.coda_signs, said.coda_signs)
    bar.fine |= said.fine
    bar.trio |= said.trio
    bar.until = bar.until or said.until
    if said.jump is not None and bar.jump is None:
        bar.jump = said.jump
    elif said.jump is not None and bar.jump is not None:
        bar.jump.until = bar.jump.until or said.jump.until
        bar.jump.segno = bar.jump.segno or said.jump.segno
        bar.jump.to_segno |= said.jump.to_segno


def _settle_coda_signs(bars: list[BarMarks]) -> None:
    """A lone sign of a coda is where one leaves, if it comes first, and where one arrives, if it comes second."""
    has_exit = any(bar.to_codas for bar in bars)
    has_entry = any(bar.codas for bar in bars)
    for bar in bars:
        if not bar.coda_signs or bar.codas or bar.to_codas:
            continue
        if has_exit and not has_entry:
            bar.codas.add("")
            has_entry = True
        elif not has_exit:
            bar.to_codas.add("")
            has_exit = True
