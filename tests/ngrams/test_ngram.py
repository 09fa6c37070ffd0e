"""The n-gram baseline: distributions, learnt from training pieces and the piece so far, never from what follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from helpers import sample_music
from playbach.encodings import ENCODINGS
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.encodings.features.bars import BARS_LEFT
from playbach.encodings.options import NotesOptions
from playbach.evaluation.metrics import Figures, compute_figures, frequency_baseline, predictions_of
from playbach.music.scores import transpose
from playbach.ngrams.ngram import VIEWPOINTS, NGram, _chains, _known_columns
from playbach.ngrams.ppm import ContextCounts, KnownColumn, StepTable, Viewpoint

Fitted = tuple[NGram, Encoding, list[EncodedPiece]]


def keys(scores: list, encoding: Encoding) -> list[list[EncodedPiece]]:
    return [[encoding.encode(transpose(s, k)) for k in encoding.transpositions(s)] for s in scores]


def fitted(name: str, options: object = None) -> Fitted:
    """A baseline of six pieces, and two more, encoded."""
    make = sample_music.chorale if name == "chorale" else sample_music.line
    scores = [make(seed, tonic=seed % 3) for seed in range(8)]
    encoding = ENCODINGS[name].load().fit(scores[:6], options)
    return NGram.fit(keys(scores[:6], encoding), encoding), encoding, [encoding.encode(s) for s in scores[6:]]


@pytest.fixture(scope="module")
def chorales() -> Fitted:
    return fitted("chorale")


@pytest.fixture(scope="module")
def lines() -> Fitted:
    """A baseline for three fields."""
    return fitted("notes", NotesOptions(velocities=True))


@pytest.fixture(params=["chorales", "lines"])
def each(request: pytest.FixtureRequest) -> Fitted:
    found: Fitted = request.getfixturevalue(request.param)
    return found


def cost(model: NGram, encoding: Encoding, sequences: list[EncodedPiece]) -> Figures:
    found = [predictions_of(model, s) for s in sequences]
    return compute_figures(found, sequences, encoding)


# ------------------------------------------------------------------------------------------------------- counting


def test_ppm_c_by_hand() -> None:
    """`a` was followed by b, b and c; the alphabet is a, b, c, d. Method C leaves 2/5 to the next shorter order.

    The lowest 16 bits of a context's hash do not count."""
    counts = ContextCounts(np.array([7, 7, 7], np.uint64) << 16, np.array([1, 1, 2], np.int32), 4)
    chances = np.full((2, 4), 0.25)
    counts.refine(np.array([7, 8], np.uint64) << 16, chances)
    assert chances[0] == pytest.approx([0.1, 0.5, 0.3, 0.1])
    assert chances[1] == pytest.approx([0.25] * 4)  # an unseen context leaves everything to the next shorter order
    of = counts.of_symbols(np.array([7, 7, 8], np.uint64) << 16, np.array([1, 3, 0], np.int32), np.full(3, 0.25))
    assert of == pytest.approx([0.5, 0.1, 0.25])


def test_the_short_term_side_by_hand() -> None:
    """The piece a, b, a, b in an alphabet of four; the viewpoint is the previous step."""
    sequence = EncodedPiece(np.array([[0], [1], [0], [1]], np.int32), np.zeros((4, 0), np.int32), None, 4, 480)  # type: ignore[arg-type]
    music, rows = StepTable.from_pieces([sequence]), np.arange(4)
    view = Viewpoint((KnownColumn(1, 0),), music, rows, 0, 4)
    found = view.short_term(music, rows, 0)
    assert found[0] == pytest.approx([0.25] * 4)
    assert found[1] == pytest.approx([0.625, 0.125, 0.125, 0.125])  # only `a` so far, and never after `a`
    order_0 = np.array([1 + 2 * 0.25, 1 + 2 * 0.25, 0.5, 0.5]) / 4  # `a` and `b`, once each
    assert found[2] == pytest.approx(order_0)  # nothing after `b` so far
    below = np.array([2 + 2 * 0.25, 1 + 2 * 0.25, 0.5, 0.5]) / 5
    assert found[3] == pytest.approx((np.array([0, 1, 0, 0]) + below) / 2)


# ----------------------------------------------------------------------------------------------------- the baseline


def test_it_gives_distributions(each: Fitted) -> None:
    model, encoding, held_out = each
    for chances, field in zip(model.probabilities(held_out[0]), encoding.fields, strict=True):
        assert chances.shape == (len(held_out[0]), len(field))
        assert (chances > 0).all()  # every symbol has a finite cost, even UNKNOWN
        assert chances.sum(axis=1) == pytest.approx(1)


def test_it_beats_the_commonest_symbol_by_far(each: Fitted) -> None:
    model, encoding, held_out = each
    make = sample_music.chorale if encoding.track_count == 4 else sample_music.line
    train = [encoding.encode(make(seed, tonic=seed % 3)) for seed in range(6)]
    assert (
        cost(model, encoding, held_out).bits_per_note
        < 0.8 * frequency_baseline(encoding, train, held_out).bits_per_note
    )


def test_a_listener_hears_the_same(each: Fitted) -> None:
    model, _, held_out = each
    sequence, whole = held_out[1], model.probabilities(held_out[1])
    listener = model.step_predictor()
    for t in range(35):
        for now, all_ in zip(listener.predict(sequence.context[t]), whole, strict=True):
            assert now == pytest.approx(all_[t], abs=1e-9)
        listener.feed(sequence.steps[t])


def test_it_never_looks_ahead(each: Fitted) -> None:
    model, _, held_out = each
    sequence, t = held_out[0], 30
    steps = sequence.steps.copy()
    steps[t:] = steps[t:][::-1]
    changed = replace(sequence, steps=steps)
    both = list(zip(model.probabilities(sequence), model.probabilities(changed)))
    assert all(before[: t + 1] == pytest.approx(after[: t + 1]) for before, after in both)
    assert not all(np.allclose(before[t + 1 :], after[t + 1 :]) for before, after in both)


def test_it_is_not_told_how_much_is_left(each: Fitted) -> None:
    model, encoding, held_out = each
    context = held_out[0].context.copy()
    context[:, [f.name for f in encoding.context].index(BARS_LEFT)] = 0
    for told, not_told in zip(
        model.probabilities(replace(held_out[0], context=context)), model.probabilities(held_out[0])
    ):
        assert np.array_equal(told, not_told)


def test_the_same_twice(chorales: Fitted) -> None:
    model, _, held_out = chorales
    again, *_ = fitted("chorale")
    assert np.array_equal(again.probabilities(held_out[0])[0], model.probabilities(held_out[0])[0])
    assert model.pieces == 6


def test_the_piece_itself_is_learnt_from(lines: Fitted) -> None:
    model, encoding, _ = lines
    odd = [(480 * i, 480, (52, 63, 55)[i % 3]) for i in range(60)]  # a figure that is in no training piece
    piece = encoding.encode(sample_music.score([odd]))
    nats = predictions_of(model, piece).nats
    assert nats[-12:].mean() < 0.5 * nats[:12].mean()


def test_every_kind_of_step_and_field_has_views_of_its_own(chorales: Fitted, lines: Fitted) -> None:
    for model, encoding, _ in (chorales, lines):
        kinds = {kind for kind, _ in model._experts}
        names = [f.name for f in encoding.context]
        assert len(kinds) == (len(encoding.context[names.index(encoding.step_kind)]) if encoding.step_kind else 1)
        assert len(model._experts) == len(kinds) * len(encoding.fields)
        assert all(
            len(e.viewpoints) == VIEWPOINTS and e.powers.shape == (2 * VIEWPOINTS,) for e in model._experts.values()
        )


class Halves:
    """Stands in for a random generator: `choice` gives the first half, then the last half, and so on."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, bool]] = []

    def choice(self, count: int, size: int, replace: bool) -> np.ndarray:
        self.calls.append((count, size, replace))
        return np.arange(count)[:size] if len(self.calls) % 2 else np.arange(count)[-size:]


def test_every_other_viewpoint_chooses_from_a_random_half_of_the_columns() -> None:
    """The others choose from all columns."""
    scores = [sample_music.line(seed, tonic=seed % 3) for seed in range(6)]
    encoding = ENCODINGS["notes"].load().fit(scores)
    table = StepTable.from_pieces([encoding.encode(score) for score in scores])
    rows, halves = np.arange(len(table.steps)), Halves()
    rng: Any = halves
    chains = _chains(table, rows[:-80], rows[-80:], 0, encoding, rng)
    columns = _known_columns(encoding, 0)
    size = -(-len(columns) // 2)
    assert halves.calls == [(len(columns), size, False)] * VIEWPOINTS
    assert all(chains)
    assert all(set(chain) <= set(columns[-size:]) for chain in chains[1::2])
    assert any(set(chain) - set(columns[:size]) for chain in chains[0::2])


@pytest.mark.parametrize("count", [1, 2])
def test_few_pieces_are_enough(count: int) -> None:
    scores = [sample_music.line(seed) for seed in range(count)]
    encoding = ENCODINGS["notes"].load().fit(scores)
    model = NGram.fit([[encoding.encode(s)] for s in scores], encoding)
    other = encoding.encode(sample_music.line(7))
    assert all(p.sum(axis=1) == pytest.approx(1) for p in model.probabilities(other))


def test_no_pieces_are_not() -> None:
    with pytest.raises(ValueError, match="no pieces to fit"):
        NGram.fit([], ENCODINGS["notes"].load().fit([sample_music.line(0)]))
