"""Machines by the memory that they have for a model, and one clear line where a model is too large for one."""

from __future__ import annotations

from dataclasses import dataclass

from playbach.system.errors import UsageError

KB = 1024
CODE = 12 * KB
"""Flash for the engine's code, what it needs of the compiler's own, and seed passages."""
ROOM = 6 * KB
"""RAM for the music's state, the stack and a little else."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of machine; `flash` and `ram` in bytes, None without a limit."""

    name: str
    flash: int | None
    ram: int | None
    said: str


PROFILES: dict[str, Profile] = {
    p.name: p
    for p in (
        Profile("any", None, None, "no limit"),
        Profile("cortex-m4", 256 * KB, 64 * KB, "a Cortex-M4 with 256 kB of flash and 64 kB of RAM"),
        Profile("rp2040", 2048 * KB, 264 * KB, "a Raspberry Pi Pico: 2 MB of flash and 264 kB of RAM"),
        Profile("esp32", 1024 * KB, 160 * KB, "an ESP32: 1 MB for a program, 160 kB of RAM in one piece"),
    )
}
"""By name; what `--profile` knows."""


def profile(name: str) -> Profile:
    """Raises UsageError where there is none of this name."""
    if name not in PROFILES:
        raise UsageError(f"no profile called {name!r:.40}; there are: {', '.join(PROFILES)}")
    return PROFILES[name]


def demand_fit(model: str, flash: int, ram: int, on: Profile) -> None:
    """Raises UsageError where a model that needs so many bytes in all is too large for a machine."""
    for needed, limit, kind in ((flash, on.flash, "flash"), (ram, on.ram, "RAM")):
        if limit is not None and needed > limit:
            raise UsageError(
                f"{model} needs {kilobytes(needed)} of {kind}, and the profile {on.name} has {kilobytes(limit)}; "
                f"train it smaller (--hidden, --layers, --embedding; for cnn --image and --channels) "
                "or choose --profile any"
            )


def kilobytes(size: int) -> str:
    """1,420 kB, rounded up."""
    return f"{-(-size // KB):,} kB"
