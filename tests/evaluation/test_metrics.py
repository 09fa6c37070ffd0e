"""Figures of predictions: by hand on a few steps, and equal in training, in evaluation and for whole pieces."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from helpers import sample_music
from playbach.encodings import ENCODINGS
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.evaluation.metrics import (
    Figures,
    Predictions,
    compute_figures,
    frequency_baseline,
    predictions_from_logits,
)


@pytest.fixture(scope="module")
def encoding() -> Encoding:
    return ENCODINGS["chorale"].load().fit([sample_music.chorale(seed) for seed in range(4)])


@pytest.fixture(scope="module")
def piece(encoding: Encoding) -> EncodedPiece:
    return encoding.encode(sample_music.chorale(9))


def test_guesses_are_the_nats_of_the_true_symbols() -> None:
    chances = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    for shift in (0.0, 30.0):  # logits and logarithms of probabilities give the same result
        found = predictions_from_logits([np.log(chances) + shift], np.array([[1], [2]]))
        assert found.nats[:, 0] == pytest.approx([math.log(4), math.log(1.25)])
        assert found.right[:, 0].tolist() == [False, True]


def test_all_fields_are_paid_for_and_the_first_is_guessed() -> None:
    first, second = np.log([[0.5, 0.5]]), np.log([[0.75, 0.25]])
    found = predictions_from_logits([first, second], np.array([[0, 1]]))
    assert found.nats[0] == pytest.approx([math.log(2), math.log(4)])
    assert found.right.tolist() == [[True, False]]


def test_logits_may_be_huge() -> None:
    found = predictions_from_logits([np.array([[1e4, 0.0]], np.float32)], np.array([[1]]))
    assert found.nats[0] == pytest.approx([1e4])


def test_figures_by_hand(encoding: Encoding, piece: EncodedPiece) -> None:
    steps = len(piece)
    nats = np.full(steps, math.log(2))
    changes = ~encoding.is_continuation(piece.steps)
    nats[changes] *= 3
    found = compute_figures([Predictions(nats[:, None], changes[:, None])], [piece], encoding)
    share = changes.mean()
    assert 0 < share < 1
    assert (found.pieces, found.steps, found.notes) == (1, steps, piece.notes)
    assert found.changes == pytest.approx(share)
    assert found.bits_per_change == pytest.approx(3)
    assert found.accuracy == pytest.approx(share)
    assert found.accuracy_of_changes == 1
    bits = steps * (1 + 2 * share)
    assert found.bits_per_symbol == pytest.approx(bits / steps)
    assert found.bits_per_note == pytest.approx(bits / piece.notes)
    assert found.nats_per_sixteenth == pytest.approx(bits * math.log(2) / 128)  # eight bars
    assert found.unknown == 0


def test_holds_are_no_changes(encoding: Encoding, piece: EncodedPiece) -> None:
    names = np.array(encoding.fields[0].symbols)[piece.steps[:, 0]]
    assert (encoding.is_continuation(piece.steps) == (names == "hold")).all()
    notes = ENCODINGS["notes"].load().fit([sample_music.line(0)])
    assert not notes.is_continuation(notes.encode(sample_music.line(0)).steps).any()


def test_unknown_symbols_are_counted() -> None:
    encoding = ENCODINGS["notes"].load().fit([sample_music.line(0)])
    strange = encoding.encode(sample_music.score([[(0, 480, 100), (480, 480, 101)]]))
    assert compute_figures([Predictions(np.ones((2, 2)), np.zeros((2, 2), bool))], [strange], encoding).unknown == 1


def test_each_field_has_figures_of_its_own() -> None:
    encoding = ENCODINGS["notes"].load().fit([sample_music.line(0)])
    piece = encoding.encode(sample_music.score([[(0, 480, 60), (480, 480, 62)]]))
    nats = np.log([[2.0, 4.0], [8.0, 4.0]])
    found = compute_figures([Predictions(nats, np.array([[True, False], [True, True]]))], [piece], encoding)
    assert [(h.field, h.accuracy) for h in found.heads] == [("symbol", 1), ("duration", 0.5)]
    assert [h.bits for h in found.heads] == pytest.approx([2, 2])
    assert sum(h.bits for h in found.heads) == pytest.approx(2 * found.bits_per_symbol)
    assert Figures.from_manifest(json.loads(json.dumps(found.manifest()))) == found


def test_the_commonest_symbol(encoding: Encoding, piece: EncodedPiece) -> None:
    train = [encoding.encode(sample_music.chorale(seed)) for seed in range(4)]
    found = frequency_baseline(encoding, iter(train), [piece])
    counts = 1 + sum(np.bincount(s.steps[:, 0], minlength=len(encoding.fields[0])) for s in train)
    assert found.accuracy == pytest.approx((piece.steps[:, 0] == counts.argmax()).mean())
    bits = -np.log2(counts / counts.sum())[piece.steps[:, 0]].mean()
    assert found.bits_per_symbol == pytest.approx(bits)


def test_pieces_add_up(encoding: Encoding, piece: EncodedPiece) -> None:
    train = [encoding.encode(sample_music.chorale(seed)) for seed in range(4)]
    other = encoding.encode(sample_music.chorale(11, bars=5))
    both = frequency_baseline(encoding, train, [piece, other])
    alone = [frequency_baseline(encoding, train, [s]) for s in (piece, other)]
    bits = sum(f.bits_per_note * f.notes for f in alone)
    assert both.bits_per_note == pytest.approx(bits / (piece.notes + other.notes))
    assert replace(both, pieces=1).pieces == 1 and both.pieces == 2
