"""Cuts a soundfont into parts, one for each of General MIDI's programs and for each drum kit, for the page.

A whole soundfont is large, and a piece needs few of its instruments. Each part is a SoundFont file of one preset with
its own samples, packed as Ogg Vorbis (SF3) and then by gzip: the headers of Vorbis are alike in all samples, and gzip
keeps one of them. Loops stay where they are, to the sample. The same file gives the same bytes.

Knows neither addresses nor folders: `sounds/index.json` and the parts are names. See docs/radio-page.md.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from playbach.rendering.soundfont import DRUM_BANK, GEN_INSTRUMENT, GEN_SAMPLE, SoundFont

PARTS_INDEX = "sounds/index.json"
PART_COMPRESSION = 0.4
"""Of libsndfile's Vorbis, from 0 (best) to 1 (smallest)."""
_LEAST_PACKED = 1024
"""Samples of fewer values stay as they are: Vorbis's blocks are longer than their loops."""
_SAMPLE_HEAD = "<20sIIIIIBbHH"
_PACKED, _MONO = 0x10, 1
_ZEROS = 92
"""Bytes."""
_MODULATOR = np.dtype("V10")
_KNOWN_TERMS = {
    "TimGM6mb": ("Tim Brechbill", "GPL-2.0-only", "https://www.gnu.org/licenses/old-licenses/gpl-2.0.html"),
}
"""Author, licence and its address of fonts whose file does not state them, by name."""


def sound_parts(path: Path) -> SoundParts:
    """The parts of a soundfont, by name. Raises PlaybachError if the file is damaged."""
    return SoundParts(SoundFont(path))


class SoundParts(Mapping[str, bytes]):
    """Contents by name: `sounds/index.json`, `sounds/52.sf3.gz`, `sounds/drums-0.sf3.gz`.

    A part is cut when it is asked for, and kept. A part raises PlaybachError if it is damaged in the file.
    """

    def __init__(self, font: SoundFont) -> None:
        self._font = font
        self._presets = {part_name(*key): row for key, row in _chosen_presets(font).items()}
        self._contents = {PARTS_INDEX: json.dumps(font_index(font), ensure_ascii=False, indent=1).encode()}
        self._packed: dict[int, tuple[bytes, bool]] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> bytes:
        with self._lock:
            if name not in self._contents:
                part = _cut(self._font, self._presets[name], self._packed)
                self._contents[name] = gzip.compress(part, 9, mtime=0)
            return self._contents[name]

    def __iter__(self) -> Iterator[str]:
        yield PARTS_INDEX
        yield from self._presets

    def __len__(self) -> int:
        return 1 + len(self._presets)

    def __contains__(self, name: object) -> bool:
        return name == PARTS_INDEX or name in self._presets


def part_name(drums: bool, program: int) -> str:
    """The name of the part for a program, or for a drum kit."""
    return f"sounds/{'drums-' if drums else ''}{program}.sf3.gz"


def _chosen_presets(font: SoundFont) -> dict[tuple[bool, int], int]:
    """Row numbers in phdr by (whether drums, program): the programs of bank 0, and the drum kits.

    A font without bank 0 gives its first preset, so that not all is silent.
    """
    chosen = {
        (bank == DRUM_BANK, program): row
        for (bank, program), row in sorted(font.presets.items())
        if bank in (0, DRUM_BANK) and program < 128
    }
    rest = sorted((key, row) for key, row in font.presets.items() if key[0] != DRUM_BANK)
    if rest and not any(not drums for drums, _ in chosen):
        (_, program), row = rest[0]
        chosen[False, program] = row
    return chosen


def font_index(font: SoundFont) -> dict[str, Any]:
    """The contents of `sounds/index.json`: the font with its terms, and its parts."""
    name = _text(font, "INAM") or font.path.stem
    author, terms, address = _KNOWN_TERMS.get(name, ("", "", ""))
    return {
        "font": {
            "name": name,
            "author": _text(font, "IENG") or author,
            "terms": terms or _text(font, "ICOP"),
            "termsAddress": address,
            "comment": _text(font, "ICMT"),
        },
        "parts": [
            {
                "file": Path(part_name(drums, program)).name,
                "program": program,
                "drums": drums,
                "name": _decoded(bytes(font.tables["phdr"][row]["name"])),
            }
            for (drums, program), row in _chosen_presets(font).items()
        ],
    }


def _text(font: SoundFont, chunk: str) -> str:
    found = font.chunks.get(chunk)
    return "" if found is None else _decoded(found[:4096].tobytes())


def _decoded(raw: bytes) -> str:
    """A text of the file up to its first zero, without characters that a screen would not show."""
    text = raw.split(b"\0")[0]
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = text.decode("latin-1")
    return " ".join("".join(c if c.isprintable() else " " for c in decoded).split())


@dataclass(frozen=True, slots=True)
class _Rows:
    """The zones of a part's presets or instruments while they are put together."""

    bags: list[tuple[int, int]]
    gens: list[tuple[int, int]]
    mods: list[bytes]

    def tables(self, letter: str) -> dict[str, bytes]:
        """The three tables, each with the record that marks its end."""
        bags, gens = [*self.bags, (len(self.gens), len(self.mods))], [*self.gens, (0, 0)]
        return {
            f"{letter}bag": b"".join(struct.pack("<HH", *bag) for bag in bags),
            f"{letter}mod": b"".join([*self.mods, bytes(_MODULATOR.itemsize)]),
            f"{letter}gen": b"".join(struct.pack("<HH", *gen) for gen in gens),
        }


def _cut(font: SoundFont, row: int, packed: dict[int, tuple[bytes, bool]]) -> bytes:
    """A SoundFont of one preset, with the instruments and the samples that it needs."""
    head = font.tables["phdr"][row]
    upper, instruments = _Rows([], [], []), dict[int, int]()
    _copy_zones(font, "p", _span(font.tables["phdr"], row), GEN_INSTRUMENT, instruments, upper)
    lower, samples, inst = _Rows([], [], []), dict[int, int](), b""
    for instrument in instruments:
        if instrument + 1 >= len(font.tables["inst"]):
            raise font.damaged("a preset refers to a missing instrument")
        inst += struct.pack("<20sH", bytes(font.tables["inst"][instrument]["name"]), len(lower.bags))
        _copy_zones(font, "i", _span(font.tables["inst"], instrument), GEN_SAMPLE, samples, lower)
    inst += struct.pack("<20sH", b"EOI", len(lower.bags))
    bank = DRUM_BANK if head["bank"] == DRUM_BANK else 0
    phdr = struct.pack("<20sHHHIII", bytes(head["name"]), int(head["program"]), bank, 0, 0, 0, 0)
    phdr += struct.pack("<20sHHHIII", b"EOP", 0, 0, len(upper.bags), 0, 0, 0)
    pool, shdr = _pool(font, list(samples), packed)
    tables = {"phdr": phdr, **upper.tables("p"), "inst": inst, **lower.tables("i"), "shdr": shdr}
    info = {"ifil": struct.pack("<HH", 3, 0), "isng": b"EMU8000\0"}
    # Who made the sounds, and their terms, go with every part.
    info |= {key: font.chunks[key].tobytes() for key in ("INAM", "IENG", "ICOP") if key in font.chunks}
    return _chunk("RIFF", b"sfbk" + _list("INFO", info) + _list("sdta", {"smpl": pool}) + _list("pdta", tables))


def _span(table: NDArray[Any], row: int) -> range:
    return range(int(table["bag"][row]), int(table["bag"][row + 1]))


def _copy_zones(
    font: SoundFont, letter: str, zones: range, refers: int, numbers: dict[int, int], rows: _Rows
) -> None:
    """Copy zones of presets (`letter` p) or instruments (i), and number anew what they refer to by `refers`."""
    bags, gens, mods = font.tables[letter + "bag"], font.tables[letter + "gen"], _modulators(font, letter + "mod")
    for b in zones:
        rows.bags.append((len(rows.gens), len(rows.mods)))
        last = int(bags["gen"][b + 1]) if b + 1 < len(bags) else len(gens)
        for what, amount in gens[int(bags["gen"][b]) : last].tolist():
            number = amount & 0xFFFF
            rows.gens.append((what, numbers.setdefault(number, len(numbers)) if what == refers else number))
        last = int(bags["mod"][b + 1]) if b + 1 < len(bags) else len(mods)
        rows.mods.extend(bytes(mod) for mod in mods[int(bags["mod"][b]) : last])


def _modulators(font: SoundFont, name: str) -> NDArray[Any]:
    """The modulators of a table; none if the file has no such table."""
    raw = font.chunks[name].tobytes() if name in font.chunks else b""
    return np.frombuffer(raw[: len(raw) // _MODULATOR.itemsize * _MODULATOR.itemsize], _MODULATOR)


def _pool(font: SoundFont, numbers: Sequence[int], packed: dict[int, tuple[bytes, bool]]) -> tuple[bytes, bytes]:
    """The chunks smpl and shdr for these samples."""
    pool, heads = bytearray(), bytearray()
    for number in numbers:
        if number + 1 >= len(font.tables["shdr"]):
            raise font.damaged("a zone refers to a missing sample")
        if number not in packed:
            packed[number] = _packed_sample(font, number)
        body, is_packed = packed[number]
        heads += _sample_head(font.tables["shdr"][number], numbers, len(pool), len(body), is_packed)
        # The standard asks for zeros after a sample. A packed one brings its own end.
        pool += body + bytes(len(body) % 2 if is_packed else _ZEROS)
    return bytes(pool), bytes(heads) + struct.pack(_SAMPLE_HEAD, b"EOS", *[0] * 9)


def _sample_head(head: Any, numbers: Sequence[int], start: int, length: int, is_packed: bool) -> bytes:
    """The head of a sample at a new place, `start` and `length` in bytes.

    A packed sample is addressed in bytes, and its loop counts from its own beginning; any other is addressed in
    values of two bytes, from the beginning of the chunk.
    """
    old_start = 0 if int(head["kind"]) & _PACKED else int(head["start"])
    at, end = (start, start + length) if is_packed else (start // 2, (start + length) // 2)
    moved = -old_start if is_packed else at - old_start
    loop = [(int(head[key]) + moved) & 0xFFFFFFFF for key in ("loop_start", "loop_end")]
    kind, link = int(head["kind"]) & ~_PACKED, int(head["link"])
    kind, link = (kind, numbers.index(link)) if kind != _MONO and link in numbers else (_MONO, 0)
    sound = int(head["rate"]), int(head["root"]), int(head["correction"])
    return struct.pack(
        _SAMPLE_HEAD, bytes(head["name"]), at, end, *loop, *sound, link, kind | (_PACKED if is_packed else 0)
    )


def _packed_sample(font: SoundFont, number: int) -> tuple[bytes, bool]:
    """A sample's contents, and whether they are Ogg Vorbis. Raises PlaybachError if it is damaged."""
    head = font.tables["shdr"][number]
    start, end, rate = int(head["start"]), int(head["end"]), int(head["rate"])
    was_packed = bool(int(head["kind"]) & _PACKED)
    if not start <= end <= len(font.pool) // (1 if was_packed else 2) or not 0 < rate <= 400_000:
        raise font.damaged(f"sample {number} is outside the file")
    if was_packed:
        return font.pool[start:end].tobytes(), True
    body = font.pool[2 * start : 2 * end].tobytes()
    if end - start < _LEAST_PACKED:
        return body, False
    vorbis = _vorbis(np.frombuffer(body, "<i2"), rate)
    return (body, False) if vorbis is None else (vorbis, True)


def _vorbis(values: NDArray[np.int16], rate: int) -> bytes | None:
    """The values as Ogg Vorbis; None if it cannot have this rate, or would have another length."""
    import soundfile

    file = io.BytesIO()
    try:
        soundfile.write(file, values, rate, format="OGG", subtype="VORBIS", compression_level=PART_COMPRESSION)
        packed = _without_serial(file.getvalue())
        length = soundfile.info(io.BytesIO(packed)).frames
    except soundfile.LibsndfileError:
        return None
    return packed if length == len(values) else None


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits in the other order."""


def _without_serial(ogg: bytes) -> bytes:
    """The stream with the serial number 0: libsndfile draws it at random, so that equal samples would differ."""
    out, at = bytearray(ogg), 0
    while out[at : at + 4] == b"OggS":
        segments = out[at + 26]
        end = at + 27 + segments + sum(out[at + 27 : at + 27 + segments])
        out[at + 14 : at + 18], out[at + 22 : at + 26] = bytes(4), bytes(4)
        # Ogg's checksum is CRC-32 with the bits of each byte, and of the result, in the other order.
        checksum = zlib.crc32(out[at:end].translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
        out[at + 22 : at + 26] = checksum.to_bytes(4, "little").translate(_MIRRORED)[::-1]
        at = end
    return bytes(out)


def _list(name: str, chunks: Mapping[str, bytes]) -> bytes:
    return _chunk("LIST", name.encode() + b"".join(_chunk(key, value) for key, value in chunks.items()))


def _chunk(name: str, data: bytes) -> bytes:
    return name.encode() + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
