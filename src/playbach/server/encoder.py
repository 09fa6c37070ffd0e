"""What a session gives, as the texts that its listeners are sent, in their order.

Knows the protocol's order of messages; knows no sockets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from playbach.encodings import Field
from playbach.server.messages import bar_message, change_message, dated, end_message, piece_message
from playbach.streaming import Item, KnobChange


@dataclass(frozen=True, slots=True)
class Told:
    """A text, the piece that it is about, and until when (seconds of the stream) who comes in needs it. A bar's text
    lacks the time at which it is sent."""

    text: str
    kind: str
    piece: int
    until: float

    def sent(self, now: float) -> str:
        return dated(self.text, now) if self.kind == "bar" else self.text


class MessageEncoder:
    """Of one stream, whose steps have these fields."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._piece = -1

    def texts(self, item: Item) -> Iterator[Told]:
        if isinstance(item, KnobChange):
            yield Told(change_message(item), "change", item.piece, -math.inf)
            return
        piece = item.place[0]
        if piece > self._piece:
            yield Told(piece_message(item.bar.opening, item.at), "piece", piece, math.inf)
        self._piece = piece
        yield Told(bar_message(item, self._fields), "bar", piece, item.following)
        if item.bar.last:
            yield Told(end_message(item), "end", piece, item.following)
