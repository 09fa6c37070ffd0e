"""What listeners of a listening test answered: the shares that were right, with 95 % intervals.

Claim: listeners cannot tell the first bars of the model's pieces from held-out ones. Half of the answers are right by
guessing. The file is that of `playbach serve --listening-test PAIRS --answers FILE`. docs/listening-test.md says how
to read the table. Answers of one listener are alike, so the interval over listeners is the one to quote; the interval
that takes all answers for independent (Wilson's) stands beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from random import Random

from _bench import Table, fail, parser, percentile, print_report

SKILLS = {
    "none": "listens",
    "plays": "plays or sings",
    "studied": "has studied music",
    "professional": "is a professional",
}
SURENESS = {1: "a guess", 2: "fairly sure", 3: "certain", None: "not said"}
RESAMPLES = 10_000
NORMAL = 1.959964
"""The quantile of the normal distribution for 95 %."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    listener: int
    pair: str
    right: bool
    sure: int | None


@dataclass(frozen=True, slots=True)
class Listener:
    """One session."""

    skill: str
    complete: bool
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """How many answers were right, with 95 % intervals."""

    listeners: int
    answers: int
    right: int
    wilson: tuple[float, float]
    clustered: tuple[float, float] | None
    """By the bootstrap over listeners; None with fewer than two, or if each has one answer."""


def read_listeners(paths: Iterable[Path]) -> list[Listener]:
    """The sessions of these files. Lines that are broken off are left out, as a machine that stops leaves them."""
    listeners: list[Listener] = []
    for path in paths:
        for line in path.read_text("utf-8").splitlines():
            try:
                listeners.append(_listener(json.loads(line), len(listeners)))
            except (ValueError, LookupError, TypeError):
                continue
    return listeners


def _listener(record: dict[str, object], number: int) -> Listener:
    answers = record["answers"]
    if record["skill"] not in SKILLS or not isinstance(answers, list):
        raise ValueError("not a session")
    return Listener(
        str(record["skill"]),
        bool(record["complete"]),
        tuple(
            Answer(number, f"{a['pair']}: {a['piece']}, seed {a['seed']}", a["chosen"] == a["real"], a["sure"])
            for a in answers
        ),
    )


def wilson(right: int, answers: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if not answers:
        return 0.0, 1.0
    share, square = right / answers, NORMAL**2
    middle = share + square / (2 * answers)
    half = NORMAL * sqrt(share * (1 - share) / answers + square / (4 * answers**2))
    return (middle - half) / (1 + square / answers), (middle + half) / (1 + square / answers)


def clustered(
    groups: Sequence[Sequence[bool]], rng: Random, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """The 95 % interval of the share that is right, by drawing listeners with replacement."""
    if len(groups) < 2 or all(len(group) == 1 for group in groups):
        return None
    sums = [(sum(group), len(group)) for group in groups]
    shares = []
    for _ in range(resamples):
        drawn = rng.choices(sums, k=len(sums))
        shares.append(sum(right for right, _ in drawn) / sum(count for _, count in drawn))
    return percentile(shares, 0.025), percentile(shares, 0.975)


def share_of(answers: Sequence[Answer], rng: Random, resamples: int = RESAMPLES) -> Share:
    by_listener: dict[int, list[bool]] = {}
    for answer in answers:
        by_listener.setdefault(answer.listener, []).append(answer.right)
    right = sum(answer.right for answer in answers)
    intervals = clustered(list(by_listener.values()), rng, resamples)
    return Share(len(by_listener), len(answers), right, wilson(right, len(answers)), intervals)


def shares_by(
    answers: Sequence[Answer], key: Callable[[Answer], str], names: Iterable[str], rng: Random
) -> dict[str, Share]:
    """The share of each group that has answers, in the order of the names."""
    groups = {name: [answer for answer in answers if key(answer) == name] for name in names}
    return {name: share_of(group, rng) for name, group in groups.items() if group}


def rows(title: str, shares: dict[str, Share]) -> Iterator[tuple[str, ...]]:
    yield (title, *[""] * 5)
    for name, share in shares.items():
        yield (f"  {name}", *_cells(share))


def _cells(share: Share) -> Iterator[str]:
    yield str(share.listeners)
    yield str(share.answers)
    yield f"{share.right / share.answers:.1%}"
    yield "–" if share.clustered is None else _interval(share.clustered)
    yield _interval(share.wilson)


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("answers", nargs="+", type=Path, metavar="FILE", help="file of answers")
    options.add_argument("--complete", action="store_true", help="leave out sessions that ended before the last pair")
    options.add_argument("--seed", type=int, default=1, metavar="N", help="of the bootstrap (default: %(default)s)")
    arguments = options.parse_args()
    try:
        everyone = read_listeners(arguments.answers)
    except (OSError, UnicodeDecodeError) as error:
        fail(f"the answers cannot be read: {error}")
    listeners = [listener for listener in everyone if listener.answers]
    if arguments.complete:
        listeners = [listener for listener in listeners if listener.complete]
    answers = [answer for listener in listeners for answer in listener.answers]
    if not answers:
        fail("these files have no answers of a listening test")
    rng = Random(arguments.seed)
    skills = {a.listener: SKILLS[listener.skill] for listener in listeners for a in listener.answers}
    by_skill = {
        **shares_by(answers, lambda a: skills[a.listener], SKILLS.values(), rng),
        "all": share_of(answers, rng),
    }
    by_sureness = shares_by(answers, lambda a: SURENESS[a.sure], SURENESS.values(), rng)
    pairs = sorted({answer.pair for answer in answers}, key=lambda pair: (int(pair.split(":")[0]), pair))
    by_pair = shares_by(answers, lambda a: a.pair, pairs, rng)
    unfinished = sum(not listener.complete for listener in listeners)
    shown = Table(
        ("", "listeners", "answers", "right", "95 % over listeners", "95 % over answers"),
        (*rows("who listens", by_skill), *rows("how sure", by_sureness), *rows("which pair", by_pair)),
        (
            f"{len(listeners)} sessions, {unfinished} of them ended before the last pair; 50 % are right by guessing",
            f"Over listeners: {RESAMPLES:,} bootstrap samples of listeners; over answers: Wilson's interval",
        ),
    )
    data = {"who": by_skill, "sureness": by_sureness, "pairs": by_pair}
    print_report("Bach or not? What listeners answered", shown, data, (), arguments.json)


if __name__ == "__main__":
    main()
