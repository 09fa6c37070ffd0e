"""Reading music files, mostly MIDI: intact files exactly, damaged files with a one-line error.

What is read of a MIDI file is in `test_midi.py`."""

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

from helpers.midi_files import header, midi, track
from playbach.music import reading
from playbach.music.options import ReadingOptions
from playbach.music.reading import Reader, ReadFile, ReadingLimits, Score, find_music, read, read_many, worker
from playbach.system import processes
from playbach.system.errors import CorpusError, PlaybachError, ScoreError

ON, OFF, END = "00 90 3C 40", "60 80 3C 00", "00 FF 2F 00"  # C4 on; 96 ticks later off; end of track
NOTE = f"{ON} {OFF}"
forked = pytest.mark.skipif(processes.START_METHOD != "fork", reason="patches reach a forked worker only")


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
def no_worker_outlives_its_test() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def fault(path: Path, limits: ReadingLimits | None = None) -> str:
    """The error of `read`, without the file's name."""
    with pytest.raises(ScoreError) as caught:
        read(path, limits)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line.removeprefix(f"{path}: ")


# ---------------------------------------------------------------------------------------------------- intact files


def test_a_file_is_read_exactly(file: Callable[..., Path]) -> None:
    path = file(polyphonic())
    score = read(path, options=ReadingOptions(pedal="ignore"))
    assert isinstance(score, Score)
    assert score == symusic.Score(path)
    assert score.markers[0].text == "seed 7"
    assert read(str(path), options=ReadingOptions(pedal="ignore")) == score


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
    score.tracks[0].name.encode()  # Latin-1 in the file: it must be printable in any case


@pytest.mark.parametrize("division", [1, 24, 96, 384, 480, 960, 1000, 10080, 32767])
def test_time_is_480_to_a_quarter(file: Callable[..., Path], division: int) -> None:
    score = read(file(midi(f"{ON} 01 80 3C 00 {ON} {OFF}", division=division)))
    assert score.ticks_per_quarter == 480
    (_, first, *_), (onset, second, *_) = notes_of(score)
    assert first == max(1, round(480 / division))  # even a note of 1/68 of a tick is kept
    assert abs(onset - 480 / division) < 1
    assert abs(second - 96 * 480 / division) < 1


def test_data_around_the_tracks_is_skipped(file: Callable[..., Path]) -> None:
    plain = midi(NOTE)
    foreign = struct.pack(">4sI", b"XFIH", 6) + b"\0" * 6
    riff = struct.pack("<4sI4s4sI", b"RIFF", 0, b"RMID", b"LIST", 3) + b"abc\0"
    wrapped = riff + struct.pack("<4sI", b"data", len(plain)) + plain + b"more"
    for data in (plain[:14] + foreign + plain[14:], plain + b"MTrk and other rubbish", wrapped):
        assert notes_of(read(file(data))) == [(0, 96, 60, 64)]


def test_remarks_come_with_a_file(file: Callable[..., Path]) -> None:
    path = file(midi(f"00 90 40 40 00 80 40 00 {NOTE}"))
    for number in (1, 2):
        [(_, result)] = read_many([path], processes=number)
        assert isinstance(result, ReadFile)
        assert result.remarks == ("1 note without length is left out",)


@pytest.mark.parametrize("name", ["song.kar", "song.rmi", "song.KAR"])
def test_files_for_karaoke(file: Callable[..., Path], name: str) -> None:
    path = file(midi(f"00 FF 05 02 6C 61 {NOTE}"), name)
    assert find_music(path.parent) == [path]
    assert [text.text for text in read(path).tracks[1].lyrics] == ["la"]


# --------------------------------------------------------------------------------------------------- damaged files

DAMAGED = {
    "text": (
        b"hello world, this is a diary",
        "this is neither MIDI nor MusicXML (it begins with b'hell'); "
        "give a .mid, .midi, .kar, .rmi, .musicxml, .xml or .mxl file",
    ),
    "nothing": (b"", "the file is empty; download or export it again"),
    "header only": (header()[:9], "the file is cut short in its header"),
    "no track": (header(), "the file is cut short: it has 0 of 1 tracks"),
    "cut track": (midi(NOTE, NOTE)[:-5], "the file is cut short: 5 bytes are missing in track 2 of 2"),
    "track length cut": (midi(NOTE)[:18], "the file is cut short: it has 0 of 1 tracks"),
    "no ticks": (header(division=0) + track(NOTE), "the file is damaged (0 ticks per quarter note)"),
    "short header": (header().replace(b"\6", b"\5"), "the file is damaged (a header of 5 bytes)"),
    "no status byte": (midi("00 3C 40"), "the file is damaged ("),
    "no notes": (midi("00 C0 05"), "it contains no notes; leave it out"),
    "never ends": (midi(ON), "it contains no notes"),
    "only no length": (midi("00 90 40 40 00 80 40 00"), "it contains no notes"),
    "program 208": (midi(f"00 C0 D0 {NOTE}"), "the file is damaged (program 208 is not valid)"),
    "pitch 200": (midi("00 90 C8 40 60 80 C8 00"), "the file is damaged (pitch 200 is not valid)"),
    "velocity 200": (midi("00 90 3C C8 60 80 3C 00"), "the file is damaged (velocity 200 is not valid)"),
    "late": (midi(f"FF FF FF 7F 90 3C 40 {OFF}"), "the file is damaged (onset 268435455 is not valid)"),
    "long": (midi(f"{ON} FF FF FF 7F 80 3C 00"), "the file is damaged (duration 268435455 is not valid)"),
    "wrapped": (midi(f"{'FF FF FF 7F 90 3C 40 FF FF FF 7F 80 3C 00' * 5}"), "the file is damaged (onset "),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_gives_a_one_line_error(file: Callable[..., Path], name: str) -> None:
    data, message = DAMAGED[name]
    assert fault(file(data)).startswith(message)


def test_paths_that_are_no_regular_files(tmp_path: Path, file: Callable[..., Path]) -> None:
    assert fault(tmp_path) == "this is a folder; give a music file"
    assert fault(tmp_path / "none.mid") == "no such file; check the name"
    assert fault(file(b"") / "a.mid").startswith("the file cannot be read (Not a directory)")
    assert "too long" in fault(tmp_path / ("x" * 300))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mid")
    assert fault(tmp_path / "pipe.mid").startswith("this is not a regular file")


def test_a_file_without_read_permission(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    path = file(midi(NOTE))
    monkeypatch.setattr(Path, "open", refuse)  # a real file without permission is no obstacle to root
    assert fault(path) == "you do not have permission to read this file; change its permissions"


def test_limits(file: Callable[..., Path]) -> None:
    path = file(midi(NOTE * 3))
    assert fault(path, ReadingLimits(max_bytes=30)) == "the file is larger than 30 bytes; leave it out or split it"
    assert fault(path, ReadingLimits(max_notes=2)) == "it has 3 notes, but the limit is 2; leave it out or split it"
    read(path, ReadingLimits(max_bytes=path.stat().st_size, max_notes=3))


def test_a_file_name_with_a_line_break(tmp_path: Path) -> None:
    with pytest.raises(ScoreError) as caught:
        read(tmp_path / "a\nb.mid")
    assert "\n" not in str(caught.value)


# ----------------------------------------------------------------------------------------------- this process


def test_midi_is_read_in_this_process(file: Callable[..., Path], starts: list[int]) -> None:
    paths = [file(polyphonic()), file(b"hello"), file(midi(NOTE)), file(b"").with_name("none.mid")]
    kinds = [isinstance(result, ReadFile) for _, result in read_many(paths)]
    assert kinds == [True, False, True, False]
    assert not starts


def test_a_fault_of_the_parser_costs_one_file(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    provoke(monkeypatch, {b"divide": lambda: 1 // 0})
    paths = [file(marked("divide")), file(midi(NOTE))]
    [(_, error), (_, music)] = read_many(paths)
    assert "the file is damaged (integer division or modulo by zero)" in str(error)
    assert isinstance(music, ReadFile)


# ------------------------------------------------------------------------------------------- a worker that crashes


def provoke(monkeypatch: pytest.MonkeyPatch, acts: dict[bytes, Callable[[], object]]) -> None:
    """Make the parser of MIDI misbehave on files with a certain marker, in this process and in forked workers."""
    parse = worker.parse_midi

    def misbehave(data: bytes, limits: ReadingLimits) -> ReadFile:
        for marker, act in acts.items():
            if marker in data:
                act()
        return parse(data, limits)

    for module in (worker, reading):
        monkeypatch.setattr(module, "parse_midi", misbehave)


def marked(text: str) -> bytes:
    return midi(f"00 FF 06 {len(text):02X} {text.encode().hex()} {NOTE}")


def hang() -> None:
    while True:
        time.sleep(1)


def fault_in_worker(path: Path, limits: ReadingLimits | None = None) -> str:
    """The error of a file that is read in a worker, without the file's name."""
    [(_, result)] = read_many([path], limits, processes=2)
    assert isinstance(result, ScoreError)
    return str(result).removeprefix(f"{path}: ")


@forked
def test_only_the_file_that_crashes_the_parser_is_lost(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    provoke(monkeypatch, {b"deadly": lambda: os.kill(os.getpid(), signal.SIGSEGV)})
    paths = [file(marked("deadly") if number in (0, 3, 4, 9) else midi(NOTE)) for number in range(10)]
    results = list(read_many(paths, processes=2))
    assert [path for path, _ in results] == paths
    bad = [number for number, (_, result) in enumerate(results) if isinstance(result, ScoreError)]
    assert bad == [0, 3, 4, 9]
    assert all("damaged" in str(results[number][1]) for number in bad)


@forked
def test_the_error_names_the_signal_or_exit_status(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    provoke(monkeypatch, {b"abort": os.abort})
    assert fault_in_worker(file(marked("abort"))) == (
        "the file is damaged: reading it crashes (SIGABRT); leave it out or export it again"
    )
    provoke(monkeypatch, {b"leave": lambda: os._exit(3)})
    assert "crashes (exit status 3)" in fault_in_worker(file(marked("leave")))


@forked
def test_a_good_file_after_one_that_corrupts_the_memory_is_read(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    corrupted: list[bool] = []  # the worker's memory
    provoke(monkeypatch, {b"spoil": lambda: corrupted.append(True), b"plain": lambda: corrupted and os.abort()})
    # The two workers take turns, and each corrupts its memory.
    paths = [file(marked(text)) for text in ("plain", "plain", "spoil", "spoil", "plain", "plain", "plain")]
    assert all(isinstance(result, ReadFile) for _, result in read_many(paths, processes=2))


@forked
def test_only_the_file_that_hangs_is_lost(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    provoke(monkeypatch, {b"hang": hang})
    paths = [file(marked(text)) for text in ("a", "hang", "b", "c")]
    started = time.monotonic()
    kinds = [isinstance(result, ReadFile) for _, result in read_many(paths, ReadingLimits(seconds=0.3), 2)]
    assert kinds == [True, False, True, True]
    assert 0.25 < time.monotonic() - started < 3
    assert fault_in_worker(paths[1], ReadingLimits(seconds=0.2)).startswith("it takes longer than 0.2 s to read, ")


@forked
@pytest.mark.skipif(sys.platform != "linux", reason="no limit on memory elsewhere")
def test_memory_is_limited(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    provoke(monkeypatch, {b"much": lambda: bytearray(1 << 30), b"some": lambda: bytearray(1 << 26)})
    limits = ReadingLimits(memory_bytes=1 << 28)
    assert (
        fault_in_worker(file(marked("much")), limits) == "it takes more than 256 MiB of memory to read; leave it out"
    )
    [(_, result)] = read_many([file(marked("some"))], limits, processes=2)
    assert isinstance(result, ReadFile)


@forked
def test_a_worker_killed_between_files_is_replaced(file: Callable[..., Path]) -> None:
    path = file(midi(NOTE))
    with Reader(processes=2) as reader:
        list(reader.read_many([path] * 2))
        os.kill(reader._workers[0]._process.pid, signal.SIGKILL)
        assert all(isinstance(result, ReadFile) for _, result in reader.read_many([path] * 2))


@forked
def test_the_worker_releases_what_it_inherits(
    file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def look() -> None:
        os.write(1, b"noise")
        os.write(2, b"noise")
        others = [n for n in map(int, os.listdir("/proc/self/fd")) if n > 2]  # noqa: PTH208
        raise ScoreError(f"{len(others)} {signal.getsignal(signal.SIGINT) is signal.SIG_IGN}")

    provoke(monkeypatch, {b"look": look})
    with Reader(processes=2) as other, Reader(processes=2) as reader:
        other.read(file(midi(NOTE)))
        with pytest.raises(ScoreError, match=r": 2 True$"):  # its pipe, and the listing itself
            reader.read(file(marked("look")))
    assert capfd.readouterr() == ("", "")


ORPHAN = """
import os, signal, sys
from playbach.music.reading import Reader
with Reader(processes=2) as reader:
    try:
        reader.read("none.mid")
    except Exception:
        print(reader._workers[0]._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@forked
def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ORPHAN], cwd=tmp_path, capture_output=True, text=True)
    state = Path(f"/proc/{int(done.stdout)}/stat")
    deadline = time.monotonic() + 5
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


@forked
def test_errors_while_a_worker_starts(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(midi(NOTE))
    with monkeypatch.context() as patch:
        patch.setattr(worker, "release_inherited", lambda pipe: os._exit(5))
        with pytest.raises(PlaybachError, match=r"does not start \(exit status 5\)"):
            list(read_many([path], processes=2))

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(PlaybachError, match="cannot start a process"):
        list(read_many([path], processes=2))

    def break_down() -> int:
        raise AssertionError("a bug")

    monkeypatch.setattr(os, "fork", break_down)
    with pytest.raises(AssertionError, match="a bug"):  # not hidden by an error while cleaning up
        list(read_many([path], processes=2))


@forked
def test_a_fork_beside_threads_gives_no_warning(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    fork = os.fork

    def as_of_python_3_12() -> int:
        warnings.warn("This process is multi-threaded, use of fork() may lead to …", DeprecationWarning, 2)
        return fork()

    monkeypatch.setattr(os, "fork", as_of_python_3_12)
    list(read_many([file(midi(NOTE))], processes=2))


def test_reading_works_without_forks(file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "START_METHOD", "spawn")
    paths = [file(polyphonic()), file(b"hello"), file(midi(NOTE))]
    # The time limit is shorter than the start of an interpreter, which does not count.
    kinds = [isinstance(result, ReadFile) for _, result in read_many(paths, ReadingLimits(seconds=0.1), 2)]
    assert kinds == [True, False, True]


# ------------------------------------------------------------------------------------------------------ many files


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each worker started."""
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
    assert [len(notes_of(r.score)) if isinstance(r, ReadFile) else 0 for _, r in results] == [
        0 if n % 7 == 0 else n + 1 for n in range(100)
    ]
    assert len(starts) == (processes if processes == 3 else 0)


def test_a_worker_serves_many_calls(file: Callable[..., Path], starts: list[int]) -> None:
    path = file(midi(NOTE))
    with Reader(processes=2) as reader:
        assert not starts
        for _ in range(5):
            reader.read(path)
        assert len(starts) == 1
        assert len(list(reader.read_many([path] * 5))) == 5
        assert list(reader.read_many([])) == []
    assert len(starts) == 2


@pytest.mark.parametrize("processes", [1, 2])
def test_files_are_read_only_as_results_are_requested(
    file: Callable[..., Path], starts: list[int], processes: int
) -> None:
    path, requested = file(midi(NOTE)), itertools.count()
    endless = (path for _ in requested)
    with Reader(processes=processes) as reader:
        results = reader.read_many(endless)
        assert not starts
        for _ in range(3):
            next(results)
        assert next(requested) < 100
        if processes > 1:
            with pytest.raises(RuntimeError, match="busy"):
                reader.read(path)
        results.close()  # results under way must not be returned …
        with pytest.raises(ScoreError, match="no such file"):  # … for this file
            reader.read(path.with_name("none.mid"))
        reader.read(path)


def test_midi_waits_for_musicxml_before_it(file: Callable[..., Path], starts: list[int]) -> None:
    """In order, and not too many of them."""
    plain, xml, requested = file(midi(NOTE)), file(b"<nonsense/>"), itertools.count()
    with Reader() as reader:
        found = list(reader.read_many([plain, xml, plain, plain, xml, plain]))
        assert [isinstance(result, ReadFile) for _, result in found] == [True, False, True, True, False, True]
        results = reader.read_many(plain if number else xml for number in requested)
        assert isinstance(next(results)[1], ScoreError)
        assert next(requested) < 50
    assert len(starts) == 1


def test_long_names_and_large_scores_do_not_block_the_pipe(file: Callable[..., Path]) -> None:
    large = file(midi(NOTE * 20_000))  # several times the pipe's buffer
    deep = Path(*["x" * 200] * 15) / "none.mid"
    paths = [large, large, deep, deep] * 10
    kinds = [isinstance(result, ReadFile) for _, result in read_many(paths, processes=2)]
    assert kinds == [True, True, False, False] * 10


def test_relative_paths_use_the_current_folder(
    file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(midi(NOTE), "here.mid")
    with Reader(processes=2) as reader:
        reader.read(path)  # the worker starts in another folder
        monkeypatch.chdir(tmp_path)
        [(name, result)] = reader.read_many(["here.mid"])
    assert name == Path("here.mid")
    assert isinstance(result, ReadFile)


# --------------------------------------------------------------------------------------------------- random damage

edits = st.lists(
    st.tuples(st.sampled_from(["set", "flip", "delete", "insert"]), st.integers(0, 1 << 16), st.integers(0, 255)),
    min_size=1,
    max_size=12,
)


def edited(data: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    damaged = bytearray(data)
    for kind, place, value in changes:
        place %= len(damaged)
        if kind == "set":
            damaged[place] = value
        elif kind == "flip":
            damaged[place] ^= 1 << value % 8
        elif kind == "delete":
            del damaged[place : place + value % 5 + 1]
        else:
            damaged[place:place] = bytes([value]) * (value % 4 + 1)
    return bytes(damaged)


def test_random_damage_gives_a_valid_score_or_a_one_line_error(tmp_path: Path) -> None:
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
    def check(body: bytes, changes: list[tuple[str, int, int]], repair: bool) -> None:
        if repair:  # an intact chunk, so that the damage reaches the events
            first = edited(body[8 : 8 + struct.unpack_from(">I", body, 4)[0]], changes)
            path.write_bytes(header() + struct.pack(">4sI", b"MTrk", len(first)) + first)
        else:
            path.write_bytes(edited(header(1, 4) + body, changes))
        [(_, result)] = reader.read_many([path])
        if isinstance(result, ScoreError):
            assert str(result).startswith(f"{path}: ") and "\n" not in str(result)
        else:
            check_score(result.score)

    with Reader() as reader:
        check()


def check_score(score: Score) -> None:
    assert score.ticks_per_quarter == 480
    assert score.note_num() > 0
    for line in score.tracks:
        assert 0 <= line.program <= 127
        for onset, duration, pitch, velocity in zip(*line.notes.numpy().values(), strict=True):
            assert onset >= 0 and duration >= 1 and 0 <= pitch <= 127 and 1 <= velocity <= 127
    assert all(60_000 <= tempo.mspq <= 0xFFFFFF for tempo in score.tempos)
    assert score.end() <= 2 * 24 * 3600 * 2 * 480
    score.dumps_midi()  # every score can be written


# ------------------------------------------------------------------------------------------------------ find_music


def test_find_music(tmp_path: Path) -> None:
    for name in (
        "b.mid",
        "a.MIDI",
        "sub/c.Mid",
        "sub/deep/d.midi",
        "e.kar",
        "f.rmi",
        "notes.txt",
        "._b.mid",
        ".git/e.mid",
        "mid",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.mid").mkdir()
    found = [str(path.relative_to(tmp_path)) for path in find_music(tmp_path)]
    assert found == ["a.MIDI", "b.mid", "e.kar", "f.rmi", "sub/c.Mid", "sub/deep/d.midi"]
    assert find_music(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    assert find_music(tmp_path / "folder.mid") == []


def test_find_music_follows_links_but_visits_no_folder_twice(tmp_path: Path) -> None:
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


def test_find_music_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        find_music(tmp_path / "none")
    assert str(caught.value) == f"{tmp_path}/none: no such folder or file; check the name"


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\udcff", ""])
def test_find_music_with_an_impossible_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError, match="no such folder or file"):
        find_music(f"{tmp_path}/none/{name}")
