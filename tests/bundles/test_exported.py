"""Exported networks: a file and its manifest are read as a bundle, or rejected with one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.paths import GOLDEN
from playbach.bundles import bundle as bundles
from playbach.bundles import exported
from playbach.system.errors import BundleError

EXPORTED = GOLDEN / "tiny-int8.tflite"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copy(exported.manifest_path(EXPORTED), tmp_path)
    return Path(shutil.copy(EXPORTED, tmp_path))


def test_it_is_a_bundle_of_one_member(copied: Path) -> None:
    bundle = bundles.read(bundles.find(copied))
    original = bundles.read(EXPORTED.with_name("tiny.playbach"))
    assert set(bundle.members) == {bundles.TFLITE}
    assert bundle.members[bundles.TFLITE] == EXPORTED.read_bytes()
    assert bundle.encoding().manifest() == original.encoding().manifest()
    assert bundle.manifest["sampling"] == original.manifest["sampling"]
    assert bundle.manifest["export"]["bundle"] == original.sha256
    assert bundle.card == ""


def test_it_says_all_symbols_in_words(copied: Path) -> None:
    said = bundles.read(copied).manifest["export"]
    encoding = bundles.read(copied).encoding()
    assert said["vocabulary"] == {f.name: list(f.symbols) for f in encoding.fields}
    assert said["context"] == {f.name: list(f.symbols) for f in encoding.context}


def test_it_can_neither_be_trained_on_nor_exported(copied: Path) -> None:
    pytest.importorskip("torch")
    from playbach.bundles import network

    with pytest.raises(BundleError, match=r"tiny-int8\.tflite: this is an exported network, which has no weights"):
        network.read_base_model(copied)
    with pytest.raises(BundleError, match=r"give the \.playbach file that it was exported from"):
        bundles.read(copied).onnx  # noqa: B018


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def without_manifest(path: Path) -> None:
    exported.manifest_path(path).unlink()


def foreign_manifest(path: Path) -> None:
    exported.manifest_path(path).write_text("[1, 2]")


def no_text(path: Path) -> None:
    exported.manifest_path(path).write_bytes(b"\xff\xfe{")


def deep(path: Path) -> None:
    exported.manifest_path(path).write_text("[" * 100_000)


def without_file(path: Path) -> None:
    path.unlink()


def newer(path: Path) -> None:
    beside = exported.manifest_path(path)
    beside.write_text(json.dumps({**json.loads(beside.read_text("utf-8")), "format": 99}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut, "damaged, or not the file of its manifest"),
        (without_manifest, r"its manifest tiny-int8\.tflite\.json is missing"),
        (foreign_manifest, "not the manifest of an exported model, or damaged"),
        (no_text, "not the manifest of an exported model, or damaged"),
        (deep, "not the manifest of an exported model, or damaged"),
        (without_file, r"cannot be read \(No such file"),
        (newer, "it has format 99, and this version of playbach reads formats 1 and 2"),
    ],
)
def test_what_is_damaged_is_refused_in_one_line(copied: Path, spoil: Callable[[Path], None], words: str) -> None:
    spoil(copied)
    with pytest.raises(BundleError, match=words) as error:
        bundles.read(copied)
    assert "\n" not in str(error.value) and copied.name in str(error.value)


def test_nothing_is_larger_than_a_model(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "MAX_MANIFEST_BYTES", 100)
    with pytest.raises(BundleError, match="larger than the 0 MB that a model may have; not opened"):
        bundles.read(copied)


def test_both_files_find_free_names_together(tmp_path: Path) -> None:
    manifest = {"format": 1}
    first = exported.write(tmp_path / "a.tflite", b"one", manifest, {"format": "tflite"})
    second = exported.write(tmp_path / "a.tflite", b"two", manifest, {"format": "tflite"})
    exported.manifest_path(tmp_path / "b.tflite").write_text("somebody's")
    third = exported.write(tmp_path / "b.tflite", b"three", manifest, {"format": "tflite"})
    assert [p.name for p in (first, second, third)] == ["a.tflite", "a-2.tflite", "b-2.tflite"]
    for path, data in ((first, b"one"), (second, b"two"), (third, b"three")):
        assert exported.read(path).data == data
        assert exported.read(path).manifest["export"]["file"] == path.name
    assert exported.manifest_path(tmp_path / "b.tflite").read_text() == "somebody's"


def test_half_an_export_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        exported.write(tmp_path / "a.tflite", b"one", {"bits": float("nan")}, {})
    assert list(tmp_path.iterdir()) == []
