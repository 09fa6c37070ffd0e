"""Primes: music that a network continues, as it was given and as the network hears it.

A user's own music comes back unchanged, whatever the network hears of it: notes, meters, keys, tempos, controllers,
bends, instruments and texts that begin before the tick at which composed music begins. What the network hears is
the encoding of this music as it sounds with its pedal. Composed notes go on in the tracks that they continue.

Knows scores, encodings and events; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from symusic.core import ControlChangeTick as ControlChange
from symusic.core import PitchBendTick as PitchBend
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as ScoreTrack

from playbach.encodings.base import Decoder, EncodedPiece, Encoding
from playbach.inference.options import ComposeOptions
from playbach.music.arrays import Ints
from playbach.music.assembly import beginning_of, drop_later_meters
from playbach.music.bars import Bars, Header, meters_of, tempo_of
from playbach.music.events import MIDI_TEMPO, TICKS_PER_QUARTER, End, Event, Meter, Note, Tempo, Track
from playbach.music.options import ReadingOptions
from playbach.music.pedal import sustain
from playbach.music.scores import content_hash
from playbach.rendering.midi import drop_comment
from playbach.system.errors import ScoreError

SIXTEENTH_TICKS = TICKS_PER_QUARTER // 4
SAME_TEMPO = 0.006
"""Headers have tempos rounded to hundredths."""
NEUTRAL_CONTROLS = {1: 0, 64: 0, 65: 0, 66: 0, 67: 0}
"""What composed music needs of controllers: no modulation, no pedals. So does Reset All Controllers (RP-015)."""
LOUDNESS_CONTROLS = (7, 11)
"""Volume and expression, which a fade-out leaves at 0."""


@dataclass(frozen=True, slots=True)
class Prime:
    """Music to continue."""

    label: str
    """The content hash of the music as it was given, or the name of a passage."""
    piece: EncodedPiece
    """All of it, as the network hears it."""
    given: Score | None = None
    """As the user gave it; None for a passage of the corpus."""
    sounding: Score | None = None
    """As it is encoded: as it sounds with the pedal, or as written."""


def own_prime(
    score: Score, encoding: Encoding, name: str, options: ReadingOptions, *, use: str = "continue this prime"
) -> Prime:
    """A user's music as a prime.

    With the pedal, a single voice can become chords. An encoding that then rejects the music hears it as written.

    Args:
        name: the model's, for messages.
        use: what the model is to do with it, for messages.

    Raises:
        ScoreError: the encoding cannot represent it.
    """
    sounding = sustain(score) if options.pedal == "keep" else score
    if encoding.rejection_reason(sounding) is not None:
        sounding = score
    try:
        piece = encoding.encode(sounding)
    except ScoreError as error:
        raise ScoreError(f"the model {name!r} cannot {use}: {error}") from error
    return Prime(content_hash(score), piece, score, sounding)


@dataclass(frozen=True, slots=True)
class Opening:
    """The part of a prime that a network hears, and where it goes on."""

    header: Header
    steps: Ints
    """(T, F)."""
    tick: int
    """Where composed music begins in the time of the decoder."""
    bars: int
    """The number of bars that the steps fill or begin."""
    until: int
    """Where composed music begins in the time of the prime."""


def open_prime(prime: Prime, encoding: Encoding, played: Encoding, options: ComposeOptions) -> Opening:
    """The part of the prime that the options ask for.

    Args:
        encoding: the model's.
        played: the same, with the fixed times of the options.
    """
    piece, steps, end = prime.piece, prime.piece.steps, None
    if prime.given is None:
        steps = _first_bars(steps, played.decoder(piece.header), options.prime_bars)
    elif options.prime_bars is not None:
        end = Bars(meters_of(prime.given, 1)).start(options.prime_bars + 1)
        steps = _steps_until(prime, encoding, end)
    decoder = played.decoder(piece.header)
    for step in steps:
        decoder.feed(step)
    tick = decoder.tick
    return Opening(
        header=drop_later_meters(piece.header, tick),
        steps=steps,
        tick=tick,
        bars=decoder.last_begun_bar,
        until=tick if prime.given is None else _own_end(prime.given, tick, end, played.keeps_times),
    )


def _first_bars(steps: Ints, decoder: Decoder, bars: int | None) -> Ints:
    for number, step in enumerate(steps):
        if bars is not None and decoder.bar > bars:
            return steps[:number]
        decoder.feed(step)
    return steps


def _steps_until(prime: Prime, encoding: Encoding, end: int) -> Ints:
    """The steps of what begins before the tick `end` of a user's music."""
    steps = prime.piece.steps
    assert prime.sounding is not None
    if not encoding.keeps_times:
        part = beginning_of(prime.sounding, end)
        return steps[:0] if encoding.rejection_reason(part) else encoding.encode(part).steps
    decoder = encoding.decoder(prime.piece.header)
    for number, step in enumerate(steps):
        if decoder.tick >= end:
            return steps[:number]
        decoder.feed(step)
    return steps


def _own_end(score: Score, tick: int, end: int | None, keeps_times: bool) -> int:
    """The tick at which a user's music ends and composed music begins.

    That is where the decoder is after its steps, if it keeps the time. But where notes that the network does not hear
    go on for a bar or more, composed music begins whole bars later, after the last of them has begun.

    Args:
        tick: where the decoder is.
        end: the end of the bars that are used, None for all.
    """
    notes = [track.notes.numpy() for track in score.tracks if len(track.notes)]
    last = max((int(n["time"].max()) for n in notes), default=0)
    if end is not None and last >= end:
        return max(tick, end) if keeps_times else end
    final = max((int((n["time"] + n["duration"]).max()) for n in notes), default=0)
    if not keeps_times:
        sixteenths = max(-(-(final - SIXTEENTH_TICKS // 4) // SIXTEENTH_TICKS), last // SIXTEENTH_TICKS + 1)
        return sixteenths * SIXTEENTH_TICKS
    bar = Meter(0, *_meter_at(Bars(meters_of(score, 1)), last)).bar_ticks
    bars = max(0, (final - tick) // bar, -(-(last + 1 - tick) // bar))
    return tick + bars * bar


def _meter_at(bars: Bars, tick: int) -> tuple[int, int]:
    numerator, _, denominator = bars.meter(tick).partition("/")
    return int(numerator), int(denominator)


def remarks_of(prime: Prime, opening: Opening, encoding: Encoding, kept: bool) -> tuple[str, ...]:
    """A line that says how many notes of a user's music the network does not hear, and why."""
    if prime.given is None or prime.sounding is None:
        return ()
    part = beginning_of(prime.given, opening.until)
    counts = {
        reason: int((onsets < opening.until).sum()) for reason, onsets in encoding.unheard(prime.sounding).items()
    }
    counts = {reason: count for reason, count in counts.items() if count}
    if not counts:
        return ()
    total = part.note_num()
    first, *others = counts.items()
    reasons = ", ".join([_reason(*first), *(f"{count:,} {reason}" for reason, count in others)])
    ending = "; all are kept in the result" if kept else ""
    return (
        f"the model hears {total - sum(counts.values()):,} of the prime's {total:,} note{'s' * (total != 1)}: "
        f"{reasons}{ending}",
    )


def _reason(reason: str, count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'} {reason}"


@dataclass(frozen=True)
class OwnMusic:
    """A user's music, which comes first in the result."""

    score: Score
    """What of it begins before the composed music."""
    until: int
    """The tick at which composed music begins."""
    tracks: tuple[Track, ...]
    """Those of the score, and others for composed notes that continue none of them."""
    lines: tuple[int, ...]
    """For each track of the composed music, the index of its track."""
    single_voices: bool
    """Whether a composed note ends a note that still sounds on its track."""
    tempo: float | None
    """The tempo of the result, if the user has chosen one."""

    @cached_property
    def _meters(self) -> Bars:
        return Bars(meters_of(self.score, 1))

    @cached_property
    def _tempos(self) -> list[Tempo]:
        """From tick 0 on; one at each tick."""
        if self.tempo is not None:
            return [Tempo(0, self.tempo)]
        found = {0: MIDI_TEMPO} | {t.time: float(t.qpm) for t in self.score.tempos}
        return [Tempo(tick, qpm) for tick, qpm in sorted(found.items())]

    @cached_property
    def main_tempo(self) -> float:
        """The tempo in which composed music goes on, in quarters a minute."""
        return self.tempo or (tempo_of(self.score) if len(self.score.tempos) else MIDI_TEMPO)

    def followed_by(self, events: Iterable[Event], start: int) -> Iterator[Event]:
        """This music and composed events after it, in the order of their ticks.

        A note that still sounds where composed music begins keeps its length, unless the network holds it, which
        decides when it ends, or a composed note begins in its voice (or with its pitch, on its track).

        Args:
            events: from tick `start + until` on, with the tracks of the composed music. A note without choices goes
                on with one that the network heard.
            start: the tick at which the result begins.
        """
        events = iter(events)
        notes = [
            Note(n.time + start, n.duration, n.pitch, n.velocity, index)
            for index, track in enumerate(self.score.tracks)
            for n in track.notes
        ]
        begin = start + self.until
        horizon = max([begin + self._rest_of_bar, *(n.tick + n.duration for n in notes)])
        near: list[Event] = []
        for event in events:
            near.append(self._on_track(event))
            if event.tick > horizon:
                break
        near = self._without_repeated_signs(near, begin)
        notes, near = _join(notes, near, begin, self.single_voices)
        yield from self._in_order(notes, start)
        last = max((n.tick + n.duration for n in notes), default=0)
        for event in (*near, *map(self._on_track, events)):
            yield End(max(event.tick, last)) if isinstance(event, End) else event

    def _on_track(self, event: Event) -> Event:
        return replace(event, track=self.lines[event.track]) if isinstance(event, Note) else event

    def _in_order(self, notes: Iterable[Note], start: int) -> list[Event]:
        signs: list[Event] = [Meter(t + start, n, d) for t, n, d in meters_of(self.score, 1)]
        signs += [replace(tempo, tick=tempo.tick + start) for tempo in self._tempos]
        ordered = sorted(notes, key=lambda note: (note.tick, note.track, note.pitch))
        return sorted([*signs, *ordered], key=lambda event: event.tick)

    def _without_repeated_signs(self, events: list[Event], begin: int) -> list[Event]:
        """The events without the tempo and the meter at tick `begin` if these only say what is so already.

        A meter that does so may be that of the rest of a bar, with the full meter after it.
        """
        meters = [event for event in events if isinstance(event, Meter)]
        now = Meter(begin, *_meter_at(self._meters, self.until))
        going_on = [now]
        if self._rest_of_bar < now.bar_ticks:
            rest = [meter for meter in meters[:1] if meter.bar_ticks == self._rest_of_bar]
            going_on = [*rest, replace(now, tick=begin + self._rest_of_bar)]
        repeated: list[Event] = [*going_on] if meters[: len(going_on)] == going_on else []
        tempo = next((event for event in events if isinstance(event, Tempo) and event.tick == begin), None)
        if tempo is not None and abs(tempo.qpm - self._tempos[-1].qpm) <= SAME_TEMPO:
            repeated.append(tempo)
        return [event for event in events if event not in repeated]

    @cached_property
    def _rest_of_bar(self) -> int:
        """Ticks from where composed music begins to the next bar line, at most a bar."""
        return Meter(0, *_meter_at(self._meters, self.until)).bar_ticks - self._meters.place(self.until)

    def complete(self, score: Score) -> Score:
        """The score of the result, with all that its events cannot tell of this music.

        Where composed music begins, pedals, modulation and the pitch wheel return to rest, and volume and expression
        to the loudest that this music had: otherwise composed notes would be blurred, out of tune or, after a
        fade-out, silent.
        """
        score.time_signatures = _joined(self.score.time_signatures, score.time_signatures, self.until)
        if self.tempo is None:
            score.tempos = _joined(self.score.tempos, score.tempos, self.until)
        for sign in self.score.key_signatures:
            score.key_signatures.append(sign)
        for marker in self.score.markers:
            score.markers.append(marker)
        drop_comment(score)  # how an earlier piece was composed
        for track, own in zip(score.tracks, self.score.tracks):
            track.controls, track.pitch_bends = own.controls, own.pitch_bends
            track.pedals, track.lyrics = own.pedals, own.lyrics
            _to_rest(track, self.until)
        return score


def own_music(
    prime: Prime, opening: Opening, header: Header, encoding: Encoding, options: ComposeOptions
) -> OwnMusic | None:
    """The user's music that comes first in the result; None for a passage, or if the result is without it.

    Args:
        header: of the composed music, with the instruments that the user has chosen.
    """
    if prime.given is None or prime.sounding is None or not options.keep_prime:
        return None
    tracks = [Track(t.name, t.program, t.is_drum) for t in prime.given.tracks]
    lines: list[int] = []
    sources = encoding.sources(prime.sounding, prime.piece.header)
    for track, source, chosen in zip(header.tracks, sources, chosen_programs(encoding, header, options)):
        if source is None or source in lines:
            lines.append(len(tracks))
            tracks.append(track)
            continue
        lines.append(source)
        if chosen is not None:
            tracks[source] = replace(tracks[source], program=chosen)
    score = beginning_of(prime.given, opening.until)
    return OwnMusic(
        score=score,
        until=opening.until,
        tracks=tuple(tracks),
        lines=tuple(lines),
        single_voices=encoding.has_single_voices,
        tempo=options.tempo,
    )


def chosen_programs(encoding: Encoding, header: Header, options: ComposeOptions) -> tuple[int | None, ...]:
    """The program that the user has chosen for each track of the header; None for the piece's own."""
    if options.programs is None:
        return (None,) * len(header.tracks)
    if encoding.track_count is not None:
        return options.programs
    names = [track.name for track in encoding.tracks]  # a piece may have only some of the tracks
    return tuple(options.programs[names.index(track.name)] for track in header.tracks)


def _join(notes: list[Note], near: list[Event], begin: int, single_voices: bool) -> tuple[list[Note], list[Event]]:
    """A user's notes and the composed events after tick `begin`, with the ends of the notes that sound there.

    Composed notes that go on with one of these notes are left out.
    """
    joined, absorbed = list[Note](), list[Event]()
    composed = [event for event in near if isinstance(event, Note)]
    for note in notes:
        end = note.tick + note.duration
        following = composed if end > begin else []
        for other in following:
            if other.track != note.track or any(other is event for event in absorbed):
                continue
            if not other.choices and (other.tick, other.pitch) == (begin, note.pitch):
                end = begin + other.duration
                absorbed.append(other)
                break
            if other.tick < end and (single_voices or other.pitch == note.pitch):
                end = other.tick
                break
        joined.append(note if end == note.tick + note.duration else replace(note, duration=end - note.tick))
    return joined, [event for event in near if not any(event is other for other in absorbed)]


def _joined(own: Any, result: Any, until: int) -> Any:
    """The signs of a user's music, and those of the result from the tick `until` on."""
    signs = own.copy()
    for sign in result:
        if sign.time >= until:
            signs.append(sign)
    return signs


def _to_rest(track: ScoreTrack, tick: int) -> None:
    """See `OwnMusic.complete`."""
    values = dict[int, list[int]]()
    for control in sorted(track.controls, key=lambda c: c.time):
        values.setdefault(control.number, []).append(control.value)
    rest = {number: value for number, value in NEUTRAL_CONTROLS.items() if values.get(number, [value])[-1] != value}
    rest |= {n: max(values[n]) for n in LOUDNESS_CONTROLS if n in values and values[n][-1] < max(values[n])}
    for number, value in rest.items():
        track.controls.append(ControlChange(tick, number, value))
    bends = sorted(track.pitch_bends, key=lambda bend: bend.time)
    if bends and bends[-1].value:
        track.pitch_bends.append(PitchBend(tick, 0))
    for pedal in track.pedals:
        pedal.duration = min(pedal.duration, tick - pedal.time)
