"""The protocol's messages: what a client may say, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbach.server.messages import MOST_CHANGES, Join, Next, Refused, Set, StartOwn, dated, parse
from playbach.streaming import KnobChange


def test_what_is_said_is_understood() -> None:
    assert parse('{"type":"join"}') == Join()
    assert parse('{"type":"next"}') == Next()
    assert parse('{"type":"set","tempo":90,"temperature":null}') == Set((("temperature", None), ("tempo", 90)))
    full = {
        "type": "start", "model": "m", "runtime": "onnx", "seed": 7, "bars": 8, "temperature": 0.5, "tempo": 90,
        "changes": [[0, 3, "temperature", 1.5], [0, 5, "tempo", None]], "piece": 2, "bar": 3,
    }  # fmt: skip
    changes = (KnobChange(0, 3, "temperature", 1.5), KnobChange(0, 5, "tempo", None))
    assert parse(json.dumps(full)) == StartOwn("m", "onnx", 7, 8, 0.5, 90, changes, 2, 3)
    assert parse('{"type":"start"}') == StartOwn(None, None, None, 16, None, None, (), 0, 0)
    assert parse('{"type":"start","seed":null,"tempo":null}') == parse('{"type":"start"}')


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
        ('{"type":"start","changes":[[0,1,"volume",1]]}', "knob"),
        ('{"type":"start","changes":[[0,true,"tempo",60]]}', "change"),
        ('{"type":"start","changes":[[0,1.5,"tempo",60]]}', "bar"),
        ('{"type":"start","changes":[[1,1,"tempo",60],[0,1,"tempo",60]]}', "order"),
        ('{"type":"set"}', "temperature or a tempo"), ('{"type":"set","tempo":5}', "tempo"),
        ('{"type":"set","length":5}', "unknown key"), ('{"type":"set","temperature":true}', "temperature"),
        (" " * 20_000, "16384"),
    ],
)  # fmt: skip
def test_what_may_not_be_said_is_refused_with_a_reason(text: str, word: str) -> None:
    with pytest.raises(Refused, match=word) as refused:
        parse(text)
    assert len(str(refused.value)) < 200


def test_too_many_changes_are_refused() -> None:
    rows = [[0, 1, "tempo", 60]] * (MOST_CHANGES + 1)
    with pytest.raises(Refused, match="at most"):
        parse(json.dumps({"type": "start", "changes": rows}, separators=(",", ":")))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
keys = st.sampled_from(["type", "seed", "bars", "temperature", "tempo", "changes", "piece", "bar", "model", "x"])


@given(st.dictionaries(keys, values | st.sampled_from(["start", "join", "set", "next"]), max_size=6))
def test_any_message_is_understood_or_refused(message: dict[str, Any]) -> None:
    try:
        said = parse(json.dumps(message))
    except Refused:
        return
    assert isinstance(said, StartOwn | Join | Set | Next)


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse(text)


def test_a_bar_is_dated_when_it_is_sent() -> None:
    assert json.loads(dated('{"type":"bar","at":1.0}', 2.34567)) == {"type": "bar", "at": 1.0, "now": 2.346}
