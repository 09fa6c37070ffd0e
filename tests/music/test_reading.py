"""Reading files of music, MIDI above all: whole ones exactly, damaged ones at the cost of one line each."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import random
import signal
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import mido
import pytest
import symusic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playbach.music.reading import Limits, Reader, Score, find_music, read, read_many, worker
from playbach.music.reading import midi as midi_files
from playbach.system import processes
from playbach.system.errors import CorpusError, PlaybachError, ScoreError

ON, OFF, END = "00 90 3C 40", "60 80 3C 00", "00 FF 2F 00"  # C4 on; 96 ticks later off; end of track
NOTE = f"{ON} {OFF}"
forked = pytest.mark.skipif(processes.START != "fork", reason="patches reach a forked worker only")


def header(form: int = 1, tracks: int = 1, division: int = 480) -> bytes:
    return struct.pack(">4sIHHH", b"MThd", 6, form, tracks, division)


def track(events: str) -> bytes:
    data = bytes.fromhex(events + END)
    return struct.pack(">4sI", b"MTrk", len(data)) + data


def midi(*tracks: str, division: int = 480) -> bytes:
    return header(1, len(tracks), division) + b"".join(map(track, tracks))


def notes_of(score: Score) -> list[tuple[int, int, int, int]]:
    return [(n.time, n.duration, n.pitch, n.velocity) for t in score.tracks for n in t.notes]


def polyphonic(seed: int = 0) -> bytes:
    """Four instruments, three notes at once, pedal, bends, marker, key, meter and tempo."""
    rng, score = random.Random(seed), symusic.Score(480)
    for number, program in enumerate((0, 33, 48, 0)):
        line = symusic.Track(f"T{number}", program, number == 3)
        for onset in range(0, 1440, 120):
            for pitch in rng.sample(range(36, 84), 3):
                line.notes.append(symusic.Note(onset, rng.choice([60, 120, 240]), pitch, rng.randrange(30, 120)))
            line.pitch_bends.append(symusic.PitchBend(onset, onset - 500))
        line.controls.extend([symusic.ControlChange(0, 64, 127), symusic.ControlChange(480, 64, 0)])
        score.tracks.append(line)
    score.tempos.append(symusic.Tempo(0, 90))
    score.time_signatures.append(symusic.TimeSignature(0, 3, 4))
    score.key_signatures.append(symusic.KeySignature(0, -2, 0))
    score.markers.append(symusic.TextMeta(0, "seed 7"))
    return score.dumps_midi()


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    numbers = itertools.count()

    def write(data: bytes, name: str | None = None) -> Path:
        path = tmp_path / (name or f"{next(numbers):03}.mid")
        path.write_bytes(data)
        return path

    return write


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def fault(path: Path, limits: Limits | None = None) -> str:
    """What `read` says of a bad file, without the file's name."""
    with pytest.raises(ScoreError) as caught:
        read(path, limits)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line.removeprefix(f"{path}: ")


# ------------------------------------------------------------------------------------------------ whole files


def test_a_file_comes_back_as_it_is(file: Callable[..., Path]) -> None:
    path = file(polyphonic())
    score = read(path)
    assert isinstance(score, Score)
    assert score == symusic.Score(path)
    assert score.markers[0].text == "seed 7"
    assert read(str(path)) == score


def test_a_file_of_another_program(tmp_path: Path) -> None:
    song, line = mido.MidiFile(ticks_per_beat=480), mido.MidiTrack()
    song.tracks.append(line)
    line.append(mido.MetaMessage("track_name", name="Käthchen"))
    line.append(mido.Message("program_change", program=42))
    for pitch in (43, 50, 59):
        line.append(mido.Message("note_on", note=pitch, velocity=70, time=0))
        line.append(mido.Message("note_on", note=pitch, velocity=0, time=240))
    song.save(tmp_path / "cello.mid")
    score = read(tmp_path / "cello.mid")
    assert notes_of(score) == [(0, 240, 43, 70), (240, 240, 50, 70), (480, 240, 59, 70)]
    assert score.tracks[0].program == 42
    score.tracks[0].name.encode()  # Latin-1 in the file: whatever it becomes, it can be printed


@pytest.mark.parametrize("division", [1, 24, 96, 384, 480, 960, 1000, 10080, 32767])
def test_time_is_480_to_a_quarter(file: Callable[..., Path], division: int) -> None:
    score = read(file(midi(f"{ON} 01 80 3C 00 {ON} {OFF}", division=division)))
    assert score.ticks_per_quarter == 480
    (_, first, *_), (onset, second, *_) = notes_of(score)
    assert first == max(1, round(480 / division))  # not even a note of a 68th of a tick is lost
    assert abs(onset - 480 / division) < 1
    assert abs(second - 96 * 480 / division) < 1


def test_notes_without_length_are_left_out(file: Callable[..., Path]) -> None:
    score = read(file(midi(f"00 90 40 40 00 80 40 00 {NOTE}", division=240)))
    assert notes_of(score) == [(0, 192, 60, 64)]


def test_absurd_tempos_are_bent(file: Callable[..., Path]) -> None:
    # 0, 1 and 16,777,215 microseconds to a quarter
    score = read(file(midi(f"00 FF 51 03 00 00 00 00 FF 51 03 00 00 01 60 FF 51 03 FF FF FF {NOTE}")))
    assert [(tempo.time, tempo.mspq) for tempo in score.tempos] == [(0, 60_000), (96, 16_777_215)]


def test_impossible_controllers_and_keys_are_left_out(file: Callable[..., Path]) -> None:
    # controller 200, then the pedal's; pitch bend FF FF, then 00 40; key 127 of mode 5, then two flats minor
    events = "00 B0 C8 40 00 B0 40 7F 00 E0 FF FF 00 E0 00 40 00 FF 59 02 7F 05 00 FF 59 02 FE 01"
    score = read(file(midi(f"{events} {NOTE}")))
    [line] = score.tracks
    assert [(c.number, c.value) for c in line.controls] == [(64, 127)]
    assert [bend.value for bend in line.pitch_bends] == [0]
    assert [(k.key, k.tonality) for k in score.key_signatures] == [(-2, 1)]


def test_what_stands_around_the_tracks_is_skipped(file: Callable[..., Path]) -> None:
    plain = midi(NOTE)
    foreign = struct.pack(">4sI", b"XFIH", 6) + b"\0" * 6
    riff = struct.pack("<4sI4s4sI", b"RIFF", 0, b"RMID", b"LIST", 3) + b"abc\0"
    wrapped = riff + struct.pack("<4sI", b"data", len(plain)) + plain + b"more"
    for data in (plain[:14] + foreign + plain[14:], plain + b"MTrk and other rubbish", wrapped):
        assert notes_of(read(file(data))) == [(0, 96, 60, 64)]


# ---------------------------------------------------------------------------------------------- damaged files

DAMAGED = {
    "text": (
        b"hello world, this is a diary",
        "neither MIDI nor MusicXML (it begins with b'hell'); give .mid, .midi, .musicxml, .xml or .mxl files",
    ),
    "nothing": (b"", "the file is empty; download or export it again"),
    "header only": (header()[:9], "cut short in its header"),
    "no track": (header(), "cut short: 0 of 1 tracks are there"),
    "cut track": (midi(NOTE, NOTE)[:-5], "cut short: 5 bytes are missing in track 2 of 2"),
    "track length cut": (midi(NOTE)[:18], "cut short: 0 of 1 tracks are there"),  # crashes symusic 0.5.9
    "fewer tracks": (header(1, 3) + track(NOTE), "cut short: 1 of 3 tracks are there"),
    "film frames": (header(division=0xE728) + track(NOTE), "its time is in film frames"),
    "no ticks": (header(division=0) + track(NOTE), "no ticks per quarter note"),
    "format 2": (header(2, 2) + track(NOTE) * 2, "holds 2 separate pieces"),
    "odd header": (header().replace(b"\6", b"\7") + b"\0" + track(NOTE), "damaged ("),
    "no status byte": (midi("00 3C 40"), "damaged ("),
    "no notes": (midi("00 C0 05"), "there is not a note in it; leave it out"),
    "never ends": (midi(ON), "there is not a note in it"),
    "only no length": (midi("00 90 40 40 00 80 40 00"), "there is not a note in it"),
    "program 208": (midi(f"00 C0 D0 {NOTE}"), "damaged (program 208 does not exist)"),
    "pitch 200": (midi("00 90 C8 40 60 80 C8 00"), "damaged (pitch 200 does not exist)"),
    "velocity 200": (midi("00 90 3C C8 60 80 3C 00"), "damaged (velocity 200 does not exist)"),
    "meter 0/4": (midi(f"00 FF 58 04 00 02 18 08 {NOTE}"), "damaged (time signature 0/4 does not exist)"),
    "meter 65/4": (midi(f"00 FF 58 04 41 02 18 08 {NOTE}"), "damaged (time signature 65/4 does not exist)"),
    "meter 4/128": (midi(f"00 FF 58 04 04 07 18 08 {NOTE}"), "damaged (time signature 4/128 does not exist)"),
    "late": (midi(f"FF FF FF 7F 90 3C 40 {OFF}"), "damaged (onset 268435455 does not exist)"),
    "long": (midi(f"{ON} FF FF FF 7F 80 3C 00"), "damaged (duration 268435455 does not exist)"),
    "wrapped": (midi(f"{'FF FF FF 7F 90 3C 40 FF FF FF 7F 80 3C 00' * 5}"), "damaged (onset "),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_told_in_one_line(file: Callable[..., Path], name: str) -> None:
    data, said = DAMAGED[name]
    assert fault(file(data)).startswith(said) or said in fault(file(data))


def test_what_is_no_file(tmp_path: Path, file: Callable[..., Path]) -> None:
    assert fault(tmp_path) == "this is a folder; give a file of music"
    assert fault(tmp_path / "none.mid") == "no such file; check the name"
    assert fault(file(b"") / "a.mid").startswith("cannot be read (Not a directory)")
    assert "too long" in fault(tmp_path / ("x" * 300))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mid")
    assert fault(tmp_path / "pipe.mid").startswith("this is not a regular file")


@forked
def test_a_file_that_may_not_be_read(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    path = file(midi(NOTE))
    monkeypatch.setattr(Path, "open", refuse)  # a real file without permission is no obstacle to root
    assert fault(path) == "you may not read this file; change its permissions"


def test_limits(file: Callable[..., Path]) -> None:
    path = file(midi(NOTE * 3))
    assert fault(path, Limits(max_bytes=30)) == "larger than 30 bytes; leave it out or split it"
    assert fault(path, Limits(max_notes=2)) == "has 3 notes, more than 2; leave it out or split it"
    read(path, Limits(max_bytes=path.stat().st_size, max_notes=3))


def test_too_many_tracks(file: Callable[..., Path]) -> None:
    assert fault(file(midi(*[NOTE] * 1025))).startswith("has 1,025 tracks, more than 1,024")


def test_a_name_of_several_lines(tmp_path: Path) -> None:
    with pytest.raises(ScoreError) as caught:
        read(tmp_path / "a\nb.mid")
    assert "\n" not in str(caught.value)


# ----------------------------------------------------------------------------------------- a worker that dies

# A pitch of 177 on channel 16 lies outside symusic 0.5.9's table of sounding notes: SIGSEGV, mostly.
DEADLY = midi("6E 9F B1 40")


def provoke(monkeypatch: pytest.MonkeyPatch, acts: dict[bytes, Callable[[], object]]) -> None:
    """Let the parser act up on files that hold a certain marker. Reaches forked workers."""
    parse = midi_files._from_midi

    def actor(data: bytes) -> Score:
        for marker, act in acts.items():
            if marker in data:
                act()
        return parse(data)

    monkeypatch.setattr(midi_files, "_from_midi", actor)


def marked(text: str) -> bytes:
    return midi(f"00 FF 06 {len(text):02X} {text.encode().hex()} {NOTE}")


def hang() -> None:
    while True:
        time.sleep(1)


def test_a_file_that_crashes_symusic_costs_only_itself(file: Callable[..., Path]) -> None:
    paths = [file(DEADLY if number in (0, 3, 4, 9) else midi(NOTE)) for number in range(10)]
    results = list(read_many(paths))
    assert [path for path, _ in results] == paths
    bad = [number for number, (_, result) in enumerate(results) if isinstance(result, ScoreError)]
    assert bad == [0, 3, 4, 9]
    assert all("damaged" in str(results[number][1]) for number in bad)


@forked
def test_the_line_names_the_signal(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    provoke(monkeypatch, {b"abort": os.abort})
    assert fault(file(marked("abort"))) == ("damaged: reading it crashes (SIGABRT); leave it out or export it again")
    provoke(monkeypatch, {b"leave": lambda: os._exit(3)})
    assert "crashes (exit status 3)" in fault(file(marked("leave")))


@forked
def test_the_innocent_file_after_a_harmful_one_is_read(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt: list[bool] = []  # the worker's memory
    provoke(monkeypatch, {b"spoil": lambda: spoilt.append(True), b"plain": lambda: spoilt and os.abort()})
    paths = [file(marked(text)) for text in ("plain", "spoil", "plain", "plain")]
    assert all(isinstance(result, Score) for _, result in read_many(paths))


@forked
def test_a_hanging_file_costs_its_time_and_nothing_else(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    provoke(monkeypatch, {b"hang": hang})
    paths = [file(marked(text)) for text in ("a", "hang", "b", "c")]
    started = time.monotonic()
    kinds = [isinstance(result, Score) for _, result in read_many(paths, Limits(seconds=0.3))]
    assert kinds == [True, False, True, True]
    assert 0.25 < time.monotonic() - started < 3
    assert fault(paths[1], Limits(seconds=0.2)).startswith("not read within 0.2 s; ")


@forked
@pytest.mark.skipif(sys.platform != "linux", reason="no limit on memory elsewhere")
def test_memory_is_limited(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    provoke(monkeypatch, {b"much": lambda: bytearray(1 << 30), b"some": lambda: bytearray(1 << 26)})
    limits = Limits(memory_bytes=1 << 28)
    assert fault(file(marked("much")), limits) == "reading it takes more than 256 MiB of memory; leave it out"
    read(file(marked("some")), limits)


@forked
def test_a_worker_killed_between_files_is_replaced(file: Callable[..., Path]) -> None:
    path = file(midi(NOTE))
    with Reader() as reader:
        reader.read(path)
        os.kill(reader._workers[0]._process.pid, signal.SIGKILL)
        assert isinstance(reader.read(path), Score)


@forked
def test_the_worker_keeps_nothing_of_ours(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def look() -> None:
        os.write(1, b"noise")
        os.write(2, b"noise")
        others = [n for n in map(int, os.listdir("/proc/self/fd")) if n > 2]  # noqa: PTH208
        raise ScoreError(f"{len(others)} {signal.getsignal(signal.SIGINT) is signal.SIG_IGN}")

    provoke(monkeypatch, {b"look": look})
    with Reader() as other, Reader() as reader:
        other.read(file(midi(NOTE)))
        with pytest.raises(ScoreError, match=r": 2 True$"):  # its pipe, and the listing itself
            reader.read(file(marked("look")))
    assert capfd.readouterr() == ("", "")


ORPHAN = """
import os, signal, sys
from playbach.music.reading import Reader
with Reader() as reader:
    try:
        reader.read("none.mid")
    except Exception:
        print(reader._workers[0]._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@forked
def test_a_worker_does_not_outlive_us(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ORPHAN], cwd=tmp_path, capture_output=True, text=True)
    state = Path(f"/proc/{int(done.stdout)}/stat")
    deadline = time.monotonic() + 5
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


@forked
def test_faults_of_starting(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(midi(NOTE))
    with monkeypatch.context() as patch:
        patch.setattr(worker, "_settle", lambda pipe: os._exit(5))
        with pytest.raises(PlaybachError, match=r"does not start \(exit status 5\)"):
            read(path)

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(PlaybachError, match="no process can be started"):
        read(path)

    def break_down() -> int:
        raise AssertionError("a bug")

    monkeypatch.setattr(os, "fork", break_down)
    with pytest.raises(AssertionError, match="a bug"):  # not hidden behind a fault of tidying up
        read(path)


@forked
def test_forking_beside_threads_is_not_warned_of(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    fork = os.fork

    def as_of_python_3_12() -> int:
        warnings.warn("This process is multi-threaded, use of fork() may lead to …", DeprecationWarning, 2)
        return fork()

    monkeypatch.setattr(os, "fork", as_of_python_3_12)
    read(file(midi(NOTE)))


def test_where_nothing_can_be_forked(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "START", "spawn")
    paths = [file(polyphonic()), file(b"hello"), file(midi(NOTE))]
    # The time limit is shorter than the start of an interpreter, which must not count.
    kinds = [isinstance(result, Score) for _, result in read_many(paths, Limits(seconds=0.1))]
    assert kinds == [True, False, True]


# ------------------------------------------------------------------------------------------------- many files


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every worker started."""
    counted: list[int] = []
    start = worker.Worker._start

    def counting(one: worker.Worker) -> None:
        counted.append(1)
        start(one)

    monkeypatch.setattr(worker.Worker, "_start", counting)
    return counted


@pytest.mark.parametrize("processes", [None, 1, 3])
def test_results_come_in_the_order_of_the_paths(
    file: Callable[..., Path], processes: int | None, starts: list[int]
) -> None:
    paths = [file(b"hello" if n % 7 == 0 else midi(NOTE * (n + 1))) for n in range(100)]
    results = list(read_many(iter(paths), processes=processes))
    assert [path for path, _ in results] == paths
    assert [len(notes_of(r)) if isinstance(r, Score) else 0 for _, r in results] == [
        0 if n % 7 == 0 else n + 1 for n in range(100)
    ]
    assert len(starts) == (processes or 1)


def test_a_worker_serves_many_calls(file: Callable[..., Path], starts: list[int]) -> None:
    path = file(midi(NOTE))
    with Reader() as reader:
        assert not starts
        for _ in range(5):
            reader.read(path)
        assert len(list(reader.read_many([path] * 5))) == 5
        assert list(reader.read_many([])) == []
    assert len(starts) == 1


def test_files_are_read_as_they_are_asked_for(file: Callable[..., Path], starts: list[int]) -> None:
    path, taken = file(midi(NOTE)), itertools.count()
    endless = (path for _ in taken)
    with Reader() as reader:
        results = reader.read_many(endless)
        assert not starts
        for _ in range(3):
            next(results)
        assert next(taken) < 50
        with pytest.raises(RuntimeError, match="busy"):
            reader.read(path)
        results.close()  # leaves unclaimed answers behind, which must not be taken for …
        with pytest.raises(ScoreError, match="no such file"):  # … this one's
            reader.read(path.with_name("none.mid"))
        reader.read(path)


def test_long_names_and_large_scores_do_not_jam_the_pipe(file: Callable[..., Path]) -> None:
    large = file(midi(NOTE * 20_000))  # an answer of several times the pipe's buffer
    deep = Path(*["x" * 200] * 15) / "none.mid"
    paths = [large, deep] * 20
    kinds = [isinstance(result, Score) for _, result in read_many(paths)]
    assert kinds == [True, False] * 20


def test_relative_paths_are_of_the_moment(
    file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(midi(NOTE), "here.mid")
    with Reader() as reader:
        reader.read(path)  # the worker was born elsewhere
        monkeypatch.chdir(tmp_path)
        [(name, result)] = reader.read_many(["here.mid"])
    assert name == Path("here.mid")
    assert isinstance(result, Score)


# --------------------------------------------------------------------------------------------------- anything

edits = st.lists(
    st.tuples(st.sampled_from(["set", "flip", "delete", "insert"]), st.integers(0, 1 << 16), st.integers(0, 255)),
    min_size=1,
    max_size=12,
)


def edited(data: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    spoilt = bytearray(data)
    for kind, place, value in changes:
        place %= len(spoilt)
        if kind == "set":
            spoilt[place] = value
        elif kind == "flip":
            spoilt[place] ^= 1 << value % 8
        elif kind == "delete":
            del spoilt[place : place + value % 5 + 1]
        else:
            spoilt[place:place] = bytes([value]) * (value % 4 + 1)
    return bytes(spoilt)


def test_any_damage_gives_a_sound_score_or_a_line(tmp_path: Path) -> None:
    bodies = [polyphonic(seed)[14:] for seed in range(3)]
    path = tmp_path / "damaged.mid"

    @settings(
        max_examples=300,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(st.sampled_from(bodies), edits, st.booleans())
    def check(body: bytes, changes: list[tuple[str, int, int]], mend: bool) -> None:
        if mend:  # a chunk that is whole, so that the damage gets as far as symusic
            first = edited(body[8 : 8 + struct.unpack_from(">I", body, 4)[0]], changes)
            path.write_bytes(header() + struct.pack(">4sI", b"MTrk", len(first)) + first)
        else:
            path.write_bytes(edited(header(1, 4) + body, changes))
        [(_, result)] = reader.read_many([path])
        if isinstance(result, ScoreError):
            assert str(result).startswith(f"{path}: ") and "\n" not in str(result)
        else:
            sound(result)

    with Reader() as reader:
        check()


def sound(score: Score) -> None:
    assert score.ticks_per_quarter == 480
    assert score.note_num() > 0
    for line in score.tracks:
        assert 0 <= line.program <= 127
        for onset, duration, pitch, velocity in zip(*line.notes.numpy().values(), strict=True):
            assert onset >= 0 and duration >= 1 and 0 <= pitch <= 127 and 1 <= velocity <= 127
    assert all(60_000 <= tempo.mspq <= 0xFFFFFF for tempo in score.tempos)
    assert score.end() <= 2 * 24 * 3600 * 2 * 480
    score.dumps_midi()  # whoever gets a score may write it without fear


# ------------------------------------------------------------------------------------------------- find_music


def test_find_music(tmp_path: Path) -> None:
    for name in (
        "b.mid",
        "a.MIDI",
        "sub/c.Mid",
        "sub/deep/d.midi",
        "notes.txt",
        "._b.mid",
        ".git/e.mid",
        "mid",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.mid").mkdir()
    found = [str(path.relative_to(tmp_path)) for path in find_music(tmp_path)]
    assert found == ["a.MIDI", "b.mid", "sub/c.Mid", "sub/deep/d.midi"]
    assert find_music(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    assert find_music(tmp_path / "folder.mid") == []


def test_find_music_follows_links_but_in_no_circles(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.mid").touch()
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "b.mid").touch()
    (corpus / "linked").symlink_to(tmp_path / "disk")
    (corpus / "linked twice").symlink_to(tmp_path / "disk")
    (corpus / "circle").symlink_to(corpus)
    (corpus / "self").symlink_to("self")
    (tmp_path / "disk" / "back").symlink_to(corpus)
    assert find_music(corpus) == [corpus / "b.mid", corpus / "linked" / "a.mid"]


def test_find_music_in_no_folder(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        find_music(tmp_path / "none")
    assert str(caught.value) == f"{tmp_path}/none: no such folder or file; check the name"


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\udcff", ""])
def test_find_music_in_what_can_be_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError, match="no such folder or file"):
        find_music(f"{tmp_path}/none/{name}")
