"""Writes the options of a training as a TOML file for `playbach train --config`.

Knows TOML; knows nothing of what the options mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playbach.encodings import OPTIONS


def toml_text(options: Mapping[str, Any]) -> str:
    """The options of a bundle's provenance as TOML, without those that are None, and without the tables of unused
    encodings."""
    plain = {k: v for k, v in options.items() if v is not None and not isinstance(v, Mapping)}
    tables = {k: v for k, v in options.items() if isinstance(v, Mapping) and v}
    lines = [f"{name} = {_value(value)}" for name, value in plain.items()]
    for name, values in tables.items():
        if name in OPTIONS and name != options.get("encoding"):
            continue
        lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in str(value))
    return f'"{escaped}"'
