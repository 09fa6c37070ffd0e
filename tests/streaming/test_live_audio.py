"""A stream as sound: it begins with the bar that is playing, and with what sounds in it already."""

from __future__ import annotations

import numpy as np
import pytest

import playbach
from helpers.paths import GOLDEN
from playbach.rendering.audio import NoteBank
from playbach.rendering.soundfont import SAMPLE_RATE, SoundFont, default_soundfont
from playbach.streaming.live_audio import StreamRenderer
from playbach.streaming.live_mix import BLOCK_MULTIPLE
from playbach.streaming.settings import ProgrammeSettings
from playbach.streaming.stream import Stream, TimedBar

QUARTER = SAMPLE_RATE // 4 // BLOCK_MULTIPLE * BLOCK_MULTIPLE


@pytest.fixture(scope="module")
def held_over() -> TimedBar:
    """A bar into which notes are held."""
    stream = Stream(playbach.load(GOLDEN / "tiny.playbach"), ProgrammeSettings(3, 32, temperature=4.0))
    return next(bar for bar in iter(stream.next, None) if bar.held and bar.at > 0)


@pytest.fixture(scope="module")
def bank() -> NoteBank:
    return NoteBank(SoundFont(default_soundfont()))


def test_the_first_bar_begins_with_the_notes_that_are_held_into_it(held_over: TimedBar, bank: NoteBank) -> None:
    renderer = StreamRenderer(bank)
    renderer.start_with(held_over)
    rendered = renderer.render(held_over)
    assert len(rendered.voices) == len(held_over.notes) + len(held_over.held)
    begin = round(held_over.at * SAMPLE_RATE)
    assert min(note.start for _, note in rendered.voices) == begin
    ends = {round((timed.at + timed.seconds) * SAMPLE_RATE) for timed in held_over.held}
    assert ends <= {note.off for _, note in rendered.voices}
    renderer.mix_in(rendered)
    assert np.abs(renderer.mix.read(QUARTER)).max() > 0.01


def test_in_later_bars_held_notes_are_not_begun_again(held_over: TimedBar, bank: NoteBank) -> None:
    renderer = StreamRenderer(bank)
    assert len(renderer.render(held_over).voices) == len(held_over.notes)
