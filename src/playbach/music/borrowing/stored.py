"""An index and its floor as bytes: a line of JSON that says how much there is of what, then arrays.

The bytes of numbers lie in planes, the lowest byte of each number first, so that a zip archive packs them well. All
is checked when it is read. Knows nothing of bundles.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.music.bars import printable_name
from playbach.music.borrowing.entries import Entries, Places
from playbach.music.borrowing.floor import Floor
from playbach.music.borrowing.index import BAR_BITS, LAST_WINDOW, MAX_NAMES, Index, Shelf

FORMAT = 1
MAX_SHELVES = 64
MAX_HEADER_BYTES = 1 << 20

_Bytes = npt.NDArray[np.uint8]
_MAX_BAR_STEP = 0xFFFF


def as_bytes(index: Index, floor: Floor) -> bytes:
    """An index and its floor."""
    header = {"format": FORMAT, "shelves": [_facts(shelf) for shelf in index.shelves], "floor": floor.manifest()}
    arrays = (array for shelf in index.shelves for array in _arrays(shelf))
    return b"".join([json.dumps(header, separators=(",", ":")).encode("utf-8"), b"\n", *arrays])


def from_bytes(data: bytes) -> tuple[Index, Floor]:
    """The index and the floor that `as_bytes` wrote.

    Raises:
        ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError: the data is malformed.
    """
    end = data.index(b"\n", 0, MAX_HEADER_BYTES)
    header = json.loads(data[:end])
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']!r:.20}")
    if not 1 <= len(header["shelves"]) <= MAX_SHELVES:
        raise ValueError("no shelves, or too many")
    reader = _Reader(data, end + 1)
    index = Index(tuple(_shelf(facts, reader) for facts in header["shelves"]))
    if reader.at != len(data):
        raise ValueError("more bytes than its header says")
    return index, Floor.from_manifest(header["floor"])


def _facts(shelf: Shelf) -> dict[str, Any]:
    return {
        "window": shelf.window,
        "pieces": len(shelf.pieces),
        "lines": len(shelf.piece_of_line),
        "entries": len(shelf.entries),
        "names": list(shelf.names),
        "bars": len(shelf.bars),
        "bar_bits": shelf.bar_bits,
        "bar_sample": shelf.bar_sample,
        "left_out": shelf.left_out,
    }


def _arrays(shelf: Shelf) -> Iterator[bytes]:
    entries = shelf.entries
    yield _planes(shelf.pieces, "<u4")
    yield _planes(np.bincount(shelf.piece_of_line, minlength=len(shelf.pieces)), "<u2")
    yield _planes(shelf.name_of_line, "<u1")
    yield _planes(np.bincount(entries.line, minlength=len(shelf.piece_of_line)), "<u4")
    yield _planes(entries.hashes, "<u1" if shelf.window == 1 else "<u4")
    if shelf.window > 1:
        yield _planes(np.diff(entries.place, prepend=0), "<u2")
    yield _planes(np.diff(_bars_of_notes(entries)[1], prepend=0), "<i4")
    yield _planes(np.diff(shelf.bars.astype(np.int64), prepend=0), "<u4")


def _bars_of_notes(entries: Entries) -> tuple[Places, Places]:
    """The notes that begin or end a fingerprint, numbered so that those of different lines differ, and their bars."""
    begins, ends = _noted(entries)
    notes, at = np.unique(np.concatenate([begins, ends]), return_index=True)
    return notes, np.concatenate([entries.first_bars, entries.last_bars])[at]


def _all_noted(entries: Entries) -> tuple[Places, Places]:
    """Where in `_bars_of_notes` the notes are at which the fingerprints begin and end, if each line has all of its
    fingerprints."""
    before = np.cumsum(entries.moves) - entries.moves  # each line has so many more notes than fingerprints
    begins = entries.place + before[entries.line]
    return begins, begins + entries.moves[entries.line]


def _some_noted(entries: Entries) -> tuple[Places, Places]:
    """The same, if some fingerprints are kept."""
    begins, ends = _noted(entries)
    notes = np.unique(np.concatenate([begins, ends]))
    return np.searchsorted(notes, begins), np.searchsorted(notes, ends)


def _noted(entries: Entries) -> tuple[Places, Places]:
    most = int(entries.moves.max(initial=0)) + 1
    begins = entries.place + most * entries.line
    return begins, begins + entries.moves[entries.line]


def _shelf(facts: Mapping[str, Any], reader: _Reader) -> Shelf:
    window, bar_bits, bar_sample = (int(facts[name]) for name in ("window", "bar_bits", "bar_sample"))
    names = tuple(printable_name(str(name)) for name in facts["names"])
    if not (1 <= window <= LAST_WINDOW and 1 <= bar_bits <= BAR_BITS and bar_sample >= 1):
        raise ValueError("an index with numbers out of range")
    if not 2 <= len(names) <= MAX_NAMES:
        raise ValueError("an index with too many names, or none")
    pieces = reader.read(facts["pieces"], "<u4")
    lines = reader.read(facts["pieces"], "<u2")
    name_of_line = reader.read(facts["lines"], "<u1")
    counts = reader.read(facts["lines"], "<u4")
    if lines.sum() != len(counts) or counts.sum() != facts["entries"] or (name_of_line >= len(names)).any():
        raise ValueError("an index whose lines do not fit its pieces")
    entries = _entries(int(facts["entries"]), window, counts, name_of_line == 0, reader)
    bars = np.cumsum(reader.read(facts["bars"], "<u4"))
    if (bars >= 1 << bar_bits).any():
        raise ValueError("an index with bars out of range")
    return Shelf(
        window=window,
        entries=entries,
        pieces=pieces,
        piece_of_line=np.repeat(np.arange(len(lines)), lines),
        names=names,
        name_of_line=name_of_line,
        bars=bars.astype(np.uint32),
        bar_bits=bar_bits,
        bar_sample=bar_sample,
        left_out=int(facts["left_out"]),
    )


def _entries(count: int, window: int, counts: Places, whole: npt.NDArray[np.bool_], reader: _Reader) -> Entries:
    hashes = reader.read(count, "<u1" if window == 1 else "<u4")
    place = np.arange(count) if window == 1 else np.cumsum(reader.read(count, "<u2"))
    line = np.repeat(np.arange(len(counts)), counts)
    nothing = np.zeros(count, np.int64)
    entries = Entries(hashes.astype(np.uint32), place, line, nothing, nothing, whole)
    if window == 1 and (counts <= entries.moves).any():
        raise ValueError("an index with a line that is too short")
    begins, ends = _all_noted(entries) if window == 1 else _some_noted(entries)
    bars = np.cumsum(reader.read(int(ends[-1]) + 1 if count else 0, "<i4"))
    first, last = bars[begins], bars[ends]
    if (first < 0).any() or (last < first).any() or (np.diff(place) < 0).any():
        raise ValueError("an index whose bars are not in order")
    return Entries(hashes.astype(np.uint32), place, line, first, last, whole)


def _planes(numbers: npt.NDArray[Any], kind: str) -> bytes:
    """Numbers (n,) as bytes: the lowest byte of each, then the next byte of each, and so on."""
    stored = np.ascontiguousarray(numbers.astype(kind))
    planes: _Bytes = stored.view(np.uint8).reshape(len(stored), stored.itemsize).T
    return planes.tobytes()


class _Reader:
    """Reads arrays one after the other, none of which is larger than what is left."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def read(self, count: Any, kind: str) -> Places:
        """The numbers (count,) that `_planes` wrote."""
        size = np.dtype(kind).itemsize
        if not isinstance(count, int) or not 0 <= count * size <= len(self.data) - self.at:
            raise ValueError("an index that is cut short")
        planes = np.frombuffer(self.data, np.uint8, count * size, self.at).reshape(size, count)
        self.at += count * size
        return np.ascontiguousarray(planes.T).view(kind).reshape(count).astype(np.int64)
