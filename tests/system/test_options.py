"""Every option describes itself: its field is checked, and its help text and messages name its range and choices."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbach.encodings import OPTIONS
from playbach.evaluation.options import BenchmarkOptions, EvaluationOptions
from playbach.export.options import ExportOptions
from playbach.inference.options import ComposeOptions, Sampling, SeedOption
from playbach.models import MODELS
from playbach.server.limits import ServerLimits
from playbach.streaming.settings import ProgrammeSettings
from playbach.system.errors import UsageError
from playbach.system.options import (
    DescribedOption,
    changed,
    check_option,
    check_options,
    number_text,
    option,
    options_of,
)
from playbach.system.options import given as given_options
from playbach.training.options import TrainOptions

REQUIRED = {ProgrammeSettings: {"seed": 0}}
ALL = [
    *OPTIONS.values(),
    *(entry.options for entry in MODELS.values()),
    BenchmarkOptions,
    ComposeOptions,
    EvaluationOptions,
    ExportOptions,
    ProgrammeSettings,
    Sampling,
    SeedOption,
    ServerLimits,
    TrainOptions,
]
NUMBERS = [(kind, o) for kind in ALL for o in options_of(kind) if o.type in (int, float)]
CHOICES = [(kind, o) for kind in ALL for o in options_of(kind) if o.option.choices]


def name_of(case: Any) -> str:
    return case.__name__ if isinstance(case, type) else case.name


@pytest.mark.parametrize("kind", ALL, ids=name_of)
def test_every_field_is_an_option_and_its_default_is_valid(kind: type[Any]) -> None:
    assert [o.name for o in options_of(kind)] == [field.name for field in dataclasses.fields(kind)]
    for described in options_of(kind):
        if described.default is not dataclasses.MISSING:
            check_option(described, described.default)
        text = described.option.help_text()
        assert text and "{" not in text and not text.endswith(".")
    values = REQUIRED.get(kind, {})
    assert {o.name for o, _ in changed(kind(**values))} == set(values)


@pytest.mark.parametrize(("kind", "described"), NUMBERS, ids=name_of)
def test_numbers_in_the_range_are_accepted_and_no_others(kind: type[Any], described: DescribedOption) -> None:
    facts, least = described.option, 1 if described.type is int else 1e-6
    for limit, inside, outside in (
        (facts.low, 0, -least),
        (facts.above, least, 0),
        (facts.high, 0, least),
        (facts.below, -least, 0),
    ):
        if limit is not None:
            check_option(described, described.type(limit + inside))
            with pytest.raises(UsageError, match=f"^{described.spelling} must be a (whole )?number "):
                kind(**{**REQUIRED.get(kind, {}), described.name: described.type(limit + outside)})
    for value in (math.nan, math.inf, -math.inf, "many", True, [], 10**400 if facts.high is not None else "x"):
        with pytest.raises(UsageError, match=f"^{described.spelling} must be "):
            check_option(dataclasses.replace(described, option=dataclasses.replace(facts, const=None)), value)


@pytest.mark.parametrize(("kind", "described"), CHOICES, ids=name_of)
def test_the_message_lists_the_choices(kind: type[Any], described: DescribedOption) -> None:
    for value in ("abacus", ["abacus"], 3):
        with pytest.raises(UsageError) as caught:
            kind(**{described.name: value})
        assert all(choice in str(caught.value) for choice in described.option.choices)
    for choice in described.option.choices:
        check_option(described, choice)


@dataclass(frozen=True)
class Toy:
    size: int = option("size, {range}", default=3, low=1, high=8)
    share: float = option("share, {range}", default=0.5, low=0, below=1, unit="of all")
    kind: Literal["a", "b"] = option("{choices}", default="a")
    loud: bool = option("play loudly", default=False)
    rules: bool = option("no rules", default=True, flag="--no-rules")
    label: str | None = option("name", default=None)
    places: int | None = option("places, {range}", default=None, low=1, const=100)

    def __post_init__(self) -> None:
        check_options(self)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"size": 9}, "size must be a whole number between 1 and 8, not 9"),
        ({"size": 2.0}, "size must be a whole number between 1 and 8, not 2.0"),
        ({"share": 1}, "share must be a number of at least 0 and less than 1 of all, not 1"),
        ({"kind": "c"}, "kind must be a or b, not 'c'"),
        ({"loud": 1}, "loud must be true or false, not 1"),
        ({"label": 3}, "label must be a name, not 3"),
        ({"places": 0}, "places must be a whole number of at least 1, not 0"),
    ],
)
def test_a_message_says_what_is_allowed(value: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Toy(**value)
    assert str(caught.value) == message


def test_help_texts_name_the_range_and_the_choices() -> None:
    texts = [o.option.help_text() for o in options_of(Toy)]
    expected = ["size, 1 to 8", "share, at least 0 and less than 1", "a or b", "play loudly", "no rules", "name"]
    assert texts == [*expected, "places, 1 or more"]


def test_the_words_of_a_value_set_it() -> None:
    words = [o.words(value) for o, value in changed(Toy(size=4, loud=True, rules=False))]
    assert words == [["--size", "4"], ["--loud"], ["--no-rules"]]


@given(st.dictionaries(st.sampled_from(["size", "share", "label", "other"]), st.one_of(st.none(), st.integers())))
def test_what_is_given_is_what_is_an_option_and_not_none(values: dict[str, Any]) -> None:
    names = {name for name, value in values.items() if value is not None} - {"other"}
    assert given_options(Toy, values) == {name: values[name] for name in names}


@pytest.mark.parametrize(
    ("number", "text"), [(10_000, "10,000"), (0.125, "0.125"), (8.0, "8"), ((1 << 63) - 1, "2^63 - 1"), (-3, "-3")]
)
def test_numbers_are_written_for_people(number: float, text: str) -> None:
    assert number_text(number) == text
