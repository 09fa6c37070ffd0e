"""A short fuzzing run with fixed seeds; `python tests/fuzzing/fuzz.py --cases 10000` is the long run."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fuzzing import fuzz, fuzz_cases
from fuzzing.fuzz_cases import KINDS, MIDI, XML, Workspace
from helpers import damage, odd_midi, odd_musicxml
from playbach.system.errors import PlaybachError

pytest.importorskip("music21", reason="MusicXML is read with music21, of the extra 'train'")
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="an alarm detects hangs")


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, chorales_bundle: Path, lines_bundle: Path
) -> Iterator[Workspace]:
    made = Workspace(tmp_path_factory.mktemp("fuzz"), (chorales_bundle, lines_bundle))
    with made.reader:
        yield made


CASES = {
    "midi": 80,
    "midi events": 80,
    "musicxml": 40,
    "musicxml marks": 60,
    "bundle": 40,
    "manifest": 40,
    "command line": 60,
    "options": 120,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_case_succeeds_or_fails_with_a_one_line_error(workspace: Workspace, kind: str) -> None:
    found = fuzz.run(workspace, kind, CASES[kind], seed=0)
    bad = [f"{o.message}\n{o.case}" for o in found if o.result in ("crash", "hang")]
    assert not bad, f"{len(bad)} of {len(found)}; the first:\n{bad[0]}"
    # If all cases were refused, or none, they would test little.
    assert set(Counter(o.result for o in found)) == {"done", "refused"}


# ------------------------------------------------------------------------------------------- failures are detected


def _replace_case(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    monkeypatch.setitem(KINDS, "midi", (KINDS["midi"][0], lambda workspace, case: act(), 1.0))


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
def test_each_outcome_is_recognised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: Any, result: str) -> None:
    _replace_case(monkeypatch, act)
    assert [o.result for o in fuzz.run(Workspace(tmp_path, ()), "midi", 3, seed=0)] == [result] * 3


def test_a_case_that_hangs_twice_is_a_hang(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hang() -> None:
        while True:
            with contextlib.suppress(Exception):  # must not swallow it
                sum(range(1000))

    _replace_case(monkeypatch, hang)
    monkeypatch.setattr(fuzz, "HANG_SECONDS", 0.1)
    [outcome] = fuzz.run(Workspace(tmp_path, ()), "midi", 1, seed=0)
    assert outcome.result == "hang"
    once = iter([hang])
    _replace_case(monkeypatch, lambda: next(once, lambda: None)())
    assert [o.result for o in fuzz.run(Workspace(tmp_path, ()), "midi", 1, seed=0)] == ["done"]


def test_a_traceback_of_the_command_line_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzz_cases, "main", lambda line: print("Traceback …", file=sys.stderr) or 1)
    with pytest.raises(AssertionError, match="Traceback"):
        fuzz_cases._call(["compose"], tmp_path)


def test_the_same_seed_makes_the_same_cases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _replace_case(monkeypatch, lambda: None)
    once, again, other = ([o.case for o in fuzz.run(Workspace(tmp_path, ()), "midi", 20, seed=s)] for s in (3, 3, 4))
    assert once == again != other


def test_a_process_that_dies_is_a_crash_of_the_current_case(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzz, "make_bundles", lambda folder: ())
    _replace_case(monkeypatch, lambda: signal.raise_signal(signal.SIGKILL))
    [outcome] = fuzz.fuzz(["midi"], 5, 0, tmp_path)
    assert (outcome.result, outcome.number) == ("crash", 0)
    assert "-9" in outcome.message and outcome.case


# ---------------------------------------------------------------------------------------------------------- damage


def test_repaired_damage_keeps_the_chunks_intact() -> None:
    steps = [("insert", 7, 5, b"abc"), ("delete", 40, 9, b"x")]
    data = damage.damage_midi(MIDI[0], steps, MIDI[1], True)
    assert data != MIDI[0]
    place = 14
    while place < len(data):
        assert data[place : place + 4] == b"MTrk"
        place += 8 + int.from_bytes(data[place + 4 : place + 8], "big")
    assert place == len(data)


def test_damaged_xml_stays_well_formed_and_json_keeps_protected_keys() -> None:
    from xml.etree import ElementTree

    for kind in ("remove", "repeat", "text", "tag", "attribute", "move", "swap"):
        changed = damage.damage_xml(XML[0], [(kind, 40, 81, "9")])
        assert ElementTree.fromstring(changed) is not None
        assert changed != damage.damage_xml(XML[0], [])
    data = {"keep": [1, 2], "change": {"a": [3, {"b": 4}]}}
    kept = damage.damage_json(data, [([0, 0], "set", None, 0)], lambda path: path[0] == "keep")
    assert kept == data
    assert damage.damage_json(data, [([1, 0, 1, 0], "set", None, 0)], lambda path: False)["change"]["a"][1] == {
        "b": None
    }
    assert json.dumps(data) == '{"keep": [1, 2], "change": {"a": [3, {"b": 4}]}}'


# ------------------------------------------------------------------------------------------------- files that are odd


def test_every_mark_makes_well_formed_xml() -> None:
    from xml.etree import ElementTree

    for name in odd_musicxml.MARKS:
        data = odd_musicxml.build((1, 2, [(0, 1, name, "2")], [("copy", 0, 1, "2"), ("number", 3, 4, "9")]))
        assert len(list(ElementTree.fromstring(data).iter("measure"))) > 2, name


def test_an_odd_midi_file_without_oddities_is_a_midi_file() -> None:
    mido = pytest.importorskip("mido")
    events = [(0, ("note", 0, 60, 64)), (480, ("end", 0, 60, 64)), (0, ("meter", 255, 3, 8)), (1, ("port", 3, 0, 0))]
    data = odd_midi.build((1, 480, [(events, "end")], [], 20, "right", True))
    file = mido.MidiFile(file=io.BytesIO(data))
    assert len(file.tracks) == 20
    assert [e.type for e in file.tracks[3]] == ["note_on", "note_off", "time_signature", "midi_port", "end_of_track"]


def test_the_memory_of_a_case_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a process's peak")
    _replace_case(monkeypatch, lambda: bytearray(b"x" * (64 << 20)) and None)
    [outcome] = fuzz.run(Workspace(tmp_path, ()), "midi", 1, seed=0)
    assert 64 <= outcome.megabytes < 300
