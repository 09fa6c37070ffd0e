"""The music half of a C export: an encoding's files, whose C code computes contexts, masks and notes.

Three files come with the package (`music.h`, `bars.h` and, as `music.c`, the encoding's own). One is written here,
`vocabulary.h`: constants, symbols, the headers that pieces begin with, seed passages. Knows encodings; knows nothing
of networks.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from playbach.bundles import passages
from playbach.bundles.bundle import Bundle
from playbach.bundles.passages import Passage
from playbach.encodings.base import Encoding
from playbach.encodings.chorale import ChoraleEncoding
from playbach.encodings.chorale.given import SYMBOLS_PER_VOICE
from playbach.encodings.features.bars import meter_symbol
from playbach.encodings.notes import NotesEncoding
from playbach.encodings.notes.vocabulary import ANY_CHORD, FIRST_VELOCITY, NOTES_VELOCITY_BIN, VELOCITY_REST
from playbach.encodings.onsets import FIXED_DURATION, NOTES_UNITS, REST_CHORD
from playbach.encodings.voices import VOICES
from playbach.export.c.source import MAX_COLUMNS, engine_file
from playbach.inference.options import Sampling
from playbach.music import keys
from playbach.music.arrays import Ints
from playbach.music.bars import Bars, Header
from playbach.music.events import DEFAULT_VELOCITY, TICKS_PER_QUARTER
from playbach.system.errors import BundleError, PlaybachError, UsageError

MAX_HEADERS, MAX_EXPORTED_PASSAGES, MAX_PASSAGE_BYTES = 16, 8, 4096
"""Limits that keep an export small: headers of pieces, passages, and the bytes of all passages' steps."""
MAX_BAR_TICKS = 65535
"""The number of bars has 16 bits; with this limit a piece's ticks fit into 32."""
NO_REST = 0xFFFF
"""Stands for the index of the rest in the chords, if the vocabulary has no rest."""


def music_files(encoding: Encoding, bundle: Bundle) -> dict[str, bytes]:
    """Make the music's C files: music.h, bars.h, music.c and vocabulary.h. The same bundle gives the same bytes.

    Raises:
        UsageError: the C engine does not support the encoding, or a number in it is too large for C.
        BundleError: the bundle's passages or its sampling defaults are damaged.
    """
    described = describe(encoding)
    if described is None:
        raise UsageError(
            f"{bundle.name}: the C engine supports the encodings notes and chorale, but not {encoding.name}; export "
            "tflite-int8 instead, for a larger board"
        )
    return {
        "music.h": engine_file("music.h"),
        "bars.h": engine_file("bars.h"),
        "music.c": engine_file(f"{encoding.name}.c"),
        "vocabulary.h": _vocabulary(encoding, bundle, described).encode("ascii"),
    }


_Macros = Mapping[str, object]
"""Macros and their values; a tuple is a value and a comment."""


@dataclass(frozen=True, slots=True)
class Table:
    """An array of numbers, or of rows of numbers."""

    name: str
    rows: Sequence[int] | Sequence[Sequence[int]]
    comment: str

    def text(self) -> str:
        """The table in C."""
        if self.rows and isinstance(self.rows[0], Sequence):
            return _table(self.name, cast("Sequence[Sequence[int]]", self.rows), self.comment)
        return _array(self.name, cast("Sequence[int]", self.rows), self.comment)


@dataclass(frozen=True, slots=True)
class EncodingInC:
    """What an encoding's C code needs to know of a model, apart from the headers of its pieces."""

    macros: _Macros
    tables: tuple[Table, ...]

    @property
    def numbers(self) -> dict[str, int]:
        """The macros that are whole numbers, without their comments."""
        values = {name: value[0] if isinstance(value, tuple) else value for name, value in self.macros.items()}
        return {name: value for name, value in values.items() if isinstance(value, int)}


def describe(encoding: Encoding) -> EncodingInC | None:
    """None if the C engine does not support the encoding.

    Raises:
        UsageError: a number in it is too large for C.
    """
    if isinstance(encoding, NotesEncoding):
        return _notes(encoding)
    return _chorale(encoding) if isinstance(encoding, ChoraleEncoding) else None


def _vocabulary(encoding: Encoding, bundle: Bundle, described: EncodingInC) -> str:
    seeds = _seeds(encoding, bundle)
    # The headers of new pieces come first, then those that only passages use.
    beginnings = {**dict.fromkeys((s.beginning for s in seeds), 0), **commonest_beginnings(encoding)}
    beginnings = dict(sorted(beginnings.items(), key=lambda item: -item[1]))
    common = {
        "PB_ENCODING_NOTES": int(isinstance(encoding, NotesEncoding)),
        "PB_ENCODING_CHORALE": int(isinstance(encoding, ChoraleEncoding)),
        "PB_MUSIC_FIELDS": (len(encoding.fields), "symbols in a step"),
        "PB_MUSIC_CONTEXTS": (len(encoding.context), "symbols in a step's context"),
        "PB_TICKS_PER_QUARTER": TICKS_PER_QUARTER,
        "PB_TRACKS": (encoding.track_count, ", ".join(_plain(t.name) for t in encoding.tracks)),
        "PB_HEADERS": len(beginnings),
        "PB_PASSAGES": len(seeds),
        **_sampling(bundle),
    }
    return "\n".join(
        [
            f"/* The vocabulary of {_plain(bundle.name)}, written by playbach export; see music.h. */",
            *("#ifndef PB_VOCABULARY_H", "#define PB_VOCABULARY_H", "", "#include <stdint.h>", ""),
            *_define(common),
            f"typedef {_symbol_type(encoding)} pb_passage_symbol;",
            "",
            *_define(described.macros),
            *("", _feature_list(encoding)),
            *("", "#endif", "", "/* Only music.c needs these. */", "#ifdef PB_TABLES", ""),
            _named(encoding),
            *(table.text() for table in described.tables),
            _header_table(beginnings),
            *_passage_tables(seeds, beginnings),
            *("#endif", ""),
        ]
    )


def _feature_list(encoding: Encoding) -> str:
    """A macro that applies another one to the function of each feature."""
    calls = [f"  apply({feature.engine})" for feature in encoding.features]
    return "\n".join(
        [
            "/* The functions of music.c and bars.h that write the features of a step's context, in order. */",
            " \\\n".join(["#define PB_FEATURES(apply)", *calls]),
        ]
    )


def _sampling(bundle: Bundle) -> _Macros:
    try:
        sampling = Sampling(**bundle.manifest["sampling"])
    except (KeyError, TypeError, PlaybachError) as error:
        raise BundleError(f"{bundle.name}: its sampling defaults cannot be read ({error}); train it again") from error
    return {
        "PB_TEMPERATURE_Q8": (round(sampling.temperature * 256), f"{sampling.temperature:g}"),
        "PB_TOP_P_Q16": (min(max(round(sampling.top_p * 65536), 1), 65536), f"{sampling.top_p:g}"),
    }


# ---- the encodings ----


def _notes(encoding: NotesEncoding) -> EncodingInC:
    options, symbols = encoding.options, encoding.symbols
    joined, separate = options.durations == "joined", options.durations == "separate"
    known = list(dict.fromkeys(chord for chord, _ in symbols if chord != ANY_CHORD))
    chord_index = {chord: i for i, chord in enumerate(known, 1)}
    chord_of = [0, *(chord_index.get(chord, 0) for chord, _ in symbols)]
    pitches = [p for chord in known for p in chord]
    starts = [0, *np.cumsum([0, *map(len, known)]).tolist()]  # chord 0, not in training, has no notes
    most = max((len(chord) for chord in known), default=0)
    if most > 100:
        raise UsageError(f"the C engine plays at most 100 notes at once, but this model has a chord of {most}")
    identity = chord_of == list(range(len(chord_of)))
    bins = 128 // NOTES_VELOCITY_BIN
    macros = {
        "PB_MAX_EVENTS": (max(2 * most, 1), "of one step"),
        "PB_SYMBOLS": (len(symbols) + 1, "in the first field"),
        "PB_CHORD_OF(symbol)": "(symbol)" if identity else "pb_chord_of[symbol]",
        "PB_REST": chord_index.get(REST_CHORD, NO_REST),
        "PB_LONGEST_RUN": (encoding.longest_run, "of one chord"),
        "PB_LONGEST_REST": (encoding.longest_rest, "rests in succession"),
        "PB_FOLDED": (int(options.octaves == "folded"), "chords consist of pitch classes, not pitches"),
        "PB_JOINED": (int(joined), "each symbol has a duration"),
        "PB_SEPARATE": (int(separate), "the duration is a field of its own"),
        "PB_FIXED": (FIXED_DURATION, f"units ({NOTES_UNITS} to a quarter) that every onset lasts without durations"),
        "PB_DURATION_FIELD": 1,
        "PB_DURATION_SYMBOLS": len(encoding.durations) + 1 if separate else 0,
        "PB_VELOCITIES": int(options.velocities),
        "PB_VELOCITY": (DEFAULT_VELOCITY, "of every note without velocities"),
        "PB_VELOCITY_FIELD": len(encoding.fields) - 1,
        "PB_VELOCITY_SYMBOLS": FIRST_VELOCITY + bins,
        "PB_VELOCITY_REST": VELOCITY_REST,
        "PB_VELOCITY_BIN": NOTES_VELOCITY_BIN,
    }
    tables = [
        *([] if identity else [Table("pb_chord_of", chord_of, "The chord of each symbol.")]),
        Table("pb_chords", starts, "Where each chord begins in pb_pitches; chord 0 was not in training."),
        Table("pb_pitches", pitches or [0], "The chords' notes, from low to high."),
    ]
    if joined or separate:
        units = [FIXED_DURATION, *((u for _, u in symbols) if joined else encoding.durations)]
        of = "symbol" if joined else "symbol of the duration"
        tables.append(Table("pb_units", units, f"How long each {of} lasts, in units of {NOTES_UNITS} to a quarter."))
    if options.octaves == "folded":
        played = [min(max(encoding.unfolded(p), 0), 127) for p in range(12)]
        tables.append(Table("pb_unfolded", played, "The pitch that each pitch class is played at."))
    return EncodingInC(macros, tuple(tables))


def _chorale(encoding: ChoraleEncoding) -> EncodingInC:
    macros: dict[str, object] = {
        "PB_MAX_EVENTS": (8, "of one step"),
        "PB_SYMBOLS": len(encoding.fields[0]),
        "PB_LOW": (encoding.low, "the pitch of symbol 3"),
        "PB_FIRST_WAIT": (encoding.first_wait, "the wait of a sixteenth"),
        "PB_LONGEST": (encoding.longest, "sixteenths that a note may last"),
        "PB_VELOCITY": DEFAULT_VELOCITY,
    }
    if encoding.options.given:
        macros["PB_GIVEN"] = (SYMBOLS_PER_VOICE * len(VOICES), "symbols of given voices in a step's context")
    ranges = [
        (encoding.symbol_of(low), encoding.symbol_of(high)) if low <= high else (1, 0)
        for low, high in encoding.ranges
    ]
    scales = [keys.KEY_WEIGHTS[0].tolist(), keys.KEY_WEIGHTS[12].tolist()]
    voices = ", ".join(v.lower() for v in VOICES)
    tables = (
        Table("pb_ranges", ranges, f"First and last symbol of a pitch of {voices}."),
        Table("pb_scales", scales, "How well each pitch class, from the tonic up, fits a major and a minor key."),
    )
    return EncodingInC(macros, tables)


def _named(encoding: Encoding) -> str:
    """A comment with the symbols' names."""
    texts = []
    for field in encoding.fields:
        names = "  ".join(f"{i} {name}" for i, name in enumerate(field.symbols))
        texts.append(textwrap.fill(f"{field.name}: {names}", MAX_COLUMNS - 6, subsequent_indent="  "))
    return "/* Symbols.\n" + textwrap.indent("\n".join(texts), "   ") + " */\n"


# ---- headers and passages ----


@dataclass(frozen=True, slots=True)
class PieceBeginning:
    """A row of `pb_headers`, without the number of pieces that have it. Fields as in the engine's music.h."""

    microseconds: int
    pickup: int
    bar: int
    meter: int
    numerator: int
    denominator: int
    programs: tuple[int, ...]


def beginning_of(encoding: Encoding, header: Header) -> PieceBeginning | None:
    """None if the piece changes its meter (except after a pickup), or has bars that are too long for C."""
    bars = Bars(header.meters)
    changes = len(header.meters) > (2 if bars.pickup else 1)
    _, numerator, denominator = header.meters[-1]
    length = TICKS_PER_QUARTER * 4 * numerator // denominator
    if changes or not 1 <= length <= MAX_BAR_TICKS:
        return None
    return PieceBeginning(
        round(60e6 / header.tempo),
        bars.pickup,
        length,
        meter_symbol(encoding.meters, f"{numerator}/{denominator}"),
        numerator,
        denominator,
        tuple(t.program for t in header.tracks),
    )


def commonest_beginnings(encoding: Encoding) -> dict[PieceBeginning, int]:
    """The most common beginnings and how many pieces have each; 4/4 in the first one's tempo if C can have none."""
    found: dict[PieceBeginning, int] = {}
    for header, count in encoding.headers:
        row = beginning_of(encoding, header)
        if row is not None:
            found[row] = found.get(row, 0) + count
    if not found:
        first = encoding.headers[0][0]
        row = beginning_of(encoding, Header(tempo=first.tempo, tracks=first.tracks))
        assert row is not None
        found[row] = 1
    # The sort is stable: of equal counts, the first in the manifest comes first.
    commonest = sorted(found.items(), key=lambda item: -item[1])
    return dict(commonest[:MAX_HEADERS])


@dataclass(frozen=True, slots=True)
class _Seed:
    """A passage as C has it; `bars` is the number of bars that it fills or begins."""

    name: str
    steps: Ints
    beginning: PieceBeginning
    bars: int


def _seeds(encoding: Encoding, bundle: Bundle) -> list[_Seed]:
    """The bundle's passages, as many as fit, evenly spread."""
    if not bundle.manifest.get("passages"):
        return []
    seeds: list[_Seed] = []
    max_symbols = MAX_PASSAGE_BYTES // (1 if _symbol_type(encoding) == "uint8_t" else 2)
    known = passages.read_passages(bundle.manifest, bundle.name, encoding)
    try:
        for passage in _spread(known):
            seed, size = _seed(encoding, passage), passage.piece.steps.size
            if (
                seed is not None
                and len(seeds) < MAX_EXPORTED_PASSAGES
                and sum(s.steps.size for s in seeds) + size <= max_symbols
            ):
                seeds.append(seed)
    except (ArithmeticError, LookupError) as error:  # a header is damaged
        raise BundleError(f"{bundle.name}: its passages are damaged; get or train it again") from error
    return seeds


def _symbol_type(encoding: Encoding) -> str:
    """The C type that holds a symbol of any field."""
    return _type([len(field) - 1 for field in encoding.fields], "symbols")


def _spread(known: list[Passage]) -> list[Passage]:
    """Reorder passages so that the first ones are evenly spread, since neighbours are often movements of one work."""
    apart = max(1, len(known) // MAX_EXPORTED_PASSAGES)
    return [passage for first in range(apart) for passage in known[first::apart]]


def _seed(encoding: Encoding, passage: Passage) -> _Seed | None:
    """None if C cannot have the passage's header, or if one of its context symbols is out of range: the engine does
    not check indices."""
    steps, header = passage.piece.steps, passage.piece.header
    beginning, decoder = beginning_of(encoding, header), encoding.decoder(header)
    sizes = np.array([len(field) for field in encoding.context])
    for step in steps:
        if (decoder.context() >= sizes).any():
            return None
        decoder.feed(step)
    fits = len(header.tracks) == encoding.track_count and decoder.last_begun_bar <= 255
    if beginning is None or not fits or (decoder.context() >= sizes).any():
        return None
    return _Seed(passage.name, steps, beginning, decoder.last_begun_bar)


def _header_table(beginnings: Mapping[PieceBeginning, int]) -> str:
    rows = [
        f"{count}, {b.microseconds}, {b.pickup}, {b.bar}, {b.meter}, {b.numerator}, {b.denominator}, "
        + _row(b.programs)
        for b, count in beginnings.items()
    ]
    comment = (
        "Training pieces, microseconds a quarter, ticks of the pickup and of a bar, meter, its fraction, programs."
    )
    return _structs("pb_header pb_headers[PB_HEADERS]", rows, comment)


def _passage_tables(seeds: Sequence[_Seed], beginnings: Iterable[PieceBeginning]) -> list[str]:
    if not seeds:
        return []
    numbers = {beginning: i for i, beginning in enumerate(beginnings)}
    firsts = np.cumsum([0, *(len(s.steps) for s in seeds)])
    rows = [f"{first}, {len(s.steps)}, {numbers[s.beginning]}, {s.bars}" for first, s in zip(firsts, seeds)]
    comment = f"First step, steps, header, bars: of {', '.join(_plain(s.name) for s in seeds)}."
    symbols = [symbol for s in seeds for symbol in s.steps.ravel().tolist()]
    return [
        _structs("pb_passage pb_passages[PB_PASSAGES]", rows, comment),
        _array("pb_passage_symbols", symbols, "The passages' steps, one after the other.", "pb_passage_symbol"),
    ]


# ---- C as text ----


def _plain(text: str) -> str:
    """Text with only the characters that are safe in a C comment."""
    return re.sub(r"[^A-Za-z0-9 .,:+'()_-]", "_", text)


def _comment(text: str) -> str:
    return textwrap.fill(f"/* {text} */", MAX_COLUMNS, subsequent_indent="   ", break_on_hyphens=False)


def _define(macros: _Macros) -> list[str]:
    rows = []
    for name, value in macros.items():
        value, comment = value if isinstance(value, tuple) else (value, "")
        rows.append(f"#define {name} {value}" + (f" /* {comment} */" if comment else ""))
    return rows


def _type(values: Iterable[int], name: str) -> str:
    """The smallest C type that holds all values.

    Raises:
        UsageError: no type does; real corpora have no such numbers.
    """
    low, high = min(values, default=0), max(values, default=0)
    for kind, least, most in (
        ("uint8_t", 0, 255),
        ("int8_t", -128, 127),
        ("uint16_t", 0, 65535),
        ("int16_t", -32768, 32767),
        ("uint32_t", 0, 2**32 - 1),
    ):
        if least <= low and high <= most:
            return kind
    raise UsageError(f"the C engine cannot hold numbers from {low} to {high} ({name}); train the model again")


def _array(name: str, values: Sequence[int], comment: str, kind: str = "") -> str:
    linkage = "const" if kind else "static const"
    numbers = textwrap.fill(", ".join(map(str, values)), MAX_COLUMNS, initial_indent="  ", subsequent_indent="  ")
    return f"{_comment(comment)}\n{linkage} {kind or _type(values, name)} {name}[{len(values)}] = {{\n{numbers}}};\n"


def _table(name: str, rows: Sequence[Sequence[int]], comment: str) -> str:
    kind = _type([v for row in rows for v in row], name)
    text = "\n".join(f"  {_row(row)}," for row in rows)
    return f"{_comment(comment)}\nstatic const {kind} {name}[{len(rows)}][{len(rows[0])}] = {{\n{text}\n}};\n"


def _structs(declared: str, rows: Sequence[str], comment: str) -> str:
    text = "\n".join(f"  {{{row}}}," for row in rows)
    return f"{_comment(comment)}\nconst {declared} = {{\n{text}\n}};\n"


def _row(values: Iterable[int]) -> str:
    return f"{{{', '.join(map(str, values))}}}"
