"""A score as a row of chords and rests: with a longest duration, and with chords of all sounding notes."""

from __future__ import annotations

from collections import Counter

import pytest
import symusic
from hypothesis import given
from hypothesis import strategies as st

from helpers import sample_music
from playbach.encodings import onsets
from playbach.encodings.onsets import NOTES_DURATIONS, NOTES_UNITS, in_batches, longest_runs, onsets_of

QUARTER = 480


def test_a_note_that_is_too_long_is_cut_and_a_rest_follows() -> None:
    score = sample_music.score([[(0, 4 * QUARTER, 60), (4 * QUARTER, QUARTER, 62)]])
    cut = onsets_of([score], longest=NOTES_UNITS).listed()
    assert [(time, chord, units) for time, chord, units, _ in cut] == [
        (0, (60,), 12), (12, (), 12), (24, (), 12), (36, (), 12), (48, (62,), 12)]  # fmt: skip
    assert len(onsets_of([score])) == 2


def test_chordified_repeats_held_notes() -> None:
    score = sample_music.score([[(0, 2 * QUARTER, 48)], [(0, QUARTER, 60), (QUARTER, QUARTER, 62)]])
    assert [o[1] for o in onsets_of([score]).listed()] == [(48, 60), (62,)]
    assert [o[1] for o in onsets_of([score], chordified=True).listed()] == [(48, 60), (48, 62)]


def test_articulation_makes_no_chord_of_its_own() -> None:
    """Notes that end a little before or after the next ones begin, as in a performance."""
    for gap in (-7, 13):
        lower = [(0, 2 * QUARTER - gap, 48), (2 * QUARTER, QUARTER, 50)]
        upper = [(0, QUARTER - gap, 60), (QUARTER, QUARTER - gap, 62), (2 * QUARTER, QUARTER, 64)]
        found = onsets_of([sample_music.score([lower, upper])], chordified=True).listed()
        assert [(o[1], o[2]) for o in found] == [((48, 60), 12), ((48, 62), 12), ((50, 64), 12)]


notes = st.tuples(st.integers(0, 3000), st.integers(1, 3000), st.integers(30, 90))


def sounding(score: symusic.Score, unit: int) -> set[int]:
    """The pitches that sound throughout a unit of the grid, by notes whose ends lie on it."""
    return {n.pitch for t in score.tracks for n in t.notes if n.time // 40 <= unit < n.end // 40}


@given(st.lists(notes.map(lambda n: (n[0] // 40 * 40, max(n[1] // 40, 1) * 40, n[2])), min_size=1, max_size=12),
       st.sampled_from([12, 30, 96]))  # fmt: skip
def test_chordified_chords_have_all_sounding_notes(line: list[tuple[int, int, int]], longest: int) -> None:
    score = sample_music.score([line])
    found = onsets_of([score], longest=longest, chordified=True).listed()
    ends = [time + units for time, _, units, _ in found]
    assert [o[0] for o in found] == [0, *ends[:-1]], "neither gap nor overlap"
    for time, chord, units, _ in found:
        assert units in NOTES_DURATIONS and units <= longest
        if chord:
            assert all(sounding(score, unit) == set(chord) for unit in range(time, time + units))


@given(st.lists(st.lists(notes, min_size=1, max_size=12), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_several_scores_have_the_onsets_of_each(
    lines: list[list[tuple[int, int, int]]], fixed: bool, chordified: bool
) -> None:
    scores = [sample_music.score([line]) for line in lines]
    together = onsets_of(scores, fixed=fixed, chordified=chordified)
    alone = [onsets_of([score], fixed=fixed, chordified=chordified) for score in scores]
    assert [piece.listed() for piece in together.pieces()] == [piece.listed() for piece in alone]
    assert together.listed() == [onset for piece in alone for onset in piece.listed()]
    assert longest_runs(together) == tuple(map(max, zip(*map(longest_runs, alone))))
    for piece, own in zip(together.pieces(), alone):
        assert piece.pitches.tolist() == own.pitches.tolist()
        for with_durations in (False, True):
            found, counts, which = piece.distinct(with_durations)
            written = [(chord, units if with_durations else 0) for _, chord, units, _ in own.listed()]
            assert [found[number] for number in which.tolist()] == written
            assert dict(zip(found, counts.tolist())) == Counter(written)
            assert found == list(dict.fromkeys(written)), "in order"


@pytest.mark.parametrize("gap", [*range(1, 30), 95, 96, 97, 125, 191, 1000])
@pytest.mark.parametrize("longest", NOTES_DURATIONS[11::5])
def test_rests_fill_a_silence_the_longest_first(gap: int, longest: int) -> None:
    """Before the first note, and after one that is too long."""
    durations = [d for d in NOTES_DURATIONS if d <= longest]
    expected, left = [], gap
    while left:
        expected.append(max(d for d in durations if d <= left))
        left -= expected[-1]
    score = sample_music.score([[(gap * 40, 480, 60), (gap * 40 + 480 + gap * 40, 480, 62)]])
    found = onsets_of([score], longest=longest)
    assert found.units.tolist() == [*expected, 12, *expected, 12]


def test_the_longest_runs_end_with_a_piece() -> None:
    scores = [
        sample_music.score([[(i * 480, 480, p) for i, p in enumerate(line)]]) for line in ([59, 60], [60, 60, 61])
    ]
    assert longest_runs(onsets_of(scores)) == (2, 1)


def test_a_long_score_is_alone_in_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onsets, "NOTES_AT_ONCE", 10)
    many = [sample_music.score([[(0, 480, 60)] * n]) for n in (1, 2, 20, 3, 1)]
    many.append(sample_music.score([[(480 * 1000, 480, 60)]]))  # a long silence has many rests
    assert [[score.note_num() for score in batch] for batch in in_batches(many)] == [[1, 2], [20], [3, 1], [1]]
