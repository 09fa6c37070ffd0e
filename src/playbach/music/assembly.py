"""The frame of a piece: the meters and tempo that it begins with, and its events as a score.

Knows headers and events; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick

from playbach.music.bars import Bars, Header
from playbach.music.events import TICKS_PER_QUARTER, End, Event, Meter, Note, Start, Tempo
from playbach.music.scores import bare_score


def to_score(events: Iterable[Event]) -> ScoreTick:
    """The events of one piece as a score, which begins at the piece's own first tick."""
    score = ScoreTick(TICKS_PER_QUARTER)
    begin = 0
    for event in events:
        match event:
            case Start():
                begin = event.tick
                score = bare_score(Header((), 1.0, event.tracks))
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


def cut_meters(header: Header, tick: int) -> Header:
    """Without the changes of meter that a prime would have had later; its pickup, if it has one, stays."""
    kept = 2 if Bars(header.meters).pickup else 1
    return replace(header, meters=tuple(m for i, m in enumerate(header.meters) if i < kept or m[0] < tick))


def changed(header: Header, event: Meter | Tempo) -> Header:
    """With what holds from this event on; the tempo is the last one."""
    if isinstance(event, Tempo):
        return replace(header, tempo=event.qpm)
    return replace(header, meters=(*header.meters, (event.tick, event.numerator, event.denominator)))


def opening(header: Header, cut: int, start: int) -> list[Event]:
    """The meters and the tempo, from the cut on; a bar that the cut leaves a part of becomes a pickup."""
    events: list[Event] = [Tempo(start, header.tempo)]
    if not cut:
        return [*(Meter(t + start, n, d) for t, n, d in header.meters[:1]), *events,
                *(Meter(t + start, n, d) for t, n, d in header.meters[1:])]  # fmt: skip
    _, numerator, denominator = [m for m in header.meters if m[0] <= cut][-1]
    rest = -Bars(header.meters).place(cut) % Meter(0, numerator, denominator).bar_ticks
    sixteenths = rest * 4 // TICKS_PER_QUARTER
    first: list[Event] = [Meter(start, numerator, denominator)]
    if sixteenths:
        first = [Meter(start, *_shortened(sixteenths)), Meter(start + rest, numerator, denominator)]
    later = [Meter(t - cut + start, n, d) for t, n, d in header.meters if t > cut + rest]
    return [first[0], *events, *first[1:], *later]


def _shortened(sixteenths: int) -> tuple[int, int]:
    """A meter of so many sixteenths, in the largest unit that divides them."""
    for denominator, size in ((4, 4), (8, 2)):
        if sixteenths % size == 0:
            return sixteenths // size, denominator
    return sixteenths, 16
