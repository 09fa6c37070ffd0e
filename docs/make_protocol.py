"""Writes what follows from the radio's protocol (src/playbach/server/protocol.py): the page's types and checks in
web/src/protocol, sample messages for its tests, and the tables in docs/radio-protocol.md. The types and the tables of
the listening test follow from src/playbach/server/blind_test_protocol.py in the same way. Also writes the defaults
that the page's engine shares with the package, in web/src/engine.

    python docs/make_protocol.py [--check]
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from playbach.inference.generation import MAX_ENDINGS_TRIED
from playbach.inference.sampling import MAX_ALTERNATIVES
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.performance import PerformanceOptions
from playbach.server import blind_test_protocol, protocol
from playbach.server.messages import CLIENT_MESSAGES
from playbach.server.schema import (
    FlagShape,
    KeyShape,
    ListShape,
    NameShape,
    NullableShape,
    NumberShape,
    ObjectShape,
    RowShape,
    TextShape,
    Within,
    keys_of,
)
from playbach.streaming.programme import CACHED_BARS
from playbach.streaming.session import Pacing
from playbach.streaming.settings import LASTING_PARAMETERS, PARAMETERS
from playbach.streaming.stream import CADENCE_BARS

ROOT = Path(__file__).resolve().parent.parent
SERVER_MESSAGES: dict[str, type[Any]] = {kind.type: kind for kind in get_args(protocol.ServerMessage)}
DEFAULTS_NOTICE = (
    "Made by docs/make_protocol.py from the modules that are named here: change those, and run the script"
)
DUET_MESSAGES: tuple[type[Any], ...] = (
    *get_args(protocol.DUET_CLIENT_MESSAGES),
    *get_args(protocol.DUET_SERVER_MESSAGES),
)
ANSWERS: tuple[type[Any], ...] = (protocol.Tune, protocol.HarmoniseInfo, protocol.Setting)
"""What the page checks besides the messages of a stream."""
NOTICE = "Made by docs/make_protocol.py from src/playbach/server/protocol.py: change that, and run the script"


# What the texts in protocol.py say.


def key_texts(kind: type[Any]) -> dict[str, str]:
    """The text below each key of a class, as a sentence."""
    [body] = [node.body for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef)]
    texts = {key.name: sentence(key.meaning) for key in keys_of(kind) if key.meaning}
    for field, text in zip(body, body[1:]):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            assert isinstance(text.value, ast.Constant)
            texts[field.target.id] = str(text.value.value)
    for key in keys_of(kind):
        if key.has_default and key.default not in (None, (), ""):
            default = key.default if isinstance(key.default, str) else json.dumps(key.default)
            texts[key.name] = f"{texts[key.name].rstrip('.')}; default: {default}."
    return texts


def class_text(kind: type[Any]) -> str:
    return " ".join(str(kind.__doc__).split())


def sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def fragment(text: str) -> str:
    return f"{text[0].lower()}{text[1:]}".rstrip(".")


# The classes that the messages consist of.


def inner_kinds(shape: KeyShape) -> Iterator[type[Any]]:
    """The classes of a value, each after those that it consists of."""
    match shape:
        case NullableShape(inner) | ListShape(inner):
            yield from inner_kinds(inner)
        case RowShape(kind) | ObjectShape(kind):
            yield from kinds_in(kind)


def kinds_in(kind: type[Any]) -> Iterator[type[Any]]:
    for key in keys_of(kind):
        yield from inner_kinds(key.shape)
    yield kind


def all_kinds(roots: Iterable[type[Any]]) -> list[type[Any]]:
    return list(dict.fromkeys(kind for root in roots for kind in kinds_in(root)))


def is_row(kind: type[Any]) -> bool:
    return issubclass(kind, tuple)


# web/src/protocol/messages.ts


def messages_ts() -> str:
    lines = [
        "/* The messages between the server and this page, as types (docs/radio-protocol.md).",
        f"   {NOTICE}. */",
        "",
        *constants_ts(),
    ]
    written: set[type[Any]] = set()
    for union, roots in (("ServerMessage", SERVER_MESSAGES), ("ClientMessage", CLIENT_MESSAGES)):
        for kind in all_kinds(roots.values()):
            lines += [] if kind in written else ["", *type_ts(kind)]
            written.add(kind)
        lines += ["", f"export type {union} = {' | '.join(kind.__name__ for kind in roots.values())};"]
    for kind in all_kinds([*protocol.HTTP_MESSAGES, *DUET_MESSAGES]):
        lines += [] if kind in written else ["", *type_ts(kind)]
        written.add(kind)
    return "\n".join(lines) + "\n"


def constants_ts() -> Iterator[str]:
    yield "/** The parameters of the music, and those whose values last, in later pieces too. */"
    yield f"export const PARAMETERS = {list_ts(PARAMETERS)} as const;"
    yield f"export const LASTING_PARAMETERS = {list_ts(LASTING_PARAMETERS)} as const;"
    yield "export type Parameter = (typeof PARAMETERS)[number];"
    yield "export type LastingParameter = (typeof LASTING_PARAMETERS)[number];"
    yield ""
    yield "/** What the server accepts: the range of a number, or the most characters or entries. */"
    yield "export const LIMITS = {"
    for name, limit in limits().items():
        yield f"  {name}: {limit_ts(limit)},"
    yield "} as const;"
    yield f"export const DEFAULT_BARS = {protocol.DEFAULT_BARS};"
    yield "/** The name of the engine in the page, among the runtimes of a model. */"
    yield f'export const WEB_RUNTIME = "{protocol.WEB_RUNTIME}";'


def limit_ts(limit: Within | int) -> str:
    return f"[{limit.low:.16g}, {limit.high:_.16g}]" if isinstance(limit, Within) else str(limit)


def limits() -> dict[str, Within | int]:
    """The limits of a client's messages, by key, and of the parameters."""
    found: dict[str, Within | int] = {}
    for kind in all_kinds(CLIENT_MESSAGES.values()):
        for key in keys_of(kind):
            match key.shape:
                case NumberShape(within=Within() as limit) | NullableShape(NumberShape(within=Within() as limit)):
                    assert found.setdefault(key.name, limit) == limit, key.name
                case TextShape(int(most)) | ListShape(most=int(most)):
                    found[key.name] = most
    return found | {name: Within(parameter.low, parameter.high) for name, parameter in PARAMETERS.items()}


def type_ts(kind: type[Any]) -> Iterator[str]:
    yield f"/** {class_text(kind)} */"
    if is_row(kind):
        entries = ", ".join(f"{key.name}: {shape_ts(key.shape)}" for key in keys_of(kind))
        yield f"export type {kind.__name__} = readonly [{entries}];"
        return
    texts = key_texts(kind)
    yield f"export interface {kind.__name__} {{"
    if hasattr(kind, "type"):
        yield f'  readonly type: "{kind.type}";'
    for key in keys_of(kind):
        if key.name in texts:
            yield f"  /** {texts[key.name]} */"
        yield f"  readonly {key.name}{'?' * key.is_optional}: {shape_ts(key.shape)};"
    yield "}"


def shape_ts(shape: KeyShape) -> str:
    match shape:
        case TextShape():
            return "string"
        case NameShape(names):
            return "Parameter" if names == tuple(PARAMETERS) else " | ".join(f'"{name}"' for name in names)
        case NumberShape():
            return "number"
        case FlagShape():
            return "boolean"
        case NullableShape(value):
            return f"{shape_ts(value)} | null"
        case ListShape(entry):
            inner = shape_ts(entry)
            return f"readonly ({inner})[]" if " " in inner else f"readonly {inner}[]"
        case RowShape(kind) | ObjectShape(kind):
            return str(kind.__name__)


def list_ts(names: Iterable[str]) -> str:
    return f"[{', '.join(json.dumps(name) for name in names)}]"


# web/src/protocol/blind-test.ts


def blind_test_ts() -> str:
    """The types of the listening test, and checks of the server's messages."""
    kinds = {name: kind for name, kind in own_kinds(blind_test_protocol).items() if kind not in BLIND_TEST_REQUESTS}
    body: list[str] = []
    for kind in all_kinds(kinds.values()):
        body += ["", f"const {variable(kind)} = {composite_check(kind)};"]
    used = [name for name in CHECKS if re.search(rf"\b{name}\b(?!:)", "\n".join(body))]
    lines = [
        "/* The messages of the listening test, as types, and checks of the server's ones. Unknown keys are allowed.",
        f"   {BLIND_TEST_NOTICE}. */",
        "",
        f'import {{ {", ".join(used)} }} from "./checks";',
        "",
        f"export const SKILLS = {list_ts(blind_test_protocol.SKILLS)} as const;",
        f"export const MAX_SURENESS = {blind_test_protocol.MAX_SURENESS};",
    ]
    for kind in all_kinds([*BLIND_TEST_REQUESTS, *kinds.values()]):
        lines += ["", *type_ts(kind)]
    lines += [*body, "", f"export {{ {', '.join(variable(kind) for kind in kinds.values())} }};"]
    return "\n".join(lines) + "\n"


BLIND_TEST_NOTICE = NOTICE.replace("server/protocol.py", "server/blind_test_protocol.py")
BLIND_TEST_REQUESTS = [getattr(blind_test_protocol, name) for name in ("BeginTest", "ContinueTest", "AnswerPair")]


def own_kinds(module: ModuleType) -> dict[str, type[Any]]:
    """The classes that a module defines."""
    return {k.__name__: k for k in vars(module).values() if isinstance(k, type) and k.__module__ == module.__name__}


# web/src/protocol/message-checks.ts


def checks_ts() -> str:
    duet = {kind.type: kind for kind in get_args(protocol.DUET_SERVER_MESSAGES)}
    whole = [*SERVER_MESSAGES.values(), *duet.values(), *ANSWERS]
    parts = [kind for kind in all_kinds(whole) if kind not in whole]
    body: list[str] = []
    for kind in parts:
        body += [f"const {variable(kind)} = {composite_check(kind)};", ""]
    body.append("/** Checks the values of each message of the server, by its type. */")
    body.append('export const MESSAGE_CHECKS: Record<ServerMessage["type"], Check> = {')
    body += [f"  {name}: {composite_check(kind, '  ')}," for name, kind in SERVER_MESSAGES.items()]
    body += ["};", "", "/** Checks the messages of a duet. */", "export const DUET_CHECKS: Record<string, Check> = {"]
    body += [f"  {name}: {composite_check(kind, '  ')}," for name, kind in duet.items()]
    body += ["};", "", "/** Checks the answers of other addresses. */", "export const ANSWER_CHECKS = {"]
    body += [f"  {variable(kind)}: {composite_check(kind, '  ')}," for kind in ANSWERS]
    body += ["};"]
    text = "\n".join(body)
    used = [name for name in CHECKS if re.search(rf"\b{name}\b(?!:)", text)]
    return "\n".join(
        [
            "/* What each message of the server consists of. Unknown keys are allowed.",
            f"   {NOTICE}. */",
            "",
            f'import {{ {", ".join(used)}, type Check }} from "./checks";',
            'import { PARAMETERS, type ServerMessage } from "./messages";',
            "",
            text,
            "",
        ]
    )


CHECKS = ("flag", "list", "number", "object", "oneOf", "orNull", "row", "text", "wholeNumber")
"""What web/src/protocol/checks.ts offers."""


def composite_check(kind: type[Any], indent: str = "") -> str:
    if is_row(kind):
        return f"row({', '.join(check_ts(key.shape) for key in keys_of(kind))})"
    keys = "".join(f"{indent}  {key.name}: {check_ts(key.shape)},\n" for key in keys_of(kind))
    return f"object({{\n{keys}{indent}}})"


def check_ts(shape: KeyShape) -> str:
    match shape:
        case TextShape():
            return "text"
        case NameShape(names):
            return "oneOf(PARAMETERS)" if names == tuple(PARAMETERS) else f"oneOf({list_ts(names)})"
        case NumberShape(whole):
            return "wholeNumber" if whole else "number"
        case FlagShape():
            return "flag"
        case NullableShape(inner):
            return f"orNull({check_ts(inner)})"
        case ListShape(entry):
            return f"list({check_ts(entry)})"
        case RowShape(kind) | ObjectShape(kind):
            return variable(kind)


def variable(kind: type[Any]) -> str:
    return f"{kind.__name__[0].lower()}{kind.__name__[1:]}"


# web/test/protocol/samples.json


ValuePath = tuple[str | int, ...]
"""The keys and indices that lead to a value in a message."""


def samples_json() -> str:
    """For each message of the server an example, and changes after which it is still valid, or is invalid.

    A change is a path and a new value; without a value, the key is removed.
    """
    blocks = []
    for name, kind in SERVER_MESSAGES.items():
        example = {"type": name, **example_of(ObjectShape(kind))}
        accepted = [json.dumps(change) for change in valid_changes(ObjectShape(kind), ())]
        rejected = [json.dumps(change) for change in invalid_changes(ObjectShape(kind), ())]
        blocks.append(
            f'  {{\n    "example": {json.dumps(example)},\n    "accepted": {lines_json(accepted)},\n'
            f'    "rejected": {lines_json(rejected)}\n  }}'
        )
    return "[\n" + ",\n".join(blocks) + "\n]\n"


def lines_json(entries: list[str]) -> str:
    return "[" + ",".join(f"\n      {entry}" for entry in entries) + "\n    ]" if entries else "[]"


def example_of(shape: KeyShape) -> Any:
    match shape:
        case TextShape():
            return "Bach"
        case NameShape(names):
            return names[0]
        case NumberShape(whole, within):
            low = within.low if within else 1.5
            return int(low) if whole else low
        case FlagShape():
            return True
        case NullableShape(inner):
            return example_of(inner)
        case ListShape(entry):
            return [example_of(entry)]
        case RowShape(kind):
            return [example_of(key.shape) for key in keys_of(kind)]
        case ObjectShape(kind):
            return {key.name: example_of(key.shape) for key in keys_of(kind)}


def valid_changes(shape: KeyShape, path: ValuePath) -> Iterator[tuple[Any, ...]]:
    """Other values that a message may have, each in its place."""
    match shape:
        case TextShape():
            yield path, ""
            yield path, "von & mit „Böhm“ \U0001f3b9"
        case NameShape(names):
            yield from ((path, name) for name in names[1:])
        case NumberShape(whole, within):
            high = within.high if within else -12.25
            yield path, int(high) if whole else high
        case FlagShape():
            yield path, False
        case NullableShape(inner):
            yield path, None
            yield from valid_changes(inner, path)
        case ListShape(entry):
            yield path, []
            yield path, [example_of(entry)] * 2
            yield from valid_changes(entry, (*path, 0))
        case RowShape(kind):
            for index, key in enumerate(keys_of(kind)):
                yield from valid_changes(key.shape, (*path, index))
        case ObjectShape(kind):
            for key in keys_of(kind):
                yield from valid_changes(key.shape, (*path, key.name))
            yield (*path, "unknown"), 5


def invalid_changes(shape: KeyShape, path: ValuePath) -> Iterator[tuple[Any, ...]]:
    """Values that a message may not have, each in its place."""
    if path and not isinstance(shape, NullableShape):
        yield path, None
    match shape:
        case TextShape():
            yield path, 5
        case NameShape():
            yield path, "unknown"
        case NumberShape(whole):
            yield path, "5"
            yield path, True
            if whole:
                yield path, 0.5
        case FlagShape():
            yield path, 1
        case NullableShape(inner):
            yield from (change for change in invalid_changes(inner, path) if change != (path, None))
        case ListShape(entry):
            yield path, {}
            yield from invalid_changes(entry, (*path, 0))
        case RowShape(kind):
            yield path, example_of(shape)[1:]
            yield path, [*example_of(shape), 0]
            for index, key in enumerate(keys_of(kind)):
                yield from invalid_changes(key.shape, (*path, index))
        case ObjectShape(kind):
            if path:
                yield path, []
            for key in keys_of(kind):
                yield ((*path, key.name),)
                yield from invalid_changes(key.shape, (*path, key.name))


# docs/radio-protocol.md and docs/listening-test.md


# web/src/engine/defaults.ts


def defaults_ts() -> str:
    """What the engine in the page does by the same numbers as the package."""
    groups = {
        "PERFORMANCE": (PerformanceOptions, "How music is performed (src/playbach/music/performance.py)."),
        "PACING": (Pacing, "When bars are sent and changes take effect (src/playbach/streaming/session.py)."),
    }
    numbers = {
        "TICKS_PER_QUARTER": TICKS_PER_QUARTER,
        "CADENCE_BARS": CADENCE_BARS,
        "CACHED_BARS": CACHED_BARS,
        "MAX_ENDINGS_TRIED": MAX_ENDINGS_TRIED,
        "MAX_ALTERNATIVES": MAX_ALTERNATIVES,
    }
    lines = ["/* Numbers that the package and the page share.", f"   {DEFAULTS_NOTICE}. */"]
    for name, (kind, text) in groups.items():
        lines += ["", f"/** {text} */", f"export const {name} = {{"]
        lines += [f"  {camel(key)}: {value}," for key, value in asdict(kind()).items()]
        lines += ["} as const;"]
    lines += ["", *(f"export const {name} = {value};" for name, value in numbers.items())]
    return "\n".join(lines) + "\n"


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


PAGE = ROOT / "docs" / "radio-protocol.md"
BLIND_TEST_PAGE = ROOT / "docs" / "listening-test.md"
TABLES = re.compile(r"(<!-- tables: ([\w ]+) -->).*?(<!-- end of tables -->)", re.S)
"""What stands between the two comments is made by this script: the tables of the named classes."""


def page() -> str:
    return with_tables(PAGE, protocol)


def blind_test_page() -> str:
    return with_tables(BLIND_TEST_PAGE, blind_test_protocol)


def with_tables(path: Path, module: ModuleType) -> str:
    roots = [kind for kind in own_kinds(module).values() if is_dataclass(kind)]
    kinds = {kind.__name__: kind for kind in all_kinds(roots)}

    def tables(match: re.Match[str]) -> str:
        lines = [line for name in match[2].split() for line in table(kinds[name])]
        return "\n".join([match[1], "", *lines, match[3]])

    return TABLES.sub(tables, path.read_text("utf-8"))


def table(kind: type[Any]) -> Iterator[str]:
    texts = key_texts(kind)
    name = f"`{kind.type}`" if hasattr(kind, "type") else kind.__name__
    row = f", `[{', '.join(key.name for key in keys_of(kind))}]`" if is_row(kind) else ""
    yield f"**{name}**{row}: {fragment(class_text(kind))}."
    yield ""
    if keys_of(kind):
        yield "| key | type | meaning |"
        yield "|---|---|---|"
        for key in keys_of(kind):
            mark = "?" if key.is_optional else ""
            meaning = fragment(texts[key.name]) if key.name in texts else ""
            yield f"| `{key.name}`{mark} | {shape_md(key.shape)} | {meaning} |"
        yield ""


def shape_md(shape: KeyShape) -> str:
    match shape:
        case TextShape(most):
            return "string" if most is None else f"string of at most {most} characters"
        case NameShape(names):
            return " or ".join(f"`{name}`" for name in names)
        case NumberShape(whole, within):
            kind = "int" if whole else "number"
            return kind if within is None else f"{kind}, {within.low:,.16g} to {within.high:,.16g}"
        case FlagShape():
            return "boolean"
        case NullableShape(inner):
            return f"{shape_md(inner)}, or null"
        case ListShape(entry, most):
            return f"list of {'' if most is None else f'at most {most} '}{shape_md(entry)}"
        case RowShape(kind) | ObjectShape(kind):
            return str(kind.__name__)


FILES: dict[Path, Callable[[], str]] = {
    ROOT / "web/src/protocol/messages.ts": messages_ts,
    ROOT / "web/src/protocol/message-checks.ts": checks_ts,
    ROOT / "web/test/protocol/samples.json": samples_json,
    ROOT / "web/src/engine/defaults.ts": defaults_ts,
    PAGE: page,
    ROOT / "web/src/protocol/blind-test.ts": blind_test_ts,
    BLIND_TEST_PAGE: blind_test_page,
}
"""What each file holds."""


def outdated() -> list[str]:
    """The files that are not current."""
    return [
        path.relative_to(ROOT).as_posix()
        for path, text in FILES.items()
        if not path.exists() or path.read_text("utf-8") != text()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Write what follows from the radio's protocol.")
    parser.add_argument("--check", action="store_true", help="only check that the files are current")
    if not parser.parse_args().check:
        for path, text in FILES.items():
            path.write_text(text(), "utf-8", newline="\n")
        return 0
    for name in outdated():
        print(f"{name} is not current: run python docs/make_protocol.py", file=sys.stderr)
    return bool(outdated())


if __name__ == "__main__":
    sys.exit(main())
