"""A survey of training pieces, from which the `events` encoding makes its vocabulary.

Knows scores on the grid; knows nothing of symbols.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.encodings.events.grid import (
    DRUM_PROGRAM,
    EVENTS_GRID,
    GridNotes,
    grid_notes,
    opening_meters,
    tempo_changes,
)
from playbach.encodings.events.meters import grid_meters
from playbach.music.bars import Bars, Header
from playbach.music.chords import is_part_of_triad
from playbach.music.events import Track
from playbach.music.instruments import INSTRUMENT_FAMILIES, INSTRUMENT_NAMES

FAMILY = 8
"""General MIDI's programs come in families of eight."""


@dataclass
class Survey:
    """What the training pieces contain. A group is a program or a family of programs, or the drums."""

    kind: str
    """`exact`: a group is one program; `families`: a group is one of General MIDI's families."""
    pieces: list[tuple[Header, set[int]]] = field(default_factory=list)
    """The header of each piece, without tracks, and its groups."""
    meters: set[str] = field(default_factory=set)
    """All meters."""
    meter_changes: set[str] = field(default_factory=set)
    """The meters that pieces change to."""
    tempo_bins: set[int] = field(default_factory=lambda: {0})
    drums: set[int] = field(default_factory=set)
    """The pitches of drums."""
    velocities: set[int] = field(default_factory=set)
    """In bins."""
    played: Counter[int] = field(default_factory=Counter)
    """How many notes each program plays."""
    closing_notes: list[int] = field(default_factory=list)
    """How many notes end last, for each piece."""
    closing_triads: int = 0
    """In how many pieces these notes form a triad, or a part of one."""
    longest: int = 1
    """The longest note, in units."""
    empty_bars: int = 0
    """The most bars in succession in which no note begins."""

    def __post_init__(self) -> None:
        self._groups = np.arange(DRUM_PROGRAM + 1, dtype=np.int32)
        if self.kind == "families":
            self._groups[:DRUM_PROGRAM] //= FAMILY
        self.low, self.high = np.full(DRUM_PROGRAM + 1, 128), np.full(DRUM_PROGRAM + 1, -1)
        self.at_once = np.zeros(DRUM_PROGRAM + 1, np.int64)

    def add(self, score: Score) -> None:
        notes = grid_notes(score, self._groups)
        for track in score.tracks:
            self.played[DRUM_PROGRAM if track.is_drum else track.program] += len(track.notes)
        np.minimum.at(self.low, notes.track, notes.pitch)
        np.maximum.at(self.high, notes.track, notes.pitch)
        onsets = np.unique(np.stack([notes.onset, notes.track]), axis=1, return_counts=True)
        np.maximum.at(self.at_once, onsets[0][1], onsets[1])
        self.drums |= set(notes.pitch[notes.track == DRUM_PROGRAM].tolist())
        self.velocities |= set(np.unique(notes.velocity).tolist())
        meters = grid_meters(score)
        opening = opening_meters(meters)
        bars = Bars(tuple(meters))
        self.meters |= {bars.meter(m[0]) for m in meters}
        self.meter_changes |= {f"{n}/{d}" for _, n, d in meters[opening:]}
        tempo, changes = tempo_changes(
            score, meters, first=int(notes.onset[0]) * EVENTS_GRID, end=notes.end * EVENTS_GRID
        )
        self.tempo_bins |= {bin_ for _, bin_ in changes}
        pitched = notes.select(notes.track != DRUM_PROGRAM)
        ends = pitched.onset + pitched.duration
        self.longest = max(self.longest, int(pitched.duration.max(initial=1)))
        last = pitched.pitch[ends == ends.max(initial=-1)]
        self.closing_notes.append(len(last))
        self.closing_triads += is_part_of_triad(last.tolist())
        self._add_empty_bars(bars, notes)
        self.pieces.append((Header(tuple(meters[:opening]), tempo), set(notes.track.tolist())))

    def _add_empty_bars(self, bars: Bars, notes: GridNotes) -> None:
        first = 0 if bars.pickup else 1
        numbers, _ = bars.numbers_and_places((notes.onset * EVENTS_GRID).astype(np.int32))
        last = bars.number(notes.end * EVENTS_GRID - 1)
        bars_with_notes = np.concatenate([[first - 1], np.unique(numbers), [last + 1]])
        self.empty_bars = max(self.empty_bars, int(np.diff(bars_with_notes).max()) - 1)

    def tracks(self) -> dict[int, Track]:
        """The track of each group that plays, in order."""
        tracks: dict[int, Track] = {}
        for group in np.flatnonzero(self.low <= self.high).tolist():
            members = [p for p in range(DRUM_PROGRAM) if self._groups[p] == group]
            if group == DRUM_PROGRAM:
                tracks[group] = Track("Drums", 0, True)
            elif self.kind == "families":
                tracks[group] = Track(INSTRUMENT_FAMILIES[group], max(members, key=lambda p: (self.played[p], -p)))
            else:
                tracks[group] = Track(INSTRUMENT_NAMES[group], group)
        return tracks

    def program_tracks(self, numbers: Mapping[int, int], base: Iterable[int] = ()) -> tuple[int, ...]:
        """The track of each program, and last that of the drums; -1 for none.

        It is the track of the program's own group, else its track in the base, else that of the program most played
        in its family.

        Args:
            numbers: the track of each group.
            base: the tracks in a base encoding.
        """
        own = np.array([numbers.get(int(group), -1) for group in self._groups])
        before = np.array([*base] or [-1] * len(own))
        tracks = np.where(own < 0, before, own)
        for program in np.flatnonzero(tracks[:DRUM_PROGRAM] < 0).tolist():
            family = range(program - program % FAMILY, program - program % FAMILY + FAMILY)
            played = [p for p in family if own[p] >= 0 and self.played[p]]
            if played:
                tracks[program] = own[max(played, key=lambda p: (self.played[p], -p))]
        return tuple(tracks.tolist())
