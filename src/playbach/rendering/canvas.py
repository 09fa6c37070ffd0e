"""Draws boxes, lines and text for all our pictures, and defines their colours.

A picture is drawn at four times its size and scaled down at the end, so that edges are smooth. Coordinates are those
of the final picture. Knows Pillow and nothing of music.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]

OVERSAMPLING = 4
BLACK_KEYS = {1, 3, 6, 8, 10}
"""Pitch classes."""

PAPER, INK, FAINT_INK = (253, 252, 249), (62, 60, 56), (134, 130, 122)
# Distinguishable with any colour vision: neighbours also differ in lightness.
COLOURS: tuple[Colour, ...] = (
    (44, 96, 168),  # blue
    (230, 140, 44),  # orange
    (36, 158, 138),  # teal
    (176, 62, 112),  # wine
    (98, 178, 224),  # sky
    (134, 130, 48),  # olive
    (140, 106, 188),  # violet
    (140, 86, 60),  # brown
)


class Canvas:
    """A picture, or a part of one, with the width and height in pixels of the final picture."""

    def __init__(self, width: int, height: int) -> None:
        size = width * OVERSAMPLING, height * OVERSAMPLING
        self._image = Image.new("RGB", size, PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def to_image(self) -> Image.Image:
        return self._image.reduce(OVERSAMPLING)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour, radius: float = 0) -> None:
        k = OVERSAMPLING
        corners = round(x0 * k), round(y0 * k), round(x1 * k) - 1, round(y1 * k) - 1
        if corners[2] < corners[0] or corners[3] < corners[1]:
            return
        if radius * k >= 1:
            self._draw.rounded_rectangle(corners, round(radius * k), fill)
        else:
            self._draw.rectangle(corners, fill)

    def text(self, x: float, y: float, text: str, size: int, fill: Colour, anchor: str) -> None:
        """Draw text. `anchor` is Pillow's: `lm` is left and middle."""
        font = ImageFont.load_default(size * OVERSAMPLING)
        self._draw.text((x * OVERSAMPLING, y * OVERSAMPLING), text, fill, font, anchor)

    def line(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        k = OVERSAMPLING
        self._draw.line([(x * k, y * k) for x, y in points], fill, round(width * k), joint="curve")

    def triangle(self, a: Point, b: Point, c: Point, fill: Colour) -> None:
        self._draw.polygon([(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in (a, b, c)], fill)

    def width(self, text: str, size: int) -> float:
        """The width of a text in pixels."""
        return self._draw.textlength(text, ImageFont.load_default(size * OVERSAMPLING)) / OVERSAMPLING


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """A colour mixed with another one, of which `share` is between 0 and 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other))
    return red, green, blue
