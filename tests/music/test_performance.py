"""Performing changes velocities, the last tempos and the pauses; everything else stays as composed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbach.music.events import End, Event, Meter, Note, Start, Tempo, Track
from playbach.music.performance import PerformanceOptions, perform

QUARTER, BAR = 480, 1920
DEFAULT = PerformanceOptions()
BREATH = round(DEFAULT.breath_quarters * QUARTER)


def piece(
    notes: list[Note],
    *,
    at: int = 0,
    meters: tuple[tuple[int, int, int], ...] = ((0, 4, 4),),
    tempo: float = 80.0,
    voices: int = 1,
    drums: tuple[int, ...] = (),
    velocities: bool = False,
    end: int | None = None,
) -> list[Event]:
    """The events of a piece in their order; ticks of notes and meters count from `at`. `drums` are tracks."""
    tracks = tuple(Track(f"voice {v}", 0, v in drums) for v in range(voices))
    last = max([0, *(n.tick + n.duration for n in notes)]) if end is None else end
    middle: list[Event] = [*(Meter(t + at, n, d) for t, n, d in meters), Tempo(at, tempo)]
    middle += [replace(n, tick=n.tick + at) for n in notes]
    return [Start(at, 7, tracks, velocities=velocities), *sorted(middle, key=lambda e: e.tick), End(last + at)]


def steady(bars: int, duration: int = QUARTER, pitch: int = 60, start: int = 0) -> list[Note]:
    return [Note(t, duration, pitch, 80, 0, (t,)) for t in range(start, start + bars * BAR, duration)]


def phrases(count: int, bars: int = 2) -> list[Note]:
    """Phrases on one pitch in quarters, each with a half note at its end."""
    notes = []
    for phrase in range(count):
        begin = phrase * bars * BAR
        ticks = range(begin, begin + bars * BAR - 2 * QUARTER, QUARTER)
        notes += [Note(t, QUARTER, 60, 80) for t in ticks]
        notes.append(Note(begin + bars * BAR - 2 * QUARTER, 2 * QUARTER, 60, 80))
    return notes


def chorale(bars: int) -> list[Note]:
    return [Note(t, QUARTER, 72 - 7 * v, 80, v) for t in range(0, bars * BAR, QUARTER) for v in range(4)]


def kit(bars: int, track: int) -> list[Note]:
    """A low and a high drum alternate in eighths. The low drum begins in even bars, the high one in odd bars."""
    ticks = range(0, bars * BAR, QUARTER // 2)
    return [Note(t, 60, (36, 81)[(t // 240 + t // BAR) % 2], 80, track) for t in ticks]


def notes_of(events: Iterator[Event] | list[Event]) -> list[Note]:
    return [event for event in events if isinstance(event, Note)]


def tempos_of(events: list[Event]) -> list[Tempo]:
    return [event for event in events if isinstance(event, Tempo)]


def played(events: list[Event], **settings: float) -> list[Event]:
    return list(perform(events, PerformanceOptions(**settings) if settings else None))  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------- what stays the same


@st.composite
def pieces(draw: st.DrawFn) -> list[Event]:
    """Short and long ones, with pickups, changing meters, overlaps, chords and silences."""
    meter = st.tuples(st.integers(1, 9), st.sampled_from([1, 2, 4, 8, 16, 32]))
    tick, meters = 0, []
    for numerator, denominator in draw(st.lists(meter, min_size=1, max_size=5)):
        meters.append((tick, numerator, denominator))
        tick += draw(st.integers(1, 9)) * BAR * numerator // denominator
    note = st.builds(
        Note,
        st.integers(0, tick),
        st.integers(1, 3 * BAR),
        st.integers(0, 127),
        st.integers(1, 127),
        st.integers(0, 3),
    )
    notes = draw(st.lists(note, max_size=60))
    end = max([tick if draw(st.booleans()) else meters[-1][0], *(n.tick + n.duration for n in notes)])
    composed = draw(st.booleans())
    return piece(notes, meters=tuple(meters), tempo=draw(st.floats(4, 480)), voices=4, velocities=composed, end=end)


@given(st.lists(pieces(), min_size=1, max_size=3), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_events_stay_in_order_and_move_only_by_pauses(programme: list[list[Event]], ahead: int) -> None:
    composed: list[Event] = []
    for events in programme:
        begin = composed[-1].tick if composed else 0
        composed += [replace(e, tick=e.tick + begin) for e in events]
    result = played(composed, ahead_bars=ahead) if ahead else played(composed)

    ticks = [event.tick for event in result]
    assert ticks == sorted(ticks)

    # Without the pauses and the added tempos, only the velocities differ from what was composed.
    undone: list[Event] = []
    number = -1
    own = list(composed)
    for event in result:
        number += isinstance(event, Start)
        back = replace(event, tick=event.tick - number * BREATH)
        if isinstance(back, Tempo) and back != own[len(undone)]:
            continue
        undone.append(back)
    assert [replace(e, velocity=1) if isinstance(e, Note) else e for e in undone] == [
        replace(e, velocity=1) if isinstance(e, Note) else e for e in composed
    ]

    kept = False
    for before, after in zip(own, undone):
        kept = before.velocities if isinstance(before, Start) else kept
        if isinstance(after, Note):
            assert DEFAULT.softest <= after.velocity <= DEFAULT.loudest or kept
            assert not kept or after == before


def test_the_same_notes_are_always_performed_in_the_same_way() -> None:
    events = piece(chorale(8), voices=4)
    assert played(events) == played(events)


def test_a_piece_is_performed_the_same_at_any_tick() -> None:
    first = played(piece(phrases(3)))
    later = played(piece(phrases(3), at=12_345))
    assert [replace(e, tick=e.tick - 12_345) for e in later] == first


def test_composed_velocities_stay() -> None:
    notes = [replace(n, velocity=1 + n.tick % 127) for n in chorale(8)]
    assert notes_of(played(piece(notes, voices=4, velocities=True))) == notes


# -------------------------------------------------------------------------------------------------------- dynamics


@pytest.mark.parametrize("notes", [steady(8), steady(40, 120), phrases(4), chorale(8)])
def test_velocities_differ_and_stay_within_bounds(notes: list[Note]) -> None:
    velocities = [n.velocity for n in notes_of(played(piece(notes, voices=4)))]
    assert max(velocities) - min(velocities) >= 8
    assert all(DEFAULT.softest <= v <= DEFAULT.loudest for v in velocities)


def test_velocities_stay_within_bounds_for_any_amounts() -> None:
    notes = notes_of(played(piece(phrases(4)), phrase=300, softest=50, loudest=60))
    assert {n.velocity for n in notes} == {50, 60}


def test_each_phrase_has_a_crescendo_and_a_diminuendo() -> None:
    """The diminuendo includes the long last note."""
    velocities = [n.velocity for n in notes_of(played(piece(phrases(4)), beat=0, contour_per_semitone=0))]
    for first in range(0, 28, 7):
        phrase = velocities[first : first + 7]
        peak = phrase.index(max(phrase))
        assert 2 <= peak <= 5
        assert phrase[: peak + 1] == sorted(phrase[: peak + 1])
        assert phrase[peak:] == sorted(phrase[peak:], reverse=True)
        assert max(phrase) - max(phrase[0], phrase[-1]) >= 8


def test_all_voices_get_softer_at_the_end_of_a_phrase() -> None:
    notes = [replace(n, pitch=72 - 7 * v, track=v) for n in phrases(3) for v in range(4)]
    result = notes_of(played(piece(notes, voices=4), beat=0))
    for voice in range(4):
        line = [n.velocity for n in result if n.track == voice]
        assert max(line[:7]) - line[6] >= 6


def test_music_without_long_notes_has_phrases_of_four_bars() -> None:
    """A prelude in sixteenths has no long notes at which phrases could end."""
    notes = notes_of(played(piece(steady(40, 120)), beat=0))
    for bar in range(0, 36, 4):
        velocities = [n.velocity for n in notes if bar * BAR <= n.tick < (bar + 4) * BAR]
        assert max(velocities) - min(velocities) >= 12
        assert velocities.index(max(velocities)) in range(20, 50)
    steps = np.abs(np.diff([n.velocity for n in notes if n.tick < 36 * BAR]))
    assert steps.max() <= 2  # without jumps


def test_a_phrase_peaks_a_little_after_its_middle() -> None:
    """Music without long notes has phrases of four bars."""
    result = notes_of(played(piece(steady(8, 60)), beat=0, phrase=50, softest=1, loudest=127))
    for phrase in (0, 1):
        notes = [n for n in result if n.tick // (4 * BAR) == phrase]
        loudest = max(n.velocity for n in notes)
        peak = np.mean([n.tick - phrase * 4 * BAR for n in notes if n.velocity == loudest])
        assert 2 * BAR + 60 < peak < 2.5 * BAR


def test_a_long_first_note_does_not_end_its_phrase() -> None:
    """A phrase that begins with a long note still begins softly."""
    notes = [Note(0, 2 * QUARTER, 60, 80), *steady(2)[2:-2], Note(2 * BAR - 2 * QUARTER, 2 * QUARTER, 60, 80)]
    notes += [replace(n, tick=n.tick + 2 * BAR) for n in notes]
    velocities = [n.velocity for n in notes_of(played(piece(notes), beat=0))]
    for phrase in (velocities[:6], velocities[6:]):
        assert phrase[0] == min(phrase)
        assert max(phrase) - phrase[0] >= 8


@pytest.mark.parametrize("meter", [(4, 4), (3, 4), (2, 2), (6, 8)])
def test_strong_beats_are_louder_on_average(meter: tuple[int, int]) -> None:
    numerator, denominator = meter
    bar, beat = BAR * numerator // denominator, BAR // denominator
    notes = [Note(t, beat // 2, 60, 80) for t in range(0, 16 * bar, beat // 2)]
    result = notes_of(played(piece(notes, meters=((0, *meter),))))

    def mean(chosen: list[Note]) -> float:
        return float(np.mean([n.velocity for n in chosen]))

    ones = mean([n for n in result if n.tick % bar == 0])
    beats = mean([n for n in result if n.tick % bar and n.tick % beat == 0])
    between = mean([n for n in result if n.tick % beat])
    assert ones > beats + 1
    assert beats > between + 1


def test_a_pickup_is_not_a_strong_beat() -> None:
    notes = steady(4, start=0)
    result = notes_of(played(piece(notes, meters=((0, 1, 4), (QUARTER, 4, 4))), phrase=0))
    flat = [n.velocity - DEFAULT.level for n in result]
    assert flat[:6] == [0, DEFAULT.beat, 0, round(0.4 * DEFAULT.beat), 0, DEFAULT.beat]


def test_strong_beats_move_with_a_change_of_meter() -> None:
    meters = ((0, 4, 4), (2 * BAR, 3, 4))
    result = notes_of(played(piece(steady(5), meters=meters), phrase=0))
    strong = [n.tick for n in result if n.velocity == DEFAULT.level + DEFAULT.beat]
    assert strong == [0, BAR, *range(2 * BAR, 5 * BAR, 3 * QUARTER)]


def test_a_line_gets_louder_as_it_rises() -> None:
    rising = [replace(n, pitch=48 + i) for i, n in enumerate(steady(4))]
    falling = [replace(n, pitch=80 - i) for i, n in enumerate(steady(4))]
    up, down = (notes_of(played(piece(notes), phrase=0, beat=0)) for notes in (rising, falling))
    assert up[-1].velocity > up[0].velocity
    assert down[-1].velocity < down[0].velocity


def test_of_four_voices_the_top_one_is_louder_and_the_inner_ones_are_softer() -> None:
    result = notes_of(played(piece(chorale(8), voices=4), phrase=0))[8:]
    top, alto, tenor, bass = (np.mean([n.velocity for n in result if n.track == v]) for v in range(4))
    assert top > bass > alto == tenor


def test_the_top_voice_is_the_one_with_the_highest_pitches_in_any_track() -> None:
    upside_down = [replace(n, track=3 - n.track) for n in chorale(8)]
    result = notes_of(played(piece(sorted(upside_down, key=lambda n: (n.tick, n.track)), voices=4), phrase=0))[8:]
    means = [float(np.mean([n.velocity for n in result if n.track == v])) for v in range(4)]
    assert means.index(max(means)) == 3


def test_two_voices_are_equally_loud() -> None:
    notes = [n for n in chorale(4) if n.track < 2]
    result = notes_of(played(piece(notes, voices=2), phrase=0))
    assert [n.velocity for n in result if n.track == 0] == [n.velocity for n in result if n.track == 1]


def test_the_velocity_of_a_drum_depends_only_on_the_beat() -> None:
    """Loudest on the first beat, then in the middle of the bar, on the other beats, and between beats. Neither the
    drum nor the phrase changes it."""
    result = notes_of(played(piece([*steady(8), *kit(8, 1)], voices=2, drums=(1,))))
    places = [{n.velocity for n in result if n.track == 1 and n.tick % BAR == place} for place in range(0, BAR, 240)]
    assert [len(velocities) for velocities in places] == [1] * 8
    first, after_first, second, after_second, middle, after_middle, fourth, after_fourth = (v.pop() for v in places)
    assert after_first == after_second == after_middle == after_fourth
    assert first > middle > second == fourth > after_first


def test_drums_are_softer_than_the_melody_and_stay_within_bounds() -> None:
    result = notes_of(played(piece([*steady(8), *kit(8, 1)], voices=2, drums=(1,))))
    melody, drums = ([n.velocity for n in result if n.track == t and n.tick % QUARTER == 0] for t in (0, 1))
    assert np.mean(drums) < np.mean(melody)
    narrow = notes_of(played(piece(kit(4, 0), drums=(0,)), beat=100, softest=70, loudest=90))
    assert {n.velocity for n in narrow} == {70, 90}


def test_drums_do_not_count_as_a_voice() -> None:
    """The other instruments are performed in the same way with and without drums."""
    two = [replace(n, pitch=p, track=v) for n in steady(8) for v, p in enumerate((72, 48))]
    alone = notes_of(played(piece(two, voices=2)))
    with_drums = notes_of(played(piece([*two, *kit(8, 2)], voices=3, drums=(2,))))
    assert [n for n in with_drums if n.track < 2] == alone


# ------------------------------------------------------------------------------------------------------ the ending


@pytest.mark.parametrize(("meter", "beats"), [((4, 4), 4), ((3, 4), 3), ((6, 8), 6), ((2, 2), 2)])
def test_the_last_bar_slows_down_evenly(meter: tuple[int, int], beats: int) -> None:
    bar = BAR * meter[0] // meter[1]
    notes = [Note(t, bar, 60, 80) for t in range(0, 4 * bar, bar)]
    result = played(piece(notes, meters=((0, *meter),), tempo=90.0))
    own, *added = tempos_of(result)
    assert own == Tempo(0, 90.0)
    assert [t.tick for t in added] == list(range(3 * bar, 4 * bar, bar // beats))
    assert added[-1].qpm == pytest.approx(90 * DEFAULT.last_tempo_share)
    steps = np.diff([90.0, *(t.qpm for t in added)])
    assert (steps < 0).all()
    np.testing.assert_allclose(steps, steps[0])


def test_the_last_bar_slows_down_from_the_tempo_before_it() -> None:
    events = piece(steady(8), tempo=60.0)
    events.insert(20, Tempo(events[20].tick, 100.0))
    qpm = [t.qpm for t in tempos_of(played(events, fermata_quarters=0))]
    assert qpm == pytest.approx([60, 100, 91.5, 83, 74.5, 66])


def test_a_short_last_chord_is_held_like_a_fermata() -> None:
    result = played(piece(steady(8)), fermata_quarters=2)  # it ends with a quarter
    *before, last = tempos_of(result)
    assert last == Tempo(8 * BAR - QUARTER, 40.0)
    assert before[-1].qpm > last.qpm
    assert tempos_of(played(piece(steady(8)), fermata_quarters=8))[-1].qpm == 80 * DEFAULT.slowest_share
    whole = [*steady(7), Note(7 * BAR, BAR, 60, 80)]
    assert len(tempos_of(played(piece(whole), fermata_quarters=2))) == 5, "a long one needs none"


def test_by_default_a_last_quarter_is_held_as_long_as_a_half_note() -> None:
    last = tempos_of(played(piece(steady(8), tempo=80.0)))[-1]
    assert last.tick == 8 * BAR - QUARTER
    assert 60 / last.qpm == pytest.approx(2 * 60 / 80.0)


def test_a_tempo_composed_in_the_last_bar_stays() -> None:
    for tick in (7 * BAR, 7 * BAR + QUARTER):
        events = sorted([*piece(steady(8)), Tempo(tick, 50.0)], key=lambda e: (e.tick, isinstance(e, End)))
        assert tempos_of(played(events)) == [Tempo(0, 80.0), Tempo(tick, 50.0)]


def test_a_piece_of_less_than_two_bars_does_not_slow_down() -> None:
    assert len(tempos_of(played(piece(steady(1))))) == 1
    assert len(tempos_of(played(piece(steady(2)[:-1])))) == 1
    assert len(tempos_of(played(piece(steady(2))))) == 5


def test_ticks_never_decrease_if_the_last_bar_is_much_longer() -> None:
    """The last bar begins among events that a look-ahead of short bars would already have returned."""
    notes = [Note(t, 120, 60, 80) for t in [*range(0, 8 * BAR + 360, 120), 9 * BAR - 120]]
    result = played(piece(notes, meters=((0, 1, 8), (8 * BAR, 4, 4))), fermata_quarters=0)
    ticks = [e.tick for e in result]
    assert ticks == sorted(ticks)
    assert [t.tick for t in tempos_of(result)[1:]] == [8 * BAR + i * QUARTER for i in range(4)]


def test_ticks_never_decrease_if_the_last_meter_is_much_longer_than_the_bars_before_it() -> None:
    """A bar of the last meter that ended with the piece would begin among events that have already been returned."""
    events = piece(steady(21), meters=((0, 1, 1), (20 * BAR, 7, 1)))
    result = played(events)
    ticks = [e.tick for e in result]
    assert ticks == sorted(ticks)
    assert tempos_of(result) == tempos_of(events), "the last bar does not slow down"


@pytest.mark.parametrize("notes", [[], [Note(0, 1, 60, 80)], [Note(0, 480, 60, 80), Note(0, 480, 64, 80)]])
def test_very_short_pieces(notes: list[Note]) -> None:
    result = played(piece(notes))
    assert [type(e) for e in result] == [Start, Meter, Tempo, *[Note] * len(notes), End]
    assert result[-1].tick == max([0, *(n.duration for n in notes)])


def test_overlapping_notes_keep_their_lengths() -> None:
    notes = [Note(t, 3 * QUARTER, 60 + t // QUARTER, 80) for t in range(0, 4 * BAR, QUARTER)]
    result = notes_of(played(piece(notes)))
    assert [(n.tick, n.duration, n.pitch) for n in result] == [(n.tick, n.duration, n.pitch) for n in notes]


# ------------------------------------------------------------------------------------------------------ the stream


def endless(bars: int = 8) -> Iterator[Event]:
    begin = 0
    for _ in itertools.count():
        events = piece(steady(bars), at=begin)
        yield from events
        begin = events[-1].tick


class Counting:
    """A stream that records how far it has been consumed."""

    def __init__(self, events: Iterator[Event]) -> None:
        self.events, self.latest = events, 0

    def __iter__(self) -> Iterator[Event]:
        for event in self.events:
            self.latest = event.tick
            yield event


def test_there_is_a_pause_between_two_pieces() -> None:
    result = list(itertools.islice(perform(endless()), 300))
    ends = [e.tick for e in result if isinstance(e, End)]
    starts = [e.tick for e in result if isinstance(e, Start)]
    assert len(ends) >= 4
    assert [b - a for a, b in zip(ends, starts[1:])] == [BREATH] * min(len(ends), len(starts) - 1)
    assert starts[0] == 0


def test_the_next_piece_is_in_its_own_tempo_from_the_first_note() -> None:
    result = list(itertools.islice(perform(endless()), 300))
    for i, event in enumerate(result):
        if isinstance(event, Start):
            following = result[i + 1 : i + 4]
            assert Tempo(event.tick, 80.0) in following
            assert [type(e) for e in following] == [Meter, Tempo, Note]


def test_an_endless_stream_is_consumed_only_ahead_bars_ahead() -> None:
    source = Counting(endless(bars=50))
    shift = furthest = 0
    starts = 0
    for event in itertools.islice(perform(source), 1500):
        starts += isinstance(event, Start)
        shift = (starts - 1) * BREATH
        furthest = max(furthest, source.latest - (event.tick - shift))
    assert starts > 5
    assert 4 * BAR <= furthest <= 4 * BAR + QUARTER


def test_an_endless_piece_without_a_meter_is_performed() -> None:
    def forever() -> Iterator[Event]:
        yield Start(0, 1, (Track("voice", 0),))
        for tick in itertools.count(0, QUARTER):
            yield Note(tick, QUARTER, 60, 80)

    source = Counting(forever())
    result = list(itertools.islice(perform(source), 1000))
    assert [e.tick for e in result[1:]] == list(range(0, 999 * QUARTER, QUARTER))
    assert source.latest - result[-1].tick <= 4 * BAR + QUARTER


def test_nothing_is_consumed_before_it_is_requested() -> None:
    source = Counting(endless())
    stream = perform(source)
    assert source.latest == 0
    assert isinstance(next(stream), Start)
    assert source.latest == 0


def test_ahead_bars_sets_how_far_ahead_is_read() -> None:
    source = Counting(endless(bars=50))
    for event in itertools.islice(perform(source, PerformanceOptions(ahead_bars=1)), 100):
        assert source.latest - event.tick <= BAR + QUARTER
