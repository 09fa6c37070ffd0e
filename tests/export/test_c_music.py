"""The music half of the C export: compiled, and compared step by step with Python's decoders over every option. Past
400 lines, since one compiled library and one comparison serve all tests."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sample_music
from playbach.bundles import passages
from playbach.bundles.bundle import Bundle
from playbach.encodings import ENCODINGS
from playbach.encodings.base import Decoder, Encoding
from playbach.encodings.features import lines
from playbach.encodings.options import ChoraleOptions, NotesOptions
from playbach.export.c.music import MAX_EXPORTED_PASSAGES, MAX_HEADERS, MAX_PASSAGE_BYTES, music_files
from playbach.music.bars import Bars, Header
from playbach.music.events import Event, Note, Track
from playbach.system.errors import BundleError, UsageError

COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler (apt install gcc)")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion")
UNKNOWN_METER, TINY_BAR, ODD_BAR = (7, 8), (1, 32), (7, 64)
OPENINGS: tuple[tuple[tuple[int, int, int], ...], ...] = (
    ((0, 4, 4),),
    ((0, 1, 4), (480, 4, 4)),
    ((0, 3, 4),),
    ((0, 3, 8), (720, 6, 8)),
    ((0, *UNKNOWN_METER),),
    ((0, *ODD_BAR),),  # ends between two places of either grid
    ((0, *TINY_BAR),),  # shorter than the chorales' grid
    ((0, 8, 1),),  # more places than there are symbols
    ((0, 1, 32), (60, 5, 16)),
)

CASES: dict[str, tuple[str, Any, Callable[..., symusic.Score]]] = {
    "chorale": ("chorale", None, sample_music.chorale),
    "chorale-given": ("chorale", ChoraleOptions(given=True), sample_music.chorale),
    **{
        f"notes-{octaves}-{durations}{'-velocities' * velocities}": (
            "notes",
            NotesOptions(octaves, durations, velocities),  # type: ignore[arg-type]
            sample_music.line,
        )
        for octaves in ("kept", "folded")
        for durations in ("none", "joined", "separate")
        for velocities in (False, True)
    },
    "notes-short": ("notes", NotesOptions(max_duration=1), sample_music.line),
    "notes-chords": ("notes", NotesOptions(chordify=True), sample_music.chorale),
    "notes-chords-short": ("notes", NotesOptions("kept", "joined", True, 1.5, True), sample_music.chorale),
    "notes-chords-none": ("notes", NotesOptions("folded", "none", chordify=True), sample_music.piano),
}


FEATURE_FUNCTION = re.compile(r"^static (?:inline )?uint16_t \*(pb_context_\w+)\(", re.M)
"""The definition of a function that writes a feature of the context."""


def fitted(case: str, make: Callable[..., symusic.Score] | None = None) -> Encoding:
    """An encoding whose headers are OPENINGS, in this order."""
    name, options, default = CASES[case]
    encoding = ENCODINGS[name].load().fit([(make or default)(seed) for seed in range(5)], options)
    header = encoding.headers[0][0]
    openings = tuple((replace(header, meters=m), 100 - i) for i, m in enumerate(OPENINGS))
    return replace(encoding, headers=openings)  # type: ignore[type-var]


def make_bundle(*, passages: list[Any] | None = None, **manifest: Any) -> Bundle:
    complete = {"sampling": {"temperature": 0.9, "top_p": 0.95}, "passages": passages, **manifest}
    return Bundle("a model", complete, {}, "")


class CEvent(ctypes.Structure):
    _fields_ = (
        ("tick", ctypes.c_uint32),
        ("track", ctypes.c_uint8),
        ("pitch", ctypes.c_uint8),
        ("velocity", ctypes.c_uint8),
    )


class CPassage(ctypes.Structure):
    _fields_ = (
        ("first", ctypes.c_uint16),
        ("steps", ctypes.c_uint16),
        ("header", ctypes.c_uint8),
        ("bars", ctypes.c_uint8),
    )


@dataclass(frozen=True)
class Library:
    """The music's C files, compiled and loaded."""

    c: Any
    encoding: Encoding
    text: str

    def macro(self, name: str) -> int:
        match = re.search(rf"^#define {name} (\d+)", self.text, re.M)
        assert match, name
        return int(match[1])


def write(encoding: Encoding, bundle: Bundle, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in music_files(encoding, bundle).items():
        (folder / name).write_bytes(data)
    return folder


def run(*command: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def compiled(encoding: Encoding, folder: Path, *options: str, bundle: Bundle | None = None) -> Library:
    write(encoding, bundle or make_bundle(), folder)
    (folder / "size.c").write_text(
        '#include "music.h"\nunsigned long size(void);\nunsigned long size(void) { return sizeof(pb_music); }\n'
    )
    library = folder / "music.so"
    run(COMPILER, *STRICT, "-shared", "-fPIC", *options, folder / "music.c", folder / "size.c", "-o", library)
    c = ctypes.CDLL(str(library))
    c.pb_draw_header.argtypes = [ctypes.c_uint32]
    c.pb_draw_header.restype = c.pb_bars_left.restype = c.pb_feed.restype = c.pb_finish.restype = ctypes.c_uint8
    return Library(c, encoding, (folder / "vocabulary.h").read_text("ascii"))


class Piece:
    """A piece in C, as a Decoder is in Python."""

    def __init__(self, library: Library, header: int, bars: int | None) -> None:
        self._c, self._encoding = library.c, library.encoding
        self._music = (ctypes.c_uint64 * -(-self._c.size() // 8))()
        self._events = (CEvent * library.macro("PB_MAX_EVENTS"))()
        self._c.pb_begin(self._music, header, bars or 0)

    def context(self) -> list[int]:
        context = (ctypes.c_uint16 * len(self._encoding.context))()
        self._c.pb_context(self._music, context)
        return list(context)

    def valid_mask(self) -> list[list[bool]]:
        return self._masks(self._c.pb_valid_mask)

    def style_mask(self) -> list[list[bool]]:
        return self._masks(self._c.pb_style_mask)

    def _masks(self, write_mask: Any) -> list[list[bool]]:
        masks = []
        for i, field in enumerate(self._encoding.fields):
            mask = (ctypes.c_uint8 * len(field))(*([7] * len(field)))
            write_mask(self._music, i, mask)
            assert set(mask) <= {0, 1}
            masks.append([bool(m) for m in mask])
        return masks

    def feed(self, step: Any) -> list[tuple[int, ...]]:
        return self._notes(self._c.pb_feed(self._music, (ctypes.c_uint16 * len(step))(*step), self._events))

    def finish(self) -> list[tuple[int, ...]]:
        return self._notes(self._c.pb_finish(self._music, self._events))

    def _notes(self, count: int) -> list[tuple[int, ...]]:
        assert count <= len(self._events)
        return [(e.tick, int(e.velocity > 0), e.track, e.pitch, e.velocity) for e in self._events[:count]]

    @property
    def bars_left(self) -> int:
        return int(self._c.pb_bars_left(self._music))

    @property
    def finished(self) -> bool:
        return bool(self._c.pb_finished(self._music))

    @property
    def is_good_ending(self) -> bool:
        return bool(self._c.pb_is_good_ending(self._music))


def beginnings_and_ends(events: list[Event]) -> list[tuple[int, ...]]:
    rows = []
    for e in events:
        assert isinstance(e, Note)
        rows.append((e.tick, 1, e.track, e.pitch, e.velocity))
        rows.append((e.tick + e.duration, 0, e.track, e.pitch, 0))
    return sorted(rows)


def choose_step(masks: list[Any], before: list[Any], rng: np.random.Generator, sizes: list[int]) -> Any:
    """A step: often an earlier one, so that figures recur; rarely any at all, as passages may have."""
    if rng.random() < 0.02 and len(sizes) > 1:
        return [int(rng.integers(size)) for size in sizes]
    if rng.random() < 0.02:
        return [0 for _ in sizes]
    ago = int(rng.integers(1, 24))
    if rng.random() < 0.7 and ago <= len(before) and all(m[s] for m, s in zip(masks, before[-ago])):
        return before[-ago]
    return [int(rng.choice(np.flatnonzero(mask))) for mask in masks]


def by_field(encoding: Encoding, context: list[int]) -> dict[str, int]:
    return dict(zip((field.name for field in encoding.context), context, strict=True))


def compare(library: Library, seed: int, header: int, bars: int | None, style: bool, steps: int = 150) -> None:
    """Compare all that Python's decoder and C compute, over a piece."""
    encoding, rng = library.encoding, np.random.default_rng(seed)
    decoder: Decoder = encoding.decoder(encoding.headers[header][0], bars)
    piece = Piece(library, header, bars)
    sizes = [len(field) for field in encoding.fields]
    expected: list[Event] = []
    events: list[tuple[int, ...]] = []
    fed: list[Any] = []
    while len(fed) < steps and not decoder.finished:
        where = f"after {len(fed)} steps"
        assert by_field(encoding, piece.context()) == by_field(encoding, decoder.context().tolist()), where
        assert piece.bars_left == decoder.bars_left(), where
        valid, styled = decoder.valid_mask(), decoder.style_mask()
        assert piece.valid_mask() == [m.tolist() for m in valid], where
        assert piece.style_mask() == [m.tolist() for m in styled], where
        step = choose_step(styled if style else valid, fed, rng, sizes)
        fed.append(step)
        expected += decoder.feed(np.array(step, np.int32))
        events += piece.feed(step)
        assert piece.is_good_ending == decoder.is_good_ending(), where
        assert piece.finished == decoder.finished, where
    expected += decoder.finish()
    events += piece.finish()
    assert sorted(events) == beginnings_and_ends(expected)
    order = [event[:2] for event in events]
    assert order == sorted(order)  # by time, and ends before beginnings


@pytest.fixture(params=CASES, scope="module")
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    return compiled(fitted(request.param), tmp_path_factory.mktemp("c"))


@needs_compiler
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    header=st.sampled_from(range(len(OPENINGS))),
    bars=st.none() | st.integers(1, 12),
    style=st.booleans(),
)
def test_c_agrees_with_python(library: Library, seed: int, header: int, bars: int | None, style: bool) -> None:
    compare(library, seed, header, bars, style)


@needs_compiler
def test_a_long_piece_agrees(library: Library) -> None:
    compare(library, 1, 1, None, True, steps=1200)
    compare(library, 2, 3, 65535, False, steps=200)


@needs_compiler
def test_the_piece_ends_where_pythons_does(library: Library) -> None:
    for header in range(len(OPENINGS)):
        for bars in (1, 2, 11):
            compare(library, header, header, bars, True, steps=20_000)


@needs_compiler
def test_masks_are_never_empty(tmp_path: Path) -> None:
    """Even with a vocabulary of one chord, which must not be repeated, and of durations that don't fit."""
    for joined in (True, False):
        case = "notes-kept-joined" if joined else "notes-kept-separate"
        units = (4, 40, 96) if joined else (0,)
        symbols = tuple(((60,), u) for u in units)
        encoding = replace(fitted(case), symbols=symbols, longest_run=1)  # type: ignore[call-arg]
        library = compiled(encoding, tmp_path / case)
        for seed in range(8):
            compare(library, seed, seed % 4, 1 + seed, bool(seed % 2))


@needs_compiler
def test_a_voice_that_never_sounds_agrees(tmp_path: Path) -> None:
    encoding = fitted("chorale")
    soprano, alto, _, bass = encoding.ranges  # type: ignore[attr-defined]
    encoding = replace(encoding, ranges=(soprano, alto, (127, 0), bass))  # type: ignore[call-arg]
    library = compiled(encoding, tmp_path)
    for seed in range(8):
        compare(library, seed, seed % 4, 4, bool(seed % 2), steps=600)


@needs_compiler
def test_a_full_memory_forgets_its_older_half(tmp_path: Path) -> None:
    """Echoes are found among the moves that are still remembered."""
    most = 32
    encoding = fitted("notes-kept-none")
    library = compiled(encoding, tmp_path, f"-DPB_MAX_NOTES={most}")
    piece, rng = Piece(library, 0, None), np.random.default_rng(3)
    pitches: list[int] = []
    kept = forgotten = 0
    tops = [None, *(chord[-1] if chord else None for chord, _ in encoding.symbols)]  # type: ignore[attr-defined]
    for number in range(300):
        recent, full = lines.Line(), lines.Line()
        for pitch in pitches[-(kept + 1) :]:
            recent.add(pitch)
        for pitch in pitches:
            full.add(pitch)
        assert piece.context()[2:] == recent.context()
        forgotten += recent.context() != full.context()
        symbol = 1 + (number // 2 + int(rng.integers(3))) % (len(tops) - 1)
        piece.feed([symbol])
        top = tops[symbol]
        if top is not None:
            kept = (most // 2 if kept == most else kept) + (1 if pitches else 0)
            pitches.append(top)
    assert len(pitches) > 3 * most
    assert forgotten  # otherwise the test shows nothing


MAIN = """
#include <stdio.h>
#include "music.h"
static uint32_t seed = 1;
static uint32_t next(uint32_t below) { seed = seed * 1664525u + 1013904223u; return (seed >> 8) % below; }
static const uint16_t sizes[] = {SIZES};
int main(void) {
  static pb_music music;
  static uint8_t mask[65536];
  uint16_t context[PB_MUSIC_CONTEXTS], step[PB_MUSIC_FIELDS];
  pb_event events[PB_MAX_EVENTS];
  unsigned long sum = 0;
  int round, steps, i, c;
  for (round = 0; round < 40; round++) {
    pb_begin(&music, pb_draw_header(next(65536) << 16), (uint16_t)(next(3) ? next(20) : 0));
    for (steps = 0; steps < 200 && !pb_finished(&music); steps++) {
      pb_context(&music, context);
      for (c = 0; c < PB_MUSIC_CONTEXTS; c++) sum = sum * 31 + context[c];
      for (i = 0; i < PB_MUSIC_FIELDS; i++) {
        (round % 2 ? pb_style_mask : pb_valid_mask)(&music, (uint8_t)i, mask);
        do step[i] = (uint16_t)next(sizes[i]); while (!mask[step[i]]);
      }
      c = pb_feed(&music, step, events);
      while (c-- > 0) sum = sum * 31 + events[c].tick + events[c].pitch;
      sum += (unsigned)pb_is_good_ending(&music);
    }
    c = pb_finish(&music, events);
    while (c-- > 0) sum = sum * 31 + events[c].tick + events[c].pitch;
  }
  printf("%lu\\n", sum);
  return 0;
}
"""
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@needs_compiler
@pytest.mark.parametrize("case", ["chorale", "notes-folded-separate-velocities", "notes-chords-short"])
def test_nothing_is_read_or_written_out_of_bounds(case: str, tmp_path: Path) -> None:
    (tmp_path / "empty.c").write_text("int main(void) { return 0; }\n")
    probe = subprocess.run([COMPILER or "", *SANITIZERS, tmp_path / "empty.c", "-o", tmp_path / "empty"], check=False)
    if probe.returncode:
        pytest.skip("this compiler has no sanitizers")
    encoding = fitted(case)
    write(encoding, make_bundle(), tmp_path)
    (tmp_path / "main.c").write_text(MAIN.replace("SIZES", ", ".join(str(len(f)) for f in encoding.fields)))
    sums = []
    for options in (("-DPB_MAX_NOTES=32", *SANITIZERS), ("-DPB_MAX_NOTES=32", "-Os")):
        run(COMPILER, *STRICT, *options, tmp_path / "music.c", tmp_path / "main.c", "-o", tmp_path / "main")
        sums.append(run(tmp_path / "main").stdout)
    assert sums[0] == sums[1] != "0\n"


@needs_compiler
def test_passages_are_the_bundles_own(tmp_path: Path) -> None:
    for case in ("chorale", "notes-kept-separate"):
        name, options, make = CASES[case]
        encoding = ENCODINGS[name].load().fit([make(seed) for seed in range(5)], options)
        pieces = [(f"piece {seed}", make(seed, tonic=seed % 3)) for seed in range(11)]
        known = list(passages.first_passages(pieces, encoding))
        bundle = make_bundle(passages=[p.manifest() for p in known])
        library = compiled(encoding, tmp_path / case, bundle=bundle)
        count = library.macro("PB_PASSAGES")
        assert 1 <= count <= MAX_EXPORTED_PASSAGES
        rows = (CPassage * count).in_dll(library.c, "pb_passages")
        kind = ctypes.c_uint8 if "typedef uint8_t pb_passage" in library.text else ctypes.c_uint16
        fields = len(encoding.fields)
        total = rows[-1].first + rows[-1].steps
        symbols = np.array((kind * (total * fields)).in_dll(library.c, "pb_passage_symbols"))
        assert ctypes.sizeof(kind) * len(symbols) <= MAX_PASSAGE_BYTES
        found = {p.piece.steps.tobytes(): p for p in known}
        for row in rows:
            steps = symbols.reshape(-1, fields)[row.first : row.first + row.steps].astype(np.int32)
            passage = found.pop(steps.tobytes())  # each once
            decoder, piece = encoding.decoder(passage.piece.header, 20), Piece(library, row.header, 20)
            for step in steps:
                assert piece.context() == decoder.context().tolist()
                decoder.feed(step)
                piece.feed(step.tolist())
            assert decoder.last_begun_bar == row.bars


@needs_compiler
def test_headers_are_drawn_in_proportion_to_pieces(tmp_path: Path) -> None:
    encoding = fitted("chorale")
    first = encoding.headers[0][0]
    weights = (50, 30, 15, 5)
    encoding = replace(encoding, headers=tuple((replace(first, tempo=60.0 + w), w) for w in weights))  # type: ignore[type-var]
    library = compiled(encoding, tmp_path)
    drawn = [library.c.pb_draw_header((2 * i + 1) * 2**32 // 2000) for i in range(1000)]
    assert [drawn.count(i) for i in range(len(weights))] == [10 * w for w in weights]
    assert library.c.pb_draw_header(2**32 - 1) == len(weights) - 1


def header_rows(text: str) -> list[list[int]]:
    """The table of headers in vocabulary.h."""
    table = re.search(r"pb_headers\[PB_HEADERS\] = \{\n(.*?)\n\};", text, re.S)
    assert table
    return [[int(n) for n in re.findall(r"\d+", row)] for row in table[1].splitlines()]


def test_headers_that_c_cannot_have_are_left_out() -> None:
    encoding = fitted("notes-kept-separate")
    cello = (Track("cello", 42),)
    changing = Header(((0, 3, 4), (1440, 2, 4)), 120.0, cello)
    too_long = Header(((0, 64, 1),), 120.0, cello)
    plain = Header(((0, 1, 4), (480, 4, 4)), 100.0, cello)
    for headers, expected in (
        (((changing, 5), (plain, 3)), [[3, 600_000, 480, 1920, 1, 4, 4, 42]]),
        (((too_long, 5), (changing, 3)), [[1, 500_000, 0, 1920, 1, 4, 4, 42]]),
    ):
        text = music_files(replace(encoding, headers=headers), make_bundle())["vocabulary.h"].decode()  # type: ignore[type-var]
        assert header_rows(text) == expected


def test_only_the_most_common_headers_are_kept() -> None:
    encoding = fitted("chorale")
    first = encoding.headers[0][0]
    many = tuple((replace(first, tempo=60.0 + i), 1 + i) for i in range(MAX_HEADERS + 9))
    found = header_rows(music_files(replace(encoding, headers=many), make_bundle())["vocabulary.h"].decode())  # type: ignore[type-var]
    assert [row[0] for row in found] == [i + 1 for i in range(9, MAX_HEADERS + 9)][::-1]
    assert found[0][1] == round(60e6 / many[-1][0].tempo)


@pytest.mark.parametrize("case", ["chorale", "chorale-given", "notes-kept-separate"])
def test_each_feature_is_a_function_of_the_engine(case: str) -> None:
    """Every feature names its function, and the engine has no other functions of features."""
    encoding = fitted(case)
    files = music_files(encoding, make_bundle())
    named = [feature.engine for feature in encoding.features]
    defined = FEATURE_FUNCTION.findall((files["bars.h"] + files["music.c"]).decode())
    if case == "chorale":
        defined.remove("pb_context_given")  # is compiled only if voices can be given
    assert sorted(defined) == sorted(named)
    listed = re.findall(r"apply\((pb_\w+)\)", files["vocabulary.h"].decode())
    assert listed == named, "in the order of the context"


def test_files_are_reproducible_plain_c() -> None:
    encoding, bundle = fitted("notes-chords"), make_bundle(passages=None)
    files = music_files(encoding, bundle)
    assert files == music_files(encoding, bundle)
    assert set(files) == {"music.h", "bars.h", "music.c", "vocabulary.h"}
    for data in files.values():
        text = data.decode("ascii")
        assert max(map(len, text.splitlines())) <= 118
        assert "float" not in text
        assert "malloc" not in text
    assert set(re.findall(r"#include (<.*?>)", b"".join(files.values()).decode())) == {"<stdint.h>", "<string.h>"}


def test_names_cannot_break_out_of_a_comment() -> None:
    encoding = fitted("notes-kept-separate")
    header = replace(encoding.headers[0][0], tracks=(Track("*/ #error \\", 0),))
    malicious = replace(encoding, headers=((header, 1),))  # type: ignore[type-var]
    bundle = replace(make_bundle(), name="*/??/é")
    text = music_files(malicious, bundle)["vocabulary.h"].decode("ascii")
    assert text.count("/*") == text.count("*/")
    assert not any("\\" in comment for comment in re.findall(r"/\*.*?\*/", text, re.S))
    assert "??/" not in text


def test_other_encodings_are_refused_in_one_line() -> None:
    encoding = ENCODINGS["events"].load().fit([sample_music.band(seed) for seed in range(3)])
    with pytest.raises(
        UsageError, match=r"supports the encodings notes and chorale, but not events; .*tflite-int8"
    ) as error:
        music_files(encoding, make_bundle())
    assert "\n" not in str(error.value)


def test_damaged_sampling_and_passages_are_refused() -> None:
    encoding = fitted("chorale")
    with pytest.raises(BundleError, match="sampling defaults"):
        music_files(encoding, make_bundle(sampling={"temperature": -1}))
    [passage] = passages.first_passages([("a", sample_music.chorale(1))], encoding)
    entry = passage.manifest()
    entry["header"]["meters"] = [[0, 4, 0]]
    with pytest.raises(BundleError, match="damaged"):
        music_files(encoding, make_bundle(passages=[entry]))


def test_a_passage_with_an_index_out_of_range_is_left_out() -> None:
    encoding = fitted("chorale")
    [passage] = passages.first_passages([("a", sample_music.chorale(1))], encoding)
    entry = passage.manifest()
    text = music_files(encoding, make_bundle(passages=[entry]))["vocabulary.h"].decode()
    assert "#define PB_PASSAGES 1\n" in text
    entry["steps"][5] = [len(encoding.fields[0]) - 1]  # a wait in the soprano
    text = music_files(encoding, make_bundle(passages=[entry]))["vocabulary.h"].decode()
    assert "#define PB_PASSAGES 0\n" in text


def test_a_pickup_is_a_short_first_bar() -> None:
    """The C engine relies on this for every header that is not left out."""
    for meters in OPENINGS:
        bars = Bars(meters)
        _, numerator, denominator = meters[-1]
        length = 1920 * numerator // denominator
        assert bars.end(7) == 7 * length
        assert bars.pickup == (meters[1][0] if len(meters) > 1 else 0)
