"""The music half of a C export: what a piece is told and allowed in C, and the tables it needs, as readable text.

An encoding becomes three files that come with the package (`music.h`, `bars.h` and, as `music.c`, its own) and one
that is written here, `vocabulary.h`: constants, symbols, the headers that pieces begin with, seed passages. Knows
encodings; knows nothing of networks.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from playbach.bundles import passages
from playbach.bundles.bundle import Bundle
from playbach.bundles.passages import Passage
from playbach.encodings import Encoding
from playbach.encodings import chorale as chorales
from playbach.encodings import notes as lines
from playbach.encodings.base import meter_symbol
from playbach.encodings.chorale import ChoraleEncoding
from playbach.encodings.notes import NotesEncoding
from playbach.encodings.onsets import FIXED, REST, UNITS
from playbach.encodings.voices import VOICES
from playbach.inference.sampling import Sampling
from playbach.music import keys
from playbach.music.arrays import Ints
from playbach.music.bars import Bars, Header
from playbach.music.events import TICKS_PER_QUARTER
from playbach.system.errors import BundleError, PlaybachError, UsageError

MOST_HEADERS, MOST_PASSAGES, MOST_PASSAGE_BYTES = 16, 8, 4096
"""What an export carries at most, so that it stays small: beginnings of pieces, passages, and the passages' steps."""
LONGEST_BAR = 65535
"""In ticks; so many bars as 16 bits count then end before a piece's ticks have no more room in 32."""
NO_REST = 0xFFFF
"""As a chord: the vocabulary has no rest."""
WIDTH = 118


def files(encoding: Encoding, bundle: Bundle) -> dict[str, bytes]:
    """The music's C files by name: music.h, bars.h, music.c and vocabulary.h. The same bundle gives the same bytes.

    Raises:
        UsageError: the C engine does not know the encoding, or it has something too large for C's small numbers.
        BundleError: the bundle's passages or its sampling defaults are damaged.
    """
    if isinstance(encoding, NotesEncoding):
        engine, (macros, tables) = "notes.c", _notes(encoding)
    elif isinstance(encoding, ChoraleEncoding):
        engine, (macros, tables) = "chorale.c", _chorale(encoding)
    else:
        raise UsageError(
            f"the C engine knows the encodings notes and chorale, not {encoding.name}; "
            f"export {bundle.name} as tflite-int8 for a larger board"
        )
    return {
        "music.h": _engine("music.h"),
        "bars.h": _engine("bars.h"),
        "music.c": _engine(engine),
        "vocabulary.h": _vocabulary(encoding, bundle, macros, tables).encode("ascii"),
    }


def _engine(name: str) -> bytes:
    return resources.files("playbach").joinpath("export", "c", "engine", name).read_bytes()


Macros = Mapping[str, object]
"""Names of macros, and what they stand for; a tuple has a comment as its second part."""


def _vocabulary(encoding: Encoding, bundle: Bundle, macros: Macros, tables: list[str]) -> str:
    seeds = _seeds(encoding, bundle)
    # What only a passage begins with stands behind what pieces are begun with.
    beginnings = {**dict.fromkeys((s.beginning for s in seeds), 0), **_beginnings(encoding)}
    beginnings = dict(sorted(beginnings.items(), key=lambda item: -item[1]))
    common = {
        "PB_ENCODING_NOTES": int(isinstance(encoding, NotesEncoding)),
        "PB_ENCODING_CHORALE": int(isinstance(encoding, ChoraleEncoding)),
        "PB_MUSIC_FIELDS": (len(encoding.fields), "symbols of a step"),
        "PB_MUSIC_CONTEXTS": (len(encoding.context), "symbols that are known before it"),
        "PB_TICKS_PER_QUARTER": TICKS_PER_QUARTER,
        "PB_TRACKS": (encoding.voices, ", ".join(_plain(t.name) for t in encoding.tracks)),
        "PB_HEADERS": len(beginnings),
        "PB_PASSAGES": len(seeds),
        **_sampling(bundle),
    }
    return "\n".join(
        [
            f"/* The vocabulary of {_plain(bundle.name)}, written by playbach export; see music.h. */",
            *("#ifndef PB_VOCABULARY_H", "#define PB_VOCABULARY_H", "", "#include <stdint.h>", ""),
            *_defined(common),
            f"typedef {_symbol_type(encoding)} pb_passage_symbol;",
            "",
            *_defined(macros),
            *("", "#endif", "", "/* Only music.c needs these. */", "#ifdef PB_TABLES", ""),
            *tables,
            _header_table(beginnings),
            *_passage_tables(seeds, beginnings),
            *("#endif", ""),
        ]
    )


def _sampling(bundle: Bundle) -> Macros:
    try:
        sampling = Sampling(**bundle.manifest["sampling"])
    except (KeyError, TypeError, PlaybachError) as error:
        raise BundleError(f"{bundle.name}: its sampling defaults cannot be read ({error}); train it again") from error
    return {
        "PB_TEMPERATURE_Q8": (round(sampling.temperature * 256), f"{sampling.temperature:g}"),
        "PB_TOP_P_Q16": (min(max(round(sampling.top_p * 65536), 1), 65536), f"{sampling.top_p:g}"),
    }


# ---- the encodings ----


def _notes(encoding: NotesEncoding) -> tuple[Macros, list[str]]:
    options, symbols = encoding.options, encoding.symbols
    joined, separate = options.durations == "joined", options.durations == "separate"
    known = list(dict.fromkeys(chord for chord, _ in symbols if chord != lines.ANY_CHORD))
    chord_index = {chord: i for i, chord in enumerate(known, 1)}
    chord_of = [0, *(chord_index.get(chord, 0) for chord, _ in symbols)]
    pitches = [p for chord in known for p in chord]
    starts = [0, *np.cumsum([0, *map(len, known)]).tolist()]  # chord 0, what training never saw, has no notes
    most = max((len(chord) for chord in known), default=0)
    if most > 100:
        raise UsageError(f"the C engine plays at most 100 notes at once, but this model has a chord of {most}")
    identity = chord_of == list(range(len(chord_of)))
    bins = 128 // lines.BIN
    macros = {
        "PB_MOST_EVENTS": (max(2 * most, 1), "that one step can give"),
        "PB_SYMBOLS": (len(symbols) + 1, "of the first field"),
        "PB_CHORD_OF(symbol)": "(symbol)" if identity else "pb_chord_of[symbol]",
        "PB_REST": chord_index.get(REST, NO_REST),
        "PB_LONGEST_RUN": (encoding.longest_run, "of one chord"),
        "PB_LONGEST_REST": (encoding.longest_rest, "rests in succession"),
        "PB_FOLDED": (int(options.octaves == "folded"), "a chord has pitch classes, not pitches"),
        "PB_DURATIONS_NONE": 0,
        "PB_DURATIONS_JOINED": 1,
        "PB_DURATIONS_SEPARATE": 2,
        "PB_DURATIONS": f"PB_DURATIONS_{options.durations.upper()}",
        "PB_FIXED": (FIXED, f"units, of {UNITS} to a quarter, that everything lasts without durations"),
        "PB_DURATION_FIELD": 1,
        "PB_DURATION_SYMBOLS": len(encoding._durations) + 1 if separate else 0,
        "PB_VELOCITIES": int(options.velocities),
        "PB_VELOCITY": (lines.VELOCITY, "without velocities"),
        "PB_VELOCITY_FIELD": len(encoding.fields) - 1,
        "PB_VELOCITY_SYMBOLS": lines.FIRST_VELOCITY + bins,
        "PB_VELOCITY_REST": lines.VELOCITY_REST,
        "PB_VELOCITY_BIN": lines.BIN,
    }
    tables = [
        *([] if identity else [_array("pb_chord_of", chord_of, "The chord of each symbol.")]),
        _array("pb_chords", starts, "Where each chord begins in pb_pitches; chord 0 is unknown."),
        _array("pb_pitches", pitches or [0], "The chords' notes, rising."),
    ]
    if joined or separate:
        units = [FIXED, *((u for _, u in symbols) if joined else encoding._durations)]
        of = "symbol" if joined else "symbol of the duration"
        tables.append(_array("pb_units", units, f"How long each {of} lasts, in units of {UNITS} to a quarter."))
    if options.octaves == "folded":
        played = [min(max(encoding._unfolded(p), 0), 127) for p in range(12)]
        tables.append(_array("pb_unfolded", played, "The pitch that each pitch class is played at."))
    return macros, [_named(encoding), *tables]


def _chorale(encoding: ChoraleEncoding) -> tuple[Macros, list[str]]:
    macros = {
        "PB_MOST_EVENTS": (8, "that one step can give"),
        "PB_SYMBOLS": len(encoding.fields[0]),
        "PB_LOW": (encoding.low, "the pitch of symbol 3"),
        "PB_FIRST_WAIT": (encoding.first_wait, "the wait of a sixteenth"),
        "PB_LONGEST": (encoding.longest, "sixteenths that a note lasts"),
        "PB_VELOCITY": chorales.VELOCITY,
    }
    ranges = [
        (encoding._symbol(low), encoding._symbol(high)) if low <= high else (1, 0) for low, high in encoding.ranges
    ]
    scales = [keys.SCALES[0].tolist(), keys.SCALES[12].tolist()]
    voices = ", ".join(v.lower() for v in VOICES)
    return macros, [
        _named(encoding),
        _table("pb_ranges", ranges, f"First and last symbol of a pitch of {voices}."),
        _table("pb_scales", scales, "What each pitch class from the tonic upwards speaks for major, and for minor."),
    ]


def _named(encoding: Encoding) -> str:
    """The symbols' names, for people who read the numbers."""
    texts = []
    for field in encoding.fields:
        names = "  ".join(f"{i} {name}" for i, name in enumerate(field.symbols))
        texts.append(textwrap.fill(f"{field.name}: {names}", WIDTH - 6, subsequent_indent="  "))
    return "/* Symbols.\n" + textwrap.indent("\n".join(texts), "   ") + " */\n"


# ---- headers and passages ----


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A row of `pb_headers`, without how many pieces begin so."""

    microseconds: int
    pickup: int
    bar: int
    meter: int
    numerator: int
    denominator: int
    programs: tuple[int, ...]


def _beginning(encoding: Encoding, header: Header) -> _Beginning | None:
    """None where the piece changes its meter, but for a pickup, or has bars that are too long for C."""
    bars = Bars(header.meters)
    changes = len(header.meters) > (2 if bars.pickup else 1)
    _, numerator, denominator = header.meters[-1]
    length = TICKS_PER_QUARTER * 4 * numerator // denominator
    if changes or not 1 <= length <= LONGEST_BAR:
        return None
    return _Beginning(
        round(60e6 / header.tempo),
        bars.pickup,
        length,
        meter_symbol(encoding.meters, f"{numerator}/{denominator}"),
        numerator,
        denominator,
        tuple(t.program for t in header.tracks),
    )


def _beginnings(encoding: Encoding) -> dict[_Beginning, int]:
    """The commonest beginnings and how many pieces have them; 4/4 in the first one's tempo where all are left out."""
    found: dict[_Beginning, int] = {}
    for header, count in encoding.headers:
        row = _beginning(encoding, header)
        if row is not None:
            found[row] = found.get(row, 0) + count
    if not found:
        first = encoding.headers[0][0]
        row = _beginning(encoding, Header(tempo=first.tempo, tracks=first.tracks))
        assert row is not None
        found[row] = 1
    commonest = sorted(found.items(), key=lambda item: -item[1])  # stable: of equals the first in the manifest
    return dict(commonest[:MOST_HEADERS])


@dataclass(frozen=True, slots=True)
class _Seed:
    """A passage as C has it; `bars` that it fills or begins."""

    name: str
    steps: Ints
    beginning: _Beginning
    bars: int


def _seeds(encoding: Encoding, bundle: Bundle) -> list[_Seed]:
    """Passages from all over what the bundle has, as many as fit."""
    if not bundle.manifest.get("passages"):
        return []
    kept: list[_Seed] = []
    most = MOST_PASSAGE_BYTES // (1 if _symbol_type(encoding) == "uint8_t" else 2)
    there = passages.kept(bundle.manifest, bundle.name, encoding)
    try:
        for passage in _spread(there):
            seed, size = _seed(encoding, passage), passage.sequence.steps.size
            if seed is not None and len(kept) < MOST_PASSAGES and sum(s.steps.size for s in kept) + size <= most:
                kept.append(seed)
    except (ArithmeticError, LookupError) as error:  # its header is none
        raise BundleError(f"{bundle.name}: its passages are damaged; get or train it again") from error
    return kept


def _symbol_type(encoding: Encoding) -> str:
    """Of any field."""
    return _type([len(field) - 1 for field in encoding.fields], "symbols")


def _spread(there: list[Passage]) -> list[Passage]:
    """Neighbours are often movements of one work: some from everywhere come first."""
    apart = max(1, len(there) // MOST_PASSAGES)
    return [passage for first in range(apart) for passage in there[first::apart]]


def _seed(encoding: Encoding, passage: Passage) -> _Seed | None:
    """None where C cannot have its header, or where something that is told of it lies outside of the alphabets: the
    engine looks tables up without asking."""
    steps, header = passage.sequence.steps, passage.sequence.header
    beginning, decoder = _beginning(encoding, header), encoding.decoder(header)
    sizes = np.array([len(field) for field in encoding.context])
    for step in steps:
        if (decoder.context() >= sizes).any():
            return None
        decoder.feed(step)
    fits = len(header.tracks) == encoding.voices and decoder.begun <= 255
    if beginning is None or not fits or (decoder.context() >= sizes).any():
        return None
    return _Seed(passage.name, steps, beginning, decoder.begun)


def _header_table(beginnings: Mapping[_Beginning, int]) -> str:
    rows = [
        f"{count}, {b.microseconds}, {b.pickup}, {b.bar}, {b.meter}, {b.numerator}, {b.denominator}, "
        + _row(b.programs)
        for b, count in beginnings.items()
    ]
    said = "Training pieces, microseconds a quarter, ticks of the pickup and of a bar, meter, its fraction, programs."
    return _structs("pb_header pb_headers[PB_HEADERS]", rows, said)


def _passage_tables(seeds: Sequence[_Seed], beginnings: Iterable[_Beginning]) -> list[str]:
    if not seeds:
        return []
    numbers = {beginning: i for i, beginning in enumerate(beginnings)}
    firsts = np.cumsum([0, *(len(s.steps) for s in seeds)])
    rows = [f"{first}, {len(s.steps)}, {numbers[s.beginning]}, {s.bars}" for first, s in zip(firsts, seeds)]
    said = f"First step, steps, header, bars: of {', '.join(_plain(s.name) for s in seeds)}."
    symbols = [symbol for s in seeds for symbol in s.steps.ravel().tolist()]
    return [
        _structs("pb_passage pb_passages[PB_PASSAGES]", rows, said),
        _array("pb_passage_symbols", symbols, "The passages' steps, one after the other.", "pb_passage_symbol"),
    ]


# ---- C as text ----


def _plain(text: str) -> str:
    """As it may stand in a comment."""
    return re.sub(r"[^A-Za-z0-9 .,:+'()_-]", "_", text)


def _comment(text: str) -> str:
    return textwrap.fill(f"/* {text} */", WIDTH, subsequent_indent="   ", break_on_hyphens=False)


def _defined(macros: Macros) -> list[str]:
    rows = []
    for name, value in macros.items():
        value, said = value if isinstance(value, tuple) else (value, "")
        rows.append(f"#define {name} {value}" + (f" /* {said} */" if said else ""))
    return rows


def _type(values: Iterable[int], name: str) -> str:
    """The smallest of C's types that holds all of them.

    Raises:
        UsageError: there is none; a corpus does not come to such numbers.
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
    raise UsageError(f"the C engine has no room for numbers between {low} and {high} ({name}); train the model again")


def _array(name: str, values: Sequence[int], said: str, kind: str = "") -> str:
    linkage = "const" if kind else "static const"
    numbers = textwrap.fill(", ".join(map(str, values)), WIDTH, initial_indent="  ", subsequent_indent="  ")
    return f"{_comment(said)}\n{linkage} {kind or _type(values, name)} {name}[{len(values)}] = {{\n{numbers}}};\n"


def _table(name: str, rows: Sequence[Sequence[int]], said: str) -> str:
    kind = _type([v for row in rows for v in row], name)
    text = "\n".join(f"  {_row(row)}," for row in rows)
    return f"{_comment(said)}\nstatic const {kind} {name}[{len(rows)}][{len(rows[0])}] = {{\n{text}\n}};\n"


def _structs(declared: str, rows: Sequence[str], said: str) -> str:
    text = "\n".join(f"  {{{row}}}," for row in rows)
    return f"{_comment(said)}\nconst {declared} = {{\n{text}\n}};\n"


def _row(values: Iterable[int]) -> str:
    return f"{{{', '.join(map(str, values))}}}"
