"""Reads the voices that a user gives to be harmonised: a tune, or several voices of four.

What is given comes back exactly, so nothing is rounded: notes that the sixteenths of the `chorale` encoding cannot
hold are refused, with the bar in which they are. A tune that no such voice can sing is moved by octaves, or else to
another key. Knows scores and the vocabulary; knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as ScoreTrack

from playbach.encodings.chorale.given import GivenVoice
from playbach.encodings.chorale.vocabulary import REST, ChoraleVocabulary
from playbach.encodings.voices import CHOIR_PROGRAM, SIXTEENTH, VOICES
from playbach.music.bars import Bars, Header, meters_of, tempo_of
from playbach.music.events import FERMATA, Track
from playbach.system.errors import ScoreError, UsageError
from playbach.system.options import listed

MAX_OFF_GRID = 30
"""In ticks: notes that begin farther from a sixteenth are refused. A triplet is 40 ticks off, a thirty-second 60."""
LONGEST_GAP = SIXTEENTH
"""A shorter silence after a note, in ticks, is articulation and no rest."""
MAX_GIVEN_BARS = 999
_OCTAVE = 12
LONG_QUARTERS = 2
"""A note of this length, and twice as long as usual, ends a phrase."""


@dataclass(frozen=True, slots=True)
class GivenMusic:
    """Voices to compose around."""

    header: Header
    voices: dict[int, GivenVoice]
    """By the index into VOICES."""
    tracks: dict[int, ScoreTrack]
    """Those of the file, moved by `shift`."""
    shift: int
    """By how many semitones the music was moved."""
    phrase_ends: tuple[int, ...]
    """The sixteenths at which the last notes of the top given voice's phrases begin, rising."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know of it."""
        if not self.shift:
            return ()
        way, size = "up" if self.shift > 0 else "down", abs(self.shift)
        octaves = size // _OCTAVE
        by = f"{octaves} octave{'s' * (octaves > 1)}" if size % _OCTAVE == 0 else f"{size} semitone{'s' * (size > 1)}"
        names = listed([VOICES[voice].lower() for voice in self.voices], "and")
        return (f"moved {by} {way}, into the range of the {names}",)


def voice_numbers(names: Sequence[str]) -> tuple[int, ...]:
    """The indices into VOICES of some of their names.

    Raises:
        UsageError: a name is unknown or comes twice, no voice is named, or all four are.
    """
    known = [name.lower() for name in VOICES]
    for name in names:
        if name.strip().lower() not in known:
            raise UsageError(f"unknown voice {name!r:.40}; the voices are {listed(known, 'and')}")
    numbers = sorted({known.index(name.strip().lower()) for name in names})
    if len(numbers) < len(names):
        raise UsageError("a voice is named twice")
    if not 0 < len(numbers) < len(VOICES):
        raise UsageError("give one, two or three of the four voices; the others are composed")
    return tuple(numbers)


def read_given(score: Score, voices: Sequence[int], vocabulary: ChoraleVocabulary) -> GivenMusic:
    """The given voices of a score, 480 ticks to a quarter note.

    Args:
        voices: rising indices into VOICES.

    Raises:
        ScoreError: there are not as many tracks, or one is no single voice, or it does not fit the grid or the range.
    """
    tracks = _tracks(score, voices)
    header = Header(meters_of(score, SIXTEENTH), tempo_of(score), _header_tracks(tracks))
    bars = Bars(header.meters)
    lines = {voice: _line(track, VOICES[voice].lower(), bars) for voice, track in tracks.items()}
    end = max(end for line in lines.values() for _, end, _ in line)
    if bars.number(end * SIXTEENTH - 1) > MAX_GIVEN_BARS:
        raise ScoreError(f"has more than {MAX_GIVEN_BARS} bars; give a shorter piece")
    shift = _fitting_shift(lines, vocabulary)
    given = {voice: _given_voice(line, end, shift, vocabulary) for voice, line in lines.items()}
    moved = {voice: track.shift_pitch(shift) for voice, track in tracks.items()}
    ends = phrase_ends(
        lines[min(lines)],
        {round(marker.time / SIXTEENTH) for marker in score.markers if marker.text.strip().lower() == FERMATA},
    )
    return GivenMusic(header, given, moved, shift, ends)


def _tracks(score: Score, voices: Sequence[int]) -> dict[int, ScoreTrack]:
    """The track of each voice: the one with its name, or else, if there are as many tracks as voices, the highest for
    the highest voice."""
    sounding = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    if not sounding:
        raise ScoreError("has no notes")
    named = {t.name.strip().lower(): t for t in sounding}
    names = [VOICES[voice].lower() for voice in voices]
    if all(name in named for name in names):
        return {voice: named[name] for voice, name in zip(voices, names)}
    if len(sounding) != len(voices):
        what = "a tune alone" if len(voices) == 1 else f"these {len(voices)} voices alone"
        many = f"{len(sounding)} track{'s' * (len(sounding) > 1)}"
        raise ScoreError(
            f"has {many} with notes, none of them named {listed(names, 'or')}; give {what}, or name them"
        )
    by_pitch = sorted(sounding, key=lambda t: -float(np.mean(t.notes.numpy()["pitch"])))
    return dict(zip(voices, by_pitch))


def _header_tracks(tracks: dict[int, ScoreTrack]) -> tuple[Track, ...]:
    """The four voices. The composed ones sound like the top given one; a piano, which usually means that a file says
    nothing, becomes a choir."""
    usual = tracks[min(tracks)].program or CHOIR_PROGRAM
    programs = {voice: track.program or CHOIR_PROGRAM for voice, track in tracks.items()}
    return tuple(Track(name, programs.get(voice, usual)) for voice, name in enumerate(VOICES))


def _line(track: ScoreTrack, name: str, bars: Bars) -> list[tuple[int, int, int]]:
    """The notes of a voice: onset and end in sixteenths, and pitch."""
    notes = sorted(track.notes, key=lambda n: n.time)
    line: list[tuple[int, int, int]] = []
    for note, following in zip(notes, [*notes[1:], None]):
        onset, bar = round(note.time / SIXTEENTH), bars.number(note.time)
        if abs(note.time - onset * SIXTEENTH) > MAX_OFF_GRID:
            raise ScoreError(
                f"bar {bar}: a note does not begin on a sixteenth (a triplet, or a shorter note?); the model knows "
                "only sixteenths"
            )
        end = round((note.time + note.duration) / SIXTEENTH)
        if following is not None:
            if following.time - note.time < SIXTEENTH - MAX_OFF_GRID:
                raise ScoreError(f"bar {bar}: the {name} has two notes at once; give a single voice")
            if note.time + note.duration - following.time > MAX_OFF_GRID + LONGEST_GAP:
                raise ScoreError(f"bar {bar}: the {name} has overlapping notes; give a single voice")
            gap = following.time - note.time - note.duration
            end = round(following.time / SIXTEENTH) if gap < LONGEST_GAP else end
        line.append((onset, max(end, onset + 1), note.pitch))
    return line


def _fitting_shift(lines: dict[int, list[tuple[int, int, int]]], vocabulary: ChoraleVocabulary) -> int:
    """The smallest move that brings all voices into their ranges: none, or by octaves, or else by semitones."""
    low, high = -128, 128
    for voice, line in lines.items():
        pitches = [pitch for _, _, pitch in line]
        lowest, highest = vocabulary.ranges[voice]
        low, high = max(low, lowest - min(pitches)), min(high, highest - max(pitches))
        if highest - lowest < max(pitches) - min(pitches):
            raise ScoreError(
                f"spans {max(pitches) - min(pitches)} semitones, but the {VOICES[voice].lower()} of the model has "
                f"only {highest - lowest}"
            )
    fitting = range(low, high + 1)
    if not fitting:
        raise ScoreError("has voices too far apart, or too close, for the ranges of the model's voices")
    octaves = [shift for shift in fitting if shift % _OCTAVE == 0]
    return min(octaves or fitting, key=abs)


def _given_voice(line: list[tuple[int, int, int]], end: int, shift: int, vocabulary: ChoraleVocabulary) -> GivenVoice:
    onsets, symbols = [], []
    if line[0][0] > 0:
        onsets, symbols = [0], [REST]
    for (onset, stop, pitch), following in zip(line, [*(n[0] for n in line[1:]), end]):
        onsets.append(onset)
        symbols.append(vocabulary.symbol_of(pitch + shift))
        if stop < following:
            onsets.append(stop)
            symbols.append(REST)
    return GivenVoice(tuple(onsets), tuple(symbols), end)


def phrase_ends(line: list[tuple[int, int, int]], fermatas: Collection[int] = ()) -> tuple[int, ...]:
    """Where the last notes of phrases begin: those with fermatas, if there are any, or else long ones and those
    before rests; and the last one of all.

    Args:
        line: onset and end in sixteenths, and pitch, of each note.
        fermatas: in sixteenths.
    """
    if fermatas:
        return tuple(onset for onset, _, _ in line[:-1] if onset in fermatas) + (line[-1][0],)
    usual = float(np.median([end - onset for onset, end, _ in line]))
    least = max(2 * usual, LONG_QUARTERS * 4)
    ends = [a[0] for a, b in pairwise(line) if b[0] > a[1] or a[1] - a[0] >= least]
    return (*ends, line[-1][0])
