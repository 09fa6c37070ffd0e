"""Renders the bars of a stream as sound, into an endless mix.

The listener may choose the instrument. Knows streams and the mix, but neither clocks nor devices.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

from playbach.rendering.audio import NoteBank, SoundingNote, TimedNote, measure_loudness, sounding_note, track_pans
from playbach.rendering.soundfont import SAMPLE_RATE, pan_gains
from playbach.streaming.live_mix import LiveMix, render_seconds
from playbach.streaming.stream import StreamNote, TimedBar, note_key

TARGET_RMS = 10 ** (-17 / 20)
"""The RMS level to which music in any instrument is brought; the limiter lowers the peaks."""
MEASURED_BARS = 2
"""The loudness of an instrument is measured in this many bars."""


@dataclass(frozen=True, slots=True)
class RenderedBar:
    """A bar with its notes as sound."""

    bar: TimedBar
    voices: tuple[tuple[Hashable, SoundingNote], ...]
    gain: float | None
    """The gain of the mix; None: no change."""


class StreamRenderer:
    """Renders bars, and mixes them into `mix`."""

    def __init__(self, bank: NoteBank) -> None:
        self.program: int | None = None
        """A General MIDI program (0 to 127) for all voices; None: each voice's own. A new value affects the bars that
        are rendered later."""
        self.mix = LiveMix()
        self._bank = bank
        self._levels: dict[int | None, list[float]] = {}
        self._first: tuple[int, int] | None = None

    def start_with(self, bar: TimedBar) -> None:
        """Begin with this bar, and with what earlier bars hold over to it. Call it before anything is rendered."""
        self.mix.start_at(round(bar.at * SAMPLE_RATE))
        self._first = bar.position

    def render(self, bar: TimedBar) -> RenderedBar:
        """Render a bar's notes, which takes time. Call it from one thread, in the order of the bars."""
        notes = list(self._notes(bar))
        levels = self._levels.setdefault(self.program, [])
        if notes and len(levels) < MEASURED_BARS:
            begin = min(note.start for _, note in notes)
            levels.append(measure_loudness([_prolonged(note, begin) for _, note in notes], self._bank))
        voices = tuple((key, sounding_note(self._bank, note)) for key, note in notes)
        return RenderedBar(bar, voices, TARGET_RMS / max(levels) if any(levels) else None)

    def mix_in(self, rendered: RenderedBar) -> None:
        """Add a rendered bar to the mix, which takes hardly any time. All notes that were to begin in it or later are
        removed first."""
        bar = rendered.bar
        self.mix.remove_from(round(bar.at * SAMPLE_RATE))
        for timed in bar.held:
            held_key = (bar.position[0], *note_key(timed.note))
            self.mix.set_end(held_key, round((timed.at + timed.seconds) * SAMPLE_RATE))
        for key, note in rendered.voices:
            self.mix.add(key, note)
        if rendered.gain is not None:
            self.mix.gain = rendered.gain

    def _joined(self, bar: TimedBar) -> Iterable[StreamNote]:
        """The notes that sound when the first bar begins, as notes that begin with it."""
        held = bar.held if bar.position == self._first else ()
        return (StreamNote(timed.note, bar.at, timed.at + timed.seconds - bar.at) for timed in held)

    def _notes(self, bar: TimedBar) -> Iterable[tuple[tuple[int, ...], TimedNote]]:
        tracks = bar.bar.header.tracks
        track_gains = [pan_gains(x) for x in track_pans(len(tracks))]
        for timed in (*self._joined(bar), *bar.notes):
            note = timed.note
            track = tracks[note.track]
            program = track.program if self.program is None or track.drums else self.program
            start, off = round(timed.at * SAMPLE_RATE), round((timed.at + timed.seconds) * SAMPLE_RATE)
            key, seconds = (bar.position[0], *note_key(note)), render_seconds(timed.seconds)
            gains = track_gains[note.track]
            yield key, TimedNote(start, off, program, track.drums, note.pitch, note.velocity, seconds, gains)


def _prolonged(note: TimedNote, begin: int) -> TimedNote:
    """The note with times relative to `begin`, and held for at least a second: short notes say little about the
    loudness of an instrument."""
    start = note.start - begin
    return replace(note, start=start, off=max(note.off - begin, start + SAMPLE_RATE))
