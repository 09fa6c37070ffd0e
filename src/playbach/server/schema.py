"""Reads and writes messages as JSON, by the annotations of their dataclasses.

An annotation says what a key holds: `str`, `int`, `float`, `bool`; `X | None`; `tuple[X, ...]`, a list; a NamedTuple,
a list with fixed entries; or a dataclass, an object. `Annotated` adds Within, AtMost, OneOf or SpreadKeys. Knows no
message: those of the radio are in protocol.py. Uses no library, since those that check JSON (such as msgspec) word
errors for programmers, not for listeners.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sized
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeGuard, TypeVar, Union, get_args, get_origin, get_type_hints

from playbach.system.errors import PlaybachError

Message = TypeVar("Message")


class MessageRejected(PlaybachError):
    """A client's message is invalid; the client is sent the reason."""


@dataclass(frozen=True, slots=True)
class Within:
    """Limits a number, inclusively."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AtMost:
    """Limits the characters of a text, or the entries of a list."""

    count: int


@dataclass(frozen=True, slots=True)
class OneOf:
    """Limits a text to these names."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpreadKeys:
    """Marks a mapping whose entries are keys of the message itself."""

    keys: tuple[MessageKey, ...]


@dataclass(frozen=True, slots=True)
class TextShape:
    """A text of at most so many characters."""

    most: int | None


@dataclass(frozen=True, slots=True)
class NameShape:
    """One of these texts."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberShape:
    """A number, or a whole number, within a range."""

    whole: bool
    within: Within | None


@dataclass(frozen=True, slots=True)
class FlagShape:
    """True or false."""


@dataclass(frozen=True, slots=True)
class NullableShape:
    """Null, or something else."""

    inner: NonNullShape


@dataclass(frozen=True, slots=True)
class ListShape:
    """A list of at most so many entries."""

    entry: KeyShape
    most: int | None


@dataclass(frozen=True, slots=True)
class RowShape:
    """A list with the fixed entries of a NamedTuple."""

    kind: type[Any]


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """An object with the keys of a dataclass."""

    kind: type[Any]


NonNullShape = TextShape | NameShape | NumberShape | FlagShape | ListShape | RowShape | ObjectShape
KeyShape = NonNullShape | NullableShape


class Presence(Enum):
    """What stands for the default of a key that has none."""

    REQUIRED = "the message must have the key"
    OPTIONAL = "a key that is left out is left out of the mapping, too"


@dataclass(frozen=True, slots=True)
class MessageKey:
    """One key of an object, or one entry of a row."""

    name: str
    shape: KeyShape
    default: object
    """The value if the key is left out, or a Presence."""
    meaning: str = ""

    @property
    def is_optional(self) -> bool:
        return self.default is not Presence.REQUIRED

    @property
    def has_default(self) -> bool:
        return not isinstance(self.default, Presence)


class _FieldKeys(NamedTuple):
    """A field of a class, and its keys in JSON: one, or any number if it is spread."""

    name: str
    keys: tuple[MessageKey, ...]
    is_spread: bool


def keys_of(kind: type[Any]) -> tuple[MessageKey, ...]:
    """The keys of a dataclass, or the entries of a NamedTuple, in their order."""
    return tuple(key for field in _fields_of(kind) for key in field.keys)


def _fields_of(kind: type[Any]) -> tuple[_FieldKeys, ...]:
    if kind not in _FIELDS:
        _FIELDS[kind] = _read_fields(kind)
    return _FIELDS[kind]


_FIELDS: dict[type[Any], tuple[_FieldKeys, ...]] = {}
"""The fields of the classes that were read, since it takes long to read annotations."""


def _read_fields(kind: type[Any]) -> tuple[_FieldKeys, ...]:
    hints = get_type_hints(kind, include_extras=True)
    if is_dataclass(kind):
        defaults = {field.name: field.default for field in fields(kind)}
    else:
        defaults = {name: kind._field_defaults.get(name, MISSING) for name in kind._fields}
    return tuple(_field_keys(name, hints[name], default) for name, default in defaults.items())


def _field_keys(name: str, annotation: Any, default: object) -> _FieldKeys:
    spread = next((mark for mark in get_args(annotation)[1:] if isinstance(mark, SpreadKeys)), None)
    if spread is not None:
        return _FieldKeys(name, spread.keys, True)
    shape = shape_of(annotation)
    if default is MISSING:
        return _FieldKeys(name, (MessageKey(name, shape, Presence.REQUIRED),), False)
    if isinstance(shape, NullableShape):  # null means the same as leaving the key out
        shape = shape.inner
    return _FieldKeys(name, (MessageKey(name, shape, default),), False)


def shape_of(annotation: Any) -> KeyShape:
    """What an annotation allows. Raises TypeError if it is none of those that a message may have."""
    marks: tuple[object, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *others = get_args(annotation)
        marks = tuple(others)
    names = next((mark.names for mark in marks if isinstance(mark, OneOf)), None)
    most = next((mark.count for mark in marks if isinstance(mark, AtMost)), None)
    arguments = get_args(annotation)
    if annotation is str:
        return TextShape(most) if names is None else NameShape(names)
    if annotation is bool:
        return FlagShape()
    if annotation in (int, float):
        return NumberShape(annotation is int, next((mark for mark in marks if isinstance(mark, Within)), None))
    if get_origin(annotation) in (Union, UnionType) and len(arguments) == 2 and arguments[1] is NoneType:
        inner = shape_of(arguments[0])
        return inner if isinstance(inner, NullableShape) else NullableShape(inner)
    if get_origin(annotation) is tuple and arguments[1:] == (...,):
        return ListShape(shape_of(arguments[0]), most)
    if is_dataclass(annotation) and isinstance(annotation, type):
        return ObjectShape(annotation)
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        return RowShape(annotation)
    raise TypeError(f"a message cannot hold {annotation!r}")


def read(kind: type[Message], values: Mapping[str, object], where: str = "") -> Message:
    """The message of this kind that has these values in JSON, without `type`.

    If the message has keys with defaults, null means the same as leaving a key out.
    `where` follows the name of a key in an error, such as ` in an entry of notes`.

    Raises:
        MessageRejected: a key is unknown or missing, or its value has another type or is out of range.
    """
    null_means_absent = any(key.has_default for key in keys_of(kind))
    rest = {name: value for name, value in values.items() if value is not None or not null_means_absent}
    arguments: dict[str, object] = {}
    for field in _fields_of(kind):
        found = {key.name: _take(key, rest, where) for key in field.keys}
        if field.is_spread:
            arguments[field.name] = {k: value for k, value in found.items() if value is not Presence.OPTIONAL}
        else:
            arguments |= found
    if rest:
        raise MessageRejected(f"unknown key {ascii(min(rest))[:40]}{where}")
    return kind(**arguments)


def _take(key: MessageKey, rest: dict[str, object], where: str) -> object:
    """Remove a key and return its value, or else its default."""
    if key.name in rest:
        return read_value(key.shape, rest.pop(key.name), f"{key.name}{where}")
    if key.default is Presence.REQUIRED:
        raise MessageRejected(f"{key.name}{where} is missing")
    return key.default


def read_value(shape: KeyShape, value: object, name: str) -> object:
    """The value, with rows and objects as their classes, and lists as tuples.

    Raises:
        MessageRejected: the value has another type or is out of range.
    """
    if isinstance(shape, NullableShape):
        return None if value is None else read_value(shape.inner, value, name)
    match shape:
        case TextShape(most) if isinstance(value, str) and _is_short(value, most):
            return value
        case NameShape(names) if isinstance(value, str) and value in names:
            return value
        case FlagShape() if isinstance(value, bool):
            return value
        case NumberShape(whole, within) if _is_number(value, whole):
            if within is None or within.low <= value <= within.high:
                return value
            low, high = within.low, within.high
            raise MessageRejected(f"{name} must be between {low:.16g} and {high:.16g}, not {value!r:.40}")
        case ListShape(entry, most) if isinstance(value, list) and _is_short(value, most):
            return tuple(read_value(entry, item, f"an entry of {name}") for item in value)
        case RowShape(kind) if isinstance(value, list) and len(value) == len(keys_of(kind)):
            return kind(*(read_value(k.shape, v, f"{k.name} in {name}") for k, v in zip(keys_of(kind), value)))
        case ObjectShape(kind) if isinstance(value, dict):
            return read(kind, value, f" in {name}")
    raise MessageRejected(f"{name} must be {_expected(shape)}")


def _is_number(value: object, whole: bool) -> TypeGuard[float]:
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool)


def _is_short(value: Sized, most: int | None) -> bool:
    return most is None or len(value) <= most


def _expected(shape: NonNullShape) -> str:
    match shape:
        case TextShape(most):
            return "a text" if most is None else f"a text of at most {most} characters"
        case NameShape(names):
            return f"one of {', '.join(names)}"
        case NumberShape(whole):
            return "a whole number" if whole else "a number"
        case FlagShape():
            return "true or false"
        case ListShape(_, most):
            return "a list" if most is None else f"a list of at most {most} entries"
        case RowShape(kind):
            return f"[{', '.join(key.name for key in keys_of(kind))}]"
        case ObjectShape():
            return "an object"


def write(message: object) -> str:
    """The message as JSON: its `type` if its class has one, then its keys in their order."""
    return json.dumps(message, default=_as_object, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _as_object(message: object) -> dict[str, object]:
    kind = type(message)
    values: dict[str, object] = {"type": kind.type} if hasattr(kind, "type") else {}
    for field in _fields_of(kind):
        value = getattr(message, field.name)
        values |= value if field.is_spread else {field.name: value}
    return values
