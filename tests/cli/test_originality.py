"""The command `playbach originality`, and what `compose` says of borrowed music: one line per error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import sample_music
from helpers.indexed import indexed
from playbach.cli.main import main
from playbach.inference.composing import Composer
from playbach.music.borrowing.floor import Borrowing
from playbach.music.scores import transpose

BUNDLES = {"chorales": "piece03.mid", "lines": "piece03.mid", "bands": "piece03.mid"}


@pytest.fixture(scope="module", params=BUNDLES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle of each encoding with an index, and its corpus."""
    bundle, folder = (request.getfixturevalue(f"{request.param}_{kind}") for kind in ("bundle", "folder"))
    return indexed(bundle, folder, tmp_path_factory.mktemp("indexed")), folder


@pytest.fixture(scope="module")
def chorales(chorales_bundle: Path, chorales_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return indexed(chorales_bundle, chorales_folder, tmp_path_factory.mktemp("indexed"))


def originality(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    status = main(["originality", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def in_another_key(piece: Path, into: Path) -> Path:
    from playbach.music.reading import read_file

    into.write_bytes(bytes(transpose(read_file(piece).score, 1).dumps_midi()))
    return into


def test_a_training_piece_in_another_key(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, folder = trained
    names = [entry[1] for entry in _pieces(model).values() if entry[0] == "train"]
    name = names[0]
    piece = in_another_key(folder / name, tmp_path / "moved.mid")
    status, out, _ = originality(capsys, piece, "--model", model)
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == f"{piece} compared with the {len(names)} training pieces of {model.stem}"
    assert lines[2].split()[:2] == ["longest", "run"] and lines[2].endswith("95th percentile")
    assert lines[-1].startswith("More is borrowed than real music borrows: bars") and name in lines[-1]
    assert any("100.0 %" in line for line in lines)
    status, out, _ = originality(capsys, piece, "--model", model, "--json")
    found = json.loads(out)
    assert found["above_floor"] and found["bars"]["share"] == 1
    assert found["lines"][-1]["run"]["piece"] == name and found["lines"][-1]["above_floor"]


def _pieces(model: Path) -> dict[str, list[str]]:
    from playbach.bundles import bundle as bundles

    return dict(bundles.read(model).manifest["pieces"])


def test_a_known_piece_is_named(trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    model, folder = trained
    for side, words in (("train", "a training piece"), ("test", "a test piece")):
        name = next(entry[1] for entry in _pieces(model).values() if entry[0] == side)
        _, out, _ = originality(capsys, folder / name, "--model", model)
        assert f"This is {words} of the model itself: {name}." in out


def test_a_composed_piece_of_another_encoding_is_compared_as_it_is_written(
    chorales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    piece = tmp_path / "line.mid"
    piece.write_bytes(bytes(sample_music.line(50).dumps_midi()))
    status, out, _ = originality(capsys, piece, "--model", chorales)
    text = " ".join(out.split())
    assert status == 0 and "Compared as it is written, since the model cannot represent it: the chorale" in text


def test_a_corpus_gives_its_own_floor(
    chorales_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    piece = in_another_key(chorales_folder / "piece04.mid", tmp_path / "moved.mid")
    status, out, err = originality(capsys, piece, "--corpus", chorales_folder)
    assert status == 0 and err == ""
    assert f"compared with the 10 pieces of {chorales_folder}" in out and "piece04.mid" in out
    assert "10 of these pieces, each beside those of other tunes" in out
    status, out, _ = originality(capsys, chorales_folder / "piece04.mid", "--corpus", chorales_folder, "--json")
    found = json.loads(out)
    assert status == 0 and "left out of it" in found["remarks"][0] and "the 9 pieces" in found["source"]
    assert found["bars"]["share"] < 0.5 and not any(r["run"] and r["run"]["notes"] > 20 for r in found["lines"])


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nothing.mid"], 1, "nothing.mid: no such file"),
        (["{piece}", "--model", "{plain}"], 1, "no index of its training pieces; give them with --corpus FOLDER"),
        (["{piece}", "--model", "{plain}", "--corpus", "{folder}"], 2, "--model and --corpus cannot be combined"),
        (["{piece}", "--pedal", "ignore"], 2, "--pedal needs --corpus FOLDER"),
        (["{piece}", "--corpus", "nowhere"], 1, "nowhere: no such file or folder, and no built-in corpus"),
        (["{piece}", "--corpus", "{alone}"], 1, "needs at least two different tunes besides the piece"),
        (["{piece}", "--corpus", "{empty}"], 1, "no music in this folder"),
    ],
)
def test_each_error_is_one_line(
    arguments: list[str],
    status: int,
    words: str,
    chorales_bundle: Path,
    chorales_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    alone = sample_music.folder(tmp_path / "alone", sample_music.line, count=1)
    known = {"piece": chorales_folder / "piece00.mid", "plain": chorales_bundle, "folder": chorales_folder}
    words_given = [a.format(**known, alone=alone, empty=tmp_path / "empty") for a in arguments]
    found, out, err = originality(capsys, *words_given)
    assert (found, out) == (status, "") and words in err and len(err.splitlines()) == 1


# ------------------------------------------------------------------------------------------------------------ compose


def compose(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[str]:
    assert main(["compose", *map(str, arguments)]) == 0
    return capsys.readouterr().err.splitlines()


def borrowing(above: bool, far: bool) -> type[Borrowing]:
    """Borrowing of which is known how it stands to the floor, whatever the piece."""

    class Known(Borrowing):
        is_above = property(lambda self: above)  # type: ignore[assignment]
        is_far_above = property(lambda self: far)  # type: ignore[assignment]

    return Known


@pytest.mark.parametrize("far", [True, False])
def test_compose_says_when_far_more_is_borrowed(
    far: bool, chorales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playbach.music.borrowing.floor.Borrowing", borrowing(True, far))
    said = compose(capsys, chorales, "--bars", "4", "--seed", "1", "-o", tmp_path / "a.mid")
    assert said[0] == "seed 1" and len(said) == 1 + far
    assert not far or said[1].startswith("More is borrowed")
    assert not far or said[1].endswith("Add --original to compose again.")


def test_compose_says_when_no_piece_was_original(
    chorales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playbach.music.borrowing.floor.Borrowing", borrowing(True, False))
    monkeypatch.setattr("playbach.inference.composing.MAX_DRAWS", 2)
    said = compose(capsys, chorales, "--bars", "2", "--seed", "1", "--original", "-o", tmp_path / "a.mid")
    assert said[1].startswith("None of 2 pieces is original; this one borrows the least. More is borrowed")
    monkeypatch.setattr("playbach.music.borrowing.floor.Borrowing", borrowing(False, False))
    assert compose(capsys, chorales, "--bars", "2", "--original", "--seed", "1", "-o", tmp_path / "a.mid") == [
        "seed 1"
    ]


def test_original_needs_an_index(chorales_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", str(chorales_bundle), "--original"]) == 1
    err = capsys.readouterr().err
    assert "no index of its training pieces" in err and len(err.splitlines()) == 1


def test_the_comment_makes_the_piece_again(chorales: Path) -> None:
    import playbach

    composer: Composer = playbach.load(chorales)
    piece = composer.compose(seed=3, bars=4, original=True)
    assert json.loads(piece.comment)["options"]["original"] is True
    assert "original" not in json.loads(composer.compose(seed=3, bars=4).comment)["options"]
