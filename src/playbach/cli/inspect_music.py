"""The description of a music file that `playbach inspect` prints."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from playbach.cli.common import LINE_WIDTH, format_bytes, format_labels, format_percent, format_table

if TYPE_CHECKING:
    from playbach.inspection import MusicInfo
    from playbach.inspection.music import EncodingInfo, FromBar, TrackInfo, VocabularyCheck

SHOWN_TRACKS, SHOWN_ITEMS = 24, 8
"""The number of entries shown of a long list."""
TRACK_NAME_WIDTH = 26
"""A longer name of a track is truncated."""


def format_music(music: MusicInfo) -> list[str]:
    minutes, seconds = divmod(round(music.seconds), 60)
    bars = f"{music.bars:,} bar{'s' * (music.bars != 1)}"
    pickup = f" after a pickup of {_quarters(music.pickup)}" if music.pickup else ""
    markers = [text for text in music.markers if any(map(str.isalnum, text))]
    lines = [f"{music.path}: music, {format_bytes(music.bytes)}", ""]
    lines += format_labels(
        [
            ("length", f"{bars}{pickup}, {_quarters(music.quarters)}, {minutes}:{seconds:02}"),
            ("key", _key(music)),
            ("meter", _changing(music.meters[1 if music.pickup else 0 :])),
            ("tempo", _tempo(music)),
            ("notes", f"{music.notes:,}, {_at_once(music.at_once)}"),
            ("pedal", _pedal(music)),
            ("ornaments", ornaments_text(music.ornaments, music.plain_ornaments)),
            ("markers", "; ".join(markers[:SHOWN_ITEMS]) + _more(len(markers) - SHOWN_ITEMS)),
            ("made by", _made_by(music.made_by)),
        ]
    )
    if music.again is not None:
        lines += ["", "To compose it again, with the same version and model", f"  {shlex.join(music.again)}"]
    if music.remarks:
        lines += ["", "Remarks", *(line for text in music.remarks for line in indented(text))]
    lines += ["", "Tracks", *_tracks(music.tracks), "", "Encodings", *_encodings(music.encodings)]
    return lines + (["", *wrap(_coverage(music.model), LINE_WIDTH)] if music.model is not None else [])


def _quarters(quarters: float) -> str:
    return f"{quarters:,.2f}".rstrip("0").rstrip(".") + f" quarter{'s' * (quarters != 1)}"


def _key(music: MusicInfo) -> str:
    estimate = "cannot be estimated"
    if music.key is not None:
        estimate = f"{music.key.name}, estimated (correlation {music.key.correlation:.2f})"
    signatures = _changing(music.key_signatures)
    return f"{estimate}; key signature: {signatures}" if signatures else f"{estimate}; no key signature"


def _changing(found: tuple[FromBar, ...]) -> str:
    """Successive values, each with the bar where it begins."""
    words = [f"{s.name} from bar {s.bar}" if i else s.name for i, s in enumerate(found[:SHOWN_ITEMS])]
    return ", ".join(words) + _more(len(found) - SHOWN_ITEMS)


def _more(count: int) -> str:
    return f" … and {count:,} more" if count > 0 else ""


def _tempo(music: MusicInfo) -> str:
    tempos = music.tempos
    if tempos is None:
        return "none, which MIDI plays at 120 quarter notes per minute"
    between = f", between {tempos.slowest:g} and {tempos.fastest:g}" if tempos.changes else ""
    changes = f", {tempos.changes:,} change{'s' * (tempos.changes != 1)}" if tempos.changes else ""
    return f"{tempos.main:g} quarter notes per minute{between}{changes}"


def _pedal(music: MusicInfo) -> str:
    if not music.pedal_presses:
        return ""
    presses = f"{music.pedal_presses:,} press{'es' * (music.pedal_presses != 1)}"
    if music.pedal == "keep":
        return f"{presses}; notes sound until it lifts"
    return f"{presses}, ignored: notes have their written lengths"


def ornaments_text(ornaments: Mapping[str, int], plain: bool) -> str:
    """The number of ornaments of each kind, and what becomes of them; nothing without ornaments."""
    if not ornaments:
        return ""
    kinds = ", ".join(f"{n:,} {kind}{'s' * (n != 1)}" for kind, n in ornaments.items())
    return f"{kinds}; {'left out, or played as plain notes' if plain else 'played out'}"


def indented(text: str) -> list[str]:
    """The lines of a text, each a little to the right."""
    return wrap(text, LINE_WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


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
        for t in shown[:SHOWN_TRACKS]
    ]
    lines = [f"  {line}" for line in format_table(rows, right={2})]
    lines += [f"  … and {len(shown) - SHOWN_TRACKS:,} more"] if len(shown) > SHOWN_TRACKS else []
    return lines + ([f"  and {silent:,} without notes"] if silent else [])


def _track_name(name: str) -> str:
    if not any(map(str.isalnum, name)):  # "--------" is common
        return "(no name)"
    return name if len(name) <= TRACK_NAME_WIDTH else f"{name[: TRACK_NAME_WIDTH - 1]}…"


def _encodings(encodings: tuple[EncodingInfo, ...]) -> list[str]:
    rows = []
    for found in encodings:
        if found.problem is not None:
            rows.append((found.encoding, f"not possible: {found.problem}"))
            continue
        first = "  ".join(":".join(step) for step in found.first)
        fields = f" of {' and '.join(found.fields)}" if len(found.fields) > 1 else ""
        rows.append((found.encoding, f"{found.steps:,} steps{fields}, {found.steps_per_bar:g} per bar; the first:"))
        rows.append(("", first))
        rows += [("", remark) for remark in found.remarks]
    return format_labels(rows, indent=2)


def _coverage(check: VocabularyCheck) -> str:
    if check.problem is not None:
        return f"The model {check.model} cannot encode it: {check.problem}"
    known = (
        "knows all of its symbols"
        if not check.unknown
        else f"does not know {format_percent(check.unknown)} of its symbols"
    )
    side = {
        "train": "; this piece is in its training set",
        "valid": "; this piece is in its validation set",
        "test": "; this piece is in its test set",
    }.get(check.side or "", "; this piece is not in its corpus")
    return f"The model {check.model} {known} ({check.steps:,} steps){side}."
