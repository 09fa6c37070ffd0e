"""The article's protocol in numbers: its symbols, its windows, its split, and the lookup table that it has to beat.

The music is one string of symbols, piece after piece; a sample is 40 of them and the one that follows. All samples
are shuffled and *then* cut into 70 % to learn from, 20 % to stop on and 10 % to measure on. So nearly all that a test
sample holds stands in training samples too. Knows no network.
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
"""Where the shuffled samples are cut."""
OVERLAP = 10
"""A test sample's last so many symbols and its target are looked for among the training samples."""


@dataclass(frozen=True)
class Leaky:
    """`symbols` is the string (N,), numbered from 0 without a gap; `train`, `valid` and `test` are the places of the
    targets in it, each at least WINDOW."""

    symbols: Longs
    train: Longs
    valid: Longs
    test: Longs

    @property
    def alphabet(self) -> int:
        return int(self.symbols.max()) + 1

    def windows(self, places: Longs) -> Longs:
        """The WINDOW symbols before each of the places (P,): (P, WINDOW)."""
        return np.lib.stride_tricks.sliding_window_view(self.symbols, WINDOW)[places - WINDOW]


def read(folder: Path) -> tuple[list[str], list[Any]]:
    """The names and scores of a folder's music; a file that cannot be read ends it.

    Raises:
        PlaybachError: there is no such folder, or a file in it is damaged.
    """
    from playbach.music import reading
    from playbach.system.errors import PlaybachError

    names, found = [], []
    for path, score in reading.read_many(reading.find_music(folder)):
        if isinstance(score, PlaybachError):
            raise score
        names.append(path.name)
        found.append(score)
    return names, found


def encoded(pieces: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The `notes` encoding without durations, its vocabulary from all the pieces as the article's, and the pieces'
    sequences: a symbol for each onset, be it a note, a chord or a rest."""
    from playbach.encodings import ENCODINGS, NotesOptions

    encoding = ENCODINGS["notes"].fit(pieces, NotesOptions(durations="none"))
    return encoding, [encoding.encode(piece) for piece in pieces]


def leaky(pieces: Sequence[npt.NDArray[Any]], seed: int, samples: int | None = None) -> Leaky:
    """The article's split of pieces' symbols (T,), of which only so many samples are used, if not all."""
    _, symbols = np.unique(np.concatenate(pieces), return_inverse=True)
    places = np.random.default_rng(seed).permutation(np.arange(WINDOW, len(symbols)))[:samples]
    train, valid, test = np.split(places, [int(len(places) * share) for share in SHARES])
    return Leaky(symbols.astype(np.int64), train, valid, test)


def masks(pieces: Sequence[Any], places: Longs) -> list[npt.NDArray[np.bool_]]:
    """For each piece (T,) which of its steps stand at these places of the string."""
    flat = np.zeros(sum(map(len, pieces)), bool)
    flat[places] = True
    return np.split(flat, np.cumsum([len(p) for p in pieces])[:-1])


def looked_up(data: Leaky, places: Longs) -> float:
    """The accuracy on the test samples of a plain table: what followed most often after the longest run of symbols
    before the target that stands in the samples at `places` as well."""
    text, tables = data.symbols.tolist(), [defaultdict[Any, Counter[int]](Counter) for _ in range(WINDOW + 1)]
    for place in places.tolist():
        for length, table in enumerate(tables):
            table[tuple(text[place - length : place])][text[place]] += 1
    right = 0
    for place in data.test.tolist():
        runs = (table.get(tuple(text[place - length : place])) for length, table in reversed([*enumerate(tables)]))
        right += next(run.most_common(1)[0][0] for run in runs if run) == text[place]
    return right / len(data.test)


def overlap(data: Leaky, places: Longs) -> float:
    """The share of test samples whose end, OVERLAP symbols and the target, is also that of one at `places`."""
    ends = np.lib.stride_tricks.sliding_window_view(data.symbols, OVERLAP + 1)
    known = {end.tobytes() for end in ends[places - OVERLAP]}
    return float(np.mean([end.tobytes() in known for end in ends[data.test - OVERLAP]]))
