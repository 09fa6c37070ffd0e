"""The index of pieces: what was planted is found with its bars, other music is not, and the size is bounded."""

from __future__ import annotations

import zlib
from collections import Counter
from functools import partial

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import damage, sample_music
from playbach.bundles.bundle import MALFORMED
from playbach.music.borrowing import building, index, stored
from playbach.music.borrowing.building import build, excerpts
from playbach.music.borrowing.entries import KeptLine, notes_always_found
from playbach.music.borrowing.floor import ANY_PART, Floor, borrowing_of, verdict
from playbach.music.borrowing.index import Index, Shelf, bar_hashes
from playbach.music.fingerprints import MOVES_OF_A_PART, WHOLE, ScoreLine, lines_of
from playbach.music.scores import transpose

BAR = 1920
Notes = list[tuple[int, int, int]]


def shelf(scores: list[symusic.Score]) -> Shelf:
    return Shelf.of(enumerate(scores))


def random_melody(seed: int, bars: int) -> Notes:
    """Bars of quarters, eighths and sixteenths on any pitches of two octaves: no two are likely to be alike."""
    rng, notes, tick = np.random.default_rng(seed), Notes(), 0
    while tick < bars * BAR:
        duration = min(int(rng.choice([120, 240, 360, 480])), BAR - tick % BAR)
        notes.append((tick, duration, int(rng.integers(54, 78))))
        tick += duration
    return notes


def score(notes: Notes) -> symusic.Score:
    return sample_music.score([notes], names=("Melody",))


TRAINING = [score(random_melody(seed, 12)) for seed in range(20)]
INDEX = Index((shelf(TRAINING),))
WINNOWED = 8


@pytest.fixture(scope="module")
def winnowed() -> Index:
    """The same pieces in an index that has no room for all fingerprints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "MAX_DENSE", 500)
        patch.setattr(index, "MAX_SPARSE", 500)
        return Index((shelf(TRAINING),))


def planted(piece: int, first: int, bars: int, *, at: int, semitones: int, seed: int) -> symusic.Score:
    """A random melody in which these bars of a training piece stand from bar `at` on, in another key."""
    taken = [(n.time, n.duration, n.pitch) for n in TRAINING[piece].tracks[0].notes]
    inside = [note for note in taken if (first - 1) * BAR <= note[0] < (first - 1 + bars) * BAR]
    moved = [(t + (at - first) * BAR, d, p + semitones) for t, d, p in inside]
    around = [n for n in random_melody(1000 + seed, 16) if not (at - 1) * BAR <= n[0] < (at - 1 + bars) * BAR]
    return score(sorted(around + moved))


@given(
    piece=st.integers(0, len(TRAINING) - 1),
    first=st.integers(1, 9),
    bars=st.integers(2, 3),
    at=st.integers(1, 12),
    semitones=st.integers(-11, 11),
    seed=st.integers(0, 999),
)
def test_a_planted_passage_is_found_with_its_bars(
    piece: int, first: int, bars: int, at: int, semitones: int, seed: int
) -> None:
    music = planted(piece, first, bars, at=at, semitones=semitones, seed=seed)
    (line,) = lines_of(music)
    run = INDEX.longest(line)
    assert len(line.bars) == music.note_num()
    in_passage = int(((line.bars >= at) & (line.bars < at + bars)).sum())
    assert run is not None and run.piece == piece and run.part == "Melody"
    # A note before or after it can fit by chance.
    assert in_passage <= run.notes <= in_passage + 3
    assert at - 1 <= run.first_bar <= at and at + bars - 1 <= run.last_bar <= at + bars
    assert run.piece_first_bar - first == run.first_bar - at and run.piece_last_bar - first == run.last_bar - at
    numbers, hashes = bar_hashes(music)
    assert {*range(at, at + bars)} <= {*numbers[INDEX.has_bars(hashes)].tolist()}


@given(st.integers(0, 10_000))
def test_next_to_nothing_is_found_in_random_music(seed: int) -> None:
    music = score(random_melody(20_000 + seed, 16))
    run = INDEX.longest(lines_of(music)[0])
    assert run is None or run.notes <= 9  # seven notes are shared by chance in one melody of a thousand
    assert INDEX.has_bars(bar_hashes(music)[1]).sum() <= 1  # one in 16,000 by chance


def test_a_piece_is_found_in_itself_from_its_first_note_to_its_last() -> None:
    for number, piece in enumerate(TRAINING[:5]):
        run = INDEX.longest(lines_of(transpose(piece, 3))[0])
        assert run is not None and run.piece == number
        assert run.notes == piece.note_num() and (run.first_bar, run.last_bar) == (1, 12)
        assert INDEX.has_bars(bar_hashes(piece)[1]).all()
        assert INDEX.longest(lines_of(piece)[0], without=[number]) is None


def test_the_whole_of_four_voices_is_found_and_a_part_in_any_other_part() -> None:
    chorales = [sample_music.chorale(seed) for seed in range(6)]
    found = Index((shelf(chorales),))
    lines = lines_of(transpose(chorales[4], -2))
    runs = [found.longest(line) for line in lines]
    assert [run.notes for run in runs if run is not None] == [len(line.bars) for line in lines]
    assert all(run is not None and run.piece == 4 for run in runs)
    tenor = lines_of(sample_music.score([[(n.time, n.duration, n.pitch) for n in chorales[4].tracks[2].notes]]))
    run = found.longest(tenor[0])
    assert run is not None and run.part == "Tenor"


# ------------------------------------------------------------------------------------------------- a winnowed index


def test_an_index_without_room_for_all_winnows(winnowed: Index) -> None:
    (one,) = winnowed.shelves
    assert one.window >= WINNOWED and len(one.entries) <= 500 and not one.left_out
    assert len(one.entries) >= 2 * sum(len(lines_of(p)[0].hashes) for p in TRAINING) / (one.window + 1) * 0.7


@given(st.integers(0, len(TRAINING) - 1), st.integers(0, 40), st.integers(0, 20))
def test_a_winnowed_index_finds_each_run_that_it_promises_to(
    winnowed: Index, piece: int, start: int, extra: int
) -> None:
    line = lines_of(TRAINING[piece])[0]
    window = winnowed.shelves[0].window
    length = notes_always_found(window, MOVES_OF_A_PART) + extra
    part = ScoreLine("part", line.moves, line.hashes[start:][: length - line.moves], line.bars[start:][:length])
    if len(part.hashes) < window:
        return  # the piece ends
    run = winnowed.longest(part)
    assert run is not None and run.piece == piece
    assert len(part.bars) - 2 * (window - 1) <= run.notes <= len(part.bars)


def test_a_winnowed_index_finds_nothing_in_random_music(winnowed: Index) -> None:
    found = [winnowed.longest(lines_of(score(random_melody(30_000 + i, 16)))[0]) for i in range(50)]
    assert all(run.notes <= 5 for run in found if run is not None)
    assert sum(run is None for run in found) >= 45  # three moves can be alike by chance


@given(st.integers(1, 60), st.integers(0, 99), st.sampled_from([2, 8, 16]))
def test_what_is_kept_is_the_same_however_often_the_window_grew(count: int, seed: int, window: int) -> None:
    rng = np.random.default_rng(seed)
    line = ScoreLine("x", 3, rng.integers(0, 1 << 63, count, np.uint64), np.arange(count + 3))
    at_once, by_steps = KeptLine.of(line, 2 * window), KeptLine.of(line, window).winnowed(2 * window)
    assert at_once.at.tolist() == by_steps.at.tolist() and at_once.hashes.tolist() == by_steps.hashes.tolist()
    gaps = np.diff(at_once.at)
    assert len(at_once.at) and (gaps <= 2 * window).all()


# ------------------------------------------------------------------------------------------------------------- size


def test_a_dense_index_packs_to_little_more_than_a_byte_a_note() -> None:
    notes = sum(piece.note_num() for piece in TRAINING)
    data = stored.as_bytes(*build({i: partial(_same, p) for i, p in enumerate(TRAINING)}, []))
    bars = sum(len(bar_hashes(piece)[0]) for piece in TRAINING)
    assert len(zlib.compress(data)) < 1.3 * notes + 2 * bars + 1000


def test_the_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MAX_DENSE", 300), ("MAX_SPARSE", 200), ("MAX_KEPT", 50), ("LAST_WINDOW", 16)):
        monkeypatch.setattr(index, name, most)
    pieces = [*TRAINING, *(score([(240 * i, 240, 60) for i in range(90)]) for _ in range(9))]
    made = shelf(pieces)
    assert len(made.entries) <= 200 and len(made.bars) <= 50 and made.left_out > 0
    assert made.left_out + len(made.pieces) == len(pieces)
    many = Index((made,))
    hashes = bar_hashes(TRAINING[0])[1]
    comparable = many.comparable(hashes)
    assert made.bar_sample > 1 and not comparable.all()
    assert many.has_bars(hashes)[comparable].all() and not many.has_bars(hashes)[~comparable].any()


# ------------------------------------------------------------------------------------------------------------ bytes


def _same(piece: symusic.Score) -> symusic.Score:
    return piece


def some_bytes(window: int) -> bytes:
    base = (shelf(TRAINING[:3]),)
    with pytest.MonkeyPatch.context() as patch:
        if window > 1:
            patch.setattr(index, "MAX_DENSE", 100)
        sources = {10 * i: partial(sample_music.chorale, i) for i in range(4)}
        built, floor = build(sources, [partial(sample_music.chorale, i) for i in range(4, 7)], base)
    return stored.as_bytes(built, floor)


STORED = {window: some_bytes(window) for window in (1, 8)}


@pytest.mark.parametrize("window", STORED)
def test_what_was_written_is_read(window: int) -> None:
    found, floor = stored.from_bytes(STORED[window])
    assert [s.window for s in found.shelves] == [1, window]
    assert stored.as_bytes(found, floor) == STORED[window]
    assert found.pieces == {0, 10, 20, 30} | {0, 1, 2}
    run = found.longest(lines_of(transpose(sample_music.chorale(2), 1))[0])
    assert run is not None and run.piece == 20 and run.part == "Soprano"
    assert (run.first_bar, run.last_bar) == (run.piece_first_bar, run.piece_last_bar)


@settings(max_examples=300)
@given(st.sampled_from([1, 8]), damage.plans)
def test_damaged_bytes_are_refused_or_do_no_harm(window: int, plan: list[damage.Plan]) -> None:
    data = damage.damage_bytes(STORED[window], plan)
    try:
        found, floor = stored.from_bytes(data)
    except MALFORMED:
        return
    borrowing_of(sample_music.chorale(1), found, floor)


# --------------------------------------------------------------------------------------------------------- the floor


def test_a_floor_counts_what_held_out_pieces_share_with_other_tunes() -> None:
    tunes = {i: partial(_same, piece) for i, piece in enumerate(TRAINING)}
    _, alone = build(tunes, [partial(_same, piece) for piece in TRAINING])
    assert alone.longest[ANY_PART] == {0: len(TRAINING)} and alone.copied == {0: len(TRAINING)}
    # Two bars of a piece are too few for the settings of a tune; five bars are not.
    quoting = [planted(i, 2, 2, at=6, semitones=2, seed=i) for i in range(4, 8)]
    built, floor = build(tunes, [partial(_same, piece) for piece in quoting])
    runs = [built.longest(lines_of(piece)[0]) for piece in quoting]
    assert floor.pieces == 4 and floor.longest[WHOLE] == {}
    assert floor.longest["Melody"] == floor.longest[ANY_PART] == Counter(run.notes for run in runs if run is not None)
    assert min(floor.longest["Melody"]) > 6 and floor.copied == {125: 4}  # two of sixteen bars
    settings_of_tunes = [planted(i, 2, 5, at=6, semitones=2, seed=i) for i in range(4)]
    assert build(tunes, [partial(_same, piece) for piece in settings_of_tunes])[1].longest[ANY_PART] == {0: 4}


def test_the_floor_of_a_longer_piece_is_higher() -> None:
    counts = dict.fromkeys(range(1, 101), 1)
    floor = Floor(100, {WHOLE: {}, ANY_PART: counts}, {0: 19, 250: 1})
    line = lines_of(TRAINING[0])[0]
    assert floor.usual_run(line) == 50 and floor.longest_run(line) == 95
    assert floor.usual_run(line, 4) == 85 and floor.longest_run(line, 4) == 99
    assert floor.usual_copied() == 0 and floor.most_copied() == 0
    assert Floor.from_manifest(floor.manifest()) == floor


def test_excerpts_have_sixteen_bars_and_a_short_piece_is_one() -> None:
    def of(bars: int) -> list[tuple[int, int]]:
        return list(excerpts(lines_of(score(random_melody(1, bars)))))

    assert of(12) == [(0, 12)] and of(16) == [(0, 16)] and of(31) == [(0, 16)]
    assert of(33) == [(0, 16), (17, 32)] and list(excerpts([])) == [(0, 0)]


def test_few_of_many_held_out_pieces_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MOST_PIECES", 5)
    floor = build({0: partial(_same, TRAINING[0])}, [partial(_same, piece) for piece in TRAINING[1:14]])[1]
    assert floor.pieces == 5 and sum(floor.longest[ANY_PART].values()) == 5


def test_a_piece_is_judged_by_the_floor() -> None:
    floor = Floor(20, {WHOLE: {}, ANY_PART: {0: 10, 9: 10}, "Melody": {8: 20}}, {0: 20})
    clean = borrowing_of(score(random_melody(77, 16)), INDEX, floor)
    assert not clean.is_above and not clean.is_far_above and clean.excess == 0
    assert verdict(clean, {}) == "No more is borrowed than real music borrows."
    copying = borrowing_of(planted(3, 5, 3, at=10, semitones=-4, seed=5), INDEX, floor)
    assert copying.is_above and copying.is_far_above and copying.excess > 2 and copying.copies_more
    (above,) = copying.above
    assert above.run is not None and above.usual == above.most == 8
    sentence = verdict(copying, {3: "a tune.mid"})
    assert sentence.startswith("More is borrowed than real music borrows: bars ")
    assert "of the Melody are those of a tune.mid, bars" in sentence and "bars occur in the pieces" in sentence
    # What stands before the first bar that counts is not compared.
    after = borrowing_of(planted(3, 5, 3, at=2, semitones=0, seed=5), INDEX, floor, first_bar=6)
    assert not after.is_above and after.bars <= 11


def test_a_score_without_notes_borrows_nothing() -> None:
    nothing = borrowing_of(symusic.Score(480), INDEX, Floor(0, {}, {}))
    assert nothing.lines == () and nothing.bars == 0 and nothing.copied == 0 and not nothing.is_above
