"""The command `playbach play`, on a PulseAudio null sink and a dummy JACK port if they are available."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.paths import GOLDEN
from playbach.cli.main import main

TINY = GOLDEN / "tiny.playbach"


def play(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "playbach", "play", str(TINY), "--seed", "4", "--tempo", "200", *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"{word!r} was not printed")


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["--tempo", "5"], 2, "tempo"),
        (["--instrument", "no such thing"], 2, "instrument"),
        (["--port", "x", "--virtual"], 2, "not allowed"),
        (["--virtual", "--soundfont", "x.sf2"], 2, "--soundfont"),
        (["no-such-model"], 1, "no such model"),
        (["--bars", "1000"], 2, "bars"),
    ],
)
def test_an_error_is_one_line(
    arguments: list[str], status: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["play", *arguments]) == status
    printed = capsys.readouterr().err.strip().splitlines()
    assert word in printed[-1]


SILENT = """
import os, signal, sys
sys.modules["soundfile"] = None
from playbach.cli.main import main
from playbach.streaming import port

class Output:
    name = "output"
    def on(self, *_): os.kill(os.getpid(), signal.SIGTERM)
    def off(self, *_): pass
    def program(self, *_): pass
    def silence(self): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass

port.open_named = lambda name: Output()
sys.exit(main(["play", sys.argv[1], "--port", "output", "--bars", "4"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_port_needs_no_audio_package() -> None:
    done = subprocess.run([sys.executable, "-c", SILENT, str(TINY)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 130, done.stderr
    assert "sending notes to the MIDI port output" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_port_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rtmidi", reason="python-rtmidi (extra midi) is not installed")
    assert main(["play", str(TINY), "--port", "no such port at all"]) == 1
    assert "no MIDI port called 'no such port at all'" in capfd.readouterr().err


@pytest.fixture
def midi_input(tmp_path: Path) -> Iterator[tuple[str, list[list[int]]]]:
    """A MIDI input on a dummy JACK: its name, and the messages that it receives."""
    rtmidi: Any = pytest.importorskip("rtmidi", reason="python-rtmidi (extra midi) is not installed")
    if shutil.which("jackd") is None or rtmidi.API_UNIX_JACK not in rtmidi.get_compiled_api():
        pytest.skip("jackd is not installed")
    server = f"playbach-{os.getpid()}"
    jack = subprocess.Popen(
        ["jackd", "--name", server, "--no-realtime", "-d", "dummy"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JACK_DEFAULT_SERVER", server)
        patch.setenv("JACK_NO_START_SERVER", "1")
        try:
            listener: Any = None
            for _ in range(50):
                time.sleep(0.1)
                try:
                    listener = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name="ear")
                    break
                except rtmidi.RtMidiError:
                    continue
            if listener is None:
                pytest.skip("jackd does not start here")
            messages: list[list[int]] = []
            listener.open_virtual_port("ear")
            listener.set_callback(lambda event, _: messages.append(event[0]))
            yield "ear:ear", messages
            listener.cancel_callback()
            listener.close_port()
        finally:
            jack.terminate()
            jack.wait(10)


def sounding(messages: list[list[int]]) -> set[tuple[int, int]]:
    on: set[tuple[int, int]] = set()
    for message in messages:
        if message[0] & 0xE0 == 0x80:
            (on.add if message[0] & 0xF0 == 0x90 else on.discard)((message[0] & 15, message[1]))
    return on


@pytest.mark.parametrize(
    ("signals", "status"), [([signal.SIGINT], 0), ([signal.SIGINT] * 2, 130), ([signal.SIGTERM], 130)]
)
def test_no_note_keeps_sounding_on_a_port(
    midi_input: tuple[str, list[list[int]]], signals: list[signal.Signals], status: int
) -> None:
    name, messages = midi_input
    process = play("--port", name, "--bars", "4")
    wait_for(process, "   2  ")
    for number in signals:
        process.send_signal(number)
        time.sleep(0.2)
    process.communicate(timeout=40)
    assert process.returncode == status
    for _ in range(50):  # messages may still be on their way
        time.sleep(0.1)
        if not sounding(messages):
            break
    assert len([m for m in messages if m[0] & 0xF0 == 0x90]) > 4
    assert sounding(messages) == set()


@pytest.fixture
def null_sink(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which a PulseAudio null sink is the sound output."""
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        pytest.skip("sounddevice (extra audio) or PortAudio is not installed")
    if shutil.which("pulseaudio") is None or shutil.which("parec") is None:
        pytest.skip("pulseaudio is not installed")
    (tmp_path / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    modules = ["-L", "module-null-sink sink_name=nowhere", "-L", "module-native-protocol-unix"]
    pulse = subprocess.Popen(
        ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", *modules],
        env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(50):
            time.sleep(0.1)
            if (tmp_path / "pulse" / "native").exists():
                break
        devices = subprocess.run(
            [sys.executable, "-c", "import sounddevice; print(sounddevice.query_devices(kind='output')['name'])"],
            env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if devices.returncode:
            pytest.skip("PortAudio finds no PulseAudio here (libasound2-plugins)")
        yield environment
    finally:
        pulse.terminate()
        pulse.wait(10)


def test_the_speakers_play_without_a_gap_and_end_on_a_cadence(null_sink: dict[str, str], tmp_path: Path) -> None:
    recorded = tmp_path / "heard.raw"
    with recorded.open("wb") as file:
        recorder = subprocess.Popen(
            ["parec", "-d", "nowhere.monitor", "--rate=44100", "--channels=2", "--format=float32le", "--raw"],
            env={**os.environ, **null_sink}, stdout=file,
        )  # fmt: skip
        process = play("--bars", "16", **null_sink)
        wait_for(process, "   2  ")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        recorder.terminate()
        recorder.wait(10)
    assert process.returncode == 0
    heard = np.fromfile(recorded, np.float32)
    loud = np.sqrt(np.square(heard[: len(heard) // 22_050 * 22_050].reshape(-1, 22_050)).mean(axis=1))
    music = np.flatnonzero(loud > 0.01)
    assert len(music) > 8
    assert np.all(loud[music[0] : music[-1]] > 0.001)
