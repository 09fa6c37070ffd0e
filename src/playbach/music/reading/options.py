"""The options of reading music files. Cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from playbach.system.options import check_options, option


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

    def __post_init__(self) -> None:
        check_options(self)
