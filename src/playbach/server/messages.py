"""The messages between server and player (docs/radio-protocol.md): parses and checks those of a client, and builds
those of the server.

Knows neither sockets nor sessions. A client's message is rejected if it has unknown keys, or values of the wrong type
or out of range.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from playbach.encodings.base import Field, symbol_label
from playbach.music.events import Choice, Track
from playbach.streaming import (
    PieceHeader,
    ProgrammeChange,
    ProgrammeSettings,
    StreamNote,
    TimedBar,
    check_parameter,
)
from playbach.system.errors import PlaybachError, UsageError

MAX_MESSAGE_BYTES = 16_384
MAX_CHANGES = 200
MAX_NAME_LENGTH = 200
DEFAULT_BARS = ProgrammeSettings(0).bars


class MessageRejected(PlaybachError):
    """A client's message is invalid; the client is sent the reason."""


@dataclass(frozen=True, slots=True)
class StartMessage:
    """Requests a private stream."""

    model: str | None
    """None: the server's first model."""
    runtime: str | None
    """None: the model's first runtime."""
    seed: int | None
    """None: the server draws one."""
    bars: int
    temperature: float | None
    tempo: float | None
    changes: tuple[ProgrammeChange, ...]
    piece: int
    bar: int

    def settings(self, seed: int) -> ProgrammeSettings:
        """The stream's settings; `seed` is used if the message has none."""
        return ProgrammeSettings(seed if self.seed is None else self.seed, self.bars, self.temperature, self.tempo)


@dataclass(frozen=True, slots=True)
class JoinMessage:
    """Requests the shared station."""


@dataclass(frozen=True, slots=True)
class SetMessage:
    """Changes parameters. None: the default of the model or of the piece."""

    values: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class NextMessage:
    """Ends this piece soon, and goes on with the next one."""


ClientMessage = StartMessage | JoinMessage | SetMessage | NextMessage


def parse_message(text: str) -> ClientMessage:
    """Raises MessageRejected if the text is not a valid message."""
    message = _json_object(text)
    kind = message.pop("type", None)
    parsers: dict[str, Callable[[dict[str, Any]], ClientMessage]] = {
        "start": _parse_start, "join": _parse_join, "set": _parse_set, "next": _parse_next
    }  # fmt: skip
    if not isinstance(kind, str) or kind not in parsers:
        raise MessageRejected(f"type must be one of {', '.join(parsers)}")
    try:
        return parsers[kind](message)
    except UsageError as error:
        raise MessageRejected(str(error)) from error


def _json_object(text: str) -> dict[str, Any]:
    def reject_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not allowed")

    def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key occurs twice")
        return dict(pairs)

    if len(text) > MAX_MESSAGE_BYTES:
        raise MessageRejected(f"a message must not exceed {MAX_MESSAGE_BYTES} bytes")
    try:
        message = json.loads(text, parse_constant=reject_constant, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise MessageRejected("a message must be JSON") from error
    if not isinstance(message, dict):
        raise MessageRejected("a message must be a JSON object")
    return message


def _parse_start(message: dict[str, Any]) -> StartMessage:
    values = {name: value for name, value in message.items() if value is not None}
    bars = _take_whole_number(values, "bars")
    start = StartMessage(
        _take_name(values, "model"),
        _take_name(values, "runtime"),
        _take_whole_number(values, "seed"),
        DEFAULT_BARS if bars is None else bars,
        _take_number(values, "temperature"),
        _take_number(values, "tempo"),
        _parse_changes(values.pop("changes", [])),
        _take_whole_number(values, "piece") or 0,
        _take_whole_number(values, "bar") or 0,
    )
    _reject_unknown_keys(values)
    start.settings(0)  # checks the settings
    ProgrammeChange(start.piece, start.bar, "tempo", None)  # checks the position
    return start


def _parse_join(message: dict[str, Any]) -> JoinMessage:
    _reject_unknown_keys(message)
    return JoinMessage()


def _parse_set(message: dict[str, Any]) -> SetMessage:
    values = tuple((name, message.pop(name)) for name in ("temperature", "tempo") if name in message)
    _reject_unknown_keys(message)
    if not values:
        raise MessageRejected("set needs a temperature or a tempo")
    for name, value in values:
        check_parameter(name, value)
    return SetMessage(values)


def _parse_next(message: dict[str, Any]) -> NextMessage:
    _reject_unknown_keys(message)
    return NextMessage()


def _reject_unknown_keys(rest: dict[str, Any]) -> None:
    """`rest` is what remains of a message after its known keys were taken."""
    if rest:
        raise MessageRejected(f"unknown key {ascii(min(rest))[:40]}")


def _take_name(values: dict[str, Any], key: str) -> str | None:
    value = values.pop(key, None)
    if value is not None and not (isinstance(value, str) and len(value) <= MAX_NAME_LENGTH):
        raise MessageRejected(f"{key} must be a name of at most {MAX_NAME_LENGTH} characters")
    return value


def _take_whole_number(values: dict[str, Any], key: str) -> int | None:
    value = values.pop(key, None)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise MessageRejected(f"{key} must be a whole number")
    return value


def _take_number(values: dict[str, Any], key: str) -> float | None:
    value = values.pop(key, None)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise MessageRejected(f"{key} must be a number")
    return value


def _parse_changes(value: Any) -> tuple[ProgrammeChange, ...]:
    if not isinstance(value, list) or len(value) > MAX_CHANGES:
        raise MessageRejected(f"changes must be a list of at most {MAX_CHANGES} changes")
    changes = []
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 4 or not isinstance(entry[2], str):
            raise MessageRejected("a change must be [piece, bar, parameter, value]")
        if any(isinstance(number, bool) for number in entry):
            raise MessageRejected("a change must be [piece, bar, parameter, value]")
        changes.append(ProgrammeChange(*entry))
    if changes != sorted(changes, key=lambda change: (change.piece, change.bar)):
        raise MessageRejected("changes must be in the order of their bars")
    return tuple(changes)


def stream_message(
    kind: str, model: str, bundle: str, runtime: str, settings: ProgrammeSettings, changes: Sequence[ProgrammeChange],
    piece: int, ahead: float, fields: Sequence[Field],
) -> str:  # fmt: skip
    return _json(
        type="stream", kind=kind, model=model, bundle=bundle, runtime=runtime, seed=settings.seed, bars=settings.bars,
        temperature=settings.temperature, tempo=settings.tempo, changes=[_change_values(c) for c in changes],
        piece=piece, ahead=ahead, fields=[field.name for field in fields],
    )  # fmt: skip


def piece_message(header: PieceHeader, at: float) -> str:
    voices = [describe_voice(track) for track in header.tracks]
    return _json(
        type="piece", piece=header.piece, seed=header.seed, bars=header.bars, at=_ms(at), tempo=header.tempo,
        voices=voices, velocities=header.has_velocities,
    )  # fmt: skip


def describe_voice(track: Track) -> dict[str, Any]:
    """A voice as it stands in `piece` messages and in `api/models`."""
    return {"name": track.name, "program": track.program, "drums": track.drums}


def bar_message(timed: TimedBar, fields: Sequence[Field]) -> str:
    """Without `now`, which `with_send_time` adds."""
    bar = timed.bar
    piece, number = bar.position
    return _json(
        type="bar", piece=piece, bar=number, at=_ms(timed.at), seconds=_ms(timed.seconds), tick=bar.tick,
        ticks=bar.ticks, meter=[bar.meter.numerator, bar.meter.denominator], last=bar.is_last,
        tempos=[[tick, _ms(at), round(qpm, 2)] for tick, at, qpm in timed.tempos], temperature=timed.temperature,
        notes=[_note_values(n) | {"chosen": _chosen_symbols(n.note.choices, fields)} for n in timed.notes],
        held=[{k: v for k, v in _note_values(n).items() if k != "velocity"} for n in timed.held],
    )  # fmt: skip


def with_send_time(bar: str, now: float) -> str:
    """A bar's message with the time of the stream at which it is sent."""
    return f'{bar[:-1]},"now":{_ms(now)}}}'


def end_message(timed: TimedBar) -> str:
    return _json(type="end", piece=timed.position[0], at=_ms(timed.at + timed.seconds), next=_ms(timed.next_at))


def change_message(change: ProgrammeChange) -> str:
    return _json(type="change", change=_change_values(change))


def error_message(reason: str) -> str:
    return _json(type="error", reason=reason)


def _change_values(change: ProgrammeChange) -> list[Any]:
    return [change.piece, change.bar, change.parameter, change.value]


def _note_values(timed: StreamNote) -> dict[str, Any]:
    note = timed.note
    return {
        "voice": note.track, "pitch": note.pitch, "velocity": note.velocity, "tick": note.tick,
        "ticks": note.duration, "at": _ms(timed.at), "seconds": _ms(timed.seconds),
    }  # fmt: skip


def _chosen_symbols(choices: Sequence[Choice], fields: Sequence[Field]) -> list[Any]:
    return [
        [
            symbol_label(field, c.symbol),
            round(c.probability, 4),
            [[symbol_label(field, s), round(p, 4)] for s, p in c.others],
        ]
        for c, field in zip(choices, fields)
    ]


def _ms(seconds: float) -> float:
    """Rounded to milliseconds."""
    return round(seconds, 3)


def _json(**message: Any) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
