"""The description of the protocol's messages: what it allows is read and written unchanged, all else is rejected."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Annotated, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.paths import ROOT
from playbach.server import protocol
from playbach.server.messages import parse_message, with_send_time
from playbach.server.schema import (
    FlagShape,
    KeyShape,
    ListShape,
    MessageRejected,
    NameShape,
    NullableShape,
    NumberShape,
    ObjectShape,
    Presence,
    RowShape,
    TextShape,
    Within,
    keys_of,
    read,
    shape_of,
    write,
)
from playbach.streaming.settings import LASTING_PARAMETERS, PARAMETERS

KINDS: list[type[Any]] = [*get_args(protocol.ClientMessage), *get_args(protocol.ServerMessage), protocol.ModelsInfo]
CLIENT_KINDS: list[type[Any]] = list(get_args(protocol.ClientMessage))


def json_values(shape: KeyShape) -> st.SearchStrategy[Any]:
    """All values that a shape allows, as JSON has them."""
    match shape:
        case TextShape(most):
            return st.text(max_size=20 if most is None else min(most, 20))
        case NameShape(names):
            return st.sampled_from(names)
        case NumberShape(whole, within):
            low, high = (within.low, within.high) if within else (-1e6, 1e6)
            return st.integers(int(low), int(high)) if whole else st.floats(low, high)
        case FlagShape():
            return st.booleans()
        case NullableShape(inner):
            return st.none() | json_values(inner)
        case ListShape(entry):
            return st.lists(json_values(entry), max_size=3)
        case RowShape(kind):
            return st.tuples(*(json_values(key.shape) for key in keys_of(kind))).map(list)
        case ObjectShape(kind):
            return json_objects(kind)


def json_objects(kind: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = {key.name: json_values(key.shape) for key in keys_of(kind)}
    if kind is protocol.StartMessage:  # the rows of changes depend on each other
        values["changes"] = changes()
    required = {key.name: values[key.name] for key in keys_of(kind) if not key.is_optional}
    optional = {key.name: values[key.name] for key in keys_of(kind) if key.is_optional}
    objects = st.fixed_dictionaries(required, optional=optional)
    return objects.filter(bool) if kind is protocol.SetMessage else objects


@st.composite
def changes(draw: st.DrawFn) -> list[list[Any]]:
    rows = []
    for piece, bar in sorted(draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 32)), max_size=4))):
        name = draw(st.sampled_from(list(PARAMETERS)))
        parameter = PARAMETERS[name]
        low = max(parameter.low, bar) if name == "length" else parameter.low
        number = json_values(NumberShape(parameter.whole, Within(low, parameter.high)))
        rows.append([piece, bar, name, draw(number if parameter.default is None else st.none() | number)])
    return rows


messages = st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), json_objects(kind)))


@given(messages)
def test_every_message_is_written_as_it_was_read(message: tuple[type[Any], dict[str, Any]]) -> None:
    kind, values = message
    parsed = read(kind, values)
    text = write(parsed)
    again = json.loads(text)
    assert again.pop("type", None) == getattr(kind, "type", None)
    assert read(kind, again) == parsed
    assert list(again) == [key.name for key in keys_of(kind) if key.name in again]
    left_out = {key.name: key.default for key in keys_of(kind) if key.is_optional and key.has_default}
    assert again == {**json.loads(json.dumps(left_out)), **values}
    if kind in CLIENT_KINDS:
        assert parse_message(json.dumps({"type": kind.type, **values})) == parsed


def limited_keys() -> list[Any]:
    """Each key of a client's message that has a range."""
    found = []
    for kind in CLIENT_KINDS:
        for key in keys_of(kind):
            shape = key.shape.inner if isinstance(key.shape, NullableShape) else key.shape
            if isinstance(shape, NumberShape):
                assert shape.within is not None, f"{key.name} of {kind.type} has no range"
                found.append(pytest.param(kind, key.name, shape, id=f"{kind.type}-{key.name}"))
    return found


@pytest.mark.parametrize(("kind", "name", "shape"), limited_keys())
@given(data=st.data())
def test_every_number_out_of_range_is_rejected(kind: type[Any], name: str, shape: NumberShape, data: Any) -> None:
    assert shape.within is not None
    low, high = shape.within.low, shape.within.high
    below, above = {"max_value": low, "exclude_max": True}, {"min_value": high, "exclude_min": True}
    numbers = st.integers(max_value=int(low) - 1) | st.integers(min_value=int(high) + 1)
    if not shape.whole:
        numbers = st.floats(**below, allow_infinity=False) | st.floats(**above, allow_infinity=False) | numbers
    with pytest.raises(MessageRejected, match=f"^{name} must be "):
        parse_message(json.dumps({"type": kind.type, name: data.draw(numbers)}))
    for limit in (low, high):
        parse_message(json.dumps({"type": kind.type, name: int(limit) if shape.whole else limit}))


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_change_out_of_range_is_rejected(name: str) -> None:
    parameter = PARAMETERS[name]
    for value in (parameter.low - 1, parameter.high + 1):
        with pytest.raises(MessageRejected, match=f"{name} must be a (whole )?number between|{name} must be between"):
            parse_message(json.dumps({"type": "start", "changes": [[0, 0, name, value]]}))


@given(messages, st.data())
def test_a_key_that_is_missing_or_unknown_is_rejected(message: tuple[type[Any], dict[str, Any]], data: Any) -> None:
    kind, values = message
    with pytest.raises(MessageRejected, match="unknown key 'mood'"):
        read(kind, {**values, "mood": "solemn"})
    required = [key.name for key in keys_of(kind) if key.default is Presence.REQUIRED]
    if required:
        missing = data.draw(st.sampled_from(required))
        with pytest.raises(MessageRejected, match=f"^{missing} is missing"):
            read(kind, {name: value for name, value in values.items() if name != missing})


def test_an_error_says_where_the_value_stands() -> None:
    note = {"voice": 0, "pitch": "67", "tick": 0, "ticks": 480, "at": 0.0, "seconds": 0.5}
    values = {key.name: 0 for key in keys_of(protocol.BarMessage)}
    values |= {"meter": [4, 4], "last": False, "tempos": [], "notes": [], "held": [note]}  # type: ignore[dict-item]
    with pytest.raises(MessageRejected, match=r"^pitch in an entry of held must be a whole number"):
        read(protocol.BarMessage, values)


def test_a_bar_ends_with_the_time_at_which_it_is_sent() -> None:
    """`with_send_time` relies on that."""
    assert keys_of(protocol.BarMessage)[-1].name == "now"
    text = '{"type":"bar","at":1.0,"now":0.0}'
    assert with_send_time(text, -0.0) == '{"type":"bar","at":1.0,"now":-0.0}'


def test_each_lasting_parameter_is_a_key_of_start_set_and_stream() -> None:
    for kind in (protocol.StartMessage, protocol.SetMessage, protocol.StreamMessage, protocol.StationInfo):
        assert set(LASTING_PARAMETERS) <= {key.name for key in keys_of(kind)}
        assert not set(LASTING_PARAMETERS) & {field.name for field in fields(kind)}


def test_an_annotation_that_json_cannot_hold_is_a_mistake() -> None:
    assert shape_of(Annotated[int, Within(0, 3)]) == NumberShape(True, Within(0, 3))
    for annotation in (bytes, dict[str, int], tuple[int, int], int | str):
        with pytest.raises(TypeError, match="a message cannot hold"):
            shape_of(annotation)


def test_the_page_knows_each_close_code_that_the_documentation_lists() -> None:
    """And waits as long as it says before it tries again."""
    text = (ROOT / "docs/radio-protocol.md").read_text()
    table = re.findall(r"^\| ([\d, ]+) \|.*\| (?:(no)|send one|after (\d+) s) \|$", text, re.M)
    documented = {int(code): after or no for codes, no, after in table for code in codes.split(",")}
    page = (ROOT / "web/src/protocol/connection.ts").read_text()
    [waits] = re.findall(r"RETRY_AFTER: [^\n]* = \{(.*?)\}", page, re.S)
    known = {int(code): wait for code, wait in re.findall(r"(\d+): (\w+),", waits)}
    assert known.keys() == documented.keys()
    for code, after in documented.items():
        assert not after or known[code] == after.replace("no", "null"), code
