"""Draws a network from its inputs at the left to its heads at the right, as SVG or PNG.

The layout is one list of boxes, words and arrows; each format then writes that list. Knows graphs, not bundles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import ImageFont

from playbach.inspection.network import Box, Graph
from playbach.rendering.canvas import COLOURS, FAINT_INK, INK, PAPER, Colour, Sheet, mixed

# All lengths are pixels of the finished picture.
MARGIN, HEADER, FOOTER = 40, 96, 30
COLUMN, ROW = 74, 26  # between columns and between boxes
PADDING, TITLE_LINE, LINE = 14, 26, 20
TITLE, LARGE, MEDIUM, SMALL = 26, 16, 14, 13  # fonts
NARROWEST = 110
SLACK = 1.06  # a browser's letters are wider than ours
MOST_LINES, MOST_LETTERS = 14, 40
STACK = 5  # how far a box of several shows the next
MOST_STACKED = 3
POINTS = 24  # of an arrow that is drawn as a line

INPUT, EMBEDDING, HEAD = COLOURS[4], COLOURS[2], COLOURS[1]
TRUNK = COLOURS[0]
ARROW = (150, 145, 136)


@dataclass(frozen=True, slots=True)
class Rectangle:
    x0: float
    y0: float
    x1: float
    y1: float
    fill: Colour
    edge: Colour


@dataclass(frozen=True, slots=True)
class Words:
    """`anchor` is l, m or r; the words stand in the middle of `y`."""

    x: float
    y: float
    text: str
    size: int
    fill: Colour
    anchor: str = "l"


@dataclass(frozen=True, slots=True)
class Arrow:
    """From left to right; it leaves and arrives level."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Drawing:
    width: int
    height: int
    items: tuple[Rectangle | Words | Arrow, ...]


def write(graph: Graph, path: Path) -> None:
    """The same graph gives the same bytes. The suffix decides the format."""
    path.write_bytes(DRAWERS[path.suffix.lower()](layout(graph)))


# ------------------------------------------------------------------------------------------------------------ layout


@dataclass(frozen=True, slots=True)
class _Placed:
    box: Box
    lines: tuple[str, ...]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


def layout(graph: Graph) -> Drawing:
    """Where everything goes."""
    columns = [[_sized(box) for box in column] for column in graph.columns]
    heights = [sum(p.height for p in column) + ROW * (len(column) - 1) for column in columns]
    tallest, x = max(heights), float(MARGIN)
    placed: list[list[_Placed]] = []
    for column, height in zip(columns, heights):
        width, y = max(p.width for p in column), HEADER + (tallest - height) / 2
        here = []
        for p in column:
            here.append(_Placed(p.box, p.lines, width, p.height, x, y))
            y += p.height + ROW
        placed.append(here)
        x += width + COLUMN
    head = (_cut(f"{graph.name}: {graph.architecture}", 60), f"{graph.parameters:,} parameters")
    config = ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in graph.config.items())
    right = max(x - COLUMN, MARGIN + _width(head[0], TITLE), MARGIN + min(_width(config, SMALL), 900)) + MARGIN
    caption = _broken(config, right - 2 * MARGIN)
    height = HEADER + tallest + FOOTER + LINE * len(caption) + MARGIN / 2
    items: list[Rectangle | Words | Arrow] = [
        Words(MARGIN, 38, head[0], TITLE, INK),
        Words(MARGIN, 66, head[1], LARGE, FAINT_INK),
    ]
    for before, after in pairwise(placed):
        items += _arrows(before, after)
    for number, column in enumerate(placed):
        colour = INPUT if number == 0 else HEAD if number == len(placed) - 1 else EMBEDDING if number == 1 else TRUNK
        for p in column:
            items += _drawn(p, colour)
    at = HEADER + tallest + FOOTER
    items += [Words(MARGIN, at + i * LINE, line, SMALL, FAINT_INK) for i, line in enumerate(caption)]
    return Drawing(round(right), round(height), tuple(items))


def _sized(box: Box) -> _Placed:
    lines = [_cut(line, MOST_LETTERS) for line in box.lines]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more"]
    words = [_width(_title(box), LARGE), *(_width(line, MEDIUM) for line in lines)]
    width = max(NARROWEST, SLACK * max(words) + 2 * PADDING)
    return _Placed(box, tuple(lines), width, PADDING + TITLE_LINE + LINE * len(lines) + PADDING / 2)


def _title(box: Box) -> str:
    return _cut(box.title, MOST_LETTERS) + (f", {box.times} times" if box.times > 1 else "")


def _drawn(p: _Placed, colour: Colour) -> list[Rectangle | Words | Arrow]:
    fill, edge = mixed(colour, PAPER, 0.84), mixed(colour, PAPER, 0.15)
    x1, y1 = p.x + p.width, p.y + p.height
    behind = min(p.box.times, MOST_STACKED) - 1
    items: list[Rectangle | Words | Arrow] = [
        Rectangle(p.x + i * STACK, p.y - i * STACK, x1 + i * STACK, y1 - i * STACK, fill, edge)
        for i in range(behind, -1, -1)
    ]
    items.append(Words(p.x + PADDING, p.y + PADDING + 8, _title(p.box), LARGE, INK))
    first = p.y + PADDING + TITLE_LINE + 4
    return items + [Words(p.x + PADDING, first + i * LINE, line, MEDIUM, FAINT_INK) for i, line in enumerate(p.lines)]


def _arrows(before: Sequence[_Placed], after: Sequence[_Placed]) -> list[Arrow]:
    pairs = zip(before, after) if len(before) == len(after) else ((a, b) for a in before for b in after)
    return [
        Arrow(a.x + a.width + STACK * (min(a.box.times, MOST_STACKED) - 1) + 3, a.y + a.height / 2, b.x - 3,
              b.y + b.height / 2)
        for a, b in pairs
    ]  # fmt: skip


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else _cut(str(value), 24)


def _cut(text: str, length: int) -> str:
    """What a manifest says may hold anything, and be of any length."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def _broken(text: str, width: float) -> list[str]:
    lines: list[str] = []
    for part in text.split(", ") if text else []:
        if lines and _width(f"{lines[-1]}, {part}", SMALL) <= width:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return lines[:MOST_LINES]


def _width(text: str, size: int) -> float:
    return float(ImageFont.load_default(size).getlength(text))


# ----------------------------------------------------------------------------------------------------------- formats


def svg(drawing: Drawing) -> bytes:
    """A picture that scales, whose words are words."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{drawing.width}" height="{drawing.height}" '
        f'viewBox="0 0 {drawing.width} {drawing.height}" font-family="Helvetica, Arial, sans-serif">',
        f'<rect width="100%" height="100%" fill="{_hex(PAPER)}"/>',
    ]
    for item in drawing.items:
        match item:
            case Rectangle():
                lines.append(
                    f'<rect x="{item.x0:.1f}" y="{item.y0:.1f}" width="{item.x1 - item.x0:.1f}" '
                    f'height="{item.y1 - item.y0:.1f}" rx="8" fill="{_hex(item.fill)}" stroke="{_hex(item.edge)}"/>'
                )
            case Words():
                anchor = {"l": "start", "m": "middle", "r": "end"}[item.anchor]
                lines.append(
                    f'<text x="{item.x:.1f}" y="{item.y:.1f}" dy="0.35em" font-size="{item.size}" '
                    f'fill="{_hex(item.fill)}" text-anchor="{anchor}">{escape(item.text)}</text>'
                )
            case Arrow():
                middle = (item.x0 + item.x1) / 2
                lines.append(
                    f'<path d="M{item.x0:.1f} {item.y0:.1f} C{middle:.1f} {item.y0:.1f} {middle:.1f} {item.y1:.1f} '
                    f'{item.x1 - 6:.1f} {item.y1:.1f}" fill="none" stroke="{_hex(ARROW)}" stroke-width="1.5"/>'
                    f'<path d="M{item.x1:.1f} {item.y1:.1f} l-8 -4 v8 z" fill="{_hex(ARROW)}"/>'
                )
    return "\n".join([*lines, "</svg>", ""]).encode("utf-8")


def png(drawing: Drawing) -> bytes:
    sheet = Sheet(drawing.width, drawing.height)
    for item in drawing.items:
        match item:
            case Rectangle():
                sheet.box(item.x0 - 0.5, item.y0 - 0.5, item.x1 + 0.5, item.y1 + 0.5, item.edge, 8)
                sheet.box(item.x0 + 0.5, item.y0 + 0.5, item.x1 - 0.5, item.y1 - 0.5, item.fill, 7)
            case Words():
                sheet.text(item.x, item.y, item.text, item.size, item.fill, f"{item.anchor}m")
            case Arrow():
                sheet.line(_curve(item), 1.5, ARROW)
                sheet.triangle((item.x1, item.y1), (item.x1 - 8, item.y1 - 4), (item.x1 - 8, item.y1 + 4), ARROW)
    data = BytesIO()
    sheet.finished().save(data, format="PNG")
    return data.getvalue()


def _curve(arrow: Arrow) -> list[tuple[float, float]]:
    """The points of the arrow's Bézier curve, as SVG draws it."""
    middle, end, points = (arrow.x0 + arrow.x1) / 2, arrow.x1 - 6, []
    for i in range(POINTS + 1):
        t = i / POINTS
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        points.append(((a * arrow.x0 + (b + c) * middle + d * end), (a + b) * arrow.y0 + (c + d) * arrow.y1))
    return points


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


DRAWERS: dict[str, Callable[[Drawing], bytes]] = {".svg": svg, ".png": png}
