"""What all addresses that take a body do alike, over real sockets: what they read, when they refuse it, and how."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from helpers.made_up_pairs import listening_test
from helpers.running_server import RunningServer, serving
from playbach.server import requests, score_pdf
from playbach.server.blind_test import AnswerFile, BlindTest
from playbach.server.requests import RequestRefused, Turns, address, read_body
from playbach.system.errors import MissingExtra, PlaybachError

JSON, BYTES, MUSICXML = "application/json", "application/octet-stream", "application/vnd.recordare.musicxml+xml"
ADDRESSES = {
    "/api/harmonise": (JSON, 64),
    "/api/tune": (BYTES, 2048),
    "/api/score.pdf": (MUSICXML, 4096),
    "/api/blind-test/begin": (JSON, 1),
    "/api/blind-test/answer": (JSON, 1),
}
"""The media type and the most KiB."""
EVERY_ADDRESS = pytest.mark.parametrize("path", ADDRESSES)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    answers: Path = tmp_path_factory.mktemp("answers") / "answers.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_pdf, "check_installed", lambda _: None)
        with serving(station=False, blind_test=BlindTest(listening_test(3), AnswerFile(answers))) as running:
            yield running


@contextlib.contextmanager
def request(server: RunningServer, path: str, *headers: str) -> Iterator[socket.socket]:
    """The connection of a request whose headers, but not whose body, have been sent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        lines = (f"POST {path} HTTP/1.1", "host: 127.0.0.1", *headers, "", "")
        connection.sendall("\r\n".join(lines).encode())
        yield connection


def refusal(connection: socket.socket) -> tuple[int, str]:
    """The status and the reason, which has the one form of all refusals."""
    response = HTTPResponse(connection)
    response.begin()
    message = json.loads(response.read())
    assert message.keys() == {"type", "reason"} and message["type"] == "error"
    assert response.getheader("content-type") == JSON and response.getheader("cache-control") == "no-store"
    assert message["reason"] and "\n" not in message["reason"]
    return response.status, message["reason"]


@EVERY_ADDRESS
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_the_media_types_of_forms_are_refused(server: RunningServer, path: str, kind: str) -> None:
    """Pages of other origins can send them without asking first."""
    with request(server, path, f"content-type: {kind}", "content-length: 0") as connection:
        assert refusal(connection) == (415, f"the header Content-Type must be {ADDRESSES[path][0]}")


@EVERY_ADDRESS
def test_a_body_is_refused_before_it_is_read_if_it_says_that_it_is_too_large(
    server: RunningServer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BODY_SECONDS", 2.0)
    kind, most = ADDRESSES[path]
    with request(server, path, f"content-type: {kind}", f"content-length: {(most << 10) + 1}") as connection:
        assert refusal(connection) == (413, f"the request is larger than {most:,} KiB")


@EVERY_ADDRESS
def test_a_body_that_does_not_say_how_large_it_is_is_refused_while_it_arrives(
    server: RunningServer, path: str
) -> None:
    kind, most = ADDRESSES[path]
    size = (most << 10) + 1
    with request(server, path, f"content-type: {kind}", "transfer-encoding: chunked") as connection:
        connection.sendall(b"%x\r\n%s\r\n" % (size, b" " * size))  # more would follow
        assert refusal(connection)[0] == 413


@EVERY_ADDRESS
def test_a_body_that_arrives_too_slowly_is_refused(
    server: RunningServer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.05)
    kind = f"Content-Type: {ADDRESSES[path][0].upper()}; charset=utf-8"  # in another spelling
    with request(server, path, kind, "content-length: 9") as connection:
        connection.sendall(b"{")
        assert refusal(connection) == (408, "the request did not arrive within 0.05 s")


@pytest.mark.parametrize("path", [path for path, (kind, _) in ADDRESSES.items() if kind == JSON])
def test_json_must_be_utf_8(server: RunningServer, path: str) -> None:
    with request(server, path, f"content-type: {JSON}", "content-length: 2") as connection:
        connection.sendall(b"\xff\xfe")
        assert refusal(connection) == (400, "a message must be JSON in UTF-8")


def test_a_score_has_its_place_while_it_arrives(server: RunningServer) -> None:
    """So a server keeps few scores in memory."""
    headers = (f"content-type: {MUSICXML}", "content-length: 9", "expect: 100-continue")
    with contextlib.ExitStack() as others:
        for _ in range(score_pdf.SCORES_AT_ONCE + score_pdf.MAX_WAITING_SCORES):
            arriving = others.enter_context(request(server, "/api/score.pdf", *headers))
            assert arriving.recv(100).startswith(b"HTTP/1.1 100")
        with request(server, "/api/score.pdf", *headers) as connection:
            assert refusal(connection)[0] == 503


def asked(error: Exception | None, received: list[dict[str, Any]] | None = None) -> tuple[int, dict[str, Any]]:
    """The status and the message with which an address answers, whose client has sent this."""
    sent: list[Any] = []
    events = iter(received or [])

    async def respond(request: Request) -> Response:
        if error is not None:
            raise error
        return Response(await read_body(request, BYTES, 9))

    async def receive() -> Any:
        return next(events)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", BYTES.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    asyncio.run(address("/", "POST", respond).handle(scope, receive, send))
    return sent[0]["status"], {**json.loads(sent[1]["body"]), **dict(sent[0]["headers"])}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PlaybachError("the tune is empty"), 400),
        (RequestRefused(404, "no such model"), 404),
        (MissingExtra("a PDF", "score", "typst"), 501),
        (RequestRefused(503, "others are served"), 503),
    ],
)
def test_each_error_has_its_status_and_a_full_server_says_when_to_try_again(error: Exception, status: int) -> None:
    found, message = asked(error)
    assert (found, message["reason"]) == (status, str(error))
    assert message.get(b"retry-after") == (b"5" if status == 503 else None)


def test_an_error_of_the_server_is_no_refusal() -> None:
    with pytest.raises(ZeroDivisionError):
        asked(ZeroDivisionError())


def test_a_client_that_leaves_while_it_sends_is_no_error() -> None:
    begun = {"type": "http.request", "body": b"1", "more_body": True}
    assert asked(None, [begun, {"type": "http.disconnect"}])[0] == 400


def test_so_many_work_so_many_wait_and_any_others_are_refused() -> None:
    turns = Turns(at_once=2, waiting=1, reason="full")
    working: list[int] = []

    async def work(number: int, end: asyncio.Event) -> None:
        with turns.place():
            async with turns.turn:
                working.append(number)
                await end.wait()

    async def all_of_them() -> None:
        end = asyncio.Event()
        tasks = [asyncio.create_task(work(number, end)) for number in range(4)]
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        assert working == [0, 1]
        assert [str(task.exception()) for task in done] == ["full"] and len(waiting) == 3
        tasks[0].cancel()  # leaves its turn to the one who waits, and its place to another
        await asyncio.wait({tasks[0]})
        tasks.append(asyncio.create_task(work(4, end)))
        end.set()
        await asyncio.wait({tasks[1], tasks[2], tasks[4]})
        assert working == [0, 1, 2, 4]

    asyncio.run(all_of_them())
