"""The protocol's messages: which ones a client may send, and why others are rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbach.server.messages import parse_message, with_send_time
from playbach.server.protocol import MAX_CHANGES, ChangeRow, JoinMessage, NextMessage, SetMessage, StartMessage
from playbach.server.schema import MessageRejected
from playbach.streaming.settings import LASTING_PARAMETERS, ProgrammeSettings


def test_valid_messages_are_parsed() -> None:
    assert parse_message('{"type":"join"}') == JoinMessage()
    assert parse_message('{"type":"next"}') == NextMessage()
    assert parse_message('{"type":"set","tempo":90}') == SetMessage(values={"tempo": 90})
    both = parse_message('{"type":"set","tempo":90,"temperature":null}')
    assert both == SetMessage(values={"temperature": None, "tempo": 90})
    assert isinstance(both, SetMessage)
    assert list(both.values) == ["temperature", "tempo"]  # changes are sent in this order
    full = {
        "type": "start", "model": "m", "runtime": "onnx", "seed": 7, "bars": 8, "temperature": 0.5, "tempo": 90,
        "changes": [[0, 3, "temperature", 1.5], [0, 5, "tempo", None]], "piece": 2, "bar": 3,
    }  # fmt: skip
    start = StartMessage(
        model="m",
        runtime="onnx",
        seed=7,
        bars=8,
        values={**dict.fromkeys(LASTING_PARAMETERS), "temperature": 0.5, "tempo": 90},
        changes=(ChangeRow(0, 3, "temperature", 1.5), ChangeRow(0, 5, "tempo", None)),
        piece=2,
        bar=3,
    )
    assert parse_message(json.dumps(full)) == start
    assert start.settings(1) == ProgrammeSettings(7, 8, temperature=0.5, tempo=90)
    shortest = parse_message('{"type":"start"}')
    assert shortest == StartMessage(values=dict.fromkeys(LASTING_PARAMETERS))
    assert isinstance(shortest, StartMessage)
    assert shortest.settings(1) == ProgrammeSettings(1)
    assert parse_message('{"type":"start","seed":null,"tempo":null}') == parse_message('{"type":"start"}')


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "JSON"), ("nonsense", "JSON"), ("[]", "object"), ("3", "object"), ("[" * 9000, "JSON"),
        ('{"type":"start","seed":NaN}', "JSON"), ('{"type":"join","type":"join"}', "JSON"),
        ("{}", "type"), ('{"type":3}', "type"), ('{"type":["start"]}', "type"), ('{"type":"stop"}', "type"),
        ('{"type":"join","x":1}', "unknown key"), ('{"type":"start","path":"/etc"}', "unknown key 'path'"),
        ('{"type":"start","seed":1.5}', "seed"), ('{"type":"start","seed":true}', "seed"),
        ('{"type":"start","seed":-1}', "seed"), ('{"type":"start","seed":9007199254740992}', "seed"),
        ('{"type":"start","bars":3}', "bars"), ('{"type":"start","bars":"8"}', "bars"),
        ('{"type":"start","bars":0}', "bars"),
        ('{"type":"start","temperature":4.5}', "temperature"), ('{"type":"start","temperature":"1"}', "temperature"),
        ('{"type":"start","tempo":1e999}', "tempo"), ('{"type":"start","model":7}', "model"),
        ('{"type":"start","model":"%s"}' % ("m" * 300), "model"), ('{"type":"start","piece":-1}', "piece"),
        ('{"type":"start","changes":{}}', "changes"), ('{"type":"start","changes":[[0,1,"tempo"]]}', "change"),
        ('{"type":"start","changes":[[0,1,"volume",1]]}', "parameter"),
        ('{"type":"start","changes":[[0,true,"tempo",60]]}', "change"),
        ('{"type":"start","changes":[[0,1.5,"tempo",60]]}', "bar"),
        ('{"type":"start","changes":[[0,5,"length",4]]}', "length must be between 5 and 32"),
        ('{"type":"start","changes":[[0,5,"tempo",5]]}', "tempo must be a number between 20 and 300"),
        ('{"type":"start","changes":[[1,1,"tempo",60],[0,1,"tempo",60]]}', "order"),
        ('{"type":"set"}', "set needs a temperature or a tempo"), ('{"type":"set","tempo":5}', "tempo"),
        ('{"type":"set","length":5}', "unknown key"), ('{"type":"set","temperature":true}', "temperature"),
        (" " * 20_000, "16384"),
    ],
)  # fmt: skip
def test_invalid_messages_are_rejected_with_a_reason(text: str, word: str) -> None:
    with pytest.raises(MessageRejected, match=word) as rejected:
        parse_message(text)
    assert len(str(rejected.value)) < 200


def test_too_many_changes_are_rejected() -> None:
    rows = [[0, 1, "tempo", 60]] * (MAX_CHANGES + 1)
    with pytest.raises(MessageRejected, match="at most"):
        parse_message(json.dumps({"type": "start", "changes": rows}, separators=(",", ":")))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
keys = st.sampled_from(["type", "seed", "bars", "temperature", "tempo", "changes", "piece", "bar", "model", "x"])


@given(st.dictionaries(keys, values | st.sampled_from(["start", "join", "set", "next"]), max_size=6))
def test_any_message_is_parsed_or_rejected(message: dict[str, Any]) -> None:
    try:
        parsed = parse_message(json.dumps(message))
    except MessageRejected:
        return
    assert isinstance(parsed, StartMessage | JoinMessage | SetMessage | NextMessage)


@given(st.text(max_size=200))
def test_arbitrary_text_is_rejected(text: str) -> None:
    with pytest.raises(MessageRejected):
        parse_message(text)


def test_a_bar_gets_its_time_when_it_is_sent() -> None:
    text = with_send_time('{"type":"bar","at":1.0,"now":0.0}', 2.34567)
    assert text == '{"type":"bar","at":1.0,"now":2.346}'
