"""The performer's part: what makes composed notes sound played. Works on a stream of events, a few bars ahead.

A network that composes no dynamics gives all notes one velocity, and a file of equal velocities sounds dead. So:

- each phrase swells and ebbs; a phrase ends with a note of the top voice that is long for its neighbourhood;
- strong beats are a little louder, and a line gets louder as it rises;
- of three voices and more the top one leads and the inner ones stay back; drums mark the beats;
- the last bar broadens, step by step, to about two thirds of the tempo, and a short last chord is held like a
  fermata, which is how a chorale notates its ends;
- between two pieces there is a breath.

Everything is a rule without chance, so the same notes are always played the same way. Where the network composed the
velocities itself (`Start.velocities`), they stay.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from playbach.music.events import TICKS_PER_QUARTER, End, Event, Meter, Note, Start, Tempo


@dataclass(frozen=True, slots=True)
class Performing:
    """Amounts are in steps of MIDI velocity unless the name says otherwise."""

    level: int = 74
    phrase: int = 9
    beat: int = 4
    contour_per_semitone: float = 0.6
    leading: int = 6
    inner: int = -5
    last_tempo_share: float = 0.66
    fermata_quarters: float = 2.0
    """What begins last sounds as long as so many quarters in time …"""
    slowest_share: float = 0.4
    """… as far as that needs no slower tempo than this share."""
    breath_quarters: float = 2.0
    ahead_bars: int = 4
    """How far ahead the music is known; no phrase is longer."""
    softest: int = 36
    loudest: int = 112


@dataclass
class _Piece:
    """What is known of the piece that is being played. `meter` begins before a pickup, as if its bar were full."""

    start: Start
    shift: int
    meter: Meter
    longest_bar: int = 0
    tempo: float = 80.0
    waiting: deque[Event] = field(default_factory=deque)
    phrase_from: int = 0
    mean_pitch: dict[int, float] = field(default_factory=dict)
    mean_length: float = TICKS_PER_QUARTER
    top: int = 0


def perform(events: Iterable[Event], settings: Performing | None = None) -> Iterator[Event]:
    """The same events, played: velocities, a broader last bar, and each piece later by the breaths before it.

    Events are held back until `ahead_bars` of music are known, and never reordered except that tempos are added.
    """
    settings = settings or Performing()
    breath = round(settings.breath_quarters * TICKS_PER_QUARTER)
    piece: _Piece | None = None
    shift = 0
    for event in events:
        if isinstance(event, Start):
            if piece is not None:
                shift += breath
            piece = _Piece(event, shift, Meter(event.tick, 4, 4), phrase_from=event.tick)
            yield replace(event, tick=event.tick + shift)
            continue
        assert piece is not None, "a stream begins with Start"
        piece.waiting.append(event)
        if isinstance(event, End):
            yield from _play(piece, math.inf, _broadening(piece, event.tick, settings), settings)
        else:
            if isinstance(event, Meter):
                piece.longest_bar = max(piece.longest_bar, event.bar_ticks)
            until = event.tick - settings.ahead_bars * (piece.longest_bar or piece.meter.bar_ticks)
            yield from _play(piece, until, deque(), settings)


def _play(piece: _Piece, until: float, tempos: deque[Tempo], settings: Performing) -> Iterator[Event]:
    """What begins before `until`, with the tempos of the ending in their places."""
    while piece.waiting and piece.waiting[0].tick < until:
        event = piece.waiting.popleft()
        while tempos and tempos[0].tick <= event.tick:
            tempo = tempos.popleft()
            yield replace(tempo, tick=tempo.tick + piece.shift)
        if isinstance(event, Meter):
            piece.meter = _full(piece, event)
        elif isinstance(event, Tempo):
            piece.tempo = event.qpm
        elif isinstance(event, Note) and not piece.start.velocities:
            event = replace(event, velocity=_velocity(piece, event, settings))
        yield replace(event, tick=event.tick + piece.shift)


def _full(piece: _Piece, meter: Meter) -> Meter:
    """The meter as it is, or that of the full bar of which a pickup is the end."""
    following = next((event for event in piece.waiting if isinstance(event, Meter)), None)
    pickup = following and meter.tick == piece.start.tick and following.tick == meter.tick + meter.bar_ticks
    if following and pickup and meter.bar_ticks < following.bar_ticks:
        return replace(following, tick=following.tick - following.bar_ticks)
    return meter


def _broadening(piece: _Piece, end: int, settings: Performing) -> deque[Tempo]:
    """Tempos that slow the last bar down, beat by beat, evenly from the piece's own tempo; a piece of less than
    two bars ends in time."""
    meter, tempo = piece.meter, piece.tempo
    for event in piece.waiting:
        meter = event if isinstance(event, Meter) else meter
        tempo = event.qpm if isinstance(event, Tempo) else tempo
    bar, beat = meter.bar_ticks, TICKS_PER_QUARTER * 4 // meter.denominator
    first = end - bar
    if (
        first - bar < piece.start.tick
        or beat == 0
        or any(isinstance(e, Tempo) and e.tick >= first for e in piece.waiting)
    ):
        return deque()
    beats = range(first, end, beat)
    slowest = 1 - settings.last_tempo_share
    tempos = [Tempo(tick, tempo * (1 - slowest * (i + 1) / len(beats))) for i, tick in enumerate(beats)]
    last = max((e.tick for e in piece.waiting if isinstance(e, Note)), default=first)
    in_time = settings.fermata_quarters * TICKS_PER_QUARTER
    share = max(settings.slowest_share, (end - last) / in_time) if in_time else 1.0
    before = [t for t in tempos if t.tick < last]
    if last >= first and before and share * tempo < before[-1].qpm:
        tempos = [*before, Tempo(last, share * tempo)]
    return deque(tempos)


def _velocity(piece: _Piece, note: Note, settings: Performing) -> int:
    if piece.start.tracks[note.track].drums:  # they keep time, and have no line
        level = settings.level + settings.inner + 2 * settings.beat * _weight(piece, note.tick)
        return round(max(settings.softest, min(settings.loudest, level)))
    mean = piece.mean_pitch.get(note.track, float(note.pitch))
    piece.mean_pitch[note.track] = mean + (note.pitch - mean) / 16
    piece.top = max(piece.mean_pitch, key=lambda t: piece.mean_pitch[t])
    longest_phrase = settings.ahead_bars * piece.meter.bar_ticks
    while 0 < longest_phrase <= note.tick - piece.phrase_from:
        piece.phrase_from += longest_phrase
    level = settings.level + settings.phrase * _arc(piece, note, piece.phrase_from + longest_phrase)
    level += settings.beat * _weight(piece, note.tick)
    level += max(-6.0, min(6.0, settings.contour_per_semitone * (note.pitch - mean)))
    if sum(not track.drums for track in piece.start.tracks) > 2:
        lowest = min(piece.mean_pitch, key=lambda t: piece.mean_pitch[t])
        level += settings.leading if note.track == piece.top else 0 if note.track == lowest else settings.inner
    if note.track == piece.top:
        if _rests_on(piece, note):
            piece.phrase_from = note.tick + note.duration
        piece.mean_length += (note.duration - piece.mean_length) / 12
    return round(max(settings.softest, min(settings.loudest, level)))


def _rests_on(piece: _Piece, note: Note) -> bool:
    """Whether a phrase ends with this note of the top voice."""
    long = max(TICKS_PER_QUARTER, 1.7 * piece.mean_length)
    return note.duration >= long and note.tick - piece.phrase_from >= piece.meter.bar_ticks // 2


def _arc(piece: _Piece, note: Note, end: int) -> float:
    """-1 at both ends of a phrase, 1 where it peaks, a little after its middle. It ends at `end` at the latest."""
    start, bar = piece.phrase_from, piece.meter.bar_ticks
    if note.tick < start:  # under the long note that ended the phrase
        return -1.0
    for known in (note, *piece.waiting):
        if isinstance(known, End):
            end = min(end, known.tick)
        if isinstance(known, Note) and known.track == piece.top and _rests_on(piece, known):
            end = min(end, known.tick + known.duration // 2)
            break
    x = min(max((note.tick - start) / max(1, end - start), 0.0), 1.0)
    return 2 * math.sin(math.pi * x**1.2) - 1 if end - start >= bar else 0.0


def _weight(piece: _Piece, tick: int) -> float:
    """1 on the first beat, 0.4 on the middle of an even bar, 0 on other beats, less between them."""
    bar = piece.meter.bar_ticks
    beat = TICKS_PER_QUARTER * 4 // piece.meter.denominator
    place = (tick - piece.meter.tick) % max(1, bar)
    if place == 0:
        return 1.0
    if place * 2 == bar and piece.meter.numerator % 2 == 0:
        return 0.4
    return 0.0 if place % max(1, beat) == 0 else -0.5
