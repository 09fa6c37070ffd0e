"""Draws a score as a piano roll: time to the right, pitch upwards, a colour for each track, soft notes paler.

A long piece wraps into systems with the same scale, like the lines of sheet music. Of a very long piece only the
beginning is drawn, and the picture says so.

Knows nothing of sound or of composing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from symusic.core import ScoreTick as Score

from playbach.music.bars import Bars, meters_of
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.scores import ticks_to_seconds
from playbach.rendering.canvas import BLACK_KEYS, COLOURS, FAINT_INK, INK, PAPER, Canvas, Colour, mix
from playbach.system.errors import ScoreError

# Lengths are in pixels of the final picture.
_MAX_PLOT_WIDTH, _MIN_PLOT_WIDTH = 1480, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 30, 24, 20  # margins
_KEYBOARD = 28  # the width of the keyboard to the left of each system
_LEGEND, _ABOVE, _BELOW, _BETWEEN, _REMARK = (
    46,
    24,
    26,
    16,
    34,
)  # heights; above a system are bar numbers, below times
_LARGE, _MEDIUM, _SMALL = 19, 15, 14  # font sizes
MAX_SYSTEMS = 12
_MARGIN = 2  # semitones above the highest and below the lowest note
_MIN_SEMITONES = 25
_DRUM_TICKS = TICKS_PER_QUARTER // 4  # drums are struck, not held, so all their notes have this length
_SHORT_NOTE_WIDTH = 11  # the minimum width of a short note, if there is room
_MIN_QUARTER, _MAX_QUARTER = 28, 130  # the width of a quarter note

_BLACK_ROW, _OCTAVE_LINE = (244, 242, 236), (216, 211, 201)
_BEAT_LINE, _BAR_LINE = (232, 228, 220), (186, 180, 169)
_BLACK_KEY, _KEY_LINE, _KEYBOARD_EDGE = (92, 89, 84), (205, 201, 192), (178, 173, 163)


@dataclass(frozen=True, slots=True)
class NoteBox:
    """A note to be drawn."""

    start: int
    end: int
    pitch: int
    velocity: int
    colour: Colour
    part: int
    parts: int
    """Tracks that play the same pitch at the same tick share the height of the box: this is `part` of `parts`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions and sizes, in pixels of the final picture."""

    systems: tuple[tuple[int, int], ...]
    """The ticks at which each begins and ends."""
    is_complete: bool
    """Whether the whole piece is drawn."""
    low: int
    """The lowest pitch."""
    high: int
    """The highest pitch."""
    semitone: float
    """The height of a semitone."""
    tick: float
    """The width of a tick."""
    legend: int
    """The height of the legend; 0 for a single track."""

    @property
    def rows(self) -> float:
        """The height of one system's notes."""
        return (self.high - self.low + 1) * self.semitone

    @property
    def system(self) -> int:
        """The height of one system with its bar numbers and times."""
        return _ABOVE + round(self.rows) + _BELOW

    @property
    def size(self) -> tuple[int, int]:
        width = _LEFT + max(end - start for start, end in self.systems) * self.tick + _RIGHT
        systems = len(self.systems) * (self.system + _BETWEEN) - _BETWEEN
        return round(width), _TOP + self.legend + systems + (0 if self.is_complete else _REMARK) + _BOTTOM


def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None:
    """Write a PNG file. The same score and comment give the same bytes. `soundfont` is not used."""
    picture = draw(score)
    info = PngInfo()
    names = dict.fromkeys(_name(track.name) for track in score.tracks if len(track.notes))
    info.add_text("Title", ", ".join(filter(None, names)) or "Piano roll")
    if comment:
        info.add_text("Comment", comment)
    picture.save(path, format="PNG", pnginfo=info)


def draw(score: Score) -> Image.Image:
    """Draw a score. Raises ScoreError if it has no notes."""
    tracks = [track for track in score.tracks if len(track.notes)]
    if not tracks:
        raise ScoreError("the score has no notes, so there is nothing to draw")
    notes, bars = _notes(score), Bars(meters_of(score, 1))
    layout = _layout(notes, bars, _LEGEND if len(tracks) > 1 else 0)
    picture = Image.new("RGB", layout.size, PAPER)
    if layout.legend:
        names = [_name(track.name) or f"Track {i + 1}" for i, track in enumerate(tracks)]
        picture.paste(_legend(names, layout.size[0]), (0, _TOP))
    for i, (start, end) in enumerate(layout.systems):
        here = [n for n in notes if n.start < end and n.end > start]
        at = _TOP + layout.legend + i * (layout.system + _BETWEEN)
        picture.paste(_system(layout, start, end, here, bars, score), (0, at))
    if not layout.is_complete:
        drawn = bars.number(layout.systems[-1][1] - 1)
        total = bars.number(max(note.end for note in notes) - 1)
        remark = Canvas(layout.size[0], _REMARK)
        remark.text(_LEFT, _REMARK / 2, f"The first {drawn} of {total} bars", _MEDIUM, FAINT_INK, "lm")
        picture.paste(remark.to_image(), (0, layout.size[1] - _REMARK - _BOTTOM))
    return picture


def _name(text: str) -> str:
    """A track's name; empty if it has no letter or digit, as "--------", which is common."""
    return text.strip() if any(map(str.isalnum, text)) else ""


def _notes(score: Score) -> list[NoteBox]:
    """All notes, the longest first, since later ones are drawn on top."""
    by_onset: dict[tuple[int, int], list[tuple[int, int, Colour]]] = defaultdict(list)
    tracks = (track for track in score.tracks if len(track.notes))
    for i, track in enumerate(tracks):
        for note in track.notes:
            entry = _DRUM_TICKS if track.is_drum else max(note.duration, 1), note.velocity, COLOURS[i % len(COLOURS)]
            by_onset[note.time, note.pitch].append(entry)
    boxes = [
        NoteBox(start, start + duration, pitch, velocity, colour, part, len(entries))
        for (start, pitch), entries in by_onset.items()
        for part, (duration, velocity, colour) in enumerate(entries)
    ]
    return sorted(boxes, key=lambda box: (box.start - box.end, box.start, box.pitch, box.part))


def _layout(notes: list[NoteBox], bars: Bars, legend: int) -> Layout:
    systems, complete = _systems(notes, bars)
    pitches = [note.pitch for note in notes]
    low, high = min(pitches) - _MARGIN, max(pitches) + _MARGIN
    missing = max(0, _MIN_SEMITONES - (high - low + 1))
    low, high = max(0, low - missing // 2), min(127, high + (missing + 1) // 2)
    height = 440 if len(systems) < 4 else 360 if len(systems) < 7 else 300
    semitone = min(max(height / (high - low + 1), 4.0), 12.5)
    longest = max(end - start for start, end in systems)
    width = min(_MAX_PLOT_WIDTH, longest / TICKS_PER_QUARTER * _MAX_QUARTER) if len(systems) == 1 else _MAX_PLOT_WIDTH
    return Layout(systems, complete, low, high, semitone, max(width, _MIN_PLOT_WIDTH) / longest, legend)


def _systems(notes: list[NoteBox], bars: Bars) -> tuple[tuple[tuple[int, int], ...], bool]:
    """The ticks of each system, and whether they are the whole piece.

    A system has as many bars as its width allows with short notes still wide enough, or up to twice as many if the
    piece would not fit otherwise. The first system also has the pickup.
    """
    count = max(1, bars.number(max(note.end for note in notes) - 1))
    short = float(np.quantile([note.end - note.start for note in notes], 0.2)) / TICKS_PER_QUARTER
    quarter = min(max(_SHORT_NOTE_WIDTH / short, _MIN_QUARTER), _MAX_QUARTER)
    average = (bars.start(count + 1) - bars.start(1)) / count / TICKS_PER_QUARTER
    most = max(1, int(_MAX_PLOT_WIDTH / quarter / average))
    if most > 4:
        most -= most % 4  # phrases often have four bars
    if -(-count // most) > MAX_SYSTEMS:
        most = min(2 * most, -(-count // MAX_SYSTEMS))
    lines = min(-(-count // most), MAX_SYSTEMS)
    complete = lines * most >= count
    if complete:  # lines of equal length, instead of a short last one
        most = -(-count // lines)
        lines = -(-count // most)
    ticks = [0, *(bars.start(min(1 + i * most, count + 1)) for i in range(1, lines + 1))]
    return tuple(pairwise(ticks)), complete


def _legend(names: list[str], width: int) -> Image.Image:
    canvas, x = Canvas(width, _LEGEND), float(_LEFT)
    for i, name in enumerate(names):
        name = name if len(name) <= 32 else name[:31] + "…"
        needed = 30 + canvas.width(name, _LARGE) + 34
        if x + needed > width and i:
            canvas.text(x, 13, "…", _LARGE, INK, "lm")
            break
        canvas.box(x, 6, x + 22, 20, COLOURS[i % len(COLOURS)], 5)
        canvas.text(x + 31, 13, name, _LARGE, INK, "lm")
        x += needed
    return canvas.to_image()


def _system(layout: Layout, start: int, end: int, notes: list[NoteBox], bars: Bars, score: Score) -> Image.Image:
    """One system: rows, lines, notes, bar numbers and times."""
    canvas = Canvas(layout.size[0], layout.system)
    right = _LEFT + (end - start) * layout.tick
    _rows(canvas, layout, right)
    numbers = range(bars.number(start), bars.number(end - 1) + 1)
    places = [(number, _LEFT + (bars.start(number) - start) * layout.tick) for number in numbers]
    bottom = _ABOVE + layout.rows
    for (number, x), after in zip(places, [x for _, x in places[1:]] + [right]):
        beat = TICKS_PER_QUARTER * 4 // int(bars.meter(bars.start(number)).split("/")[1]) * layout.tick
        if beat >= 8:
            for at in np.arange(after - beat, x + 1, -beat):
                canvas.box(at - 0.5, _ABOVE, at + 0.5, bottom, _BEAT_LINE)
        canvas.box(x - 0.5, _ABOVE, x + 0.5, bottom, _BAR_LINE)
    canvas.box(right - 0.5, _ABOVE, right + 0.5, bottom, _BAR_LINE)
    for note in notes:
        _note(canvas, layout, start, end, note)
    _numbers_and_times(canvas, places, right, bottom, bars, score)
    _keyboard(canvas, layout)
    return canvas.to_image()


def _rows(canvas: Canvas, layout: Layout, right: float) -> None:
    for pitch in range(layout.low, layout.high + 1):
        top = _top(layout, pitch)
        if pitch % 12 in BLACK_KEYS:
            canvas.box(_LEFT, top, right, top + layout.semitone, _BLACK_ROW)
    octaves = [_top(layout, pitch - 1) for pitch in range(layout.low, layout.high + 1) if pitch % 12 == 0]
    for y in (_ABOVE, *octaves, _ABOVE + layout.rows):
        canvas.box(_LEFT, y - 0.5, right, y + 0.5, _OCTAVE_LINE)


def _note(canvas: Canvas, layout: Layout, start: int, end: int, note: NoteBox) -> None:
    height = layout.semitone / note.parts
    top = _top(layout, note.pitch) + note.part * height + 0.06 * height
    x0 = _LEFT + (max(note.start, start) - start) * layout.tick + 0.5
    # A small gap separates it from the next note, unless it would become narrower than 2 pixels.
    x1 = max(_LEFT + (min(note.end, end) - start) * layout.tick - 0.75, x0 + 2)
    pale = 0.62 * (1 - note.velocity / 127)
    fill, rim = mix(note.colour, PAPER, pale), mix(note.colour, INK, 0.3)
    height *= 0.88
    radius = min(0.4 * height, (x1 - x0) / 2, 4)
    canvas.box(x0, top, x1, top + height, mix(rim, PAPER, pale * 0.8), radius)
    if height > 3 and x1 - x0 > 3:
        canvas.box(x0 + 0.75, top + 0.75, x1 - 0.75, top + height - 0.75, fill, max(radius - 0.75, 0))


def _numbers_and_times(
    canvas: Canvas, places: list[tuple[int, float]], right: float, bottom: float, bars: Bars, score: Score
) -> None:
    """Write bar numbers above and times below the system, as many as fit."""
    ticks = np.array([bars.start(number) for number, _ in places])
    free_above, free_below = 0.0, 0.0
    for (number, x), seconds in zip(places, ticks_to_seconds(score, ticks).tolist()):
        if x >= free_above and x + 12 < right:
            canvas.text(x + 1, _ABOVE - 7, str(number), _MEDIUM, INK if not free_above else FAINT_INK, "ls")
            free_above = x + 16 + 8 * len(str(number))
        if x >= free_below and x + 30 < right:
            minutes, rest = divmod(int(seconds), 60)
            canvas.text(x + 1, bottom + 7, f"{minutes}:{rest:02}", _SMALL, FAINT_INK, "lt")
            free_below = x + 110


def _keyboard(canvas: Canvas, layout: Layout) -> None:
    x, bottom = _LEFT - _KEYBOARD - 4, _ABOVE + layout.rows
    canvas.box(x - 1, _ABOVE - 1, x + _KEYBOARD + 1, bottom + 1, _KEYBOARD_EDGE, 3)
    canvas.box(x, _ABOVE, x + _KEYBOARD, bottom, (255, 255, 255), 2)
    for pitch in range(layout.low, layout.high + 1):
        top = _top(layout, pitch)
        if pitch % 12 in BLACK_KEYS:
            canvas.box(x, top + layout.semitone / 2 - 0.5, x + _KEYBOARD, top + layout.semitone / 2 + 0.5, _KEY_LINE)
            canvas.box(x, top + 0.4, x + 0.6 * _KEYBOARD, top + layout.semitone - 0.4, _BLACK_KEY, 1)
        if pitch % 12 in (0, 5) and pitch > layout.low:
            canvas.box(x, top + layout.semitone - 0.5, x + _KEYBOARD, top + layout.semitone + 0.5, _KEY_LINE)
        if pitch % 12 == 0:
            canvas.text(x - 8, top + layout.semitone / 2, f"C{pitch // 12 - 1}", _SMALL, FAINT_INK, "rm")


def _top(layout: Layout, pitch: int) -> float:
    return _ABOVE + (layout.high - pitch) * layout.semitone
