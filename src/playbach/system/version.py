"""The version, in one place that costs nothing to import, and the versions of others."""

from __future__ import annotations

from collections.abc import Iterable

__version__ = "0.2.0"


def installed(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
