"""MIDI ports: no note is ever left hanging."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.midi_wire import Wire
from playbach.streaming import port
from playbach.streaming.port import Port
from playbach.system.errors import PlaybachError

notes = st.lists(st.tuples(st.booleans(), st.integers(0, 15), st.integers(0, 127), st.integers(1, 127)), max_size=40)


@given(notes, st.booleans())
def test_nothing_sounds_when_it_is_closed(played: list[tuple[bool, int, int, int]], fails: bool) -> None:
    wire = Wire()
    try:
        with Port(wire, "x") as opened:
            for on, channel, pitch, velocity in played:
                if on:
                    opened.on(channel, pitch, velocity)
                else:
                    opened.off(channel, pitch)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert wire.sounding() == set()
    assert not wire.open
    for channel in {c for on, c, _, _ in played if on}:
        assert [0xB0 | channel, 123, 0] in wire.messages


@pytest.mark.parametrize(
    ("name", "found"), [("Synth", "Synth"), ("synth 2", "My Synth 2"), ("my", None), ("nobody", None)]
)
def test_ports_are_found_by_name(monkeypatch: pytest.MonkeyPatch, name: str, found: str | None) -> None:
    wires: list[Any] = [Wire(("Synth", "My Synth 2")), Wire(("My Organ",))]
    monkeypatch.setattr(port, "_outs", lambda: wires)
    if found is None:
        with pytest.raises(PlaybachError, match="Organ"):
            port.find(name)
    else:
        assert port.find(name).name == found
