"""The options of the encodings, without the encodings themselves, so that `--help` is fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from playbach.system.errors import UsageError
from playbach.system.options import check_options, option

LONGEST_DURATION = 8.0
"""The longest note of the `notes` encoding, in quarters."""


@dataclass(frozen=True, slots=True)
class NotesOptions:
    """Options of the `notes` encoding. In the articles, `octaves`, `durations` and `velocities` are called `normal`,
    `concatenate` and `predict_velocity`."""

    octaves: Literal["kept", "folded"] = option("pitches: kept, or folded into one octave", default="kept")
    durations: Literal["none", "joined", "separate"] = option(
        "none, joined with the pitch in one symbol, or a separate symbol", default="separate"
    )
    velocities: bool = option("learn and compose dynamics", default=False)
    max_duration: float = option(
        "longest note, {range} quarter notes; longer ones are cut, and a rest follows",
        default=LONGEST_DURATION,
        low=1.0,  # the last onset needs a quarter
        high=LONGEST_DURATION,
        unit="quarters",
    )
    chordify: bool = option("form chords of all notes that sound, not only of those that begin", default=False)

    def __post_init__(self) -> None:
        check_options(self)
        if self.durations == "none" and self.max_duration < LONGEST_DURATION:
            raise UsageError("max-duration cannot be combined with durations none, which leaves durations out")


@dataclass(frozen=True, slots=True)
class ChoraleOptions:
    """Options of the `chorale` encoding."""

    given: bool = option("learn also to compose around given voices, as `playbach harmonise` does", default=False)

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class EventsOptions:
    """Options of the `events` encoding."""

    programs: Literal["exact", "families"] = option(
        "exact instruments of General MIDI, or its 16 families", default="exact"
    )
    tempos: Literal["kept", "fixed"] = option("tempo changes kept, or one fixed tempo per piece", default="kept")
    velocities: bool = option("learn and compose dynamics", default=True)

    def __post_init__(self) -> None:
        check_options(self)
