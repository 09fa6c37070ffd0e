"""Voices that are given, such as a tune that is to be harmonised: the rest of the piece is composed around them.

A network can be told what a given voice does next: its LOOK_AHEAD next onsets, each with its symbol and the time
until it. They are unknown for a voice that is not given. Before the step of a voice at an onset, the first of them
may be the present one; after it, it is a later one.

Knows symbols and sixteenths; knows nothing of networks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from playbach.encodings.chorale.vocabulary import HOLD, ORDER, STEPS_PER_ONSET
from playbach.encodings.fields import UNKNOWN
from playbach.encodings.voices import VOICES
from playbach.music.arrays import Ints

LOOK_AHEAD = 2
"""How many onsets of a given voice are told ahead."""
FARTHEST = 32
"""In sixteenths; an onset that is farther ahead counts as this."""
SYMBOLS_PER_VOICE = 2 * LOOK_AHEAD
"""How many symbols are told of a voice."""


@dataclass(frozen=True)
class GivenVoice:
    """What a voice does in a whole piece."""

    onsets: tuple[int, ...]
    """The sixteenths at which it begins a note or a rest, rising; the first is 0."""
    symbols: tuple[int, ...]
    """The pitch or the rest that begins there."""
    end: int
    """The length of the piece in sixteenths."""

    def told(self, frame: int, *, is_taken: bool) -> list[int]:
        """What is told of the voice at a sixteenth (SYMBOLS_PER_VOICE,), before or after its own step there."""
        first = bisect_left(self.onsets, frame + is_taken)
        found: list[int] = []
        for onset, symbol in zip(self.onsets[first : first + LOOK_AHEAD], self.symbols[first:]):
            found += [symbol, 1 + min(onset - frame, FARTHEST)]
        missing = LOOK_AHEAD - len(found) // 2
        return found + [HOLD, 1 + min(self.end - frame, FARTHEST)] * missing

    def at(self, frame: int) -> int:
        """What begins at a sixteenth: a pitch or a rest, HOLD for nothing."""
        i = bisect_left(self.onsets, frame)
        return self.symbols[i] if i < len(self.onsets) and self.onsets[i] == frame else HOLD

    def onset_after(self, frame: int) -> int:
        """The first onset after a sixteenth, or the end of the piece."""
        i = bisect_left(self.onsets, frame + 1)
        return self.onsets[i] if i < len(self.onsets) else self.end


def given_voices(onsets: Ints, at_onsets: Ints, end: int) -> tuple[GivenVoice, ...]:
    """The four voices of a piece; arguments are those of `ChoralePiece`."""
    return tuple(
        GivenVoice(tuple(onsets[begins].tolist()), tuple(voice[begins].tolist()), end)
        for voice in at_onsets
        for begins in [voice != HOLD]
    )


def told_context(given: Mapping[int, GivenVoice], frames: Ints) -> Ints:
    """What a network is told of given voices before each step of a piece, (T, 4 SYMBOLS_PER_VOICE); `frames` is (N,),
    the sixteenth of each onset."""
    told = np.full((len(frames), STEPS_PER_ONSET, len(VOICES), SYMBOLS_PER_VOICE), UNKNOWN, np.int32)
    for voice, line in given.items():
        own = ORDER.index(voice)
        for is_taken, steps in ((False, slice(own + 1)), (True, slice(own + 1, None))):
            told[:, steps, voice] = _told(line, frames, is_taken=is_taken)[:, None]
    return told.reshape(len(frames) * STEPS_PER_ONSET, -1)


def _told(line: GivenVoice, frames: Ints, *, is_taken: bool) -> Ints:
    """`GivenVoice.told` for all onsets at once, (N, SYMBOLS_PER_VOICE)."""
    onsets = np.array([*line.onsets, *[line.end] * LOOK_AHEAD], np.int32)
    symbols = np.array([*line.symbols, *[HOLD] * LOOK_AHEAD], np.int32)
    first = np.searchsorted(np.array(line.onsets), frames, side="right" if is_taken else "left")
    found = []
    for rank in range(LOOK_AHEAD):
        found += [symbols[first + rank], 1 + np.minimum(onsets[first + rank] - frames, FARTHEST)]
    return np.stack(found, axis=1).astype(np.int32)
