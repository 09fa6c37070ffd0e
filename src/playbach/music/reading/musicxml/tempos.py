"""The tempos that a MusicXML file sets, in quarters a minute.

A `<sound tempo>` is what sounds. A metronome mark beside it is for the reader's eyes, and counts only where there is
no sound. Words without a number, such as `Allegro`, set no tempo; `a tempo` and `Tempo I` go back to one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from xml.etree.ElementTree import Element

_SLOWEST, _FASTEST = 1.0, 10_000.0
"""Tempos outside this range, in quarters a minute, are mistakes and set nothing."""
_QUARTERS = {
    "long": 16.0,
    "breve": 8.0,
    "whole": 4.0,
    "half": 2.0,
    "quarter": 1.0,
    "eighth": 0.5,
    "16th": 1 / 4,
    "32nd": 1 / 8,
    "64th": 1 / 16,
    "128th": 1 / 32,
    "256th": 1 / 64,
    "512th": 1 / 128,
    "1024th": 1 / 256,
}
_NUMBER = re.compile(r"\d{1,5}(?:[.,]\d+)?")
_SYMBOLS = {
    "\U0001d15d": 4.0,
    "\U0001d15e": 2.0,
    "\U0001d15f": 1.0,
    "\U0001d160": 0.5,
    "♩": 1.0,
    "♪": 0.5,
    # A note head with a stem, and with a flag.
    "\U0001d157\U0001d165": 2.0,
    "\U0001d158\U0001d165\U0001d16e": 0.5,
    "\U0001d158\U0001d165": 1.0,
    # The fonts of notation programs (Standard Music Font Layout).
    "\ue1d2": 4.0,
    "\ue1d3": 2.0,
    "\ue1d5": 1.0,
    "\ue1d7": 0.5,
    "\ueca2": 4.0,
    "\ueca3": 2.0,
    "\ueca5": 1.0,
    "\ueca7": 0.5,
    "whole": 4.0,
    "half": 2.0,
    "quarter": 1.0,
    "eighth": 0.5,
}
"""Note values in words of text, in quarters; of two that begin alike the longer first."""
_WORDS = re.compile(
    rf"(?P<unit>{'|'.join(_SYMBOLS)})s?(?: notes?)?\s*(?P<dots>[.\ue1e7\uecb7\U0001d16d]*)\s*="
    r"\s*(?:c(?:a|irca)?\.?\s*)?(?P<number>\d{1,4}(?:[.,]\d{1,3})?)"
)
_A_TEMPO = re.compile(r"\ba tempo\b|\bim tempo\b|\bau mouvement\b")
_FIRST_TEMPO = re.compile(r"\btempo (?:i|1|1o|1mo|primo)\b|\b(?:1er|premier) mouvement\b|\berstes tempo\b")


class Tempos:
    """Reads the tempos of one part in the order of its directions, and remembers those before."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._main: float | None = None
        """The last tempo that a number set."""
        self._now: float | None = None

    def read(self, element: Element) -> float | None:
        """The tempo that a `direction` or a `sound` sets; None if it sets none."""
        told = self._told(element)
        if told is not None and _SLOWEST <= told <= _FASTEST:
            self._first, self._main, self._now = self._first or told, told, told
            return told
        again = self._again(element)
        if again is not None and again != self._now:
            self._now = again
            return again
        return None

    def _told(self, element: Element) -> float | None:
        sound = element if element.tag == "sound" else element.find("sound")
        if sound is not None and (qpm := _number(sound.get("tempo", ""))):
            return qpm
        for metronome in element.iterfind("direction-type/metronome"):
            qpm = _metronome(metronome, self._now)
            if qpm is not None:
                return qpm
        return _in_words(_words(element))

    def _again(self, element: Element) -> float | None:
        """The earlier tempo to which the words of a direction go back."""
        words = " ".join(unicodedata.normalize("NFKD", _words(element)).lower().replace(".", "").split())
        if _FIRST_TEMPO.search(words):
            return self._first
        return self._main if _A_TEMPO.search(words) else None


def _words(element: Element) -> str:
    return " ".join(words.text or "" for words in element.iterfind("direction-type/words"))[:400]


def _number(text: str) -> float | None:
    """A single number, or the middle of a range: `c. 72`, `72,5`, `72-80`. None if there is none."""
    found = [float(n.replace(",", ".")) for n in _NUMBER.findall(text[:80])]
    return sum(found[:2]) / len(found[:2]) if found else None


def _metronome(metronome: Element, before: float | None) -> float | None:
    """The tempo of a metronome mark, or of an equation of two note values that refers to the tempo before."""
    per_minute = metronome.findtext("per-minute")
    if metronome.find("metronome-note") is not None:
        sides = _note_sides(metronome)
    else:
        sides = _beat_units(metronome)
    if per_minute is not None:
        count = _number(per_minute)
        return None if count is None or not sides or not sides[0] else count * sides[0]
    if len(sides) == 2 and all(sides) and before is not None:
        return before * sides[1] / sides[0]  # the old value on the left lasts as long as the new one on the right
    return None


def _beat_units(metronome: Element) -> list[float]:
    """The length in quarters of each beat unit, with its dots and ties."""
    units: list[float] = []
    for child in metronome:
        if child.tag == "beat-unit":
            units.append(_QUARTERS.get((child.text or "").strip(), 0.0))
            dot = units[-1] / 2
        elif child.tag == "beat-unit-dot" and units:
            units[-1], dot = units[-1] + dot, dot / 2
        elif child.tag == "beat-unit-tied" and units:
            units[-1] += sum(_beat_units(child))
    return units


def _note_sides(metronome: Element) -> list[float]:
    """The length in quarters of the notes on each side of `metronome-relation`."""
    sides: list[list[Element]] = [[]]
    for child in metronome:
        if child.tag == "metronome-relation":
            sides.append([])
        elif child.tag == "metronome-note":
            sides[-1].append(child)
    return [_length(notes) for notes in sides]


def _length(notes: Iterable[Element]) -> float:
    total = 0.0
    for note in notes:
        length = _QUARTERS.get(note.findtext("metronome-type", "").strip(), 0.0)
        dots = min(len(note.findall("metronome-dot")), 4)
        length *= 2 - 0.5**dots
        actual = _number(note.findtext("metronome-tuplet/actual-notes", "")) or 1.0
        normal = _number(note.findtext("metronome-tuplet/normal-notes", "")) or 1.0
        total += length * normal / actual
    return total


def _in_words(words: str) -> float | None:
    """The tempo in words such as `Allegro (♩. = 90)`."""
    found = _WORDS.search(words)
    if found is None:
        return None
    number = _number(found["number"])
    return None if number is None else number * _SYMBOLS[found["unit"]] * (2 - 0.5 ** min(len(found["dots"]), 3))
