"""A name has one meaning: no two public classes or constants of the package have the same name."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import playbach

SOURCE = Path(playbach.__file__).parent
SHARED = ("COMMAND",)
"""Each command's module has one."""


def names_of(path: Path) -> Iterator[str]:
    """The public classes and constants that a module defines."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))


def test_no_class_or_constant_stands_twice() -> None:
    modules: dict[str, list[str]] = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        for name in set(names_of(path)):
            modules[name].append(str(path.relative_to(SOURCE)))
    twice = {name: found for name, found in modules.items() if len(found) > 1 and name not in SHARED}
    assert not {name: found for name, found in twice.items() if not name.startswith("_")}


def test_the_standard_librarys_sequence_keeps_its_name() -> None:
    for path in SOURCE.rglob("*.py"):
        assert "Sequence" not in names_of(path), path


def test_what_a_module_offers_is_there() -> None:
    for path in sorted(SOURCE.rglob("*.py")):
        if "__all__" not in set(names_of(path)):
            continue
        name = ".".join(("playbach", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:  # it needs an extra that is not installed
            continue
        assert [n for n in module.__all__ if not hasattr(module, n)] == [], name
