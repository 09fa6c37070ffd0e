"""Bundles: what `write` wrote can be read, and damaged, foreign or hostile files cannot."""

from __future__ import annotations

import copy
import hashlib
import json
import struct
import sys
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import sample_music
from helpers.paths import GOLDEN
from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import CARD, MANIFEST, MEMBER_NAMES, ONNX, WEIGHTS, Bundle
from playbach.encodings import ENCODINGS
from playbach.inference.composing import Composer
from playbach.music.events import MAX_TEMPO, MIN_TEMPO
from playbach.system.errors import BundleError
from playbach.system.version import __version__

MEMBERS = {ONNX: b"a graph", WEIGHTS: bytes(range(256)), CARD: "# Für Elise\n".encode()}
ENCODED = {
    "notes": ENCODINGS["notes"].load().fit([sample_music.line(seed, 4) for seed in range(3)]).manifest(),
    "chorale": ENCODINGS["chorale"].load().fit([sample_music.chorale(seed, 4) for seed in range(3)]).manifest(),
}
SAMPLING = {"temperature": 1.0, "top_p": 0.95}


class Network:
    """Stands in for a network that fits the encoding, where only the manifest matters."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def start(self) -> None:
        return None

    def step(self, previous: Any, context: Any, state: Any) -> Any:
        return [np.zeros(len(field), np.float32) for field in self.bundle.encoding().fields], state


def manifest_of(encoding: str = "notes") -> dict[str, Any]:
    return {"encoding": copy.deepcopy(ENCODED[encoding]), "sampling": dict(SAMPLING)}


def composer(manifest: Any) -> Composer:
    """The composer of a bundle with this manifest, as if it had been read from a file."""
    bundle = Bundle("mine", json.loads(json.dumps(manifest)), MEMBERS, "0" * 64)
    return Composer(bundle, Network(bundle))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A whole bundle."""
    return bundles.write(tmp_path / "mine.playbach", manifest_of(), MEMBERS)


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, members: list[tuple[str, bytes]], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of duplicate names
        with zipfile.ZipFile(path, "w", kind) as archive:
            for name, data in members:
                archive.writestr(name, data)
    return path


def with_manifest(path: Path, text: bytes) -> Path:
    """The bundle with another manifest."""
    return zipped(path, [(n, text if n == MANIFEST else d) for n, d in members_of(path).items()])


def the_line(path: Path) -> str:
    """The error message of reading the file: one line that names the file."""
    with pytest.raises(BundleError) as caught:
        bundles.read(path)
    line = str(caught.value)
    assert str(path) in line
    assert line.isprintable()
    assert len(line) < len(str(path)) + 300
    return line


# ------------------------------------------------------------------------------------------ writing and reading


def test_what_is_written_is_read_again(path: Path) -> None:
    bundle = bundles.read(path)
    assert bundle.name == "mine"
    assert bundle.manifest["format"] == bundles.BUNDLE_FORMAT
    assert {k: bundle.manifest[k] for k in manifest_of()} == manifest_of()
    assert {n: bundle.members[n] for n in MEMBERS} == MEMBERS
    assert bundle.onnx == MEMBERS[ONNX]
    assert bundle.card == "# Für Elise\n"
    assert bundle.manifest["sha256"] == {n: hashlib.sha256(d).hexdigest() for n, d in MEMBERS.items()}
    assert bundle.sha256 == hashlib.sha256(members_of(path)[MANIFEST]).hexdigest()
    assert bundle.encoding().manifest() == ENCODED["notes"]
    assert bundles.read(str(path)) == bundle


def test_a_bundle_holds_exactly_its_four_members(path: Path) -> None:
    assert (
        list(members_of(path))
        == list(MEMBER_NAMES)
        == ["manifest.json", "model.onnx", "weights.safetensors", "CARD.md"]
    )


def test_the_same_content_is_the_same_file(tmp_path: Path, path: Path) -> None:
    other = bundles.write(tmp_path / "other.playbach", manifest_of(), dict(reversed(MEMBERS.items())))
    assert other.read_bytes() == path.read_bytes()
    changed = bundles.write(tmp_path / "changed.playbach", {**manifest_of(), "a": 1}, MEMBERS)
    assert bundles.read(changed).sha256 != bundles.read(path).sha256


def test_the_same_content_is_the_same_file_on_every_system(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    other = bundles.write(tmp_path / "other.playbach", manifest_of(), MEMBERS)
    assert other.read_bytes() == path.read_bytes()


def test_everyone_may_read_the_unpacked_members(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert {oct(info.external_attr >> 16) for info in archive.infolist()} == {"0o644"}


def test_a_bundle_is_never_overwritten(path: Path) -> None:
    before = path.read_bytes()
    second = bundles.write(path, {**manifest_of(), "second": True}, MEMBERS)
    assert second.name == "mine-2.playbach"
    assert path.read_bytes() == before
    assert "second" in bundles.read(second).manifest
    assert bundles.write(path, manifest_of(), MEMBERS).name == "mine-3.playbach"


def test_a_bundle_is_overwritten_where_that_is_asked_for(path: Path) -> None:
    assert bundles.write(path, {**manifest_of(), "second": True}, MEMBERS, overwrite=True) == path
    assert "second" in bundles.read(path).manifest
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_figures_that_are_no_numbers_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        bundles.write(tmp_path / "mine.playbach", {"valid": float("nan")}, MEMBERS)
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_is_no_text_can_still_be_shown(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.playbach", manifest_of(), {**MEMBERS, CARD: b"caf\xe9"})
    assert bundles.read(path).card == "caf�"


# ------------------------------------------------------------------------------------------------ damaged files


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_a_member_must_match_its_hash(path: Path, name: str) -> None:
    zipped(path, [(n, d + b"!" if n == name else d) for n, d in members_of(path).items()])
    line = the_line(path)
    assert "does not match its hash" in line
    assert name in line
    assert hashlib.sha256(MEMBERS[name]).hexdigest()[:12] in line  # expected …
    assert hashlib.sha256(MEMBERS[name] + b"!").hexdigest()[:12] in line  # … and got


@pytest.mark.parametrize("name", MEMBER_NAMES)
def test_every_member_must_be_there(path: Path, name: str) -> None:
    zipped(path, [(n, d) for n, d in members_of(path).items() if n != name])
    assert the_line(path).endswith(f"it has no {name}")


@pytest.mark.parametrize("name", ["run.py", "../model.onnx", "/etc/passwd", "MODEL.ONNX", "a\nb", "x" * 5000])
def test_no_other_member_may_be_there(path: Path, name: str) -> None:
    zipped(path, [*members_of(path).items(), (name, b"")])
    assert f"unexpected member {name!a}"[:90] in the_line(path)


def test_no_member_may_be_there_twice(path: Path) -> None:
    zipped(path, [*members_of(path).items(), (WEIGHTS, MEMBERS[WEIGHTS])])
    assert f"unexpected member '{WEIGHTS}'" in the_line(path)


@pytest.mark.parametrize("version", [0, 3, "1", None, [], {"a": 1}, "long " * 1000])
def test_another_format_version_is_turned_away(path: Path, version: Any) -> None:
    manifest = json.loads(members_of(path)[MANIFEST])
    line = the_line(with_manifest(path, json.dumps({**manifest, "format": version}).encode()))
    assert f"it has format {version!r}"[:50] in line
    assert "reads formats 1 and 2" in line
    assert "update" in line


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff\xfe\x00", b"null", b"[]", b'"manifest"', b"7", b"{}", b'{"format": 1}', b"[" * 200_000,
     b'{"a":' * 100_000, b'{"format": 1, "sha256": ' + b"9" * 10_000 + b"}", b'{"format": 1, "sha256": 5}',
     b'{"format": 1, "sha256": ["CARD.md", "model.onnx", "weights.safetensors"]}'],
)  # fmt: skip
def test_a_manifest_that_is_none_is_turned_away(path: Path, text: bytes) -> None:
    assert "manifest cannot be read" in the_line(with_manifest(path, text))


@pytest.mark.parametrize("change", [{CARD: None}, {CARD: 5}, {"more": "0"}, {MANIFEST: "0"}])
def test_the_manifest_must_vouch_for_all_members(path: Path, change: dict[str, Any]) -> None:
    manifest = json.loads(members_of(path)[MANIFEST])
    for name, value in change.items():
        manifest["sha256"][name] = value
    assert "does not list the hash of every member" in the_line(with_manifest(path, json.dumps(manifest).encode()))
    del manifest["sha256"][CARD]
    assert "does not list the hash of every member" in the_line(with_manifest(path, json.dumps(manifest).encode()))


def test_a_hash_that_is_no_hash_stays_one_line(path: Path) -> None:
    manifest = json.loads(members_of(path)[MANIFEST])
    manifest["sha256"][CARD] = "a\nb\x1b[31m" * 1000
    assert "does not match its hash" in the_line(with_manifest(path, json.dumps(manifest).encode()))


@pytest.mark.parametrize("content", [b"", b"MThd\0\0\0\6", b"PK\3\4", b"PK\5\6" + bytes(18), b"\0" * 5000])
def test_a_foreign_file_is_turned_away(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.playbach"
    path.write_bytes(content)
    assert "not a playbach bundle" in the_line(path)


def test_a_folder_a_missing_file_and_a_path_through_a_file_are_told_apart(tmp_path: Path, path: Path) -> None:
    assert the_line(tmp_path).endswith("cannot be read (Is a directory); give another file")
    assert the_line(tmp_path / "none.playbach").endswith(
        "cannot be read (No such file or directory); give another file"
    )
    assert the_line(path / "inside.playbach").endswith("cannot be read (Not a directory); give another file")


def test_a_name_with_a_line_break_stays_one_line(tmp_path: Path) -> None:
    (tmp_path / "a\nb.playbach").write_bytes(b"")
    for act in (bundles.read, bundles.find):
        with pytest.raises(BundleError) as caught:
            act(tmp_path / ("a\nb.playbach" if act is bundles.read else "c\nd"))
        assert str(caught.value).isprintable()


def test_a_truncated_bundle_is_turned_away(path: Path) -> None:
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        the_line(path)


def test_a_bundle_with_any_byte_changed_is_as_it_was_or_turned_away(path: Path) -> None:
    """Rejected with one line: no exception of zipfile or zlib reaches the caller."""
    whole, original = path.read_bytes(), bundles.read(path)
    turned_away = 0
    for position in range(0, len(whole), 3):
        for change in (0xFF, 0x01):
            damaged = bytearray(whole)
            damaged[position] ^= change
            path.write_bytes(damaged)
            try:
                assert bundles.read(path) == original  # dates, permissions and such do not matter
            except BundleError as error:
                assert str(error).isprintable()
                turned_away += 1
    assert turned_away > len(whole) // 3


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_but_a_bundle_error_gets_out(path: Path, data: st.DataObject) -> None:
    bundles.write(path, manifest_of(), MEMBERS, overwrite=True)
    whole = path.read_bytes()
    cuts = data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=6))
    damaged = bytearray(whole)
    for cut in cuts:
        damaged[cut] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        bundles.read(path)
    except BundleError as error:
        assert str(error).isprintable()


# --------------------------------------------------------------------------------------------------- zip bombs


def peak_of_turning_away(path: Path) -> int:
    """The peak memory in bytes while a file is rejected."""
    tracemalloc.start()
    try:
        with pytest.raises(BundleError) as caught:
            bundles.read(path)
        assert str(path) in str(caught.value)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bomb(path: Path, name: str, size: int, claimed: int | None = None) -> Path:
    """A bundle in which one member is `size` zeros, compressed; its headers claim `claimed` bytes."""
    contents = {n: d for n, d in members_of(path).items() if n != name}
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
    zipped(path, [*contents.items(), (name, b"")])
    whole = bytearray(path.read_bytes())
    local = whole.rindex(b"PK\x03\x04")
    central = whole.rindex(b"PK\x01\x02")
    old = len(b"\x03\x00")  # an empty member, deflated
    start = local + 30 + len(name)
    whole[start : start + old] = data
    central += len(data) - old
    sizes = struct.pack("<III", zlib.crc32(b""), len(data), size if claimed is None else claimed)
    whole[local + 14 : local + 26] = whole[central + 16 : central + 28] = sizes
    end = whole.rindex(b"PK\x05\x06")
    (offset,) = struct.unpack_from("<I", whole, end + 16)
    struct.pack_into("<I", whole, end + 16, offset + len(data) - old)
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as archive:  # the file is indeed a bomb
        assert archive.getinfo(name).file_size == (size if claimed is None else claimed)
    return path


@pytest.mark.parametrize("name", MEMBER_NAMES)
def test_a_bomb_that_says_so_is_not_unpacked(path: Path, name: str) -> None:
    bomb(path, name, 64 << 20, claimed=bundles.MAX_MEMBER_BYTES[name] + 1)
    assert peak_of_turning_away(path) < 4 << 20
    assert f"{name} is larger than the {bundles.MAX_MEMBER_BYTES[name] >> 20} MB" in the_line(path)


def test_a_bomb_within_the_allowed_size_is_not_unpacked(path: Path) -> None:
    bomb(path, WEIGHTS, 64 << 20)
    assert peak_of_turning_away(path) < 4 << 20
    assert "67,108,864 bytes, like a zip bomb" in the_line(path)


@pytest.mark.parametrize("claimed", [0, 1, 100, 65536])
def test_a_bomb_that_claims_little_is_not_unpacked(path: Path, claimed: int) -> None:
    bomb(path, WEIGHTS, 64 << 20, claimed)
    assert peak_of_turning_away(path) < 4 << 20


def test_a_member_that_claims_too_much_is_turned_away(path: Path) -> None:
    bomb(path, WEIGHTS, 1 << 20, claimed=(1 << 20) + 5)
    the_line(path)


def test_large_weights_that_do_not_shrink_are_read(tmp_path: Path) -> None:
    weights = hashlib.shake_256(b"weights").digest(3 << 20)
    path = bundles.write(tmp_path / "large.playbach", manifest_of(), {**MEMBERS, WEIGHTS: weights})
    assert bundles.read(path).members[WEIGHTS] == weights


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bundles_are_packed_in_one_way(path: Path, kind: int) -> None:
    zipped(path, list(members_of(path).items()), kind)
    assert "compressed by an unsupported method" in the_line(path)


# ---------------------------------------------------------------------------------------- manifests that mislead


def test_the_stand_in_composes_where_nothing_is_wrong() -> None:
    for name in ENCODED:
        assert composer(manifest_of(name)).encoding.name == name


def leaves(data: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values within a JSON value."""
    yield way
    if isinstance(data, dict | list):
        items = data.items() if isinstance(data, dict) else list(enumerate(data))[:3]
        for key, value in items:
            yield from leaves(value, (*way, key))


def replaced(data: Any, way: tuple[Any, ...], value: Any) -> Any:
    if not way:
        return value
    changed = copy.copy(data)
    changed[way[0]] = replaced(data[way[0]], way[1:], value)
    return changed


def removed(data: Any, way: tuple[Any, ...]) -> Any:
    changed = copy.copy(data)
    if len(way) == 1:
        del changed[way[0]]
    else:
        changed[way[0]] = removed(data[way[0]], way[1:])
    return changed


WAYS = [(name, way) for name in ENCODED for way in leaves(manifest_of(name)) if way]


@pytest.mark.parametrize("value", [None, {}, [], "", "zz", [[]], {"name": []}, [1, [2, [3]]], -1, 10**30, 1e300])
def test_a_value_of_another_kind_is_a_bundle_error_or_makes_no_difference(value: Any) -> None:
    """Anywhere in the manifest. If it is not an error, the composer can begin a piece."""
    refused = 0
    for name, way in WAYS:
        try:
            made = composer(replaced(manifest_of(name), way, value))
        except BundleError as error:
            refused += 1
            assert str(error).isprintable()
            assert str(error).startswith("mine: ")
        else:
            begins(made)
    assert refused > len(WAYS) // 3


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_what_is_left_out_is_a_bundle_error_or_makes_no_difference(name: str, way: tuple[Any, ...]) -> None:
    try:
        made = composer(removed(manifest_of(name), way))
    except BundleError as error:
        assert str(error).isprintable()
    else:
        begins(made)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(WAYS), json_values)
@settings(max_examples=150, deadline=None)
def test_fuzzed_manifests(place: tuple[str, tuple[Any, ...]], value: Any) -> None:
    name, way = place
    try:
        made = composer(replaced(manifest_of(name), way, value))
    except BundleError as error:
        assert str(error).isprintable()
    else:
        begins(made)


def begins(made: Composer) -> None:
    """The composer can begin: the first context and symbols lie within the fields."""
    assert made.tracks
    decoder = made.encoding.decoder(made.encoding.headers[0][0], 4)
    assert all(0 <= c < len(f) for c, f in zip(decoder.context(), made.encoding.context))
    assert [mask.shape for mask in decoder.valid_mask()] == [(len(f),) for f in made.encoding.fields]


@pytest.mark.parametrize("key", ["encoding", "sampling"])
def test_a_manifest_must_say_how_to_compose(key: str) -> None:
    manifest = manifest_of()
    del manifest[key]
    with pytest.raises(BundleError, match=f"^mine: its {key}"):
        composer(manifest)


def test_an_encoding_of_the_future_says_to_update() -> None:
    manifest = manifest_of()
    manifest["encoding"]["name"] = "telepathy"
    with pytest.raises(
        BundleError, match=r"its encoding 'telepathy' is unknown to this version of playbach; update playbach"
    ):
        composer(manifest)


@pytest.mark.parametrize("high", [10**9, 10**400, float("inf"), "9" * 12])
def test_a_vocabulary_that_would_fill_the_memory_is_turned_away(high: Any) -> None:
    manifest = manifest_of("chorale")
    manifest["encoding"]["ranges"][0][1] = high
    tracemalloc.start()
    try:
        with pytest.raises(BundleError):
            composer(manifest)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("key", "value"),
    [("meters", []), ("meters", [[0, 0, 4]]), ("meters", [[0, 4, 0]]), ("meters", [[0, 4, 3]]), 
     ("meters", [[0, -3, 4]]),
     ("meters", [[480, 4, 4]]), ("meters", [[0, 4, 4], [0, 3, 4]]), ("meters", [[0, 4, 4], [-5, 3, 4]]), ("tempo", 0),
     ("tempo", -80), ("tempo", float("nan")), ("tempo", 1e9), ("tracks", []), ("tracks", [["Cello", 128]]),
     ("tracks", [["Cello", -1]])],
)  # fmt: skip
@pytest.mark.parametrize("name", sorted(ENCODED))
def test_a_header_of_music_that_cannot_be_is_turned_away(name: str, key: str, value: Any) -> None:
    manifest = manifest_of(name)
    manifest["encoding"]["headers"][-1][0][key] = value
    with pytest.raises(BundleError, match=r"^mine: its encoding"):
        composer(manifest)


@pytest.mark.parametrize("count", [0, -1])
def test_a_header_that_no_piece_has_is_refused(count: int) -> None:
    manifest = manifest_of()
    manifest["encoding"]["headers"][0][1] = count
    with pytest.raises(BundleError, match=r"^mine: its encoding"):
        composer(manifest)


@pytest.mark.parametrize("tempo", [MIN_TEMPO, MAX_TEMPO])
def test_the_slowest_and_the_fastest_tempo_of_a_single_piece_are_accepted(tempo: float) -> None:
    manifest = manifest_of()
    [[header, _], *_] = manifest["encoding"]["headers"]
    manifest["encoding"]["headers"] = [[{**header, "tempo": tempo}, 1]]
    assert composer(manifest).encoding.headers[0][1] == 1


def test_a_vocabulary_without_symbols_is_refused() -> None:
    manifest = manifest_of()
    manifest["encoding"]["symbols"] = []
    with pytest.raises(BundleError, match=r"^mine: its encoding .*no valid first symbol"):
        composer(manifest)


@pytest.mark.parametrize(
    "value",
    [None, [], "hot", {"temperature": 1.0, "top_k": 3}, {"temperature": -1}, {"temperature": float("nan")},
     {"top_p": 0}, {"top_p": "0.9"}, {"temperature": None}],
)  # fmt: skip
def test_sampling_defaults_that_make_no_sense_are_turned_away(value: Any) -> None:
    with pytest.raises(BundleError, match=r"^mine: its sampling defaults cannot be read") as caught:
        composer({**manifest_of(), "sampling": value})
    assert str(caught.value).isprintable()


def test_a_graph_that_is_none_is_blamed_on_its_file(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.playbach", manifest_of(), MEMBERS)
    with pytest.raises(BundleError) as caught:
        Composer(bundles.read(path))
    assert "mine" in str(caught.value)


@pytest.mark.parametrize("graph", [b"", b"garbage", bytes(1000)])
def test_a_graph_that_is_none_is_turned_away_though_its_hash_is_right(tmp_path: Path, graph: bytes) -> None:
    path = bundles.write(tmp_path / "mine.playbach", manifest_of(), {**MEMBERS, ONNX: graph})
    with pytest.raises(BundleError) as caught:
        Composer(bundles.read(path))
    assert str(caught.value).isprintable()


# --------------------------------------------------------------------------------------------- old format versions

CHORALE_0_1 = {
    "format": 1,
    "playbach": "0.1.0",
    "architecture": {
        "name": "lstm",
        "config": {"embedding": 4, "context_embedding": 2, "hidden": 8, "layers": 1, "dropout": 0.0},
        "symbols": [34],
        "context": [4, 65, 2, 11, 33, 34, 34, 34, 34],
    },
}
"""The parts of a manifest that identify a chorale model of playbach 0.1.0, whose context has fewer fields."""


def test_a_chorale_model_of_0_1_0_is_refused_in_one_line(tmp_path: Path) -> None:
    manifest = {**manifest_of("chorale"), **CHORALE_0_1}
    bundle = bundles.read(bundles.write(tmp_path / "old.playbach", manifest, MEMBERS))
    assert bundle.manifest["format"] == 1
    line = (
        f"old: made by playbach 0.1.0, whose chorale encoding this version ({__version__}) does not read; "
        "train it again, or install playbach 0.1"
    )
    with pytest.raises(BundleError) as caught:
        Composer(bundle, _Failing())
    assert str(caught.value) == line


class _Failing:
    """Stands in for a network of another context, which no runtime can step."""

    def start(self) -> None:
        return None

    def step(self, previous: Any, context: Any, state: Any) -> Any:
        raise RuntimeError("context has the wrong shape")


def test_a_network_of_0_1_0_is_not_trained_further(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from playbach.bundles.network import read_base_model

    manifest = {**manifest_of("chorale"), **CHORALE_0_1}
    path = bundles.write(tmp_path / "old.playbach", manifest, MEMBERS)
    with pytest.raises(BundleError, match=r"^old: made by playbach 0\.1\.0, whose chorale encoding"):
        read_base_model(path)


def test_bundles_of_format_1_with_the_present_encodings_are_read(tmp_path: Path) -> None:
    for name in ENCODED:
        path = bundles.write(tmp_path / f"{name}.playbach", {"format": 1, **manifest_of(name)}, MEMBERS)
        bundle = bundles.read(path)
        assert Composer(bundle, Network(bundle)).encoding.name == name


def test_files_of_format_1_in_the_package_and_in_the_tests_are_read() -> None:
    for path in (*bundles.shipped_models().values(), GOLDEN / "tiny.playbach"):
        bundle = bundles.read(path)
        assert bundle.manifest["format"] in bundles.READABLE_FORMATS
        assert bundle.fits(bundle.encoding())


# ------------------------------------------------------------------------------------------------------- finding


def test_find_takes_a_path_or_the_name_without_its_suffix(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bundles.find(path) == path
    assert bundles.find(str(path.with_suffix(""))) == path
    monkeypatch.chdir(path.parent)
    assert bundles.find("mine") == bundles.find("mine.playbach") == Path("mine.playbach")
    dotted = path.rename(path.with_name("mine v1.2.playbach"))
    assert bundles.find(dotted.with_name("mine v1.2")) == dotted


def test_find_prefers_a_file_to_a_folder_of_the_name(path: Path) -> None:
    path.with_suffix("").mkdir()
    assert bundles.find(path.with_suffix("")) == path


def test_find_knows_the_shipped_models(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "shipped_models", lambda: {"bach": path, "folk": path})
    assert bundles.find("bach") == path
    with pytest.raises(BundleError, match=r"^pop: no such model; .* one of the shipped models: bach, folk$"):
        bundles.find("pop")


def test_shipped_models_are_whole() -> None:
    for name, path in bundles.shipped_models().items():
        assert bundles.read(path).name == name


def test_find_says_that_a_folder_is_for_training(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"this is a folder.*playbach train") as caught:
        bundles.find(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "x" * 5000, "nul\0", "two\nlines"])
def test_find_says_that_there_is_no_such_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="no such model") as caught:
        bundles.find(name)
    assert str(caught.value).isprintable()
    assert not str(caught.value).endswith(": ")
