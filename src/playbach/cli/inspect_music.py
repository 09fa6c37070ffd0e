"""What `playbach inspect` says of a file of music, in words. Knows what was heard in it; runs nothing."""

from __future__ import annotations

import shlex
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from playbach.cli.common import WIDTH, bytes_of, columns, percent, sheet

if TYPE_CHECKING:
    from playbach.inspection import Music
    from playbach.inspection.music import Encoded, Since, Taken, TrackInfo

TRACKS, LINES = 24, 8
"""Of a long list, so many are shown."""
NAME = 26
"""A longer name of a track is cut."""


def lines_of(music: Music) -> list[str]:
    minutes, seconds = divmod(round(music.seconds), 60)
    bars = f"{music.bars:,} bar{'s' * (music.bars != 1)}"
    pickup = f" after a pickup of {_quarters(music.pickup)}" if music.pickup else ""
    markers = [text for text in music.markers if any(map(str.isalnum, text))]
    lines = [f"{music.path}: music, {bytes_of(music.bytes)}", ""]
    lines += sheet(
        [
            ("length", f"{bars}{pickup}, {_quarters(music.quarters)}, {minutes}:{seconds:02}"),
            ("key", _key(music)),
            ("meter", _changing(music.meters[1 if music.pickup else 0 :])),
            ("tempo", _tempo(music)),
            ("notes", f"{music.notes:,}, {_at_once(music.at_once)}"),
            ("markers", "; ".join(markers[:LINES]) + _more(len(markers) - LINES)),
            ("made by", _made_by(music.made_by)),
        ]
    )
    if music.again is not None:
        lines += ["", "To make it again, with that version and that model", f"  {shlex.join(music.again)}"]
    lines += ["", "Tracks", *_tracks(music.tracks), "", "Encodings", *_encodings(music.encodings)]
    return lines + (["", *wrap(_taken(music.model), WIDTH)] if music.model is not None else [])


def _quarters(quarters: float) -> str:
    return f"{quarters:,.2f}".rstrip("0").rstrip(".") + f" quarter{'s' * (quarters != 1)}"


def _key(music: Music) -> str:
    estimate = "cannot be estimated"
    if music.key is not None:
        estimate = f"{music.key.name} by estimate (correlation {music.key.correlation:.2f})"
    said = _changing(music.key_signatures)
    return f"{estimate}; the file says {said}" if said else f"{estimate}; the file says nothing of it"


def _changing(found: tuple[Since, ...]) -> str:
    """What holds from which bar on."""
    words = [f"{s.name} from bar {s.bar}" if i else s.name for i, s in enumerate(found[:LINES])]
    return ", ".join(words) + _more(len(found) - LINES)


def _more(count: int) -> str:
    return f" … and {count:,} more" if count > 0 else ""


def _tempo(music: Music) -> str:
    tempos = music.tempos
    if tempos is None:
        return "none given, which MIDI plays at 120 quarters a minute"
    between = f", between {tempos.slowest:g} and {tempos.fastest:g}" if tempos.changes else ""
    changes = f", {tempos.changes:,} change{'s' * (tempos.changes != 1)}" if tempos.changes else ""
    return f"{tempos.main:g} quarters a minute{between}{changes}"


def _at_once(notes: int) -> str:
    return {0: "drums only", 1: "one at a time"}.get(notes, f"up to {notes:,} at once")


def _made_by(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    parts = [f"playbach {found.get('version', '(unknown)')}"]
    if "model" in found:
        parts.append(f"model {found['model']}" + (f" ({found['bundle'][:12]})" if "bundle" in found else ""))
    parts += [f"seed {found['seed']}"] if "seed" in found else []
    return ", ".join(parts)


def _tracks(tracks: tuple[TrackInfo, ...]) -> list[str]:
    shown = [t for t in tracks if t.notes]
    silent = len(tracks) - len(shown)
    rows = [
        (
            _track_name(t.name),
            t.instrument,
            f"{t.notes:,} notes",
            "" if t.drums else f"{t.lowest} to {t.highest}",
            _at_once(t.at_once),
        )
        for t in shown[:TRACKS]
    ]
    lines = [f"  {line}" for line in columns(rows, right={2})]
    lines += [f"  … and {len(shown) - TRACKS:,} more"] if len(shown) > TRACKS else []
    return lines + ([f"  and {silent:,} without notes"] if silent else [])


def _track_name(name: str) -> str:
    if not any(map(str.isalnum, name)):  # "--------" is common
        return "(no name)"
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def _encodings(encodings: tuple[Encoded, ...]) -> list[str]:
    rows = []
    for found in encodings:
        if found.problem is not None:
            rows.append((found.encoding, f"does not suit: {found.problem}"))
            continue
        first = "  ".join(":".join(step) for step in found.first)
        fields = f" of {' and '.join(found.fields)}" if len(found.fields) > 1 else ""
        rows.append((found.encoding, f"{found.steps:,} steps{fields}, {found.steps_per_bar:g} a bar; it begins"))
        rows.append(("", first))
    return sheet(rows, indent=2)


def _taken(taken: Taken) -> str:
    if taken.problem is not None:
        return f"The model {taken.model} cannot take it: {taken.problem}"
    known = (
        "knows every symbol of it" if not taken.unknown else f"does not know {percent(taken.unknown)} of its symbols"
    )
    side = {
        "train": "; it was trained on this very piece",
        "valid": "; it was validated on this very piece",
        "test": "; it was tested on this very piece",
    }.get(taken.side or "", "; this piece is not among those that it was made with")
    return f"The model {taken.model} {known} ({taken.steps:,} steps){side}."
