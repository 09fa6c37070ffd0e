"""All measures of some pieces at once."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest
import symusic

from helpers import sample_music
from playbach.data import corpora
from playbach.evaluation.measures import MEASURE_LABELS, PERCENTAGES, Measures, Reference, measures_of
from playbach.system.errors import ScoreError

SATB = ("Soprano", "Alto", "Tenor", "Bass")


def choir(*pitches: list[int]) -> symusic.Score:
    """Four voices, soprano first, that strike a new note each quarter; -1 is a rest."""
    parts = [[(480 * i, 480, p) for i, p in enumerate(part) if p >= 0] for part in pitches]
    return sample_music.score(parts, names=SATB)


MOVING = ([72, 74, 76, 77], [67, 67, 67, 67], [64, 62, 60, 60], [48, 50, 52, 53])


def test_measures_of_a_known_piece() -> None:
    piece = choir([72, 74, 76, 72], [67, 67, 67, 67], [64, 62, 60, 64], [48, 50, 52, 48])
    found = measures_of([piece, piece], True)
    assert (found.pieces, found.notes) == (2, 32)
    assert found.notes_a_bar == (4, 4, 4, 4)
    assert found.highest == (76, 67, 64, 52) and found.lowest == (72, 67, 60, 48)
    assert found.held == 0.75
    assert found.longest_repetition == 4
    assert found.repeated == 3 / 12
    assert found.ends_in_triad == found.ends_together == found.ends_on_tonic == 1
    assert found.octaves == pytest.approx(1000 * 3 / 16)
    assert found.crossings == 0
    assert (found.notes_a_quarter, found.polyphony, found.usual_parts, found.parts_in_a_bar) == (4, 4, 4, 4)
    assert (found.usual_range, found.usual_silence, found.silent, found.usual_rest) == (28, 0, 0, 0)
    assert found.alike_1 is None and found.groove is None  # one bar
    assert found.degree_distance is None and found.copied_bars is None


def test_the_measures_of_a_real_chorale() -> None:
    """BWV 269, in G, with a pickup and 21 bars of 3/4, of which one is held."""
    [piece] = [p for _, p in corpora.load_builtin("bach-chorales").pieces() if p.name == "bwv269.mid"]
    reference = Reference.of([piece.score])
    found = measures_of([piece.score], True, reference)
    assert len(reference.bars) == 20
    assert found.ends_on_tonic == found.ends_in_triad == found.ends_together == 1
    assert (found.degree_distance, found.duration_distance, found.copied_bars) == (0, 0, 1)
    assert (found.usual_parts, found.silent, found.longest_silence) == (4, 0, 0)
    assert found.polyphony == pytest.approx(3.9, abs=0.1)
    assert found.entropy_1 is not None and found.entropy_4 is not None
    assert 2 < found.entropy_1 < found.entropy_4 < 3.585


def test_measures_do_not_depend_on_the_encoding() -> None:
    """Four voices have all that others have, with the same values."""
    pieces = [sample_music.chorale(seed) for seed in range(2)]
    four, any_music = (measures_of(pieces, four) for four in (True, False))
    assert {k: v for k, v in asdict(any_music).items() if v is not None}.items() <= asdict(four).items()
    assert any_music.held is None and four.held is not None


@pytest.mark.parametrize("piece", [sample_music.score([]), sample_music.score([[]]), choir([60], [], [], [])])
def test_pieces_with_next_to_nothing_are_measured(piece: symusic.Score) -> None:
    found = measures_of([piece], False, Reference.of([sample_music.line(1)]))
    assert found.alike_1 is None and found.copied_bars is None and found.longest_silence == 0


def test_drums_alone_are_measured() -> None:
    piece = sample_music.line(1)
    piece.tracks[0].is_drum = True
    found = measures_of([piece], False, Reference.of([sample_music.line(1)]))
    assert found.notes == piece.note_num() and found.groove is not None and found.usual_parts == 1
    for name in ("degree_distance", "polyphony", "usual_range", "ends_on_tonic", "ends_in_triad", "copied_bars"):
        assert getattr(found, name) is None, name


def test_an_empty_piece_does_not_count_among_others() -> None:
    piece, empty = sample_music.line(1), sample_music.score([])
    one, both = measures_of([piece], False), measures_of([piece, empty], False)
    for name in ("notes_a_quarter", "polyphony", "entropy_1", "alike_1", "groove", "silent", "ends_on_tonic"):
        assert getattr(one, name) == getattr(both, name), name


def test_what_grows_with_length_is_measured_in_excerpts() -> None:
    """Twelve bars of the same note, and of the same note an octave higher from the seventh bar on."""
    piece = sample_music.score([[(480 * i, 480, 60 + 12 * (i >= 24)) for i in range(48)]])
    whole, cut = measures_of([piece], False), measures_of([piece], False, bars=3)
    assert (whole.usual_repetition, whole.usual_range) == (24, 12)
    assert (cut.usual_repetition, cut.usual_range) == (12, 0)
    assert whole.longest_repetition == cut.longest_repetition == 24
    assert measures_of([piece], False, bars=13) == whole


def test_a_piece_is_nearest_to_itself() -> None:
    mine, other = [sample_music.line(1)], [sample_music.line(2, bars=30)]
    reference = Reference.of(mine)
    same, far = measures_of(mine, False, reference), measures_of(other, False, reference)
    assert (same.degree_distance, same.duration_distance) == (0, 0)
    assert far.degree_distance and far.duration_distance
    assert same.notes_a_bar is None


def test_copies_are_counted() -> None:
    mine, same, other = choir(*MOVING), choir(*([p + 2 for p in part] for part in MOVING)), sample_music.chorale(3)
    assert measures_of([same], True, Reference.of([mine])).copied_bars == 1
    assert measures_of([other], True, Reference.of([mine])).copied_bars == 0
    assert measures_of([other], True).copied_bars is None
    assert measures_of([sample_music.band(1)], False, Reference.of([sample_music.band(1)])).copied_bars == 1


def test_what_is_not_four_voices_is_refused() -> None:
    with pytest.raises(ScoreError, match="four voices"):
        measures_of([sample_music.line(1)], True)


def test_every_measure_has_words() -> None:
    assert list(MEASURE_LABELS) == [f.name for f in fields(Measures)]
    assert set(PERCENTAGES) < set(MEASURE_LABELS)
    assert len(set(MEASURE_LABELS.values())) == len(MEASURE_LABELS)
