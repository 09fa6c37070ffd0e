"""The address that engraves a page's MusicXML: PDF for what can be engraved, and a reason for what cannot."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import threading
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from helpers.paths import ROOT
from helpers.running_server import RunningServer, serving
from playbach.rendering.headings import Heading
from playbach.server import score_pdf
from playbach.server.score_pdf import checked_heading
from playbach.system.errors import MissingExtra, ScoreError

SCORE = (ROOT / "web" / "test" / "notation" / "golden" / "with-chords.xml").read_bytes()


# Not `importorskip`: that would import verovio here, and the engraver's process would inherit its state.
NEEDS_ENGRAVER = pytest.mark.skipif(
    find_spec("verovio") is None or find_spec("typst") is None, reason="the extra `score` is not installed"
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with serving() as running:
        yield running


def post(server: RunningServer, body: bytes, method: str = "POST") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method, "/api/score.pdf", body, {"content-type": "application/vnd.recordare.musicxml+xml"})
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


@NEEDS_ENGRAVER
def test_a_score_becomes_a_pdf(server: RunningServer) -> None:
    assert post(server, b"", "GET") == (204, b"")
    status, data = post(server, SCORE)
    assert status == 200 and data.startswith(b"%PDF-"), data[:300]


@NEEDS_ENGRAVER
@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "no MusicXML"),
        (b"<score-partwise", 400, "no MusicXML"),
        (b"\xff\xfe<score-partwise/>", 400, "no MusicXML"),
        (b"<html/>", 400, "expected a score-partwise element"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><score-partwise>&b;</score-partwise>', 400, "must not declare entities"),
        (b"<score-partwise>" + b"<note/>" * 20_001 + b"</score-partwise>", 400, "at most 20,000"),
        (b"<score-partwise>" + b" " * (4 << 20) + b"</score-partwise>", 413, "larger than 4,096 KiB"),
    ],
    ids=("nothing", "cut off", "not UTF-8", "no score", "entities", "many notes", "long"),
)
def test_what_is_no_score_is_refused_with_a_reason(
    server: RunningServer, body: bytes, status: int, reason: str
) -> None:
    found, text = post(server, body)
    assert found == status and reason in json.loads(text)["reason"]


@NEEDS_ENGRAVER
def test_a_score_that_aborts_the_engraver_leaves_the_server_running(server: RunningServer) -> None:
    odd = b'<score-partwise version="4.0"><part-list/><part id="P9"><measure/></part></score-partwise>'
    status, text = post(server, odd)
    assert status in (200, 400) and (status == 200 or b"verovio cannot engrave" in text)
    status, data = post(server, SCORE)
    assert status == 200, data


def test_without_the_extra_the_address_says_what_to_install(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: str) -> None:
        raise MissingExtra("a score as a page", "score", "verovio")

    monkeypatch.setattr(score_pdf, "check_installed", missing)
    for method in ("GET", "POST"):
        status, text = post(server, SCORE, method)
        assert status == 501 and "playbach[score]" in json.loads(text)["reason"]


def test_any_more_than_a_few_scores_at_once_are_refused(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slow(_: bytes) -> bytes:
        assert go_on.wait(60)
        return b"%PDF-"

    monkeypatch.setattr(score_pdf, "check_installed", lambda _: None)
    monkeypatch.setattr(score_pdf, "_engraved", slow)
    accepted = score_pdf.SCORES_AT_ONCE + score_pdf.MAX_WAITING_SCORES
    with concurrent.futures.ThreadPoolExecutor(accepted + 2) as threads:
        asked = [threads.submit(post, server, SCORE) for _ in range(accepted + 2)]
        answered = []
        for done in concurrent.futures.as_completed(asked, timeout=60):
            answered.append(done.result())
            if len(answered) == 2:  # the two that found no place
                go_on.set()
    assert [status for status, _ in answered] == [503] * 2 + [200] * accepted
    assert "try again" in json.loads(answered[0][1])["reason"]


def test_the_words_around_the_music_are_taken_over() -> None:
    heading = checked_heading(SCORE)
    assert heading == Heading("Piece <1> & more", "Composed by a neural network", '{"seed":7}')
    with pytest.raises(ScoreError, match="expected a score-partwise"):
        checked_heading(b"<score-timewise/>")
