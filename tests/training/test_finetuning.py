"""Training on: what a network knew stays, new symbols come after the old ones, and what it knows is not held out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import playbach
from helpers import sample_music
from playbach.bundles import bundle as bundles
from playbach.bundles import network
from playbach.data import corpora
from playbach.encodings import ENCODINGS, NotesOptions
from playbach.models import Shape
from playbach.system.errors import BundleError, CorpusError, PlaybachError, UsageError
from playbach.training import finetuning, saving
from playbach.training.runs import Run

SMALL = {"width": 16, "layers": 1, "heads": 2, "memory": 64}


@pytest.fixture(scope="module")
def first(lines_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    chosen = {"epochs": 3, "model": "transformer", "network": SMALL, "name": "first"}
    return playbach.train(lines_folder, into=tmp_path_factory.mktemp("first"), **chosen)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Music in another meter, of pitches and chords that the first corpus does not have."""
    folder = tmp_path_factory.mktemp("other")
    for seed in range(8):
        line = [(480 * i, 480, (86 + (i * (seed + 3)) % 13, 93)[i % 2]) for i in range(36)]
        chords = [(480 * i, 480, 70 + (seed + i) % 7) for i in range(0, 36, 4)]
        sample_music.score([line, chords], meters=[(0, 3, 4)]).dump_midi(folder / f"{seed}.mid")
    return folder


@pytest.mark.parametrize(
    "options", [NotesOptions(), NotesOptions(durations="joined"), NotesOptions(octaves="folded")]
)
def test_notes_keep_their_numbers(options: NotesOptions) -> None:
    old = ENCODINGS["notes"].fit([sample_music.line(seed) for seed in range(4)], options)
    new = ENCODINGS["notes"].fit([sample_music.chorale(seed, tonic=5) for seed in range(3)], options, old)
    for before, after in zip((*old.fields, *old.context), (*new.fields, *new.context), strict=True):
        assert after.symbols[: len(before)] == before.symbols
        assert len(set(after.symbols)) == len(after.symbols)
    assert len(new.fields[0]) > len(old.fields[0])
    assert ENCODINGS["notes"].from_manifest(json.loads(json.dumps(new.manifest()))) == new


def test_chorales_keep_their_range() -> None:
    old = ENCODINGS["chorale"].fit([sample_music.chorale(seed) for seed in range(4)])
    high = [sample_music.chorale(seed, tonic=9) for seed in range(3)]
    new = ENCODINGS["chorale"].fit(high, None, old)
    assert new.fields == old.fields
    assert all(len(after) >= len(before) for before, after in zip(old.context, new.context))
    assert new.encode(high[0]).notes == ENCODINGS["chorale"].fit(high).encode(high[0]).notes


def test_it_goes_on_from_what_was_learnt(first: Run, lines_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    run = playbach.train(lines_folder, into=tmp_path, epochs=1, base=first.path, report=said.append, name="on")
    before, after = first.trained.history[-1].valid, run.trained.history[0].valid
    assert after.bits_per_note < before.bits_per_note + 0.05
    assert run.trained.model.config() == first.trained.model.config()
    assert run.trained.options.learning_rate == finetuning.LEARNING_RATE
    manifest = bundles.read(run.path).manifest
    assert manifest["provenance"]["base"]["name"] == "first"
    assert "--from first" in manifest["provenance"]["command"]
    assert "weights of first" in bundles.read(run.path).card


def test_other_music_adds_symbols(first: Run, other: Path, tmp_path: Path) -> None:
    run = playbach.train(other, into=tmp_path, epochs=1, base=first.path, name="more")
    old, new = first.trained.encoding, run.trained.encoding
    assert len(new.fields[0]) > len(old.fields[0])
    assert new.fields[0].symbols[: len(old.fields[0])] == old.fields[0].symbols
    assert playbach.load(run.path).compose(bars=2, seed=0).score.note_num() > 0
    # It remembers what it was trained on, so that no figure of that can pass for an honest one.
    pieces = bundles.read(run.path).manifest["pieces"]
    for digest, (side, _) in bundles.read(first.path).manifest["pieces"].items():
        assert pieces[digest][0] == side


def test_what_it_was_trained_on_is_not_held_out(first: Run, lines_folder: Path) -> None:
    corpus, _ = corpora.load_folder(lines_folder, seed=5)  # other sides than those of seed 0
    base = network.read_base(first.path)
    trained = {digest for digest, (side, _) in base.pieces.items() if side == "train"}
    held_out = [p for side, p in corpus.pieces() if side != "train"]
    assert any(p.digest in trained for p in held_out), "the seed shows nothing"
    try:
        honest, moved = finetuning.honest(corpus, base)
    except PlaybachError as error:
        assert "was trained on all pieces that would be held out" in str(error)
        return
    assert moved == sum(p.digest in trained for p in held_out)
    assert not any(p.digest in trained for side, p in honest.pieces() if side != "train")
    assert sum(1 for _ in honest.pieces()) == sum(1 for _ in corpus.pieces())


def test_the_command_of_a_built_in_corpus_names_what_it_began_with(first: Run) -> None:
    trained = first.trained
    corpus, options = replace(trained.corpus, name="bach-chorales"), replace(trained.options, encoding="chorale")
    on = replace(trained, corpus=corpus, options=options, base=network.read_base("bach-chorales"))
    assert saving.command("x", on).startswith("playbach train --from bach-chorales --name x")
    assert "--encoding" not in saving.command("x", on)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "lstm"}, "model lstm contradicts --from: first has transformer"),
        ({"encoding": "chorale"}, "encoding chorale contradicts --from: first has notes"),
        ({"network": {"layers": 3}}, "layers 3 contradicts --from: first has 1"),
        ({"notes": NotesOptions(octaves="folded")}, "octaves folded contradicts --from: first has kept"),
    ],
)
def test_what_it_cannot_become_is_named(first: Run, other: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        playbach.train(other, base=first.path, **options)


def test_music_that_the_encoding_cannot_hold_says_how_to_go_on(other: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"composes in the 'chorale' encoding; without --from a new"):
        playbach.train(other, into=tmp_path, base="bach-chorales")
    assert not list(tmp_path.iterdir())


def test_weights_of_another_shape_are_damage(first: Run) -> None:
    bundle = bundles.read(first.path)
    manifest = {
        **bundle.manifest,
        "architecture": {**bundle.manifest["architecture"], "config": {**SMALL, "width": 8}},
    }
    base = network.Base(first.path, bundles.Bundle("odd", manifest, bundle.members, bundle.sha256), bundle.encoding())
    with pytest.raises(BundleError, match="its weights cannot be trained on"):
        base.network(Shape.of(base.encoding))
