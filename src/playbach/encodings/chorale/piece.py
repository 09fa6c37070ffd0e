"""A chorale as arrays: what `state.py` knows before each step, for all steps of a piece at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.encodings.chorale.vocabulary import (
    BASS,
    FIRST_PITCH,
    HOLD,
    MAX_WAIT,
    ORDER,
    REST,
    STEPS_PER_ONSET,
    ChoraleVocabulary,
)
from playbach.encodings.features.bars import Timing
from playbach.encodings.features.home import likeliest_homes
from playbach.encodings.voices import SIXTEENTH, SingleNote, chorale_header, voices_of
from playbach.music.arrays import Ints
from playbach.music.bars import Bars, Header

_DONE = np.array([[slot > ORDER.index(voice) for slot in range(STEPS_PER_ONSET)] for voice in range(4)])
"""Whether each voice has taken its step of an onset before each step of it."""


@dataclass(frozen=True)
class ChoralePiece:
    """A chorale with N onsets, thus T = 5 N steps. Attributes are named as in `ChoraleState`."""

    header: Header
    low: int
    """The pitch of symbol FIRST_PITCH."""
    onsets: Ints
    """(N,), in sixteenths."""
    end: int
    """In sixteenths."""
    at_onsets: Ints
    """(4, N): the symbol of each voice at each onset."""

    @cached_property
    def waits(self) -> Ints:
        """(N,): from each onset to the next, in sixteenths."""
        return np.diff(self.onsets, append=np.int32(self.end))

    @cached_property
    def frame(self) -> Ints:
        """(T,)."""
        return np.repeat(self.onsets, STEPS_PER_ONSET)

    @cached_property
    def timing(self) -> Timing:
        return Timing(self.header, self.frame * SIXTEENTH, (self.end - 1) * SIXTEENTH)

    @cached_property
    def slot(self) -> Ints:
        """(T,)."""
        return np.tile(np.arange(STEPS_PER_ONSET, dtype=np.int32), len(self.onsets))

    @cached_property
    def waited(self) -> Ints:
        """(T,)."""
        return np.repeat(_shifted(self.waits, 0), STEPS_PER_ONSET)

    @cached_property
    def _begins(self) -> Ints:
        """(4, N): the onset at which each voice began what it sounds or rests after each onset; 0 if none has."""
        begins = np.where(self.at_onsets == HOLD, 0, np.arange(len(self.onsets)))
        return np.maximum.accumulate(begins, axis=1).astype(np.int32)

    @cached_property
    def _after(self) -> Ints:
        """(4, N): what sounds in each voice after each onset."""
        return np.take_along_axis(self.at_onsets, self._begins, axis=1)

    @cached_property
    def before(self) -> Ints:
        """(4, T)."""
        return np.repeat(_shifted(self._after, HOLD), STEPS_PER_ONSET, axis=1)

    @cached_property
    def sounding(self) -> Ints:
        """(4, T)."""
        return self._by_step(_shifted(self._after, HOLD), self._after)

    @cached_property
    def begun(self) -> Ints:
        """(4, T)."""
        begun = self.onsets[self._begins]
        return self._by_step(_shifted(begun, 0), begun)

    def _by_step(self, before: Ints, after: Ints) -> Ints:
        """What holds for each voice before each step (4, T), given what holds before and after each onset (4, N)."""
        return np.where(_DONE[:, None, :], after[:, :, None], before[:, :, None]).reshape(4, -1)

    @cached_property
    def own_before(self) -> Ints:
        """(T,): what the voice of each step sounded before the onset."""
        voices = np.array([*ORDER, BASS])[self.slot]
        own: Ints = self.before[voices, np.arange(len(voices))]
        return own

    @cached_property
    def homes(self) -> Ints:
        """(T,)."""
        weights = np.zeros((len(self.onsets) + 1, 12), np.int64)
        for voice in self._after:
            notes = np.flatnonzero(voice >= FIRST_PITCH)
            weights[notes + 1, (voice[notes] - FIRST_PITCH + self.low) % 12] += self.waits[notes]
        return np.repeat(likeliest_homes(weights.cumsum(axis=0)[:-1]), STEPS_PER_ONSET)


def chorale_piece(score: Score, vocabulary: ChoraleVocabulary) -> tuple[ChoralePiece, int]:
    """A score as a piece, and its number of notes.

    Raises:
        ScoreError: the score does not have four single voices.
    """
    parts, header = voices_of(score), chorale_header(score)
    end = max(end for part in parts for _, end, _ in part)
    symbols = _symbols(parts, end, vocabulary)
    onsets = _onsets(symbols, Bars(header.meters))
    piece = ChoralePiece(header=header, low=vocabulary.low, onsets=onsets, end=end, at_onsets=symbols[:, onsets])
    return piece, sum(map(len, parts))


def _symbols(parts: list[list[SingleNote]], end: int, vocabulary: ChoraleVocabulary) -> Ints:
    """The symbol of each voice at each sixteenth, (4, end)."""
    symbols = np.full((4, end), HOLD, np.int32)
    for voice, part in zip(symbols, parts):
        if not part or part[0][0] > 0:
            voice[0] = REST
        for _, stop, _ in part:
            voice[stop : stop + 1] = REST  # unless a note begins there
        for onset, _, pitch in part:
            voice[onset] = vocabulary.symbol_of(pitch)
    return symbols


def _onsets(symbols: Ints, bars: Bars) -> Ints:
    """The sixteenths (N,) at which a voice begins a note or rest, a bar begins, or the longest wait is over."""
    frames = symbols.shape[1]
    _, places = bars.numbers_and_places(np.arange(frames, dtype=np.int32) * SIXTEENTH)
    found = np.flatnonzero((symbols != HOLD).any(axis=0) | (places == 0)).tolist()
    onsets: list[int] = []
    for onset, following in zip(found, [*found[1:], frames]):
        onsets += range(onset, following, MAX_WAIT)
    return np.array(onsets, np.int32)


def _shifted(after: Ints, first: int) -> Ints:
    """The values (…, N) before each onset, given those after each onset; `first` before the first one."""
    before = np.empty_like(after)
    before[..., 0], before[..., 1:] = first, after[..., :-1]
    return before
