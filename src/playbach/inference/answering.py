"""Answers a soprano that is played live: composes the other three voices at each step of a grid, as it goes.

Nothing is known of what the player will do next, so the network is told of no given voice. After each onset it draws
how long the other voices would wait until they move by themselves. If the player begins a note earlier, that wait
ends there: it is fed to the network only when it is over, so that what the network sees is always a chorale. Knows
the `chorale` encoding and runtimes; knows no clock.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from playbach.encodings.chorale.encoding import ChoraleEncoding
from playbach.encodings.chorale.vocabulary import FIRST_PITCH, HOLD, MAX_WAIT, ORDER, REST, WAIT_SLOT
from playbach.encodings.voices import SIXTEENTH
from playbach.inference.options import Sampling
from playbach.inference.runtimes.base import Runtime, State
from playbach.inference.sampling import draw, probabilities, sharpen
from playbach.music.arrays import Mask
from playbach.music.bars import Header, meter_of_length
from playbach.music.events import TICKS_PER_QUARTER
from playbach.system.errors import UsageError

_Logits = npt.NDArray[np.float32]
_OCTAVE = 12
_SOPRANO = 0

Moves = dict[int, int | None]
"""What the voices do at a step, by their index into VOICES: the pitch of the note that begins, None for silence. A
voice that goes on with its note, or with its silence, is left out."""


def duet_header(meter: tuple[int, int], pickup: int, grid: int) -> Header:
    """How a duet begins.

    Args:
        meter: numerator and denominator.
        pickup: from the first step to the next bar line, in sixteenths; 0: the first step is at one.
        grid: the length of a step in sixteenths.

    Raises:
        UsageError: bar lines are not at steps.
    """
    numerator, denominator = meter
    bar, rest = divmod(TICKS_PER_QUARTER * 4 * numerator, denominator * SIXTEENTH)
    if denominator & (denominator - 1):
        raise UsageError(f"the denominator of a meter must be a power of two, not {denominator}")
    if rest or bar % grid or pickup % grid or not 0 <= pickup < bar:
        raise UsageError(f"a bar and its pickup must be whole steps of {grid} sixteenths; choose shorter steps")
    if not pickup:
        return Header(((0, numerator, denominator),))
    ticks = pickup * SIXTEENTH
    return Header(((0, *meter_of_length(ticks)), (ticks, numerator, denominator)))


class Accompanist:
    """The other three voices."""

    def __init__(
        self,
        runtime: Runtime,
        encoding: ChoraleEncoding,
        header: Header,
        *,
        grid: int,
        sampling: Sampling,
        rng: np.random.Generator,
    ) -> None:
        self._runtime, self._encoding, self._sampling, self._rng = runtime, encoding, sampling, rng
        self._grid = grid
        self._decoder = encoding.decoder(header)
        self._state: State = runtime.start()
        self._previous = np.array([len(field) for field in encoding.fields], np.int64)
        self._waited = 0  # sixteenths since the last onset
        self._planned = 0  # after so many the other voices move by themselves
        self._before = (self._decoder, self._state, self._previous, self._waited, self._planned)

    def heard(self, pitch: int) -> int:
        """The pitch, moved by octaves into the soprano's range."""
        low, high = self._encoding.ranges[_SOPRANO]
        while pitch < low:
            pitch += _OCTAVE
        while pitch > high:
            pitch -= _OCTAVE
        return pitch

    def begin_note(self, pitch: int) -> Moves:
        """The next step, at which the player begins a note; see `Moves`."""
        return self._step(self._encoding.symbol_of(self.heard(pitch)))

    def hold(self) -> Moves:
        """The next step, at which the player goes on with a note or with silence; not the first one."""
        return self._step(HOLD)

    def rest(self) -> Moves:
        """The next step, at which the player falls silent."""
        return self._step(HOLD if self._decoder.sounding[_SOPRANO] == REST else REST)

    def take_back(self) -> None:
        """Forget the last step. Only one step can be taken back."""
        self._decoder, self._state, self._previous, self._waited, self._planned = self._before

    def _step(self, soprano: int) -> Moves:
        self._before = (self._decoder, self._state, self._previous, self._waited, self._planned)
        decoder = self._decoder = self._decoder.copy()
        if decoder.slot == WAIT_SLOT:
            self._waited += self._grid
            if soprano == HOLD and self._waited < self._planned:
                return {}
            self._feed(self._encoding.first_wait + self._waited - 1)
        elif soprano == HOLD:
            raise UsageError("a duet begins with a note or a rest of the player")
        moves: Moves = {}
        for voice in ORDER:
            logits = self._logits()
            symbol = soprano if voice == _SOPRANO else self._drawn(logits, decoder.style_mask()[0])
            self._feed(symbol)
            if voice != _SOPRANO and symbol != HOLD:
                moves[voice] = self._encoding.pitch_of(symbol) if symbol >= FIRST_PITCH else None
        self._waited, self._planned = 0, self._plan(self._logits())
        return moves

    def _plan(self, logits: _Logits) -> int:
        """How many sixteenths the other voices wait, unless the player moves before."""
        [mask] = self._decoder.valid_mask()
        first = self._encoding.first_wait
        on_grid = np.zeros_like(mask)
        on_grid[first + self._grid - 1 : first + MAX_WAIT : self._grid] = True
        if not (mask & on_grid).any():
            return self._grid
        return self._drawn(logits, mask & on_grid) - first + 1

    def _logits(self) -> _Logits:
        context = self._decoder.context().astype(np.int64)
        [logits], self._state = self._runtime.step(self._previous, context, self._state)
        return logits

    def _drawn(self, logits: _Logits, mask: Mask) -> int:
        return draw(sharpen(probabilities(logits, mask), self._sampling), self._rng)

    def _feed(self, symbol: int) -> None:
        step = np.array([symbol], np.int32)
        self._decoder.feed(step)
        self._previous = step.astype(np.int64)
