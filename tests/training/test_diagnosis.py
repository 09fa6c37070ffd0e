"""The diagnosis of a run: the right word, and the right figures in its sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from playbach.training.diagnosis import Diagnosis, diagnose

GUESSING = 6.0
RUN: dict[str, Any] = {"guessing": 6.1, "parameters": 15_000, "symbols": 9_000}


def diagnose_curves(train: Sequence[float], valid: Sequence[float], guessing: float = GUESSING) -> Diagnosis:
    diagnosis = diagnose(train, valid, guessing=guessing, parameters=120_000, symbols=48_000)
    text = str(diagnosis)
    assert text.isprintable()  # one paragraph
    assert "  " not in text
    assert text.startswith(diagnosis.word.capitalize())
    assert text.endswith("The network has 120,000 parameters for 48,000 training symbols (2.5 per symbol).")
    assert all(line.endswith(".") for line in diagnosis.lines)
    return diagnosis


def test_fitting_well() -> None:
    diagnosis = diagnose_curves([3.4, 3.0, 2.8, *[2.7] * 9], [3.6, 3.2, 3.1, 3.0, *[3.01] * 8])
    assert diagnosis.word == "fitting well"
    assert "2.70 bits per note on training music, 3.00 on held-out music (best epoch 4)" in str(diagnosis)


@pytest.mark.parametrize(("train", "larger"), [(3.44, True), (3.30, True), (3.28, False), (2.95, False)])
def test_a_narrow_gap_suggests_a_larger_network_first(train: float, larger: bool) -> None:
    diagnosis = diagnose_curves([train] * 12, [3.87] * 12)
    assert diagnosis.word == "fitting well"
    assert ("try a larger network or less dropout first" in str(diagnosis)) is larger
    assert ("More music would help most" in str(diagnosis)) is not larger


def test_overfitting_when_validation_has_risen() -> None:
    diagnosis = diagnose_curves([4.0, 3.5, 3.2, 2.9, 2.5, 2.1], [4.1, 3.7, 3.5, 3.52, 3.66, 3.9])
    assert diagnosis.word == "overfitting"
    text = str(diagnosis)
    assert "since epoch 5:" in text  # 3.52 is within 2 % of the best
    assert "(3.50 to 3.90 bits per note)" in text
    assert "those of training music improved (3.20 to 2.10)" in text
    assert "The weights of epoch 3 were kept" in text


def test_overfitting_when_the_gap_is_wide() -> None:
    diagnosis = diagnose_curves([3.0, 2.0, *[1.2] * 8], [3.5, 3.1, *[3.05] * 8])
    assert diagnosis.word == "overfitting"
    assert "at the best epoch, 3, training music costs 1.20 bits per note and held-out music 3.05" in str(diagnosis)


def test_underfitting() -> None:
    diagnosis = diagnose_curves([5.5, 5.2, 5.1], [5.6, 5.4, 5.3])
    assert diagnosis.word == "underfitting"
    assert (
        "even the training music costs 5.10 bits per note, only a little less than guessing by frequency (6.00)"
        in str(diagnosis)
    )


def test_underfitting_worse_than_guessing_does_not_claim_otherwise() -> None:
    diagnosis = diagnose_curves([6.4], [6.5])
    assert diagnosis.word == "underfitting"
    assert "costs 6.40 bits per note, no less than guessing by frequency (6.00)" in str(diagnosis)


def test_not_finished() -> None:
    diagnosis = diagnose_curves([4.0, 3.7, 3.4, 3.1, 2.9], [4.2, 3.9, 3.6, 3.4, 3.2])
    assert diagnosis.word == "not finished"
    assert "still improving when training ended (3.20 bits per note)" in str(diagnosis)


def test_a_last_tenth_without_progress_is_finished() -> None:
    train = [4.0 - 0.05 * i for i in range(20)]
    assert diagnose_curves(train, [4.1 - 0.05 * i for i in range(20)]).word == "not finished"
    assert (
        diagnose_curves(train, [*[4.0 - 0.06 * i for i in range(15)], 3.15, 3.149, 3.148, 3.147, 3.146]).word
        == "fitting well"
    )


def test_a_little_worse_at_the_end_is_not_overfitting() -> None:
    assert diagnose_curves([2.9] * 5 + [2.8], [3.1, 3.0, 3.0, 3.0, 3.0, 3.05]).word == "fitting well"
    assert diagnose_curves([2.9] * 5 + [2.8], [3.1, 3.0, 3.0, 3.0, 3.0, 3.07]).word == "overfitting"


def test_both_curves_rising_is_not_overfitting() -> None:
    """An unlucky last epoch made the network worse at everything."""
    assert diagnose_curves([2.8] * 5 + [3.0], [3.1, 3.0, 3.0, 3.0, 3.0, 3.4]).word == "fitting well"


@pytest.mark.parametrize(
    ("train", "valid", "word"), [(3.0, 3.2, "fitting well"), (1.0, 3.2, "overfitting"), (5.9, 5.9, "underfitting")]
)
def test_a_single_epoch_is_diagnosed_too(train: float, valid: float, word: str) -> None:
    diagnosis = diagnose_curves([train], [valid])
    assert diagnosis.word == word
    assert f"{train:.2f}" in str(diagnosis)


def test_a_run_without_symbols_is_diagnosed_too() -> None:
    assert "(7.0 per symbol)" in str(diagnose([3.0], [3.0], guessing=GUESSING, parameters=7, symbols=0))


def test_a_narrow_gap_far_behind_the_ngram_is_underfitting() -> None:
    curves = [4.0, 3.85, 3.85, 3.84, 3.84], [4.2, 4.05, 4.05, 4.04, 4.04]
    assert diagnose(*curves, **RUN, test_and_ngram=(3.7, 1.8)).word == "underfitting"
    assert "3.70" in str(diagnose(*curves, **RUN, test_and_ngram=(3.7, 1.8)))
    assert diagnose(*curves, **RUN, test_and_ngram=(3.7, 3.6)).word == "fitting well", "music that is hard to predict"
    assert diagnose(*curves, **RUN).word == "fitting well"
    wide = [3.0, 2.5, 2.2, 2.1, 2.0], [4.2, 3.9, 3.9, 3.9, 3.9]
    assert diagnose(*wide, **RUN, test_and_ngram=(3.7, 1.8)).word != "underfitting"
