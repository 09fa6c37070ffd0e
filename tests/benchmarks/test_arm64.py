"""`benchmarks/arm64.py` without an emulator: its recorded steps can be drawn again, it finds and explains
differences, errors are one line, and the guide installs the same packages.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import playbach
from helpers.paths import ROOT
from playbach.inference.sampling import draw

sys.path.insert(0, str(ROOT / "benchmarks"))

import _steps
import _user_space
import arm64

TINY = ROOT / "tests" / "golden" / "tiny.playbach"
GUIDE = (ROOT / "docs" / "raspberry-pi.md").read_text("utf-8")


@pytest.fixture(scope="module")
def trace() -> _steps.Trace:
    return _steps.compose_traced(playbach.load(TINY), 3, 2)[1]


def copy_trace(trace: _steps.Trace) -> _steps.Trace:
    return {name: values.copy() for name, values in trace.items()}


class OneNumber:
    """A generator that returns one number."""

    def __init__(self, number: float) -> None:
        self.random = lambda: number


# ---------------------------------------------------------------------------------------------------------- the steps


def test_recording_changes_neither_the_piece_nor_the_composer() -> None:
    composer = playbach.load(TINY)
    traced, _ = _steps.compose_traced(composer, 3, 2)
    plain = composer.compose(seed=3, bars=2)
    assert (traced.score, traced.comment) == (plain.score, plain.comment)
    assert type(composer.runtime).__name__ == "OnnxRuntime"


def test_each_symbol_follows_from_the_trace(trace: _steps.Trace) -> None:
    steps, fields = trace["symbol"].shape
    assert steps > 8
    for i in range(steps):
        for f in range(fields):
            again = draw(trace[f"drawn_{f}"][i], OneNumber(trace["uniform"][i, f]))  # type: ignore[arg-type]
            assert again == trace["symbol"][i, f]
    assert (np.diff(trace["tick"]) < 0).sum() <= steps / 8  # only where an ending is tried again
    assert all(trace[f"logits_{f}"].shape == (steps, len(trace[f"names_{f}"])) for f in range(fields))


def test_the_script_writes_the_same_trace_as_the_function(trace: _steps.Trace, tmp_path: Path) -> None:
    command = [sys.executable, _steps.__file__, str(tmp_path), str(TINY), "2", "3", "4"]
    subprocess.run(command, check=True, timeout=120)
    stored = _steps.load(tmp_path / "3.npz")
    assert stored.keys() == trace.keys()
    for name, values in trace.items():
        np.testing.assert_array_equal(stored[name], values)
    piece = arm64.compare_piece(4, tmp_path, tmp_path)
    assert (piece["same"], piece["first"], piece["logits_apart"]) == (True, None, 0.0)
    assert "the same bytes" in arm64.describe_piece(piece)


# ---------------------------------------------------------------------------------------------------- the differences


def test_rounding_alone_is_not_a_difference(trace: _steps.Trace) -> None:
    other = copy_trace(trace)
    other["logits_0"][5, 1] += np.float32(2e-6)
    largest, first = _steps.compare_traces(trace, other)
    assert 1e-6 < largest < 4e-6
    assert first is None


def change_step(trace: _steps.Trace, i: int) -> _steps.Trace:
    """The same up to step i, where another symbol is drawn, and noise after it."""
    other = copy_trace(trace)
    other["symbol"][i, 0] = (trace["symbol"][i, 0] + 1) % len(trace["names_0"])
    other["logits_0"][i + 1 :] += 100
    other["symbol"][i + 1 :] = 0
    return other


def test_only_the_first_difference_counts(trace: _steps.Trace) -> None:
    largest, first = _steps.compare_traces(trace, change_step(trace, 6))
    assert largest == 0
    assert first is not None
    assert (first.step, first.bar, first.tick) == (6, trace["bar"][6], trace["tick"][6])
    assert first.symbols[0] == trace["names_0"][trace["symbol"][6, 0]] != first.symbols[1]
    lower = min(trace["symbol"][6, 0], (trace["symbol"][6, 0] + 1) % len(trace["names_0"]))
    border = trace["drawn_0"][6][: lower + 1].sum()
    assert first.distance == pytest.approx(abs(trace["uniform"][6, 0] - border), abs=1e-12)
    assert "rounding decided" in first.describe() and "\n" not in first.describe()


def test_a_different_network_is_not_explained_by_rounding(trace: _steps.Trace) -> None:
    other = change_step(trace, 6)
    other["logits_0"][6] += np.float32(0.5)
    _, first = _steps.compare_traces(trace, other)
    assert first is not None
    assert first.logits == pytest.approx(0.5, rel=1e-3)
    assert "something different" in first.why


def test_a_difference_at_the_limit_of_top_p_is_recognised(trace: _steps.Trace) -> None:
    other = change_step(trace, 6)
    other["drawn_0"][6] = np.roll(other["drawn_0"][6], 1)
    _, first = _steps.compare_traces(trace, other)
    assert first is not None
    assert "limit of top-p" in first.why


@pytest.mark.parametrize(
    ("same", "different", "words"),
    [
        (True, True, "rejected ending"),
        (False, True, "a different piece: step 6"),
        (False, False, "but a different file"),
    ],
)
def test_a_piece_is_described_in_one_line(trace: _steps.Trace, same: bool, different: bool, words: str) -> None:
    first = _steps.compare_traces(trace, change_step(trace, 6))[1] if different else None
    piece = {"seed": 3, "steps": 40, "bytes": 900, "same": same, "logits_apart": 0.0, "first": first}
    assert words in arm64.describe_piece(piece)
    assert "\n" not in arm64.describe_piece(piece)


# ---------------------------------------------------------------------------------------------------- what is missing


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "arm64.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that has everything."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda tool: f"/usr/bin/{tool}")
    return monkeypatch


def refused(folder: Path) -> str:
    with pytest.raises(SystemExit) as error:
        _user_space.check_requirements(folder)
    assert isinstance(error.value.code, str) and "\n" not in error.value.code
    return error.value.code


def test_a_machine_that_has_everything_passes(ready: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _user_space.check_requirements(tmp_path)
    _user_space.check_requirements(tmp_path / "new")
    (tmp_path / "wheels").mkdir()
    _user_space.check_requirements(tmp_path)


def test_what_is_missing_is_one_line(ready: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    assert "other files" in refused(tmp_path)
    assert "other files" in refused(tmp_path / "letter.txt")
    ready.setattr("shutil.which", lambda tool: None if tool == "debootstrap" else tool)
    assert "apt install debootstrap" in refused(tmp_path)
    ready.setattr("os.geteuid", lambda: 1000)
    assert "needs root" in refused(tmp_path)
    ready.setattr("platform.machine", lambda: "aarch64")
    assert "just compose" in refused(tmp_path)


def test_a_command_that_fails_is_one_line() -> None:
    with pytest.raises(SystemExit) as error:
        _user_space.run_quietly([sys.executable, "-c", "raise ValueError('too warm')"], "cooling")
    assert str(error.value.code).endswith("cooling: ended with 1: ValueError: too warm")
    with pytest.raises(SystemExit, match=r"cooling: ended by signal 9: it printed nothing"):
        _user_space.run_quietly(["sh", "-c", "kill -9 $$"], "cooling")


@pytest.mark.parametrize("pi", _user_space.PROCESSORS)
def test_the_user_space_shows_a_pis_processor(pi: int, tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    _user_space.write_processor_files(tmp_path, pi)
    name, part, _ = _user_space.PROCESSORS[pi]
    command = _user_space.in_user_space(tmp_path, "python3")
    assert command[-2:] == [f"QEMU_CPU={name}", "python3"]
    cores = (tmp_path / _user_space.CPUINFO).read_text("ascii").split("\n\n")[:-1]
    assert [core.split("\n")[0] for core in cores] == [f"processor\t: {i}" for i in range(4)]
    system = tmp_path / "sys" / "devices" / "system" / "cpu"
    assert (system / "possible").read_text("ascii") == "0-3\n"
    for number, core in enumerate(cores):
        midr = int((system / f"cpu{number}" / "regs" / "identification" / "midr_el1").read_text("ascii"), 16)
        fields = dict(line.split("\t: ") if "\t" in line else line.split(": ") for line in core.split("\n"))
        # Arm's reference manual, MIDR_EL1: implementer, variant, architecture, part, revision
        assert midr >> 24 == int(fields["CPU implementer"], 16) == 0x41
        assert (midr >> 4) & 0xFFF == int(fields["CPU part"], 16) == part
        assert midr & 0xF == int(fields["CPU revision"])
    _user_space.write_processor_files(tmp_path, pi)  # a second call does no harm


def test_the_kernels_emulators_are_recognised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_user_space, "BINFMT", tmp_path)
    (tmp_path / "register").touch()
    assert not _user_space.kernel_runs_arm64()
    entry = "enabled\ninterpreter /usr/bin/emulator\nflags: {}\noffset 0\nmagic {}\nmask ffff\n"
    (tmp_path / "arm").write_text(entry.format("F", "7f454c4601010100000000000000000002002800"), "ascii")
    (tmp_path / "not-everywhere").write_text(entry.format("P", "7f454c460201010000000000000000000200b700"), "ascii")
    assert not _user_space.kernel_runs_arm64()
    (tmp_path / "arm64").write_text(entry.format("PF", "7f454c460201010000000000000000000200b700"), "ascii")
    assert _user_space.kernel_runs_arm64()
    (tmp_path / "arm64").write_text(
        entry.format("PF", "7f454c460201010000000000000000000200b700").replace("enabled", "disabled"), "ascii"
    )
    assert not _user_space.kernel_runs_arm64()


# ---------------------------------------------------------------------------------------------------------- the guide


def test_the_guide_installs_the_tested_packages() -> None:
    lines = re.sub(r"\\\n\s*", "", GUIDE).splitlines()
    alone = [set(line.split()) for line in lines if "install --no-deps" in line]
    for packages in (arm64.LIGHT, arm64.SOUND, arm64.RADIO):
        assert any(set(packages) <= line for line in alone), packages
    assert all(any(runtime in line for line in alone) for runtime in ("onnxruntime", "ai-edge-litert"))


def test_the_guides_commands_and_options_exist() -> None:
    from playbach.cli.main import build_parser

    lines = [line.removeprefix("~/bach/bin/") for line in GUIDE.splitlines()]
    commands = [line.split() for line in lines if line.startswith("playbach ")]
    assert {words[1] for words in commands} >= {"compose", "serve", "play", "export"}
    for words in commands:
        help_text = next(a for a in build_parser()._actions if a.choices).choices[words[1]].format_help()  # type: ignore[index,union-attr,call-overload]
        for option in (word for word in words if word.startswith("-")):
            assert option in help_text, " ".join(words)


def test_a_light_install_names_the_missing_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from playbach.cli.main import main

    for module, package, file in (("soundfile", "soundfile", "p.wav"), ("PIL", "Pillow", "p.png")):
        for name in [
            n for n in sys.modules if n.startswith(("playbach.rendering.audio", "playbach.rendering.piano_roll"))
        ]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, module, None)
        assert main(["compose", str(TINY), "--bars", "1", "-o", str(tmp_path / file)]) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("playbach: ") and f"pip install {package}" in error
        assert not list(tmp_path.iterdir())
