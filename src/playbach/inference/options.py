"""The options of composing. Cheap to import, so that `--help` is fast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from playbach.music.events import MAX_TEMPO, MIN_TEMPO
from playbach.system.errors import UsageError
from playbach.system.options import check_options, option

MAX_PIECE_SEED = (1 << 64) - 1
MAX_BARS = 10_000
MAX_DRAFTS = 256
MAX_SAMPLING_TEMPERATURE = 10
MAX_PROGRAM = 127
MAX_DRAWS = 20
"""How often a piece is composed, at most, until it is original."""
MODELS_OWN = "the model's"
AS_COMPOSED = "as composed"

temperature_option = partial(
    option, "randomness, {range}; 0: the most probable symbols, 1: as learnt", low=0, metavar="T"
)
top_p_option = partial(  # Holtzman et al., arXiv:1904.09751
    option,
    "choose only among the most probable symbols that add up to probability P, at most 1",
    above=0,
    high=1,
    metavar="P",
)
_own_temperature = partial(temperature_option, default=None, high=MAX_SAMPLING_TEMPERATURE, default_text=MODELS_OWN)
_own_top_p = partial(top_p_option, default=None, default_text=MODELS_OWN)
tempo_option = partial(
    option, "quarter notes per minute, {range}", unit="quarters per minute", metavar="QPM", default_text=AS_COMPOSED
)
_quarters = partial(option, low=0.125, high=8.0, unit="quarters", default_text=AS_COMPOSED)


@dataclass(frozen=True, slots=True)
class SeedOption:
    """Where the random numbers of a piece begin."""

    seed: int | None = option(
        "random seed, 0 or more", default=None, default_text="random", low=0, high=MAX_PIECE_SEED
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class OriginalOption:
    """Whether a piece that borrows too much is composed again."""

    original: bool = option(
        f"compose again, up to {MAX_DRAWS} times, while the piece borrows more from the training pieces than real "
        "music does",
        default=False,
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class WishOptions:
    """What a piece is to be like. None: as it comes."""

    key: str | None = option(
        "the key, such as `d minor` or `F# major`: pieces are composed until one is major or minor as wished, and "
        "can be transposed to this key",
        default=None,
        default_text="any",
        metavar="KEY",
    )
    meter: str | None = option(
        "the meter, one in which training pieces begin; with --prime FILE, it replaces the meters of the file",
        default=None,
        default_text="any",
        metavar="N/D",
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a symbol is sampled."""

    temperature: float = temperature_option(default=1.0, high=MAX_SAMPLING_TEMPERATURE)
    top_p: float = top_p_option(default=0.95)

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """A change of temperature or length at a bar line. It replaces all earlier changes."""

    bar: int
    """The first bar to which it applies: 1 is the first full bar, 0 a pickup."""
    temperature: float | None = None
    """None: the temperature that the piece began with."""
    bars: int | None = None
    """The length of the piece; None: the length that it began with."""

    def __post_init__(self) -> None:
        if not (isinstance(self.bar, int) and self.bar >= 0):
            raise UsageError(f"the bar of a change must be a whole number from 0 on, not {self.bar!r:.40}")
        if self.bars is not None and not (isinstance(self.bars, int) and self.bars >= max(self.bar, 1)):
            raise UsageError(
                f"bars of a change at bar {self.bar} must be a whole number of at least {max(self.bar, 1)}, "
                f"not {self.bars!r:.40}"
            )
        if self.temperature is not None:
            Sampling(self.temperature)  # checks it


@dataclass(frozen=True, slots=True)
class HarmoniseOptions:
    """How to compose around given voices. None leaves an option to the model."""

    voice: str = option(
        "the voices that the file gives: soprano, alto, tenor or bass, or several with commas; the others are "
        "composed",
        default="soprano",
        metavar="VOICE,…",
    )
    temperature: float | None = _own_temperature()
    top_p: float | None = _own_top_p()
    rules: bool = option(
        "no style rules: allow parallel fifths and octaves, and any chord where a phrase ends",
        default=True,
        flag="--no-rules",
    )
    drafts: int = option(
        "compose this many drafts side by side and prefer those that suit the tune, {range}; more take longer",
        default=16,
        low=1,
        high=MAX_DRAFTS,
    )

    def __post_init__(self) -> None:
        check_options(self)

    def sampling(self, default: Sampling) -> Sampling:
        """The default sampling, with the options that are not None."""
        return _changed(default, temperature=self.temperature, top_p=self.top_p)


@dataclass(frozen=True, slots=True)
class RewriteOptions:
    """How to compose bars of a piece anew. None leaves an option to the model."""

    bars: str = option(
        "the bars to compose (required), such as 5-8; bar 1 is the first full one, 0 a pickup", metavar="A-B"
    )
    voices: str | None = option(
        "the voices to compose, of soprano, alto, tenor and bass, with commas; the others stay; chorales only",
        default=None,
        default_text="all",
        metavar="VOICE,…",
    )
    temperature: float | None = _own_temperature()
    top_p: float | None = _own_top_p()
    rules: bool = option(
        "no style rules: allow parallel fifths and octaves, and any ending of the piece",
        default=True,
        flag="--no-rules",
    )
    drafts: int = option(
        "compose this many drafts of the bars and prefer those that lead into what follows, {range}; more take "
        "longer",
        default=32,
        low=1,
        high=MAX_DRAFTS,
    )

    def __post_init__(self) -> None:
        check_options(self)

    def sampling(self, default: Sampling) -> Sampling:
        """The default sampling, with the options that are not None."""
        return _changed(default, temperature=self.temperature, top_p=self.top_p)


def _changed(sampling: Sampling, **values: float | None) -> Sampling:
    return replace(sampling, **{name: value for name, value in values.items() if value is not None})


@dataclass(frozen=True, slots=True)
class ComposeOptions:
    """How to compose a piece. None leaves an option to the model."""

    bars: int = option("bars to compose, {range}, after those of a prime", default=16, low=1, high=MAX_BARS)
    temperature: float | None = _own_temperature()
    top_p: float | None = _own_top_p()
    tempo: float | None = tempo_option(default=None, low=MIN_TEMPO, high=MAX_TEMPO)
    programs: tuple[int | None, ...] | None = option(
        "the General MIDI program of each voice, 0 to 127", default=None, flag=None
    )
    prime_bars: int | None = option(
        "first bars of the prime to use, {range}", default=None, low=1, high=MAX_BARS, default_text="all"
    )
    keep_prime: bool = option("leave the prime out of the output", default=True, flag="--no-prime")
    plain: bool = option("no dynamics, and no slowing down at the end", default=False)
    rules: bool = option(
        "no style rules: allow parallel fifths and octaves, and stop at the first ending",
        default=True,
        flag="--no-rules",
    )
    changes: tuple[ParameterChange, ...] | None = option(
        "changes of temperature and length, in the order of their bars, which are counted from the prime's beginning",
        default=None,
        flag=None,
    )
    offset: float | None = _quarters(
        "fixed time between onsets, {range} quarter notes; notes encoding only", default=None
    )
    duration: float | None = _quarters("fixed note length, {range} quarter notes; notes encoding only", default=None)

    def __post_init__(self) -> None:
        check_options(self)
        if not isinstance(self.programs, tuple | list | None):
            raise UsageError(f"programs must be a tuple with one number for each voice, not {self.programs!r:.40}")
        for program in self.programs or ():
            if program is not None and not (isinstance(program, int) and 0 <= program <= MAX_PROGRAM):
                raise UsageError(f"programs must be whole numbers between 0 and {MAX_PROGRAM}, not {program!r:.40}")
        if not isinstance(self.changes, tuple | list | None) or not all(
            isinstance(t, ParameterChange) for t in self.changes or ()
        ):
            raise UsageError(f"changes must be a tuple of ParameterChange, not {self.changes!r:.40}")
        if sorted(self.changes or (), key=lambda change: change.bar) != list(self.changes or ()):
            raise UsageError("changes must be in the order of their bars")

    def sampling(self, default: Sampling) -> Sampling:
        """The default sampling, with the options that are not None."""
        return _changed(default, temperature=self.temperature, top_p=self.top_p)
