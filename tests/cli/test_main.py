"""The command line: results on stdout, messages on stderr, one line per error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import playbach
from helpers import sample_music
from playbach.cli.main import main


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "playbach", *arguments],
        cwd=cwd, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=120,
    )  # fmt: skip


def test_compose_prints_its_path_and_its_seed(tmp_path: Path) -> None:
    done = run("compose", "--bars", "4", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "piece.mid\n")
    word, seed = done.stderr.split()
    assert word == "seed"
    again = run("compose", "--bars", "4", "--seed", seed, cwd=tmp_path)
    assert again.stdout == "piece-2.mid\n"
    assert (tmp_path / "piece.mid").read_bytes() == (tmp_path / "piece-2.mid").read_bytes()


def test_count_writes_pieces_with_consecutive_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", "--bars", "2", "--count", "3", "--seed", "5", "-o", str(tmp_path / "x.mid")]) == 0
    printed = capsys.readouterr()
    assert printed.err.split() == ["seed", "5", "seed", "6", "seed", "7"]
    paths = [Path(line) for line in printed.out.splitlines()]
    assert [p.name for p in paths] == ["x.mid", "x-2.mid", "x-3.mid"]
    assert len({p.read_bytes() for p in paths}) == 3


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".mid", b"MThd"),
        (".wav", b"RIFF"),
        (".flac", b"fLaC"),
        (".ogg", b"OggS"),
        (".png", b"\x89PNG"),
        (".mp3", b""),
    ],
)
def test_compose_writes_each_format_reproducibly(tmp_path: Path, suffix: str, start: bytes) -> None:
    for name in ("a", "b"):
        assert main(["compose", "--bars", "2", "--seed", "1", "-o", str(tmp_path / (name + suffix))]) == 0
    first, second = ((tmp_path / (name + suffix)).read_bytes() for name in ("a", "b"))
    assert first == second
    assert first.startswith(start)
    assert len(first) > 200


def test_instruments_can_be_chosen_by_voice(tmp_path: Path) -> None:
    out = tmp_path / "a.mid"
    chosen = ["--instrument", "church organ", "--instrument", "soprano=oboe"]
    assert main(["compose", "--bars", "1", "-o", str(out), *chosen]) == 0
    assert [(t.name, t.program) for t in playbach.read(out).tracks] == [
        ("Soprano", 68), ("Alto", 19), ("Tenor", 19), ("Bass", 19),
    ]  # fmt: skip


def test_a_piece_continues_a_prime_from_a_file(tmp_path: Path) -> None:
    prime = tmp_path / "prime.mid"
    prime.write_bytes(bytes(sample_music.chorale(4, bars=6).dumps_midi()))
    for extra in ([], ["--no-prime"]):
        arguments = ["compose", "--seed", "1", "--bars", "4", "--prime", str(prime), "--prime-bars", "2"]
        assert main([*arguments, *extra, "-o", str(tmp_path / "out.mid")]) == 0
    whole, rest = playbach.read(tmp_path / "out.mid"), playbach.read(tmp_path / "out-2.mid")
    assert whole.end() > rest.end() > 0


def test_confidence_prints_a_table_after_the_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compose", "--bars", "2", "--seed", "1", "--confidence", "-o", str(tmp_path / "x.mid")]
    assert main(arguments) == 0
    path, empty, head, *rows, _, _, _ = capsys.readouterr().out.splitlines()
    assert (Path(path).exists(), empty) == (True, "")
    assert head.split() == ["bar", "beat", "voice", "note", "chosen", "alternatives"]
    assert len(rows) == playbach.read(path).note_num()
    assert max(map(len, rows)) <= 80
    for row in rows:
        _, beat, voice, note, chosen, probability, *others = row.removesuffix("no clue").split()
        assert (note, voice in ("Soprano", "Alto", "Tenor", "Bass")) == (chosen, True)
        assert float(beat) >= 1
        assert 0 <= float(probability) <= 1
        assert len(others) <= 6
        assert sorted(map(float, others[1::2]), reverse=True) == list(map(float, others[1::2]))


def test_confidence_marks_the_notes_of_the_prime(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prime = tmp_path / "prime.mid"
    prime.write_bytes(bytes(sample_music.chorale(4, bars=2).dumps_midi()))
    arguments = ["compose", "--bars", "1", "--seed", "1", "--confidence", "--prime", str(prime)]
    assert main([*arguments, "-o", str(tmp_path / "x.mid")]) == 0
    printed = capsys.readouterr().out
    given = sum(line.endswith("  given") for line in printed.splitlines())
    assert given > 4
    assert f"{given} onsets are the prime" in " ".join(printed.split())


FAULTS = [
    (["compose", "nothing"], 1, "nothing: no such model"),
    (["compose", "-o", "piece.xyz"], 2, "'.xyz'"),
    (["compose", "-o", "no/such/folder/piece.mid"], 1, "piece.mid: cannot be written"),
    (["compose", "--bars", "0"], 2, "bars must be a whole number between 1 and"),
    (["compose", "--bars", "many"], 2, "--bars: must be a whole number, not 'many'"),
    (["compose", "--temperature", "-1"], 2, "temperature"),
    (["compose", "--count", "0"], 2, "--count"),
    (["compose", "--seed", "-4"], 2, "seed"),
    (["compose", "--instrument", "harpsicord"], 2, "did you mean 'Harpsichord'?"),
    (["compose", "--instrument", "viola=oboe"], 2, "Soprano"),
    (["compose", "--prime-bars", "2"], 2, "--prime FILE"),
    (["compose", "--prime", "missing.mid"], 1, "missing.mid"),
    (["compose", "--soundfont", "missing.sf2", "-o", "a.wav"], 1, "missing.sf2"),
    (["compose", "broken.playbach"], 1, "broken.playbach: not a playbach bundle"),
    (["train", "missing"], 1, "missing: no such file or folder"),
    (
        ["train", "empty"],
        1,
        "no music in this folder; supported files are .mid, .midi, .kar, .rmi, .musicxml, .xml, .mxl",
    ),
    (["train", "empty", "--encoding", "midi"], 2, "encoding must be notes, chorale or events, not 'midi'"),
    (["train", "empty", "--encoding", "chorale", "--octaves", "folded"], 2, "--octaves"),
    (["dance"], 2, "dance"),
    (["compose", "--loudness", "5"], 2, "unknown argument: --loudness (see playbach compose --help)"),
    ([], 2, "COMMAND"),
]


@pytest.mark.parametrize(
    ("arguments", "status", "words"), FAULTS, ids=lambda x: " ".join(x) if isinstance(x, list) else ""
)
def test_an_error_is_one_line_and_leaves_no_file(
    arguments: list[str], status: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if arguments[:1] == ["train"]:
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.playbach").write_bytes(b"not a zip at all")
    assert main(arguments) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("playbach: ")
    assert printed.err.count("\n") == 1
    assert words in printed.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.playbach", "empty"]


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", "compose", "nothing"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    done = run("train", ".", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'playbach[train]'" in done.stderr
    code = "import playbach\ntry: playbach.train('.')\nexcept playbach.PlaybachError as error: print(error)"
    printed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
    assert "pip install 'playbach[train]'" in printed.stdout


def test_instruments_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", "--instruments"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 128


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m playbach compose --instruments | head -1", shell=True, cwd=tmp_path,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "0 Acoustic Grand Piano"
    assert "Traceback" not in done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"playbach {playbach.__version__}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file size limit")
def test_a_full_disk_leaves_no_partial_file(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        "from playbach.cli.main import main; sys.exit(main(['compose', '--seed', '1', '-o', sys.argv[1]]))"
    )
    for name in ("a.mid", "a.wav", "a.png"):
        done = subprocess.run([sys.executable, "-c", code, name], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 1, done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"playbach: {name}: cannot be written")
        assert list(tmp_path.iterdir()) == []


def test_help_shows_the_defaults_of_training(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    with pytest.raises(SystemExit) as stop:
        main(["train", "--help"])
    assert stop.value.code == 0
    from playbach.models import MODELS
    from playbach.training.options import TrainOptions

    printed = " ".join(capsys.readouterr().out.split())
    assert f"maximum number of epochs (default: {TrainOptions().epochs})" in printed
    layers = [f"{name} {MODELS[name].options().layers}" for name in ("lstm", "transformer", "attention")]
    assert f"number of layers (default: {', '.join(layers)})" in printed
    assert "attention heads per layer (transformer only; default: 4)" in printed
    assert "learn and compose dynamics (default: notes no, events yes)" in printed


@pytest.mark.parametrize(
    ("flags", "encoding", "changed", "network"),
    [
        ("--octaves folded", "notes", {"notes": {"octaves": "folded"}}, {}),
        ("--max-duration 2 --chordify", "notes", {"notes": {"max_duration": 2.0, "chordify": True}}, {}),
        ("--programs families", "events", {"events": {"programs": "families"}}, {}),
        ("--no-velocities", None, {"notes": {"velocities": False}, "events": {"velocities": False}}, {}),
        ("--model lstm --hidden 8 --onehot", None, {}, {"hidden": 8, "onehot": True}),
        ("--model transformer --symbol-dropout 0.5 --layers 2", None, {}, {"layers": 2, "symbol_dropout": 0.5}),
    ],
)
def test_options_reach_the_encoding_and_the_network(
    flags: str,
    encoding: str | None,
    changed: dict[str, Any],
    network: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("torch")
    from playbach.encodings import OPTIONS
    from playbach.training import runs

    runs_started: list[Any] = []
    finished = SimpleNamespace(picture="x.png", log="x.log", path="x.playbach")
    monkeypatch.setattr(runs, "run", lambda folder, options, **_: runs_started.append(options) or finished)
    assert main(["train", *flags.split()]) == 0
    [options] = runs_started
    assert (options.encoding, options.network) == (encoding, network)
    assert list(options.network) == list(network)
    for name, kind in OPTIONS.items():
        assert getattr(options, name) == kind(**changed.get(name, {}))
