"""Composes a piece in integer arithmetic: what the C engine must reproduce step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.encodings.base import Decoder
from playbach.export.integer.base import IntegerNetwork
from playbach.export.integer.sampling import IntegerSampling, Random, draw_symbol
from playbach.music.events import Event

ComposedStep = tuple[npt.NDArray[np.int32], list[Event]]
"""The symbols of one step (F,), and the events that it completes."""


def compose(
    network: IntegerNetwork,
    decoder: Decoder,
    sampling: IntegerSampling,
    random: Random,
    prime: Iterable[Any] = (),
    use_style: bool = True,
) -> Iterator[ComposedStep]:
    """Yield the steps of a piece: first those of `prime` (…, F), as long as the piece lasts, then the network's own.

    One random number is drawn for each field of a step that is not from `prime`.

    Args:
        decoder: at the beginning of the piece. It is fed here; the caller finishes it.
        use_style: draw from `style_mask`, otherwise from `valid_mask`.
    """
    previous, state = np.array(network.symbols), network.start(1)
    primed = iter(prime)
    while not decoder.finished:
        logits, state = network.step(previous[None], decoder.context()[None], state)
        step = next(primed, None)
        if step is None:
            masks = decoder.style_mask() if use_style else decoder.valid_mask()
            fields = network.split(logits[0])
            step = [draw_symbol(field, mask, sampling, random) for field, mask in zip(fields, masks)]
        previous = np.asarray(step, np.int32)
        yield previous, decoder.feed(previous)
