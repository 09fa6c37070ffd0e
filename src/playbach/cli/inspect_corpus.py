"""What `playbach inspect` says of a corpus, in words. Knows surveys; runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from playbach.cli.common import percent, sheet

if TYPE_CHECKING:
    from playbach.inspection import Survey
    from playbach.inspection.corpus import Share, Spread

FEW, FAULTS = 6, 8
"""Of a long list, so many are shown."""


def lines_of(survey: Survey) -> Iterator[str]:
    read = survey.pieces + survey.damaged
    yield f"{survey.name}: a corpus, {read:,} file{'s' * (read != 1)}"
    yield ""
    sounding, notes = survey.sounding, sum(survey.pitches)
    velocities = [(v, n) for v, n in enumerate(survey.velocities) if n]
    yield from sheet(
        [
            ("folder", survey.path),
            ("pieces", _pieces(survey)),
            ("length", _length(survey)),
            ("a piece", f"{_spread(survey.lengths, 'notes')}; {_tracks(survey)}"),
            ("keys", f"{_named(survey.keys, survey.pieces)} (by estimate)"),
            ("meters", _named(survey.meters, survey.pieces)
             + (f"; {survey.changing:,} of {survey.pieces:,} change it" if survey.changing else "")),
            ("tempos", _spread(survey.tempos, "quarters a minute")),
            ("instruments", _named(survey.instruments, survey.notes)),
            ("pitches", _pitches(sounding, notes)),
            ("durations", _most_and_least(survey.durations, notes)),
            ("velocities", _velocities(velocities, survey.notes)),
            ("encoding", f"{survey.encoding} suits it; {_suits(survey)}"),
        ]
    )  # fmt: skip
    if survey.damaged:
        yield ""
        yield "Cannot be read"
        yield from (f"  {fault}" for fault in survey.faults[:FAULTS])
        if survey.damaged > FAULTS:
            yield f"  … and {survey.damaged - FAULTS:,} more (--json names more)"


def _pieces(survey: Survey) -> str:
    damaged = f", {survey.damaged:,} file{'s' * (survey.damaged != 1)} cannot be read" if survey.damaged else ""
    repeated = f", {survey.repeated:,} with the very notes of another" if survey.repeated else ""
    return f"{survey.pieces:,}{repeated}{damaged}"


def _length(survey: Survey) -> str:
    minutes, seconds = divmod(round(survey.seconds), 60)
    hours, minutes = divmod(minutes, 60)
    time = f"{hours:,}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{survey.notes:,} notes, {survey.bars:,} bars, {survey.quarters:,.0f} quarters, {time}"


def _spread(spread: Spread, unit: str) -> str:
    if spread.least == spread.most:
        return f"{spread.median:,g} {unit}"
    return f"{spread.least:,g} to {spread.most:,g} {unit}, the median {spread.median:,g}"


def _named(shares: Sequence[Share], total: int) -> str:
    """The most frequent, with what share of the pieces or notes each has."""
    words = ", ".join(f"{share.name} {percent(share.count / total)}" for share in shares[:FEW])
    return words + (f" and {len(shares) - FEW} more" if len(shares) > FEW else "")


def _tracks(survey: Survey) -> str:
    """How many tracks with notes pieces have."""
    words = [f"{s.name} track{'s' * (s.name != '1')} {percent(s.count / survey.pieces)}" for s in survey.tracks[:FEW]]
    return ", ".join(words) + (f" and {len(survey.tracks) - FEW} more" if len(survey.tracks) > FEW else "")


def _pitches(sounding: Sequence[Share], notes: int) -> str:
    if not sounding:
        return "drums only"
    return f"{sounding[0].name} to {sounding[-1].name}; {_most_and_least(sounding, notes)}"


def _most_and_least(shares: Sequence[Share], notes: int) -> str:
    """Of what there is: what comes most often, and what most rarely."""
    ordered = sorted(shares, key=lambda share: -share.count)
    most = ", ".join(f"{s.name} {percent(s.count / notes)}" for s in ordered[:FEW])
    least = ", ".join(f"{s.name} ({s.count:,})" for s in ordered[FEW:][-3:][::-1])
    return f"mostly {most}" + (f"; least often {least}" if least else "") if ordered else ""


def _velocities(found: Sequence[tuple[int, int]], notes: int) -> str:
    if len(found) == 1:
        return f"{found[0][0]} for every note: no dynamics"
    commonest, count = max(found, key=lambda item: item[1])
    rarest, times = min(found, key=lambda item: item[1])
    return (
        f"{found[0][0]} to {found[-1][0]}, {len(found)} different; mostly {commonest} ({percent(count / notes)}), "
        f"least often {rarest} ({times:,})"
    )


def _suits(survey: Survey) -> str:
    return ", ".join(f"{share.name} can hold {share.count:,}" for share in survey.suits) + " of the pieces"
