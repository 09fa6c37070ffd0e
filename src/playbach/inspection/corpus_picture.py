"""Draws what a corpus is: pitches over a keyboard, durations by note values, velocities, keys, meters, instruments.

Knows surveys, not the music behind them.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from playbach.inspection.corpus import OTHER, Share, Survey
from playbach.music import keys
from playbach.rendering.canvas import BLACK_KEYS, COLOURS, FAINT_INK, INK, Colour, Sheet, mixed

# All lengths are pixels of the finished picture.
WIDTH, MARGIN, GAP = 1400, 56, 64
HEADER, PITCHES, PANELS = 126, 270, 330  # heights; there are two rows of panels
TITLE, LARGE, MEDIUM, SMALL = 30, 18, 15, 13  # fonts
ROW = 25
MOST_ROWS = 10
KEYBOARD = 34

BLUE, ORANGE, TEAL = COLOURS[:3]
LINE, BLACK_KEY, KEY_LINE = (222, 218, 209), (92, 89, 84), (205, 201, 192)
FIFTHS = tuple(7 * i % 12 for i in range(-5, 7))
"""Tonics around the circle of fifths, from Db to F sharp."""

Box = tuple[float, float, float, float]
"""left, top, right, bottom"""


def draw(survey: Survey) -> Image.Image:
    """The picture; the same survey gives the same."""
    height = HEADER + PITCHES + 2 * (PANELS + GAP) + MARGIN // 2
    sheet = Sheet(WIDTH, height)
    sheet.text(MARGIN, 44, _cut(survey.name, 60), TITLE, INK, "lm")
    sheet.text(MARGIN, 78, headline(survey), LARGE, FAINT_INK, "lm")
    _pitches(sheet, survey, (MARGIN, HEADER, WIDTH - MARGIN, HEADER + PITCHES))
    middle = (WIDTH - GAP) / 2
    top = HEADER + PITCHES + GAP
    _rows(sheet, "Durations, in notes", survey.durations, (MARGIN, top, middle, top + PANELS), BLUE, _longest_first)
    _velocities(sheet, survey, (middle + GAP, top, WIDTH - MARGIN, top + PANELS))
    top += PANELS + GAP
    third = (WIDTH - 2 * MARGIN - 2 * GAP) / 4
    left = MARGIN + 2 * third
    _keys(sheet, survey, (MARGIN, top, left, top + PANELS))
    _rows(sheet, "Meters, in pieces", survey.meters, (left + GAP, top, left + GAP + third, top + PANELS), TEAL)
    _rows(sheet, "Instruments, in notes", survey.instruments,
          (left + 2 * GAP + third, top, WIDTH - MARGIN, top + PANELS), TEAL)  # fmt: skip
    return sheet.finished()


def headline(survey: Survey) -> str:
    """The corpus in a line."""
    hours, minutes = divmod(round(survey.seconds / 60), 60)
    length = f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{survey.seconds:.0f} s"
    pieces = f"{survey.pieces:,} piece{'s' * (survey.pieces != 1)}"
    damaged = f" ({survey.damaged:,} files cannot be read)" if survey.damaged else ""
    return f"{pieces}{damaged}, {survey.notes:,} notes, {length}; the encoding {survey.encoding} suits it"


def _panel(sheet: Sheet, title: str, box: Box) -> None:
    left, top, right, _ = box
    sheet.text(left, top, title, LARGE, INK, "lm")
    sheet.box(left, top + 15, right, top + 16, LINE)


# ----------------------------------------------------------------------------------------------------------- pitches


def _pitches(sheet: Sheet, survey: Survey, box: Box) -> None:
    left, top, right, bottom = box
    _panel(sheet, "Pitches, in notes", box)
    there = [p for p, n in enumerate(survey.pitches) if n]
    if not there:
        sheet.text((left + right) / 2, (top + bottom) / 2, "drums only", LARGE, FAINT_INK, "mm")
        return
    low, high = there[0] // 12 * 12, min(there[-1] // 12 * 12 + 11, 127)  # whole octaves
    width, most = (right - left) / (high - low + 1), max(survey.pitches)
    floor = bottom - KEYBOARD - 4
    for pitch in range(low, high + 1):
        x, count = left + (pitch - low) * width, survey.pitches[pitch]
        if count:
            tall = max((floor - top - 46) * count / most, 1.5)
            colour = mixed(BLUE, INK, 0.35) if pitch % 12 in BLACK_KEYS else BLUE
            sheet.box(x + 0.1 * width, floor - tall, x + 0.9 * width, floor, colour, min(3, 0.2 * width))
    commonest = survey.pitches.index(most)
    share = f"{most / sum(survey.pitches):.1%}".replace("%", " %")
    named = next(s.name for s in survey.sounding if s.count == most)
    x = left + (commonest - low + 0.5) * width
    sheet.text(min(max(x, left + 50), right - 50), top + 34, f"{named} {share}", SMALL, FAINT_INK, "mm")
    _keyboard(sheet, low, high, (left, bottom - KEYBOARD, right, bottom))


def _keyboard(sheet: Sheet, low: int, high: int, box: Box) -> None:
    left, top, right, bottom = box
    width = (right - left) / (high - low + 1)
    sheet.box(left - 1, top - 1, right + 1, bottom + 1, KEY_LINE)
    sheet.box(left, top, right, bottom, (255, 255, 255))
    for pitch in range(low, high + 1):
        x = left + (pitch - low) * width
        if pitch % 12 in BLACK_KEYS:
            sheet.box(x + width / 2 - 0.5, top, x + width / 2 + 0.5, bottom, KEY_LINE)
            sheet.box(x, top, x + width, top + 0.6 * (bottom - top), BLACK_KEY, 1)
        elif pitch % 12 in (0, 5):
            sheet.box(x - 0.5, top, x + 0.5, bottom, KEY_LINE)
        if pitch % 12 == 0:
            sheet.text(x + width / 2, bottom + 13, f"C{pitch // 12 - 1}", SMALL, FAINT_INK, "mm")


# -------------------------------------------------------------------------------------------------------------- rows


def _longest_first(shares: Sequence[Share]) -> list[Share]:
    """Note values stay in their order, from the longest; what is near to none comes last."""
    return [s for s in reversed(shares) if s.name != OTHER] + [s for s in shares if s.name == OTHER]


def _rows(sheet: Sheet, title: str, shares: Sequence[Share], box: Box, colour: Colour, order: object = None) -> None:
    """A bar to the right for each name, with its share; the least frequent are left out where there are too many."""
    left, top, right, _ = box
    _panel(sheet, title, box)
    total = sum(share.count for share in shares)
    kept = sorted(shares, key=lambda share: -share.count)[:MOST_ROWS]
    kept = [share for share in shares if share in kept]
    left_out = len(shares) - len(kept)
    kept = order(kept) if callable(order) else kept
    names = [_cut(share.name, 22) for share in kept]
    label = max((sheet.width(name, MEDIUM) for name in names), default=0) + 12
    room = right - left - label - 62
    most = max((share.count for share in kept), default=1)
    for i, (share, name) in enumerate(zip(kept, names)):
        y = top + 38 + i * ROW
        sheet.text(left + label - 12, y, name, MEDIUM, INK, "rm")
        x = left + label + max(room * share.count / most, 1.5)
        sheet.box(left + label, y - 8, x, y + 8, colour, 3)
        sheet.text(x + 7, y, _percent(share.count / total), SMALL, FAINT_INK, "lm")
    if left_out:
        y = top + 38 + len(kept) * ROW
        sheet.text(left + label, y, f"and {left_out} more", SMALL, FAINT_INK, "lm")


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 0.001 else f"{share:.1%}".replace("%", " %")


def _cut(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


# ----------------------------------------------------------------------------------------------- velocities and keys


def _velocities(sheet: Sheet, survey: Survey, box: Box) -> None:
    left, top, right, bottom = box
    _panel(sheet, "Velocities, in notes", box)
    floor, width, most = bottom - 24, (right - left) / 128, max(survey.velocities)
    sheet.box(left, floor, right, floor + 1, LINE)
    for velocity, count in enumerate(survey.velocities):
        if count:
            x, tall = left + velocity * width, max((floor - top - 50) * count / most, 1.5)
            sheet.box(x + 0.06 * width, floor - tall, x + 0.94 * width, floor, ORANGE, 1)
    for velocity in (1, 32, 64, 96, 127):
        sheet.text(left + (velocity + 0.5) * width, floor + 14, str(velocity), SMALL, FAINT_INK, "mm")
    there = [v for v, n in enumerate(survey.velocities) if n]
    if len(there) == 1:
        sheet.text(left, top + 34, f"every note has velocity {there[0]}: no dynamics", SMALL, FAINT_INK, "lm")


def _keys(sheet: Sheet, survey: Survey, box: Box) -> None:
    left, top, right, bottom = box
    _panel(sheet, "Keys by estimate, in pieces", box)
    counts = {share.name: share.count for share in survey.keys}
    floor, width = bottom - 46, (right - left) / 12
    most = max((counts.get(name, 0) for name in keys.NAMES), default=0)
    sheet.box(left, floor, right, floor + 1, LINE)
    pairs = [(keys.TONICS["major"][tonic], keys.TONICS["minor"][(tonic + 9) % 12]) for tonic in FIFTHS]
    for i, (major, minor) in enumerate(pairs):
        for j, (tonic, mode, colour) in enumerate(((major, "major", BLUE), (minor, "minor", ORANGE))):
            count, x = counts.get(f"{tonic} {mode}", 0), left + (i + 0.1 + 0.4 * j) * width
            if count:
                tall = max((floor - top - 60) * count / most, 1.5)
                sheet.box(x, floor - tall, x + 0.38 * width, floor, colour, 2)
        sheet.text(left + (i + 0.5) * width, floor + 15, major, MEDIUM, INK, "mm")
        sheet.text(left + (i + 0.5) * width, floor + 34, f"{minor.lower()}", SMALL, FAINT_INK, "mm")
    for j, (mode, colour) in enumerate((("major", BLUE), ("minor, below its relative major", ORANGE))):
        x = left + 80 * j
        sheet.box(x, top + 28, x + 14, top + 40, colour, 3)
        sheet.text(x + 20, top + 34, mode, SMALL, FAINT_INK, "lm")
