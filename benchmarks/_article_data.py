"""The article's protocol: its symbols, its windows, its split, and the lookup table that a network has to beat.

The music is one string of symbols, piece after piece; a sample is 40 of them and the one that follows. All samples
are shuffled and *then* split into 70 % to train on, 20 % to stop on and 10 % to test. So nearly everything in a test
sample also occurs in training samples. Knows no network.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]

WINDOW = 40
SHARES = (0.7, 0.9)
"""Where the shuffled samples are split."""
OVERLAP = 10
"""How many of a test sample's last symbols, and its target, are looked up in the training samples."""


@dataclass(frozen=True)
class LeakySplit:
    """The article's split. Places are those of the targets, each at least WINDOW."""

    symbols: Longs
    """The string of symbols (N,), numbered from 0 without gaps."""
    train: Longs
    """The places of training targets."""
    valid: Longs
    """The places of targets to stop on."""
    test: Longs
    """The places of test targets."""

    @property
    def alphabet(self) -> int:
        return int(self.symbols.max()) + 1

    def windows(self, places: Longs) -> Longs:
        """The WINDOW symbols before each of the places (P,): (P, WINDOW)."""
        return np.lib.stride_tricks.sliding_window_view(self.symbols, WINDOW)[places - WINDOW]


def read(folder: Path) -> tuple[list[str], list[Any]]:
    """The names and scores of a folder's music.

    Raises:
        PlaybachError: the folder does not exist, or a file in it is damaged.
    """
    from playbach.music import reading
    from playbach.system.errors import PlaybachError

    names, found = [], []
    for path, read in reading.read_many(reading.find_music(folder)):
        if isinstance(read, PlaybachError):
            raise read
        names.append(path.name)
        found.append(read.score)
    return names, found


def encode_pieces(pieces: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The `notes` encoding without durations, fitted on all pieces as in the article, and the encoded pieces.

    Each onset is one symbol: a note, a chord or a rest.
    """
    from playbach.encodings import ENCODINGS
    from playbach.encodings.options import NotesOptions

    encoding = ENCODINGS["notes"].load().fit(pieces, NotesOptions(durations="none"))
    return encoding, [encoding.encode(piece) for piece in pieces]


def leaky_split(pieces: Sequence[npt.NDArray[Any]], seed: int, samples: int | None = None) -> LeakySplit:
    """Split the pieces' symbols (T,) as in the article, using only `samples` samples, or all."""
    _, symbols = np.unique(np.concatenate(pieces), return_inverse=True)
    places = np.random.default_rng(seed).permutation(np.arange(WINDOW, len(symbols)))[:samples]
    train, valid, test = np.split(places, [int(len(places) * share) for share in SHARES])
    return LeakySplit(symbols.astype(np.int64), train, valid, test)


def step_masks(pieces: Sequence[Any], places: Longs) -> list[npt.NDArray[np.bool_]]:
    """For each piece a mask (T,) of its steps that are at these places of the string."""
    flat = np.zeros(sum(map(len, pieces)), bool)
    flat[places] = True
    return np.split(flat, np.cumsum([len(p) for p in pieces])[:-1])


def lookup_accuracy(data: LeakySplit, places: Longs) -> float:
    """The test accuracy of a lookup table of the samples at `places`.

    It predicts what most often followed the longest run of symbols before the target that is in the table.
    """
    text, tables = data.symbols.tolist(), [defaultdict[Any, Counter[int]](Counter) for _ in range(WINDOW + 1)]
    for place in places.tolist():
        for length, table in enumerate(tables):
            table[tuple(text[place - length : place])][text[place]] += 1
    right = 0
    for place in data.test.tolist():
        runs = (table.get(tuple(text[place - length : place])) for length, table in reversed([*enumerate(tables)]))
        right += next(run.most_common(1)[0][0] for run in runs if run) == text[place]
    return right / len(data.test)


def overlap(data: LeakySplit, places: Longs) -> float:
    """The share of test samples whose last OVERLAP symbols and target equal those of a sample at `places`."""
    ends = np.lib.stride_tricks.sliding_window_view(data.symbols, OVERLAP + 1)
    known = {end.tobytes() for end in ends[places - OVERLAP]}
    return float(np.mean([end.tobytes() in known for end in ends[data.test - OVERLAP]]))
