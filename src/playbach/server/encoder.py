"""Encodes what a session sends as messages to its listeners, in the protocol's order. Knows no sockets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from playbach.encodings.fields import Field
from playbach.server.messages import bar_message, change_message, end_message, piece_message, with_send_time
from playbach.server.protocol import ServerMessage
from playbach.server.schema import write
from playbach.streaming.session import StreamItem
from playbach.streaming.settings import ProgrammeChange


@dataclass(frozen=True, slots=True)
class EncodedMessage:
    """A message to a listener."""

    text: str
    """JSON; a bar's text does not yet have the time at which it is sent."""
    kind: str
    piece: int
    until: float
    """A listener who joins before this time of the stream needs the message."""

    def text_at(self, now: float) -> str:
        """The text to send at this time of the stream."""
        return with_send_time(self.text, now) if self.kind == "bar" else self.text


class MessageEncoder:
    """Encodes one stream, whose steps have these fields."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._piece = -1

    def encode(self, item: StreamItem) -> Iterator[EncodedMessage]:
        if isinstance(item, ProgrammeChange):
            yield _encoded(change_message(item), item.piece, -math.inf)
            return
        piece = item.position[0]
        if piece > self._piece:
            yield _encoded(piece_message(item.bar.header, item.at), piece, math.inf)
        self._piece = piece
        yield _encoded(bar_message(item, self._fields), piece, item.next_at)
        if item.bar.is_last:
            yield _encoded(end_message(item), piece, item.next_at)


def _encoded(message: ServerMessage, piece: int, until: float) -> EncodedMessage:
    return EncodedMessage(write(message), message.type, piece, until)
