"""The built-in chorales: listed once, converted once, completely or not at all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import symusic

from playbach.data import chorales, conversions
from playbach.data.chorales import cache_folder, chorale_score, folder, sides
from playbach.data.corpora import load_builtin
from playbach.data.from_music21 import elements_of
from playbach.data.pieces import SIDES
from playbach.encodings import ENCODINGS
from playbach.system.errors import CorpusError, MissingExtra

FEW = {"train": ["bwv269.mxl", "bwv10.7.mxl"], "valid": ["bwv103.6.mxl"], "test": ["bwv111.6.mxl"]}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a corpus of four chorales."""
    monkeypatch.setenv("PLAYBACH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(chorales, "sides", lambda: FEW)
    return tmp_path / "cache"


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def instead_of_converting(monkeypatch: pytest.MonkeyPatch, convert: Any) -> None:
    """Fill the folder by this function, in this process."""
    monkeypatch.setattr(chorales, "_convert_all", convert)


def parsed(name: str) -> Any:
    corpus = pytest.importorskip("music21").corpus
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of music21
        return corpus.parse(f"bach/{name}")


# --------------------------------------------------------------------------------------------------- the listing


def test_the_sides_are_disjoint_and_those_of_the_literature() -> None:
    listed = sides()
    assert tuple(listed) == SIDES
    assert [len(listed[side]) for side in SIDES] == [216, 67, 71]
    names = [name for side in SIDES for name in listed[side]]
    assert len(set(names)) == len(names)
    assert len({Path(name).with_suffix("") for name in names}) == len(names)  # no converted file replaces another


def test_every_listed_chorale_is_in_music21() -> None:
    pytest.importorskip("music21")
    from music21 import corpus

    there = {Path(path).name for path in corpus.getComposer("bach")}
    assert {name for names in sides().values() for name in names} <= there


# --------------------------------------------------------------------------------------------------- conversion


@pytest.mark.parametrize(
    ("name", "meters"),
    [
        ("bwv269.mxl", [(0, 1, 4), (480, 3, 4)]),  # a pickup of a quarter
        ("bwv10.7.mxl", [(0, 4, 4)]),
        ("bwv103.6.mxl", [(0, 1, 4), (480, 4, 4)]),
    ],
)
def test_a_chorale_becomes_four_voices_on_the_grid(name: str, meters: list[tuple[int, int, int]]) -> None:
    score = chorale_score(elements_of(parsed(name)))
    assert [track.name for track in score.tracks] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert score.ticks_per_quarter == 480
    assert [(m.time, m.numerator, m.denominator) for m in score.time_signatures] == meters
    assert len(score.key_signatures) == 1
    assert [round(t.qpm) for t in score.tempos] == [76]

    means = []
    for track in score.tracks:
        assert track.program == chorales.CHOIR_PROGRAM
        assert len(track.notes) > 20
        notes = sorted((n.time, n.duration, n.pitch) for n in track.notes)
        assert all(t % 120 == 0 and d % 120 == 0 and d > 0 for t, d, _ in notes)  # sixteenths
        assert all(a[0] + a[1] <= b[0] for a, b in zip(notes, notes[1:]))  # one at a time
        assert all(36 <= p <= 84 for _, _, p in notes)
        means.append(sum(p for _, _, p in notes) / len(notes))
    assert means == sorted(means, reverse=True)
    ends = {max(n.time + n.duration for n in track.notes) for track in score.tracks}
    assert len(ends) == 1  # they end together

    encoding = ENCODINGS["chorale"].load().fit([score])
    assert encoding.encode(score).notes == score.note_num()


def test_ties_are_one_note() -> None:
    stream = parsed("bwv269.mxl")
    written = sum(len(part.flatten().notes) for part in stream.parts)
    tied = sum(n.tie is not None and n.tie.type != "start" for part in stream.parts for n in part.flatten().notes)
    assert chorale_score(elements_of(stream)).note_num() == written - tied


def test_the_singers_are_chosen_from_more_than_four_parts() -> None:
    """Instruments stand above the choir and double it."""
    music21 = pytest.importorskip("music21")
    names = ["Horn 1", "Horn 2", "Soprano", "Alto", "Tenor", "Bass", "Continuo"]
    stream = music21.stream.Score()
    for i, name in enumerate(names):
        part = music21.stream.Part(id=name)
        part.partName = name
        measure = music21.stream.Measure(number=1)
        measure.append(music21.note.Note(60 + i, quarterLength=4))
        part.append(measure)
        stream.insert(0, part)
    assert [t.notes[0].pitch for t in chorale_score(elements_of(stream)).tracks] == [62, 63, 64, 65]


def test_a_pickup_shorter_than_a_beat_gets_a_meter_of_smaller_notes() -> None:
    music21 = pytest.importorskip("music21")
    part = music21.stream.Part()
    short = music21.stream.Measure(number=0)
    short.append(music21.meter.TimeSignature("4/4"))
    short.append(music21.note.Note(60, quarterLength=0.5))
    full = music21.stream.Measure(number=1)
    full.append(music21.note.Note(62, quarterLength=4))
    part.append([short, full])
    score = chorale_score(elements_of(music21.stream.Score([part])))
    first, second = score.time_signatures
    assert 480 * 4 * first.numerator // first.denominator == 240
    assert (second.time, second.numerator, second.denominator) == (240, 4, 4)


# ----------------------------------------------------------------------------------------------------- the cache


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLAYBACH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / f"bach-chorales-{chorales.VERSION}"
    monkeypatch.delenv("PLAYBACH_CACHE")
    assert cache_folder().name == f"bach-chorales-{chorales.VERSION}"
    assert tmp_path not in cache_folder().parents
    monkeypatch.setenv("PLAYBACH_CACHE", "")
    assert cache_folder().is_absolute()


def test_the_chorales_are_converted_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("music21")
    seen: list[Any] = []

    def progress(names: Iterator[str], count: int) -> Iterator[str]:
        seen.append(count)
        for name in names:
            seen.append(name)
            yield name

    root = folder(progress)
    assert root == cache_folder()
    assert seen == [4, *FEW["train"], *FEW["valid"], *FEW["test"]]
    expected = ["test/bwv111.6.mid", "train/bwv10.7.mid", "train/bwv269.mid", "valid/bwv103.6.mid"]
    assert files(cache) == [f"{root.name}/{name}" for name in expected]
    assert (
        symusic.Score(root / "train" / "bwv269.mid").note_num()
        == chorale_score(elements_of(parsed("bwv269.mxl"))).note_num()
    )

    instead_of_converting(monkeypatch, lambda *_: pytest.fail("converted again"))
    monkeypatch.setattr(conversions, "find_spec", lambda _: None)  # music21 is not needed any more either
    assert folder() == root
    corpus = load_builtin("bach-chorales")
    assert [len(getattr(corpus, side)) for side in SIDES] == [2, 1, 1]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_conversion_that_fails_or_is_stopped_leaves_nothing_behind(
    cache: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    def convert(into: Path, progress: Any) -> None:
        (into / "train").mkdir()
        (into / "train" / "half.mid").write_bytes(b"MThd")
        raise failure

    monkeypatch.setattr(conversions, "find_spec", lambda _: True)
    instead_of_converting(monkeypatch, convert)
    with pytest.raises(failure):
        folder()
    assert list(cache.iterdir()) == []


def test_stopping_the_real_conversion_leaves_nothing_behind(cache: Path) -> None:
    pytest.importorskip("music21")

    def stopped(names: Iterator[str], count: int) -> Iterator[str]:
        next(names)
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        folder(stopped)
    assert list(cache.iterdir()) == []


def test_a_chorale_that_music21_lacks_leaves_nothing_behind(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("music21")
    monkeypatch.setattr(chorales, "sides", lambda: {**FEW, "train": ["bwv9999.mxl"]})
    with pytest.raises(CorpusError, match=r"music21 is installed without bwv9999\.mxl"):
        folder()
    assert list(cache.iterdir()) == []


def test_another_process_may_finish_the_conversion_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(into: Path, progress: Any) -> None:
        (into / "ours").touch()
        cache_folder().mkdir()
        (cache_folder() / "theirs").touch()

    monkeypatch.setattr(conversions, "find_spec", lambda _: True)
    instead_of_converting(monkeypatch, convert)
    assert folder() == cache_folder()
    assert files(cache) == [f"{cache_folder().name}/theirs"]


def test_an_unwritable_cache_is_an_error_of_one_line(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversions, "find_spec", lambda _: True)
    (tmp_path / "file").touch()
    monkeypatch.setenv("PLAYBACH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CorpusError) as caught:
        folder()
    line = str(caught.value)
    assert line.startswith(str(tmp_path / "file" / "cache"))
    assert line.isprintable()
    assert "PLAYBACH_CACHE" in line


def test_a_full_disk_is_an_error_and_leaves_nothing_behind(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(into: Path, progress: Any) -> None:
        (into / "half.mid").touch()
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(conversions, "find_spec", lambda _: True)
    instead_of_converting(monkeypatch, convert)
    with pytest.raises(CorpusError, match="No space left on device"):
        folder()
    assert list(cache.iterdir()) == []


def test_without_music21_the_extra_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="music21") as caught:
        folder()
    assert caught.value.extra == "train"
    assert "pip install 'playbach[train]'" in str(caught.value)
    assert "bach-chorales" in str(caught.value)
    assert not cache.exists()
