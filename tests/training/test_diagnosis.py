"""What is said of a run's curves: the right word, and the right figures."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from playbach.training.diagnosis import Verdict, judge

GUESSING = 6.0


def said(train: Sequence[float], valid: Sequence[float], guessing: float = GUESSING) -> Verdict:
    verdict = judge(train, valid, guessing, parameters=120_000, symbols=48_000)
    text = str(verdict)
    assert text.isprintable()  # one paragraph
    assert "  " not in text
    assert text.startswith(verdict.word.capitalize())
    assert text.endswith("The network has 120,000 parameters for 48,000 training symbols (2.5 for each).")
    assert all(line.endswith(".") for line in verdict.lines)
    return verdict


def test_fitting_well() -> None:
    verdict = said([3.4, 3.0, 2.8, *[2.7] * 9], [3.6, 3.2, 3.1, 3.0, *[3.01] * 8])
    assert verdict.word == "fitting well"
    assert "2.70 bits per note on training music, 3.00 on held-out music (best epoch 4)" in str(verdict)


@pytest.mark.parametrize(("train", "larger"), [(3.44, True), (3.30, True), (3.28, False), (2.95, False)])
def test_where_hardly_anything_is_learnt_by_heart_a_larger_network_comes_first(train: float, larger: bool) -> None:
    verdict = said([train] * 12, [3.87] * 12)
    assert verdict.word == "fitting well"
    assert ("try a larger network or less dropout first" in str(verdict)) is larger
    assert ("More music would help most" in str(verdict)) is not larger


def test_overfitting_where_validation_turned() -> None:
    verdict = said([4.0, 3.5, 3.2, 2.9, 2.5, 2.1], [4.1, 3.7, 3.5, 3.52, 3.66, 3.9])
    assert verdict.word == "overfitting"
    text = str(verdict)
    assert "since epoch 5:" in text  # 3.52 is within 2 % of the best
    assert "(3.50 to 3.90 bits per note)" in text
    assert "training music got cheaper (3.20 to 2.10)" in text
    assert "The weights of epoch 3 were kept" in text


def test_overfitting_where_the_music_is_learnt_by_heart() -> None:
    verdict = said([3.0, 2.0, *[1.2] * 8], [3.5, 3.1, *[3.05] * 8])
    assert verdict.word == "overfitting"
    assert "by its best epoch, 3, training music costs 1.20 bits per note and held-out music 3.05" in str(verdict)


def test_underfitting() -> None:
    verdict = said([5.5, 5.2, 5.1], [5.6, 5.4, 5.3])
    assert verdict.word == "underfitting"
    assert "even its training music costs 5.10 bits per note, hardly less than guessing by frequency (6.00)" in str(
        verdict
    )


def test_underfitting_worse_than_guessing_does_not_claim_otherwise() -> None:
    verdict = said([6.4], [6.5])
    assert verdict.word == "underfitting"
    assert "costs 6.40 bits per note, no less than guessing by frequency (6.00)" in str(verdict)


def test_not_finished() -> None:
    verdict = said([4.0, 3.7, 3.4, 3.1, 2.9], [4.2, 3.9, 3.6, 3.4, 3.2])
    assert verdict.word == "not finished"
    assert "still getting cheaper when training ended (3.20 bits per note)" in str(verdict)


def test_a_last_tenth_without_progress_is_finished() -> None:
    train = [4.0 - 0.05 * i for i in range(20)]
    assert said(train, [4.1 - 0.05 * i for i in range(20)]).word == "not finished"
    assert (
        said(train, [*[4.0 - 0.06 * i for i in range(15)], 3.15, 3.149, 3.148, 3.147, 3.146]).word == "fitting well"
    )


def test_a_little_worse_at_the_end_is_not_overfitting() -> None:
    assert said([2.9] * 5 + [2.8], [3.1, 3.0, 3.0, 3.0, 3.0, 3.05]).word == "fitting well"
    assert said([2.9] * 5 + [2.8], [3.1, 3.0, 3.0, 3.0, 3.0, 3.07]).word == "overfitting"


def test_held_out_music_that_gets_dearer_with_training_music_is_not_overfitting() -> None:
    """The network got worse at everything: an unlucky last epoch."""
    assert said([2.8] * 5 + [3.0], [3.1, 3.0, 3.0, 3.0, 3.0, 3.4]).word == "fitting well"


@pytest.mark.parametrize(
    ("train", "valid", "word"), [(3.0, 3.2, "fitting well"), (1.0, 3.2, "overfitting"), (5.9, 5.9, "underfitting")]
)
def test_one_epoch_is_judged_too(train: float, valid: float, word: str) -> None:
    verdict = said([train], [valid])
    assert verdict.word == word
    assert f"{train:.2f}" in str(verdict)


def test_no_symbols_do_not_stop_the_verdict() -> None:
    assert "(7.0 for each)" in str(judge([3.0], [3.0], GUESSING, parameters=7, symbols=0))


def test_a_narrow_gap_far_behind_a_rival_is_underfitting() -> None:
    curves = [4.0, 3.85, 3.85, 3.84, 3.84], [4.2, 4.05, 4.05, 4.04, 4.04]
    assert judge(*curves, 6.1, 15_000, 9_000, rival=(3.7, 1.8)).word == "underfitting"
    assert "3.70" in str(judge(*curves, 6.1, 15_000, 9_000, rival=(3.7, 1.8)))
    assert judge(*curves, 6.1, 15_000, 9_000, rival=(3.7, 3.6)).word == "fitting well", "music that is hard to guess"
    assert judge(*curves, 6.1, 15_000, 9_000).word == "fitting well"
    wide = [3.0, 2.5, 2.2, 2.1, 2.0], [4.2, 3.9, 3.9, 3.9, 3.9]
    assert judge(*wide, 6.1, 15_000, 9_000, rival=(3.7, 1.8)).word != "underfitting"
