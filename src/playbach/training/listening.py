"""What can be heard while a network is trained: its bundle after a minute, and eight bars after each better epoch.

Both are made from copies of the network and change nothing in the training, torch's random state included. Needs the
extra `train`.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from playbach.bundles.bundle import Bundle
from playbach.data.pieces import Corpus
from playbach.inference.composing import Composer
from playbach.inference.options import ComposeOptions, Sampling
from playbach.inference.runtimes.base import Logits
from playbach.models.base import Model
from playbach.music.assembly import score_from_events
from playbach.music.events import End, Event, Note
from playbach.music.performance import perform
from playbach.music.reading import read
from playbach.rendering import midi
from playbach.system.errors import PlaybachError
from playbach.system.files import display_path, pending_file
from playbach.system.progress import Report
from playbach.system.version import __version__
from playbach.training import saving
from playbach.training.trained import NetworkSoFar

FIRST_BUNDLE_SECONDS = 60.0
"""The first bundle is written when training has taken this long, and the next ones at least this long after the one
before."""
MAX_BUNDLE_SHARE = 0.05
"""Where exporting is slow, bundles are written less often, so that they take at most this fraction of the time."""
LISTEN_ENDING = "-listen.mid"
LISTEN_BARS = 8
LISTEN_SEED = 0
"""Always the same, so that what changes from one epoch to the next is what the network has learnt."""
MAX_LISTEN_SECONDS = 2.0
"""Composing ends after this time, wherever it is: a network that has learnt little may need very many steps."""


class TorchRuntime:
    """A runtime of a network in memory, on the CPU and in evaluation mode. After `deadline`, by the clock, a step
    raises `TookTooLong`."""

    def __init__(self, model: Model, deadline: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self._model, self._deadline, self._clock = model, deadline, clock

    def start(self, pieces: int | None = None) -> list[Tensor]:
        return self._model.initial_state(pieces or 1)

    @torch.inference_mode()
    def step(
        self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: list[Tensor]
    ) -> tuple[Logits, list[Tensor]]:
        if self._clock() > self._deadline:
            raise TookTooLong
        is_single = np.ndim(previous) == 1
        p, c = (torch.from_numpy(np.atleast_2d(np.asarray(a, np.int64))) for a in (previous, context))
        logits, state = self._model.step(p, c, state)
        arrays = [scores.float().numpy() for scores in logits]
        return [a[0] if is_single else a for a in arrays], state


class TookTooLong(Exception):
    """The deadline of a runtime has passed."""


class BundleSoFar:
    """Writes the best network so far as the run's bundle, at most about every minute."""

    def __init__(self, stem: Path, report: Report, clock: Callable[[], float]) -> None:
        self._stem, self._report, self._clock = stem, report, clock
        self._next_at = FIRST_BUNDLE_SECONDS
        self._epoch: int | None = None
        """The epoch whose network is in the file."""

    def on_epoch(self, best: NetworkSoFar) -> None:
        """Write the network, unless it is written already or the last time was less than about a minute ago."""
        if best.seconds < self._next_at or best.best.number == self._epoch:
            return
        began = self._clock()
        try:
            self._write(best)
        except PlaybachError as error:  # training can go on; the same error at its end would be raised
            self._report(f"The network so far could not be written: {error}")
        took = self._clock() - began
        self._next_at = best.seconds + max(FIRST_BUNDLE_SECONDS, took / MAX_BUNDLE_SHARE)

    def _write(self, best: NetworkSoFar) -> None:
        epoch, path = best.best.number, saving.write_bundle_so_far(self._stem, best)
        if path is None:
            name = display_path(saving.bundle_path(self._stem))
            self._report(f"{name}: another file has this name now and is kept; the model will get another name")
        elif self._epoch is None:
            model = shlex.quote(display_path(self._stem))
            self._report(
                f"You can listen now: playbach compose {model} (the network of epoch {epoch}; training goes on)"
            )
        else:
            self._report(f"{display_path(path)} now has the network of epoch {epoch}")
        self._epoch = epoch


def compose_bars(network: NetworkSoFar, path: Path, name: str, clock: Callable[[], float]) -> bool:
    """Compose LISTEN_BARS bars with a network in memory, called `name`, and write them at `path`, replacing what is
    there.

    Returns whether MAX_LISTEN_SECONDS were enough for all bars; otherwise the piece breaks off.

    Raises:
        TookTooLong: not one note was composed in that time; nothing is written.
        PlaybachError: the file cannot be written.
    """
    manifest = {"encoding": network.encoding.manifest(), "sampling": asdict(Sampling())}
    composer = Composer(Bundle(name, manifest, {}, ""), TorchRuntime(network.model))
    composer.runtime = TorchRuntime(network.model, clock() + MAX_LISTEN_SECONDS, clock)
    events: list[Event] = []
    is_whole = True
    try:
        for event in composer.piece(LISTEN_SEED, ComposeOptions(bars=LISTEN_BARS, plain=True)):
            events.append(event)
    except TookTooLong:
        ends = [e.tick + e.duration for e in events if isinstance(e, Note)]
        if not ends:
            raise
        events.append(End(max(ends)))
        is_whole = False
    comment = json.dumps({"version": __version__, "model": name, "epoch": network.best.number}, sort_keys=True)
    with pending_file(path, overwrite=True) as draft:
        midi.write(score_from_events(perform(events)), draft.temporary, comment=comment)
    return is_whole


class Listening:
    """Composes a few bars after each better epoch, and writes them to NAME-listen.mid."""

    def __init__(self, stem: Path, report: Report, clock: Callable[[], float]) -> None:
        self._path, self._name = own_path(stem), stem.name
        self._report, self._clock = report, clock

    def on_epoch(self, best: NetworkSoFar) -> None:
        """Compose, if the last epoch was an improvement."""
        if not best.history[-1].saved:
            return
        try:
            is_whole = compose_bars(best, self._path, self._name, self._clock)
        except TookTooLong:
            self._report(f"Listen: nothing yet, since not one note was composed in {MAX_LISTEN_SECONDS:g} seconds")
        except PlaybachError as error:
            self._report(f"Listen: nothing was written ({error})")
        else:
            how_much = f"{LISTEN_BARS} bars"
            if not is_whole:
                how_much = f"what was composed of {how_much} in {MAX_LISTEN_SECONDS:g} seconds"
            self._report(f"Listen: {display_path(self._path)} ({how_much})")


def own_path(stem: Path) -> Path:
    """NAME-listen.mid for a run whose files have this path without their endings; NAME-listen-2.mid … if other files
    have these names."""
    path = stem.with_name(stem.name + LISTEN_ENDING)
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(p for p in chain([path], numbered) if not os.path.lexists(p) or _is_own(p, stem.name))


def remove(stem: Path, corpus: Corpus) -> None:
    """Remove what a run has written to be heard during training."""
    with suppress(OSError):
        if saving.is_own_bundle_so_far(stem, corpus):
            saving.bundle_path(stem).unlink()
        own_path(stem).unlink(missing_ok=True)


def _is_own(path: Path, name: str) -> bool:
    """Whether `compose_bars` has written a file, for a network of this name."""
    try:
        comment = json.loads(midi.find_comment(read(path)) or "")
    except (PlaybachError, ValueError, RecursionError):
        return False
    return isinstance(comment, dict) and comment.get("model") == name and "epoch" in comment
