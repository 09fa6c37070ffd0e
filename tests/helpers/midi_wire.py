"""A MIDI port that records the messages sent to it."""

from __future__ import annotations


class FakeMidiOut:
    """Accepts messages as python-rtmidi does, and knows which notes sound."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.messages: list[list[int]] = []
        self.names, self.is_open = names, True

    def send_message(self, message: list[int]) -> None:
        assert self.is_open
        assert all(0 <= value < (256 if i == 0 else 128) for i, value in enumerate(message))
        self.messages.append(message)

    def close_port(self) -> None:
        self.is_open = False

    def get_ports(self) -> list[str]:
        return list(self.names)

    def open_port(self, number: int, name: str) -> FakeMidiOut:
        return self

    def sounding(self) -> set[tuple[int, int]]:
        """The (channel, pitch) of each sounding note."""
        on: set[tuple[int, int]] = set()
        for status, pitch, *_ in (m for m in self.messages if m[0] < 0xA0):
            (on.add if status & 0xF0 == 0x90 else on.discard)((status & 15, pitch))
        return on
