"""The pairs of a listening test: held-out pieces and composed ones that are alike in all but their notes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.indexed import indexed
from helpers.made_up_pairs import excerpt, listening_test
from playbach.bundles import bundle as bundles
from playbach.evaluation import listening_test as making
from playbach.evaluation.listening_pairs import Excerpt, ListeningTest, PairError, PairNote
from playbach.evaluation.listening_test import make_listening_test
from playbach.evaluation.options import ListeningTestOptions
from playbach.inference.composing import Composer
from playbach.music.events import Note
from playbach.music.performance import perform
from playbach.music.reading import read_file
from playbach.system.errors import BundleError, CorpusError, UsageError

KINDS = ("chorales", "lines")


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Composer, Path]:
    """A composer with an index, and its corpus."""
    bundle, folder = (request.getfixturevalue(f"{request.param}_{kind}") for kind in ("bundle", "folder"))
    return Composer(bundles.read(indexed(bundle, folder, tmp_path_factory.mktemp("indexed")))), folder


@pytest.fixture
def tolerant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks know their few training pieces by heart, so that what they compose counts as original here."""
    monkeypatch.setattr(making._Originality, "copies", lambda self, score: None)


def names(composer: Composer, side: str) -> set[str]:
    known = bundles.known_pieces(composer.bundle.manifest)
    return {Path(entry[1]).stem for entry in known.values() if entry[0] == side}


def make(composer: Composer, folder: Path, **options: Any) -> ListeningTest:
    count = len(names(composer, "test"))
    return make_listening_test(composer, folder, ListeningTestOptions(**{"pairs": count, "seed": 3} | options))


def test_real_excerpts_are_of_the_test_side_alone(trained: tuple[Composer, Path], tolerant: None) -> None:
    composer, folder = trained
    made = make(composer, folder)
    assert {pair.piece for pair in made.pairs} == names(composer, "test")
    assert (made.composer, made.model, made.bundle) == ("a person", composer.bundle.name, composer.bundle.sha256)


def test_the_excerpts_of_a_pair_are_alike_in_all_but_their_notes(
    trained: tuple[Composer, Path], tolerant: None
) -> None:
    composer, folder = trained
    for pair in make(composer, folder, bars=4).pairs:
        score = read_file(folder / f"{pair.piece}.mid").score
        assert pair.tempo == round(next(iter(score.tempos)).qpm)
        pickup = 1 if len(score.time_signatures) > 1 else 0
        beats = 4 * 4 + pickup
        assert pair.real.seconds == pair.composed.seconds == pytest.approx(beats * 60 / pair.tempo, abs=2e-3)
        assert pair.real.notes != pair.composed.notes
        assert {note.voice for note in pair.real.notes} <= set(range(len(pair.voices)))
        for part in (pair.real, pair.composed):
            assert [note.at for note in part.notes] == sorted(note.at for note in part.notes)
            assert max(note.at + note.seconds for note in part.notes) <= part.seconds + 1e-2


def test_a_real_excerpt_has_the_notes_of_its_piece(trained: tuple[Composer, Path], tolerant: None) -> None:
    composer, folder = trained
    for pair in make(composer, folder, bars=4).pairs:
        score = composer.encoding.project(read_file(folder / f"{pair.piece}.mid").score)
        end = round(pair.real.seconds * pair.tempo / 60 * 480)
        wanted = sorted((n.time, v, n.pitch) for v, t in enumerate(score.tracks) for n in t.notes if n.time < end)
        found = sorted((round(n.at * pair.tempo / 60 * 480), n.voice, n.pitch) for n in pair.real.notes)
        assert [entry[1:] for entry in found] == [entry[1:] for entry in wanted]
        assert all(abs(a[0] - b[0]) <= 2 for a, b in zip(found, wanted))


def test_a_composed_excerpt_begins_the_piece_of_its_seed(trained: tuple[Composer, Path], tolerant: None) -> None:
    composer, folder = trained
    for pair in make(composer, folder, bars=4).pairs:
        piece = composer.compose(seed=pair.seed, bars=pair.bars, tempo=pair.tempo).score
        end = round(pair.composed.seconds * pair.tempo / 60 * 480)
        wanted = sorted((v, n.pitch, n.velocity) for v, t in enumerate(piece.tracks) for n in t.notes if n.time < end)
        assert sorted((n.voice, n.pitch, n.velocity) for n in pair.composed.notes) == wanted


def test_a_whole_piece_ends_as_it_is_performed(trained: tuple[Composer, Path], tolerant: None) -> None:
    composer, folder = trained
    for pair in make(composer, folder, bars=8).pairs:
        slowed = pair.real.seconds / (8 * 4 * 60 / pair.tempo)
        assert pair.bars == 8 and slowed > 1.02
        assert pair.real.seconds == pytest.approx(pair.composed.seconds, rel=0.2)


def test_the_same_seed_makes_the_same_pairs(trained: tuple[Composer, Path], tolerant: None) -> None:
    composer, folder = trained
    assert make(composer, folder, seed=3) == make(composer, folder, seed=3) != make(composer, folder, seed=4)


def test_copies_are_replaced_and_counted(trained: tuple[Composer, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    composer, folder = trained
    verdicts = iter(["training", "held-out", "training", *[None] * 100])
    monkeypatch.setattr(making._Originality, "copies", lambda self, score: next(verdicts))
    made = make(composer, folder)
    assert "composed excerpts replaced since they copy training music: 2" in made.remarks
    assert "composed excerpts replaced since they copy held-out music: 1" in made.remarks


@pytest.mark.parametrize("side", ["train", "test"])
def test_a_piece_of_either_side_is_known_as_a_copy(
    trained: tuple[Composer, Path], side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    composer, folder = trained
    found: list[making._Originality] = []

    def pair(*arguments: Any) -> None:
        found.append(arguments[4])

    monkeypatch.setattr(making, "_pair", pair)
    with pytest.raises(CorpusError, match="pairs can be made"):
        make(composer, folder)
    for name in names(composer, side):
        score = composer.encoding.project(read_file(folder / f"{name}.mid").score)
        assert found[0].copies(score) == {"train": "training", "test": "held-out"}[side]


def test_too_few_pieces_are_an_error_with_the_reasons(trained: tuple[Composer, Path], tolerant: None) -> None:
    composer, folder = trained
    with pytest.raises(CorpusError, match="ask for fewer --pairs or --bars"):
        make(composer, folder, pairs=100)
    with pytest.raises(CorpusError, match=r"only 0 of . pairs .* held-out pieces with less than 9 bars: \d"):
        make(composer, folder, bars=9)


def test_a_model_without_an_index_is_refused(lines_bundle: Path, lines_folder: Path) -> None:
    with pytest.raises(BundleError, match="no index of its training pieces"):
        make(Composer(bundles.read(lines_bundle)), lines_folder)


def test_both_sides_pass_through_the_same_performance(
    trained: tuple[Composer, Path], tolerant: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    composer, folder = trained
    performed: list[int] = []

    def recorded(events: Any) -> Any:
        kept = list(events)
        performed.append(sum(isinstance(event, Note) for event in kept))
        return perform(kept)

    monkeypatch.setattr(making, "perform", recorded)
    assert len(make(composer, folder).pairs) * 2 == len(performed)


@pytest.mark.parametrize("options", [{"pairs": 0}, {"pairs": 101}, {"bars": 0}, {"composer": ""}, {"composer": "\n"}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ListeningTestOptions(**options)


def test_names_of_the_chorales_become_their_bwv_numbers() -> None:
    assert making._title("test/bwv10.7.mid") == "BWV 10.7"
    assert making._title("piece_03.mid") == "piece 03"


NOTE = PairNote(0, 60, 80, 0.0, 0.5)


@pytest.mark.parametrize(
    "notes",
    [
        (),
        (NOTE._replace(voice=2),),
        (NOTE._replace(pitch=128),),
        (NOTE._replace(velocity=0),),
        (NOTE._replace(at=-0.1),),
        (NOTE._replace(seconds=0.0),),
        (NOTE._replace(seconds=2.0),),
        (NOTE._replace(at=math.nan),),
    ],
)
def test_notes_that_cannot_be_played_are_refused(notes: tuple[PairNote, ...]) -> None:
    good = listening_test().pairs[0]
    with pytest.raises(PairError):
        replace(good, real=Excerpt(1.0, notes))


@pytest.mark.parametrize("seconds", [0.0, math.inf, 1e9])
def test_excerpts_without_a_sensible_length_are_refused(seconds: float) -> None:
    with pytest.raises(PairError):
        replace(listening_test().pairs[0], composed=excerpt(60, seconds))


@pytest.mark.parametrize("changes", [{"voices": ()}, {"tempo": 0.0}, {"bars": 0}, {"seed": -1}])
def test_pairs_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(PairError):
        replace(listening_test().pairs[0], **changes)


@pytest.mark.parametrize("changes", [{"version": 2}, {"pairs": ()}, {"excerpt_bars": 0}])
def test_files_of_other_versions_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(PairError):
        replace(listening_test(), **changes)
