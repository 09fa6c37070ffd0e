"""The addresses of the blind listening test: JSON in, JSON out (docs/listening-test.md).

Knows addresses; `blind_test.py` knows what the answers mean. Nothing that is known of a client is passed on.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from playbach.server.blind_test import BlindTest
from playbach.server.blind_test_protocol import AnswerPair, BeginTest, ContinueTest, PairShown, TestResult
from playbach.server.requests import address, json_response, read_message
from playbach.server.schema import Message

PAGE = "/blind-test.html"
"""The address of the page, among those that Vite has built."""
MAX_ANSWER_BYTES = 1 << 10


def blind_test_routes(test: BlindTest) -> list[BaseRoute]:
    """The addresses. Without them, the page of the test is not served either."""

    async def info(_: Request) -> Response:
        return json_response(test.info())

    def post(path: str, kind: type[Message], answer: Callable[[Message], PairShown | TestResult]) -> Route:
        async def respond(request: Request) -> Response:
            return json_response(answer(await read_message(request, kind, MAX_ANSWER_BYTES)))

        return address(f"/api/blind-test/{path}", "POST", respond)

    return [
        address("/api/blind-test", "GET", info),
        post("begin", BeginTest, lambda message: test.begin(message.skill)),
        post("resume", ContinueTest, lambda message: test.resume(message.session)),
        post("answer", AnswerPair, test.answer),
        post("stop", ContinueTest, lambda message: test.stop(message.session)),
    ]
