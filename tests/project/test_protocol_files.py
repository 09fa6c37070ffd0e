"""The files that follow from the radio's protocol are current, and the documentation describes every message."""

from __future__ import annotations

import importlib.util
import json
import re
from types import ModuleType
from typing import Any, get_args

import pytest

from helpers.paths import ROOT
from playbach.server import protocol
from playbach.server.schema import MessageRejected, read

PAGE = (ROOT / "docs" / "radio-protocol.md").read_text("utf-8")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_protocol", ROOT / "docs" / "make_protocol.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_current(script: ModuleType) -> None:
    assert script.outdated() == [], "run python docs/make_protocol.py"


def test_the_documentation_has_a_table_for_each_class(script: ModuleType) -> None:
    unions = (
        protocol.ClientMessage,
        protocol.ServerMessage,
        protocol.DUET_CLIENT_MESSAGES,
        protocol.DUET_SERVER_MESSAGES,
    )
    roots = [*(kind for union in unions for kind in get_args(union)), *protocol.HTTP_MESSAGES]
    named = " ".join(re.findall(r"<!-- tables: ([\w ]+) -->", PAGE)).split()
    assert sorted(named) == sorted(kind.__name__ for kind in script.all_kinds(roots))


EXAMPLES: list[dict[str, Any]] = [
    json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
]
SERVER_MESSAGES = {kind.type: kind for kind in get_args(protocol.ServerMessage)}


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["type"] for example in EXAMPLES])
def test_the_examples_in_the_documentation_are_messages(example: dict[str, Any]) -> None:
    kind = SERVER_MESSAGES[example["type"]]
    read(kind, {name: value for name, value in example.items() if name != "type"})
    with pytest.raises(MessageRejected):
        read(kind, example)


def test_each_message_of_the_server_has_an_example() -> None:
    assert [example["type"] for example in EXAMPLES] == list(SERVER_MESSAGES)
