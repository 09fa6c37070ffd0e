"""Music as the page's `notate` takes it, and how Python writes the same music: web/test/notation/golden.

Run `python tests/helpers/plain_music.py` when what Python writes has changed on purpose.
"""

from __future__ import annotations

import json
import random
import sys
from bisect import bisect_right
from pathlib import Path
from typing import Any

import symusic

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers import sample_music
from helpers.paths import ROOT
from playbach.music.bars import meters_of, span_of
from playbach.music.events import TICKS_PER_QUARTER
from playbach.music.notation.model import Sheet
from playbach.music.notation.sheet import bars_of, notate
from playbach.music.scores import convert_resolution
from playbach.rendering.musicxml import musicxml_bytes

GOLDEN = ROOT / "web" / "test" / "notation" / "golden"
_METERS = ((1, 8), (5, 8), (7, 8), (6, 8), (3, 2), (4, 4))
_PLACES = (0, 480 // 5, 480 // 4, 480 // 3, 480 // 2, 2 * 480 // 3, 3 * 480 // 4)


def odd(seed: int) -> symusic.Score:
    """Two lines on odd places of odd meters, with a pickup."""
    rng = random.Random(seed)
    score = symusic.Score(TICKS_PER_QUARTER)
    begin = 0
    for numerator, denominator in _METERS:
        score.time_signatures.append(symusic.TimeSignature(begin, numerator, denominator))
        begin += TICKS_PER_QUARTER * 4 * numerator // denominator
    for program, low in ((73, 67), (0, 45)):
        track = symusic.Track("", program)
        tick = 0
        while tick < begin:
            following = tick - tick % 480 + rng.choice((0, 480, 960)) + rng.choice(_PLACES)
            following = max(following, tick + 60)
            if rng.random() < 0.8:
                track.notes.append(symusic.Note(tick, min(following, begin) - tick, low + rng.randrange(14), 80))
            tick = following
        score.tracks.append(track)
    return score


def golden_files() -> dict[str, str]:
    """By name."""
    pieces = {
        "chorale": sample_music.chorale(1, 4),
        "line": sample_music.line(2, 4, 9),
        "piano": sample_music.piano(2, 6, 8),
        "band": sample_music.band(3, 4),
        "odd": odd(1),
        "odder": odd(2),
    }
    files = {}
    for name, score in pieces.items():
        score = convert_resolution(score)
        sheet = notate(score)
        files[f"{name}.json"] = json.dumps(plain(score, sheet), separators=(",", ":")) + "\n"
        files[f"{name}.musicxml"] = musicxml_bytes(sheet).decode()
    return files


def plain(score: Any, sheet: Sheet) -> dict[str, Any]:
    """The bars, voices and key of a score."""
    span = span_of(score)
    assert span is not None
    bars = bars_of(meters_of(score, TICKS_PER_QUARTER // 32), span[1])
    begins = [bar.begin for bar in bars]
    notes: list[list[dict[str, int]]] = [[] for _ in bars]
    for voice, track in enumerate(score.tracks):
        for n in track.notes:
            row = {"voice": voice, "pitch": n.pitch, "velocity": n.velocity, "tick": n.time, "ticks": n.duration}
            notes[max(0, bisect_right(begins, n.time) - 1)].append(row)
    tempos: list[list[tuple[int, int, float]]] = [[] for _ in bars]
    for tempo in score.tempos:
        tempos[max(0, bisect_right(begins, tempo.time) - 1)].append((tempo.time, 0, tempo.qpm))
    key = sheet.measures[0].key
    assert key is not None
    rows = [
        {
            "bar": bar.number,
            "tick": bar.begin,
            "ticks": bar.end - bar.begin,
            "meter": bar.meter,
            "tempos": own_tempos,
            "notes": own,
        }
        for bar, own, own_tempos in zip(bars, notes, tempos)
    ]
    voices = [
        {"name": part_name(sheet, track), "program": track.program, "drums": track.is_drum} for track in score.tracks
    ]
    return {"bars": rows, "voices": voices, "key": {"fifths": key.fifths, "minor": key.mode == "minor"}}


def part_name(sheet: Sheet, track: Any) -> str:
    """The track's name, or that of its instrument: the page is told the names."""
    if track.name.strip():
        return str(track.name)
    return next(i.name for part in sheet.parts for i in part.instruments if i.program == track.program)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, text in golden_files().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
