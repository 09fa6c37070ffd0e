"""An entry of a registry: what is known of an encoding, an architecture or an output before its code is imported.

A registry is a dict of entries by name. It is cheap to import, so that `--help` can list what there is and which
options it has; the code behind an entry is imported when it is needed. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

from playbach.system.errors import MissingExtra

T = TypeVar("T")
E = TypeVar("E", bound="Entry[Any]")


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of an entry that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[T]):
    """An entry; each registry may add facts of its own."""

    name: str
    """The key of the entry, which users write."""
    description: str
    """One phrase, for `--help` and the documentation."""
    code: str | T
    """Where the code is, such as `playbach.models.lstm:Lstm`; or the object itself."""
    options: type[Any] = NoOptions
    """The dataclass of its options (see `system.options`)."""
    extra: str | None = None
    """The extra that installs what the code imports; None if that is always there."""

    def load(self) -> T:
        """Import the code.

        Raises:
            MissingExtra: a module that `extra` installs is missing.
        """
        if not isinstance(self.code, str):
            return self.code
        module, _, name = self.code.partition(":")
        try:
            return cast(T, getattr(import_module(module), name))
        except ModuleNotFoundError as error:
            if self.extra is None or str(error.name).startswith("playbach"):
                raise
            raise MissingExtra(self.name, self.extra, str(error.name)) from error


def by_name(*entries: E) -> dict[str, E]:
    """A registry of these entries, in this order."""
    return {entry.name: entry for entry in entries}
