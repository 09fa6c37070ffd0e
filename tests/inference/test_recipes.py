"""Recipes: a piece's comment tells the command that makes it again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playbach.inference.recipes import foot_of


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rules": False, "keep_prime": True, "bars": 16}, " --no-rules"),
        ({"temperature": 0.9, "top_p": 0.95}, " --temperature 0.9 --top-p 0.95"),
        ({"plain": True, "pedal": "keep", "original": True}, " --plain --original"),
        ({"plain": "yes", "no_such": 3}, ""),
    ],
)
def test_the_foot_is_the_command(options: dict[str, Any], words: str) -> None:
    recipe = {"model": "folk", "seed": 1, "version": "0.2.0", "options": options}
    assert foot_of(json.dumps(recipe)) == f"playbach 0.2.0: playbach compose folk --seed 1{words}"


def test_a_setting_names_its_command() -> None:
    recipe = {"command": "harmonise", "model": "x", "seed": 1, "options": {"voice": "bass", "drafts": 16}}
    assert foot_of(json.dumps(recipe)) == "playbach: playbach harmonise THE-SAME-FILE --model x --seed 1 --voice bass"


@pytest.mark.parametrize("comment", ["", "no json", "[1]", "{}", '{"command": "rm", "options": {}, "seed": 1}'])
def test_another_comment_has_no_foot(comment: str) -> None:
    assert foot_of(comment) == ""
