"""A score as a row of chords and rests: with a longest duration, and with chords of all sounding notes."""

from __future__ import annotations

import symusic
from hypothesis import given
from hypothesis import strategies as st

from helpers import sample_music
from playbach.encodings.onsets import NOTES_DURATIONS, NOTES_UNITS, onsets_of

QUARTER = 480


def test_a_note_that_is_too_long_is_cut_and_a_rest_follows() -> None:
    score = sample_music.score([[(0, 4 * QUARTER, 60), (4 * QUARTER, QUARTER, 62)]])
    cut = onsets_of(score, longest=NOTES_UNITS)
    assert [(time, chord, units) for time, chord, units, _ in cut] == [
        (0, (60,), 12), (12, (), 12), (24, (), 12), (36, (), 12), (48, (62,), 12)]  # fmt: skip
    assert len(onsets_of(score)) == 2


def test_chordified_repeats_held_notes() -> None:
    score = sample_music.score([[(0, 2 * QUARTER, 48)], [(0, QUARTER, 60), (QUARTER, QUARTER, 62)]])
    assert [o[1] for o in onsets_of(score)] == [(48, 60), (62,)]
    assert [o[1] for o in onsets_of(score, chordified=True)] == [(48, 60), (48, 62)]


def test_articulation_makes_no_chord_of_its_own() -> None:
    """Notes that end a little before or after the next ones begin, as in a performance."""
    for gap in (-7, 13):
        lower = [(0, 2 * QUARTER - gap, 48), (2 * QUARTER, QUARTER, 50)]
        upper = [(0, QUARTER - gap, 60), (QUARTER, QUARTER - gap, 62), (2 * QUARTER, QUARTER, 64)]
        found = onsets_of(sample_music.score([lower, upper]), chordified=True)
        assert [(o[1], o[2]) for o in found] == [((48, 60), 12), ((48, 62), 12), ((50, 64), 12)]


notes = st.tuples(st.integers(0, 3000), st.integers(1, 3000), st.integers(30, 90))


def sounding(score: symusic.Score, unit: int) -> set[int]:
    """The pitches that sound throughout a unit of the grid, by notes whose ends lie on it."""
    return {n.pitch for t in score.tracks for n in t.notes if n.time // 40 <= unit < n.end // 40}


@given(st.lists(notes.map(lambda n: (n[0] // 40 * 40, max(n[1] // 40, 1) * 40, n[2])), min_size=1, max_size=12),
       st.sampled_from([12, 30, 96]))  # fmt: skip
def test_chordified_chords_have_all_sounding_notes(line: list[tuple[int, int, int]], longest: int) -> None:
    score = sample_music.score([line])
    found = onsets_of(score, longest=longest, chordified=True)
    ends = [time + units for time, _, units, _ in found]
    assert [o[0] for o in found] == [0, *ends[:-1]], "neither gap nor overlap"
    for time, chord, units, _ in found:
        assert units in NOTES_DURATIONS and units <= longest
        if chord:
            assert all(sounding(score, unit) == set(chord) for unit in range(time, time + units))
