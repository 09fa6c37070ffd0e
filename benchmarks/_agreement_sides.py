"""Readings of files as `Heard`: of a MIDI file through mido, and playbach's own. For `agreement.py`."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import Any

from _agreement_compare import TICKS, Heard, Key, Meter, Note

_FIFTHS = ("Fb", "Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")
_MAJOR = {name: sharps for sharps, name in enumerate(_FIFTHS, -8)}
_MINOR = {name: sharps for sharps, name in enumerate(_FIFTHS, -11)}


def from_midi(data: bytes) -> Heard:
    """A MIDI file as mido reads it; a note ends with the first note-off of its channel and pitch in its track."""
    import mido

    file = mido.MidiFile(file=io.BytesIO(data))
    per_quarter = file.ticks_per_beat
    notes: list[Note] = []
    drums: list[Note] = []
    tempos: list[tuple[int, float]] = []
    meters: list[tuple[int, Meter]] = []
    keys: list[tuple[int, Key]] = []

    def scaled(tick: int) -> int:
        return round(tick * TICKS / per_quarter)

    for track in file.tracks:
        now, sounding = 0, defaultdict(list)
        for event in track:
            now += event.time
            if event.type == "note_on" and event.velocity:
                sounding[event.channel, event.note].append(now)
            elif event.type in ("note_on", "note_off"):
                if sounding[event.channel, event.note]:
                    begin = sounding[event.channel, event.note].pop(0)
                    own = drums if event.channel == 9 else notes
                    own.append((scaled(begin), scaled(now) - scaled(begin), event.note))
            elif event.type == "set_tempo":
                tempos.append((scaled(now), mido.tempo2bpm(event.tempo)))
            elif event.type == "time_signature":
                meters.append((scaled(now), (event.numerator, event.denominator)))
            elif event.type == "key_signature":
                minor = event.key.endswith("m")
                sharps = _MINOR[event.key[:-1]] if minor else _MAJOR[event.key]
                keys.append((scaled(now), (sharps, int(minor))))
    return Heard(
        tuple(sorted(notes)), tuple(sorted(drums)), tuple(sorted(tempos)), tuple(sorted(meters)), tuple(sorted(keys))
    )


def from_score(score: Any) -> Heard:
    """A symusic score of playbach's."""
    notes, drums = (
        tuple(sorted((n.time, n.duration, n.pitch) for t in score.tracks if t.is_drum == drum for n in t.notes))
        for drum in (False, True)
    )
    return Heard(
        notes,
        drums,
        tuple((t.time, t.qpm) for t in score.tempos),
        tuple((m.time, (m.numerator, m.denominator)) for m in score.time_signatures),
        tuple((k.time, (k.key, int(k.tonality))) for k in score.key_signatures),
    )
