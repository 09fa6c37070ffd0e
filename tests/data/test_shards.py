"""Shards of encoded music: the same for any number of processes, and made again unless they are complete."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import sample_music
from helpers.paths import ROOT
from playbach.data import shards
from playbach.data.pieces import Piece
from playbach.encodings import ENCODINGS
from playbach.encodings.base import Encoding
from playbach.encodings.options import NotesOptions
from playbach.music.scores import content_hash, transpose
from playbach.system.errors import PlaybachError, ScoreError

SHARD = shards.PIECES_PER_SHARD


def pieces(count: int, make: Callable[..., Any] = sample_music.line, bars: int = 4) -> list[Piece]:
    scores = [make(seed, bars, tonic=seed % 3) for seed in range(count)]
    return [Piece(f"piece{i}", score, content_hash(score)) for i, score in enumerate(scores)]


def fitted(music: list[Piece], name: str = "notes", options: Any = None) -> Encoding:
    return ENCODINGS[name].load().fit((p.score for p in music), options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the shards made in this process, in order."""
    names: list[str] = []
    make = shards._make

    def noting(encoding: Encoding, job: Any) -> Any:
        names.append(job.path.stem)
        return make(encoding, job)

    monkeypatch.setattr(shards, "_make", noting)
    return names


@pytest.mark.parametrize(
    ("name", "make", "options"),
    [
        ("notes", sample_music.line, None),
        ("notes", sample_music.chorale, NotesOptions(durations="joined", velocities=True)),
        ("chorale", sample_music.chorale, None),
    ],
)
def test_shards_hold_what_the_encoding_gives(name: str, make: Callable[..., Any], options: Any) -> None:
    music = pieces(SHARD + 3, make)
    encoding = fitted(music, name, options)
    found = shards.build_shards(music, encoding, "train", all_keys=True, processes=1)
    row = 0
    for i, piece in enumerate(music):
        for shift in encoding.transpositions(piece.score):
            wanted, sequence = encoding.encode(transpose(piece.score, shift)), found.encoded_piece(row)
            np.testing.assert_array_equal(sequence.steps, wanted.steps)
            np.testing.assert_array_equal(sequence.context, wanted.context)
            assert (sequence.notes, sequence.ticks) == (wanted.notes, wanted.ticks)
            assert found.index[row, [shards.PIECE_COLUMN, shards.SHIFT_COLUMN]].tolist() == [i, shift]
            steps, context = found.window(row, 2, 9)
            assert steps.dtype == context.dtype == np.int32
            np.testing.assert_array_equal(steps, wanted.steps[2:9])
            np.testing.assert_array_equal(context, wanted.context[2:9])
            row += 1
    assert row == len(found.index)
    assert len(found.originals()) == len(music)
    everything = np.concatenate(list(found.steps()))
    assert len(everything) == found.index[:, shards.STEPS_COLUMN].sum()


def test_a_vocabulary_of_256_leaves_room_for_the_start_symbol() -> None:
    class Fields:
        context = ()

        def __init__(self, symbols: int) -> None:
            self.fields = (range(symbols),)

    assert [shards._types(Fields(n))[0] for n in (255, 256, 65535, 65536)] == [  # type: ignore[arg-type]
        np.uint8, np.uint16, np.uint16, np.uint32,
    ]  # fmt: skip


def test_any_number_of_processes_makes_the_same_files(tmp_path: Path) -> None:
    music = pieces(3 * SHARD + 1)
    encoding = fitted(music)
    for processes in (1, 3):
        (tmp_path / str(processes)).mkdir()
        shards.build_shards(music, encoding, "x", tmp_path / str(processes), all_keys=True, processes=processes)
    assert len(contents(tmp_path / "1")) == 12
    assert contents(tmp_path / "1") == contents(tmp_path / "3")


@pytest.mark.parametrize("damage", ["gone", "cut", "changed", "no description", "half a description", "other pieces"])
def test_a_damaged_shard_is_made_again(tmp_path: Path, made: list[str], damage: str) -> None:
    music = pieces(3 * SHARD)
    encoding = fitted(music)
    shards.build_shards(music, encoding, "x", tmp_path, processes=1)
    before, made[:] = contents(tmp_path), []
    shards.build_shards(music, encoding, "x", tmp_path, processes=1)
    assert made == []
    steps, described = tmp_path / "x-00001.steps", tmp_path / "x-00001.json"
    if damage == "gone":
        steps.unlink()
    elif damage == "cut":
        os.truncate(steps, 10)
    elif damage == "changed":
        steps.write_bytes(steps.read_bytes()[:-1] + b"\xff")
    elif damage == "no description":
        described.unlink()
    elif damage == "half a description":
        os.truncate(described, 40)
    else:
        described.write_bytes((tmp_path / "x-00002.json").read_bytes())
    (tmp_path / ".playbach-0123456789ab.steps").write_bytes(b"half")
    shards.build_shards(music, encoding, "x", tmp_path, processes=1)
    assert made == ["x-00001"]
    assert contents(tmp_path) == before


def test_another_encoding_or_other_pieces_make_new_shards(tmp_path: Path, made: list[str]) -> None:
    music = pieces(3)
    shards.build_shards(music, fitted(music), "x", tmp_path)
    shards.build_shards(music, fitted(music, options=NotesOptions(octaves="folded")), "x", tmp_path)
    shards.build_shards(music, fitted(music), "x", tmp_path, all_keys=True)
    shards.build_shards(music[::-1], fitted(music), "x", tmp_path, all_keys=True)
    assert made == ["x-00000"] * 4


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ScoreError("five voices"), "piece2: five voices"),
        (MemoryError(), "piece2: it takes too much memory"),
        (IndexError("out\nof range"), "piece2: IndexError: out of range"),
    ],
)
def test_a_piece_that_fails_does_not_affect_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    music = pieces(5)
    encoding, bad = fitted(music), content_hash(transpose(music[2].score, 1))

    def failing(self: Encoding, scores: Iterable[Any]) -> Iterator[Any]:
        for score in scores:
            if content_hash(score) == bad:  # in its second key, after the first is written
                raise error
            yield self.encode(score)

    monkeypatch.setattr(type(encoding), "encode_all", failing)
    found = shards.build_shards(music, encoding, "x", tmp_path, all_keys=True)
    assert found.left_out == [line]
    monkeypatch.undo()
    rest = shards.build_shards([*music[:2], *music[3:]], encoding, "x", all_keys=True)
    assert set(found.index[:, shards.PIECE_COLUMN].tolist()) == {0, 1, 3, 4}
    assert [found.encoded_piece(i).steps.tolist() for i in range(len(found.index))] == [
        rest.encoded_piece(i).steps.tolist() for i in range(len(rest.index))
    ]
    assert shards.build_shards(music, encoding, "x", tmp_path, all_keys=True).left_out == [line], "not tried again"


def test_few_shards_are_mapped_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MAX_OPEN_SHARDS", 2)
    music = pieces(5 * SHARD, bars=2)
    found = shards.build_shards(music, fitted(music), "x", processes=1)
    for row in range(len(found.index)):
        found.window(row, 0, 3)
    assert len(found._mapped) == 2


def test_a_temporary_folder_is_deleted_with_its_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards.tempfile, "tempdir", str(tmp_path))
    music = pieces(2)
    found = shards.build_shards(music, fitted(music), "x")
    assert len(list(tmp_path.glob("*/x-00000.*"))) == 3
    del found
    assert list(tmp_path.iterdir()) == []


def test_stopping_works_between_shards(tmp_path: Path, made: list[str]) -> None:
    music = pieces(3 * SHARD, bars=2)
    with pytest.raises(shards.Stopped, match="--resume"):
        shards.build_shards(music, fitted(music), "x", tmp_path, processes=1, stop=lambda: len(made) == 2)
    assert made == ["x-00000", "x-00001"]


def test_a_worker_that_dies_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shards.START_METHOD != "fork":
        pytest.skip("the workers do not inherit what is patched")
    music = pieces(2 * SHARD, bars=2)
    encoding = fitted(music)
    monkeypatch.setattr(type(encoding), "encode_all", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(PlaybachError, match=r"process that encodes music died.*--resume"):
        shards.build_shards(music, encoding, "x", tmp_path, processes=2)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes there")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    mark = f"playbach-orphan-{os.getpid()}"
    code = f"""
import os, sys, time; sys.path[:0] = [{str(ROOT / "tests")!r}, {str(ROOT / "tests" / "data")!r}]
from test_shards import *
from playbach.encodings.notes import NotesEncoding
music = pieces(4 * SHARD, bars=2)
encoding = fitted(music)
NotesEncoding.encode_all = lambda *_: (os.write(1, b"at work\\n"), time.sleep(60))
shards.build_shards(music, encoding, "x", Path({str(tmp_path)!r}), processes=3)
"""
    with subprocess.Popen([sys.executable, "-c", code, mark], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "at work\n"
        started = wait_for(mark, 4)
        parent.kill()
        parent.wait()
        assert started
        assert wait_for(mark, 0)


def wait_for(mark: str, processes: int) -> bool:
    """Wait up to half a minute until this many processes have the word among their arguments; whether they do."""
    until = time.monotonic() + 30
    while len(running(mark)) != processes:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def running(mark: str) -> list[str]:
    """The processes that have this word among their arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "cmdline").read_text():
                found.append(folder.name)
        except OSError:
            continue
    return found
