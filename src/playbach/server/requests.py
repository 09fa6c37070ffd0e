"""Reads requests that have a body, lets them wait for their turn, and answers them, or says why not.

Every refusal is the message `error` with a status (docs/radio-protocol.md). Knows HTTP; knows neither addresses nor
what is asked for there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import PurePath

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from playbach.server.messages import json_object
from playbach.server.page import MEDIA_TYPES
from playbach.server.protocol import ErrorMessage
from playbach.server.schema import Message, MessageRejected, read, write
from playbach.system.errors import MissingExtra, PlaybachError

BODY_SECONDS = 20.0
"""How long a request's body may take to arrive."""
RETRY_SECONDS = 5
"""When a client may try again that was refused because others were served."""


class RequestRefused(PlaybachError):
    """A request is answered with this status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Turns:
    """Lets few requests work at once and a few more wait; refuses any others, for the reason given."""

    def __init__(self, at_once: int, waiting: int, reason: str) -> None:
        self.turn = asyncio.Semaphore(at_once)
        """To be held while a request works, within its place."""
        self._free, self._reason = at_once + waiting, reason

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place among the requests that work or wait. Raises RequestRefused if all are taken."""
        if self._free <= 0:
            raise RequestRefused(503, self._reason)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


def address(path: str, method: str, respond: Callable[[Request], Awaitable[Response]]) -> Route:
    """An address. If `respond` raises a PlaybachError, the request is refused for that reason."""

    async def answer(request: Request) -> Response:
        try:
            return await respond(request)
        except PlaybachError as error:
            return _refusal(error)

    return Route(path, answer, methods=[method])


def _refusal(error: PlaybachError) -> Response:
    response = json_response(ErrorMessage(reason=str(error)), _status(error))
    if response.status_code == 503:
        response.headers["retry-after"] = str(RETRY_SECONDS)
    return response


def _status(error: PlaybachError) -> int:
    if isinstance(error, RequestRefused):
        return error.status
    return 501 if isinstance(error, MissingExtra) else 400


async def read_body(request: Request, media_type: str, most: int) -> bytes:
    """The body of a request, which may have up to `most` bytes.

    The media type is one that a page of another origin cannot send without asking first, which is never allowed.

    Raises:
        RequestRefused: it has another media type, is too large, or does not arrive.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise RequestRefused(415, f"the header Content-Type must be {media_type}")
    body, announced = bytearray(), request.headers.get("content-length", "")
    too_large = RequestRefused(413, f"the request is larger than {most >> 10:,} KiB")
    if announced.isdecimal() and int(announced) > most:
        raise too_large
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise RequestRefused(408, f"the request did not arrive within {BODY_SECONDS:g} s") from None
    except ClientDisconnect:
        raise RequestRefused(400, "the client left before its request had arrived") from None
    return bytes(body)


async def read_message(request: Request, kind: type[Message], most: int) -> Message:
    """The message in a request's body, which is JSON of up to `most` bytes.

    Raises:
        RequestRefused: see `read_body`.
        PlaybachError: the message is not valid.
    """
    body = await read_body(request, "application/json", most)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise MessageRejected("a message must be JSON in UTF-8") from None
    return read(kind, json_object(text, most))


def json_response(message: object, status: int = 200) -> Response:
    return uncached(Response(write(message), status, media_type="application/json"))


def attachment(data: bytes, name: str) -> Response:
    """A file that a browser saves under this name."""
    response = Response(data, media_type=MEDIA_TYPES[PurePath(name).suffix])
    response.headers["content-disposition"] = f'attachment; filename="{name}"'
    return uncached(response)


def uncached(response: Response) -> Response:
    """The response, which nobody may keep."""
    response.headers["cache-control"] = "no-store"
    return response
