"""Fine-tuning: symbols keep their indices, new ones follow, and pieces trained on before are never held out."""

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
from playbach.bundles.fingerprints import read_index
from playbach.data import corpora
from playbach.encodings import ENCODINGS
from playbach.encodings.options import NotesOptions
from playbach.models.base import RARER, Shape
from playbach.system.errors import BundleError, CorpusError, PlaybachError, UsageError
from playbach.training import finetuning, saving
from playbach.training.options import TrainOptions
from playbach.training.runs import Run

SMALL = {"width": 8, "layers": 1, "heads": 2, "memory": 32}


@pytest.fixture(scope="module")
def first(lines_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    chosen = {"epochs": 3, "model": "transformer", "network": SMALL, "name": "first", "dtype": "float32"}
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
def test_symbols_of_notes_keep_their_indices(options: NotesOptions) -> None:
    old = ENCODINGS["notes"].load().fit([sample_music.line(seed) for seed in range(4)], options)
    new = ENCODINGS["notes"].load().fit([sample_music.chorale(seed, tonic=5) for seed in range(3)], options, old)
    for before, after in zip((*old.fields, *old.context), (*new.fields, *new.context), strict=True):
        assert after.symbols[: len(before)] == before.symbols
        assert len(set(after.symbols)) == len(after.symbols)
    assert len(new.fields[0]) > len(old.fields[0])
    assert ENCODINGS["notes"].load().from_manifest(json.loads(json.dumps(new.manifest()))) == new


def test_chorales_keep_their_compass() -> None:
    old = ENCODINGS["chorale"].load().fit([sample_music.chorale(seed) for seed in range(4)])
    high = [sample_music.chorale(seed, tonic=9) for seed in range(3)]
    new = ENCODINGS["chorale"].load().fit(high, None, old)
    assert new.fields == old.fields
    assert all(len(after) >= len(before) for before, after in zip(old.context, new.context))
    assert new.encode(high[0]).notes == ENCODINGS["chorale"].load().fit(high).encode(high[0]).notes


def test_training_continues_from_the_base_model(first: Run, lines_folder: Path, tmp_path: Path) -> None:
    run = playbach.train(lines_folder, into=tmp_path, epochs=1, base=first.path, name="on")
    before, after = first.trained.history[-1].valid, run.trained.history[0].valid
    assert after.bits_per_note < before.bits_per_note + 0.05
    assert run.trained.model.config() == first.trained.model.config()
    assert run.trained.options.learning_rate == finetuning.FINETUNE_LEARNING_RATE
    manifest = bundles.read(run.path).manifest
    assert manifest["provenance"]["base"]["name"] == "first"
    assert "--from first" in manifest["provenance"]["command"]
    assert "Trained further from first" in bundles.read(run.path).card


def test_what_is_borrowed_from_the_base_models_pieces_is_seen_too(first: Run, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for seed in range(20, 28):
        sample_music.line(seed).dump_midi(tmp_path / "more" / f"more{seed}.mid")
    run = playbach.train(tmp_path / "more", into=tmp_path, epochs=1, base=first.path, name="both", network_alone=True)
    found = read_index(bundles.read(run.path))
    assert found is not None and found.missing == 0 and len(found.index.shelves) == 2
    for piece in (*first.trained.corpus.train, *run.trained.corpus.train):
        (line,) = found.borrowing(run.trained.encoding.project(piece.score)).lines
        assert line.run is not None and found.names[line.run.piece] == piece.name
    assert found.floor.pieces == len(run.trained.corpus.valid) + len(run.trained.corpus.test)


def test_other_music_adds_symbols(first: Run, other: Path, tmp_path: Path) -> None:
    run = playbach.train(other, into=tmp_path, epochs=1, base=first.path, name="more")
    old, new = first.trained.encoding, run.trained.encoding
    assert len(new.fields[0]) > len(old.fields[0])
    assert new.fields[0].symbols[: len(old.fields[0])] == old.fields[0].symbols
    assert playbach.load(run.path).compose(bars=2, seed=0).score.note_num() > 0
    # Pieces that the base model was trained on stay known, so that they are never held out.
    pieces = bundles.read(run.path).manifest["pieces"]
    for digest, (side, _) in bundles.read(first.path).manifest["pieces"].items():
        assert pieces[digest][0] == side


def test_pieces_trained_on_before_are_not_held_out(first: Run, lines_folder: Path) -> None:
    corpus, _ = corpora.load_folder(lines_folder, seed=5)  # other sides than those of seed 0
    base = network.read_base_model(first.path)
    trained = {digest for digest, (side, _) in base.pieces.items() if side == "train"}
    held_out = [p for side, p in corpus.pieces() if side != "train"]
    assert any(p.digest in trained for p in held_out), "choose another seed: nothing has to move"
    try:
        split, moved = finetuning.move_known_pieces(corpus, base)
    except PlaybachError as error:
        assert "was trained on all pieces that would be held out" in str(error)
        return
    assert moved == sum(p.digest in trained for p in held_out)
    assert not any(p.digest in trained for side, p in split.pieces() if side != "train")
    assert sum(1 for _ in split.pieces()) == sum(1 for _ in corpus.pieces())


def test_the_training_command_names_the_base_model(first: Run) -> None:
    trained = first.trained
    corpus, options = replace(trained.corpus, name="bach-chorales"), replace(trained.options, encoding="chorale")
    on = replace(trained, corpus=corpus, options=options, base=network.read_base_model("bach-chorales"))
    assert saving.training_command("x", on).startswith("playbach train --from bach-chorales --name x")
    assert "--encoding" not in saving.training_command("x", on)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "lstm"}, "model lstm contradicts --from: first has transformer"),
        ({"encoding": "chorale"}, "encoding chorale contradicts --from: first has notes"),
        ({"network": {"layers": 3}}, "layers 3 contradicts --from: first has 1"),
        ({"notes": NotesOptions(octaves="folded")}, "octaves folded contradicts --from: first has kept"),
    ],
)
def test_an_option_that_contradicts_the_base_model_is_refused(
    first: Run, other: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        playbach.train(other, base=first.path, **options)


def test_the_message_for_unsuitable_music_says_what_to_do(other: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"uses the 'chorale' encoding; leave out --from to train a new model"):
        playbach.train(other, into=tmp_path, base="bach-chorales")
    assert not list(tmp_path.iterdir())


def test_weights_of_another_shape_are_refused(first: Run) -> None:
    bundle = bundles.read(first.path)
    manifest = {
        **bundle.manifest,
        "architecture": {**bundle.manifest["architecture"], "config": {**SMALL, "width": 16}},
    }
    base = network.BaseModel(
        first.path, bundles.Bundle("odd", manifest, bundle.members, bundle.sha256), bundle.encoding()
    )
    with pytest.raises(BundleError, match="its weights cannot be loaded"):
        base.load_network(Shape.of(base.encoding))


# -------------------------------------------------------------------------------------------- the suitable base model


def _tune(number: int) -> object:
    """A tune that no collection has, within a violin's range."""
    pitches = (60 + (7 * i * (number + 2) + i * i) % 17 for i in range(32))
    return sample_music.score([[(240 * i, 240, pitch) for i, pitch in enumerate(pitches)]])


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tunes")
    for number in range(6):
        _tune(number).dump_midi(folder / f"{number}.mid")  # type: ignore[attr-defined]
    return folder


def test_training_begins_from_the_base_that_suits_the_music(tunes: Path, tmp_path: Path) -> None:
    run = playbach.train(tunes, into=tmp_path, epochs=1, dtype="float32")
    assert run.trained.base is not None and run.trained.base.name == "folk"
    assert "Begins from folk, which knows music of this kind (--from none begins from nothing)" in run.log.read_text()
    assert run.trained.options.learning_rate == finetuning.FINETUNE_LEARNING_RATE
    assert "--from folk" in bundles.read(run.path).manifest["provenance"]["command"]


def test_it_begins_from_nothing_if_asked(tunes: Path, tmp_path: Path) -> None:
    small = {"hidden": 8, "embedding": 4}
    run = playbach.train(tunes, into=tmp_path, epochs=1, dtype="float32", base="none", network=small)
    assert run.trained.base is None
    assert "Begins from" not in run.log.read_text()


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"network": {"hidden": 8}}, "folk has another value of hidden"),
        ({"model": "transformer", "network": SMALL}, "folk is no transformer"),
        (
            {"notes": NotesOptions(durations="joined"), "network": {"hidden": 8}},
            "folk has another value of hidden and",
        ),
        ({"vocabulary": "any", "network": {"hidden": 256}}, "the vocabulary is any"),
    ],
)
def test_options_that_differ_from_the_base_begin_from_nothing(
    chosen: dict[str, object], reason: str, tunes: Path
) -> None:
    corpus, encoding = corpora.open_corpus(tunes, 0, None)
    base, line = finetuning.suitable_base(corpus, TrainOptions(encoding=encoding, **chosen))  # type: ignore[arg-type]
    assert base is None
    assert line.startswith("Begins from nothing, since ") and reason in line


def test_a_base_that_knows_the_held_out_music_is_not_used(tunes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, encoding = corpora.open_corpus(tunes, 0, None)
    options, begins = TrainOptions(encoding=encoding), "Begins from nothing, since folk was trained on"
    known = {piece.digest: ["train", piece.name] for _, piece in corpus.pieces()}
    monkeypatch.setattr(network.BaseModel, "pieces", property(lambda self: known))
    reason = "2 of 2 pieces that are to be held out"
    assert finetuning.suitable_base(corpus, options) == (None, f"{begins} {reason}")
    known.update({piece.digest: ["test", piece.name] for side, piece in corpus.pieces() if side != "train"})
    assert finetuning.suitable_base(corpus, options) == (None, f"{begins} this music")


def test_a_new_chord_begins_as_a_rare_form_of_its_top_note() -> None:
    base = network.read_base_model("folk")
    chord = [(480 * i, 480, pitch) for i in range(8) for pitch in (47, 53, 62)]
    encoding = base.extend_encoding([sample_music.score([chord])])
    new, top = encoding.symbol_of((47, 53, 62), 0), encoding.symbol_of((62,), 0)  # type: ignore[attr-defined]
    assert new >= len(base.encoding.fields[0]) > top
    scores = base.load_network(Shape.of(encoding)).heads.symbols[0]  # type: ignore[union-attr, index]
    assert torch.equal(scores.weight[new], scores.weight[top])
    assert (scores.bias[top] - scores.bias[new]).item() == pytest.approx(RARER)
