"""Engraves the MusicXML that a page sends, as `api/score.pdf` (docs/radio-protocol.md).

The page writes MusicXML itself; the package's engraver makes pages of it. What arrives is checked here, and engraved
in a process of its own with limits on time and memory, since odd input can abort verovio. Few scores are engraved at
once, a few wait, and any others are refused. Knows HTTP and MusicXML's frame, no streams.
"""

from __future__ import annotations

import asyncio
import contextlib
from xml.etree import ElementTree

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from playbach.rendering.engraving import check_installed, engrave
from playbach.rendering.headings import Heading
from playbach.server.state import ServerState
from playbach.system.errors import MissingExtra, PlaybachError, ScoreError

MAX_DOCUMENT_BYTES = 4 << 20
MAX_DOCUMENT_NOTES = 20_000
DOCUMENT_SECONDS = 20.0
"""How long a request's body may take to arrive."""
ENGRAVING_SECONDS = 20.0
SCORES_AT_ONCE = 1
MAX_WAITING_SCORES = 4
SCORE_RETRY_SECONDS = 5
_LONGEST_WORDS = 200
_LONGEST_COMMENT = 8000


class ScorePdf:
    """The address, and who waits there."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._turns = asyncio.Semaphore(SCORES_AT_ONCE)
        self._waiting = 0

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/score.pdf", self.info, methods=["GET"]),
            Route("/api/score.pdf", self.pdf, methods=["POST"]),
        ]

    async def info(self, _: Request) -> Response:
        """Whether the server can engrave: 204, or 501 and what to install."""
        return _missing() or _uncached(Response(status_code=204))

    async def pdf(self, request: Request) -> Response:
        refusal = _missing()
        if refusal is not None:
            return refusal
        if self._waiting >= SCORES_AT_ONCE + MAX_WAITING_SCORES:
            return _refused(503, "the server engraves other scores; try again in a moment", SCORE_RETRY_SECONDS)
        self._waiting += 1
        try:
            async with asyncio.timeout(DOCUMENT_SECONDS):
                document = await _body(request)
            if document is None:
                return _refused(
                    413, f"the score has more than {MAX_DOCUMENT_BYTES >> 20} MB; download MusicXML instead"
                )
            async with self._turns:
                loop = asyncio.get_running_loop()
                data = await loop.run_in_executor(self._state.executor, _engraved, document)
        except (TimeoutError, ClientDisconnect):
            return _refused(408, "the score did not arrive in time")
        except PlaybachError as error:
            return _refused(422, str(error))
        finally:
            self._waiting -= 1
        return _uncached(Response(data, media_type="application/pdf"))


async def _body(request: Request) -> bytes | None:
    """The request's body; None if it is too long."""
    with contextlib.suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > MAX_DOCUMENT_BYTES:
            return None
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_DOCUMENT_BYTES:
            return None
    return bytes(data)


def _engraved(document: bytes) -> bytes:
    [data] = engrave(document, "pdf", checked_heading(document), seconds=ENGRAVING_SECONDS)
    return data


def checked_heading(document: bytes) -> Heading:
    """The words around the music of a document that may be engraved.

    Raises:
        ScoreError: it is no partwise MusicXML in UTF-8, declares entities, or has too many notes.
    """
    try:
        document.decode()
        root = _parse(document)
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        raise ScoreError(f"this is no MusicXML in UTF-8 ({' '.join(str(error).split())[:120]})") from None
    if root.tag != "score-partwise":
        raise ScoreError(f"expected a score-partwise element, not {root.tag[:80]}")
    notes = sum(1 for _ in root.iter("note"))
    if notes > MAX_DOCUMENT_NOTES:
        raise ScoreError(f"the score has {notes:,} notes, but at most {MAX_DOCUMENT_NOTES:,} are engraved here")
    field = root.find("identification/miscellaneous/miscellaneous-field[@name='playbach']")
    comment = (field.text or "") if field is not None else ""
    return Heading(
        _words(root.findtext("work/work-title", "")),
        _words(root.findtext("identification/rights", "")),
        comment if len(comment) <= _LONGEST_COMMENT else "",
    )


def _parse(document: bytes) -> ElementTree.Element:
    parser = ElementTree.XMLParser()
    # The standard library's parser expands entities; MusicXML needs none but XML's own five.
    if b"<!ENTITY" in document:
        raise ScoreError("a score must not declare entities")
    parser.feed(document)
    return parser.close()


def _words(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_WORDS]


def _missing() -> Response | None:
    try:
        check_installed("pdf")
    except MissingExtra as error:
        return _refused(501, str(error))
    return None


def _refused(status: int, reason: str, retry: int | None = None) -> Response:
    response = PlainTextResponse(reason, status)
    if retry is not None:
        response.headers["retry-after"] = str(retry)
    return _uncached(response)


def _uncached(response: Response) -> Response:
    response.headers["cache-control"] = "no-store"
    return response
