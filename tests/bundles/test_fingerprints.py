"""The index of training pieces in a bundle: it names pieces, and damage is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.indexed import indexed
from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import FINGERPRINTS, MANIFEST
from playbach.bundles.fingerprints import add_index, numbers_of_pieces, read_index
from playbach.data.corpora import load_folder
from playbach.music.scores import transpose
from playbach.system.errors import BundleError


@pytest.fixture(scope="module")
def path(chorales_bundle: Path, chorales_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return indexed(chorales_bundle, chorales_folder, tmp_path_factory.mktemp("indexed"))


def test_a_training_piece_is_found_by_name_in_any_key(path: Path, chorales_folder: Path) -> None:
    bundle, (corpus, _) = bundles.read(path), load_folder(chorales_folder, encoding="chorale")
    found = read_index(bundle)
    assert found is not None and found.missing == 0 and len(found.index.pieces) == len(corpus.train)
    for piece in corpus.train:
        borrowing = found.borrowing(transpose(piece.score, 2))
        runs = [line.run for line in borrowing.lines]
        assert [line.name for line in borrowing.lines] == ["Soprano", "Alto", "Tenor", "Bass", "whole"]
        assert runs[-1] is not None and found.names[runs[-1].piece] == piece.name and borrowing.copied == 1
        assert f"bars 0–8 as a whole are those of {piece.name}, bars 0–8" in found.verdict(borrowing)
    assert found.floor.pieces == len(corpus.valid) + len(corpus.test)


def test_nothing_else_in_the_bundle_changes(path: Path, chorales_bundle: Path) -> None:
    before, after = bundles.read(chorales_bundle), bundles.read(path)
    assert {n: d for n, d in after.members.items() if n not in (MANIFEST, FINGERPRINTS)} == {
        n: d for n, d in before.members.items() if n not in (MANIFEST, FINGERPRINTS)
    }
    assert {**after.manifest, "sha256": 0} == {**before.manifest, "sha256": 0}
    assert before.manifest["sha256"].items() <= after.manifest["sha256"].items()


def test_a_bundle_without_an_index_has_none(chorales_bundle: Path) -> None:
    assert read_index(bundles.read(chorales_bundle)) is None


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: b"{}\n", lambda data: b"\x00" * 99])
def test_a_damaged_index_is_one_line(path: Path, tmp_path: Path, damage: object) -> None:
    bundle = bundles.read(path)
    broken = add_index(bundle, damage(bundle.members[FINGERPRINTS]), tmp_path / "broken.playbach")  # type: ignore[operator]
    with pytest.raises(BundleError, match=r"^broken: its index of training pieces is damaged \(.*\); get or train"):
        read_index(bundles.read(broken))


def test_a_piece_that_the_manifest_does_not_list_is_damage(path: Path) -> None:
    bundle = bundles.read(path)
    shorter = {**bundle.manifest, "pieces": dict(list(bundle.manifest["pieces"].items())[:2])}
    with pytest.raises(BundleError, match="does not list"):
        read_index(bundles.Bundle("mine", shorter, bundle.members, bundle.sha256))


def test_training_pieces_that_are_not_in_the_index_are_counted(path: Path) -> None:
    bundle = bundles.read(path)
    pieces = {**bundle.manifest["pieces"], "of the base model": ["train", "other.mid"], "odd": 3}
    found = read_index(bundles.Bundle("mine", {**bundle.manifest, "pieces": pieces}, bundle.members, bundle.sha256))
    assert found is not None and found.missing == 1
    assert numbers_of_pieces({"pieces": pieces})["odd"] == len(pieces) - 1


def test_a_member_that_would_pack_like_a_zip_bomb_can_be_read_again(path: Path, tmp_path: Path) -> None:
    bundle, even = bundles.read(path), bytes(bundles.SMALL_MEMBER_BYTES + 1)
    assert bundles.read(add_index(bundle, even, tmp_path / "even.playbach")).members[FINGERPRINTS] == even
