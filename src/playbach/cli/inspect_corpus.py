"""The description of a corpus that `playbach inspect` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from playbach.cli.common import format_labels, format_percent
from playbach.cli.inspect_music import indented, ornaments_text

if TYPE_CHECKING:
    from playbach.inspection import CorpusSurvey
    from playbach.inspection.corpus import Share, Spread

SHOWN_NAMES, SHOWN_FAULTS, SHOWN_REMARKS = 6, 8, 12
"""The number of entries shown of a long list."""


def format_corpus(survey: CorpusSurvey) -> Iterator[str]:
    files = survey.pieces + survey.damaged
    yield f"{survey.name}: a corpus, {files:,} file{'s' * (files != 1)}"
    yield ""
    pitched, notes = survey.sounding, sum(survey.pitches)
    velocities = [(v, n) for v, n in enumerate(survey.velocities) if n]
    yield from format_labels(
        [
            ("folder", survey.path),
            ("pieces", _pieces(survey)),
            ("length", _length(survey)),
            ("per piece", f"{_spread(survey.lengths, 'notes')}; {_tracks(survey)}"),
            ("keys", f"{_named(survey.keys, survey.pieces)} (estimated)"),
            (
                "meters",
                _named(survey.meters, survey.pieces)
                + (f"; {survey.changing:,} of {survey.pieces:,} change meter" if survey.changing else "")
                + _doubtful(survey),
            ),
            ("tempos", _spread(survey.tempos, "quarter notes per minute")),
            ("instruments", _named(survey.instruments, survey.notes)),
            ("pitches", _pitches(pitched, notes)),
            ("durations", _most_and_least(survey.durations, notes)),
            ("velocities", _velocities(velocities, survey.notes)),
            ("pedal", _pedal(survey)),
            ("ornaments", _ornaments(survey)),
            ("encoding", f"{survey.encoding}; {_suits(survey)}"),
        ]
    )
    if survey.remarks:
        yield ""
        yield f"Remarks on {survey.with_remarks:,} of {survey.pieces:,} pieces"
        shown = survey.remarks[:SHOWN_REMARKS]
        yield from (part for line in shown for part in indented(line))
        if len(survey.remarks) > len(shown):
            yield f"  … and {len(survey.remarks) - len(shown):,} more lines (--json has them)"
    if survey.damaged:
        yield ""
        yield "Unreadable files"
        yield from (f"  {fault}" for fault in survey.faults[:SHOWN_FAULTS])
        if survey.damaged > SHOWN_FAULTS:
            yield f"  … and {survey.damaged - SHOWN_FAULTS:,} more (--json names more)"


def _doubtful(survey: CorpusSurvey) -> str:
    doubtful = sum(share.count for share in survey.doubtful_meters)
    if not doubtful:
        return ""
    names = " or ".join(share.name for share in survey.doubtful_meters)
    return f"; a program may have made up the {names} of {doubtful:,} pieces"


def _pedal(survey: CorpusSurvey) -> str:
    if not survey.with_pedal:
        return ""
    lengths = "notes sound until it lifts" if survey.pedal == "keep" else "ignored: notes have their written lengths"
    return f"in {survey.with_pedal:,} of {survey.pieces:,} pieces; {lengths}"


def _ornaments(survey: CorpusSurvey) -> str:
    if not survey.with_ornaments:
        return ""
    told = ornaments_text({share.name: share.count for share in survey.ornaments}, survey.plain_ornaments)
    return f"in {survey.with_ornaments:,} of {survey.pieces:,} pieces: {told}"


def _pieces(survey: CorpusSurvey) -> str:
    damaged = f", {survey.damaged:,} unreadable file{'s' * (survey.damaged != 1)}" if survey.damaged else ""
    repeated = f", {survey.repeated:,} with the same notes as another" if survey.repeated else ""
    return f"{survey.pieces:,}{repeated}{damaged}"


def _length(survey: CorpusSurvey) -> str:
    minutes, seconds = divmod(round(survey.seconds), 60)
    hours, minutes = divmod(minutes, 60)
    time = f"{hours:,}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{survey.notes:,} notes, {survey.bars:,} bars, {survey.quarters:,.0f} quarters, {time}"


def _spread(spread: Spread, unit: str) -> str:
    if spread.least == spread.most:
        return f"{spread.median:,g} {unit}"
    return f"{spread.least:,g} to {spread.most:,g} {unit}, median {spread.median:,g}"


def _named(shares: Sequence[Share], total: int) -> str:
    """The most frequent names, each with its share of the pieces or notes."""
    words = ", ".join(f"{share.name} {format_percent(share.count / total)}" for share in shares[:SHOWN_NAMES])
    return words + (f" and {len(shares) - SHOWN_NAMES} more" if len(shares) > SHOWN_NAMES else "")


def _tracks(survey: CorpusSurvey) -> str:
    """The number of tracks with notes, and how many of the pieces have it."""
    words = [
        f"{s.name} track{'s' * (s.name != '1')} {format_percent(s.count / survey.pieces)}"
        for s in survey.tracks[:SHOWN_NAMES]
    ]
    return ", ".join(words) + (
        f" and {len(survey.tracks) - SHOWN_NAMES} more" if len(survey.tracks) > SHOWN_NAMES else ""
    )


def _pitches(pitched: Sequence[Share], notes: int) -> str:
    if not pitched:
        return "drums only"
    return f"{pitched[0].name} to {pitched[-1].name}; {_most_and_least(pitched, notes)}"


def _most_and_least(shares: Sequence[Share], notes: int) -> str:
    """The most and the least frequent values."""
    ordered = sorted(shares, key=lambda share: -share.count)
    most = ", ".join(f"{s.name} {format_percent(s.count / notes)}" for s in ordered[:SHOWN_NAMES])
    least = ", ".join(f"{s.name} ({s.count:,})" for s in ordered[SHOWN_NAMES:][-3:][::-1])
    return f"mostly {most}" + (f"; least often {least}" if least else "") if ordered else ""


def _velocities(velocities: Sequence[tuple[int, int]], notes: int) -> str:
    if len(velocities) == 1:
        return f"{velocities[0][0]} for every note: no dynamics"
    commonest, count = max(velocities, key=lambda item: item[1])
    rarest, times = min(velocities, key=lambda item: item[1])
    return (
        f"{velocities[0][0]} to {velocities[-1][0]}, {len(velocities)} values; mostly {commonest} "
        f"({format_percent(count / notes)}), "
        f"least often {rarest} ({times:,})"
    )


def _suits(survey: CorpusSurvey) -> str:
    return "pieces that each encoding can represent: " + ", ".join(f"{s.name} {s.count:,}" for s in survey.suits)
