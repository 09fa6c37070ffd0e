"""Draws a network from its inputs on the left to its heads on the right, as SVG or PNG.

The layout is a list of rectangles, texts and arrows, which each format writes. Knows graphs; knows nothing of
bundles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import ImageFont

from playbach.inspection.network import GraphNode, NetworkGraph
from playbach.rendering.canvas import COLOURS, FAINT_INK, INK, PAPER, Canvas, Colour, mix

# All lengths are pixels of the finished picture.
_MARGIN, _HEADER, _FOOTER = 40, 96, 30
_COLUMN_GAP, _ROW_GAP = 74, 26  # between columns and between boxes
_PADDING, _TITLE_LINE, _LINE_HEIGHT = 14, 26, 20
_TITLE_FONT, _LARGE_FONT, _MEDIUM_FONT, _SMALL_FONT = 26, 16, 14, 13  # fonts
_MIN_WIDTH = 110
_FONT_SLACK = 1.06  # a browser's letters are wider than ours
_MAX_LINES, _MAX_LETTERS = 14, 40
_STACK = 5  # the offset between stacked boxes, which stand for equal layers
_MAX_STACKED = 3
_CURVE_POINTS = 24  # points of an arrow that is drawn as a polyline

_INPUT, _EMBEDDING, _HEAD = COLOURS[4], COLOURS[2], COLOURS[1]
_TRUNK = COLOURS[0]
_ARROW = (150, 145, 136)


@dataclass(frozen=True, slots=True)
class Rectangle:
    x0: float
    y0: float
    x1: float
    y1: float
    fill: Colour
    edge: Colour


@dataclass(frozen=True, slots=True)
class Text:
    """Vertically centred on `y`."""

    x: float
    y: float
    text: str
    size: int
    fill: Colour
    anchor: str = "l"
    """l, m or r."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """From left to right, horizontal at both ends."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Drawing:
    width: int
    height: int
    items: tuple[Rectangle | Text | Arrow, ...]


def write(graph: NetworkGraph, path: Path) -> None:
    """Write a graph in the format of the suffix. The same graph gives the same bytes."""
    path.write_bytes(_DRAWERS[path.suffix.lower()](layout(graph)))


# ------------------------------------------------------------------------------------------------------------ layout


@dataclass(frozen=True, slots=True)
class _Placed:
    box: GraphNode
    lines: tuple[str, ...]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


def layout(graph: NetworkGraph) -> Drawing:
    """Place everything."""
    columns = [[_sized(box) for box in column] for column in graph.columns]
    heights = [sum(p.height for p in column) + _ROW_GAP * (len(column) - 1) for column in columns]
    tallest, x = max(heights), float(_MARGIN)
    placed: list[list[_Placed]] = []
    for column, height in zip(columns, heights):
        width, y = max(p.width for p in column), _HEADER + (tallest - height) / 2
        here = []
        for p in column:
            here.append(_Placed(p.box, p.lines, width, p.height, x, y))
            y += p.height + _ROW_GAP
        placed.append(here)
        x += width + _COLUMN_GAP
    head = (_cut(f"{graph.name}: {graph.architecture}", 60), f"{graph.parameters:,} parameters")
    config = ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in graph.config.items())
    right = (
        max(x - _COLUMN_GAP, _MARGIN + _width(head[0], _TITLE_FONT), _MARGIN + min(_width(config, _SMALL_FONT), 900))
        + _MARGIN
    )
    caption = _broken(config, right - 2 * _MARGIN)
    height = _HEADER + tallest + _FOOTER + _LINE_HEIGHT * len(caption) + _MARGIN / 2
    items: list[Rectangle | Text | Arrow] = [
        Text(_MARGIN, 38, head[0], _TITLE_FONT, INK),
        Text(_MARGIN, 66, head[1], _LARGE_FONT, FAINT_INK),
    ]
    for before, after in pairwise(placed):
        items += _arrows(before, after)
    for number, column in enumerate(placed):
        colour = (
            _INPUT if number == 0 else _HEAD if number == len(placed) - 1 else _EMBEDDING if number == 1 else _TRUNK
        )
        for p in column:
            items += _drawn(p, colour)
    at = _HEADER + tallest + _FOOTER
    items += [Text(_MARGIN, at + i * _LINE_HEIGHT, line, _SMALL_FONT, FAINT_INK) for i, line in enumerate(caption)]
    return Drawing(round(right), round(height), tuple(items))


def _sized(box: GraphNode) -> _Placed:
    lines = [_cut(line, _MAX_LETTERS) for line in box.lines]
    if len(lines) > _MAX_LINES:
        lines = [*lines[: _MAX_LINES - 1], f"and {len(lines) - _MAX_LINES + 1} more"]
    words = [_width(_title(box), _LARGE_FONT), *(_width(line, _MEDIUM_FONT) for line in lines)]
    width = max(_MIN_WIDTH, _FONT_SLACK * max(words) + 2 * _PADDING)
    return _Placed(box, tuple(lines), width, _PADDING + _TITLE_LINE + _LINE_HEIGHT * len(lines) + _PADDING / 2)


def _title(box: GraphNode) -> str:
    return _cut(box.title, _MAX_LETTERS) + (f", {box.times} times" if box.times > 1 else "")


def _drawn(p: _Placed, colour: Colour) -> list[Rectangle | Text | Arrow]:
    fill, edge = mix(colour, PAPER, 0.84), mix(colour, PAPER, 0.15)
    x1, y1 = p.x + p.width, p.y + p.height
    behind = min(p.box.times, _MAX_STACKED) - 1
    items: list[Rectangle | Text | Arrow] = [
        Rectangle(p.x + i * _STACK, p.y - i * _STACK, x1 + i * _STACK, y1 - i * _STACK, fill, edge)
        for i in range(behind, -1, -1)
    ]
    items.append(Text(p.x + _PADDING, p.y + _PADDING + 8, _title(p.box), _LARGE_FONT, INK))
    first = p.y + _PADDING + _TITLE_LINE + 4
    return items + [
        Text(p.x + _PADDING, first + i * _LINE_HEIGHT, line, _MEDIUM_FONT, FAINT_INK)
        for i, line in enumerate(p.lines)
    ]


def _arrows(before: Sequence[_Placed], after: Sequence[_Placed]) -> list[Arrow]:
    pairs = zip(before, after) if len(before) == len(after) else ((a, b) for a in before for b in after)
    return [
        Arrow(
            a.x + a.width + _STACK * (min(a.box.times, _MAX_STACKED) - 1) + 3,
            a.y + a.height / 2,
            b.x - 3,
            b.y + b.height / 2,
        )
        for a, b in pairs
    ]


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else _cut(str(value), 24)


def _cut(text: str, length: int) -> str:
    """A text from a manifest, printable and of limited length."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def _broken(text: str, width: float) -> list[str]:
    lines: list[str] = []
    for part in text.split(", ") if text else []:
        if lines and _width(f"{lines[-1]}, {part}", _SMALL_FONT) <= width:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return lines[:_MAX_LINES]


def _width(text: str, size: int) -> float:
    return float(ImageFont.load_default(size).getlength(text))


# ----------------------------------------------------------------------------------------------------------- formats


def svg(drawing: Drawing) -> bytes:
    """A drawing as SVG. Texts stay texts, not outlines."""
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
            case Text():
                anchor = {"l": "start", "m": "middle", "r": "end"}[item.anchor]
                lines.append(
                    f'<text x="{item.x:.1f}" y="{item.y:.1f}" dy="0.35em" font-size="{item.size}" '
                    f'fill="{_hex(item.fill)}" text-anchor="{anchor}">{escape(item.text)}</text>'
                )
            case Arrow():
                middle = (item.x0 + item.x1) / 2
                lines.append(
                    f'<path d="M{item.x0:.1f} {item.y0:.1f} C{middle:.1f} {item.y0:.1f} {middle:.1f} {item.y1:.1f} '
                    f'{item.x1 - 6:.1f} {item.y1:.1f}" fill="none" stroke="{_hex(_ARROW)}" stroke-width="1.5"/>'
                    f'<path d="M{item.x1:.1f} {item.y1:.1f} l-8 -4 v8 z" fill="{_hex(_ARROW)}"/>'
                )
    return "\n".join([*lines, "</svg>", ""]).encode("utf-8")


def png(drawing: Drawing) -> bytes:
    sheet = Canvas(drawing.width, drawing.height)
    for item in drawing.items:
        match item:
            case Rectangle():
                sheet.box(item.x0 - 0.5, item.y0 - 0.5, item.x1 + 0.5, item.y1 + 0.5, item.edge, 8)
                sheet.box(item.x0 + 0.5, item.y0 + 0.5, item.x1 - 0.5, item.y1 - 0.5, item.fill, 7)
            case Text():
                sheet.text(item.x, item.y, item.text, item.size, item.fill, f"{item.anchor}m")
            case Arrow():
                sheet.line(_curve(item), 1.5, _ARROW)
                sheet.triangle((item.x1, item.y1), (item.x1 - 8, item.y1 - 4), (item.x1 - 8, item.y1 + 4), _ARROW)
    data = BytesIO()
    sheet.to_image().save(data, format="PNG")
    return data.getvalue()


def _curve(arrow: Arrow) -> list[tuple[float, float]]:
    """The points of the arrow's Bézier curve, as SVG draws it."""
    middle, end, points = (arrow.x0 + arrow.x1) / 2, arrow.x1 - 6, []
    for i in range(_CURVE_POINTS + 1):
        t = i / _CURVE_POINTS
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        points.append(((a * arrow.x0 + (b + c) * middle + d * end), (a + b) * arrow.y0 + (c + d) * arrow.y1))
    return points


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


_DRAWERS: dict[str, Callable[[Drawing], bytes]] = {".svg": svg, ".png": png}
