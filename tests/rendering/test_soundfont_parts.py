"""Parts of a soundfont: the same instruments and loops as in the whole, in small files that are always the same."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from playbach.rendering import soundfont_parts
from playbach.rendering.soundfont import DRUM_BANK, SoundFont, default_soundfont
from playbach.rendering.soundfont_parts import PARTS_INDEX, SoundParts, part_name, sound_parts
from playbach.system.errors import PlaybachError
from rendering.test_soundfont import LOOPED, PERIOD, chunk, tiny_font


@pytest.fixture(scope="module")
def parts() -> SoundParts:
    return sound_parts(default_soundfont())


def opened(parts: SoundParts, name: str, folder: Path) -> SoundFont:
    path = folder / "part.sf3"
    path.write_bytes(gzip.decompress(parts[name]))
    return SoundFont(path)


def error_in_db(font: SoundFont, part: SoundFont, program: int, drums: bool, pitch: int) -> float:
    """The level of the difference between a note of the whole soundfont and of the part, below the note's own."""
    ours, theirs = (f.note(program, drums, pitch, 90, 1.0).samples for f in (part, font))
    assert ours.shape == theirs.shape
    return float(10 * np.log10(np.sum((ours - theirs) ** 2) / np.sum(theirs**2)))


@pytest.mark.parametrize("program", [0, 6, 19, 48, 52, 73])
def test_a_part_sounds_like_the_whole(parts: SoundParts, tmp_path: Path, program: int) -> None:
    font, part = SoundFont(default_soundfont()), opened(parts, part_name(False, program), tmp_path)
    assert list(part.presets) == [(0, program)]
    for pitch in (43, 60, 76):
        assert error_in_db(font, part, program, False, pitch) < -22


def test_a_drum_kit_is_a_part(parts: SoundParts, tmp_path: Path) -> None:
    font, part = SoundFont(default_soundfont()), opened(parts, part_name(True, 0), tmp_path)
    assert list(part.presets) == [(DRUM_BANK, 0)]
    for pitch in (36, 38, 45):
        assert error_in_db(font, part, 0, True, pitch) < -12


def test_lengths_loops_and_tuning_are_exactly_the_same(parts: SoundParts, tmp_path: Path) -> None:
    font, part = SoundFont(default_soundfont()), opened(parts, part_name(False, 52), tmp_path)
    old = {head["name"]: i for i, head in enumerate(font.tables["shdr"][:-1])}
    heads = part.tables["shdr"][:-1]
    assert len(heads) > 10
    for i, head in enumerate(heads):
        (body, *rest), (old_body, *old_rest) = part._sample(i), font._sample(old[head["name"]])
        assert rest == old_rest
        assert len(body) == len(old_body)


def test_zones_keep_their_generators_and_modulators(parts: SoundParts, tmp_path: Path) -> None:
    font, part = SoundFont(default_soundfont()), opened(parts, part_name(False, 40), tmp_path)
    sample = soundfont_parts.GEN_SAMPLE
    ours, theirs = (
        [{k: v for k, v in zone.items() if k != sample} for zone in f._instruments(40, False)] for f in (part, font)
    )
    assert ours == theirs


def test_modulators_are_copied(tmp_path: Path) -> None:
    path = tiny_font(tmp_path / "a.sf2", [LOOPED])
    modulator = struct.pack("<HHhHH", 1, 48, 960, 0, 0)
    data = path.read_bytes().replace(chunk(b"imod", bytes(10)), chunk(b"imod", modulator + bytes(10)))
    last = 2  # its loop mode, and its sample
    bags = struct.pack("<HHHH", 0, 0, last, 0)
    assert bags in data
    data = data.replace(chunk(b"ibag", bags), chunk(b"ibag", struct.pack("<HHHH", 0, 0, last, 1)))
    body = data[12:].partition(b"LIST")[2][4:].partition(b"LIST")
    sounds, tables = data[12:20] + body[0], body[2][4:]
    path.write_bytes(chunk(b"RIFF", b"sfbk" + sounds + chunk(b"LIST", tables)))
    part = opened(sound_parts(path), "sounds/0.sf3.gz", tmp_path)
    assert part.chunks["imod"].tobytes() == modulator + bytes(10)
    assert part.tables["ibag"]["mod"].tolist() == [0, 1]


@pytest.mark.parametrize("vorbis", [False, True])
def test_a_small_sample_stays_and_a_packed_one_is_not_packed_again(tmp_path: Path, vorbis: bool) -> None:
    path = tiny_font(tmp_path / "a.sf2", [LOOPED], vorbis=vorbis)
    font, part = SoundFont(path), opened(sound_parts(path), "sounds/0.sf3.gz", tmp_path)
    ours, theirs = (f.note(0, False, 69, 100, 1.0).samples for f in (part, font))
    if vorbis:
        assert np.array_equal(ours, theirs)
        assert part.tables["shdr"]["kind"][0] == 0x11
    assert part._sample(0)[1:] == font._sample(0)[1:]
    assert part._sample(0)[4] - part._sample(0)[3] == 20 * PERIOD


def test_the_index_names_every_part_and_the_font(parts: SoundParts) -> None:
    index = json.loads(parts[PARTS_INDEX])
    assert {f"sounds/{part['file']}" for part in index["parts"]} == set(parts) - {PARTS_INDEX}
    assert index["font"]["name"] == "TimGM6mb"
    assert index["font"]["author"] == "Tim Brechbill"
    assert index["font"]["terms"] == "GPL-2.0-only"
    choir = next(part for part in index["parts"] if part["program"] == 52 and not part["drums"])
    assert choir == {"file": "52.sf3.gz", "program": 52, "drums": False, "name": "Choir Aahs"}


def test_the_terms_of_another_font_are_those_in_its_file(tmp_path: Path) -> None:
    path = tiny_font(tmp_path / "mine.sf2", [LOOPED])
    font = path.read_bytes()[12:]
    info = chunk(b"LIST", b"INFO" + chunk(b"ICOP", b"MIT\0 (c)\0") + chunk(b"IENG", "Zoë\n<b>".encode() + b"\0"))
    path.write_bytes(chunk(b"RIFF", b"sfbk" + info + font))
    parts = sound_parts(path)
    found = json.loads(parts[PARTS_INDEX])["font"]
    assert (found["name"], found["author"], found["terms"]) == ("mine", "Zoë <b>", "MIT")
    assert opened(parts, "sounds/0.sf3.gz", tmp_path).chunks["ICOP"].tobytes() == b"MIT\0 (c)\0"


def test_parts_are_small_and_always_the_same(parts: SoundParts) -> None:
    again = sound_parts(default_soundfont())
    for name, most in {"sounds/52.sf3.gz": 70_000, "sounds/19.sf3.gz": 15_000, "sounds/0.sf3.gz": 30_000}.items():
        assert len(parts[name]) < most
        assert parts[name] == again[name]


def test_a_name_that_is_no_part_is_refused(parts: SoundParts) -> None:
    assert len(parts) == len(list(parts)) == 137
    for name in ("sounds/128.sf3.gz", "52.sf3.gz", "", "sounds/../index.json"):
        assert name not in parts
        with pytest.raises(KeyError):
            parts[name]


def test_a_font_without_bank_0_plays_its_first_preset(tmp_path: Path) -> None:
    path = tiny_font(tmp_path / "a.sf2", [LOOPED])
    data = path.read_bytes()
    head = data.index(b"phdr") + 8
    path.write_bytes(data[: head + 20] + struct.pack("<HH", 7, 3) + data[head + 24 :])  # program 7 of bank 3
    parts = sound_parts(path)
    assert set(parts) == {PARTS_INDEX, "sounds/7.sf3.gz"}
    assert list(opened(parts, "sounds/7.sf3.gz", tmp_path).presets) == [(0, 7)]


def test_damaged_fonts_give_parts_or_an_error(tmp_path: Path) -> None:
    path = tiny_font(tmp_path / "a.sf2", [LOOPED])
    data, rng = path.read_bytes(), np.random.default_rng(1)
    pdta, outcomes = data.index(b"pdta"), set()
    for _ in range(300):
        broken = bytearray(data)
        for at in rng.integers(pdta, len(data), 3):
            broken[at] = int(rng.integers(256))
        path.write_bytes(broken)
        try:
            parts = sound_parts(path)
            for name in parts:
                opened_bytes = parts[name]
                assert opened_bytes
            outcomes.add("parts")
        except PlaybachError:
            outcomes.add("error")
    assert outcomes == {"parts", "error"}
