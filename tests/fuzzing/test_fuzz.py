"""A short run of the fuzzing, always the same; `python tests/fuzzing/fuzz.py --cases 10000` is the long one."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fuzzing import fuzz, fuzz_cases
from fuzzing.fuzz_cases import KINDS, MIDI, XML, Ground
from helpers import damage
from playbach.system.errors import PlaybachError

pytest.importorskip("music21", reason="MusicXML is read with music21, of the extra 'train'")
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="hangs are told by an alarm")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, chorales_bundle: Path, lines_bundle: Path) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("fuzz"), (chorales_bundle, lines_bundle))
    with made.reader:
        yield made


CASES = {"midi": 100, "musicxml": 40, "bundle": 40, "manifest": 40, "command line": 60, "options": 120}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_comes_is_done_or_refused_in_one_line(ground: Ground, kind: str) -> None:
    found = fuzz.run(ground, kind, CASES[kind], seed=0)
    bad = [f"{o.said}\n{o.case}" for o in found if o.result in ("crash", "hang")]
    assert not bad, f"{len(bad)} of {len(found)}; the first:\n{bad[0]}"
    # Cases that are all refused, or none, would test little.
    assert set(Counter(o.result for o in found)) == {"done", "refused"}


# ------------------------------------------------------------------------------------- the fuzzing itself can fail


def _play(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    monkeypatch.setitem(KINDS, "midi", (KINDS["midi"][0], lambda ground, case: act(), 1.0))


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("act", "result"),
    [
        (lambda: None, "done"),
        (lambda: _raise(PlaybachError("a.mid: damaged; leave it out")), "refused"),
        (lambda: _raise(PlaybachError("")), "crash"),
        (lambda: _raise(ValueError("oh")), "crash"),
        (lambda: [0][1], "crash"),
    ],
)
def test_outcomes_are_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: Any, result: str) -> None:
    _play(monkeypatch, act)
    assert [o.result for o in fuzz.run(Ground(tmp_path, ()), "midi", 3, seed=0)] == [result] * 3


def test_what_hangs_twice_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hang() -> None:
        while True:
            with contextlib.suppress(Exception):  # must not swallow it
                sum(range(1000))

    _play(monkeypatch, hang)
    monkeypatch.setattr(fuzz, "HANG", 0.1)
    [outcome] = fuzz.run(Ground(tmp_path, ()), "midi", 1, seed=0)
    assert outcome.result == "hang"
    once = iter([hang])
    _play(monkeypatch, lambda: next(once, lambda: None)())
    assert [o.result for o in fuzz.run(Ground(tmp_path, ()), "midi", 1, seed=0)] == ["done"]


def test_the_command_line_must_keep_to_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzz_cases, "main", lambda line: print("Traceback …", file=sys.stderr) or 1)
    with pytest.raises(AssertionError, match="Traceback"):
        fuzz_cases._call(["compose"], tmp_path)


def test_the_same_seed_makes_the_same_cases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _play(monkeypatch, lambda: None)
    once, again, other = ([o.case for o in fuzz.run(Ground(tmp_path, ()), "midi", 20, seed=s)] for s in (3, 3, 4))
    assert once == again != other


def test_a_process_that_dies_is_a_crash_of_its_case(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzz, "make_bundles", lambda folder: ())
    _play(monkeypatch, lambda: signal.raise_signal(signal.SIGKILL))
    [outcome] = fuzz.fuzz(["midi"], 5, 0, tmp_path)
    assert (outcome.result, outcome.number) == ("crash", 0)
    assert "-9" in outcome.said and outcome.case


# -------------------------------------------------------------------------------------------------------- mutations


def test_damage_that_is_mended_keeps_the_chunks_whole() -> None:
    steps = [("insert", 7, 5, b"abc"), ("delete", 40, 9, b"x")]
    data = damage.midi_after(MIDI[0], steps, MIDI[1], True)
    assert data != MIDI[0]
    place = 14
    while place < len(data):
        assert data[place : place + 4] == b"MTrk"
        place += 8 + int.from_bytes(data[place + 4 : place + 8], "big")
    assert place == len(data)


def test_xml_stays_well_formed_and_json_keeps_what_it_must() -> None:
    from xml.etree import ElementTree

    for kind in ("remove", "repeat", "text", "tag", "attribute", "move", "swap"):
        changed = damage.xml_after(XML[0], [(kind, 40, 81, "9")])
        assert ElementTree.fromstring(changed) is not None
        assert changed != damage.xml_after(XML[0], [])
    data = {"keep": [1, 2], "change": {"a": [3, {"b": 4}]}}
    kept = damage.json_after(data, [([0, 0], "set", None, 0)], lambda path: path[0] == "keep")
    assert kept == data
    assert damage.json_after(data, [([1, 0, 1, 0], "set", None, 0)], lambda path: False)["change"]["a"][1] == {
        "b": None
    }
    assert json.dumps(data) == '{"keep": [1, 2], "change": {"a": [3, {"b": 4}]}}'
