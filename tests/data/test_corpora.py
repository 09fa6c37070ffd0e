"""Folders of music as a corpus: pieces that share a tune are on one side, unusable files are left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import symusic

from helpers import sample_music
from playbach.bundles import bundle
from playbach.data import chorales, corpora, split
from playbach.data.corpora import choose_encoding, load_builtin, load_folder
from playbach.data.pieces import SIDES, Corpus
from playbach.music.scores import content_hash, transpose
from playbach.music.tunes import tune_groups
from playbach.system.errors import CorpusError

Notes = list[tuple[int, int, int]]


def save(folder: Path, scores: dict[str, symusic.Score]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, score in scores.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(score.dumps_midi()))
    return folder


def lines(count: int, bars: int = 8) -> dict[str, symusic.Score]:
    return {f"piece{seed:02}.mid": sample_music.line(seed, bars) for seed in range(count)}


def names_of(corpus: Corpus) -> dict[str, list[str]]:
    return {side: [p.name for p in getattr(corpus, side)] for side in SIDES}


# ------------------------------------------------------------------------------------------------------ digests


def test_a_digest_depends_on_the_notes_only() -> None:
    score = sample_music.chorale(1)
    other = sample_music.chorale(1)
    other.tempos[0].qpm = 200.0
    for i, track in enumerate(other.tracks):
        track.name, track.program = f"x{i}", 7
        for note in track.notes:
            note.velocity = 1 + note.time % 100
    other.tracks.append(symusic.Track("empty", 0, False))
    assert content_hash(other) == content_hash(score) == content_hash(sample_music.chorale(1))


@pytest.mark.parametrize("field", ["pitch", "time", "duration"])
def test_one_changed_note_changes_the_digest(field: str) -> None:
    other = sample_music.chorale(1)
    setattr(other.tracks[2].notes[3], field, getattr(other.tracks[2].notes[3], field) + 1)
    assert content_hash(other) != content_hash(sample_music.chorale(1))


def test_a_digest_depends_on_the_tracks_but_not_on_the_order_in_a_track() -> None:
    melody = sample_music.melody(1)
    assert content_hash(sample_music.score([melody[::-1]])) == content_hash(sample_music.score([melody]))
    assert content_hash(sample_music.score([melody[:9], melody[9:]])) != content_hash(sample_music.score([melody]))
    drums = sample_music.score([melody])
    drums.tracks[0].is_drum = True
    assert content_hash(drums) != content_hash(sample_music.score([melody]))


def test_only_a_manifests_pieces_with_a_side_are_known() -> None:
    good = {"a": ["train", "a.mid"], "b": ["test"], "c": ["valid", 7, "more"]}
    bad = {"d": [], "e": "train", "f": ["elsewhere", "f.mid"], "g": [["train"]], "h": None, "i": 5, "j": {0: "x"}}
    assert bundle.known_pieces({"pieces": {**bad, **good}}) == good


@pytest.mark.parametrize("manifest", [{}, *({"pieces": wrong} for wrong in (None, 7, "text", ["train"], [[]]))])
def test_a_manifest_without_pieces_knows_none(manifest: dict[str, Any]) -> None:
    assert bundle.known_pieces(manifest) == {}


# -------------------------------------------------------------------------------------------------------- splits


def test_thirty_pieces_are_split_ten_percent_each(tmp_path: Path) -> None:
    corpus, encoding = load_folder(save(tmp_path / "music", lines(30)))
    assert encoding == "notes"
    assert corpus.name == "music"
    assert corpus.skipped == ()
    assert corpus.tunes == 30
    assert len(corpus.valid) in (3, 4)
    assert len(corpus.test) in (3, 4)
    found = [piece.name for _, piece in corpus.pieces()]
    assert sorted(found) == sorted(lines(30))  # each once
    assert [side for side, _ in corpus.pieces()] == sorted((s for s, _ in corpus.pieces()), key=SIDES.index)
    for _, piece in corpus.pieces():
        assert piece.digest == content_hash(piece.score) == content_hash(lines(30)[piece.name])


def test_the_split_follows_the_seed_and_nothing_else(tmp_path: Path) -> None:
    folder = save(tmp_path / "music", lines(12))
    first, second = (names_of(load_folder(folder, seed=4)[0]) for _ in range(2))
    assert first == second
    copy = save(tmp_path / "elsewhere", dict(reversed(lines(12).items())))
    assert names_of(load_folder(copy, seed=4)[0]) == first
    assert len({str(names_of(load_folder(folder, seed=s)[0])["test"]) for s in range(6)}) > 1


@pytest.mark.parametrize("seed", range(3))
def test_pieces_that_share_a_tune_are_on_one_side(tmp_path: Path, seed: int) -> None:
    """For any names and folders of the files."""
    music = {}
    for tune in range(8):
        own = sample_music.line(tune)
        music[f"{tune}.mid"] = own
        if tune % 2:
            music[f"more/{97 * tune % 11}-again.mid"] = transpose(own, tune)
            music[f"{tune}.MIDI"] = own
    corpus, _ = load_folder(save(tmp_path / "music", music), seed=seed)
    assert corpus.tunes == 8
    sides: dict[int, set[str]] = {}
    pieces = list(corpus.pieces())
    for group, (side, _) in zip(tune_groups(p.score for _, p in pieces), pieces):
        sides.setdefault(group, set()).add(side)
    assert len(sides) == 8
    assert all(len(found) == 1 for found in sides.values())
    assert len(pieces) == len(music)
    assert all(names_of(corpus).values())


def test_several_processes_read_the_same_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(tmp_path / "music", lines(12))
    (folder / "piece05.mid").write_bytes(b"MThd")
    alone = load_folder(folder)[0]
    monkeypatch.setattr(corpora, "FILES_A_PROCESS", 4)
    monkeypatch.setattr(corpora, "processor_count", lambda: 3)
    seen: list[object] = []
    reported: list[str] = []
    several = load_folder(
        folder, report=reported.append, progress=lambda work, total: (seen.append((p, total)) or p for p in work)
    )[0]
    assert names_of(several) == names_of(alone)
    assert several.skipped == alone.skipped == tuple(reported)
    assert [p.digest for _, p in several.pieces()] == [p.digest for _, p in alone.pieces()]
    assert [total for _, total in seen] == [12] * 12  # type: ignore[misc]


def test_the_number_of_held_out_notes_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(tmp_path / "music", lines(40))
    before = load_folder(folder)[0]
    monkeypatch.setattr(split, "MAX_HELD_OUT_NOTES", 40)
    after = load_folder(folder)[0]
    assert len(before.test) >= 3
    for side in ("valid", "test"):
        held = [p.score.note_num() for p in getattr(after, side)]
        assert sum(held) >= 40 > sum(held[:-1])


def test_three_pieces_suffice(tmp_path: Path) -> None:
    corpus, _ = load_folder(save(tmp_path / "music", lines(3)))
    assert [len(getattr(corpus, side)) for side in SIDES] == [1, 1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_the_longest_of_very_unequal_pieces_is_trained_on(tmp_path: Path, seed: int) -> None:
    music = {
        "a.mid": sample_music.line(1, 4),
        "b.mid": sample_music.line(2, 4),
        "long.mid": sample_music.line(3, 200),
    }
    corpus, _ = load_folder(save(tmp_path / "music", music), seed=seed)
    assert [p.name for p in corpus.train] == ["long.mid"]
    more = {**music, **{f"{i}.mid": sample_music.line(i, 8) for i in range(10, 30)}}
    corpus, _ = load_folder(save(tmp_path / "music", more), seed=seed)
    assert "long.mid" in [p.name for p in corpus.train]
    assert all(names_of(corpus).values())


@pytest.mark.parametrize(
    ("music", "problem"),
    [
        (lines(1), "1 usable piece with 1 different tune"),
        (lines(2), "2 usable pieces with 2 different tunes"),
        (
            {f"{k}.mid": transpose(sample_music.line(1), k) for k in range(5)},
            "5 usable pieces with 1 different tune",
        ),
    ],
)
def test_fewer_than_three_tunes_are_an_error(tmp_path: Path, music: dict[str, symusic.Score], problem: str) -> None:
    with pytest.raises(CorpusError) as caught:
        load_folder(save(tmp_path / "music", music))
    line = str(caught.value)
    assert line.startswith("music: ")
    assert problem in line
    assert line.endswith("add more pieces")
    assert line.isprintable()


def test_a_folder_keeps_its_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(tmp_path / "Suites, ed. 1.2", lines(3))
    assert load_folder(folder)[0].name == "Suites, ed. 1.2"
    monkeypatch.chdir(folder)
    assert load_folder(Path())[0].name == "Suites, ed. 1.2"


# ------------------------------------------------------------------------------------- files that cannot be used


def test_unusable_files_are_reported_and_the_rest_is_used(tmp_path: Path) -> None:
    folder = save(tmp_path / "music", lines(4))
    whole = (folder / "piece00.mid").read_bytes()
    bad = {
        "truncated.mid": whole[: len(whole) // 2],
        "empty.mid": b"",
        "garbage.mid": bytes(range(256)) * 4,
        "text.mid": b"These are notes on music.\n",
        "deep/header.midi": whole[:14],
    }
    (folder / "deep").mkdir()
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    (folder / "readme.txt").write_text("not asked about")
    drums = sample_music.line(50)
    drums.tracks[0].is_drum = True
    save(folder, {"drums.mid": drums})

    reported: list[str] = []
    corpus, _ = load_folder(folder, report=reported.append)
    assert sorted(p.name for _, p in corpus.pieces()) == sorted(lines(4))
    assert corpus.skipped == tuple(reported)
    assert len(reported) == len(bad) + 1
    for name in [*bad, "drums.mid"]:
        [line] = [line for line in reported if name in line]
        assert line.isprintable()
        assert len(line) > len(name) + 10  # says why
    assert "no notes other than drums" in next(line for line in reported if "drums.mid" in line)


def test_pieces_that_an_encoding_cannot_hold_are_left_out(tmp_path: Path) -> None:
    music = {f"{i}.mid": sample_music.chorale(i) for i in range(4)} | {"solo.mid": sample_music.line(9)}
    corpus, encoding = load_folder(save(tmp_path / "music", music), encoding="chorale")
    assert encoding == "chorale"
    assert len(list(corpus.pieces())) == 4
    [line] = corpus.skipped
    assert "/solo.mid: " in line
    assert "four" in line
    corpus, encoding = load_folder(tmp_path / "music", encoding="notes")
    assert (encoding, len(list(corpus.pieces())), corpus.skipped) == ("notes", 5, ())


def error_line(folder: Path, **options: object) -> str:
    with pytest.raises(CorpusError) as caught:
        load_folder(folder, **options)  # type: ignore[arg-type]
    line = str(caught.value)
    assert line.startswith(f"{folder}: ")
    assert line.isprintable()
    return line


def test_a_folder_without_a_usable_file(tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(b"")
    (tmp_path / "b.mid").write_bytes(b"RIFF")
    assert "none of its 2 files can be used" in error_line(tmp_path)
    save(tmp_path, {"a.mid": sample_music.line(1), "b.mid": sample_music.line(2)})
    assert "none of its 2 files can be used" in error_line(tmp_path, encoding="chorale")


def test_an_empty_folder_and_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("C D E")
    assert (
        "no music in this folder; supported files are .mid, .midi, .kar, .rmi, .musicxml, .xml, .mxl"
        in error_line(tmp_path)
    )
    assert "no such folder" in error_line(tmp_path / "missing")


def test_one_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    save(tmp_path, {"one.mid": sample_music.line(1)})
    with pytest.raises(CorpusError, match=r"^one: too little music: 1 usable piece "):
        load_folder(tmp_path / "one.mid")


# ------------------------------------------------------------------------------------------ choosing an encoding


def test_the_encoding_is_chosen_from_the_music() -> None:
    four, single = [sample_music.chorale(i) for i in range(5)], [sample_music.line(i) for i in range(5)]
    assert choose_encoding(four) == "chorale"
    assert choose_encoding(single) == "notes"
    assert choose_encoding([sample_music.piano(1), sample_music.band(1)]) == "events"
    assert choose_encoding([*four, *single]) == "events"
    assert choose_encoding([*four[:4], single[0]]) == "chorale"  # four in five
    assert choose_encoding([*four[:3], single[0]]) == "events"
    assert choose_encoding([*single, four[0]]) == "notes"
    assert choose_encoding([]) == "events"


def test_four_parts_beyond_a_choirs_range_are_events() -> None:
    assert choose_encoding([transpose(sample_music.chorale(i), 24) for i in range(3)]) == "events"
    assert choose_encoding([transpose(sample_music.chorale(i), -12) for i in range(3)]) == "events"


def as_line(*tracks: list[tuple[int, int, int]], **more: object) -> bool:
    return choose_encoding([sample_music.score(list(tracks), **more)]) == "notes"  # type: ignore[arg-type]


def test_a_line_may_have_chords_and_several_tracks() -> None:
    tune = sample_music.melody(1)
    assert as_line(tune)
    assert as_line(tune, [(0, 1920, 36), (1920 * 7, 1920, 36)]), "a few held notes below it"
    assert as_line([(t, d + 40, p) for t, d, p in tune]), "legato"
    assert as_line([*tune, *((t, d, p - 4) for t, d, p in tune[::3])]), "double stops now and then"


def test_more_than_one_line_is_events() -> None:
    tune, low = sample_music.melody(1), sample_music.melody(2, low=36)
    assert not as_line(tune, low), "two parts"
    assert not as_line(tune, [(t, 1920, 36) for t in range(0, 8 * 1920, 1920)]), "a drone"
    assert not as_line([(t, d, p + k) for t, d, p in tune for k in (0, 4, 7)]), "chords"
    assert not as_line(tune[::2], tune[1::2], programs=(40, 42)), "two players in turn"
    drummed = sample_music.line(1)
    drummed.tracks.append(symusic.Track("kit", 0, True))
    drummed.tracks[-1].notes.append(symusic.Note(0, 60, 36, 90))
    assert choose_encoding([drummed]) == "events"


# ---------------------------------------------------------------------------------------------- built-in corpora


@pytest.fixture
def converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with six small chorales, two a side."""
    monkeypatch.setenv("PLAYBACH_CACHE", str(tmp_path))
    sides = {side: [f"bwv{i}.{k}.mxl" for k in range(2)] for i, side in enumerate(SIDES)}
    monkeypatch.setattr(chorales, "sides", lambda: sides)
    root = chorales.cache_folder()
    for i, side in enumerate(SIDES):
        save(root / side, {f"bwv{i}.{k}.mid": sample_music.chorale(10 * i + k) for k in range(2)})
    return root


def test_the_built_in_corpus_keeps_its_sides(converted: Path) -> None:
    corpus = load_builtin("bach-chorales")
    assert corpus.name == "bach-chorales"
    assert names_of(corpus) == {side: [f"bwv{i}.{k}.mid" for k in range(2)] for i, side in enumerate(SIDES)}
    assert corpus.tunes == 6
    assert content_hash(sample_music.chorale(10)) == corpus.valid[0].digest


@pytest.mark.parametrize("damage", ["empty", "missing", "no side", "no folder"])
def test_a_damaged_built_in_corpus_is_not_used(converted: Path, damage: str) -> None:
    """Figures for an incomplete corpus could not be compared."""
    file = converted / "valid" / "bwv1.1.mid"
    if damage == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
    if damage in ("no side", "no folder"):
        (converted / "valid" / "bwv1.0.mid").unlink()
    if damage == "no folder":
        (converted / "valid").rmdir()
    with pytest.raises(CorpusError, match="delete this folder and try again") as caught:
        load_builtin("bach-chorales")
    assert str(caught.value).startswith(str(converted))


def test_the_error_for_an_unknown_built_in_corpus_lists_the_known_ones() -> None:
    with pytest.raises(CorpusError, match="no built-in corpus called 'mozart'; choose one of: bach-chorales"):
        load_builtin("mozart")
    assert corpora.BUILTIN[0] == corpora.DEFAULT_CORPUS == "bach-chorales"
