"""How a programme begins, and the parameters that a listener may change while it plays. Cheap to import, so that
`--help` is fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playbach.system.errors import UsageError
from playbach.system.options import check_options, option

MIN_PIECE_BARS, MAX_PIECE_BARS = 4, 32
MAX_TEMPERATURE = 4.0
MIN_PLAYING_TEMPO, MAX_PLAYING_TEMPO = 20.0, 300.0
"""Tempos that a listener may choose, in quarter notes a minute."""
MAX_PIECES = 1_000_000
MAX_SEED = (1 << 53) - 1 - MAX_PIECES
"""A browser can represent the seed of every piece exactly."""


@dataclass(frozen=True, slots=True)
class ListenerParameter:
    """A value that can change while a programme plays, at bar lines."""

    low: float
    high: float
    """The range, inclusive."""
    meaning: str
    default: str | None
    """What the value None stands for. If this is None, None is not a value."""
    metavar: str = ""
    """How the value is written in `--help`."""
    whole: bool = False
    lasts: bool = True
    """Whether a value stays in effect in later pieces. If so, ProgrammeSettings has its first value."""


PARAMETERS = {
    "temperature": ListenerParameter(0.0, MAX_TEMPERATURE, "randomness", "the model's", "T"),
    "tempo": ListenerParameter(
        MIN_PLAYING_TEMPO, MAX_PLAYING_TEMPO, "quarter notes per minute", "each piece's own", "QPM"
    ),
    "length": ListenerParameter(1, MAX_PIECE_BARS, "bars of this piece alone", None, whole=True, lasts=False),
}
LASTING_PARAMETERS = tuple(name for name, parameter in PARAMETERS.items() if parameter.lasts)


def check_parameter(name: str, value: object) -> None:
    """Raises UsageError if there is no such parameter, or the value is out of range."""
    parameter = PARAMETERS.get(name)
    if parameter is None:
        raise UsageError(f"unknown parameter {name!r:.20}; the parameters are {', '.join(PARAMETERS)}")
    if value is None and parameter.default is not None:
        return
    kind = int if parameter.whole else int | float
    if isinstance(value, bool) or not isinstance(value, kind) or not parameter.low <= value <= parameter.high:
        noun = "a whole number" if parameter.whole else "a number"
        raise UsageError(f"{name} must be {noun} between {parameter.low:g} and {parameter.high:g}, not {value!r:.40}")


def _first_value(name: str) -> Any:
    """The option for the first value of a parameter."""
    parameter = PARAMETERS[name]
    return option(
        f"{parameter.meaning}, {{range}}",
        default=None,
        low=parameter.low,
        high=parameter.high,
        metavar=parameter.metavar,
        default_text=parameter.default or "",
    )


@dataclass(frozen=True, slots=True)
class ProgrammeSettings:
    """How a programme begins."""

    seed: int = option("seed of the first piece", low=0, high=MAX_SEED, default_text="random")
    bars: int = option("bars of each piece, {range}", default=16, low=MIN_PIECE_BARS, high=MAX_PIECE_BARS)
    temperature: float | None = _first_value("temperature")
    tempo: float | None = _first_value("tempo")

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def values(self) -> dict[str, float | None]:
        """The first value of each lasting parameter."""
        return {name: getattr(self, name) for name in LASTING_PARAMETERS}


@dataclass(frozen=True, slots=True)
class _Place:
    """A bar of a programme."""

    piece: int = option("number of the piece", low=0, high=MAX_PIECES - 1)
    bar: int = option("number of the bar", low=0, high=MAX_PIECE_BARS)

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class ProgrammeChange:
    """A new value of one parameter, in effect from a bar of a piece until the parameter changes again."""

    piece: int
    bar: int
    parameter: str
    """One of PARAMETERS."""
    value: float | None
    """None: the parameter's default."""

    def __post_init__(self) -> None:
        _Place(self.piece, self.bar)  # checks it
        check_parameter(self.parameter, self.value)
        shortest = max(1, self.bar)
        if self.parameter == "length" and not shortest <= (self.value or 0) <= MAX_PIECE_BARS:
            raise UsageError(
                f"length must be between {shortest} and {MAX_PIECE_BARS} in bar {self.bar}, not {self.value!r:.20}"
            )
