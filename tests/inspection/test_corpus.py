"""Surveys of corpora: every note is counted once, in the right place, whatever files are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sample_music
from playbach.data.corpora import choose_encoding
from playbach.inspection import corpus_picture
from playbach.inspection.corpus import MAX_FAULTS, NOTE_VALUES, OTHER_DURATION, Share, note_values, survey_corpus
from playbach.music import scores
from playbach.music.options import ReadingOptions
from playbach.music.reading import ReadFile, read
from playbach.music.scores import transpose
from playbach.rendering.canvas import PAPER
from playbach.system.errors import CorpusError

NAMES = [*NOTE_VALUES, OTHER_DURATION]


def save(folder: Path, **scores: symusic.Score) -> Path:
    folder.mkdir(exist_ok=True)
    for name, score in scores.items():
        (folder / f"{name}.mid").write_bytes(bytes(score.dumps_midi()))
    return folder


def counts(shares: tuple[Share, ...]) -> dict[str, int]:
    return {share.name: share.count for share in shares}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A waltz of three notes, a chorale in D, the same again, and a melody with drums."""
    waltz = sample_music.score([[(0, 480, 60), (480, 960, 64), (1440, 1440, 60)]], meters=((0, 3, 4),), tempo=150)
    for note, velocity in zip(waltz.tracks[0].notes, (10, 20, 20)):
        note.velocity = velocity
    chorale = sample_music.chorale(1, tonic=2)
    drums = sample_music.score([[(0, 120, 36), (480, 120, 38)]])
    drums.tracks[0].is_drum = True
    drums.tracks.append(sample_music.line(1).tracks[0])
    return save(tmp_path / "mixed", waltz=waltz, chorale=chorale, again=chorale, drums=drums)


def test_everything_is_counted(mixed: Path) -> None:
    found = survey_corpus(mixed)
    line, chorale = sample_music.line(1), sample_music.chorale(1)
    assert (found.name, found.path, found.pieces, found.damaged, found.repeated) == ("mixed", str(mixed), 4, 0, 1)
    assert found.notes == 3 + 2 * chorale.note_num() + 2 + line.note_num()
    assert (found.lengths.least, found.lengths.most) == (3, chorale.note_num())
    assert (found.tempos.least, found.tempos.median, found.tempos.most) == (80, 80, 150)
    assert counts(found.meters) == {"4/4": 3, "3/4": 1}  # the pickup's meter is not counted
    assert found.changing == 0
    assert counts(found.tracks) == {"4": 2, "1": 1, "2": 1}
    assert counts(found.instruments) == {
        "Acoustic Grand Piano": 3 + 2 * chorale.note_num(),
        "Cello": line.note_num(),
        "Drums": 2,
    }
    assert sum(found.pitches) == found.notes - 2
    assert found.pitches[36] == 0  # drums have no pitch
    assert sum(found.velocities) == found.notes
    assert (found.velocities[10], found.velocities[20]) == (1, 2)
    assert sum(counts(found.durations).values()) == found.notes - 2
    assert counts(found.durations)["half"] == 1
    assert found.bars == 2 + 8 + 8 + 8
    assert found.seconds == pytest.approx(6 * 60 / 150 + 3 * 32 * 60 / 80, abs=0.01)
    assert found.quarters == 6 + 3 * 32
    assert found.encoding == choose_encoding(read(path) for path in sorted(mixed.iterdir()))
    assert counts(found.suits)["chorale"] == 2


def test_keys_are_those_of_the_pieces(tmp_path: Path) -> None:
    scores = {f"p{i}": transpose(sample_music.line(i, 16), 2 * (i % 2)) for i in range(6)}
    found = counts(survey_corpus(save(tmp_path / "k", **scores)).keys)
    assert sum(found.values()) == 6
    assert found.get("C major", 0) + found.get("D major", 0) >= 4


def test_the_meter_of_a_piece_is_that_of_most_of_it(tmp_path: Path) -> None:
    score = sample_music.score([[(i * 480, 480, 60 + i % 5) for i in range(24)]], meters=((0, 4, 4), (1920, 3, 4)))
    found = survey_corpus(save(tmp_path / "m", a=score))
    assert (counts(found.meters), found.changing) == ({"3/4": 1}, 1)


def test_damaged_files_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "bad", good=sample_music.line(1))
    for i in range(MAX_FAULTS + 5):
        (folder / f"x{i:03}.mid").write_bytes(b"MThd")
    told: list[str] = []
    found = survey_corpus(folder, told.append)
    assert (found.pieces, found.damaged, len(found.faults), len(told)) == (1, 105, MAX_FAULTS, 105)
    assert found.faults[0].startswith(f"{folder / 'x000.mid'}: ")


def test_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no music in this folder"):
        survey_corpus(tmp_path)
    (tmp_path / "a.mid").touch()
    with pytest.raises(CorpusError, match=r"none of its 1 files can be read; the first: .*a\.mid: the file is empty"):
        survey_corpus(tmp_path)
    with pytest.raises(CorpusError, match="no such folder"):
        survey_corpus(tmp_path / "missing")


def test_one_piece_is_not_kept_while_the_next_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are freed one by one: memory does not grow with the corpus."""
    import gc
    import weakref

    from playbach.data import corpora
    from playbach.inspection import corpus as module

    alive: list[weakref.ref[object]] = []
    most = 0

    class Piece:
        """Stands in for a score, since a score does not support weak references."""

        def __init__(self, score: symusic.Score) -> None:
            self.score = score

        def __getattr__(self, name: str) -> object:
            return getattr(self.score, name)

    def readable(paths: object, skip: object, progress: object, options: object) -> object:
        nonlocal most
        for seed in range(20):
            piece = Piece(sample_music.line(seed))
            alive.append(weakref.ref(piece))
            gc.collect()
            most = max(most, sum(ref() is not None for ref in alive))
            yield tmp_path / "few" / "a.mid", ReadFile(piece)  # type: ignore[arg-type]

    save(tmp_path / "few", a=sample_music.line(1))
    monkeypatch.setattr(corpora, "readable_files", readable)
    monkeypatch.setattr(module, "content_hash", lambda piece: scores.content_hash(piece.score))
    monkeypatch.setattr(module, "ticks_to_seconds", lambda piece, ticks: np.zeros(1))
    monkeypatch.setattr(module, "ENCODINGS", {})
    monkeypatch.setattr(module, "choose_encoding", lambda scores: [0 for _ in scores] and "notes")
    gc.freeze()  # what other tests have left need not be looked through twenty times
    try:
        assert survey_corpus(tmp_path / "few").pieces == 20
    finally:
        gc.unfreeze()
    assert most <= 2


def test_pedal_and_meters_that_a_program_made_up_are_counted(tmp_path: Path) -> None:
    doubtful = {f"{seed}": sample_music.line(seed) for seed in range(5)}
    for piece in doubtful.values():
        piece.time_signatures.clear()
        piece.time_signatures.append(symusic.TimeSignature(0, 1, 4))
    pedalled = sample_music.line(9)
    pedalled.tracks[0].controls.append(symusic.ControlChange(0, 64, 127))
    folder = save(tmp_path / "music", pedalled=pedalled, **doubtful)
    survey = survey_corpus(folder)
    assert (survey.pedal, survey.with_pedal, survey.with_ornaments, survey.ornaments) == ("keep", 1, 0, ())
    assert survey.doubtful_meters == (Share("1/4", 5),)
    assert survey.with_remarks == 5
    assert len(survey.remarks) == 4
    assert "2 more files, such as 3.mid: its meter is 1/4 all through" in survey.remarks[-1]
    told = survey_corpus(folder, options=ReadingOptions(meter="4/4", pedal="ignore"))
    assert (told.pedal, told.doubtful_meters, told.remarks) == ("ignore", (), ())
    assert told.meters == (Share("4/4", 6),)


# ------------------------------------------------------------------------------------------------------ note values


@pytest.mark.parametrize(
    ("ticks", "name"),
    [(480, "quarter"), (456, "quarter"), (240, "eighth"), (160, "eighth triplet"), (180, "dotted sixteenth"),
     (720, "dotted quarter"), (1920, "whole"), *((ticks, OTHER_DURATION) for ticks in (1, 432, 100_000, 0))],
)  # fmt: skip
def test_a_duration_is_the_note_value_that_it_is_near_to(ticks: int, name: str) -> None:
    assert NAMES[note_values(np.array([ticks]))[0]] == name


@given(st.sampled_from(list(NOTE_VALUES)), st.floats(-0.05, 0.05))
@settings(max_examples=60, deadline=None)
def test_a_note_played_a_little_short_or_long_keeps_its_value(name: str, share: float) -> None:
    played = int(NOTE_VALUES[name] * share) + NOTE_VALUES[name]
    assert NAMES[note_values(np.array([played]))[0]] == name


def test_note_values_are_told_apart() -> None:
    ticks = sorted(NOTE_VALUES.values())
    assert all(b / a > 1.12 for a, b in zip(ticks, ticks[1:]))


# --------------------------------------------------------------------------------------------------------- pictures


def test_the_picture_shows_what_was_counted(mixed: Path) -> None:
    found = survey_corpus(mixed)
    picture = np.asarray(corpus_picture.draw(found))
    assert picture.shape[1] == corpus_picture._WIDTH
    assert (picture[2, 2] == PAPER).all()
    panel = picture[
        corpus_picture._HEADER + 20 : corpus_picture._HEADER + corpus_picture._PITCHES - corpus_picture._KEYBOARD - 6
    ]
    low = min(p for p, n in enumerate(found.pitches) if n) // 12 * 12
    high = max(p for p, n in enumerate(found.pitches) if n) // 12 * 12 + 11
    width = (corpus_picture._WIDTH - 2 * corpus_picture._MARGIN) / (high - low + 1)

    def tall(pitch: int) -> int:
        column = panel[:, round(corpus_picture._MARGIN + (pitch - low + 0.5) * width)].astype(int)
        return int(((column[:, 2] - column[:, 0]) > 20).sum())  # blue

    heights = [tall(p) for p in range(low, high + 1)]
    counted = list(found.pitches[low : high + 1])
    assert all((h > 0) == (n > 0) for h, n in zip(heights, counted))
    assert np.corrcoef(heights, counted)[0, 1] > 0.999


def test_a_picture_of_extremes(tmp_path: Path) -> None:
    drums = sample_music.score([[(0, 120, 36)]])
    drums.tracks[0].is_drum = True
    one = sample_music.score([[(0, 1, 127)]], names=("x" * 70,))
    for name, score in (("drums", drums), ("one", one)):
        found = survey_corpus(save(tmp_path / name, a=score))
        assert np.asarray(corpus_picture.draw(found)).shape[1] == corpus_picture._WIDTH
        assert "1 piece, 1 note" in corpus_picture.headline(found)
