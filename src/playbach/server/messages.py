"""What server and player say to each other, as docs/radio-protocol.md has it: texts to checked values, and bars to
texts.

Knows neither sockets nor sessions. What a client says is refused wherever it says more, or other, than it may.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from playbach.encodings import Field, symbol_label
from playbach.music.events import Choice, Track
from playbach.streaming import KnobChange, Opening, Settings, Timed, TimedBar, check_knob
from playbach.system.errors import PlaybachError, UsageError

MOST_BYTES = 16_384
MOST_CHANGES = 200
MOST_NAME = 200
BARS = Settings(0).bars


class Refused(PlaybachError):
    """A message that is none; the client is told why."""


@dataclass(frozen=True, slots=True)
class StartOwn:
    """`seed` None: the server draws one; `model` and `runtime` None: the first."""

    model: str | None
    runtime: str | None
    seed: int | None
    bars: int
    temperature: float | None
    tempo: float | None
    changes: tuple[KnobChange, ...]
    piece: int
    bar: int

    def settings(self, seed: int) -> Settings:
        return Settings(seed if self.seed is None else self.seed, self.bars, self.temperature, self.tempo)


@dataclass(frozen=True, slots=True)
class Join:
    """Listen to the station."""


@dataclass(frozen=True, slots=True)
class Set:
    """Turn these knobs; None is the model's or the piece's own."""

    knobs: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class Next:
    """End this piece soon."""


Said = StartOwn | Join | Set | Next


def parse(text: str) -> Said:
    """Raises Refused where this is no message."""
    message = _object(text)
    kind = message.pop("type", None)
    kinds: dict[str, Callable[[dict[str, Any]], Said]] = {"start": _start, "join": _join, "set": _set, "next": _next}
    if not isinstance(kind, str) or kind not in kinds:
        raise Refused(f"type must be one of {', '.join(kinds)}")
    try:
        return kinds[kind](message)
    except UsageError as error:
        raise Refused(str(error)) from error


def _object(text: str) -> dict[str, Any]:
    def no_number(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    if len(text) > MOST_BYTES:
        raise Refused(f"a message has at most {MOST_BYTES} bytes")
    try:
        message = json.loads(text, parse_constant=no_number, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Refused("a message must be JSON") from error
    if not isinstance(message, dict):
        raise Refused("a message must be a JSON object")
    return message


def _start(message: dict[str, Any]) -> StartOwn:
    given = {name: value for name, value in message.items() if value is not None}
    bars = _whole(given, "bars")
    start = StartOwn(
        _name(given, "model"),
        _name(given, "runtime"),
        _whole(given, "seed"),
        BARS if bars is None else bars,
        _number(given, "temperature"),
        _number(given, "tempo"),
        _changes(given.pop("changes", [])),
        _whole(given, "piece") or 0,
        _whole(given, "bar") or 0,
    )
    _no_more(given)
    start.settings(0)
    KnobChange(start.piece, start.bar, "tempo", None)  # its place is one
    return start


def _join(message: dict[str, Any]) -> Join:
    _no_more(message)
    return Join()


def _set(message: dict[str, Any]) -> Set:
    knobs = tuple((name, message.pop(name)) for name in ("temperature", "tempo") if name in message)
    _no_more(message)
    if not knobs:
        raise Refused("set needs a temperature or a tempo")
    for name, value in knobs:
        check_knob(name, value)
    return Set(knobs)


def _next(message: dict[str, Any]) -> Next:
    _no_more(message)
    return Next()


def _no_more(message: dict[str, Any]) -> None:
    if message:
        raise Refused(f"unknown key {ascii(min(message))[:40]}")


def _name(given: dict[str, Any], key: str) -> str | None:
    value = given.pop(key, None)
    if value is not None and not (isinstance(value, str) and len(value) <= MOST_NAME):
        raise Refused(f"{key} must be a name")
    return value


def _whole(given: dict[str, Any], key: str) -> int | None:
    value = given.pop(key, None)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise Refused(f"{key} must be a whole number")
    return value


def _number(given: dict[str, Any], key: str) -> float | None:
    value = given.pop(key, None)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise Refused(f"{key} must be a number")
    return value


def _changes(value: Any) -> tuple[KnobChange, ...]:
    if not isinstance(value, list) or len(value) > MOST_CHANGES:
        raise Refused(f"changes must be a list of at most {MOST_CHANGES}")
    changes = []
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 4 or not isinstance(entry[2], str):
            raise Refused("a change must be [piece, bar, knob, value]")
        if any(isinstance(number, bool) for number in entry):
            raise Refused("a change must be [piece, bar, knob, value]")
        changes.append(KnobChange(*entry))
    if changes != sorted(changes, key=lambda change: (change.piece, change.bar)):
        raise Refused("changes must be in the order of their bars")
    return tuple(changes)


def stream_message(
    kind: str, model: str, bundle: str, runtime: str, settings: Settings, changes: Sequence[KnobChange], piece: int,
    ahead: float, fields: Sequence[Field],
) -> str:  # fmt: skip
    return _text(
        type="stream", kind=kind, model=model, bundle=bundle, runtime=runtime, seed=settings.seed, bars=settings.bars,
        temperature=settings.temperature, tempo=settings.tempo, changes=[_listed(c) for c in changes], piece=piece,
        ahead=ahead, fields=[field.name for field in fields],
    )  # fmt: skip


def piece_message(opening: Opening, at: float) -> str:
    voices = [voice(track) for track in opening.tracks]
    return _text(
        type="piece", piece=opening.piece, seed=opening.seed, bars=opening.bars, at=_ms(at), tempo=opening.tempo,
        voices=voices, velocities=opening.velocities,
    )  # fmt: skip


def voice(track: Track) -> dict[str, Any]:
    """A piece's voice, as pieces and models tell of it."""
    return {"name": track.name, "program": track.program, "drums": track.drums}


def bar_message(timed: TimedBar, fields: Sequence[Field]) -> str:
    """Without its end: `dated` adds when it is sent."""
    bar = timed.bar
    piece, number = bar.place
    return _text(
        type="bar", piece=piece, bar=number, at=_ms(timed.at), seconds=_ms(timed.seconds), tick=bar.tick,
        ticks=bar.ticks, meter=[bar.meter.numerator, bar.meter.denominator], last=bar.last,
        tempos=[[tick, _ms(at), round(qpm, 2)] for tick, at, qpm in timed.tempos], temperature=timed.temperature,
        notes=[_note(t) | {"chosen": _chosen(t.note.choices, fields)} for t in timed.notes],
        held=[{k: v for k, v in _note(t).items() if k != "velocity"} for t in timed.held],
    )  # fmt: skip


def dated(bar: str, now: float) -> str:
    """A bar's message as it is sent now."""
    return f'{bar[:-1]},"now":{_ms(now)}}}'


def end_message(timed: TimedBar) -> str:
    at, following = timed.at + timed.seconds, timed.following
    return _text(type="end", piece=timed.place[0], at=_ms(at), next=_ms(following))


def change_message(change: KnobChange) -> str:
    return _text(type="change", change=_listed(change))


def error_message(reason: str) -> str:
    return _text(type="error", reason=reason)


def _listed(change: KnobChange) -> list[Any]:
    return [change.piece, change.bar, change.knob, change.value]


def _note(timed: Timed) -> dict[str, Any]:
    note = timed.note
    return {
        "voice": note.track, "pitch": note.pitch, "velocity": note.velocity, "tick": note.tick,
        "ticks": note.duration, "at": _ms(timed.at), "seconds": _ms(timed.seconds),
    }  # fmt: skip


def _chosen(choices: Sequence[Choice], fields: Sequence[Field]) -> list[Any]:
    return [
        [
            symbol_label(field, c.symbol),
            round(c.probability, 4),
            [[symbol_label(field, s), round(p, 4)] for s, p in c.others],
        ]
        for c, field in zip(choices, fields)
    ]


def _ms(seconds: float) -> float:
    return round(seconds, 3)


def _text(**message: Any) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
