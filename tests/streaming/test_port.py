"""MIDI ports: they are found by name, and no note goes on after they close."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.midi_wire import FakeMidiOut
from playbach.streaming import port
from playbach.streaming.port import Port
from playbach.system.errors import PlaybachError

notes = st.lists(st.tuples(st.booleans(), st.integers(0, 15), st.integers(0, 127), st.integers(1, 127)), max_size=40)


@given(notes, st.booleans())
def test_no_note_sounds_after_the_port_is_closed(played: list[tuple[bool, int, int, int]], fails: bool) -> None:
    out = FakeMidiOut()
    try:
        with Port(out, "x") as opened:
            for on, channel, pitch, velocity in played:
                if on:
                    opened.on(channel, pitch, velocity)
                else:
                    opened.off(channel, pitch)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert out.sounding() == set()
    assert not out.is_open
    for channel in {c for on, c, _, _ in played if on}:
        assert [0xB0 | channel, 123, 0] in out.messages


@pytest.mark.parametrize(
    ("name", "found"), [("Synth", "Synth"), ("synth 2", "My Synth 2"), ("my", None), ("nobody", None)]
)
def test_ports_are_found_by_name(monkeypatch: pytest.MonkeyPatch, name: str, found: str | None) -> None:
    outs: list[Any] = [FakeMidiOut(("Synth", "My Synth 2")), FakeMidiOut(("My Organ",))]
    monkeypatch.setattr(port, "_midi_outs", lambda: outs)
    if found is None:
        with pytest.raises(PlaybachError, match="Organ"):
            port.open_named(name)
    else:
        assert port.open_named(name).name == found
