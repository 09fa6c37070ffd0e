"""Music as the page's `notate` takes it: bars with the notes that begin in them, and voices."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from playbach.music.bars import meters_of, span_of
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.notation.model import Sheet
from playbach.music.notation.sheet import bars_of


def plain(score: Any, sheet: Sheet) -> dict[str, Any]:
    """The bars, voices and key of a score, as JSON."""
    span = span_of(score)
    assert span is not None
    bars = bars_of(meters_of(score, TICKS_PER_QUARTER // 32), span[1])
    begins = [bar.begin for bar in bars]
    notes: list[list[dict[str, int]]] = [[] for _ in bars]
    for voice, track in enumerate(score.tracks):
        for note in track.notes:
            row = {"voice": voice, "pitch": note.pitch, "velocity": note.velocity, "tick": note.time, "ticks": note.duration}
            notes[max(0, bisect_right(begins, note.time) - 1)].append(row)
    tempos: list[list[tuple[int, int, float]]] = [[] for _ in bars]
    for tempo in score.tempos:
        tempos[max(0, bisect_right(begins, tempo.time) - 1)].append((tempo.time, 0, tempo.qpm))
    key = sheet.measures[0].key
    assert key is not None
    return {
        "bars": [
            {
                "bar": bar.number,
                "tick": bar.begin,
                "ticks": bar.end - bar.begin,
                "meter": bar.meter,
                "tempos": own_tempos,
                "notes": own,
            }
            for bar, own, own_tempos in zip(bars, notes, tempos)
        ],
        "voices": [{"name": t.name, "program": t.program, "drums": t.is_drum} for t in score.tracks],
        "key": {"fifths": key.fifths, "minor": key.mode == "minor"},
    }
