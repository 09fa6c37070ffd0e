"""The terms of the files of which the corpora `folk` and `ensemble` are made."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from playbach.data import conversions, terms
from playbach.data.builtin import CORPORA
from playbach.data.chorales import sides
from playbach.data.file_pieces import COMPOSERS

SCRIPT = Path(__file__).parents[2] / "docs" / "make_terms.py"
SUFFIXES = (".mxl", ".xml", ".musicxml", ".krn", ".abc")
NAMES = ("folk", "ensemble")


@pytest.fixture(scope="module")
def collection() -> Path:
    if find_spec("music21") is None:
        pytest.skip("needs music21's collection")
    return conversions.music21_collection()


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_terms", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_each_file_has_its_composer_terms_and_hash(name: str) -> None:
    rows = terms.sources(name)
    assert len({row.path for row in rows}) == len(rows) > 400
    assert list(rows) == sorted(rows)
    for row in rows:
        assert row.composer
        assert row.terms
        assert re.fullmatch("[0-9a-f]{64}", row.sha256)
        assert not re.search(r"[\t\n@]", "".join(row))  # a row is a line, and addresses stay where they are
        assert "reserved" not in row.terms.lower()
        assert not terms.is_left_out(row.path)


def test_other_corpora_have_no_rows() -> None:
    assert terms.sources("bach-chorales") == terms.sources("no such corpus") == ()


def test_the_table_has_a_line_for_each_row() -> None:
    rows = terms.sources("ensemble")
    first, *lines = terms.as_tsv(rows).splitlines()
    assert first.split("\t") == list(terms.COLUMNS)
    assert [terms.Source(*line.split("\t")) for line in lines] == list(rows)


def test_every_file_of_the_collection_is_in_a_corpus_or_left_out_with_a_reason(collection: Path) -> None:
    used = {path for corpus in CORPORA.values() for path in corpus.paths()}
    used |= {collection / "bach" / name for names in sides().values() for name in names}
    files = {path: path.relative_to(collection).as_posix() for path in collection.rglob("*")}
    for path, below in files.items():
        assert path.suffix not in SUFFIXES or path in used or terms.is_left_out(below), below
    for pattern, reason in terms.LEFT_OUT.items():
        assert reason
        assert any(fnmatchcase(below, pattern) for below in files.values()), pattern


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_are_the_files_that_are_converted(name: str, collection: Path) -> None:
    paths = {path.relative_to(collection).as_posix() for path in CORPORA[name].paths()}
    assert {row.path for row in terms.sources(name)} == paths


def test_the_rows_are_what_the_files_say(collection: Path, script: ModuleType) -> None:
    """The hashes of all; titles and terms of a sample, since `python docs/make_terms.py --check` compares all."""
    try:
        if version("music21") != "10.5.1":
            pytest.skip("the rows are those of another version of music21")
    except PackageNotFoundError:
        pytest.skip("music21 is not installed as a package")
    rows = [row for name in NAMES for row in terms.sources(name)]
    for row in rows:
        assert hashlib.sha256((collection / row.path).read_bytes()).hexdigest() == row.sha256, row.path
    paths = [collection / row.path for row in rows[::100]]
    assert {
        terms.Source(path, group["composer"], title, group["terms"], sha256)
        for group in script.groups(paths)
        for path, (title, sha256) in group["files"].items()
    } == set(rows[::100])


def test_each_composer_of_ensemble_has_a_name() -> None:
    assert {row.path.partition("/")[0] for row in terms.sources("ensemble")} == set(COMPOSERS)
