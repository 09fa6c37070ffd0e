"""Notes from note-ons and note-offs. Knows nothing of instruments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from playbach.music.arrays import Mask
from playbach.music.midi.events import Events, Wide
from playbach.music.midi.remarks import say

_PITCHES = 128
_ALL_SOUND_OFF, _ALL_NOTES_OFF = 120, 123  # controllers; the mode messages 124 to 127 end all notes too


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes in the order of their note-ons: columns of one length."""

    event: Wide
    """The index of the note-on."""
    end: Wide
    """In ticks of the file, after the onset."""
    remarks: tuple[str, ...]


def pair_notes(events: Events) -> Notes:
    """Pair each note-on with a note-off of its track, channel and pitch: the first with the first.

    A note without an end sounds until all notes of its channel are ended by a controller, until it is struck again,
    or until its track ends; if that is at once, until the piece ends. A note-off without a note means nothing.
    """
    index = (events.status < 0xA0).nonzero()[0]  # note-offs and note-ons
    is_on = (events.status[index] == 0x90) & (events.second[index] > 0)
    note = index[is_on]
    key = _keys(events, index)
    order = key.argsort(kind="stable")
    key, is_on, index = key[order], is_on[order], index[order]
    on, off, hanging = _match(key, is_on)
    ends = np.zeros(len(events.tick), np.int64)
    ends[index[on]] = events.tick[index[off]]
    if len(hanging):
        ends[index[hanging]] = _find_ends(events, index, key, hanging)
    end = ends[note]
    long = end > events.tick[note]
    if long.all():
        return Notes(note, end, _describe(len(hanging), 0))
    return Notes(note[long], end[long], _describe(len(hanging), int((~long).sum())))


def _describe(hanging: int, silent: int) -> tuple[str, ...]:
    return say(
        (hanging, "{n} note{s} {has} no end; {it} sounds until it is struck again or its track ends"),
        (silent, "{n} note{s} without length {is} left out"),
    )


def _keys(events: Events, index: Wide) -> NDArray[np.integer[Any]]:
    """(n,), what a note-on and its note-off have in common: a number for track, channel and pitch."""
    line = events.channel[index]
    if len(events.ends) > 1:
        line = events.track[index] * (int(line.max(initial=0)) + 1) + line
    if line.max(initial=0) < 1 << 9:
        line = line.astype(np.uint16)  # numpy sorts these ten times as fast
    return line * line.dtype.type(_PITCHES) + events.first[index]


def _match(key: NDArray[np.integer[Any]], is_on: Mask) -> tuple[Wide, Wide, Wide]:
    """The indices of note-ons, of their note-offs, and of note-ons that have none.

    Args:
        key: (n,), sorted: what a note-on and its note-off have in common; of one key in order of time.
        is_on: (n,), True for note-ons.
    """
    n = len(key)
    if n % 2 == 0 and is_on[::2].all() and not is_on[1::2].any() and (key[::2] == key[1::2]).all():
        ons = np.arange(0, n, 2)
        return ons, ons + 1, ons[:0]  # almost every file
    # The number of sounding notes of this key: note-ons minus note-offs, but a note-off of no note does not count.
    begins = np.append(True, key[1:] != key[:-1])[:n]
    group = np.cumsum(begins) - 1
    change = np.where(is_on, 1, -1)
    total = np.cumsum(change)
    total -= (total - change)[begins][group]
    # The lowest total so far, for each key by itself: each key's totals lie below all of those of the key before.
    apart = total - group * (2 * n + 2)
    lowest = np.minimum(np.minimum.accumulate(apart) + group * (2 * n + 2), 0)
    before = np.where(begins, 0, np.append(0, lowest[:-1])[:n])
    paired_off = ~is_on & (lowest == before)
    # The k-th note-off that counts ends the k-th note-on of its key.
    ons, offs = np.flatnonzero(is_on), np.flatnonzero(paired_off)
    first_on, first_off = np.searchsorted(group[ons], group), np.searchsorted(group[offs], group)
    matched = ons[first_on[offs] + np.arange(len(offs)) - first_off[offs]]
    hangs = is_on.copy()
    hangs[matched] = False
    return matched, offs, np.flatnonzero(hangs)


def _find_ends(events: Events, index: Wide, key: NDArray[np.integer[Any]], hanging: Wide) -> Wide:
    """When the notes end that have no note-off: `hanging` has their places in `index` and `key`."""
    if not len(hanging):
        return np.zeros(0, np.int64)
    start = index[hanging]
    onset, track = events.tick[start], events.track[start]
    end = events.ends[track]
    end = np.where(end > onset, end, events.ends.max())
    # The hanging notes of a key are its last ones, so the next note-on of the key hangs too.
    following = np.append(hanging[1:], hanging[-1])
    again = (key[following] == key[hanging]) & (events.tick[index[following]] > onset)
    end = np.where(again, events.tick[index[following]], end)
    return np.minimum(end, _find_silences(events, start))


def _find_silences(events: Events, start: Wide) -> Wide:
    """When all notes of a note's track and channel are ended by a controller after its note-on."""
    quiet = np.flatnonzero(
        (events.status == 0xB0) & ((events.first == _ALL_SOUND_OFF) | (events.first >= _ALL_NOTES_OFF))
    )
    never = np.full(len(start), np.iinfo(np.int64).max)
    if not len(quiet):
        return never
    channels = int(events.channel.max()) + 1
    key = events.track * channels + events.channel
    total = len(key)
    places = np.sort(key[quiet] * total + quiet)
    found = np.searchsorted(places, key[start] * total + start)
    there = places[np.minimum(found, len(places) - 1)]
    same = (found < len(places)) & (there // total == key[start])
    tick = events.tick[there % total]
    return np.where(same & (tick > events.tick[start]), tick, never)
