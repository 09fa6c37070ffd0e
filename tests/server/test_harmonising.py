"""`api/harmonise` and `api/tune`: settings, files, limits and refusals, over real sockets."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

import playbach
from helpers.paths import GOLDEN
from helpers.running_server import RunningServer, serving
from playbach.music import scores
from playbach.server import harmonising, harmonising_app
from playbach.server.protocol import MAX_TUNE_BARS, HarmoniseRequest, Tune
from playbach.server.schema import read
from playbach.server.tunes import score_of

QUARTER = 480
LINE = [67, 69, 71, 72, 71, 69, 67, 66, 64, 66, 67, 69, 67, 66, 64, 62]


def tune(pitches: list[int] = LINE, **keys: Any) -> dict[str, Any]:
    notes = [[i * QUARTER, QUARTER, pitch] for i, pitch in enumerate(pitches)]
    return {"notes": notes, "meter": [4, 4], "fifths": 1, **keys}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with serving(station=False) as running:
        yield running


def post(
    server: RunningServer, body: Any, path: str = "/api/harmonise", content_type: str = "application/json"
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, data, {"content-type": content_type})
    response = connection.getresponse()
    found = response.read()
    connection.close()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, found


def setting(server: RunningServer, **request: Any) -> dict[str, Any]:
    status, headers, body = post(server, {"tune": tune(), **request})
    assert status == 200, body
    assert headers["cache-control"] == "no-store"
    found: dict[str, Any] = json.loads(body)
    return found


def refused(server: RunningServer, request: Any, **options: Any) -> tuple[int, str]:
    status, _, body = post(server, request, **options)
    reason = json.loads(body)["reason"]
    assert "\n" not in reason
    return status, reason


def voice_of(found: dict[str, Any], voice: int) -> list[tuple[int, int, int]]:
    return [(tick, ticks, pitch) for number, pitch, tick, ticks in found["notes"] if number == voice]


def test_a_setting_has_the_tune_and_three_other_voices(server: RunningServer) -> None:
    found = setting(server, seed=5)
    assert voice_of(found, 0) == [tuple(note) for note in tune()["notes"]]
    assert all(len(voice_of(found, voice)) > 4 for voice in (1, 2, 3))
    assert [voice["name"] for voice in found["voices"]] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert (found["model"], found["seed"], found["fifths"], found["moved"]) == ("tiny", 5, 1, 0)
    assert found == setting(server, seed=5)
    assert found["notes"] != setting(server, seed=6)["notes"]
    assert setting(server)["seed"] != setting(server)["seed"]


def test_the_tune_may_be_another_voice_and_may_be_moved(server: RunningServer) -> None:
    found = setting(server, tune=tune([48, 50, 52, 53, 52, 50, 48, 47]), voice="bass", seed=1)
    assert [pitch for _, _, pitch in voice_of(found, 3)] == [48, 50, 52, 53, 52, 50, 48, 47]
    low = setting(server, tune=tune([p - 24 for p in LINE]), seed=1)
    assert (low["moved"], len(low["remarks"])) == (24, 1)
    assert "2 octaves up" in low["remarks"][0]


def test_files_hold_what_was_answered(server: RunningServer, tmp_path: Path) -> None:
    found = setting(server, seed=5)
    for name, suffix, kind in (
        ("midi", ".mid", "audio/midi"),
        ("musicxml", ".musicxml", "application/vnd.recordare.musicxml+xml"),
    ):
        status, headers, data = post(server, {"tune": tune(), "seed": 5, "format": name})
        assert status == 200
        assert headers["content-disposition"] == f'attachment; filename="setting-5{suffix}"'
        assert headers["content-type"] == kind
        path = tmp_path / f"setting{suffix}"
        path.write_bytes(data)
        score = playbach.read(path)
        for voice, track in enumerate(score.tracks):
            assert sorted((n.time, n.duration, n.pitch) for n in track.notes) == sorted(voice_of(found, voice))


def test_the_page_as_pdf(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typst")
    pytest.importorskip("verovio")
    request = {"tune": tune(title="My tune"), "seed": 5, "format": "pdf"}
    assert post(server, request)[2].startswith(b"%PDF-")
    assert "pdf" in info(server)["formats"]
    monkeypatch.setitem(playbach.rendering.engraving._PACKAGES, "pdf", ("no_such_package",))
    assert refused(server, request)[0] == 501
    assert "score" in refused(server, request)[1]
    assert info(server)["missing"][0]["format"] == "pdf"
    assert "pdf" not in info(server)["formats"]


def info(server: RunningServer) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/api/harmonise")
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def test_the_command_makes_the_setting_again(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from playbach.cli.main import main

    own = tune(fermatas=[7 * QUARTER, 15 * QUARTER], pickup=QUARTER, tempo=96)
    found = setting(server, tune=own, seed=9, drafts=4, temperature=0.8)
    assert found["command"].startswith("playbach harmonise tune.mid --model tiny --seed 9 ")
    monkeypatch.chdir(tmp_path)
    Path("tune.mid").write_bytes(post(server, {"tune": own, "format": "tune"})[2])
    words = found["command"].replace("--model tiny", f"--model {GOLDEN / 'tiny.playbach'}").split()
    assert main([*words[1:], "-o", "again.mid"]) == 0
    capsys.readouterr()
    score = playbach.read("again.mid")
    for voice, track in enumerate(score.tracks):
        assert sorted((n.time, n.duration, n.pitch) for n in track.notes) == sorted(voice_of(found, voice))


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        ({}, 400, "tune is missing"),
        ({"tune": tune([])}, 400, "no notes"),
        ({"tune": tune([40, 90])}, 400, "the soprano of the model has only"),
        ({"tune": {**tune(), "notes": [[0, 480, 67], [160, 480, 69]]}}, 400, "bar 1"),
        ({"tune": {**tune(), "notes": [[0, 480, 67], [0, 480, 64]]}}, 400, "two notes at once"),
        ({"tune": {**tune(), "notes": [[0, 480, 128]]}}, 400, "between 0 and 127"),
        ({"tune": {**tune(), "notes": [[0, 480, 67]] * 601}}, 400, "at most 600"),
        ({"tune": {**tune(), "notes": [[0, 480, 67], [MAX_TUNE_BARS * 1920, 480, 67]]}}, 400, "more than 64 bars"),
        ({"tune": tune(meter=[4, 3])}, 400, "power of two"),
        ({"tune": tune(pickup=1920)}, 400, "pickup"),
        ({"tune": tune(), "voice": "piano"}, 400, "soprano, alto, tenor, bass"),
        ({"tune": tune(), "drafts": 10_000}, 400, "between 1 and 32"),
        ({"tune": tune(), "model": "nothing"}, 404, "no such model; there are tiny"),
        ({"tune": tune(), "format": "wav"}, 400, "format"),
        ({"tune": tune(), "more": 1}, 400, "unknown key"),
        (b"\xff", 400, "UTF-8"),
        (b"[1]", 400, "JSON object"),
    ],
)
def test_a_bad_request_gets_a_line_that_says_what_is_wrong(
    server: RunningServer, request_: Any, status: int, reason: str
) -> None:
    found = refused(server, request_)
    assert found[0] == status
    assert reason in found[1]


def test_too_many_at_once_are_refused_and_the_others_are_answered(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    compose = harmonising_app.compose_setting

    def slow(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return compose(*arguments)

    monkeypatch.setattr(harmonising_app, "compose_setting", slow)
    accepted = harmonising_app.SETTINGS_AT_ONCE + harmonising_app.MAX_WAITING_SETTINGS
    answered: list[tuple[int, dict[str, str], bytes]] = []
    with concurrent.futures.ThreadPoolExecutor(accepted + 3) as threads:
        asked = [threads.submit(post, server, {"tune": tune(), "seed": 100 + i}) for i in range(accepted + 3)]
        assert begun.wait(30)
        for done in concurrent.futures.as_completed(asked, timeout=60):
            answered.append(done.result())
            if len(answered) == 3:  # the three that found no place
                assert [status for status, _, _ in answered] == [503] * 3
                go_on.set()
    assert [status for status, _, _ in answered] == [503] * 3 + [200] * accepted
    assert answered[0][1]["retry-after"] == "5"
    assert "try again" in json.loads(answered[0][2])["reason"]


def test_a_setting_that_takes_too_long_ends(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harmonising_app, "SETTING_SECONDS", 0.0)
    status, reason = refused(server, {"tune": tune(), "seed": 77})
    assert status == 503
    assert "shorten the tune" in reason


def test_a_setting_ends_when_its_client_leaves(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()
    step = harmonising.StoppableRuntime.step

    def watched(self: Any, *arguments: Any) -> Any:
        assert self.stopped.wait(60)  # what is_disconnected leads to
        stopped.set()
        return step(self, *arguments)

    monkeypatch.setattr(harmonising.StoppableRuntime, "step", watched)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    data = json.dumps({"tune": tune(), "seed": 78}).encode()
    connection.request("POST", "/api/harmonise", data, {"content-type": "application/json"})
    connection.close()
    assert stopped.wait(30)


def test_a_file_is_read_as_a_tune(server: RunningServer) -> None:
    status, _, body = post(
        server,
        (GOLDEN / "piece.mid").read_bytes(),
        path="/api/tune?name=My%20piece.mid",
        content_type="application/octet-stream",
    )
    found = json.loads(body)
    score = playbach.read(GOLDEN / "piece.mid")
    soprano = next(track for track in score.tracks if track.name == "Soprano")
    assert status == 200
    assert [tuple(note) for note in found["notes"]] == [(n.time, n.duration, n.pitch) for n in soprano.notes]
    assert (found["title"], found["pickup"]) == ("My piece", QUARTER)
    assert "soprano" in found["remarks"][0]
    read(Tune, found)  # so it can be sent back


@pytest.mark.parametrize("suffix", [".musicxml", ".mxl"])
def test_musicxml_is_read_with_its_key_and_fermatas(server: RunningServer, tmp_path: Path, suffix: str) -> None:
    request = read(HarmoniseRequest, {"tune": tune(fifths=2, minor=True, tempo=90)})
    path = playbach.write(score_of(request.tune, "soprano"), tmp_path / f"tune{suffix}")
    found = json.loads(
        post(server, path.read_bytes(), path=f"/api/tune?name=a{suffix}", content_type="application/octet-stream")[2]
    )
    assert found["notes"] == tune()["notes"]
    assert (found["fifths"], found["minor"], found["tempo"], found["remarks"]) == (2, True, 90, [])


def midi(*tracks: list[tuple[int, int, int]]) -> bytes:
    score = ScoreTick(QUARTER)
    for notes in tracks:
        track = TrackTick("", 0, False)
        for time, duration, pitch in notes:
            track.notes.append(NoteTick(time, duration, pitch, 80))
        score.tracks.append(track)
    return bytes(scores.convert_resolution(score).dumps_midi())


def test_chords_leave_their_top_notes_and_a_remark(server: RunningServer) -> None:
    data = midi([(0, 480, 60), (0, 480, 67), (480, 960, 69), (960, 480, 71)], [(0, 1920, 48)])
    found = json.loads(post(server, data, path="/api/tune", content_type="application/octet-stream")[2])
    assert found["notes"] == [[0, 480, 67], [480, 480, 69], [960, 480, 71]]
    assert any("2 voices" in remark for remark in found["remarks"])
    assert any("1 of its notes" in remark for remark in found["remarks"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello", "neither MIDI nor MusicXML"),
        (b"", "empty"),
        (midi([]), "no notes"),
        (midi([(i * 1920, 480, 60) for i in range(70)]), "at most 64 bars"),
    ],
)
def test_a_file_that_is_no_tune_gets_a_line(server: RunningServer, data: bytes, reason: str) -> None:
    status, found = refused(server, data, path="/api/tune", content_type="application/octet-stream")
    assert status == 400
    assert reason in found
    assert "/tmp" not in found
