"""The example for an ESP32, compiled for this computer with a stand-in for Arduino: what it sends, and when."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors")

from safetensors.numpy import load

from helpers.paths import GOLDEN, ROOT
from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import Bundle
from playbach.export import c
from playbach.export.c.music import music_files
from playbach.export.integer import IntegerNetwork, IntegerSampling, Pcg32, compose, quantise
from playbach.inference.options import Sampling
from playbach.music.bars import Bars
from playbach.music.events import Note

HERE = Path(__file__).parent
EXAMPLE = ROOT / "examples" / "esp32" / "src"
TINY = GOLDEN / "tiny.playbach"
C, CXX = shutil.which("cc"), shutil.which("c++")
pytestmark = pytest.mark.skipif(not (C and CXX), reason="needs compilers for C and C++ (apt install g++)")
STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-g")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SEED, BARS, CHOIR, NEVER = 7, 16, 52, 1e9


@dataclass(frozen=True)
class Sent:
    """A MIDI message."""

    time: int
    """In microseconds."""
    kind: int
    channel: int
    data: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    bundle: Bundle
    network: IntegerNetwork
    folder: Path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    bundle = bundles.read(TINY)
    encoding = bundle.encoding()
    nothing = np.zeros((1, 1), int), np.zeros((1, len(encoding.context)), int)  # an LSTM is not calibrated
    network = quantise("lstm", load(bundle.members[bundles.WEIGHTS]), encoding, nothing)
    folder = tmp_path_factory.mktemp("model")
    for name, data in c.folder_from_network(
        bundle, network, music_files(encoding, bundle), c.find_profile("esp32")
    ).items():
        (folder / name).write_bytes(data)
    return Model(bundle, network, folder)


def build_program(model: Model, folder: Path, *options: str) -> Path:
    """The example as a program for this computer; with the sanitizers where the compiler has them."""
    (folder / "empty.c").write_text("int main(void) { return 0; }\n")
    probe = subprocess.run([C or "", *SANITIZERS, folder / "empty.c", "-o", folder / "empty"], capture_output=True)
    flags = (*STRICT, *(SANITIZERS if probe.returncode == 0 else ()), *options, "-I", model.folder, "-I", HERE)
    objects = []
    for source in (EXAMPLE / "player.c", model.folder / "playbach.c", model.folder / "music.c"):
        objects.append(folder / f"{source.stem}.o")
        run(C, "-std=c99", *flags, "-c", source, "-o", objects[-1])
    program = folder / "board"
    run(CXX, "-std=c++17", *flags, "-I", EXAMPLE, EXAMPLE / "main.cpp", HERE / "board.cpp", *objects, "-o", program)
    return program


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def record(
    program: Path,
    seconds: int,
    poll: int = 100,
    instrument: tuple[float, int] = (NEVER, 0),
    tempo: tuple[float, int] = (NEVER, 0),
) -> list[Sent]:
    """The messages that the board sends in this many seconds of its own clock."""
    lines = run(program, seconds, SEED, poll, *instrument, *tempo).splitlines()
    assert lines[0] == "begin 31250 17"
    sent = []
    for line in lines[1:]:
        time, status, *data = map(int, line.split()[1:])
        assert len(data) == (1 if status & 0xF0 == 0xC0 else 2)
        assert all(0 <= value <= 127 for value in data)
        sent.append(Sent(time, status & 0xF0, status & 0x0F, tuple(data)))
    assert sent
    return sent


def pieces(sent: list[Sent]) -> list[list[Sent]]:
    """The notes of each piece: a piece begins with its program changes."""
    found: list[list[Sent]] = []
    before: Sent | None = None
    for message in sent:
        if message.kind == 0xC0 and message.channel == 0 and (before is None or before.kind == 0x90):
            found.append([])
        if message.kind == 0x90:
            found[-1].append(message)
        before = message
    return found


def reference(model: Model) -> list[tuple[int, int, int, int]]:
    """The first piece in Python's integers, without its last bar: tick, channel, pitch and velocity."""
    encoding, random = model.bundle.encoding(), Pcg32(SEED)
    random()  # draws the header; there is only one
    header = encoding.headers[0][0]
    sampling = IntegerSampling.of(Sampling(**model.bundle.manifest["sampling"]))
    events = []
    for _, notes in compose(model.network, encoding.decoder(header, BARS), sampling, random):
        for note in notes:
            assert isinstance(note, Note)
            events.append((note.tick, note.track, note.pitch, note.velocity))
            events.append((note.tick + note.duration, note.track, note.pitch, 0))
    last = Bars(header.meters).start(BARS)
    return sorted((e for e in events if e[0] < last), key=lambda e: (e[0], e[3] > 0, e[1]))


MICROSECONDS = 60e6 / 80 / 480
"""Of a tick, at the tiny model's tempo."""


@pytest.fixture(scope="module")
def program(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_program(model, tmp_path_factory.mktemp("board"))


def test_it_plays_what_python_composes_in_time(model: Model, program: Path) -> None:
    sent, expected = record(program, 60), reference(model)
    first = pieces(sent)[0][: len(expected)]
    assert [(m.channel, *m.data) for m in first] == [e[1:] for e in expected]
    assert len(expected) > 300
    late = [m.time - first[0].time - (e[0] - expected[0][0]) * MICROSECONDS for m, e in zip(first, expected)]
    assert min(late) > -2000
    assert max(late) < 30_000
    assert {m.data for m in sent if m.kind == 0xC0} == {(CHOIR,)}  # nobody turned the knob


def test_pieces_end_and_others_follow_after_a_breath(program: Path) -> None:
    found = pieces(record(program, 160))
    assert len(found) >= 3
    for piece, following in zip(found, found[1:]):
        sounding: set[tuple[int, int]] = set()
        for message in piece:
            key = (message.channel, message.data[0])
            if message.data[1]:
                assert key not in sounding
                sounding.add(key)
            else:
                sounding.remove(key)
        assert not sounding
        assert piece[-1].data[1] == 0
        breath = (following[0].time - piece[-1].time) / MICROSECONDS
        assert breath == pytest.approx(960, abs=40)
    assert found[0][:50] != found[1][:50]


def test_the_music_waits_if_composing_is_too_slow(model: Model, program: Path) -> None:
    """With 60 ms for each reading of the clock, an onset takes 1.5 seconds to compose, twice as long as it lasts."""
    poll, expected = 60_000, reference(model)
    first = pieces(record(program, 150, poll=poll))[0][: len(expected)]
    assert [(m.channel, *m.data) for m in first] == [e[1:] for e in expected[: len(first)]]
    assert len(first) > 200
    due = [e[0] * MICROSECONDS for e in expected]
    for a, b, e, f in zip(first, first[1:], due, due[1:]):
        assert b.time - a.time > f - e - 8 * poll  # it does not catch up
    assert first[-1].time - first[0].time > 1.5 * (due[len(first) - 1] - due[0])


def test_the_last_bar_is_not_tried_again_without_time(program: Path) -> None:
    sent = [m for piece in pieces(record(program, 900, poll=60_000)) for m in piece]
    assert max(b.time - a.time for a, b in zip(sent, sent[1:])) < 10e6


def test_the_first_knob_selects_the_instrument_and_noise_does_not(program: Path) -> None:
    sent = record(program, 20, instrument=(5, 1000))
    programs = [m for m in sent if m.kind == 0xC0]
    assert {m.data[0] for m in programs if m.time < 5e6} == {CHOIR}
    turned = [m for m in programs if m.time >= 5e6]
    assert {m.time for m in turned}
    assert all(m.time < 5.8e6 for m in turned)  # afterwards there is only noise
    assert turned[-1].data[0] in (30, 31, 32)
    assert {m.channel for m in turned} == {0, 1, 2, 3}
    falling = [m.data[0] for m in turned if m.channel == 0]
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize(("reading", "ends"), [(0, 0), (4095, 127)])
def test_the_knob_reaches_both_ends(program: Path, reading: int, ends: int) -> None:
    programs = [m for m in record(program, 4, instrument=(1, reading)) if m.kind == 0xC0]
    assert programs[-1].data == (ends,)


def test_the_second_knob_selects_the_tempo(model: Model, program: Path) -> None:
    sent, expected = record(program, 40, tempo=(10, 4095)), reference(model)
    timed = list(zip(pieces(sent)[0], expected))
    parts: list[Callable[[float], bool]] = [lambda t: t < 9.9e6, lambda t: 11e6 < t < 25e6]
    for is_in_part, percent in zip(parts, (100, 200)):
        part = [(m.time, e[0]) for m, e in timed if is_in_part(m.time)]
        ticks, microseconds = part[-1][1] - part[0][1], part[-1][0] - part[0][0]
        assert microseconds / ticks == pytest.approx(MICROSECONDS * 100 / percent, rel=0.01)


def is_good_ending(piece: list[Sent]) -> bool:
    """In a triad, or an octave and a third, on the bass."""
    sounding: dict[int, int] = {}
    for message in piece:
        if message.data[1]:
            sounding[message.channel] = message.data[0]
    above = {(pitch - sounding[3]) % 12 for pitch in sounding.values()}
    return {0, 3} <= above <= {0, 3, 7} or {0, 4} <= above <= {0, 4, 7}


def test_last_bars_are_tried_until_they_are_endings(model: Model, program: Path, tmp_path: Path) -> None:
    once = build_program(model, tmp_path, "-DPLAYER_ENDINGS=1")
    good = [sum(map(is_good_ending, pieces(record(p, 900, poll=1000))[:-1])) for p in (program, once)]
    assert good[0] > good[1]
