"""The instrument of each note, and the controllers and pitch bends of each channel.

A channel of a port has one state, whichever tracks its messages stand in: a program change in one track counts for
the notes of all. But some programs write every track as a player of its own and all of them on one channel. So at one
tick a track's own program change holds, and where two tracks with notes choose different programs for one channel at
one tick, each keeps its own controllers. Knows nothing of scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from playbach.music.arrays import Mask
from playbach.music.midi.events import Bytes, Events, Wide

CHANNELS = 1 << 12
"""Above the highest channel: 256 ports of 16 channels."""
_NEVER = 1 << 34  # ticks: beyond every piece


@dataclass(frozen=True, slots=True)
class Changes:
    """The messages of one kind, sorted by player, then by time: columns of one length. A player is a channel, or one
    of a track alone."""

    player: Wide
    tick: Wide
    first: Bytes
    second: Bytes


def find_programs(events: Events, note: Wide, shared: bool) -> Wide:
    """The program of each note.

    Args:
        note: (n,), the indices of note-ons.
        shared: whether a channel is the same in all tracks, as it is except in format 2.
    """
    change = (events.status == 0xC0).nonzero()[0]
    if not len(change) or not len(note):
        return np.zeros(len(note), np.int64)
    if shared and (program := _find_one_program(events, change, note)) is not None:
        return program
    program = np.append(events.first[change], 0).astype(np.int64)
    line, note_line = _line(events, change), _line(events, note)
    # The last change in the note's own track; -1: there is none.
    total = len(events.tick)
    order = line.argsort(kind="stable")
    own = (line[order] * total + change[order]).searchsorted(note_line * total + note) - 1
    own = np.where((own >= 0) & (line[order][own] == note_line), order[own], -1)
    if not shared or _has_own_channels(events, change, note):
        return program[own]
    # The last change in any track, at the note's tick too.
    tick, channel = np.minimum(events.tick[change], _NEVER), events.channel[change]
    order = np.lexsort((tick, channel))
    moment = channel[order] * _NEVER + tick[order]
    note_moment = events.channel[note] * _NEVER + events.tick[note]
    latest = moment.searchsorted(note_moment, side="right") - 1
    after = (latest >= 0) & (line[order][latest] == note_line) & (change[order][latest] > note)
    latest = np.where(after, moment.searchsorted(note_moment) - 1, latest)
    latest = np.where((latest >= 0) & (channel[order][latest] == events.channel[note]), order[latest], -1)
    when = np.append(tick, -1)
    return program[np.where(when[own] >= when[latest], own, latest)]


def _find_one_program(events: Events, change: Wide, note: Wide) -> Wide | None:
    """The program of each note, if each channel has one change and no note of its track before that at its tick."""
    channels = events.channel[change]
    if len(set(channels.tolist())) < len(change):
        return None
    table = np.zeros((3, int(events.channel.max()) + 1), np.int64)
    table[:, channels] = events.first[change], events.tick[change], change
    program, since, place = table[:, events.channel[note]]
    late = since - events.tick[note]
    if ((late == 0) & (place > note) & (events.track[place] == events.track[note])).any():
        return None
    return np.where(late <= 0, program, 0)


def _has_own_channels(events: Events, *among: Wide) -> bool:
    """Whether all of these messages on one channel are in one track."""
    tracks = np.full(int(events.channel.max()) + 1, -1)
    for event in among:  # the last one of each channel
        tracks[events.channel[event]] = events.track[event]
    return all(bool((tracks[events.channel[event]] == events.track[event]).all()) for event in among)


def find_split_channels(events: Events, lines: Wide, shared: bool) -> Mask:
    """(CHANNELS,), True for the channels that are another one in each track.

    Args:
        lines: each track times CHANNELS plus channel on which there are notes.
        shared: as in `find_programs`.
    """
    split = np.full(CHANNELS, not shared)
    lines = np.unique(lines)
    if not shared or len(np.unique(lines % CHANNELS)) == len(lines):
        return split
    change = (events.status == 0xC0).nonzero()[0]
    change = change[np.isin(_line(events, change), lines)]
    change = change[np.lexsort((events.tick[change], events.channel[change]))]
    a, b = change[:-1], change[1:]
    differ = (
        (events.channel[a] == events.channel[b])
        & (events.tick[a] == events.tick[b])
        & (events.track[a] != events.track[b])
        & (events.first[a] != events.first[b])
    )
    split[events.channel[a[differ]]] = True
    return split


def player_of(split: Mask, track: Wide, channel: Wide) -> Wide:
    """The number of the player on a channel of a track: the channel's own number, if it is the same in all tracks."""
    return np.where(split[channel], CHANNELS * (track + 1), 0) + channel


def find_changes(events: Events, player: Wide, status: int, last: int) -> Changes | None:
    """The messages up to tick `last` with this status, such as 0xB0 for controllers, given each event's player; None:
    there are none."""
    change = (events.status == status).nonzero()[0]
    if not len(change):
        return None
    late = events.tick[change] > last
    if late.any():
        change = change[~late]
    moment = player[change] * _NEVER + events.tick[change]
    if (moment[1:] < moment[:-1]).any():
        change = change[moment.argsort(kind="stable")]
    return Changes(player[change], events.tick[change], events.first[change], events.second[change])


def _line(events: Events, event: Wide) -> Wide:
    return events.track[event] * CHANNELS + events.channel[event]
