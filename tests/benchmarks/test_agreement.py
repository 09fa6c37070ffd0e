"""benchmarks/agreement.py: what it calls the same and of which kind it calls a difference, on music small enough to
see it. music21 and verovio are not called."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers import sample_music, sample_musicxml
from helpers.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

pytest.importorskip("mido", reason="mido reads the exports")

import _agreement_compare as compare
import _agreement_programs as programs
import agreement
from _agreement_compare import Heard
from _agreement_sides import from_midi, from_score

MELODY = [60, 62, 64, 65, 67, 69, 71, 72] * 2 + [59, 57, 55, 53, 52, 50, 48, 47]


def heard(pitches: list[int], length: int = 480, begin: int = 0) -> Heard:
    return Heard(tuple((begin + i * length, length, pitch) for i, pitch in enumerate(pitches)))


def kind(ours: Heard, theirs: Heard) -> str:
    return compare.kind_of(ours, theirs, compare.match_notes(ours.notes, theirs.notes))


# ---------------------------------------------------------------------------------------------------------- notes


def test_notes_are_matched_as_multisets_with_a_tolerance() -> None:
    match = compare.match_notes(
        [(0, 480, 60), (0, 480, 60), (480, 240, 62), (960, 480, 64)],
        [(4, 476, 60), (480, 480, 62), (1000, 480, 64)],
    )
    assert match.same == 1
    assert match.unisons == ((0, 480, 60),)
    assert match.durations == (((480, 240, 62), (480, 480, 62)),)
    assert (match.only_ours, match.only_theirs) == (((960, 480, 64),), ((1000, 480, 64),))


def test_of_a_unison_the_notes_with_the_same_duration_go_together() -> None:
    match = compare.match_notes([(0, 960, 60)], [(0, 480, 60), (0, 960, 60)])
    assert (match.same, match.durations, match.unisons) == (1, (), ((0, 480, 60),))


SAME = heard(MELODY)


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (SAME, compare.SAME),
        (replace(SAME, notes=(*SAME.notes, SAME.notes[3])), compare.UNISONS),
        (replace(SAME, notes=tuple((o, d // 2, p) for o, d, p in SAME.notes)), compare.DURATIONS),
        (heard([p + 12 for p in MELODY]), compare.TRANSPOSED),
        (heard(MELODY[:8] + MELODY), compare.ORDER),
        (replace(SAME, notes=(*SAME.notes[:8], *((o + 240, d, p) for o, d, p in SAME.notes[8:]))), compare.SHIFTED),
        (heard(MELODY, length=720), compare.LENGTHS),
        (replace(SAME, notes=(*SAME.notes, (470, 60, 90))), compare.SHORT),
        (replace(SAME, notes=(*SAME.notes, (470, 960, 90))), compare.MISSING),
        (replace(SAME, notes=SAME.notes[:3] + SAME.notes[4:]), compare.EXTRA),
    ],
)
def test_each_kind_of_difference_is_told(theirs: Heard, expected: str) -> None:
    assert kind(SAME, theirs) == expected


# ------------------------------------------------------------------------------------------ tempos, meters and keys


def test_shares_are_of_the_time() -> None:
    share, wrong = compare.share_of_time([(0, 60.0)], [(0, 60.1), (750, 90.0)], 1000, 120.0, compare.same_tempo)
    assert share == 0.75
    assert wrong == [(750, 1000, 60.0, {90.0})]
    assert compare.share_of_time([], [(500, 120.0)], 1000, 120.0, compare.same_tempo)[0] == 1


def test_a_key_agrees_with_that_of_any_track() -> None:
    keys = ((0, (2, 0)), (0, (-1, 1)))
    assert compare.share_of_time([(0, (-1, 0))], keys, 100, (0, 0), compare.same_sharps)[0] == 1
    assert compare.share_of_time([(0, (0, 0))], keys, 100, (0, 0), compare.same_sharps)[0] == 0


def test_a_meter_of_one_bar_is_told_from_a_meter() -> None:
    def wrong(ours: Any) -> Any:
        return compare.share_of_time(ours, [(0, (4, 4))], 9600, (4, 4), compare.same_value)[1]

    assert compare.only_bars_not_full(wrong([(0, (1, 4)), (480, (4, 4))]))
    assert not compare.only_bars_not_full(wrong([(0, (3, 4))]))


def test_places_are_bars_and_quarters() -> None:
    meters = [(0, (1, 4)), (480, (3, 4))]
    assert compare.bar_of(meters, 0) == "bar 1, quarter 1"
    assert compare.bar_of(meters, 480 + 1440 + 720) == "bar 3, quarter 2.5"


# ----------------------------------------------------------------------------------------------------------- sides


def test_a_score_is_heard_alike_through_playbach_and_through_mido() -> None:
    score = sample_music.chorale(1, 3)
    ours, theirs = from_score(score), from_midi(bytes(score.dumps_midi()))
    assert ours.notes == theirs.notes and len(ours.notes) > 8
    assert ours.meters == theirs.meters


def test_a_program_that_crashes_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import base64, json, os, sys\n"
        "for line in sys.stdin:\n"
        "    if 'bad' in line:\n"
        "        os.abort()\n"
        "    print(json.dumps([base64.b64encode(b'made').decode(), '']), flush=True)\n"
    )
    monkeypatch.setattr(programs, "__file__", str(script))
    monkeypatch.setattr(programs, "program_version", lambda name: "1")
    paths = [tmp_path / name for name in ("a", "bad", "c")]
    for path in paths:
        path.write_text(path.name)
    cache = programs.Cache(tmp_path / "cache", "verovio")
    found = dict(programs.exports("verovio", paths, 1, cache))
    assert found[paths[0]] == found[paths[2]] == b"made"
    assert "exit status -6" in str(found[paths[1]])
    assert [cache.get(path) for path in paths] == [found[path] for path in paths]


def test_the_table_says_who_agrees(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    (folder / "a.musicxml").write_bytes(sample_musicxml.four_voices(2))
    (folder / "b.musicxml").write_bytes(b"<score-partwise")
    (folder / "c.musicxml").write_bytes(sample_musicxml.four_voices(2))
    (folder / "d.musicxml").write_bytes(sample_musicxml.four_voices(2, shift=1))

    def exports(program: str, paths: list[Path], jobs: int, cache: Any) -> Any:
        from playbach.music import reading

        right = bytes(reading.read(folder / "a.musicxml").dumps_midi())
        yield from ((p, "it cannot" if p.name == "c.musicxml" else right) for p in paths)

    monkeypatch.setattr(agreement, "exports", exports)
    monkeypatch.setattr(sys, "argv", ["agreement.py", "--folder", str(folder), "--program", "verovio", "--json"])
    agreement.main()
    files = {c["file"][0]: c for c in json.loads(capsys.readouterr().out)["files"]["verovio"]}
    assert [files[name]["kind"] for name in "abcd"] == [
        compare.SAME,
        agreement.REFUSED_BY_US,
        agreement.REFUSED_BY_THEM,
        compare.TRANSPOSED,
    ]
    assert files["a"]["same"] == files["a"]["ours"] == 32
    assert files["a"]["tempos"] == files["a"]["meters"] == files["a"]["keys"] == 1


def test_midi_files_are_read_alike_by_mido_and_pretty_midi(tmp_path: Path) -> None:
    pytest.importorskip("pretty_midi")
    sample_music.folder(tmp_path, sample_music.chorale, count=2, bars=3)
    command = [sys.executable, str(ROOT / "benchmarks" / "agreement.py"), "--midi", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for side in json.loads(done.stdout)["files"].values():
        assert [c["kind"] for c in side] == [compare.SAME] * 2
        assert all(c[name] == 1 for c in side for name in ("tempos", "meters", "keys", "programs", "pedal"))
