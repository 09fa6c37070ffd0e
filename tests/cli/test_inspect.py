"""The commands `playbach inspect` and `playbach models`, as text, as JSON and as pictures."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import pytest
import symusic

import playbach
from helpers import sample_music
from helpers.members import with_ngrams
from helpers.paths import GOLDEN
from playbach.bundles import bundle as bundles
from playbach.cli.main import main
from playbach.encodings.fields import symbol_label
from playbach.music import reading


def output_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_a_model_as_text(chorales_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = output_of(capsys, "inspect", str(chorales_bundle))
    manifest = bundles.read(chorales_bundle).manifest
    assert f"transformer, {manifest['architecture']['parameters']:,} parameters" in text
    assert f"{manifest['metrics']['test']['bits_per_note']:.3f}" in text
    assert "(--vocabulary shows all)" in text
    lines = text.splitlines()
    card = lines.index("Card")
    assert max(len(line) for line in lines[:card] if "/" not in line) <= 80
    assert [line[2:] for line in lines[card + 1 :]] == bundles.read(chorales_bundle).card.rstrip("\n").splitlines()


def test_n_grams_that_play_together_with_the_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = with_ngrams(bundles.read(GOLDEN / "tiny.playbach"))
    members = {name: data for name, data in whole.members.items() if name != bundles.MANIFEST}
    path = bundles.write(tmp_path / "mine.playbach", whole.manifest, members)
    text = " ".join(output_of(capsys, "inspect", str(path)).split())
    assert "n-grams 2 play together with the network, with a share of 50.0 % at the beginning of a piece" in text
    assert "the file contains 3 training pieces" in text
    assert "n-grams" not in output_of(capsys, "inspect", str(GOLDEN / "tiny.playbach")).split("Figures")[0]


def test_the_whole_vocabulary(chorales_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = output_of(capsys, "inspect", str(chorales_bundle), "--vocabulary").split()
    encoding = playbach.load(chorales_bundle).encoding
    assert set(map(partial(symbol_label, encoding.fields[0]), range(len(encoding.fields[0])))) <= set(words)
    for field in encoding.context:
        assert field.name.split()[0] in words


def test_a_shipped_model_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(output_of(capsys, "inspect", "bach-chorales", "--json"))
    assert (found["kind"], found["name"], found["shipped"]) == ("bundle", "bach-chorales", True)
    assert found["fields"][0]["symbols"][0] == "?"
    assert found["metrics"]["test"]["bits_per_note"] > 0


def test_a_bundle_under_another_suffix(
    lines_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "model.zip"
    other.write_bytes(lines_bundle.read_bytes())
    assert "encoding     notes" in output_of(capsys, "inspect", str(other))


def test_a_music_file_as_text(chorales_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = output_of(capsys, "inspect", str(chorales_folder / "piece00.mid"), "--model", "bach-chorales")
    lines = text.splitlines()
    assert "length  8 bars after a pickup of 1 quarter, 32 quarters, 0:24" in lines
    assert "meter   4/4" in lines
    assert "tempo   80 quarter notes per minute" in lines
    assert any(line.startswith("key     ") and "estimated" in line for line in lines)
    assert [line.split()[0] for line in lines[lines.index("Tracks") + 1 :][:4]] == [
        "Soprano",
        "Alto",
        "Tenor",
        "Bass",
    ]
    assert "The model bach-chorales" in text
    assert max(map(len, lines[1:])) <= 80


def test_a_music_file_as_json(lines_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(output_of(capsys, "inspect", str(lines_folder / "piece01.mid"), "--json"))
    assert (found["kind"], found["bars"], found["meters"]) == ("music", 8, [{"bar": 1, "name": "4/4"}])
    assert found["tracks"][0]["instrument"] == "Cello"
    assert set(found["key"]) == {"name", "correlation"}


@pytest.fixture
def unusual(tmp_path: Path) -> Path:
    """A folder with a piece that has a pedal, and five that say 1/4 all through."""
    folder = tmp_path / "unusual"
    folder.mkdir()
    for seed in range(6):
        score = sample_music.line(seed)
        score.time_signatures.clear()
        score.time_signatures.append(symusic.TimeSignature(0, 4 if seed == 0 else 1, 4))
        if seed == 0:
            score.tracks[0].controls.append(symusic.ControlChange(0, 64, 127))
        (folder / f"{seed}.mid").write_bytes(bytes(score.dumps_midi()))
    return folder


def test_an_unusual_file_as_text(unusual: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = output_of(capsys, "inspect", str(unusual / "0.mid")).splitlines()
    assert "pedal   1 press; notes sound until it lifts" in lines
    assert "Remarks" not in lines
    lines = output_of(capsys, "inspect", str(unusual / "0.mid"), "--pedal", "ignore").splitlines()
    assert "pedal   1 press, ignored: notes have their written lengths" in lines
    lines = output_of(capsys, "inspect", str(unusual / "1.mid")).splitlines()
    assert lines[lines.index("Remarks") + 1].startswith("  its meter is 1/4 all through")
    assert max(map(len, lines[1:])) <= 80
    lines = output_of(capsys, "inspect", str(unusual / "1.mid"), "--meter", "4/4").splitlines()
    assert "meter   4/4" in lines
    assert "Remarks" not in lines


def test_ornaments_are_counted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
                               lines_folder: Path) -> None:  # fmt: skip
    found = reading.read_file(lines_folder / "piece00.mid")
    with_trills = reading.ReadFile(found.score, ("3 notes have no end",), {"trill": 2, "grace note": 1})
    monkeypatch.setattr(reading, "read_file", lambda path, options: with_trills)
    path = str(lines_folder / "piece00.mid")
    text = output_of(capsys, "inspect", path)
    assert "ornaments  2 trills, 1 grace note; played out" in text
    assert "Remarks\n  3 notes have no end\n" in text
    plain = output_of(capsys, "inspect", path, "--plain-ornaments")
    assert "1 grace note; left out, or played as plain notes" in plain
    data = json.loads(output_of(capsys, "inspect", path, "--json"))
    assert (data["ornaments"], data["remarks"]) == ({"trill": 2, "grace note": 1}, ["3 notes have no end"])
    assert (data["pedal"], data["pedal_presses"], data["plain_ornaments"]) == ("keep", 0, False)


def test_a_corpus_of_unusual_files_as_text(unusual: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = output_of(capsys, "inspect", str(unusual))
    joined = " ".join(text.split())
    assert "pedal in 1 of 6 pieces; notes sound until it lifts" in joined
    assert "a program may have made up the 1/4 of 5 pieces" in joined
    assert "Remarks on 5 of 6 pieces 1.mid: its meter is 1/4 all through" in joined
    assert "and 2 more files, such as 4.mid: its meter" in joined
    assert max(len(line) for line in text.splitlines() if not line.startswith("folder")) <= 80
    assert "Remarks" not in output_of(capsys, "inspect", str(unusual), "--meter", "4/4")


def test_control_characters_in_a_file_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score = sample_music.score([[(0, 480, 60)]], names=("evil\x1b[2J\x07",))
    path = tmp_path / "a\x1b.mid"
    path.write_bytes(bytes(score.dumps_midi()))
    assert "\x1b" not in output_of(capsys, "inspect", str(path))
    assert "\x1b" not in output_of(capsys, "inspect", str(path), "--json")


def test_models(lines_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.playbach").write_bytes(b"PK\x03\x04")
    text = output_of(capsys, "models", str(lines_bundle.parent))
    lines = text.splitlines()
    rows = {line.split()[0]: line for line in lines if line and not line.startswith(" ")}
    assert list(rows) == ["name", *sorted(bundles.shipped_models()), "broken", lines_bundle.stem]
    figures = bundles.read(lines_bundle).manifest["metrics"]["test"]
    assert f"{figures['bits_per_note']:.3f}" in rows[lines_bundle.stem]
    assert "cannot compose: not a playbach bundle, or damaged" in text
    found = json.loads(output_of(capsys, "models", str(lines_bundle.parent), "--json"))["models"]
    assert [m["name"] for m in found] == list(rows)[1:]
    mine = found[-1]
    assert (mine["bits_per_note"], mine["path"], mine["problem"]) == (
        figures["bits_per_note"], str(lines_bundle), None,
    )  # fmt: skip
    assert "damaged" in found[-2]["problem"]


# ---------------------------------------------------------------------------------------------- corpora and graphs


def test_a_corpus_as_text(lines_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = output_of(capsys, "inspect", str(lines_folder)).splitlines()
    assert lines[0] == "lines: a corpus, 10 files"
    labels = {line.split("  ")[0]: line for line in lines[2:] if not line.startswith(" ")}
    assert list(labels) == ["folder", "pieces", "length", "per piece", "keys", "meters", "tempos", "instruments",
                            "pitches", "durations", "velocities", "encoding"]  # fmt: skip
    assert labels["meters"].endswith("4/4 100.0 %")
    assert labels["instruments"].endswith("Cello 100.0 %")
    assert labels["velocities"].endswith("90 for every note: no dynamics")
    assert labels["tempos"].endswith("80 quarter notes per minute")
    assert max(len(line) for line in lines if not line.startswith("folder")) <= 80


def test_damaged_files_of_a_corpus_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample_music.folder(tmp_path / "music", sample_music.line, count=3)
    for number in range(10):
        (tmp_path / "music" / f"bad{number}\x1b.mid").write_bytes(b"RIFF")
    text = output_of(capsys, "inspect", str(tmp_path / "music"))
    assert "a corpus, 13 files" in text
    assert "10 unreadable files" in text
    assert text.count("neither MIDI nor MusicXML") == 8
    assert text.endswith("… and 2 more (--json names more)\n")
    assert "\x1b" not in text


def test_a_corpus_as_json_and_as_a_picture(
    chorales_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "stats.png"
    found = json.loads(output_of(capsys, "inspect", str(chorales_folder), "--json", "-o", str(picture)))
    assert (found["kind"], found["pieces"], found["encoding"]) == ("corpus", 10, "chorale")
    assert len(found["pitches"]) == len(found["velocities"]) == 128
    assert sum(found["velocities"]) == found["notes"]
    assert found["picture"] == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    again = output_of(capsys, "inspect", str(chorales_folder), "-o", str(picture)).splitlines()
    assert again[0] == str(tmp_path / "stats-2.png")
    assert (tmp_path / "stats-2.png").read_bytes() == picture.read_bytes()


def test_a_model_takes_precedence_over_a_folder_and_a_folder_over_a_corpus(
    lines_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert output_of(capsys, "inspect", "bach-chorales").startswith("bach-chorales: a model")
    (tmp_path / "oneills-1850").symlink_to(lines_folder)
    assert "10 files" in output_of(capsys, "inspect", "oneills-1850").splitlines()[0]
    (tmp_path / "bach-chorales").symlink_to(lines_folder)
    assert "10 files" in output_of(capsys, "inspect", "--corpus", "bach-chorales").splitlines()[0]


def test_a_table_of_layers(chorales_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parameters = bundles.read(chorales_bundle).manifest["architecture"]["parameters"]
    lines = output_of(capsys, "inspect", str(chorales_bundle), "--graph").splitlines()
    assert f"{parameters:,} parameters" in lines[0]
    assert lines[2].split() == ["layer", "kind", "shape", "parameters"]
    assert lines[-1].split() == ["total", f"{parameters:,}"]
    assert sum(int(line.split()[-1].replace(",", "")) for line in lines[3:-1]) == parameters
    found = json.loads(output_of(capsys, "inspect", str(chorales_bundle), "--graph", "--json"))
    assert (found["kind"], found["architecture"], found["parameters"]) == ("graph", "transformer", parameters)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_picture_of_a_network(
    suffix: str, lines_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"graph{suffix}"
    assert output_of(capsys, "inspect", str(lines_bundle), "--graph", "-o", str(path)).splitlines()[0] == str(path)
    assert path.read_bytes().startswith(b"<svg" if suffix == ".svg" else b"\x89PNG")


FAULTS = [
    (["inspect", "missing.mid"], 1, "missing.mid: no such file or folder, shipped model (bach-chorales"),
    (["inspect", "folder"], 1, "folder: no music in this folder"),
    (["inspect", "broken"], 1, "broken: none of its 1 files can be read; the first: broken/a.mid: the file is empty"),
    (["inspect", "--corpus", "nothing"], 1, "nothing: no such folder or file"),
    (["inspect", "good.mid", "--graph"], 2, "--graph applies only to a model"),
    (["inspect", "folder", "--graph"], 2, "--graph applies only to a model"),
    (["inspect", "folder", "--vocabulary"], 2, "--vocabulary applies only to a model"),
    (["inspect", "folder", "--model", "bach-chorales"], 2, "--model applies only to a music file"),
    (["inspect", "folder", "-o", "a.svg"], 2, "-o a.svg: the picture's name must end in .png"),
    (["inspect", "bach-chorales", "--graph", "-o", "a.pdf"], 2, "the picture's name must end in .png or .svg"),
    (["inspect", "bach-chorales", "-o", "a.png"], 2, "add --graph"),
    (["inspect", "good.mid", "-o", "a.png"], 2, "for a piano roll, use playbach.write"),
    (["inspect", "bach-chorales", "--graph", "-o", "no/a.png"], 1, "no/a.png: cannot be written: its folder does"),
    (["inspect", "text.txt"], 1, "text.txt: this is neither MIDI nor MusicXML"),
    (["inspect", "empty.mid"], 1, "empty.mid: the file is empty"),
    (["inspect", "empty.playbach"], 1, "empty.playbach: not a playbach bundle, or damaged"),
    (["inspect", "cut.playbach"], 1, "cut.playbach: not a playbach bundle, or damaged"),
    (["inspect", "good.mid", "--vocabulary"], 2, "--vocabulary applies only to a model"),
    (["inspect", "good.mid", "--model", "nothing"], 1, "nothing: no such model"),
    (["inspect", "bach-chorales", "--pedal", "ignore"], 2, "--pedal applies only to a music file or a corpus"),
    (["inspect", "bach-chorales", "--model", "bach-chorales"], 2, "--model applies only to a music file"),
    (["inspect", ""], 2, "FILE is empty"),
    (["inspect", "x" * 5000], 1, "no such file or folder, shipped model"),
    (["inspect"], 2, "FILE"),
    (["models", "missing"], 1, "missing: no such folder"),
]


@pytest.mark.parametrize(("arguments", "status", "words"), FAULTS, ids=range(len(FAULTS)))
def test_an_error_is_one_line(
    arguments: list[str], status: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.mid").touch()
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty.mid").touch()
    (tmp_path / "empty.playbach").touch()
    (tmp_path / "cut.playbach").write_bytes(bundles.shipped_models()[bundles.DEFAULT_MODEL].read_bytes()[:5000])
    (tmp_path / "good.mid").write_bytes(bytes(sample_music.line(1).dumps_midi()))
    assert main(arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("playbach: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err


def test_inspecting_imports_neither_torch_nor_other_training_packages(tmp_path: Path, lines_bundle: Path) -> None:
    song = tmp_path / "a.mid"
    song.write_bytes(bytes(sample_music.line(1).dumps_midi()))
    for arguments in (
        ["inspect", str(song), "--model", str(lines_bundle)],
        ["inspect", str(lines_bundle)],
        ["inspect", str(lines_bundle), "--graph"],
        ["inspect", str(song.parent)],
        ["models"],
    ):
        code = (
            f"from playbach.cli.main import main; assert main({arguments!r}) == 0; import sys;"
            "print(*{m.partition('.')[0] for m in sys.modules}, file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
        assert not set(done.stderr.split()) & {"torch", "music21", "matplotlib", "onnxruntime", "PIL", "tqdm"}


def test_config_prints_the_training_options_as_toml(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["inspect", "bach-chorales", "--config"]) == 0
    found = tomllib.loads(capsys.readouterr().out)
    assert (found["model"], found["encoding"], found["patience"]) == ("lstm", "chorale", 20)
    assert main(["inspect", "bach-chorales", "--config", "--json"]) == 2
    assert "--config cannot be combined with" in capsys.readouterr().err
