"""The addresses of the blind listening test: JSON in, JSON out (docs/listening-test.md).

Knows HTTP; `blind_test.py` knows what the answers mean. Nothing that is known of a client is passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from playbach.server.blind_test import BlindTest
from playbach.server.blind_test_protocol import AnswerPair, BeginTest, ContinueTest, PairShown, TestResult
from playbach.server.messages import json_object
from playbach.server.schema import Message, MessageRejected, read, write

PAGE = "/blind-test.html"
"""The address of the page, among those that Vite has built."""
MAX_ANSWER_BYTES = 1000
ANSWER_SECONDS = 20.0


def blind_test_routes(test: BlindTest) -> list[BaseRoute]:
    """The addresses. Without them, the page of the test is not served either."""

    async def info(_: Request) -> Response:
        return _json(test.info())

    def post(path: str, kind: type[Message], answer: Callable[[Message], PairShown | TestResult]) -> Route:
        async def respond(request: Request) -> Response:
            # A page of another origin cannot send this type without asking first, which is always refused.
            if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                return _error("the request must be of the type application/json", 415)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    body = await _body(request)
                return _json(answer(read(kind, json_object(body))))
            except TimeoutError:
                return _error("the request took too long", 408)
            except MessageRejected as rejected:
                return _error(str(rejected), 400)

        return Route(f"/api/blind-test/{path}", respond, methods=["POST"])

    return [
        Route("/api/blind-test", info),
        post("begin", BeginTest, lambda message: test.begin(message.skill)),
        post("resume", ContinueTest, lambda message: test.resume(message.session)),
        post("answer", AnswerPair, test.answer),
        post("stop", ContinueTest, lambda message: test.stop(message.session)),
    ]


async def _body(request: Request) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise MessageRejected(f"a request must not exceed {MAX_ANSWER_BYTES} bytes")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MessageRejected("a request must be JSON") from error


def _json(message: object) -> Response:
    return Response(write(message), media_type="application/json", headers={"cache-control": "no-store"})


def _error(reason: str, status: int) -> Response:
    return Response(reason, status, media_type="text/plain", headers={"cache-control": "no-store"})
