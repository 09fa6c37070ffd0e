"""The options of reading music files, and their suffixes. Cheap to import, so that `--help` is fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from playbach.music.events import MAX_NUMERATOR, METER_DENOMINATORS
from playbach.system.errors import UsageError
from playbach.system.options import check_options, option

MUSIC_SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".musicxml", ".xml", ".mxl")
"""The suffixes of music files in a folder. A file that is named itself may have any suffix."""


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """What is made of a file's music."""

    pedal: Literal["keep", "ignore"] = option(
        "keep: notes sound until the sustain pedal lifts; ignore: they have their written lengths", default="keep"
    )
    plain_ornaments: bool = option(
        "leave out grace notes and play trills, mordents, turns, tremolos and arpeggios as plain notes "
        "(MusicXML only)",
        default=False,
    )
    meter: str | None = option(
        "replace all meters by this one, for files with a wrong meter; a pickup stays a pickup",
        default=None,
        metavar="N/D",
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.meter is not None:
            meter_fraction(self.meter)

    def reading(self) -> ReadingOptions:
        """These options alone, of a dataclass that has others too."""
        return ReadingOptions(self.pedal, self.plain_ornaments, self.meter)


def meter_fraction(text: str) -> tuple[int, int]:
    """`3/4` as (3, 4).

    Raises:
        UsageError: this is not a meter that MIDI allows.
    """
    numerator, _, denominator = text.partition("/")
    if all(part.isascii() and part.isdecimal() and len(part) <= 3 for part in (numerator, denominator)):
        fraction = int(numerator), int(denominator)
        if 1 <= fraction[0] <= MAX_NUMERATOR and fraction[1] in METER_DENOMINATORS:
            return fraction
    raise UsageError(
        f"meter must be a fraction such as 4/4 or 6/8, up to {MAX_NUMERATOR} over a power of two up to "
        f"{METER_DENOMINATORS[-1]}, not {text!r:.40}"
    )
