"""Options as dataclass fields that describe themselves.

Everything that is known of an option stands in one place, its field: the name, the type and the default as usual, and
the meaning, the range and the choices as the field's metadata:

    @dataclass(frozen=True)
    class ComposeOptions:
        bars: int = option("bars to compose, {range}", default=16, low=1, high=10_000)

        def __post_init__(self) -> None:
            check_options(self)

The checks (here), the command line (`cli/options.py`), the errors in TOML files (`training/configs.py`) and the page
docs/options.md are made from it. Standard library only, so that `--help` is fast.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass
from functools import cache
from typing import Any

from playbach.system.errors import UsageError

_KEY = "option"
NoneType = type(None)


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of an option besides its name, type and default."""

    help: str
    """One phrase. `{range}` and `{choices}` stand for the range and the choices."""
    low: float | None = None
    """The smallest value."""
    above: float | None = None
    """A number that every value is greater than."""
    high: float | None = None
    """The largest value."""
    below: float | None = None
    """A number that every value is less than."""
    choices: Collection[str] = ()
    """All values of a text; those of a Literal need not be given. What is added to a registry later is among them."""
    unit: str = ""
    """What the number counts, for messages: `quarters`."""
    metavar: str = ""
    """How the value is written in `--help`; by default by its type."""
    default_text: str = ""
    """The default in words, where it is None or says too little."""
    flag: str | None = ""
    """The option on the command line; by default made from the name. None: it is not on the command line. For a
    boolean it stands for the value that is not the default."""
    const: Any = None
    """The value of the option without a value, on the command line and as True; None: a value is required."""

    def range_text(self) -> str:
        """The range as it follows a noun in a help text: `1 to 8`; nothing if there is none."""
        if self.low is not None and self.high is not None:
            return f"{number_text(self.low)} to {number_text(self.high)}"
        if self.low is not None and self.below is None:
            return f"{number_text(self.low)} or more"
        return self.condition().removeprefix("of ")

    def condition(self) -> str:
        """The range as it follows `a number` in a message: `between 1 and 8`; nothing if there is none."""
        low, above, high, below = (n if n is None else number_text(n) for n in self.limits())
        if low is not None and high is not None:
            return f"between {low} and {high}"
        lower = f"of at least {low}" if low is not None else f"above {above}" if above is not None else ""
        upper = f"at most {high}" if high is not None else f"less than {below}" if below is not None else ""
        return " and ".join(filter(None, (lower, upper)))

    def limits(self) -> tuple[float | None, float | None, float | None, float | None]:
        return self.low, self.above, self.high, self.below

    def contains(self, value: float) -> bool:
        """Whether a number is in the range. Infinity and NaN never are, if there is a range."""
        low, above, high, below = self.limits()
        return (
            (-math.inf < value < math.inf or not self.has_range())
            and (low is None or value >= low)
            and (above is None or value > above)
            and (high is None or value <= high)
            and (below is None or value < below)
        )

    def has_range(self) -> bool:
        return any(limit is not None for limit in self.limits())

    def help_text(self) -> str:
        """The help text, with the range and the choices in place."""
        return self.help.format(range=self.range_text(), choices=listed(self.choices))


def option(help: str, *, default: Any = MISSING, factory: Any = MISSING, **facts: Any) -> Any:
    """A dataclass field that is an option.

    Args:
        help: as in `Option`.
        default: the default; without one, and without a factory, the option is required.
        factory: makes the default, where that is mutable or an object.
        facts: other fields of `Option`.
    """
    return dataclasses.field(default=default, default_factory=factory, metadata={_KEY: Option(help, **facts)})


@dataclass(frozen=True, slots=True)
class DescribedOption:
    """An option of a dataclass, with all that is known of it."""

    name: str
    type: Any
    """The type without None: `int`, `float`, `bool`, `str`, a dataclass, or anything else."""
    optional: bool
    """Whether None is a value."""
    default: Any
    """MISSING if the option is required."""
    option: Option

    @property
    def spelling(self) -> str:
        return spelling(self.name)

    @property
    def is_required(self) -> bool:
        """Whether a user must give it: it has no default, and no text that says what happens without it."""
        return self.default is MISSING and not self.option.default_text

    @property
    def flag(self) -> str | None:
        """The option on the command line, such as `--learning-rate`; None if it is not there."""
        return f"--{self.spelling}" if self.option.flag == "" else self.option.flag

    def words(self, value: Any) -> list[str]:
        """The words that set a value on the command line; none for the default of a boolean."""
        if self.flag is None:
            return []
        if self.type is not bool:
            return [self.flag, str(value)]
        if value is not (not self.default):
            return []
        return [self.flag if value or self.option.flag else f"--no-{self.spelling}"]


def spelling(name: str) -> str:
    """The name of an option with dashes, as on the command line and in messages."""
    return name.replace("_", "-")


def _options_of(kind: type[Any]) -> tuple[DescribedOption, ...]:
    hints = typing.get_type_hints(kind)
    described = []
    for field in dataclasses.fields(kind):
        if _KEY in field.metadata:
            factory = field.default_factory
            default = field.default if factory is MISSING else factory()
            type_, optional = _without_none(hints[field.name])
            facts = field.metadata[_KEY]
            if typing.get_origin(type_) is typing.Literal:
                type_, facts = str, dataclasses.replace(facts, choices=typing.get_args(type_))
            described.append(DescribedOption(field.name, type_, optional, default, facts))
    return tuple(described)


options_of: Callable[[type[Any]], tuple[DescribedOption, ...]] = cache(_options_of)  # type: ignore[assignment]  # types are hashable
"""The options of a dataclass (the class, not an instance), in order."""


def _without_none(hint: Any) -> tuple[Any, bool]:
    """A type without None, and whether None was part of it."""
    if typing.get_origin(hint) not in (types.UnionType, typing.Union):
        return hint, False
    parts = [part for part in typing.get_args(hint) if part is not NoneType]
    return (parts[0] if len(parts) == 1 else hint), len(parts) < len(typing.get_args(hint))


def check_options(options: Any) -> None:
    """Check the type, the range and the choice of each option of a dataclass.

    Raises:
        UsageError: a value is not valid. The message names the option, what is allowed, and the value.
    """
    for described in options_of(type(options)):
        check_option(described, getattr(options, described.name))


def check_option(described: DescribedOption, value: Any) -> None:
    """Check one value. Raises UsageError as `check_options` does."""
    if (value is None and described.optional) or (value is True and described.option.const is not None):
        return
    if not _is_valid(described, value):
        raise UsageError(f"{described.spelling} must be {_requirement(described)}, not {value!r:.40}")


def _is_valid(described: DescribedOption, value: Any) -> bool:
    kind, option = described.type, described.option
    if option.choices:
        return value in tuple(option.choices)
    if kind in (int, float):
        is_number = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
        return is_number and option.contains(value)
    kind = typing.get_origin(kind) or kind
    return isinstance(value, kind) if kind in (bool, str, Mapping) or dataclasses.is_dataclass(kind) else True


def _requirement(described: DescribedOption) -> str:
    """What a value must be, in words."""
    kind, option = described.type, described.option
    if option.choices:
        return listed(option.choices)
    if kind in (int, float):
        noun = "a whole number" if kind is int else "a number"
        return " ".join(filter(None, (noun, option.condition(), option.unit)))
    nouns = {bool: "true or false", str: "a name", Mapping: "a dict"}
    kind = typing.get_origin(kind) or kind
    return nouns.get(kind) or f"{_article(kind.__name__)} {kind.__name__}"


def _article(word: str) -> str:
    return "an" if word[0] in "AEIOU" else "a"


def given(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are options of the dataclass and not None; lists as tuples."""
    chosen = {o.name: values[o.name] for o in options_of(kind) if values.get(o.name) is not None}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}


def changed(options: Any) -> Iterator[tuple[DescribedOption, Any]]:
    """The options of a dataclass whose values differ from the defaults, with these values."""
    for described in options_of(type(options)):
        value = getattr(options, described.name)
        if value != described.default:
            yield described, value


def number_text(number: float) -> str:
    """A number for people: `10,000`, `0.125`, `2^63 - 1`."""
    if isinstance(number, int) and number > 1 << 40 and (number + 1) & number == 0:
        return f"2^{(number + 1).bit_length() - 1} - 1"
    return f"{int(number):,}" if float(number).is_integer() else f"{number:g}"


def listed(words: Iterable[str], last: str = "or") -> str:
    """Words as a list in a sentence: `lstm, attention or cnn`."""
    *first, final = [*words] or [""]
    return f"{', '.join(first)} {last} {final}" if first else final
