"""The options of exporting. Cheap to import, so that `--help` is fast."""

from __future__ import annotations

from dataclasses import dataclass

from playbach.export.formats import ALL, FORMATS
from playbach.export.profiles import MACHINE_PROFILES
from playbach.system.errors import UsageError
from playbach.system.options import check_options, listed, option

FORMAT_CHOICES = (*FORMATS, ALL)
MIN_STEPS = 200
"""The smallest number of steps that an export is calibrated on and checked with."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to export, and how to check it."""

    formats: tuple[str, ...] = option(
        f"{listed(FORMAT_CHOICES)}; repeatable",
        default=(ALL,),
        default_text="all that suit the model",
        flag="--format",
    )
    profile: str = option("machine that the C code must fit: {choices}", default="any", choices=MACHINE_PROFILES)
    steps: int = option("minimum number of steps to check, {range}", default=2000, low=MIN_STEPS, high=10_000_000)

    def __post_init__(self) -> None:
        if not self.formats:
            raise UsageError(f"no format given; the formats are: {', '.join(FORMAT_CHOICES)}")
        for name in self.formats:
            if name not in FORMAT_CHOICES:
                raise UsageError(f"format must be {listed(FORMAT_CHOICES)}, not {name!r:.40}")
        check_options(self)
        if self.profile != "any" and not {"c", ALL} & set(self.formats):
            raise UsageError(
                f"the profile {self.profile} applies only to the format c; leave it out, or add --format c"
            )
