"""The feature of key: the one that a piece seems to be in, by all that has sounded so far.

Knows how long each pitch class has sounded; knows nothing of symbols of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from playbach.encodings.features.base import Feature
from playbach.encodings.fields import Field
from playbach.music import keys
from playbach.music.arrays import Ints

NO_HOME = 0
"""Context symbol: nothing has sounded. Symbol 1 + i is the key `KEY_NAMES[i]`."""


class PieceWithHomes(Protocol):
    """A piece whose likeliest keys are known."""

    @property
    def homes(self) -> Ints:
        """(T,): the context symbol before each step, by `likeliest_homes`."""


class StateWithHome(Protocol):
    """A decoder that keeps the likeliest key."""

    @property
    def home(self) -> int:
        """The context symbol before the next step, by `likeliest_homes`."""


@dataclass(frozen=True)
class Home(Feature[PieceWithHomes, StateWithHome]):
    """The likeliest key of all notes so far."""

    engine: ClassVar[str] = "pb_context_home"
    fields = (Field("home", ("nothing", *keys.KEY_NAMES)),)

    def of_piece(self, piece: PieceWithHomes) -> Ints:
        return piece.homes[:, None]

    def of_state(self, state: StateWithHome) -> Sequence[int]:
        return (state.home,)


def likeliest_homes(weights: npt.NDArray[np.int64]) -> Ints:
    """The context symbols (…) for lengths of the pitch classes (…, 12)."""
    return np.where(weights.any(axis=-1), 1 + keys.likeliest_keys(weights), NO_HOME).astype(np.int32)
