"""Bars as sound: what a stream gives, laid into an endless mix at its samples.

Instruments are the listener's. Knows streams and the mix; knows neither clocks nor where the sound goes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

from playbach.rendering.audio import Cue, NoteBank, Voice, loudness, places, voice
from playbach.rendering.soundfont import SAMPLE_RATE, place
from playbach.streaming.live_mix import Endless, longest
from playbach.streaming.stream import TimedBar, key

LOUDNESS = 10 ** (-17 / 20)
"""RMS that music in an instrument is brought to; the limiter looks after the peaks."""
LISTENED_BARS = 2
"""By so many bars it is known how loud an instrument is."""


@dataclass(frozen=True, slots=True)
class Laid:
    """A bar with its notes as they sound, and how loud the mix is to be."""

    bar: TimedBar
    voices: tuple[tuple[Hashable, Voice], ...]
    gain: float | None


class Sounding:
    """`program` (General MIDI, 0-127, None: the piece's own) may be changed, and holds for what is laid later."""

    def __init__(self, bank: NoteBank) -> None:
        self.program: int | None = None
        self.mix = Endless()
        self._bank = bank
        self._levels: dict[int | None, list[float]] = {}

    def begin(self, seconds: float) -> None:
        """Nothing before this time of the stream will be heard."""
        self.mix.skip(round(seconds * SAMPLE_RATE))

    def ready(self, bar: TimedBar) -> Laid:
        """Render a bar's notes, which takes its time; by one thread at a time, in the order of the bars."""
        cues = list(self._cues(bar))
        levels = self._levels.setdefault(self.program, [])
        if cues and len(levels) < LISTENED_BARS:
            begin = min(cue.start for _, cue in cues)
            levels.append(loudness([_held(cue, begin) for _, cue in cues], self._bank))
        voices = tuple((name, voice(self._bank, cue)) for name, cue in cues)
        return Laid(bar, voices, LOUDNESS / max(levels) if any(levels) else None)

    def lay(self, laid: Laid) -> None:
        """Lay a bar into the mix, which takes no time; what was to begin with it or later is forgotten, as the bar
        replaces it."""
        bar = laid.bar
        self.mix.drop(round(bar.at * SAMPLE_RATE))
        for timed in bar.held:
            self.mix.hold((bar.place[0], *key(timed.note)), round((timed.at + timed.seconds) * SAMPLE_RATE))
        for name, sounding in laid.voices:
            self.mix.put(name, sounding)
        if laid.gain is not None:
            self.mix.gain = laid.gain

    def _cues(self, bar: TimedBar) -> Iterable[tuple[tuple[int, ...], Cue]]:
        tracks = bar.bar.opening.tracks
        sides = [place(x) for x in places(len(tracks))]
        for timed in bar.notes:
            note = timed.note
            track = tracks[note.track]
            program = track.program if self.program is None or track.drums else self.program
            start, off = round(timed.at * SAMPLE_RATE), round((timed.at + timed.seconds) * SAMPLE_RATE)
            name, held = (bar.place[0], *key(note)), longest(timed.seconds)
            yield name, Cue(start, off, program, track.drums, note.pitch, note.velocity, held, sides[note.track])


def _held(cue: Cue, begin: int) -> Cue:
    """Counted from `begin`, and held for a second at least: short notes alone say little of how loud an instrument
    is."""
    start = cue.start - begin
    return replace(cue, start=start, off=max(cue.off - begin, start + SAMPLE_RATE))
