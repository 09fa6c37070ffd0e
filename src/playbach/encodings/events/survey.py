"""What training pieces have in them: what the vocabulary and the constants of the `events` encoding are made of.

Knows scores as `events_view.py` sees them; knows nothing of symbols.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.encodings.events.grid import DRUMS, GRID, Notes, meters_in, notes_of, opening_of, tempos_of
from playbach.music.bars import Bars, Header
from playbach.music.events import Track
from playbach.music.instruments import FAMILIES, NAMES

FAMILY = 8
"""General MIDI's programs come in families of eight."""


@dataclass
class Seen:
    """What training pieces have in them, counted as they pass. Programs are counted in groups, one or a family each,
    and drums come after them; `kind` is `exact` or `families`."""

    kind: str
    pieces: list[tuple[Header, set[int]]] = field(default_factory=list)
    meters: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    bins: set[int] = field(default_factory=lambda: {0})
    struck: set[int] = field(default_factory=set)
    loudness: set[int] = field(default_factory=set)
    played: Counter[int] = field(default_factory=Counter)
    closing: list[int] = field(default_factory=list)
    longest: int = 1
    rests: int = 0

    def __post_init__(self) -> None:
        self._groups = np.arange(DRUMS + 1, dtype=np.int32)
        if self.kind == "families":
            self._groups[:DRUMS] //= FAMILY
        self.low, self.high = np.full(DRUMS + 1, 128), np.full(DRUMS + 1, -1)
        self.at_once = np.zeros(DRUMS + 1, np.int64)

    def add(self, score: Score) -> None:
        notes = notes_of(score, self._groups)
        for track in score.tracks:
            self.played[DRUMS if track.is_drum else track.program] += len(track.notes)
        np.minimum.at(self.low, notes.track, notes.pitch)
        np.maximum.at(self.high, notes.track, notes.pitch)
        onsets = np.unique(np.stack([notes.onset, notes.track]), axis=1, return_counts=True)
        np.maximum.at(self.at_once, onsets[0][1], onsets[1])
        self.struck |= set(notes.pitch[notes.track == DRUMS].tolist())
        self.loudness |= set(np.unique(notes.velocity).tolist())
        meters = meters_in(score)
        opening = opening_of(meters)
        bars = Bars(tuple(meters))
        self.meters |= {bars.meter(m[0]) for m in meters}
        self.changes |= {f"{n}/{d}" for _, n, d in meters[opening:]}
        tempo, changes = tempos_of(score, meters, int(notes.onset[0]) * GRID, notes.end * GRID)
        self.bins |= {bin_ for _, bin_ in changes}
        pitched = notes.only(notes.track != DRUMS)
        ends = pitched.onset + pitched.duration
        self.longest = max(self.longest, int(pitched.duration.max(initial=1)))
        self.closing.append(int((ends == ends.max(initial=-1)).sum()))
        self._add_rests(bars, notes)
        self.pieces.append((Header(tuple(meters[:opening]), tempo), set(notes.track.tolist())))

    def _add_rests(self, bars: Bars, notes: Notes) -> None:
        first = 0 if bars.pickup else 1
        numbers, _ = bars.columns((notes.onset * GRID).astype(np.int32))
        last = bars.number(notes.end * GRID - 1)
        there = np.concatenate([[first - 1], np.unique(numbers), [last + 1]])
        self.rests = max(self.rests, int(np.diff(there).max()) - 1)

    def tracks(self) -> dict[int, Track]:
        """Of each group that there is, in order."""
        found: dict[int, Track] = {}
        for group in np.flatnonzero(self.low <= self.high).tolist():
            members = [p for p in range(DRUMS) if self._groups[p] == group]
            if group == DRUMS:
                found[group] = Track("Drums", 0, True)
            elif self.kind == "families":
                found[group] = Track(FAMILIES[group], max(members, key=lambda p: (self.played[p], -p)))
            else:
                found[group] = Track(NAMES[group], group)
        return found

    def programs(self, numbers: Mapping[int, int], known: Iterable[int] = ()) -> tuple[int, ...]:
        """The track of each program, and last of the drums: its own, the one `known` before, or the one most played
        of its family; -1 for none."""
        found = np.array([numbers.get(int(group), -1) for group in self._groups])
        before = np.array([*known] or [-1] * len(found))
        own = found.copy()
        found = np.where(found < 0, before, found)
        for program in np.flatnonzero(found[:DRUMS] < 0).tolist():
            family = range(program - program % FAMILY, program - program % FAMILY + FAMILY)
            played = [p for p in family if own[p] >= 0 and self.played[p]]
            if played:
                found[program] = own[max(played, key=lambda p: (self.played[p], -p))]
        return tuple(found.tolist())
