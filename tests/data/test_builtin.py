"""The other built-in corpora: converted from music21's files once, and exported completely or not at all."""

from __future__ import annotations

import json
import os
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import symusic

from helpers import sample_music, sample_musicxml
from playbach.data import builtin, chorales, conversions, corpora, terms
from playbach.data.builtin import CORPORA, Builtin, export_corpus
from playbach.data.corpora import builtin_name, corpus_folder, load_builtin, open_corpus
from playbach.data.file_pieces import QUARTET, TUNE_TEMPO, VIOLIN, ConvertedFile, ensemble, plain, quartet, tunes
from playbach.data.pieces import SIDES
from playbach.system.errors import CorpusError, MissingExtra, PlaybachError, ScoreError

ABC = """X:1
T:The First / Tune
M:6/8
L:1/8
K:G
D|GAG GBd|gfe dBA|G3 G2:|

X:2
T:Two Voices
M:4/4
L:1/4
K:C
V:1
CDEF|G4|
V:2
C4|C4|

X:3
T:The Last Tune
M:4/4
L:1/4
Q:1/4=90
K:Am
ABcd|e2A2|cBAG|A4|
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLAYBACH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def lines_of(path: Path) -> ConvertedFile:
    """Two melodies of each file, one of them under a name that another file has too."""
    if path.stem == "bad":
        raise ValueError("not\nmusic")
    seed = int(path.stem)
    made = [
        (name, bytes(sample_music.line(n).dumps_midi())) for name, n in ((f"tune {seed}", seed), ("again", 50 + seed))
    ]
    return made, []


@pytest.fixture
def small(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builtin:
    """A built-in corpus of four files, one of which music21 cannot read."""
    folder = tmp_path / "music21" / "corpus" / "small"
    folder.mkdir(parents=True)
    for name in ("1", "2", "3", "bad"):
        (folder / f"{name}.abc").touch()
    spec = ModuleSpec("music21", None, origin=str(tmp_path / "music21" / "__init__.py"))
    monkeypatch.setattr(conversions, "find_spec", lambda name: spec)
    corpus = Builtin("small", "six melodies", "free", 6, 1, ("small/*.abc",), lines_of)
    monkeypatch.setitem(CORPORA, "small", corpus)
    monkeypatch.setattr(corpora, "BUILTIN", tuple(CORPORA))
    return corpus


@pytest.fixture
def both(small: Builtin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builtin:
    """A corpus of the pieces of two others, `small` and one that has two of its files again."""
    folder = tmp_path / "music21" / "corpus" / "second"
    folder.mkdir()
    for name in ("2", "3", "4"):
        (folder / f"{name}.abc").touch()
    monkeypatch.setitem(CORPORA, "second", Builtin("second", "", "", 6, 1, ("second/*.abc",), lines_of))
    corpus = Builtin("both", "all melodies", "free", 8, 1, of=("small", "second"))
    monkeypatch.setitem(CORPORA, "both", corpus)
    return corpus


# -------------------------------------------------------------------------------------------------- what there is


def test_every_corpus_gives_its_contents_and_terms() -> None:
    assert len(CORPORA) >= 5
    assert next(iter(CORPORA)) == corpora.DEFAULT_CORPUS
    for name, corpus in CORPORA.items():
        assert name == corpus.name == plain(name)
        assert corpus.music
        assert "copyright" in corpus.terms
        assert corpus.pieces > 20
    assert CORPORA["bach-chorales"].pieces == sum(map(len, chorales.sides().values()))


def test_restricted_music_is_not_offered() -> None:
    """Folders whose own files or notes reserve rights or call their status unclear."""
    pytest.importorskip("music21")
    for corpus in CORPORA.values():
        folders = {path.parts[path.parts.index("corpus") + 1] for path in corpus.paths()}
        assert not folders & {"palestrina", "essenFolksong", "monteverdi", "trecento", "leadSheet", "josquin"}


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("string-quartets", 51),
        ("oneills-1850", 39),
        ("ryans-mammoth", 1059),
        ("airds-airs", 6),
        ("folk", 1104),
        ("ensemble", 474),
    ],
)
def test_the_sources_are_in_music21(name: str, files: int) -> None:
    pytest.importorskip("music21")
    assert len(CORPORA[name].paths()) == files


# ----------------------------------------------------------------------------------------------- one file's pieces


def test_the_tunes_of_a_file(tmp_path: Path) -> None:
    pytest.importorskip("music21")
    path = tmp_path / "book.abc"
    path.write_text(ABC)
    made, problems = tunes(path)
    assert [name for name, _ in made] == ["1 The First Tune", "3 The Last Tune"]
    [problem] = problems
    assert "2 Two Voices: it does not have exactly one voice" in problem
    first, last = (symusic.Score.from_midi(data) for _, data in made)
    assert [(m.time, m.numerator, m.denominator) for m in first.time_signatures][:2] == [(0, 1, 8), (240, 6, 8)]
    assert len(first.tracks[0].notes) == 2 * 15  # the repeat is played
    assert [(k.key, k.tonality) for k in first.key_signatures] == [(1, 0)]
    assert (first.tracks[0].name, first.tracks[0].program) == ("Melody", VIOLIN)
    assert round(first.tempos[0].qpm) == TUNE_TEMPO
    assert round(last.tempos[0].qpm) == 90
    assert [n.pitch for n in last.tracks[0].notes][:4] == [69, 71, 72, 74]


def test_a_file_of_one_tune_has_its_title_only(tmp_path: Path) -> None:
    pytest.importorskip("music21")
    path = tmp_path / "one.abc"
    path.write_text(ABC.split("\n\n")[0])
    assert [name for name, _ in tunes(path)[0]] == ["The First Tune"]


def test_a_quartet() -> None:
    pytest.importorskip("music21")
    [path] = [p for p in CORPORA["string-quartets"].paths() if p.match("haydn/opus1no1/movement2.mxl")]
    [(name, data)], problems = quartet(path)
    assert (name, problems) == ("Haydn opus 1 no 1 movement 2", [])
    score = symusic.Score.from_midi(data)
    assert tuple((t.name, t.program) for t in score.tracks) == QUARTET
    assert [(m.numerator, m.denominator) for m in score.time_signatures] == [(3, 4)]
    assert [(k.key, k.tonality) for k in score.key_signatures][:2] == [(-2, 0), (-3, 0)]
    assert len(score.tempos) > 0


def test_a_quartet_must_have_four_parts(tmp_path: Path) -> None:
    (tmp_path / "a.mxl").write_bytes(sample_musicxml.musicxml(sample_musicxml.part([sample_musicxml.note(60, 16)])))
    with pytest.raises(ScoreError, match="1 parts instead of four"):
        quartet(tmp_path / "a.mxl")


def ensemble_of(path: Path, names: dict[str, int | None]) -> tuple[str, symusic.Score]:
    """The piece of a file of the collection that has a repeated bar for each name and program of a part."""
    played = '<barline location="right"><repeat direction="backward"/></barline>'
    parts = [
        sample_musicxml.part(
            [sample_musicxml.note(60 + number, 16) + played],
            f"P{number}",
            name,
            ""
            if program is None
            else f'<score-instrument id="I"/><midi-instrument id="I"><midi-program>{program + 1}</midi-program>'
            "</midi-instrument>",
        )
        for number, (name, program) in enumerate(names.items())
    ]
    path.parent.mkdir(parents=True)
    path.write_bytes(sample_musicxml.musicxml(*parts))
    [(name, data)], problems = ensemble(path)
    assert problems == []
    return name, symusic.Score.from_midi(data)


def test_the_instruments_of_an_ensemble_are_those_of_the_part_names(tmp_path: Path) -> None:
    names = {"Horn 1": 0, "Soprano Oboe 1": 0, "Alto": 6, "Bass": None, "": 52, "MusicXML Part": 0, "2nd Violin": 48}
    name, score = ensemble_of(tmp_path / "corpus" / "haydn" / "opus1no2" / "movement3.mxl", names)
    assert name == "Joseph Haydn opus 1 no 2 movement 3"
    assert [(track.name, track.program) for track in score.tracks] == [
        ("French Horn", 60),
        ("Choir Aahs", 52),
        ("Choir Aahs", 52),
        ("Choir Aahs", 52),
        ("Choir Aahs", 52),
        ("Acoustic Grand Piano", 0),
        ("Violin", 40),
    ]
    assert [len(track.notes) for track in score.tracks] == [2] * 7
    assert round(score.tempos[0].qpm) == TUNE_TEMPO


def test_a_chorale_of_ensemble_has_no_repeats_and_the_tempo_of_the_chorales(tmp_path: Path) -> None:
    name, score = ensemble_of(tmp_path / "corpus" / "bach" / "bwv1.6.mxl", {"Soprano": None, "Bass": None})
    assert name == "J. S. Bach bwv 1.6"
    assert [len(track.notes) for track in score.tracks] == [1, 1]
    assert round(score.tempos[0].qpm) == chorales.CHORALE_TEMPO


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("O'Neill's / Own: \"Reel\"", "O'Neill's Own Reel"),
        ("../../etc/passwd", "etc passwd"),
        ("  ...  ", "untitled"),
        ("Größe\x1b[2J\n", "Größe 2J"),
        ("x" * 300, "x" * 80),
    ],
)
def test_a_title_becomes_a_plain_file_name(title: str, name: str) -> None:
    assert plain(title) == name


# -------------------------------------------------------------------------------------------------- the conversion


def test_a_corpus_is_converted_once(small: Builtin, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (builtin.is_converted("small"), builtin.piece_count("small"), builtin.unreadable_files("small")) == (
        False,
        6,
        [],
    )
    totals: list[int] = []
    root = small.folder(lambda work, total: (totals.append(total), work)[1])
    assert root == cache / "small-1"
    assert totals == [4]
    names = ["again-2.mid", "again-3.mid", "again.mid", "index.json", "tune 1.mid", "tune 2.mid", "tune 3.mid"]
    assert sorted(p.name for p in root.iterdir()) == names
    assert [p.name for p in cache.iterdir()] == ["small-1"]
    assert (root / "again-2.mid").read_bytes() == bytes(sample_music.line(52).dumps_midi())  # by the files' order
    assert (builtin.is_converted("small"), builtin.piece_count("small")) == (True, 6)
    [line] = builtin.unreadable_files("small")
    assert line == "small/bad.abc: not music"
    monkeypatch.setattr(conversions, "find_spec", lambda name: None)
    assert small.folder(lambda work, total: pytest.fail("converted again")) == root


def test_a_corpus_of_corpora_has_each_piece_once_and_names_its_corpus(both: Builtin, cache: Path) -> None:
    root = both.folder()
    names = [
        *("second again-3.mid", "second tune 4.mid"),
        *(f"small {name}.mid" for name in ("again", "again-2", "again-3", "tune 1", "tune 2", "tune 3")),
    ]
    assert sorted(path.name for path in root.glob("*.mid")) == sorted(names)
    assert (root / "small tune 2.mid").read_bytes() == (cache / "small-1" / "tune 2.mid").read_bytes()
    assert (root / "second tune 4.mid").read_bytes() == bytes(sample_music.line(4).dumps_midi())
    assert builtin.piece_count("both") == 8
    assert builtin.unreadable_files("both") == ["small/bad.abc: not music"]
    assert [path.name for path in both.paths()] == ["1.abc", "2.abc", "3.abc", "bad.abc", "2.abc", "3.abc", "4.abc"]


def test_a_missing_collection_is_an_error(small: Builtin, cache: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "music21" / "corpus" / "small").iterdir():
        path.unlink()
    with pytest.raises(CorpusError, match="music21 is installed without this music"):
        small.folder()
    assert list(cache.iterdir()) == []


def test_without_music21_the_extra_is_named(small: Builtin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"playbach\[train\]"):
        small.folder()


def test_a_damaged_index_is_ignored(small: Builtin) -> None:
    root = small.folder()
    for text in ("[]", "{", '{"pieces": "many"}'):
        (root / builtin.INDEX).write_text(text)
        assert builtin.piece_count("small") == small.pieces
        assert builtin.unreadable_files("small") == []


# ------------------------------------------------------------------------------------------- a corpus by its name


def test_a_folder_takes_precedence_over_a_built_in_corpus_of_its_name(
    small: Builtin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert builtin_name(None) == "bach-chorales"
    assert builtin_name("small") == builtin_name(Path("small")) == "small"
    assert builtin_name("other") is None
    assert corpus_folder("small") == small.cache_folder()
    assert corpus_folder("other") == Path("other")
    sample_music.folder(tmp_path / "small", sample_music.line, count=4)
    assert builtin_name("small") is None
    assert corpus_folder("small") == Path("small")
    assert len(list(open_corpus("small")[0].pieces())) == 4


def test_a_built_in_corpus_is_split_like_a_folder(
    small: Builtin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    totals: list[object] = []
    corpus, encoding = open_corpus("small", seed=3, converting=lambda work, total: (totals.append(total), work)[1])
    assert (corpus.name, encoding, totals) == ("small", "notes", [4])
    assert sorted(p.name for _, p in corpus.pieces()) == sorted(p.name for p in small.cache_folder().glob("*.mid"))
    assert all(getattr(corpus, side) for side in SIDES)
    as_folder, _ = corpora.load_folder(small.cache_folder(), seed=3)
    assert [(s, p.digest) for s, p in as_folder.pieces()] == [(s, p.digest) for s, p in corpus.pieces()]
    assert [p.digest for p in load_builtin("small").test] == [p.digest for p in open_corpus("small")[0].test]


def test_a_name_of_neither_a_folder_nor_a_corpus_is_an_error() -> None:
    with pytest.raises(CorpusError, match=r"mozart: no such file or folder, .*: bach-chorales, "):
        open_corpus("mozart")


def test_the_chorales_have_one_split_whatever_the_seed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {side: [f"bwv{i}.mxl"] for i, side in enumerate(SIDES)}
    monkeypatch.setattr(chorales, "sides", lambda: listed)
    for i, side in enumerate(SIDES):
        folder = chorales.cache_folder() / side
        folder.mkdir(parents=True)
        (folder / f"bwv{i}.mid").write_bytes(bytes(sample_music.chorale(i).dumps_midi()))
    for given, seed in ((None, 0), (None, 5), ("bach-chorales", 1)):
        corpus, encoding = open_corpus(given, seed)
        assert encoding == "chorale"
        assert [(side, p.name) for side, p in corpus.pieces()] == [(s, f"bwv{i}.mid") for i, s in enumerate(SIDES)]
    assert open_corpus(None, 0, "notes")[1] == "notes"


# --------------------------------------------------------------------------------------------------------- export


def test_an_exported_corpus_has_its_files_and_terms(small: Builtin, tmp_path: Path) -> None:
    written = export_corpus("small", tmp_path / "out")
    assert written == tmp_path / "out" / "small"
    source = {p.name: p.read_bytes() for p in small.cache_folder().glob("*.mid")}
    assert {p.name: p.read_bytes() for p in written.glob("*.mid")} == source
    assert len(source) == 6
    assert (written / "ABOUT.txt").read_text() == "small: 6 pieces\nsix melodies\nTerms: free.\n"
    assert sorted(p.name for p in written.iterdir()) == sorted([*source, "ABOUT.txt"])


def test_an_exported_corpus_has_the_terms_of_its_files(
    small: Builtin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = terms.sources("ensemble")
    monkeypatch.setattr(builtin, "sources", {"small": rows}.__getitem__)
    assert (export_corpus("small", tmp_path) / "SOURCES.tsv").read_text("utf-8") == terms.as_tsv(rows)


def test_an_export_never_overwrites(small: Builtin, tmp_path: Path) -> None:
    (tmp_path / "small").write_text("mine")
    assert export_corpus("small", tmp_path).name == "small-2"
    (tmp_path / "small-2" / "mine.txt").write_text("mine")
    assert export_corpus("small", tmp_path).name == "small-3"
    assert (tmp_path / "small").read_text() == "mine"
    assert (tmp_path / "small-2" / "mine.txt").exists()


@pytest.mark.parametrize("failure", [OSError(28, os.strerror(28)), KeyboardInterrupt()])
def test_a_failed_export_leaves_nothing(
    small: Builtin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    small.folder()
    copied: list[Path] = []

    def copy(source: Path, target: Path) -> None:
        if len(copied) == 3:
            raise failure
        target.write_bytes(b"MThd")
        copied.append(target)

    monkeypatch.setattr(builtin.shutil, "copyfile", copy)
    with pytest.raises((PlaybachError, KeyboardInterrupt)) as caught:
        export_corpus("small", tmp_path / "out")
    if isinstance(caught.value, PlaybachError):
        assert str(caught.value).startswith(f"{tmp_path / 'out'}: cannot be written: no space is left")
    assert len(copied) == 3
    assert not (tmp_path / "out").exists()


def test_an_export_into_an_impossible_folder_is_an_error(small: Builtin, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlaybachError, match="a file or folder has this name"):
        export_corpus("small", tmp_path / "file")
    with pytest.raises(PlaybachError, match="folder does not exist"):
        export_corpus("small", tmp_path / "a" / "b")


def test_a_damaged_corpus_is_not_exported(small: Builtin, tmp_path: Path) -> None:
    (small.folder() / "tune 1.mid").unlink()
    with pytest.raises(CorpusError, match="delete this folder"):
        export_corpus("small", tmp_path)
    assert not (tmp_path / "small").exists()
    assert json.loads((small.cache_folder() / builtin.INDEX).read_text())["pieces"] == 6
