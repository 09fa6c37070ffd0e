"""Tunes that a page sends, as scores; and scores that a page drops, as tunes: its top line.

Knows the messages and scores; knows nothing of networks and of HTTP.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from symusic.core import KeySignatureTick as KeySignature
from symusic.core import NoteTick as ScoreNote
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as ScoreTempo
from symusic.core import TextMetaTick as TextMeta
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as ScoreTrack

from playbach.encodings.voices import CHOIR_PROGRAM, SIXTEENTH, VOICES
from playbach.music.bars import Bars, meter_of_length, meters_of, tempo_of
from playbach.music.events import DEFAULT_VELOCITY, FERMATA, TICKS_PER_QUARTER
from playbach.music.notation.spelling import estimated_signature
from playbach.music.options import ReadingOptions
from playbach.music.reading import Reader, ReadingLimits
from playbach.music.tunes import line_of_top_notes
from playbach.server.protocol import (
    MAX_TUNE_BARS,
    MAX_TUNE_NOTES,
    MAX_TUNE_TICKS,
    TUNE_TEMPOS,
    Tune,
    TuneMeter,
    TuneNote,
)
from playbach.server.schema import MessageRejected
from playbach.system.errors import ScoreError
from playbach.system.files import display_path

FILE_LIMITS = ReadingLimits(max_bytes=2 << 20, max_notes=50_000, seconds=5.0, musicxml_seconds=10.0)
"""Of a file that a page sends."""
_PLAIN = ReadingOptions(pedal="ignore", plain_ornaments=True)
_MINOR_MODES = ("minor", "dorian", "phrygian", "locrian")
_LARGEST_METER = 16
"""Of what a page can enter: both the numerator and the denominator."""


def score_of(tune: Tune, voice: str) -> Score:
    """The tune as a score with one track, named after its voice.

    Raises:
        MessageRejected: it has no notes, or its pickup or its length is impossible.
    """
    bar = _bar_ticks(tune.meter)
    if not tune.notes:
        raise MessageRejected("the tune has no notes; enter some")
    if tune.meter.denominator & (tune.meter.denominator - 1):
        raise MessageRejected(f"the denominator of a meter must be a power of two, not {tune.meter.denominator}")
    if tune.pickup >= bar or tune.pickup % SIXTEENTH:
        raise MessageRejected("a pickup must be shorter than a bar, and whole sixteenths")
    end = max(note.tick + note.ticks for note in tune.notes)
    if end > tune.pickup + MAX_TUNE_BARS * bar:
        raise MessageRejected(f"the tune has more than {MAX_TUNE_BARS} bars; shorten it")
    score = Score(TICKS_PER_QUARTER)
    if tune.pickup:
        score.time_signatures.append(TimeSignature(0, *meter_of_length(tune.pickup)))
    score.time_signatures.append(TimeSignature(tune.pickup, *tune.meter))
    score.tempos.append(ScoreTempo(0, qpm=tune.tempo))
    score.key_signatures.append(KeySignature(0, tune.fifths, int(tune.minor)))
    for tick in sorted(set(tune.fermatas)):
        score.markers.append(TextMeta(tick, FERMATA))
    track = ScoreTrack(voice.capitalize(), CHOIR_PROGRAM, False)
    for note in tune.notes:
        track.notes.append(ScoreNote(note.tick, note.ticks, note.pitch, DEFAULT_VELOCITY))
    score.tracks.append(track)
    return score


def read_tune(data: bytes, title: str) -> Tune:
    """The tune of a MIDI or MusicXML file: its soprano, or its only voice, or else its top line.

    Raises:
        ScoreError: the file cannot be read, or its tune is none that a page can take.
    """
    with tempfile.TemporaryDirectory() as folder, Reader(FILE_LIMITS, options=_PLAIN) as reader:
        path = Path(folder) / "file"
        path.write_bytes(data)
        try:
            found = reader.read_file(path)
        except ScoreError as error:
            raise ScoreError(str(error).removeprefix(f"{display_path(path)}: ")) from error
    return _tune_of(found.score, title, found.remarks)


def _tune_of(score: Score, title: str, remarks: tuple[str, ...]) -> Tune:
    notes, line_remarks = _top_line(score)
    meters = meters_of(score, SIXTEENTH)
    bars = Bars(meters)
    main = meters[1] if bars.pickup else meters[0]
    last = bars.number(max(note.tick + note.ticks for note in notes) - 1)
    if last > MAX_TUNE_BARS or len(notes) > MAX_TUNE_NOTES:
        raise ScoreError(
            f"has {last} bars and {len(notes)} notes in its tune, but at most {MAX_TUNE_BARS} bars and "
            f"{MAX_TUNE_NOTES} notes can be set here; use `playbach harmonise`"
        )
    if max(main[1:]) > _LARGEST_METER or notes[-1].tick > MAX_TUNE_TICKS:
        raise ScoreError(f"is in {main[1]}/{main[2]}, which cannot be entered here; use `playbach harmonise`")
    if len(meters) > (2 if bars.pickup else 1):
        remarks = (*remarks, f"only its first meter is kept, {main[1]}/{main[2]}; bar lines may be wrong")
    fifths, minor = _signature(score, notes)
    return Tune(
        notes=notes,
        meter=TuneMeter(*main[1:]),
        pickup=bars.pickup,
        fifths=fifths,
        minor=minor,
        tempo=float(np.clip(round(tempo_of(score), 2), *TUNE_TEMPOS)),
        fermatas=_fermatas(score, notes),
        title=title,
        remarks=(*line_remarks, *remarks),
    )


def _top_line(score: Score) -> tuple[tuple[TuneNote, ...], tuple[str, ...]]:
    """The notes of the tune, each ended by the next one, and remarks on how it was found."""
    tracks = [track for track in score.tracks if len(track.notes) and not track.is_drum]
    if not tracks:
        raise ScoreError("has no notes")
    named = next((track for track in tracks if track.name.strip().lower() == VOICES[0].lower()), None)
    track = named or max(tracks, key=lambda t: float(np.mean(t.notes.numpy()["pitch"])))
    what = "its soprano" if named is not None else "its highest voice"
    remarks: tuple[str, ...] = ()
    if len(tracks) > 1:
        remarks = (f"the file has {len(tracks)} voices: {what} is taken as the tune",)
    notes = track.notes.numpy()
    top = line_of_top_notes(notes)
    if len(top) < len(notes["time"]):
        remarks = (*remarks, f"{len(notes['time']) - len(top)} of its notes are below others, and are left out")
    onsets, ends = notes["time"][top].astype(int), (notes["time"] + notes["duration"])[top].astype(int)
    ends[:-1] = np.minimum(ends[:-1], onsets[1:])
    found = zip(onsets.tolist(), ends.tolist(), notes["pitch"][top].tolist())
    return tuple(TuneNote(onset, max(1, end - onset), pitch) for onset, end, pitch in found), remarks


def _signature(score: Score, notes: tuple[TuneNote, ...]) -> tuple[int, bool]:
    """The first key signature; of a file without one, that of the likeliest key."""
    own = min(score.key_signatures, key=lambda key: key.time, default=None)
    if own is not None and -7 <= own.key <= 7:
        return int(own.key), bool(own.tonality)
    weights = [0.0] * 12
    for note in notes:
        weights[note.pitch % 12] += note.ticks
    likeliest = estimated_signature(weights)
    return likeliest.fifths, likeliest.mode in _MINOR_MODES


def _fermatas(score: Score, notes: tuple[TuneNote, ...]) -> tuple[int, ...]:
    """The ticks of the notes of the tune that have a fermata."""
    marked = {marker.time for marker in score.markers if marker.text.strip().lower() == FERMATA}
    return tuple(note.tick for note in notes if note.tick in marked)


def _bar_ticks(meter: TuneMeter) -> int:
    return TICKS_PER_QUARTER * 4 * meter.numerator // meter.denominator
