"""Lengthens notes to the sounds that a pianist's pedals make of them.

A MIDI note ends where its key is let go; while the sustain pedal is down it sounds on. The rules are those of the
MIDI 1.0 detailed specification: values from 64 on are down; all sound off (120) silences; reset all controllers (121)
lifts the pedals; after all notes off (123) the pedals still hold. Knows nothing of files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTickList
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as ScoreTrack

SUSTAIN, SOSTENUTO = 64, 66
ALL_SOUND_OFF, RESET_CONTROLLERS = 120, 121
DOWN = 64
"""The smallest value of a pedal that is down."""
_Ticks = NDArray[np.int64]
_Flags = NDArray[np.bool_]


def sustain(score: Score) -> Score:
    """A copy of the score in which each note sounds until its track's pedals let it go.

    A note whose key is let go while the sustain pedal is down ends with the first lift at or after that tick, or
    where its pitch begins again in its track. The pedal's state before the tick counts: a pedal that is pressed at
    that tick comes too late. The sostenuto pedal does the same for the notes that sound when it is pressed. A pedal
    that never lifts holds until the score's last note-off or controller. Drums are struck, not held, and stay as they
    are, as do all controllers; no note becomes shorter. `sustain(sustain(score))` equals `sustain(score)`.
    """
    sounding = score.copy()
    last = _last_tick(score)
    for track in sounding.tracks:
        if not track.is_drum and len(track.notes) and len(track.controls):
            _sustain_track(track, last)
    return sounding


def has_pedals(score: Score) -> bool:
    """Whether a track has controllers of the sustain or sostenuto pedal. Without them `sustain` changes nothing."""
    numbers = [track.controls.numpy()["number"] for track in score.tracks if len(track.controls)]
    return any(bool(((n == SUSTAIN) | (n == SOSTENUTO)).any()) for n in numbers)


def pedal_presses(score: Score) -> int:
    """How often the sustain pedal goes down, over all tracks but drums."""
    return sum(
        int(np.count_nonzero(_Pedals(track).sustain_presses))
        for track in score.tracks
        if not track.is_drum and len(track.controls)
    )


def _last_tick(score: Score) -> int:
    """The tick of the last note-off or controller."""
    ends = [0]
    for track in score.tracks:
        notes, controls = track.notes.numpy(), track.controls.numpy()["time"]
        ends += [int(_note_ends(notes).max())] if len(track.notes) else []
        ends += [int(controls.max())] if len(controls) else []
    return max(ends)


def _sustain_track(track: ScoreTrack, last: int) -> None:
    pedals = _Pedals(track)
    if not len(pedals.ticks):
        return
    notes = track.notes.numpy()
    start, end = notes["time"].astype(np.int64), _note_ends(notes)
    let_go = np.minimum(pedals.let_go(start, end, last), _struck_again(notes["pitch"], start, last))
    durations = (np.maximum(let_go, end) - start).astype(np.int32)
    track.notes = NoteTickList.from_numpy(notes["time"], durations, notes["pitch"], notes["velocity"])


class _Pedals:
    """The pedal events (n,) of a track, in order, and when they let notes go."""

    def __init__(self, track: ScoreTrack) -> None:
        controls = track.controls.numpy()
        chosen = np.isin(controls["number"], (SUSTAIN, SOSTENUTO, ALL_SOUND_OFF, RESET_CONTROLLERS))
        ticks, number, value = (controls[name][chosen] for name in ("time", "number", "value"))
        order = np.argsort(ticks, kind="stable")
        number, down = number[order], value[order] >= DOWN
        self.ticks: _Ticks = ticks[order].astype(np.int64)
        self._silenced: _Flags = number == ALL_SOUND_OFF
        reset = number == RESET_CONTROLLERS
        # The state of each pedal before each event and after the last one, (n + 1,).
        self._sustain = _states((number == SUSTAIN) & down, (number == SUSTAIN) & ~down | reset)
        self._sostenuto = _states((number == SOSTENUTO) & down, (number == SOSTENUTO) & ~down | reset)
        self.sustain_presses: _Flags = self._sustain[1:] & ~self._sustain[:-1]
        self._sostenuto_presses: _Flags = self._sostenuto[1:] & ~self._sostenuto[:-1]

    def let_go(self, start: _Ticks, end: _Ticks, last: int) -> _Ticks:
        """The ticks (m,) at which notes fall silent whose keys are down from `start` to `end`."""
        n = len(self.ticks)
        at = np.searchsorted(self.ticks, end)
        pressed = np.concatenate([[0], np.maximum.accumulate(np.where(self._sostenuto_presses, self.ticks, -1))])
        caught = self._sostenuto[at] & (start <= pressed[at])
        state = np.where(caught, n + 1 + at, np.where(self._sustain[at], at, 2 * (n + 1) + at))
        ends = self._ends(last)[state]
        return np.where(state < 2 * (n + 1), ends, end)

    def _ends(self, last: int) -> _Ticks:
        """When a note falls silent by its state, which is the next event and what holds it.

        States 0 to n are held by the sustain pedal alone, the next n + 1 were caught by the sostenuto pedal, and the
        last n + 1 have ended. Each event leads from a state to one further on; following twice as many events at each
        pass, all notes come to their ends in log2(n) passes, however often the two pedals relieve each other.
        """
        n = len(self.ticks)
        index = np.arange(n)
        following = np.arange(3 * (n + 1))  # ended states stay, as does what is held after the last event
        for caught in (False, True):
            still = self._sostenuto_presses | (caught & self._sostenuto[1:])
            goes_on = (self._sustain[1:] | still) & ~self._silenced
            following[caught * (n + 1) + index] = np.where(goes_on, still, 2) * (n + 1) + index + goes_on
        for _ in range(n.bit_length()):
            following = following[following]
        ticks = np.append(self.ticks, last)
        return ticks[following % (n + 1)]


def _states(presses: _Flags, lifts: _Flags) -> _Flags:
    """Whether a pedal is down before each of n events and after the last, (n + 1,)."""
    changed = np.where(presses | lifts, np.arange(1, len(presses) + 1), 0)
    latest = np.maximum.accumulate(np.concatenate([[0], changed]))
    down: _Flags = np.concatenate([[False], presses])[latest]
    return down


def _struck_again(pitch: NDArray[np.int8], start: _Ticks, last: int) -> _Ticks:
    """For each note (m,) the tick at which its pitch begins again in its track, `last` if it does not."""
    key = pitch.astype(np.int64) << 40 | start
    ordered = np.append(np.sort(key), np.iinfo(np.int64).max)
    following = ordered[np.searchsorted(ordered, key, side="right")]
    return np.where(following >> 40 == pitch, following & ((1 << 40) - 1), last)


def _note_ends(notes: dict[str, NDArray[np.int32]]) -> _Ticks:
    ends: _Ticks = notes["time"].astype(np.int64) + notes["duration"]
    return ends
