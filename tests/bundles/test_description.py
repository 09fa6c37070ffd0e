"""Descriptions of bundles; a malformed manifest gives at most a one-line error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import playbach
from helpers import sample_music
from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import CARD, ONNX, WEIGHTS
from playbach.bundles.description import NGramsInfo
from playbach.bundles.exported import NGRAMS
from playbach.cli.main import main
from playbach.encodings import ENCODINGS
from playbach.inspection import BundleInfo, DamagedModel, describe_model, list_models
from playbach.system.errors import BundleError, PlaybachError
from playbach.system.version import __version__

MEMBERS = {ONNX: b"a graph", WEIGHTS: bytes(256), CARD: b"# a card\x1b[2J\n\nof two lines\n"}
LINES = ENCODINGS["notes"].load().fit([sample_music.line(seed, 4) for seed in range(3)])


def manifest(**changes: Any) -> dict[str, Any]:
    fits = {"symbols": [len(f) for f in LINES.fields], "context": [len(f) for f in LINES.context]}
    return {
        "playbach": "9.9",
        "architecture": {"name": "lstm", "parameters": 1234, "config": {"hidden": 8}, **fits},
        "encoding": LINES.manifest(),
        "sampling": {"temperature": 1.0, "top_p": 0.9},
        "provenance": {"corpus": "lines", "seconds": 3.5, "options": {"seed": 4}},
        "metrics": {"test": {"bits_per_note": 2.5, "notes": 7}, "n_gram": {"bits_per_note": 3.5}, "verdict": "fits"},
        "pieces": {"a": ["train", "a.mid"], "b": ["train", "b.mid"], "c": ["test", "c.mid"]},
    } | changes


def made(folder: Path, name: str = "mine", **changes: Any) -> Path:
    return bundles.write(folder / f"{name}.playbach", manifest(**changes), MEMBERS)


def test_all_that_it_says_of_itself(tmp_path: Path) -> None:
    path = made(tmp_path)
    found = describe_model(path)
    assert (found.name, found.path, found.bytes, found.shipped) == ("mine", str(path), path.stat().st_size, False)
    assert (found.problem, found.playbach, found.format) == (None, "9.9", bundles.BUNDLE_FORMAT)
    assert (found.architecture, found.parameters, found.config) == ("lstm", 1234, {"hidden": 8})
    assert found.encoding == "notes"
    assert found.encoding_options["options"]["durations"] == "separate"
    assert "symbols" not in found.encoding_options
    assert [(f.name, len(f.symbols)) for f in found.fields] == [(f.name, len(f)) for f in LINES.fields]
    assert [f.name for f in found.context] == [f.name for f in LINES.context]
    [beginning] = found.beginnings
    assert (beginning.meter, beginning.pickup, beginning.tempo, beginning.pieces) == ("4/4", None, 80, 3)
    assert found.metrics == {"test": {"bits_per_note": 2.5, "notes": 7}, "n_gram": {"bits_per_note": 3.5}}
    assert found.verdict == "fits"
    assert found.pieces == {"train": 2, "test": 1}
    assert (found.corpus, found.provenance) == ("lines", {"seconds": 3.5, "options": {"seed": 4}})
    assert found.members[ONNX] == 7
    assert found.card.startswith("# a card")
    assert found.sha256 == bundles.read(path).sha256


def test_n_grams_that_play_together_with_the_network(tmp_path: Path) -> None:
    data = json.dumps({"members": [[], [], []], "network_share": 0.25, "pieces": [{}, {}]}).encode()
    path = bundles.write(tmp_path / "mine.playbach", manifest(), {**MEMBERS, NGRAMS: data})
    assert describe_model(path).ngrams == NGramsInfo(3, 0.75, 2)
    assert describe_model(made(tmp_path, "alone")).ngrams is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"7",
        b"{}",
        b"[" * 9999,
        b'{"members": [], "network_share": 0.5, "pieces": [1]}',
        b'{"members": [1], "network_share": NaN, "pieces": [1]}',
        b'{"members": 1, "network_share": 0.5, "pieces": []}',
    ],
)
def test_malformed_n_grams_are_left_out(data: bytes, tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.playbach", manifest(), {**MEMBERS, NGRAMS: data})
    assert describe_model(path).ngrams is None


def test_a_real_one(chorales_bundle: Path) -> None:
    found = describe_model(chorales_bundle)
    parameters = json.loads(json.dumps(dict(bundles.read(chorales_bundle).manifest)))["architecture"]["parameters"]
    assert (found.problem, found.parameters) == (None, parameters)
    assert "C4" in found.fields[0].symbols
    assert found.beginnings[0].pickup == "1/4"
    assert {"train", "valid", "test"} <= set(found.metrics)
    assert found.fields[0].name == playbach.load(chorales_bundle).encoding.fields[0].name


def test_the_shipped_one_has_no_problem() -> None:
    found = describe_model("bach-chorales")
    assert (found.shipped, found.problem, found.corpus) == (True, None, "bach-chorales")


@pytest.mark.parametrize(
    "changes",
    [
        *({name: wrong} for name in manifest() for wrong in (None, 7, "text", [1], {}, {"name": []}, [[[]]])),
        {"architecture": {"parameters": True, "name": 3, "config": [1], "symbols": "x"}},
        {"metrics": {"test": {"accuracy": "good", "notes": None, "bits": [1], "unknown": True}, 3: 4}},
        {"pieces": {"a": [], "b": "train", "c": [7, 8], "d": [["train"]]}},
        {"provenance": {"corpus": ["x"], "options": "y", "versions": 5, "python": [[1]]}},
    ],
)
def test_strange_manifests(changes: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path, **changes)
    found = describe_model(path)
    assert found.name == "mine"
    assert (found.problem is None) == (not {"encoding", "architecture"} & set(changes))
    for arguments in (["inspect", str(path)], ["inspect", str(path), "--json"], ["models", str(tmp_path)]):
        assert main(arguments) == 0
        told = capsys.readouterr()
        assert "mine" in told.out
        assert told.err == ""
        assert "\x1b" not in told.out


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        (None, "damaged: its network does not fit its encoding; get or train it again"),
        (__version__, "damaged: its network does not fit its encoding; get or train it again"),
        ("0.1.0", f"made by playbach 0.1.0, whose notes encoding this version ({__version__}) does not read; "
                  "train it again, or install playbach 0.1"),
        ("99.1", f"made by playbach 99.1, whose notes encoding this version ({__version__}) does not read; "
                 "update playbach"),
    ],
)  # fmt: skip
def test_a_network_that_does_not_fit_its_encoding_is_a_problem(
    tmp_path: Path, version: str | None, problem: str
) -> None:
    strange = manifest()["architecture"] | {"context": [1, 2]}
    assert describe_model(made(tmp_path, architecture=strange, playbach=version)).problem == problem


def test_a_manifest_that_is_too_deep_or_no_number(tmp_path: Path) -> None:
    deep: Any = "bottom"
    for _ in range(200):
        deep = [deep]
    assert "bottom" not in json.dumps(describe_model(made(tmp_path, provenance={"deep": deep})).provenance)
    path = tmp_path / "nan.playbach"
    with pytest.MonkeyPatch.context() as patch:
        dumps = json.dumps
        patch.setattr(bundles.json, "dumps", lambda data, **options: dumps(data))
        bundles.write(
            path, manifest(metrics={"test": {"bits": float("nan"), "nats": float("inf"), "notes": 1}}), MEMBERS
        )
    assert describe_model(path).metrics == {"test": {"notes": 1}}


def test_what_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there, there / "below"):
        folder.mkdir()
    monkeypatch.chdir(here)
    good = made(here, "good")
    made(there, "other")
    made(there / "below", "hidden away")
    (there / ".unfinished.playbach").write_bytes(b"x")
    (there / "no-zip.playbach").write_bytes(b"not a zip")
    (there / "cut.playbach").write_bytes(good.read_bytes()[:-40])
    (there / "folder.playbach").mkdir()
    (there / "song.mid").write_bytes(b"MThd")
    shutil.copy(good, there / "empty.playbach")
    (there / "empty.playbach").write_bytes(b"")
    found = list(list_models([".", there, there]))
    shipped = [m.name for m in found if isinstance(m, BundleInfo) and m.shipped]
    assert shipped == sorted(bundles.shipped_models())
    assert [m.name for m in found[len(shipped) :]] == ["good", "cut", "empty", "no-zip", "other"]
    damaged = [m for m in found if isinstance(m, DamagedModel)]
    assert [m.name for m in damaged] == ["cut", "empty", "no-zip"]
    for model in damaged:
        assert "not a playbach bundle, or damaged" in model.problem
        assert str(there) not in model.problem
    assert [m.name for m in list_models([good])][len(shipped) :] == ["good"]


def test_faults(tmp_path: Path) -> None:
    with pytest.raises(PlaybachError, match="no such folder"):
        list(list_models([tmp_path / "missing"]))
    with pytest.raises(BundleError, match="no such model"):
        describe_model("missing")
