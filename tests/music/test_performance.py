"""The performer: what it changes sounds right, and everything else stays as it was composed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbach.music.events import End, Event, Meter, Note, Start, Tempo, Track
from playbach.music.performance import Performing, perform

QUARTER, BAR = 480, 1920
DEFAULT = Performing()
BREATH = round(DEFAULT.breath_quarters * QUARTER)


def piece(
    notes: list[Note],
    *,
    at: int = 0,
    meters: tuple[tuple[int, int, int], ...] = ((0, 4, 4),),
    tempo: float = 80.0,
    voices: int = 1,
    velocities: bool = False,
    end: int | None = None,
) -> list[Event]:
    """The events of a piece in their order; ticks of notes and meters count from `at`."""
    tracks = tuple(Track(f"voice {v}", 0) for v in range(voices))
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


def notes_of(events: Iterator[Event] | list[Event]) -> list[Note]:
    return [event for event in events if isinstance(event, Note)]


def tempos_of(events: list[Event]) -> list[Tempo]:
    return [event for event in events if isinstance(event, Tempo)]


def played(events: list[Event], **settings: float) -> list[Event]:
    return list(perform(events, Performing(**settings) if settings else None))  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------- what stays


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
def test_nothing_is_lost_reordered_or_moved_but_by_breaths(programme: list[list[Event]], ahead: int) -> None:
    composed: list[Event] = []
    for events in programme:
        begin = composed[-1].tick if composed else 0
        composed += [replace(e, tick=e.tick + begin) for e in events]
    result = played(composed, ahead_bars=ahead) if ahead else played(composed)

    ticks = [event.tick for event in result]
    assert ticks == sorted(ticks)

    # Take the breaths and the tempos that were added away, and it is what was composed, but for velocities.
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


def test_the_same_notes_are_always_played_the_same_way() -> None:
    events = piece(chorale(8), voices=4)
    assert played(events) == played(events)


def test_a_pieces_place_in_the_stream_makes_no_difference() -> None:
    first = played(piece(phrases(3)))
    later = played(piece(phrases(3), at=12_345))
    assert [replace(e, tick=e.tick - 12_345) for e in later] == first


def test_composed_velocities_are_left_alone() -> None:
    notes = [replace(n, velocity=1 + n.tick % 127) for n in chorale(8)]
    assert notes_of(played(piece(notes, voices=4, velocities=True))) == notes


# ------------------------------------------------------------------------------------------------------ dynamics


@pytest.mark.parametrize("notes", [steady(8), steady(40, 120), phrases(4), chorale(8)])
def test_velocities_differ_and_keep_within_bounds(notes: list[Note]) -> None:
    velocities = [n.velocity for n in notes_of(played(piece(notes, voices=4)))]
    assert max(velocities) - min(velocities) >= 8
    assert all(DEFAULT.softest <= v <= DEFAULT.loudest for v in velocities)


def test_bounds_are_kept_whatever_the_amounts() -> None:
    notes = notes_of(played(piece(phrases(4)), phrase=300, softest=50, loudest=60))
    assert {n.velocity for n in notes} == {50, 60}


def test_each_phrase_swells_and_ebbs() -> None:
    """Also its long last note ebbs."""
    velocities = [n.velocity for n in notes_of(played(piece(phrases(4)), beat=0, contour_per_semitone=0))]
    for first in range(0, 28, 7):
        phrase = velocities[first : first + 7]
        peak = phrase.index(max(phrase))
        assert 2 <= peak <= 5
        assert phrase[: peak + 1] == sorted(phrase[: peak + 1])
        assert phrase[peak:] == sorted(phrase[peak:], reverse=True)
        assert max(phrase) - max(phrase[0], phrase[-1]) >= 8


def test_all_voices_ebb_at_the_end_of_a_phrase() -> None:
    notes = [replace(n, pitch=72 - 7 * v, track=v) for n in phrases(3) for v in range(4)]
    result = notes_of(played(piece(notes, voices=4), beat=0))
    for voice in range(4):
        line = [n.velocity for n in result if n.track == voice]
        assert max(line[:7]) - line[6] >= 6


def test_music_without_long_notes_goes_on_swelling_and_ebbing() -> None:
    """A prelude in sixteenths has no phrase ends to hear; it must not fall flat after the first."""
    notes = notes_of(played(piece(steady(40, 120)), beat=0))
    for bar in range(0, 36, 4):
        velocities = [n.velocity for n in notes if bar * BAR <= n.tick < (bar + 4) * BAR]
        assert max(velocities) - min(velocities) >= 12
        assert velocities.index(max(velocities)) in range(20, 50)
    steps = np.abs(np.diff([n.velocity for n in notes if n.tick < 36 * BAR]))
    assert steps.max() <= 2  # and no jumps on the way


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


def test_of_four_voices_the_top_one_leads_and_the_inner_ones_stay_back() -> None:
    result = notes_of(played(piece(chorale(8), voices=4), phrase=0))[8:]
    top, alto, tenor, bass = (np.mean([n.velocity for n in result if n.track == v]) for v in range(4))
    assert top > bass > alto == tenor


def test_the_top_voice_is_the_one_that_sounds_highest_whatever_its_track() -> None:
    upside_down = [replace(n, track=3 - n.track) for n in chorale(8)]
    result = notes_of(played(piece(sorted(upside_down, key=lambda n: (n.tick, n.track)), voices=4), phrase=0))[8:]
    means = [float(np.mean([n.velocity for n in result if n.track == v])) for v in range(4)]
    assert means.index(max(means)) == 3


def test_two_voices_are_equal() -> None:
    notes = [n for n in chorale(4) if n.track < 2]
    result = notes_of(played(piece(notes, voices=2), phrase=0))
    assert [n.velocity for n in result if n.track == 0] == [n.velocity for n in result if n.track == 1]


# --------------------------------------------------------------------------------------------------- the ending


@pytest.mark.parametrize(("meter", "beats"), [((4, 4), 4), ((3, 4), 3), ((6, 8), 6), ((2, 2), 2)])
def test_the_last_bar_broadens_evenly(meter: tuple[int, int], beats: int) -> None:
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


def test_the_broadening_starts_from_the_tempo_that_is_then_the_pieces_own() -> None:
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


def test_a_piece_that_says_how_its_last_bar_goes_keeps_it() -> None:
    for tick in (7 * BAR, 7 * BAR + QUARTER):
        events = sorted([*piece(steady(8)), Tempo(tick, 50.0)], key=lambda e: (e.tick, isinstance(e, End)))
        assert tempos_of(played(events)) == [Tempo(0, 80.0), Tempo(tick, 50.0)]


def test_a_piece_of_less_than_two_bars_ends_in_time() -> None:
    assert len(tempos_of(played(piece(steady(1))))) == 1
    assert len(tempos_of(played(piece(steady(2)[:-1])))) == 1
    assert len(tempos_of(played(piece(steady(2))))) == 5


def test_time_never_runs_backwards_where_the_last_bar_is_much_longer() -> None:
    """The broadening begins in what a look-ahead of short bars would have let go already."""
    notes = [Note(t, 120, 60, 80) for t in [*range(0, 8 * BAR + 360, 120), 9 * BAR - 120]]
    result = played(piece(notes, meters=((0, 1, 8), (8 * BAR, 4, 4))), fermata_quarters=0)
    ticks = [e.tick for e in result]
    assert ticks == sorted(ticks)
    assert [t.tick for t in tempos_of(result)[1:]] == [8 * BAR + i * QUARTER for i in range(4)]


@pytest.mark.parametrize("notes", [[], [Note(0, 1, 60, 80)], [Note(0, 480, 60, 80), Note(0, 480, 64, 80)]])
def test_very_short_pieces(notes: list[Note]) -> None:
    result = played(piece(notes))
    assert [type(e) for e in result] == [Start, Meter, Tempo, *[Note] * len(notes), End]
    assert result[-1].tick == max([0, *(n.duration for n in notes)])


def test_overlapping_notes_keep_their_lengths() -> None:
    notes = [Note(t, 3 * QUARTER, 60 + t // QUARTER, 80) for t in range(0, 4 * BAR, QUARTER)]
    result = notes_of(played(piece(notes)))
    assert [(n.tick, n.duration, n.pitch) for n in result] == [(n.tick, n.duration, n.pitch) for n in notes]


# --------------------------------------------------------------------------------------------------- the stream


def endless(bars: int = 8) -> Iterator[Event]:
    begin = 0
    for _ in itertools.count():
        events = piece(steady(bars), at=begin)
        yield from events
        begin = events[-1].tick


class Counting:
    """A stream that knows how far it was consumed."""

    def __init__(self, events: Iterator[Event]) -> None:
        self.events, self.latest = events, 0

    def __iter__(self) -> Iterator[Event]:
        for event in self.events:
            self.latest = event.tick
            yield event


def test_between_two_pieces_there_is_a_breath() -> None:
    result = list(itertools.islice(perform(endless()), 300))
    ends = [e.tick for e in result if isinstance(e, End)]
    starts = [e.tick for e in result if isinstance(e, Start)]
    assert len(ends) >= 4
    assert [b - a for a, b in zip(ends, starts[1:])] == [BREATH] * min(len(ends), len(starts) - 1)
    assert starts[0] == 0


def test_after_a_broad_ending_the_next_piece_is_in_tempo_from_its_first_note() -> None:
    result = list(itertools.islice(perform(endless()), 300))
    for i, event in enumerate(result):
        if isinstance(event, Start):
            following = result[i + 1 : i + 4]
            assert Tempo(event.tick, 80.0) in following
            assert [type(e) for e in following] == [Meter, Tempo, Note]


def test_an_endless_stream_is_consumed_no_further_than_is_looked_ahead() -> None:
    source = Counting(endless(bars=50))
    shift = furthest = 0
    starts = 0
    for event in itertools.islice(perform(source), 1500):
        starts += isinstance(event, Start)
        shift = (starts - 1) * BREATH
        furthest = max(furthest, source.latest - (event.tick - shift))
    assert starts > 5
    assert 4 * BAR <= furthest <= 4 * BAR + QUARTER


def test_a_piece_without_end_is_played_too() -> None:
    def forever() -> Iterator[Event]:
        yield Start(0, 1, (Track("voice", 0),))
        for tick in itertools.count(0, QUARTER):  # and without a meter
            yield Note(tick, QUARTER, 60, 80)

    source = Counting(forever())
    result = list(itertools.islice(perform(source), 1000))
    assert [e.tick for e in result[1:]] == list(range(0, 999 * QUARTER, QUARTER))
    assert source.latest - result[-1].tick <= 4 * BAR + QUARTER


def test_nothing_is_consumed_before_it_is_asked_for() -> None:
    source = Counting(endless())
    stream = perform(source)
    assert source.latest == 0
    assert isinstance(next(stream), Start)
    assert source.latest == 0


def test_how_far_is_looked_ahead_can_be_chosen() -> None:
    source = Counting(endless(bars=50))
    for event in itertools.islice(perform(source, Performing(ahead_bars=1)), 100):
        assert source.latest - event.tick <= BAR + QUARTER
