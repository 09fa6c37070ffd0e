"""Machines by the memory that they have for a model."""

from __future__ import annotations

from dataclasses import dataclass

from playbach.system.errors import UsageError

KB = 1024
CODE_BYTES = 12 * KB
"""Flash for the engine's code, the compiler's own library, and seed passages."""
SPARE_RAM_BYTES = 6 * KB
"""RAM for the music's state, the stack and a little else."""


@dataclass(frozen=True, slots=True)
class MachineProfile:
    """A kind of machine."""

    name: str
    """The value of `--profile`."""
    flash: int | None
    """Flash in bytes; None for no limit."""
    ram: int | None
    """RAM in bytes; None for no limit."""
    description: str
    """One phrase, for the export's README."""


MACHINE_PROFILES: dict[str, MachineProfile] = {
    p.name: p
    for p in (
        MachineProfile("any", None, None, "no limit"),
        MachineProfile("cortex-m4", 256 * KB, 64 * KB, "a Cortex-M4 with 256 kB of flash and 64 kB of RAM"),
        MachineProfile("rp2040", 2048 * KB, 264 * KB, "a Raspberry Pi Pico: 2 MB of flash and 264 kB of RAM"),
        MachineProfile("esp32", 1024 * KB, 160 * KB, "an ESP32: 1 MB for a program, 160 kB of contiguous RAM"),
    )
}
"""By name."""


def find_profile(name: str) -> MachineProfile:
    """Raises UsageError if no profile has this name."""
    if name not in MACHINE_PROFILES:
        raise UsageError(f"no profile called {name!r:.40}; the profiles are: {', '.join(MACHINE_PROFILES)}")
    return MACHINE_PROFILES[name]


def demand_fit(model: str, flash: int, ram: int, machine: MachineProfile) -> None:
    """Raises UsageError if a model that needs this many bytes in all is too large for a machine."""
    for needed, limit, kind in ((flash, machine.flash, "flash"), (ram, machine.ram, "RAM")):
        if limit is not None and needed > limit:
            raise UsageError(
                f"{model} needs {kilobytes(needed)} of {kind}, but {machine.name} has {kilobytes(limit)}; "
                "train a smaller model (--hidden, --layers, --embedding; for cnn --image and --channels) "
                "or choose --profile any"
            )


def kilobytes(size: int) -> str:
    """Bytes as `1,420 kB`, rounded up."""
    return f"{-(-size // KB):,} kB"
