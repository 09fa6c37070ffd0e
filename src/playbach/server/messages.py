"""Messages from text and from music: parses those of a client, and builds those of the server (protocol.py).

Knows neither sockets nor sessions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NoReturn, get_args

from playbach.encodings.fields import Field, symbol_label
from playbach.inference.composing import Composer
from playbach.music.events import Choice, Track
from playbach.server.protocol import (
    MAX_MESSAGE_BYTES,
    BarMessage,
    ChangeMessage,
    ChangeRow,
    ChoiceRow,
    ClientMessage,
    EndMessage,
    HeldNote,
    MeterRow,
    OtherRow,
    PieceMessage,
    StreamMessage,
    TempoRow,
    Voice,
    WireNote,
)
from playbach.server.schema import MessageRejected, read
from playbach.streaming.programme import PieceHeader
from playbach.streaming.settings import ProgrammeChange, ProgrammeSettings
from playbach.streaming.stream import StreamNote, TimedBar
from playbach.system.errors import UsageError

CLIENT_MESSAGES: dict[str, type[ClientMessage]] = {kind.type: kind for kind in get_args(ClientMessage)}
"""By `type`."""


def parse_message(text: str) -> ClientMessage:
    """Raises MessageRejected if the text is not a valid message."""
    message = json_object(text)
    kind = message.pop("type", None)
    if not isinstance(kind, str) or kind not in CLIENT_MESSAGES:
        raise MessageRejected(f"type must be one of {', '.join(CLIENT_MESSAGES)}")
    try:
        return read(CLIENT_MESSAGES[kind], message)
    except UsageError as error:
        raise MessageRejected(str(error)) from error


def json_object(text: str, most: int = MAX_MESSAGE_BYTES) -> dict[str, Any]:
    """Raises MessageRejected if the text is not a JSON object of at most so many characters."""

    def reject_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not allowed")

    def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key occurs twice")
        return dict(pairs)

    if len(text) > most:
        raise MessageRejected(f"a message must not exceed {most} bytes")
    try:
        message = json.loads(text, parse_constant=reject_constant, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise MessageRejected("a message must be JSON") from error
    if not isinstance(message, dict):
        raise MessageRejected("a message must be a JSON object")
    return message


def stream_message(
    kind: Literal["own", "station"],
    composer: Composer,
    settings: ProgrammeSettings,
    *,
    model: str,
    runtime: str,
    changes: tuple[ChangeRow, ...] = (),
    piece: int,
    ahead: float,
) -> StreamMessage:
    return StreamMessage(
        kind=kind,
        model=model,
        bundle=composer.bundle.sha256,
        runtime=runtime,
        seed=settings.seed,
        bars=settings.bars,
        values=settings.values,
        changes=changes,
        piece=piece,
        ahead=ahead,
        fields=tuple(field.name for field in composer.encoding.fields),
    )


def piece_message(header: PieceHeader, at: float) -> PieceMessage:
    return PieceMessage(
        piece=header.piece,
        seed=header.seed,
        bars=header.bars,
        at=_ms(at),
        tempo=header.tempo,
        voices=tuple(map(voice, header.tracks)),
        velocities=header.has_velocities,
    )


def voice(track: Track) -> Voice:
    return Voice(name=track.name, program=track.program, drums=track.drums)


def bar_message(timed: TimedBar, fields: Sequence[Field]) -> BarMessage:
    """With `now` 0, which `with_send_time` replaces. `fields` are those of the network's steps."""
    bar = timed.bar
    piece, number = bar.position
    return BarMessage(
        piece=piece,
        bar=number,
        at=_ms(timed.at),
        seconds=_ms(timed.seconds),
        tick=bar.tick,
        ticks=bar.ticks,
        meter=MeterRow(bar.meter.numerator, bar.meter.denominator),
        last=bar.is_last,
        tempos=tuple(TempoRow(tick, _ms(at), round(qpm, 2)) for tick, at, qpm in timed.tempos),
        temperature=timed.temperature,
        notes=tuple(_new_note(note, fields) for note in timed.notes),
        held=tuple(map(_held_note, timed.held)),
        now=0.0,
    )


def with_send_time(bar: str, now: float) -> str:
    """A bar's JSON with this value of `now`, its last key: the time of the stream at which it is sent."""
    return f"{bar[: bar.rindex(':') + 1]}{_ms(now)}}}"


def end_message(timed: TimedBar) -> EndMessage:
    return EndMessage(piece=timed.position[0], at=_ms(timed.at + timed.seconds), next=_ms(timed.next_at))


def change_message(change: ProgrammeChange) -> ChangeMessage:
    return ChangeMessage(change=ChangeRow(change.piece, change.bar, change.parameter, change.value))


def _new_note(timed: StreamNote, fields: Sequence[Field]) -> WireNote:
    note = timed.note
    return WireNote(
        voice=note.track,
        pitch=note.pitch,
        velocity=note.velocity,
        tick=note.tick,
        ticks=note.duration,
        at=_ms(timed.at),
        seconds=_ms(timed.seconds),
        chosen=tuple(_choice_row(choice, field) for choice, field in zip(note.choices, fields)),
    )


def _held_note(timed: StreamNote) -> HeldNote:
    note = timed.note
    return HeldNote(
        voice=note.track,
        pitch=note.pitch,
        tick=note.tick,
        ticks=note.duration,
        at=_ms(timed.at),
        seconds=_ms(timed.seconds),
    )


def _choice_row(choice: Choice, field: Field) -> ChoiceRow:
    others = tuple(OtherRow(symbol_label(field, symbol), round(p, 4)) for symbol, p in choice.others)
    return ChoiceRow(symbol_label(field, choice.symbol), round(choice.probability, 4), others)


def _ms(seconds: float) -> float:
    """Rounded to milliseconds."""
    return round(seconds, 3)
