"""Draws the survey of a corpus: pitches above a keyboard, durations, velocities, keys, meters and instruments.

Knows surveys; knows nothing of the music.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from playbach.inspection.corpus import OTHER_DURATION, CorpusSurvey, Share
from playbach.music import keys
from playbach.rendering.canvas import BLACK_KEYS, COLOURS, FAINT_INK, INK, Canvas, Colour, mix

# All lengths are pixels of the finished picture.
_WIDTH, _MARGIN, _GAP = 1400, 56, 64
_HEADER, _PITCHES, _PANELS = 126, 270, 330  # heights; there are two rows of panels
_TITLE_FONT, _LARGE_FONT, _MEDIUM_FONT, _SMALL_FONT = 30, 18, 15, 13  # fonts
_ROW_HEIGHT = 25
_MAX_ROWS = 10
_KEYBOARD = 34

_BLUE, _ORANGE, _TEAL = COLOURS[:3]
_LINE, _BLACK_KEY, _KEY_LINE = (222, 218, 209), (92, 89, 84), (205, 201, 192)
_FIFTHS = tuple(7 * i % 12 for i in range(-5, 7))
"""Tonics around the circle of fifths, from Db to F sharp."""

_Area = tuple[float, float, float, float]
"""left, top, right, bottom"""


def draw(survey: CorpusSurvey) -> Image.Image:
    """Draw a survey. The same survey gives the same picture."""
    height = _HEADER + _PITCHES + 2 * (_PANELS + _GAP) + _MARGIN // 2
    sheet = Canvas(_WIDTH, height)
    sheet.text(_MARGIN, 44, _cut(survey.name, 60), _TITLE_FONT, INK, "lm")
    sheet.text(_MARGIN, 78, headline(survey), _LARGE_FONT, FAINT_INK, "lm")
    _pitches(sheet, survey, (_MARGIN, _HEADER, _WIDTH - _MARGIN, _HEADER + _PITCHES))
    middle = (_WIDTH - _GAP) / 2
    top = _HEADER + _PITCHES + _GAP
    _rows(
        sheet, "Durations, in notes", survey.durations, (_MARGIN, top, middle, top + _PANELS), _BLUE, _longest_first
    )
    _velocities(sheet, survey, (middle + _GAP, top, _WIDTH - _MARGIN, top + _PANELS))
    top += _PANELS + _GAP
    third = (_WIDTH - 2 * _MARGIN - 2 * _GAP) / 4
    left = _MARGIN + 2 * third
    _keys(sheet, survey, (_MARGIN, top, left, top + _PANELS))
    _rows(sheet, "Meters, in pieces", survey.meters, (left + _GAP, top, left + _GAP + third, top + _PANELS), _TEAL)
    _rows(
        sheet,
        "Instruments, in notes",
        survey.instruments,
        (left + 2 * _GAP + third, top, _WIDTH - _MARGIN, top + _PANELS),
        _TEAL,
    )
    return sheet.to_image()


def headline(survey: CorpusSurvey) -> str:
    """The corpus in one line."""
    hours, minutes = divmod(round(survey.seconds / 60), 60)
    length = f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{survey.seconds:.0f} s"
    pieces = f"{survey.pieces:,} piece{'s' * (survey.pieces != 1)}"
    damaged = f" ({survey.damaged:,} files cannot be read)" if survey.damaged else ""
    return f"{pieces}{damaged}, {survey.notes:,} notes, {length}; encoding {survey.encoding}"


def _panel(sheet: Canvas, title: str, box: _Area) -> None:
    left, top, right, _ = box
    sheet.text(left, top, title, _LARGE_FONT, INK, "lm")
    sheet.box(left, top + 15, right, top + 16, _LINE)


# ----------------------------------------------------------------------------------------------------------- pitches


def _pitches(sheet: Canvas, survey: CorpusSurvey, box: _Area) -> None:
    left, top, right, bottom = box
    _panel(sheet, "Pitches, in notes", box)
    used = [p for p, n in enumerate(survey.pitches) if n]
    if not used:
        sheet.text((left + right) / 2, (top + bottom) / 2, "drums only", _LARGE_FONT, FAINT_INK, "mm")
        return
    low, high = used[0] // 12 * 12, min(used[-1] // 12 * 12 + 11, 127)  # whole octaves
    width, most = (right - left) / (high - low + 1), max(survey.pitches)
    floor = bottom - _KEYBOARD - 4
    for pitch in range(low, high + 1):
        x, count = left + (pitch - low) * width, survey.pitches[pitch]
        if count:
            tall = max((floor - top - 46) * count / most, 1.5)
            colour = mix(_BLUE, INK, 0.35) if pitch % 12 in BLACK_KEYS else _BLUE
            sheet.box(x + 0.1 * width, floor - tall, x + 0.9 * width, floor, colour, min(3, 0.2 * width))
    commonest = survey.pitches.index(most)
    share = f"{most / sum(survey.pitches):.1%}".replace("%", " %")
    named = next(s.name for s in survey.sounding if s.count == most)
    x = left + (commonest - low + 0.5) * width
    sheet.text(min(max(x, left + 50), right - 50), top + 34, f"{named} {share}", _SMALL_FONT, FAINT_INK, "mm")
    _keyboard(sheet, low, high, (left, bottom - _KEYBOARD, right, bottom))


def _keyboard(sheet: Canvas, low: int, high: int, box: _Area) -> None:
    left, top, right, bottom = box
    width = (right - left) / (high - low + 1)
    sheet.box(left - 1, top - 1, right + 1, bottom + 1, _KEY_LINE)
    sheet.box(left, top, right, bottom, (255, 255, 255))
    for pitch in range(low, high + 1):
        x = left + (pitch - low) * width
        if pitch % 12 in BLACK_KEYS:
            sheet.box(x + width / 2 - 0.5, top, x + width / 2 + 0.5, bottom, _KEY_LINE)
            sheet.box(x, top, x + width, top + 0.6 * (bottom - top), _BLACK_KEY, 1)
        elif pitch % 12 in (0, 5):
            sheet.box(x - 0.5, top, x + 0.5, bottom, _KEY_LINE)
        if pitch % 12 == 0:
            sheet.text(x + width / 2, bottom + 13, f"C{pitch // 12 - 1}", _SMALL_FONT, FAINT_INK, "mm")


# -------------------------------------------------------------------------------------------------------------- rows


def _longest_first(shares: Sequence[Share]) -> list[Share]:
    """Note values from the longest, and then all other durations."""
    return [s for s in reversed(shares) if s.name != OTHER_DURATION] + [s for s in shares if s.name == OTHER_DURATION]


def _rows(
    sheet: Canvas, title: str, shares: Sequence[Share], box: _Area, colour: Colour, order: object = None
) -> None:
    """A bar for each name, with its share. If there are too many names, the least frequent are left out."""
    left, top, right, _ = box
    _panel(sheet, title, box)
    total = sum(share.count for share in shares)
    chosen = sorted(shares, key=lambda share: -share.count)[:_MAX_ROWS]
    chosen = [share for share in shares if share in chosen]
    left_out = len(shares) - len(chosen)
    chosen = order(chosen) if callable(order) else chosen
    names = [_cut(share.name, 22) for share in chosen]
    label = max((sheet.width(name, _MEDIUM_FONT) for name in names), default=0) + 12
    room = right - left - label - 62
    most = max((share.count for share in chosen), default=1)
    for i, (share, name) in enumerate(zip(chosen, names)):
        y = top + 38 + i * _ROW_HEIGHT
        sheet.text(left + label - 12, y, name, _MEDIUM_FONT, INK, "rm")
        x = left + label + max(room * share.count / most, 1.5)
        sheet.box(left + label, y - 8, x, y + 8, colour, 3)
        sheet.text(x + 7, y, _percent(share.count / total), _SMALL_FONT, FAINT_INK, "lm")
    if left_out:
        y = top + 38 + len(chosen) * _ROW_HEIGHT
        sheet.text(left + label, y, f"and {left_out} more", _SMALL_FONT, FAINT_INK, "lm")


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 0.001 else f"{share:.1%}".replace("%", " %")


def _cut(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


# ----------------------------------------------------------------------------------------------- velocities and keys


def _velocities(sheet: Canvas, survey: CorpusSurvey, box: _Area) -> None:
    left, top, right, bottom = box
    _panel(sheet, "Velocities, in notes", box)
    floor, width, most = bottom - 24, (right - left) / 128, max(survey.velocities)
    sheet.box(left, floor, right, floor + 1, _LINE)
    for velocity, count in enumerate(survey.velocities):
        if count:
            x, tall = left + velocity * width, max((floor - top - 50) * count / most, 1.5)
            sheet.box(x + 0.06 * width, floor - tall, x + 0.94 * width, floor, _ORANGE, 1)
    for velocity in (1, 32, 64, 96, 127):
        sheet.text(left + (velocity + 0.5) * width, floor + 14, str(velocity), _SMALL_FONT, FAINT_INK, "mm")
    used = [v for v, n in enumerate(survey.velocities) if n]
    if len(used) == 1:
        sheet.text(left, top + 34, f"every note has velocity {used[0]}: no dynamics", _SMALL_FONT, FAINT_INK, "lm")


def _keys(sheet: Canvas, survey: CorpusSurvey, box: _Area) -> None:
    left, top, right, bottom = box
    _panel(sheet, "Keys by estimate, in pieces", box)
    counts = {share.name: share.count for share in survey.keys}
    floor, width = bottom - 46, (right - left) / 12
    most = max((counts.get(name, 0) for name in keys.KEY_NAMES), default=0)
    sheet.box(left, floor, right, floor + 1, _LINE)
    pairs = [(keys.TONICS["major"][tonic], keys.TONICS["minor"][(tonic + 9) % 12]) for tonic in _FIFTHS]
    for i, (major, minor) in enumerate(pairs):
        for j, (tonic, mode, colour) in enumerate(((major, "major", _BLUE), (minor, "minor", _ORANGE))):
            count, x = counts.get(f"{tonic} {mode}", 0), left + (i + 0.1 + 0.4 * j) * width
            if count:
                tall = max((floor - top - 60) * count / most, 1.5)
                sheet.box(x, floor - tall, x + 0.38 * width, floor, colour, 2)
        sheet.text(left + (i + 0.5) * width, floor + 15, major, _MEDIUM_FONT, INK, "mm")
        sheet.text(left + (i + 0.5) * width, floor + 34, f"{minor.lower()}", _SMALL_FONT, FAINT_INK, "mm")
    for j, (mode, colour) in enumerate((("major", _BLUE), ("minor, below its relative major", _ORANGE))):
        x = left + 80 * j
        sheet.box(x, top + 28, x + 14, top + 40, colour, 3)
        sheet.text(x + 20, top + 34, mode, _SMALL_FONT, FAINT_INK, "lm")
