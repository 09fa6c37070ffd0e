"""What a track's controllers and pitch bends do to its sound: level, position, pitch and vibrato over time.

Levels are those of the General MIDI guidelines, 40 log10(value / 127) dB for volume and for expression, and positions
those of the MIDI Association's RP-036; a track that sets none sounds as at volume 100 and expression 127. Reset all
controllers (121) resets what RP-015 says, which leaves volume, pan and the range of bends. The lower seven bits of
volume, pan and expression (39, 42, 43) are left out: a step of the upper ones is hardly heard.

Knows nothing of notes or soundfonts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as ScoreTrack

from playbach.music.pedal import DOWN, RESET_CONTROLLERS
from playbach.music.scores import ticks_to_seconds
from playbach.rendering.soundfont import CONTROL_SAMPLES, MAX_NOTE_SECONDS, SAMPLE_RATE, Bend, pan_gains

MODULATION, DATA, VOLUME, PAN, EXPRESSION, DATA_LOW, SOFT = 1, 6, 7, 10, 11, 38, 67
_UNREGISTERED_LOW, _UNREGISTERED, _REGISTERED_LOW, _REGISTERED = 98, 99, 100, 101
DEFAULT_VOLUME, DEFAULT_EXPRESSION, CENTRE = 100, 127, 64
GLIDE = 441
"""Samples (10 ms) before a change during which a value glides to it, so that nothing clicks. A note that begins with
the change has the new value from its first sample."""
_VIBRATO_CENTS = 50
"""The vibrato of full modulation (SoundFont 2.04, section 8.4.5)."""
_SOFT_VELOCITY = 0.8
"""The soft pedal's share of a velocity: 4 dB softer, and darker. No standard says how much."""
_PARAMETERS = {0: (2, 0), 1: (64, 0), 2: (64, 0)}
"""The registered parameters bend range, fine tuning and coarse tuning with their two default bytes."""

_Samples = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Values over time: lines between points, and constant before the first and after the last one."""

    at: _Samples
    """(k,), ascending, in samples."""
    values: _Floats
    """(k, c)"""

    def is_constant(self, first: int, last: int) -> bool:
        """Whether the values are the same from sample `first` to sample `last`."""
        before = max(int(np.searchsorted(self.at, first, side="right")) - 1, 0)
        after = int(np.searchsorted(self.at, last, side="left")) + 1
        return bool((self.values[before:after] == self.values[before]).all())

    def sample(self, at: _Samples) -> _Floats:
        """The values (c, n) at these samples (n,)."""
        return np.stack([np.interp(at, self.at, column) for column in self.values.T])

    def block(self, first: int, last: int) -> NDArray[np.float32]:
        """The values (c, n) of the samples from `first` to before `last`; (c, 1) if they do not change."""
        at = np.arange(first, first + 1 if self.is_constant(first, last) else last)
        return self.sample(at).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class TrackControls:
    """How a track's controllers shape its sound."""

    level: Curve
    """The gains (2 columns), left and right."""
    pitch: Curve
    """The bend and the depth of the vibrato (2 columns), in cents."""
    soft: Curve
    """The share of each velocity (1 column) that the soft pedal leaves."""

    def softened(self, velocities: NDArray[np.int8], at: _Samples) -> NDArray[np.int8]:
        """The velocities (m,) of notes that begin at these samples (m,)."""
        share = self.soft.sample(at)[0]
        return np.where(share < 1, np.maximum(np.round(velocities * share), 1), velocities).astype(np.int8)

    def bend(self, start: int, end: int) -> Bend | None:
        """The bend of a note that sounds from sample `start` to `end`; None if it has none."""
        end = min(end, start + round(MAX_NOTE_SECONDS * SAMPLE_RATE))
        points = 1 if self.pitch.is_constant(start, end) else -(-(end - start) // CONTROL_SAMPLES) + 1
        cents, vibrato = self.pitch.sample(start + CONTROL_SAMPLES * np.arange(points))
        return Bend(cents, vibrato) if cents.any() or vibrato.any() else None


def track_controls(score: Score, track: ScoreTrack, pan: float) -> TrackControls | None:
    """What a track's controllers say; None if it has neither controllers nor bends.

    `pan` is the position from -1 (left) to 1 (right) of a track that sets none.
    """
    if not len(track.controls) and not len(track.pitch_bends):
        return None
    controls = _Controls(score, track)
    level = _merged(
        lambda volume, expression: np.square(volume * expression / (DEFAULT_VOLUME * DEFAULT_EXPRESSION)),
        controls.steps(VOLUME, DEFAULT_VOLUME),
        controls.steps(EXPRESSION, DEFAULT_EXPRESSION, resets=True),
    )
    position = controls.steps(PAN, CENTRE)
    if controls.sets(PAN):
        position = _merged(lambda value: np.maximum(value - 1, 0) / 63 - 1, position)
    else:
        position = _merged(lambda value: np.full_like(value, pan), position)
    sides = [_merged(lambda a, x, i=i: a * pan_gains(x)[i], level, position) for i in (0, 1)]
    vibrato = _merged(lambda value: value / 127 * _VIBRATO_CENTS, controls.steps(MODULATION, 0, resets=True))
    softest = 1 if track.is_drum else _SOFT_VELOCITY
    soft = _merged(lambda value: np.where(value >= DOWN, softest, 1.0), controls.steps(SOFT, 0, resets=True))
    return TrackControls(_curve(sides), _curve([controls.cents(), vibrato]), _curve([soft], glide=0))


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Values that hold from one sample to the next one that is listed."""

    at: _Samples
    """(k,), ascending without repeats; the first is before the music."""
    values: _Floats
    """(k,)"""


class _Controls:
    """The controllers and bends of a track, in samples and in order."""

    def __init__(self, score: Score, track: ScoreTrack) -> None:
        controls, bends = track.controls.numpy(), track.pitch_bends.numpy()
        order = np.argsort(controls["time"], kind="stable")
        self._at = _samples(score, controls["time"][order])
        self._numbers, self._values = controls["number"][order], controls["value"][order].astype(np.float64)
        bend_order = np.argsort(bends["time"], kind="stable")
        self._bend_at = _samples(score, bends["time"][bend_order])
        self._bends = bends["value"][bend_order].astype(np.float64)
        self._is_drum = track.is_drum

    def sets(self, number: int) -> bool:
        return bool((self._numbers == number).any())

    def steps(self, number: int, default: float, resets: bool = False) -> _Steps:
        """The values of a controller. `resets`: reset all controllers gives it its default."""
        chosen = self._numbers == number
        if resets:
            chosen |= self._numbers == RESET_CONTROLLERS
        values = np.where(self._numbers == number, self._values, default)
        return _steps(default, self._at[chosen], values[chosen])

    def cents(self) -> _Steps:
        """The bend in cents, with the track's tuning. Drums have no coarse tuning (General MIDI 2)."""
        span, fine, coarse = self._parameters()
        resets = self._at[self._numbers == RESET_CONTROLLERS]
        at = np.concatenate([resets, self._bend_at])
        order = np.argsort(at, kind="stable")
        bend = _steps(0, at[order], np.concatenate([np.zeros(len(resets)), self._bends])[order])
        return _merged(
            lambda bend, span, fine, coarse: (
                bend / 8192 * span + (fine - 8192) / 81.92 + (0 if self._is_drum else coarse - 6400)
            ),
            bend,
            _merged(lambda value: 100 * (value // 128) + value % 128, span),
            fine,
            _merged(lambda value: 100 * (value // 128), coarse),
        )

    def _parameters(self) -> list[_Steps]:
        """The registered parameters, each of 14 bits: data entry (6, 38) changes the one that was selected last."""
        data: dict[int, list[int]] = {number: list(default) for number, default in _PARAMETERS.items()}
        changes: dict[int, list[tuple[int, int]]] = {number: [] for number in _PARAMETERS}
        selected = [127, 127]  # none
        chosen = np.isin(
            self._numbers,
            (DATA, DATA_LOW, _UNREGISTERED_LOW, _UNREGISTERED, _REGISTERED_LOW, _REGISTERED, RESET_CONTROLLERS),
        )
        rows = zip(*(column[chosen].astype(int).tolist() for column in (self._at, self._numbers, self._values)))
        for at, number, value in rows:
            parameter = 128 * selected[0] + selected[1]
            if number in (_REGISTERED, _REGISTERED_LOW):
                selected[_REGISTERED - number] = value
            elif number not in (DATA, DATA_LOW):
                selected = [127, 127]
            elif parameter in data:
                data[parameter][number == DATA_LOW] = value
                changes[parameter].append((at, 128 * data[parameter][0] + data[parameter][1]))
        return [
            _steps(128 * high + low, *np.array(changes[number], np.int64).reshape(-1, 2).T)
            for number, (high, low) in _PARAMETERS.items()
        ]


def _samples(score: Score, ticks: NDArray[np.int32]) -> _Samples:
    samples: _Samples = np.round(ticks_to_seconds(score, ticks.astype(np.int64)) * SAMPLE_RATE).astype(np.int64)
    return samples


def _steps(default: float, at: _Samples, values: NDArray[np.generic]) -> _Steps:
    """Steps from changes in order: the last one at each sample counts. Before them the value is the default."""
    at, values = np.concatenate([[-GLIDE], at]), np.concatenate([[default], values.astype(np.float64)])
    last = np.append(at[1:] > at[:-1], True)
    at, values = at[last], values[last]
    changed = np.append(True, values[1:] != values[:-1])
    return _Steps(at[changed], values[changed])


def _merged(combine: Callable[..., _Floats], *steps: _Steps) -> _Steps:
    """The steps of what `combine` makes of several values."""
    at = np.unique(np.concatenate([s.at for s in steps]))
    values = combine(*(s.values[np.searchsorted(s.at, at, side="right") - 1] for s in steps))
    return _steps(values[0], at[1:], values[1:])


def _curve(columns: Iterable[_Steps], glide: int = GLIDE) -> Curve:
    """The curve of these columns, which glides to each new value during the samples before it."""
    columns = list(columns)
    at = np.unique(np.concatenate([s.at for s in columns]))
    values = np.stack([s.values[np.searchsorted(s.at, at, side="right") - 1] for s in columns], axis=1)
    begin = np.maximum(at[1:] - max(glide, 1), at[:-1])
    points = np.insert(at, np.arange(1, len(at)), begin)
    return Curve(points, np.insert(values, np.arange(1, len(at)), values[:-1], axis=0))
