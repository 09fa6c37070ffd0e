"""The table of a listening test, from made-up answers that can be counted by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from helpers.paths import ROOT

SCRIPT = ROOT / "benchmarks" / "listening_test.py"
sys.path.insert(0, str(SCRIPT.parent))

import listening_test as script


def session(skill: str, right: str, complete: bool = True, sure: int | None = None) -> str:
    """A line of the file; `right` has 1 for a right answer and 0 for a wrong one."""
    answers = [
        {"pair": i, "piece": f"BWV {i}", "seed": i - 1, "real": "a", "chosen": "a" if r == "1" else "b", "sure": sure}
        for i, r in enumerate(right, 1)
    ]
    record: dict[str, Any] = {"date": "2026-03-04", "skill": skill, "complete": complete, "answers": answers}
    return json.dumps(record)


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), str(path), *arguments], capture_output=True, text=True)


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    lines = [
        session("none", "1010", sure=1),
        session("none", "0000"),
        session("studied", "1111", sure=3),
        session("studied", "11", complete=False, sure=3),
        '{"date":"2026-03-0',
        '{"date":"2026-03-04","skill":"genius","complete":true,"answers":[]}',
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_shares_are_those_counted_by_hand(answers: Path) -> None:
    done = run(answers, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    counted = {name: (s["listeners"], s["answers"], s["right"]) for name, s in found["who"].items()}
    assert counted == {"listens": (2, 8, 2), "has studied music": (2, 6, 6), "all": (4, 14, 8)}
    sureness = {name: (s["answers"], s["right"]) for name, s in found["sureness"].items()}
    assert sureness == {"a guess": (4, 2), "certain": (6, 6), "not said": (4, 0)}
    pairs = [(name, s["answers"], s["right"]) for name, s in found["pairs"].items()]
    assert pairs == [
        ("1: BWV 1, seed 0", 4, 3),
        ("2: BWV 2, seed 1", 4, 2),
        ("3: BWV 3, seed 2", 3, 2),
        ("4: BWV 4, seed 3", 3, 1),
    ]
    assert "4 sessions, 1 of them ended before the last pair" in found["notes"][0]


def test_the_table_is_printed(answers: Path) -> None:
    lines = run(answers).stdout.splitlines()
    [studied] = [line for line in lines if line.strip().startswith("has studied")]
    assert studied.split()[3:6] == ["2", "6", "100.0%"]
    assert any("95 % over listeners" in line for line in lines)


def test_only_complete_sessions(answers: Path) -> None:
    found = json.loads(run(answers, "--complete", "--json").stdout)
    assert (found["who"]["all"]["listeners"], found["who"]["all"]["answers"]) == (3, 12)


def test_a_file_without_answers_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for name in ("empty", "missing"):
        done = run(tmp_path / name)
        assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1


def test_wilson_intervals_are_the_published_ones() -> None:
    """Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3."""
    for right, answers, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
                                      (1, 29, 0.0061, 0.1718)]:  # fmt: skip
        assert script.wilson(right, answers) == pytest.approx((low, high), abs=5e-5)


def test_intervals_over_listeners_are_wider_where_listeners_differ() -> None:
    alike = [[True] * 10, [False] * 10] * 8
    mixed = [[True, False] * 5] * 16
    low, high = script.clustered(alike, Random(1)) or (0, 0)
    wilson = script.wilson(80, 160)
    assert low < wilson[0] - 0.1 and high > wilson[1] + 0.1
    assert script.clustered(mixed, Random(1)) == (0.5, 0.5)
    assert script.clustered([[True] * 3], Random(1)) is None
    assert script.clustered([[True], [False]], Random(1)) is None


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Of made-up experiments with 30 listeners of unlike skill, about 95 % have the true share in their interval."""
    rng, covered = Random(5), 0
    for _ in range(200):
        groups = []
        for _ in range(30):
            share = rng.choice([0.4, 0.8])
            groups.append([rng.random() < share for _ in range(10)])
        low, high = script.clustered(groups, rng, 400) or (0, 0)
        covered += low <= 0.6 <= high
    assert 175 <= covered <= 200
