"""Converts events to a score, and finds the meters and the tempo with which a composed piece begins.

Knows headers and events; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any

from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick

from playbach.music.bars import Bars, Header, meter_of_length
from playbach.music.events import MAX_NUMERATOR, TICKS_PER_QUARTER, End, Event, Meter, Note, Start, Tempo
from playbach.music.scores import score_from_header


def score_from_events(events: Iterable[Event]) -> ScoreTick:
    """The events of one piece as a score; tick 0 of the score is where the piece starts."""
    score = ScoreTick(TICKS_PER_QUARTER)
    begin = 0
    for event in events:
        match event:
            case Start():
                begin = event.tick
                score = score_from_header(Header((), 1.0, event.tracks))
                score.tempos.clear()
            case Meter():
                meter = TimeSignatureTick(event.tick - begin, event.numerator, event.denominator)
                score.time_signatures.append(meter)
            case Tempo():
                score.tempos.append(TempoTick(event.tick - begin, qpm=event.qpm))
            case Note():
                note = NoteTick(event.tick - begin, event.duration, event.pitch, event.velocity)
                score.tracks[event.track].notes.append(note)
            case End():
                break
    return score


def first_events(header: Header) -> list[Event]:
    """What comes before the notes of a whole piece, for `score_from_events`: its tracks, meters and tempo."""
    return [Start(0, 0, header.tracks), *opening_events(header, 0, 0)]


def beginning_of(score: ScoreTick, until: int) -> ScoreTick:
    """A copy of the score with only what begins before tick `until`; notes keep their lengths."""
    part = score.copy()
    events: Any
    shared = (part.time_signatures, part.tempos, part.key_signatures, part.markers)
    own = ((t.notes, t.controls, t.pitch_bends, t.pedals, t.lyrics) for t in part.tracks)
    for events in (*shared, *chain.from_iterable(own)):
        events.filter(lambda event: event.time < until, inplace=True)
    return part


def drop_later_meters(header: Header, tick: int) -> Header:
    """The header without the meters that begin at or after `tick`. The first meter always stays; after a pickup, so
    does the second."""
    always = 2 if Bars(header.meters).pickup else 1
    return replace(header, meters=tuple(m for i, m in enumerate(header.meters) if i < always or m[0] < tick))


def header_after(header: Header, event: Meter | Tempo) -> Header:
    """The header with a meter added, or with the event's tempo in place of its own."""
    if isinstance(event, Tempo):
        return replace(header, tempo=event.qpm)
    return replace(header, meters=(*header.meters, (event.tick, event.numerator, event.denominator)))


def opening_events(header: Header, cut: int, start: int) -> list[Event]:
    """The meters and the tempo of a piece whose first `cut` ticks are left out and that begins at tick `start`.

    A bar that is cut through becomes a pickup.
    """
    events: list[Event] = [Tempo(start, header.tempo)]
    if not cut:
        return [
            *(Meter(t + start, n, d) for t, n, d in header.meters[:1]),
            *events,
            *(Meter(t + start, n, d) for t, n, d in header.meters[1:]),
        ]
    _, numerator, denominator = [m for m in header.meters if m[0] <= cut][-1]
    rest = -Bars(header.meters).place(cut) % Meter(0, numerator, denominator).bar_ticks
    sixteenths = rest * 4 // TICKS_PER_QUARTER
    first: list[Event] = [Meter(start, numerator, denominator)]
    if sixteenths:
        first = [Meter(start, *_meter_of_sixteenths(sixteenths)), Meter(start + rest, numerator, denominator)]
    later = [Meter(t - cut + start, n, d) for t, n, d in header.meters if t > cut + rest]
    return [first[0], *events, *first[1:], *later]


def _meter_of_sixteenths(count: int) -> tuple[int, int]:
    """A meter of this many sixteenths. If no meter says it exactly: of its whole notes, as many as one can have."""
    meter = meter_of_length(count * TICKS_PER_QUARTER // 4)
    return meter if meter[0] <= MAX_NUMERATOR else (min(count // 16, MAX_NUMERATOR), 1)
