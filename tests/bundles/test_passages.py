"""Passages of the corpus in a bundle, and fixed times: what a seed chooses, what is rejected."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import sample_music
from playbach.bundles import bundle as bundles
from playbach.bundles import passages
from playbach.encodings import ENCODINGS
from playbach.encodings.onsets import NOTES_GRID
from playbach.encodings.options import NotesOptions
from playbach.inference import composing
from playbach.inference.composing import Composer
from playbach.music.bars import Bars
from playbach.music.events import Note
from playbach.system.errors import BundleError, UsageError


@pytest.fixture(scope="module")
def composer() -> Composer:
    return composing.load()


@pytest.mark.parametrize("make", [sample_music.chorale, sample_music.line])
def test_they_are_the_first_bars_and_survive_json(make: object) -> None:
    scores = [(f"piece {seed}", make(seed, bars=7)) for seed in range(3)]  # type: ignore[operator]
    name = "chorale" if make is sample_music.chorale else "notes"
    encoding = ENCODINGS[name].load().fit([score for _, score in scores])
    taken = list(passages.first_passages(scores, encoding))
    assert [p.name for p in taken] == ["piece 0", "piece 1", "piece 2"]
    for passage, (_, score) in zip(taken, scores, strict=True):
        whole = encoding.encode(score)
        part = passage.piece
        assert np.array_equal(part.steps, whole.steps[: len(part.steps)])
        assert part.ticks >= Bars(part.header.meters).end(passages.PASSAGE_BARS)
        assert len(part.steps) < len(whole.steps)
    manifest = json.loads(json.dumps({"passages": [p.manifest() for p in taken]}))
    kept = passages.read_passages(manifest, "x", encoding)
    for before, after in zip(taken, kept, strict=True):
        assert np.array_equal(before.piece.steps, after.piece.steps)
        assert (before.name, before.piece.header) == (after.name, after.piece.header)


def test_a_seed_goes_on_from_its_passage(composer: Composer) -> None:
    there = passages.read_passages(composer.bundle.manifest, "x", composer.encoding)
    assert len(there) == passages.MAX_PASSAGES
    pieces = {}
    for seed in range(4):
        pieces[seed] = composer.compose(seed=seed, prime="corpus", bars=1, plain=True)
        again = composer.compose(seed=seed, prime="corpus", bars=1, plain=True)
        assert again.score == pieces[seed].score
        name = json.loads(pieces[seed].comment)["prime"].removeprefix("corpus: ")
        [passage] = [p for p in there if p.name == name]
        steps = composer.encoding.encode(pieces[seed].score).steps
        # The last wait of the passage was cut by its end.
        known = passage.piece.steps[:-1]
        assert np.array_equal(steps[: len(known)], known)
    assert len({json.loads(piece.comment)["prime"] for piece in pieces.values()}) > 1


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (None, "has no passages"),
        ([{"name": "x"}], "its passages are damaged"),
        (
            [{"name": "x", "steps": [[99999]], "header": {}, "ticks": 0}],
            "the steps have symbols that its encoding does not have",
        ),
        (
            [{"name": "x", "steps": [[1, 2]], "header": {}, "ticks": 0}],
            "the steps do not have the fields of its encoding",
        ),
        ([{"name": "x", "steps": [], "header": {}, "ticks": 0}], "the steps do not have the fields of its encoding"),
    ],
)
def test_a_bundle_without_or_with_nonsense(composer: Composer, listed: object, said: str) -> None:
    odd = Composer(replace(composer.bundle, manifest={**composer.bundle.manifest, "passages": listed}))
    with pytest.raises(BundleError, match=said):
        odd.compose(prime="corpus")


@pytest.mark.parametrize("durations", ["none", "joined", "separate"])
def test_times_can_be_fixed(durations: str) -> None:
    encoding = (
        ENCODINGS["notes"].load().fit([sample_music.line(s) for s in range(4)], NotesOptions(durations=durations))
    )  # type: ignore[arg-type]
    sequence = encoding.encode(sample_music.line(7))
    for offset, duration in ((0.5, None), (0.5, 0.25), (0.25, 1.0), (None, 0.25)):
        decoder = encoding.with_fixed_times(offset, duration).decoder(sequence.header)
        before = 0
        for step in sequence.steps[:20]:
            [*notes] = decoder.feed(step)
            apart = decoder.tick - before
            assert offset is None or apart == offset * 480
            for note in notes:
                assert isinstance(note, Note)
                assert note.tick == before
                assert note.duration <= apart, "no note lasts into the next"
                assert duration is None or note.duration == min(duration * 480, apart)
            before = decoder.tick
            assert before % NOTES_GRID == 0


def test_a_chorale_model_refuses_fixed_times(composer: Composer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"offset and duration work only with the 'notes' encoding; .* is 'chorale'"):
        composer.compose(offset=0.5)
    with pytest.raises(UsageError, match="duration must be a number between"):
        composer.compose(duration=0)


def test_what_training_writes_carries_them(lines_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import playbach

    run = playbach.train(lines_folder, into=tmp_path, epochs=1, network={"hidden": 16}, dtype="float32")
    manifest = bundles.read(run.path).manifest
    trained = {name for side, name in manifest["pieces"].values() if side == "train"}
    assert {p["name"] for p in manifest["passages"]} == trained
    piece = playbach.load(run.path).compose(prime="corpus", bars=1, seed=0, offset=0.5)
    assert piece.score.note_num() > 0
