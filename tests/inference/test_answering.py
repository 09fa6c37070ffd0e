"""The accompanist: what it answers is a chorale around the player's line, whatever the player does."""

from __future__ import annotations

import numpy as np
import pytest

import playbach
from helpers.paths import GOLDEN
from playbach.encodings.chorale.encoding import ChoraleEncoding
from playbach.encodings.features.bars import BARS_LEFT
from playbach.encodings.voices import SIXTEENTH
from playbach.inference.answering import Accompanist, Moves, duet_header
from playbach.inference.composing import Composer
from playbach.inference.options import Sampling
from playbach.inference.sampling import random_numbers
from playbach.system.errors import UsageError

GRID = 2


@pytest.fixture(scope="module")
def composer() -> Composer:
    return playbach.load(GOLDEN / "tiny.playbach")


def accompanist(composer: Composer, pickup: int = 0, seed: int = 1, grid: int = GRID) -> Accompanist:
    assert isinstance(composer.encoding, ChoraleEncoding)
    return Accompanist(
        composer.runtime,
        composer.encoding,
        duet_header((4, 4), pickup, grid),
        grid=grid,
        sampling=Sampling(1.0, 0.9),
        rng=random_numbers(seed),
    )


def play(partner: Accompanist, line: str, pitches: list[int]) -> list[Moves]:
    """`n` begins the next note, `.` holds, `r` rests."""
    notes = iter(pitches)
    moves = []
    for what in line:
        if what == "n":
            moves.append(partner.begin_note(next(notes)))
        else:
            moves.append(partner.hold() if what == "." else partner.rest())
    return moves


LINE, PITCHES = "n.n.n.nnn...rrn.n.", [67, 69, 71, 69, 67, 66, 67, 62]


def test_all_voices_begin_with_the_first_note_and_stay_in_their_ranges(composer: Composer) -> None:
    encoding = composer.encoding
    assert isinstance(encoding, ChoraleEncoding)
    for seed in range(4):
        moves = play(accompanist(composer, seed=seed), LINE, PITCHES)
        assert set(moves[0]) == {1, 2, 3}
        for step in moves:
            for voice, pitch in step.items():
                low, high = encoding.ranges[voice]
                assert voice != 0
                assert pitch is None or low <= pitch <= high


def test_what_the_network_has_seen_is_the_encoding_of_what_was_played(composer: Composer) -> None:
    """Its steps and contexts are those of the finished piece, as if it had been read from a file."""
    partner = accompanist(composer, pickup=4)
    seen: list[tuple[np.ndarray, int]] = []
    logits = partner._logits

    def watched() -> np.ndarray:
        seen.append((partner._decoder.context(), int(partner._previous[0])))
        return logits()

    partner._logits = watched  # type: ignore[method-assign]
    moves = play(partner, LINE, PITCHES)
    score = score_of(composer, moves, pickup=4)
    encoded = composer.encoding.encode(score)
    contexts, previous = np.stack([c for c, _ in seen]), np.array([p for _, p in seen])
    whole = len(seen) - 5  # the last onset is not over
    ours, theirs = contexts[:whole], encoded.context[:whole]
    bars_left = [field.name for field in composer.encoding.context].index(BARS_LEFT)
    assert np.array_equal(np.delete(ours, bars_left, 1), np.delete(theirs, bars_left, 1))
    assert previous[1:whole].tolist() == encoded.steps[: whole - 1, 0].tolist()


def score_of(composer: Composer, moves: list[Moves], pickup: int) -> playbach.Score:
    """The piece that was played, with all four voices."""
    from symusic.core import NoteTick

    from playbach.encodings.voices import VOICES
    from playbach.music.bars import Header
    from playbach.music.events import Track
    from playbach.music.scores import score_from_header

    header = duet_header((4, 4), pickup, GRID)
    score = score_from_header(Header(header.meters, header.tempo, tuple(Track(name, 52) for name in VOICES)))
    notes = iter(PITCHES)
    begun: dict[int, tuple[int, int]] = {}
    step_ticks = GRID * SIXTEENTH

    def end(voice: int, tick: int) -> None:
        if voice in begun:
            onset, pitch = begun.pop(voice)
            score.tracks[voice].notes.append(NoteTick(onset, tick - onset, pitch, 80))

    for number, (what, step) in enumerate(zip(LINE, moves)):
        tick = number * step_ticks
        player: Moves = {0: next(notes)} if what == "n" else {0: None} if what == "r" else {}
        for voice, pitch in {**step, **player}.items():
            end(voice, tick)
            if pitch is not None:
                begun[voice] = (tick, pitch)
    for voice in range(4):
        end(voice, len(LINE) * step_ticks)
    return score


def test_the_same_seed_and_line_give_the_same_answers(composer: Composer) -> None:
    first, again, other = (play(accompanist(composer, seed=s), LINE, PITCHES) for s in (1, 1, 2))
    assert first == again != other


def test_the_voices_also_move_while_the_player_holds(composer: Composer) -> None:
    moves = [play(accompanist(composer, seed=seed), "n" + "." * 15, [67]) for seed in range(5)]
    assert any(step for piece in moves for step in piece[1:])


def test_a_step_can_be_taken_back(composer: Composer) -> None:
    partner = accompanist(composer)
    play(partner, "n.n.", PITCHES)
    partner.hold()
    partner.take_back()
    partner.begin_note(71)
    assert partner._decoder.tick == 4 * GRID * SIXTEENTH
    assert partner._encoding.pitch_of(partner._decoder.sounding[0]) == 71


def test_notes_outside_the_range_are_heard_in_another_octave(composer: Composer) -> None:
    partner = accompanist(composer)
    assert [partner.heard(pitch) for pitch in (67, 43, 31, 91, 127)] == [67, 67, 67, 67, 67]
    assert set(partner.begin_note(127)) == {1, 2, 3}


def test_bar_lines_are_at_steps() -> None:
    assert duet_header((3, 4), 0, 4).meters == ((0, 3, 4),)
    assert duet_header((4, 4), 2, 2).meters == ((0, 1, 8), (240, 4, 4))
    for meter, pickup, grid in (((4, 4), 1, 2), ((3, 8), 0, 4), ((4, 4), 16, 2), ((4, 3), 0, 1)):
        with pytest.raises(UsageError):
            duet_header(meter, pickup, grid)


def test_a_duet_cannot_begin_with_a_held_note(composer: Composer) -> None:
    with pytest.raises(UsageError, match="begins with"):
        accompanist(composer).hold()
