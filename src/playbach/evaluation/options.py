"""The options of evaluating, of listening tests and of benchmarking. Cheap to import, so that `--help` is fast."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from playbach.evaluation.listening_pairs import MAX_EXCERPT_BARS, MAX_PAIRS
from playbach.inference.options import MAX_BARS, MAX_PIECE_SEED, ComposeOptions
from playbach.music.options import ReadingOptions
from playbach.system.errors import UsageError
from playbach.system.options import check_options, given, option, options_of

UNSEEN = "unseen"
GROUPS = (UNSEEN, "test", "valid", "train")
"""From the most to the least trustworthy figures: nothing in a model can depend on unseen pieces."""
DEFAULT_PLACES = 100
_HELP = {described.name: described.option.help for described in options_of(ReadingOptions)}
_AS_TRAINED = "as in training"


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What to evaluate."""

    side: str | None = option(
        "only pieces of this side of the split: {choices}; use valid to choose between models",
        default=None,
        choices=GROUPS,
        metavar="SIDE",
        default_text="all",
    )
    samples: int | None = option(
        "compose N pieces with seeds 0 to N - 1 and compare them with the corpus", default=None, low=1
    )
    bars: int = option("bars of each sample", default=ComposeOptions().bars, low=1, high=MAX_BARS)
    no_rules: bool = option("also compose the samples without style rules", default=False)
    continuations: int | None = option(
        f"continue pieces from N places per group, and measure how often the continuation equals the piece "
        f"({DEFAULT_PLACES} without N)",
        default=None,
        low=1,
        const=DEFAULT_PLACES,
    )
    pedal: Literal["keep", "ignore"] | None = option(_HELP["pedal"], default=None, default_text=_AS_TRAINED)
    plain_ornaments: bool | None = option(_HELP["plain_ornaments"], default=None, default_text=_AS_TRAINED)
    meter: str | None = option(_HELP["meter"], default=None, default_text=_AS_TRAINED, metavar="N/D")

    def __post_init__(self) -> None:
        check_options(self)
        self.reading(ReadingOptions())

    def reading(self, trained: ReadingOptions) -> ReadingOptions:
        """How files are read: as for training, but for what these options say."""
        return replace(trained, **given(ReadingOptions, asdict(self)))


@dataclass(frozen=True, slots=True)
class ListeningTestOptions:
    """Which pairs a listening test has."""

    pairs: int = option("pairs of excerpts, {range}", default=10, low=1, high=MAX_PAIRS)
    bars: int = option("full bars of each excerpt, {range}", default=8, low=1, high=MAX_EXCERPT_BARS)
    seed: int | None = option(
        "draws the held-out pieces and the seeds of those composed",
        default=None,
        low=0,
        high=MAX_PIECE_SEED,
        default_text="random",
    )
    composer: str | None = option(
        "whose music the held-out pieces are, as the page asks for it",
        default=None,
        metavar="NAME",
        default_text="Bach with the built-in chorales, otherwise a person",
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.composer is not None and not (0 < len(self.composer) <= 40 and self.composer.isprintable()):
            raise UsageError("composer must be a name of 1 to 40 printable characters")


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """How to measure."""

    steps: int = option("steps to time", default=1000, low=1, high=10_000_000)
    threads: int = option("threads to compute on", default=1, low=1, high=1024)

    def __post_init__(self) -> None:
        check_options(self)
