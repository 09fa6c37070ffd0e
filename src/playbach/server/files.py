"""Responses with a file: whole, compressed, not modified, or one range of its bytes.

All clients share the file's bytes. They are sent in small blocks, each when the client has read most of what came
before, so that a client which does not read costs no memory. Knows no addresses.
"""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from playbach.server.page import REVALIDATE, StaticFile

BLOCK_BYTES = 64 << 10
_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


def file_response(file: StaticFile, request: Request) -> Response:
    """The file or a range of it (RFC 9110, 14), compressed if the client accepts gzip and wants the whole of it, or
    status 304 if the client has it already."""
    compressed_etag = f'{file.etag[:-1]}-gzip"'
    headers = {"cache-control": file.cache or REVALIDATE, "vary": "accept-encoding", "accept-ranges": "bytes"}
    known = request.headers.get("if-none-match", "")
    for etag in (file.etag, compressed_etag):
        if etag in known:
            return Response(status_code=304, headers={**headers, "etag": etag})
    size = len(file.body)
    wanted = _wanted_range(request, size, file.etag)
    if wanted is not None and not wanted:
        unsatisfied = {**headers, "content-range": f"bytes */{size}"}
        return Response("there are no such bytes", 416, unsatisfied, "text/plain")
    if wanted is not None:
        headers |= {"etag": file.etag, "content-range": f"bytes {wanted.start}-{wanted.stop - 1}/{size}"}
        return _BlockResponse(memoryview(file.body)[wanted.start : wanted.stop], 206, headers, file.type)
    if file.gzipped and "gzip" in request.headers.get("accept-encoding", ""):
        headers |= {"etag": compressed_etag, "content-encoding": "gzip"}
        return _BlockResponse(memoryview(file.gzipped), 200, headers, file.type)
    return _BlockResponse(memoryview(file.body), 200, {**headers, "etag": file.etag}, file.type)


def _wanted_range(request: Request, size: int, etag: str) -> range | None:
    """The bytes that the client asks for; an empty range if the file has none of them. None for the whole file, also
    where the client asks for several ranges, or for a range of an earlier version."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1 if last else size, size))


class _BlockResponse(Response):
    """A response whose body is sent in blocks."""

    def __init__(self, body: memoryview, status: int, headers: dict[str, str], media_type: str) -> None:
        super().__init__(status_code=status, headers=headers, media_type=media_type)
        self._blocks = body
        self.headers["content-length"] = str(len(body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        end = 0 if scope["method"] == "HEAD" else len(self._blocks)
        for at in range(0, end, BLOCK_BYTES):
            block = bytes(self._blocks[at : at + BLOCK_BYTES])
            await send({"type": "http.response.body", "body": block, "more_body": at + BLOCK_BYTES < end})
        if not end:
            await send({"type": "http.response.body", "body": b""})
