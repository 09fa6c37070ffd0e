"""Composes a piece of a stream again, from its recipe: with the changes that its listener made, at the same bars.

A piece that changes while it plays is not quite the piece that `compose` makes with the same changes: how loud a bar
is depends on the bars after it, as they were expected before the change. So it is streamed once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from playbach.inference.composing import Composer, Composition
from playbach.inference.confidence import confidences
from playbach.inference.recipes import Replay
from playbach.music.assembly import score_from_events
from playbach.music.events import End, Event, Meter, Start, Tempo
from playbach.streaming.settings import LASTING_PARAMETERS, MAX_SEED, ProgrammeChange, ProgrammeSettings
from playbach.streaming.stream import Stream, TimedBar


def compose_again(composer: Composer, replay: Replay) -> Composition:
    """The piece of the recipe.

    Raises:
        UsageError: a value of the recipe is out of range.
    """
    if replay.changes is None:
        return composer.compose(**replay.arguments(composer.tracks))
    seed = min(replay.seed, MAX_SEED)
    number = replay.seed - seed
    chosen = {name: replay.options[name] for name in ("bars", *LASTING_PARAMETERS) if name in replay.options}
    changes = [ProgrammeChange(number, *change) for change in replay.changes]
    stream = Stream(composer, ProgrammeSettings(seed, **chosen), changes, number)
    events = list(_events(stream, replay))
    confidence = confidences(events, composer.encoding.fields)
    return Composition(score_from_events(events), replay.seed, replay.comment, confidence)


def _events(stream: Stream, replay: Replay) -> Iterator[Event]:
    timed = stream.next()
    header = timed.bar.header
    program = replay.program
    tracks = tuple(t if program is None or t.drums else replace(t, program=program) for t in header.tracks)
    yield Start(0, header.seed, tracks, header.bars, header.has_velocities)
    before: TimedBar | None = None
    while True:
        if before is None or _meter(timed) != _meter(before):
            yield replace(timed.bar.meter, tick=timed.bar.tick)
        for tick, _, qpm in timed.tempos:
            if before is None or qpm != before.tempos[-1][2] or tick > timed.bar.tick:
                yield Tempo(tick, qpm)
        for note in timed.notes:
            yield note.note
        if timed.bar.is_last:
            yield End(timed.bar.tick + timed.bar.ticks)
            return
        before, timed = timed, stream.next()


def _meter(timed: TimedBar) -> tuple[int, int]:
    meter: Meter = timed.bar.meter
    return meter.numerator, meter.denominator
