"""What a piece of music is: tracks, key, meters, length, and how each encoding would take it.

Knows scores and encodings; knows nothing of how it is shown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import known_pieces
from playbach.encodings import ENCODINGS, EncodedPiece, Encoding, pitch_name, symbol_label
from playbach.music import keys, reading
from playbach.music.bars import Bars, meters_of, plain_name, tempo_of
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.instruments import NAMES
from playbach.music.scores import digest, seconds_at
from playbach.rendering.midi import PREFIX, comment_of
from playbach.system.errors import ScoreError
from playbach.system.files import AnyPath

FIRST_STEPS = 16


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """`at_once` is how many notes sound together at most; pitches by name, None in a track without notes."""

    name: str
    program: int
    instrument: str
    drums: bool
    notes: int
    lowest: str | None
    highest: str | None
    at_once: int


@dataclass(frozen=True, slots=True)
class Since:
    """What holds from a bar on: a meter, a key."""

    bar: int
    name: str


@dataclass(frozen=True, slots=True)
class KeyEstimate:
    name: str
    correlation: float


@dataclass(frozen=True, slots=True)
class Tempos:
    """Quarters a minute: that of most ticks, the slowest and the fastest, and how often they change."""

    main: float
    slowest: float
    fastest: float
    changes: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """How one encoding, with its default options, takes the piece, or `problem`: why it cannot. `first` are its first
    steps, a symbol for each field."""

    encoding: str
    problem: str | None
    steps: int = 0
    steps_per_bar: float = 0.0
    fields: tuple[str, ...] = ()
    first: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """How a model's vocabulary takes the piece: the share of steps with a symbol that its training never saw, and on
    which side of the split it saw this very piece, if it did."""

    model: str
    problem: str | None
    steps: int = 0
    unknown: float = 0.0
    side: str | None = None


@dataclass(frozen=True, slots=True)
class Music:
    """`bars` counts full ones, without `pickup` (in quarters); `at_once` leaves drums out. `made_by` is what a file
    of ours says of how to make it again, and `again` the words of the command that does, where it can be told."""

    path: str
    bytes: int
    tracks: tuple[TrackInfo, ...]
    notes: int
    at_once: int
    bars: int
    pickup: float
    quarters: float
    seconds: float
    meters: tuple[Since, ...]
    tempos: Tempos | None
    key: KeyEstimate | None
    key_signatures: tuple[Since, ...]
    markers: tuple[str, ...]
    made_by: dict[str, Any] | None
    again: tuple[str, ...] | None
    encodings: tuple[Encoded, ...]
    model: Taken | None


def hear(path: AnyPath, model: str | Path | None = None) -> Music:
    """What the piece in a file is, and, where a model is named, how its vocabulary takes it.

    Raises:
        ScoreError: the file cannot be read.
        BundleError: the model cannot.
    """
    bundle = None if model is None else bundles.read(bundles.find(model))
    encoding = None if bundle is None else bundle.encoding()
    score = reading.read(path)
    end = max(int(n.end) for track in score.tracks for n in track.notes)
    bars = Bars(meters_of(score, 1))
    made_by = _made_by(score)
    count = bars.number(end - 1)
    return Music(
        path=str(path),
        bytes=Path(path).stat().st_size,
        tracks=tuple(_track(track) for track in score.tracks),
        notes=score.note_num(),
        at_once=_at_once([t.notes.numpy() for t in score.tracks if len(t.notes) and not t.is_drum]),
        bars=count,
        pickup=bars.pickup / TICKS_PER_QUARTER,
        quarters=end / TICKS_PER_QUARTER,
        seconds=float(seconds_at(score, np.array([end]))[0]),
        meters=tuple(Since(bars.number(tick), f"{n}/{d}") for tick, n, d in meters_of(score, 1)),
        tempos=_tempos(score),
        key=key_of(score),
        key_signatures=_signatures(score, bars),
        markers=tuple(plain_name(m.text) for m in score.markers if not m.text.startswith(PREFIX)),
        made_by=made_by,
        again=None if made_by is None else _again(made_by, [t.name for t in score.tracks]),
        encodings=tuple(_encoded(score, kind, max(count, 1)) for kind in ENCODINGS.values()),
        model=None if bundle is None or encoding is None else _taken(score, bundle, encoding),
    )


def _track(track: Any) -> TrackInfo:
    notes = track.notes.numpy()
    there = len(track.notes) > 0
    instrument = "Drums" if track.is_drum else NAMES[track.program]
    low, high = (pitch_name(int(f(notes["pitch"]))) if there else None for f in (np.min, np.max))
    name = plain_name(track.name)
    return TrackInfo(name, track.program, instrument, track.is_drum, len(track.notes), low, high, _at_once([notes]))


def _at_once(tracks: list[Any]) -> int:
    """How many notes sound together at most; one that ends where another begins does not count as together."""
    if not sum(len(t["time"]) for t in tracks):
        return 0
    begins = np.concatenate([t["time"] for t in tracks])
    ends = np.concatenate([t["time"] + np.maximum(t["duration"], 1) for t in tracks])
    ticks = np.concatenate([begins, ends])
    change = np.repeat([1, -1], len(begins))
    return int(np.cumsum(change[np.lexsort((change, ticks))]).max())


def _tempos(score: Score) -> Tempos | None:
    found = [round(float(t.qpm), 2) for t in sorted(score.tempos, key=lambda t: t.time)]
    changes = sum(a != b for a, b in zip(found, found[1:]))
    return Tempos(tempo_of(score), min(found), max(found), changes) if found else None


def key_of(score: Score) -> KeyEstimate | None:
    """The key that the whole piece is in, by estimate."""
    weights = np.zeros(12)
    for track in score.tracks:
        if not track.is_drum:
            notes = track.notes.numpy()
            np.add.at(weights, notes["pitch"] % 12, notes["duration"])
    key = keys.estimate(weights)
    return None if key is None else KeyEstimate(key.name, round(key.score, 3))


def _signatures(score: Score, bars: Bars) -> tuple[Since, ...]:
    """One after the other, without those that change nothing."""
    found: list[Since] = []
    for signature in sorted(score.key_signatures, key=lambda s: s.time):
        name = keys.of_signature(signature.key, bool(signature.tonality))
        if not found or found[-1].name != name:
            found.append(Since(bars.number(signature.time), name))
    return tuple(found)


def _made_by(score: Score) -> dict[str, Any] | None:
    """What our comment says; None where there is none, or one that is not ours."""
    try:
        found = json.loads(comment_of(score) or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("options"), dict):
        return None
    kinds = {"version": str, "model": str, "bundle": str, "seed": int, "prime": str, "soundfont": str}
    options = {k: v for k, v in found["options"].items() if isinstance(v, int | float) or k == "programs"}
    programs = options.pop("programs", None)
    if isinstance(programs, list) and all(p is None or isinstance(p, int) for p in programs):
        options["programs"] = programs
    return {k: found[k] for k, kind in kinds.items() if isinstance(found.get(k), kind)} | {"options": options}


_NUMBERS = ("bars", "temperature", "top_p", "tempo", "prime_bars")
_FLAGS = {("keep_prime", False): "--no-prime", ("plain", True): "--plain", ("rules", False): "--no-rules"}
PRIME = "THE-SAME-FILE"


def _again(made_by: dict[str, Any], tracks: list[str]) -> tuple[str, ...] | None:
    """The words of the command that composes the piece again."""
    if not {"model", "seed"} <= set(made_by):
        return None
    options = made_by["options"]
    words = ["playbach", "compose", made_by["model"], "--seed", str(made_by["seed"])]
    for name in _NUMBERS:
        if name in options:
            words += [f"--{name.replace('_', '-')}", f"{options[name]}"]
    words += ["--prime", PRIME] if "prime" in made_by else []
    words += [word for (name, value), word in _FLAGS.items() if options.get(name) is value]
    for track, program in zip(tracks, options.get("programs", [])):
        if program is not None:
            words += ["--instrument", f"{track}={program}"]
    return tuple(words)


def _encoded(score: Score, kind: type[Encoding], bars: int) -> Encoded:
    problem = kind.rejection_reason(score)
    if problem is not None:
        return Encoded(kind.name, problem)
    try:
        encoding = kind.fit([score])
        sequence = encoding.encode(score)
    except ScoreError as error:
        return Encoded(kind.name, str(error))
    first = tuple(
        tuple(symbol_label(field, int(symbol)) for field, symbol in zip(encoding.fields, step))
        for step in sequence.steps[:FIRST_STEPS]
    )
    names = tuple(field.name for field in encoding.fields)
    return Encoded(kind.name, None, len(sequence), round(len(sequence) / bars, 2), names, first)


def _taken(score: Score, bundle: bundles.Bundle, encoding: Encoding) -> Taken:
    try:
        sequence = encoding.encode(score)
    except ScoreError as error:
        return Taken(bundle.name, str(error))
    return Taken(bundle.name, None, len(sequence), _unknown(sequence, encoding), _side(score, bundle))


def _unknown(sequence: EncodedPiece, encoding: Encoding) -> float:
    columns = zip(sequence.steps.T, encoding.unknowns(), strict=True)
    unknown = np.logical_or.reduce([np.isin(steps, unknowns) for steps, unknowns in columns])
    return float(unknown.mean())


def _side(score: Score, bundle: bundles.Bundle) -> str | None:
    """On which side of the split the very piece stood, whatever its name."""
    entry = known_pieces(bundle.manifest).get(digest(score))
    return str(entry[0]) if entry else None
