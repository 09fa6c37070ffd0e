"""Describes a piece of music: tracks, key, meters, length, and how each encoding encodes it.

Knows scores and encodings; knows nothing of how a description is printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import known_pieces, reading_options
from playbach.encodings import ENCODINGS
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.encodings.fields import symbol_label
from playbach.inference.recipes import command_words, parse_recipe
from playbach.music import keys, reading
from playbach.music.bars import Bars, meters_of, printable_name, tempo_of
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.instruments import INSTRUMENT_NAMES
from playbach.music.keys import pitch_name
from playbach.music.options import ReadingOptions
from playbach.music.pedal import pedal_presses
from playbach.music.scores import content_hash, ticks_to_seconds
from playbach.rendering.midi import MARKER_PREFIX, find_comment
from playbach.system.errors import ScoreError
from playbach.system.files import AnyPath

_FIRST_STEPS = 16


@dataclass(frozen=True, slots=True)
class TrackInfo:
    name: str
    program: int
    instrument: str
    drums: bool
    notes: int
    lowest: str | None
    """The name of the lowest pitch; None in a track without notes."""
    highest: str | None
    at_once: int
    """The largest number of notes that sound together."""


@dataclass(frozen=True, slots=True)
class FromBar:
    """A meter or key, and the bar in which it begins."""

    bar: int
    name: str


@dataclass(frozen=True, slots=True)
class KeyEstimate:
    name: str
    correlation: float


@dataclass(frozen=True, slots=True)
class TempoInfo:
    """In quarters per minute."""

    main: float
    """The tempo at which most of the piece is played."""
    slowest: float
    fastest: float
    changes: int
    """The number of changes."""


@dataclass(frozen=True, slots=True)
class EncodingInfo:
    """How an encoding, with its default options, encodes the piece."""

    encoding: str
    problem: str | None
    """Why the encoding cannot represent the piece."""
    steps: int = 0
    steps_per_bar: float = 0.0
    fields: tuple[str, ...] = ()
    first: tuple[tuple[str, ...], ...] = ()
    """The first steps, a symbol label for each field."""
    remarks: tuple[str, ...] = ()
    """What it leaves out or changes."""


@dataclass(frozen=True, slots=True)
class VocabularyCheck:
    """Whether the vocabulary of a model has the symbols of the piece."""

    model: str
    problem: str | None
    """Why the model's encoding cannot represent the piece."""
    steps: int = 0
    unknown: float = 0.0
    """The share of steps with a symbol that the model does not know."""
    side: str | None = None
    """The side of the split that this piece was on, if the model knows it."""


@dataclass(frozen=True, slots=True)
class MusicInfo:
    path: str
    bytes: int
    tracks: tuple[TrackInfo, ...]
    notes: int
    at_once: int
    """The largest number of notes that sound together, without drums."""
    bars: int
    """Full bars, without a pickup."""
    pickup: float
    """In quarters; 0 without a pickup."""
    quarters: float
    seconds: float
    meters: tuple[FromBar, ...]
    tempos: TempoInfo | None
    key: KeyEstimate | None
    key_signatures: tuple[FromBar, ...]
    markers: tuple[str, ...]
    pedal_presses: int
    """How often the sustain pedal is pressed."""
    pedal: str
    """Whether the lengths of notes are those with the pedal: `keep` or `ignore`."""
    ornaments: dict[str, int]
    """The number of ornaments of each kind."""
    plain_ornaments: bool
    """Whether the ornaments are left out or played as plain notes."""
    remarks: tuple[str, ...]
    """What was left out or changed when the file was read."""
    made_by: dict[str, Any] | None
    """How the piece was composed, if playbach composed it."""
    again: tuple[str, ...] | None
    """The words of the command that composes it again, if that is known."""
    encodings: tuple[EncodingInfo, ...]
    model: VocabularyCheck | None


def describe_music(
    path: AnyPath, model: str | Path | None = None, options: ReadingOptions | None = None
) -> MusicInfo:
    """Describe the piece in a file, and check it against the vocabulary of a model, if one is given.

    For that check the file is read as those that the model was trained on.

    Raises:
        ScoreError: the file cannot be read.
        BundleError: the model cannot be read.
    """
    bundle = None if model is None else bundles.read(bundles.find(model))
    options = options or ReadingOptions()
    file = reading.read_file(path, options=options)
    score = file.score
    end = max(int(n.end) for track in score.tracks for n in track.notes)
    bars = Bars(meters_of(score, 1))
    made_by = parse_recipe(find_comment(score) or "")
    count = bars.number(end - 1)
    return MusicInfo(
        path=str(path),
        bytes=Path(path).stat().st_size,
        tracks=tuple(_track(track) for track in score.tracks),
        notes=score.note_num(),
        at_once=_at_once([t.notes.numpy() for t in score.tracks if len(t.notes) and not t.is_drum]),
        bars=count,
        pickup=bars.pickup / TICKS_PER_QUARTER,
        quarters=end / TICKS_PER_QUARTER,
        seconds=float(ticks_to_seconds(score, np.array([end]))[0]),
        meters=tuple(FromBar(bars.number(tick), f"{n}/{d}") for tick, n, d in meters_of(score, 1)),
        tempos=_tempos(score),
        key=key_of(score),
        key_signatures=_signatures(score, bars),
        markers=tuple(printable_name(m.text) for m in score.markers if not m.text.startswith(MARKER_PREFIX)),
        pedal_presses=pedal_presses(score),
        pedal=options.pedal,
        ornaments=dict(file.ornaments),
        plain_ornaments=options.plain_ornaments,
        remarks=file.remarks,
        made_by=made_by,
        again=None if made_by is None else command_words(made_by, [t.name for t in score.tracks], str(path)),
        encodings=tuple(_encode(score, entry.load(), max(count, 1)) for entry in ENCODINGS.values()),
        model=None if bundle is None else _check_vocabulary(path, bundle),
    )


def _track(track: Any) -> TrackInfo:
    notes = track.notes.numpy()
    has_notes = len(track.notes) > 0
    instrument = "Drums" if track.is_drum else INSTRUMENT_NAMES[track.program]
    low, high = (pitch_name(int(f(notes["pitch"]))) if has_notes else None for f in (np.min, np.max))
    name = printable_name(track.name)
    return TrackInfo(name, track.program, instrument, track.is_drum, len(track.notes), low, high, _at_once([notes]))


def _at_once(tracks: list[Any]) -> int:
    """The largest number of notes that sound together. A note that ends where another begins does not count."""
    if not sum(len(t["time"]) for t in tracks):
        return 0
    begins = np.concatenate([t["time"] for t in tracks])
    ends = np.concatenate([t["time"] + np.maximum(t["duration"], 1) for t in tracks])
    ticks = np.concatenate([begins, ends])
    change = np.repeat([1, -1], len(begins))
    return int(np.cumsum(change[np.lexsort((change, ticks))]).max())


def _tempos(score: Score) -> TempoInfo | None:
    found = [round(float(t.qpm), 2) for t in sorted(score.tempos, key=lambda t: t.time)]
    changes = sum(a != b for a, b in zip(found, found[1:]))
    return TempoInfo(tempo_of(score), min(found), max(found), changes) if found else None


def key_of(score: Score) -> KeyEstimate | None:
    """The estimated key of the whole piece."""
    weights = np.zeros(12)
    for track in score.tracks:
        if not track.is_drum:
            notes = track.notes.numpy()
            np.add.at(weights, notes["pitch"] % 12, notes["duration"])
    key = keys.estimate_key(weights)
    return None if key is None else KeyEstimate(key.name, round(key.score, 3))


def _signatures(score: Score, bars: Bars) -> tuple[FromBar, ...]:
    """The key signatures in order, without those that change nothing."""
    found: list[FromBar] = []
    for signature in sorted(score.key_signatures, key=lambda s: s.time):
        name = keys.name_from_signature(signature.key, bool(signature.tonality))
        if not found or found[-1].name != name:
            found.append(FromBar(bars.number(signature.time), name))
    return tuple(found)


def _encode(score: Score, kind: type[Encoding], bars: int) -> EncodingInfo:
    problem = kind.rejection_reason(score)
    if problem is not None:
        return EncodingInfo(kind.name, problem)
    try:
        encoding = kind.fit([score])
        piece = encoding.encode(score)
    except ScoreError as error:
        return EncodingInfo(kind.name, str(error))
    first = tuple(
        tuple(symbol_label(field, int(symbol)) for field, symbol in zip(encoding.fields, step))
        for step in piece.steps[:_FIRST_STEPS]
    )
    names = tuple(field.name for field in encoding.fields)
    per_bar = round(len(piece) / bars, 2)
    return EncodingInfo(kind.name, None, len(piece), per_bar, names, first, kind.remarks(score))


def _check_vocabulary(path: AnyPath, bundle: bundles.Bundle) -> VocabularyCheck:
    encoding = bundle.encoding()
    score = reading.read(path, options=reading_options(bundle))
    try:
        piece = encoding.encode(score)
    except ScoreError as error:
        return VocabularyCheck(bundle.name, str(error))
    return VocabularyCheck(bundle.name, None, len(piece), _unknown(piece, encoding), _side(score, bundle))


def _unknown(piece: EncodedPiece, encoding: Encoding) -> float:
    columns = zip(piece.steps.T, encoding.unknown_symbols(), strict=True)
    unknown = np.logical_or.reduce([np.isin(steps, unknown_symbols) for steps, unknown_symbols in columns])
    return float(unknown.mean())


def _side(score: Score, bundle: bundles.Bundle) -> str | None:
    """The side of the split that a piece with these notes was on."""
    entry = known_pieces(bundle.manifest).get(content_hash(score))
    return str(entry[0]) if entry else None
