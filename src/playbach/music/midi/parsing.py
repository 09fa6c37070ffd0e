"""A MIDI file as a score. Knows nothing of paths, processes and limits on files."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from symusic.core import ControlChangeTickList, NoteTickList, PedalTickList, PitchBendTickList
from symusic.core import KeySignatureTick as KeySignature
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as ScoreTempo
from symusic.core import TextMetaTick as TextMeta
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as ScoreTrack

from playbach.music.arrays import Ints, Mask
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.midi.channels import (
    CHANNELS,
    Changes,
    find_changes,
    find_programs,
    find_split_channels,
    player_of,
)
from playbach.music.midi.chunks import MAX_FILE_TRACKS, Chunks, split_file
from playbach.music.midi.events import Events, Wide, read_events
from playbach.music.midi.notes import Notes, pair_notes
from playbach.music.midi.remarks import say
from playbach.music.midi.signs import COMMON_METER, COMMON_TEMPO, Signs, read_signs
from playbach.system.errors import ScoreError, impossible_value

MAX_QUARTERS = 24 * 60 * 120
"""The length of a piece: a day at 120 quarters a minute."""

_DRUMS = 9  # the channel of the drums in General MIDI, on every port
_CONTROL, _BEND = 0xB0, 0xE0
_SUSTAIN, _DOWN = 64, 64  # the controller of the pedal, and the lowest value at which it is down
_MOST_COPIES = 1_000_000  # of controllers, if a channel's notes are on several tracks of the score


def parse(data: bytes) -> tuple[Score, tuple[str, ...]]:
    """The score of a MIDI file, with 480 ticks to a quarter note, and remarks: see `ReadFile`.

    A track of the score has the notes of one track of the file that are on one channel and have one program, in the
    order of their note-ons. It has all controllers and pitch bends of its channel. The lyrics of a track are on one
    more track without notes.

    Raises:
        ScoreError: this is no MIDI file, or it is damaged, cut short, or longer than a day.
    """
    chunks = split_file(data, TICKS_PER_QUARTER)
    clock = _Clock(*chunks.ticks)
    events = read_events(chunks)
    separate = chunks.midi_format == 2 and len(events.ends) > 1
    starts = events.ends.cumsum() - events.ends
    if separate:
        events = _one_after_the_other(events, starts)
    notes = pair_notes(events)
    _check_times(events, notes, clock)
    signs = read_signs(events.metas, clock.last)
    score = Score(TICKS_PER_QUARTER)
    more = _add_tracks(score, events, notes, signs, clock, shared=not separate)
    if chunks.film_frames:
        signs.tempos.clear()
    if separate:
        _begin_anew(signs, starts.tolist())
    _add_signs(score, signs, clock)
    late = signs.late + _count_late(events, clock.last)
    return score, (
        *_describe_tracks(chunks, len(events.ends)),
        *events.remarks,
        *notes.remarks,
        *more,
        *signs.remarks,
        *say((late, "{n} event{s} {is} later than a day after the beginning, and left out")),
    )


@dataclass(frozen=True, slots=True)
class _Clock:
    """Ints of the score for each tick of the file, as a fraction."""

    score: int
    file: int

    @property
    def last(self) -> int:
        """The last possible tick of the file."""
        return MAX_QUARTERS * TICKS_PER_QUARTER * self.file // self.score

    def tick(self, tick: int) -> int:
        """In ticks of the score, rounded half up."""
        return (2 * tick * self.score + self.file) // (2 * self.file)

    def ticks(self, ticks: Wide) -> Ints:
        if self.score != self.file:
            ticks = (2 * ticks * self.score + self.file) // (2 * self.file)
        return ticks.astype(np.int32)


def _describe_tracks(chunks: Chunks, found: int) -> tuple[str, ...]:
    promised, there = chunks.promised, len(chunks.spans)
    return say(
        (found * (found > promised), f"its header promises {promised:,}, but it has {{n}} track{{s}}; all are read"),
        (promised * (there < promised), f"its header promises {{n}} tracks, but it has {there:,}"),
        (chunks.rest, "{n} byte{s} after its last track {is} left out"),
        (
            found * (chunks.midi_format == 2 and found > 1),
            "it has {n} separate pieces (MIDI format 2), read one after the other",
        ),
        (chunks.film_frames, "its times are in film frames (SMPTE); a quarter is taken as half a second"),
    )


def _one_after_the_other(events: Events, starts: Wide) -> Events:
    """The events with the tracks one after the other in time: in format 2 each is a piece."""
    first = starts.tolist()
    metas = [(kind, track, tick + first[track], *rest) for kind, track, tick, *rest in events.metas]
    return replace(events, tick=events.tick + starts[events.track], metas=metas, ends=events.ends + starts)


def _begin_anew(signs: Signs, starts: list[int]) -> None:
    """Begin each piece but the first in the usual tempo and meter, unless it has its own."""
    for start in starts[1:]:
        signs.tempos.setdefault(start, COMMON_TEMPO)
        signs.meters.setdefault(start, COMMON_METER)


def _check_times(events: Events, notes: Notes, clock: _Clock) -> None:
    if notes.end.max(initial=0) <= clock.last:
        return
    onset = events.tick[notes.event]
    for name, values in (("onset", onset), ("duration", notes.end - onset)):
        if values.max() > clock.last:
            raise impossible_value(name, values[values > clock.last][0])


def _count_late(events: Events, last: int) -> int:
    """The number of controllers and bends after `last`."""
    late = events.status[events.tick > last]
    return int(np.count_nonzero((late == _CONTROL) | (late == _BEND)))


# ---------------------------------------------------------------------------------------------------------- tracks


def _add_tracks(
    score: Score, events: Events, notes: Notes, signs: Signs, clock: _Clock, shared: bool
) -> tuple[str, ...]:
    """Add the notes, controllers, bends and lyrics. `shared`: a channel is the same in all tracks."""
    note = notes.event
    part = (events.track[note] * CHANNELS + events.channel[note]) * 128 + find_programs(events, note, shared)
    end = notes.end
    if (part[1:] < part[:-1]).any():
        order = part.argsort(kind="stable")
        part, note, end = part[order], note[order], end[order]
    onset = events.tick[note]
    onsets, durations = clock.ticks(onset), np.maximum(clock.ticks(end - onset), 1)
    pitches, velocities = events.first[note].astype(np.int8), events.second[note].astype(np.int8)
    borders = [0, *((part[1:] != part[:-1]).nonzero()[0] + 1).tolist(), len(part)] if len(part) else [0]
    if len(borders) - 1 > MAX_FILE_TRACKS:
        raise ScoreError(f"it has {len(borders) - 1:,} tracks, but the limit is {MAX_FILE_TRACKS:,}; leave it out")
    parts = part[borders[:-1]]
    controllers = _find_controllers(events, parts // 128, clock.last, shared)
    tracks: list[tuple[int, ScoreTrack]] = []
    for number, (key, i, j) in enumerate(zip(parts.tolist(), borders, borders[1:], strict=False)):
        in_file, channel = divmod(key // 128, CHANNELS)
        track = ScoreTrack(signs.name(in_file, channel), key % 128, channel % 16 == _DRUMS)
        track.notes = NoteTickList.from_numpy(onsets[i:j], durations[i:j], pitches[i:j], velocities[i:j])
        if controllers:
            controllers.add_to(track, number, clock)
        tracks.append((in_file, track))
    if signs.lyrics:
        tracks += [(in_file, _lyrics_track(signs, in_file, clock)) for in_file in signs.lyrics]
        tracks.sort(key=lambda numbered: numbered[0])  # stable: after the notes of its track
    for _, track in tracks:
        score.tracks.append(track)
    return controllers.remarks if controllers else ()


def _lyrics_track(signs: Signs, number: int, clock: _Clock) -> ScoreTrack:
    track = ScoreTrack(signs.name(number, -1), 0, False)
    for tick, text in signs.lyrics[number]:
        track.lyrics.append(TextMeta(clock.tick(tick), text))
    return track


@dataclass(frozen=True, slots=True)
class _Controllers:
    """Controllers and bends of all players, and where those of each track of the score are among them."""

    controls: Changes | None
    bends: Changes | None
    control_borders: list[tuple[int, int]]
    """For each track of the score its first control, and the one after its last."""
    bend_borders: list[tuple[int, int]]
    remarks: tuple[str, ...]

    def add_to(self, track: ScoreTrack, number: int, clock: _Clock) -> None:
        """Add them to the track of the score with this number."""
        if self.controls:
            first, last = self.control_borders[number]
            if first < last:
                tick = clock.ticks(self.controls.tick[first:last])
                controller, value = self.controls.first[first:last], self.controls.second[first:last]
                track.controls = ControlChangeTickList.from_numpy(tick, controller, value)
                pedal = controller == _SUSTAIN
                if pedal.any():
                    track.pedals = _find_pedals(tick[pedal], value[pedal] >= _DOWN)
        if self.bends:
            first, last = self.bend_borders[number]
            if first < last:
                bend = (self.bends.second[first:last].astype(np.int32) << 7 | self.bends.first[first:last]) - 8192
                track.pitch_bends = PitchBendTickList.from_numpy(clock.ticks(self.bends.tick[first:last]), bend)


def _find_controllers(events: Events, lines: Wide, last: int, shared: bool) -> _Controllers | None:
    """The controllers of the tracks of the score up to tick `last`, if there are any. `lines`: of each track of the
    score, its track in the file times CHANNELS, plus its channel."""
    if not ((events.status == _CONTROL) | (events.status == _BEND)).any():
        return None
    player, player_of_event = lines % CHANNELS, events.channel
    if not shared or len(set(player.tolist())) < len(player):
        split = find_split_channels(events, lines, shared)
        player = player_of(split, lines // CHANNELS, player)
        player_of_event = player_of(split, events.track, events.channel)
    controls = find_changes(events, player_of_event, _CONTROL, last)
    bends = find_changes(events, player_of_event, _BEND, last)
    total = sum(len(changes.tick) for changes in (controls, bends) if changes)
    borders = [_find_borders(changes, player) for changes in (controls, bends)]
    more: set[int] = set()
    if sum(last - first for some in borders for first, last in some) > max(_MOST_COPIES, total):
        more = set(range(len(player))) - set(np.unique(player, return_index=True)[1].tolist())
        borders = [[(0, 0) if i in more else some[i] for i in range(len(some))] for some in borders]
    remarks = say((len(more), "{n} track{s} {has} no controllers, for these would be too many"))
    return _Controllers(controls, bends, borders[0], borders[1], remarks)


def _find_borders(changes: Changes | None, player: Wide) -> list[tuple[int, int]]:
    """Of each player the first change, and the one after its last."""
    if changes is None:
        return []
    first, last = changes.player.searchsorted(player), changes.player.searchsorted(player, "right")
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _find_pedals(tick: Ints, down: Mask) -> PedalTickList:
    """From each moment at which the pedal goes down to the next at which it lifts; if it never does, none."""
    changed = (down != np.append(False, down[:-1])).nonzero()[0]
    pressed, lifted = tick[changed[0::2]], tick[changed[1::2]]
    pressed = pressed[: len(lifted)]
    return PedalTickList.from_numpy(pressed, np.maximum(lifted - pressed, 1))


# ------------------------------------------------------------------------------------------------- the score's signs


def _add_signs(score: Score, signs: Signs, clock: _Clock) -> None:
    # Several ticks of the file may be one of the score.
    for tick, meter in {clock.tick(tick): signs.meters[tick] for tick in sorted(signs.meters)}.items():
        score.time_signatures.append(TimeSignature(tick, *meter))
    for tick, key in {clock.tick(tick): signs.keys[tick] for tick in sorted(signs.keys)}.items():
        score.key_signatures.append(KeySignature(tick, *key))
    for tick, tempo in {clock.tick(tick): signs.tempos[tick] for tick in sorted(signs.tempos)}.items():
        score.tempos.append(ScoreTempo(tick, mspq=tempo))
    for tick, text in signs.markers:
        score.markers.append(TextMeta(clock.tick(tick), text))
