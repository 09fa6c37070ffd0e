"""Draws a score as a piano roll: time to the right, pitch upwards, a colour for each track, soft notes paler.

A long piece wraps into systems, like the lines of sheet music, all on one scale; of a very long one only the
beginning is drawn, and the picture says so.

Knows nothing of sound, nor of how the score came to be.
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
from playbach.music.scores import seconds_at
from playbach.rendering.canvas import BLACK_KEYS, COLOURS, FAINT_INK, INK, PAPER, Colour, Sheet, mixed
from playbach.system.errors import ScoreError

# All lengths are pixels of the finished picture.
PLOT_WIDTH, LEAST_PLOT_WIDTH = 1480, 560
LEFT, RIGHT, TOP, BOTTOM = 78, 30, 24, 20
KEYS = 28  # width of the keyboard at the left of each system
LEGEND, ABOVE, BELOW, BETWEEN, REMARK = 46, 24, 26, 16, 34  # heights; above are bar numbers, below are times
LARGE, MEDIUM, SMALL = 19, 15, 14  # fonts
MOST_SYSTEMS = 12
MARGIN = 2  # semitones above the highest and below the lowest note
LEAST_SEMITONES = 25
HIT = TICKS_PER_QUARTER // 4  # in ticks: drums are struck, not held, and drawn alike
TYPICAL_NOTE = 11  # the width that a short note of the piece should have at least
NARROWEST_QUARTER, WIDEST_QUARTER = 28, 130

BLACK_ROW, OCTAVE_LINE = (244, 242, 236), (216, 211, 201)
BEAT_LINE, BAR_LINE = (232, 228, 220), (186, 180, 169)
BLACK_KEY, KEY_LINE, EDGE = (92, 89, 84), (205, 201, 192), (178, 173, 163)


@dataclass(frozen=True, slots=True)
class Bar:
    """A note as a bar. Tracks that strike the same note together share its height: `part` of `parts`."""

    start: int
    end: int
    pitch: int
    velocity: int
    colour: Colour
    part: int
    parts: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything goes, in pixels of the finished picture."""

    systems: tuple[tuple[int, int], ...]  # the ticks where each begins and ends
    complete: bool
    low: int
    high: int
    semitone: float
    tick: float
    legend: int

    @property
    def rows(self) -> float:
        """The height of one system's notes."""
        return (self.high - self.low + 1) * self.semitone

    @property
    def system(self) -> int:
        """The height of one system with what stands above and below."""
        return ABOVE + round(self.rows) + BELOW

    @property
    def size(self) -> tuple[int, int]:
        width = LEFT + max(end - start for start, end in self.systems) * self.tick + RIGHT
        systems = len(self.systems) * (self.system + BETWEEN) - BETWEEN
        return round(width), TOP + self.legend + systems + (0 if self.complete else REMARK) + BOTTOM


def write(score: Score, path: Path, *, comment: str = "", soundfont: Path | None = None) -> None:
    """The same score and comment give the same bytes. `soundfont` has no meaning here."""
    picture = draw(score)
    info = PngInfo()
    names = dict.fromkeys(_name(track.name) for track in score.tracks if len(track.notes))
    info.add_text("Title", ", ".join(filter(None, names)) or "Piano roll")
    if comment:
        info.add_text("Comment", comment)
    picture.save(path, format="PNG", pnginfo=info)


def draw(score: Score) -> Image.Image:
    """The picture of the score."""
    tracks = [track for track in score.tracks if len(track.notes)]
    if not tracks:
        raise ScoreError("the score holds no notes: there is nothing to draw")
    notes, bars = _notes(score), Bars(meters_of(score, 1))
    layout = _layout(notes, bars, LEGEND if len(tracks) > 1 else 0)
    picture = Image.new("RGB", layout.size, PAPER)
    if layout.legend:
        names = [_name(track.name) or f"Track {i + 1}" for i, track in enumerate(tracks)]
        picture.paste(_legend(names, layout.size[0]), (0, TOP))
    for i, (start, end) in enumerate(layout.systems):
        here = [n for n in notes if n.start < end and n.end > start]
        at = TOP + layout.legend + i * (layout.system + BETWEEN)
        picture.paste(_system(layout, start, end, here, bars, score), (0, at))
    if not layout.complete:
        shown = bars.number(layout.systems[-1][1] - 1)
        total = bars.number(max(note.end for note in notes) - 1)
        remark = Sheet(layout.size[0], REMARK)
        remark.text(LEFT, REMARK / 2, f"The first {shown} of {total} bars", MEDIUM, FAINT_INK, "lm")
        picture.paste(remark.finished(), (0, layout.size[1] - REMARK - BOTTOM))
    return picture


def _name(text: str) -> str:
    """A track's name, or nothing if it is mere ornament: "--------" is common."""
    return text.strip() if any(map(str.isalnum, text)) else ""


def _notes(score: Score) -> list[Bar]:
    """All notes as bars, the longest first: what is drawn later lies on top."""
    together: dict[tuple[int, int], list[tuple[int, int, Colour]]] = defaultdict(list)
    tracks = (track for track in score.tracks if len(track.notes))
    for i, track in enumerate(tracks):
        for note in track.notes:
            entry = HIT if track.is_drum else max(note.duration, 1), note.velocity, COLOURS[i % len(COLOURS)]
            together[note.time, note.pitch].append(entry)
    bars = [
        Bar(start, start + duration, pitch, velocity, colour, part, len(entries))
        for (start, pitch), entries in together.items()
        for part, (duration, velocity, colour) in enumerate(entries)
    ]
    return sorted(bars, key=lambda bar: (bar.start - bar.end, bar.start, bar.pitch, bar.part))


def _layout(notes: list[Bar], bars: Bars, legend: int) -> Layout:
    systems, complete = _systems(notes, bars)
    pitches = [note.pitch for note in notes]
    low, high = min(pitches) - MARGIN, max(pitches) + MARGIN
    missing = max(0, LEAST_SEMITONES - (high - low + 1))
    low, high = max(0, low - missing // 2), min(127, high + (missing + 1) // 2)
    height = 440 if len(systems) < 4 else 360 if len(systems) < 7 else 300
    semitone = min(max(height / (high - low + 1), 4.0), 12.5)
    longest = max(end - start for start, end in systems)
    width = min(PLOT_WIDTH, longest / TICKS_PER_QUARTER * WIDEST_QUARTER) if len(systems) == 1 else PLOT_WIDTH
    return Layout(systems, complete, low, high, semitone, max(width, LEAST_PLOT_WIDTH) / longest, legend)


def _systems(notes: list[Bar], bars: Bars) -> tuple[tuple[tuple[int, int], ...], bool]:
    """The ticks of each system, and whether that is the whole piece. As many bars go into one as leave short
    notes wide enough, or up to twice as many if the piece would not fit otherwise. A pickup is extra."""
    count = max(1, bars.number(max(note.end for note in notes) - 1))
    short = float(np.quantile([note.end - note.start for note in notes], 0.2)) / TICKS_PER_QUARTER
    quarter = min(max(TYPICAL_NOTE / short, NARROWEST_QUARTER), WIDEST_QUARTER)
    average = (bars.start(count + 1) - bars.start(1)) / count / TICKS_PER_QUARTER
    most = max(1, int(PLOT_WIDTH / quarter / average))
    if most > 4:
        most -= most % 4  # as phrases go
    if -(-count // most) > MOST_SYSTEMS:
        most = min(2 * most, -(-count // MOST_SYSTEMS))
    lines = min(-(-count // most), MOST_SYSTEMS)
    complete = lines * most >= count
    if complete:  # rather two equal lines than a full one and a short one
        most = -(-count // lines)
        lines = -(-count // most)
    ticks = [0, *(bars.start(min(1 + i * most, count + 1)) for i in range(1, lines + 1))]
    return tuple(pairwise(ticks)), complete


def _legend(names: list[str], width: int) -> Image.Image:
    sheet, x = Sheet(width, LEGEND), float(LEFT)
    for i, name in enumerate(names):
        name = name if len(name) <= 32 else name[:31] + "…"
        needed = 30 + sheet.width(name, LARGE) + 34
        if x + needed > width and i:
            sheet.text(x, 13, "…", LARGE, INK, "lm")
            break
        sheet.box(x, 6, x + 22, 20, COLOURS[i % len(COLOURS)], 5)
        sheet.text(x + 31, 13, name, LARGE, INK, "lm")
        x += needed
    return sheet.finished()


def _system(layout: Layout, start: int, end: int, notes: list[Bar], bars: Bars, score: Score) -> Image.Image:
    """One system: rows, lines, notes, and the figures around them."""
    sheet = Sheet(layout.size[0], layout.system)
    right = LEFT + (end - start) * layout.tick
    _rows(sheet, layout, right)
    numbers = range(bars.number(start), bars.number(end - 1) + 1)
    places = [(number, LEFT + (bars.start(number) - start) * layout.tick) for number in numbers]
    bottom = ABOVE + layout.rows
    for (number, x), after in zip(places, [x for _, x in places[1:]] + [right]):
        beat = TICKS_PER_QUARTER * 4 // int(bars.meter(bars.start(number)).split("/")[1]) * layout.tick
        if beat >= 8:
            for at in np.arange(after - beat, x + 1, -beat):
                sheet.box(at - 0.5, ABOVE, at + 0.5, bottom, BEAT_LINE)
        sheet.box(x - 0.5, ABOVE, x + 0.5, bottom, BAR_LINE)
    sheet.box(right - 0.5, ABOVE, right + 0.5, bottom, BAR_LINE)
    for note in notes:
        _note(sheet, layout, start, end, note)
    _figures(sheet, places, right, bottom, bars, score)
    _keyboard(sheet, layout)
    return sheet.finished()


def _rows(sheet: Sheet, layout: Layout, right: float) -> None:
    for pitch in range(layout.low, layout.high + 1):
        top = _top(layout, pitch)
        if pitch % 12 in BLACK_KEYS:
            sheet.box(LEFT, top, right, top + layout.semitone, BLACK_ROW)
    octaves = [_top(layout, pitch - 1) for pitch in range(layout.low, layout.high + 1) if pitch % 12 == 0]
    for y in (ABOVE, *octaves, ABOVE + layout.rows):
        sheet.box(LEFT, y - 0.5, right, y + 0.5, OCTAVE_LINE)


def _note(sheet: Sheet, layout: Layout, start: int, end: int, note: Bar) -> None:
    height = layout.semitone / note.parts
    top = _top(layout, note.pitch) + note.part * height + 0.06 * height
    x0 = LEFT + (max(note.start, start) - start) * layout.tick + 0.5
    # A hair's breadth is left before the next note; it may be missing where notes are as thin as hairs.
    x1 = max(LEFT + (min(note.end, end) - start) * layout.tick - 0.75, x0 + 2)
    pale = 0.62 * (1 - note.velocity / 127)
    fill, rim = mixed(note.colour, PAPER, pale), mixed(note.colour, INK, 0.3)
    height *= 0.88
    radius = min(0.4 * height, (x1 - x0) / 2, 4)
    sheet.box(x0, top, x1, top + height, mixed(rim, PAPER, pale * 0.8), radius)
    if height > 3 and x1 - x0 > 3:
        sheet.box(x0 + 0.75, top + 0.75, x1 - 0.75, top + height - 0.75, fill, max(radius - 0.75, 0))


def _figures(
    sheet: Sheet, places: list[tuple[int, float]], right: float, bottom: float, bars: Bars, score: Score
) -> None:
    """Bar numbers above and times below, as many as there is room for."""
    ticks = np.array([bars.start(number) for number, _ in places])
    free, free_below = 0.0, 0.0
    for (number, x), seconds in zip(places, seconds_at(score, ticks).tolist()):
        if x >= free and x + 12 < right:
            sheet.text(x + 1, ABOVE - 7, str(number), MEDIUM, INK if not free else FAINT_INK, "ls")
            free = x + 16 + 8 * len(str(number))
        if x >= free_below and x + 30 < right:
            minutes, rest = divmod(int(seconds), 60)
            sheet.text(x + 1, bottom + 7, f"{minutes}:{rest:02}", SMALL, FAINT_INK, "lt")
            free_below = x + 110


def _keyboard(sheet: Sheet, layout: Layout) -> None:
    x, bottom = LEFT - KEYS - 4, ABOVE + layout.rows
    sheet.box(x - 1, ABOVE - 1, x + KEYS + 1, bottom + 1, EDGE, 3)
    sheet.box(x, ABOVE, x + KEYS, bottom, (255, 255, 255), 2)
    for pitch in range(layout.low, layout.high + 1):
        top = _top(layout, pitch)
        if pitch % 12 in BLACK_KEYS:
            sheet.box(x, top + layout.semitone / 2 - 0.5, x + KEYS, top + layout.semitone / 2 + 0.5, KEY_LINE)
            sheet.box(x, top + 0.4, x + 0.6 * KEYS, top + layout.semitone - 0.4, BLACK_KEY, 1)
        if pitch % 12 in (0, 5) and pitch > layout.low:
            sheet.box(x, top + layout.semitone - 0.5, x + KEYS, top + layout.semitone + 0.5, KEY_LINE)
        if pitch % 12 == 0:
            sheet.text(x - 8, top + layout.semitone / 2, f"C{pitch // 12 - 1}", SMALL, FAINT_INK, "rm")


def _top(layout: Layout, pitch: int) -> float:
    return ABOVE + (layout.high - pitch) * layout.semitone
