"""Performs composed music by rules: dynamics, accents, a slower last bar, a pause between pieces.

Most networks compose no dynamics, and music in which all velocities are equal sounds mechanical. So:

- each phrase has a crescendo and a diminuendo; it ends with a note of the top voice that is longer than those before;
- strong beats are a little louder, and a line gets louder as it rises;
- of three or more voices, the top one is louder and the inner ones are softer; drums mark the beats;
- the last bar slows down beat by beat, to about two thirds of the tempo, and a short last chord is held like a
  fermata, as at the end of a chorale;
- between two pieces there is a pause.

Nothing is random: the same notes are always performed in the same way. Velocities that the network composed
(`Start.velocities`) stay. So does a user's own music with which a piece begins, and composed notes go on as loudly as
it was. Works on a stream of events and looks a few bars ahead.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from playbach.music.events import TICKS_PER_QUARTER, End, Event, Meter, Note, Start, Tempo


@dataclass(frozen=True, slots=True)
class PerformanceOptions:
    """How strongly each rule acts. Amounts are MIDI velocities unless the name says otherwise."""

    level: int = 74
    """The velocity to which the other amounts are added."""
    phrase: int = 9
    """Added at the peak of a phrase, and subtracted at its ends."""
    beat: int = 4
    """Added on the first beat of a bar; less on weaker beats."""
    contour_per_semitone: float = 0.6
    """Added for each semitone above the voice's average pitch, at most 6 in all."""
    leading: int = 6
    """Added to the top of three or more voices."""
    inner: int = -5
    """Added to the inner ones of three or more voices, and to drums."""
    last_tempo_share: float = 0.66
    """The tempo at the end of the last bar, as a share of the piece's tempo."""
    fermata_quarters: float = 2.0
    """The last chord is held as long as this many quarters at the piece's tempo. 0: no fermata."""
    slowest_share: float = 0.4
    """A fermata's slowest tempo, as a share of the piece's tempo."""
    breath_quarters: float = 2.0
    """The pause between two pieces."""
    ahead_bars: int = 4
    """How many bars of music are known ahead, and the length of the longest phrase."""
    softest: int = 36
    """The lowest velocity."""
    loudest: int = 112
    """The highest velocity."""


@dataclass
class _PieceState:
    """The state of the piece that is being performed."""

    start: Start
    shift: int
    """Ticks by which the pauses before this piece delay it."""
    meter: Meter
    """In a pickup, the meter of the full bar, with the tick at which that bar would have begun."""
    longest_bar: int = 0
    tempo: float = 80.0
    waiting: deque[Event] = field(default_factory=deque)
    """Events that have been read but not yet performed."""
    last_tick: int = -1
    """The tick of the last event that was performed."""
    phrase_start: int = 0
    mean_pitch: dict[int, float] = field(default_factory=dict)
    """The moving average of each track's pitches."""
    mean_length: float = TICKS_PER_QUARTER
    """The moving average of the top voice's durations."""
    top: int = 0
    """The track of the top voice."""
    louder: float | None = None
    """By how much a user's own music has lately been louder than the rules would play it; None if there is none."""


def perform(events: Iterable[Event], options: PerformanceOptions | None = None) -> Iterator[Event]:
    """The same events in the same order, with velocities, tempos for the last bar, and pauses between the pieces.

    An event is returned once `ahead_bars` bars after it are known.
    """
    options = options or PerformanceOptions()
    pause = round(options.breath_quarters * TICKS_PER_QUARTER)
    piece: _PieceState | None = None
    shift = 0
    for event in events:
        if isinstance(event, Start):
            if piece is not None:
                shift += pause
            piece = _PieceState(event, shift, Meter(event.tick, 4, 4), phrase_start=event.tick)
            yield replace(event, tick=event.tick + shift)
            continue
        assert piece is not None, "a stream begins with Start"
        piece.waiting.append(event)
        if isinstance(event, End):
            yield from _play(piece, math.inf, _slower_tempos(piece, event.tick, options), options)
        else:
            if isinstance(event, Meter):
                piece.longest_bar = max(piece.longest_bar, event.bar_ticks)
            until = event.tick - options.ahead_bars * (piece.longest_bar or piece.meter.bar_ticks)
            yield from _play(piece, until, deque(), options)


def _play(piece: _PieceState, until: float, tempos: deque[Tempo], options: PerformanceOptions) -> Iterator[Event]:
    """The events before `until`, with `tempos` inserted at their ticks."""
    while piece.waiting and piece.waiting[0].tick < until:
        event = piece.waiting.popleft()
        piece.last_tick = event.tick
        while tempos and tempos[0].tick <= event.tick:
            tempo = tempos.popleft()
            yield replace(tempo, tick=tempo.tick + piece.shift)
        if isinstance(event, Meter):
            piece.meter = _full_meter(piece, event)
        elif isinstance(event, Tempo):
            piece.tempo = event.qpm
        elif isinstance(event, Note) and not piece.start.velocities:
            event = _performed(piece, event, options)
        yield replace(event, tick=event.tick + piece.shift)


def _performed(piece: _PieceState, note: Note, options: PerformanceOptions) -> Note:
    """The note with its velocity; a note of a user's own music as it is."""
    level = _level(piece, note, options)
    if note.tick < piece.start.given_until:
        louder = note.velocity - level
        piece.louder = louder if piece.louder is None else piece.louder + (louder - piece.louder) / 16
        return note
    level += piece.louder or 0.0
    return replace(note, velocity=round(max(options.softest, min(options.loudest, level))))


def _full_meter(piece: _PieceState, meter: Meter) -> Meter:
    """The meter itself; for a pickup, the meter of the full bar of which it is the end."""
    following = next((event for event in piece.waiting if isinstance(event, Meter)), None)
    pickup = following and meter.tick == piece.start.tick and following.tick == meter.tick + meter.bar_ticks
    if following and pickup and meter.bar_ticks < following.bar_ticks:
        return replace(following, tick=following.tick - following.bar_ticks)
    return meter


def _slower_tempos(piece: _PieceState, end: int, options: PerformanceOptions) -> deque[Tempo]:
    """Tempos that slow the last bar down evenly, beat by beat, and hold the last chord.

    Empty if the piece has less than two bars, if it has a tempo of its own in its last bar, or if events of the last
    bar have been returned already, which a much longer meter at the end can cause.
    """
    meter, tempo = piece.meter, piece.tempo
    for event in piece.waiting:
        meter = event if isinstance(event, Meter) else meter
        tempo = event.qpm if isinstance(event, Tempo) else tempo
    bar, beat = meter.bar_ticks, TICKS_PER_QUARTER * 4 // meter.denominator
    first = end - bar
    if (
        first - bar < piece.start.tick
        or first < piece.start.given_until
        or first < piece.last_tick
        or beat == 0
        or any(isinstance(e, Tempo) and e.tick >= first for e in piece.waiting)
    ):
        return deque()
    beats = range(first, end, beat)
    slowest = 1 - options.last_tempo_share
    tempos = [Tempo(tick, tempo * (1 - slowest * (i + 1) / len(beats))) for i, tick in enumerate(beats)]
    last = max((e.tick for e in piece.waiting if isinstance(e, Note)), default=first)
    fermata = options.fermata_quarters * TICKS_PER_QUARTER
    share = max(options.slowest_share, (end - last) / fermata) if fermata else 1.0
    before = [t for t in tempos if t.tick < last]
    if last >= first and before and share * tempo < before[-1].qpm:
        tempos = [*before, Tempo(last, share * tempo)]
    return deque(tempos)


def _level(piece: _PieceState, note: Note, options: PerformanceOptions) -> float:
    """The velocity by the rules, not yet rounded or limited."""
    if piece.start.tracks[note.track].drums:  # only the beats count
        return options.level + options.inner + 2 * options.beat * _metrical_weight(piece, note.tick)
    mean = piece.mean_pitch.get(note.track, float(note.pitch))
    piece.mean_pitch[note.track] = mean + (note.pitch - mean) / 16
    piece.top = max(piece.mean_pitch, key=lambda t: piece.mean_pitch[t])
    longest_phrase = options.ahead_bars * piece.meter.bar_ticks
    while 0 < longest_phrase <= note.tick - piece.phrase_start:
        piece.phrase_start += longest_phrase
    level = options.level + options.phrase * _phrase_arc(piece, note, piece.phrase_start + longest_phrase)
    level += options.beat * _metrical_weight(piece, note.tick)
    level += max(-6.0, min(6.0, options.contour_per_semitone * (note.pitch - mean)))
    if sum(not track.drums for track in piece.start.tracks) > 2:
        lowest = min(piece.mean_pitch, key=lambda t: piece.mean_pitch[t])
        level += options.leading if note.track == piece.top else 0 if note.track == lowest else options.inner
    if note.track == piece.top:
        if _ends_phrase(piece, note):
            piece.phrase_start = note.tick + note.duration
        piece.mean_length += (note.duration - piece.mean_length) / 12
    return level


def _ends_phrase(piece: _PieceState, note: Note) -> bool:
    """Whether a phrase ends with this note of the top voice."""
    long_enough = max(TICKS_PER_QUARTER, 1.7 * piece.mean_length)
    return note.duration >= long_enough and note.tick - piece.phrase_start >= piece.meter.bar_ticks // 2


def _phrase_arc(piece: _PieceState, note: Note, end: int) -> float:
    """-1 at both ends of a phrase, 1 at its peak a little after the middle. The phrase ends at `end` or before."""
    start, bar = piece.phrase_start, piece.meter.bar_ticks
    if note.tick < start:  # while the long note that ended the last phrase still sounds
        return -1.0
    for event in (note, *piece.waiting):
        if isinstance(event, End):
            end = min(end, event.tick)
        if isinstance(event, Note) and event.track == piece.top and _ends_phrase(piece, event):
            end = min(end, event.tick + event.duration // 2)
            break
    x = min(max((note.tick - start) / max(1, end - start), 0.0), 1.0)
    return 2 * math.sin(math.pi * x**1.2) - 1 if end - start >= bar else 0.0


def _metrical_weight(piece: _PieceState, tick: int) -> float:
    """1 on the first beat, 0.4 in the middle of an even number of beats, 0 on other beats, -0.5 between beats."""
    bar = piece.meter.bar_ticks
    beat = TICKS_PER_QUARTER * 4 // piece.meter.denominator
    place = (tick - piece.meter.tick) % max(1, bar)
    if place == 0:
        return 1.0
    if place * 2 == bar and piece.meter.numerator % 2 == 0:
        return 0.4
    return 0.0 if place % max(1, beat) == 0 else -0.5
