"""The symbols of the `chorale` encoding, and the constants that it takes from training pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from playbach.encodings.base import Encoding
from playbach.encodings.fields import UNKNOWN, UNKNOWN_NAME, Field
from playbach.encodings.options import ChoraleOptions
from playbach.music.bars import Header

ORDER = (0, 3, 1, 2)
"""The voices, as indices into VOICES, in the order in which they are predicted."""
BASS = 3
"""An index into VOICES."""
WAIT_SLOT = len(ORDER)
"""The step of an onset that is its wait; those before it are the steps of the voices."""
STEPS_PER_ONSET = WAIT_SLOT + 1
"""The steps of an onset: the four voices and the wait."""
HOLD, REST, FIRST_PITCH = 1, 2, 3
"""Symbols; 0 is UNKNOWN."""
MAX_WAIT = 16
"""In sixteenths."""
WAITS = tuple(f"+{n}" for n in range(1, MAX_WAIT + 1))


@dataclass(frozen=True)
class ChoraleVocabulary(Encoding):
    """What the decoder needs to know of a `chorale` encoding."""

    name: ClassVar[str] = "chorale"
    track_count: ClassVar[int] = 4
    ranges: tuple[tuple[int, int], ...]
    """The lowest and highest pitch of each voice in the training pieces."""
    longest: int
    """The longest note of the training pieces, in sixteenths."""
    meters: tuple[str, ...]
    headers: tuple[tuple[Header, int], ...]
    options: ChoraleOptions

    @cached_property
    def low(self) -> int:
        return min(low for low, _ in self.ranges)

    @cached_property
    def high(self) -> int:
        return max(high for _, high in self.ranges)

    @cached_property
    def pitches(self) -> tuple[str, ...]:
        """The names of the symbols from FIRST_PITCH on."""
        return tuple(map(str, range(self.low, self.high + 1)))

    @cached_property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        return (Field("symbol", (UNKNOWN_NAME, "hold", "rest", *self.pitches, *WAITS)),)

    @property
    def first_wait(self) -> int:
        """The symbol of the shortest wait, a sixteenth."""
        return FIRST_PITCH + len(self.pitches)

    def symbol_of(self, pitch: int) -> int:
        return FIRST_PITCH + pitch - self.low if self.low <= pitch <= self.high else UNKNOWN

    def pitch_of(self, symbol: int) -> int:
        """The pitch of a symbol from FIRST_PITCH on."""
        return symbol - FIRST_PITCH + self.low

    def manifest(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ranges": [list(r) for r in self.ranges],
            "longest": self.longest,
            "meters": list(self.meters),
            "headers": [[h.manifest(), n] for h, n in self.headers],
            "options": asdict(self.options),
        }

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            ranges=tuple((int(a), int(b)) for a, b in data["ranges"]),
            longest=int(data["longest"]),
            meters=tuple(map(str, data["meters"])),
            headers=tuple((Header.from_manifest(h), int(n)) for h, n in data["headers"]),
            options=ChoraleOptions(**data.get("options", {})),
        )
