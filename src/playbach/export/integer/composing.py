"""A piece composed in integers alone: the walk that the C engine takes, and must take step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.encodings import Decoder
from playbach.export.integer.base import IntegerNetwork
from playbach.export.integer.sampling import IntegerSampling, Random, draw
from playbach.music.events import Event

Step = tuple[npt.NDArray[np.int32], list[Event]]
"""The symbols of one step (F,), and the events that are complete by it."""


def compose(
    network: IntegerNetwork,
    decoder: Decoder,
    sampling: IntegerSampling,
    random: Random,
    prime: Iterable[Any] = (),
    careful: bool = True,
) -> Iterator[Step]:
    """The steps of a piece: those of `prime` (…, F) first, as far as the piece goes, and then the network's own, of
    symbols that a careful writer would take, or of all that are allowed. `decoder` is at the beginning of the piece;
    it is fed, and left to be finished by the caller. One random number a field, none for what is given."""
    previous, state = np.array(network.symbols), network.start(1)
    given = iter(prime)
    while not decoder.finished:
        logits, state = network.step(previous[None], decoder.context()[None], state)
        step = next(given, None)
        if step is None:
            masks = decoder.style_mask() if careful else decoder.valid_mask()
            fields = network.split(logits[0])
            step = [draw(field, mask, sampling, random) for field, mask in zip(fields, masks)]
        previous = np.asarray(step, np.int32)
        yield previous, decoder.feed(previous)
