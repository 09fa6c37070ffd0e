"""A MIDI port that keeps the messages that it is sent."""

from __future__ import annotations


class Wire:
    """Takes messages as python-rtmidi does, and knows what sounds."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.messages: list[list[int]] = []
        self.names, self.open = names, True

    def send_message(self, message: list[int]) -> None:
        assert self.open
        assert all(0 <= value < (256 if i == 0 else 128) for i, value in enumerate(message))
        self.messages.append(message)

    def close_port(self) -> None:
        self.open = False

    def get_ports(self) -> list[str]:
        return list(self.names)

    def open_port(self, number: int, name: str) -> Wire:
        return self

    def sounding(self) -> set[tuple[int, int]]:
        on: set[tuple[int, int]] = set()
        for status, pitch, *_ in (m for m in self.messages if m[0] < 0xA0):
            (on.add if status & 0xF0 == 0x90 else on.discard)((status & 15, pitch))
        return on
