"""Engraves the MusicXML that a page sends, as `api/score.pdf` (docs/radio-protocol.md).

The page writes MusicXML itself; the package's engraver makes pages of it. What arrives is checked here, and engraved
in a process of its own with limits on time and memory, since odd input can abort verovio. Few scores are engraved at
once, a few wait, and any others are refused. Knows MusicXML's frame, no streams.
"""

from __future__ import annotations

import asyncio
from xml.etree import ElementTree

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from playbach.rendering.engraving import check_installed, engrave
from playbach.rendering.headings import Heading
from playbach.server.page import MEDIA_TYPES
from playbach.server.requests import Turns, address, read_body, uncached
from playbach.server.state import ServerState
from playbach.system.errors import ScoreError

MAX_DOCUMENT_BYTES = 4 << 20
MAX_DOCUMENT_NOTES = 20_000
ENGRAVING_SECONDS = 20.0
SCORES_AT_ONCE = 1
MAX_WAITING_SCORES = 4
_LONGEST_WORDS = 200
_LONGEST_COMMENT = 8000


class ScorePdf:
    """The address, and who waits there."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        reason = "the server engraves other scores; try again in a few seconds"
        self._turns = Turns(SCORES_AT_ONCE, MAX_WAITING_SCORES, reason)

    def routes(self) -> list[BaseRoute]:
        return [address("/api/score.pdf", "GET", self.info), address("/api/score.pdf", "POST", self.pdf)]

    async def info(self, _: Request) -> Response:
        """Whether the server can engrave: 204, or 501 and what to install."""
        check_installed("pdf")
        return uncached(Response(status_code=204))

    async def pdf(self, request: Request) -> Response:
        check_installed("pdf")
        with self._turns.place():  # while the score arrives, too: scores are large
            document = await read_body(request, MEDIA_TYPES[".musicxml"], MAX_DOCUMENT_BYTES)
            async with self._turns.turn:
                loop = asyncio.get_running_loop()
                data = await loop.run_in_executor(self._state.executor, _engraved, document)
        return uncached(Response(data, media_type=MEDIA_TYPES[".pdf"]))


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
