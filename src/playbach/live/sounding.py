"""Bars as sound: what a stream gives, laid into an endless mix at its samples.

Instruments are the listener's. Knows streams and the mix; knows neither clocks nor where the sound goes.
"""

from __future__ import annotations

from collections.abc import Iterable

from playbach.live.stream import TimedBar, key
from playbach.outputs.audio import Cue, NoteBank, loudness, places
from playbach.outputs.endless import Endless
from playbach.outputs.soundfont import SAMPLE_RATE, place

LOUDNESS = 10 ** (-17 / 20)
"""RMS that music in an instrument is brought to; the limiter looks after the peaks."""
LISTENED_BARS = 2
"""By so many bars it is known how loud an instrument is."""


class Sounding:
    """`program` (General MIDI, 0-127, None: the piece's own) may be changed, and holds for what is laid later."""

    def __init__(self, bank: NoteBank) -> None:
        self.program: int | None = None
        self.mix = Endless(bank)
        self._bank = bank
        self._levels: dict[int | None, list[float]] = {}

    def begin(self, seconds: float) -> None:
        """Nothing before this time of the stream will be heard."""
        self.mix.skip(round(seconds * SAMPLE_RATE))

    def lay(self, bar: TimedBar) -> None:
        """Lay a bar into the mix; what was to begin with it or later is forgotten, as the bar replaces it."""
        self.mix.drop(round(bar.at * SAMPLE_RATE))
        for timed in bar.held:
            self.mix.hold((bar.place[0], *key(timed.note)), round((timed.at + timed.seconds) * SAMPLE_RATE))
        cues = list(self._cues(bar))
        for name, cue in cues:
            self.mix.put(name, cue)
        levels = self._levels.setdefault(self.program, [])
        if cues and len(levels) < LISTENED_BARS:
            begin = min(cue.start for _, cue in cues)
            levels.append(loudness([_moved(cue, -begin) for _, cue in cues], self._bank))
        if any(levels):
            self.mix.gain = LOUDNESS / max(levels)

    def _cues(self, bar: TimedBar) -> Iterable[tuple[tuple[int, ...], Cue]]:
        tracks = bar.bar.opening.tracks
        sides = [place(x) for x in places(len(tracks))]
        for timed in bar.notes:
            note = timed.note
            track = tracks[note.track]
            program = track.program if self.program is None or track.drums else self.program
            start, off = round(timed.at * SAMPLE_RATE), round((timed.at + timed.seconds) * SAMPLE_RATE)
            yield (
                (bar.place[0], *key(note)),
                Cue(start, off, program, track.drums, note.pitch, note.velocity, timed.seconds, sides[note.track]),
            )


def _moved(cue: Cue, samples: int) -> Cue:
    return Cue(cue.start + samples, cue.off + samples, cue.program, cue.drum, cue.pitch, cue.velocity, cue.longest,
               cue.gains)  # fmt: skip
