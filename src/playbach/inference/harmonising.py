"""Harmonises: composes the voices of a chorale that are not given, around those that are.

A network that has learnt it is told what the given voices do next, and draws the steps; a second pass, which is told
nothing, weighs them. Another network composes blindly. In both cases those drafts go on in which the given notes are
probable. Knows the `chorale` encoding and runtimes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from symusic.core import KeySignatureTick as KeySignature
from symusic.core import ScoreTick as Score

from playbach.encodings.base import Decoder, Encoding
from playbach.encodings.chorale.decoder import ChoraleDecoder
from playbach.encodings.chorale.encoding import ChoraleEncoding
from playbach.encodings.chorale.given import GivenVoice
from playbach.encodings.chorale.vocabulary import FIRST_PITCH
from playbach.encodings.voices import SIXTEENTH
from playbach.inference.given_music import GivenMusic, read_given, voice_numbers
from playbach.inference.options import HarmoniseOptions, Sampling
from playbach.inference.particles import ParticleOptions, Particles
from playbach.inference.runtimes.base import Runtime
from playbach.inference.sampling import random_numbers
from playbach.music.arrays import Ints
from playbach.music.assembly import first_events, score_from_events
from playbach.music.chords import is_triad
from playbach.music.keys import transposed_fifths
from playbach.rendering.midi import drop_comment
from playbach.system.errors import UsageError

_Floats = npt.NDArray[np.float64]
BAD_ENDING = 1e-3
"""The weight of a draft that does not end well, beside one that does."""
NO_TRIAD = 0.1
"""The weight of a draft that has no triad where a phrase ends, beside one that has."""


def harmonise(
    runtime: Runtime, encoding: Encoding, score: Score, options: HarmoniseOptions, *, sampling: Sampling, seed: int
) -> tuple[Score, tuple[str, ...]]:
    """A setting for four voices of what a score gives, and what a user should know of it.

    Args:
        score: 480 ticks to a quarter note.

    Raises:
        UsageError: the encoding is not `chorale`, or the options name no voices.
        ScoreError: the score cannot be set.
    """
    if not isinstance(encoding, ChoraleEncoding):
        raise UsageError("the model does not compose four voices, so it cannot harmonise; use bach-chorales")
    music = read_given(score, voice_numbers(options.voice.split(",")), encoding)
    steps = compose_around(
        runtime,
        encoding,
        music,
        options=ParticleOptions(sampling=options.sampling(sampling), rules=options.rules),
        count=options.drafts,
        rng=random_numbers(seed),
    )
    return _setting(encoding, music, steps, score), music.remarks


def compose_around(
    runtime: Runtime,
    encoding: ChoraleEncoding,
    music: GivenMusic,
    *,
    options: ParticleOptions,
    count: int,
    rng: np.random.Generator,
) -> list[Ints]:
    """The steps of a piece that has the given voices; `count` drafts are composed side by side."""
    decoder = encoding.decoder_around(music.header, music.voices)
    start = [len(field) for field in encoding.fields]
    judge = encoding.untold if encoding.tellable_voices else None
    particles = Particles(runtime, decoder, start, count, rng, judge=judge)

    after_ends = {min(v.onset_after(end) for v in music.voices.values()) for end in music.phrase_ends}
    for sixteenth in meetings(music.voices):
        particles.advance(sixteenth * SIXTEENTH, options, suiting_symbols)
        if options.rules and sixteenth in after_ends:
            prefer(particles, [is_triad(_sounding(draft)) for draft in particles.decoders], NO_TRIAD)
        particles.resample()
    if options.rules:
        prefer(particles, [draft.is_good_ending() for draft in particles.decoders], BAD_ENDING)
    return particles.choose()


def meetings(given: Mapping[int, GivenVoice]) -> list[int]:
    """The sixteenths at which drafts are compared: at each onset of a given voice, and at the end."""
    onsets = {onset for voice in given.values() for onset in voice.onsets}
    return sorted({*onsets, *(voice.end for voice in given.values())} - {0})


def suiting_symbols(decoder: Decoder) -> slice | None:
    """The symbols of the next step that suit the given voices; None if any does."""
    assert isinstance(decoder, ChoraleDecoder)
    return decoder.given_symbols()


def _sounding(decoder: Decoder) -> list[int]:
    """The symbols of the pitches that sound before the next step."""
    assert isinstance(decoder, ChoraleDecoder)
    return [symbol for symbol in decoder.sounding if symbol >= FIRST_PITCH]


def prefer(particles: Particles, good: Sequence[bool], weight: float) -> None:
    """Lower the weights of the drafts that are not good."""
    particles.log_weights += np.where(good, 0.0, np.log(weight))


def _setting(encoding: ChoraleEncoding, music: GivenMusic, steps: Sequence[Ints], given: Score) -> Score:
    """The setting: composed voices, and what was given as it was given."""
    decoder = encoding.decoder_around(music.header, music.voices)
    events = [event for step in steps for event in decoder.feed(step)]
    score = score_from_events([*first_events(music.header), *events, *decoder.finish()])
    for voice, track in music.tracks.items():
        score.tracks[voice].notes = track.notes
        score.tracks[voice].lyrics = track.lyrics
    for track in given.tracks:
        for text in track.lyrics if not len(track.notes) else ():  # MIDI files may have a track of words
            score.tracks[min(music.tracks)].lyrics.append(text)
    score.markers = given.markers.copy()
    drop_comment(score)  # how the tune was composed
    if len(given.tempos):
        score.tempos = given.tempos.copy()
    if len(given.time_signatures):
        score.time_signatures = given.time_signatures.copy()
    for key in given.key_signatures:
        score.key_signatures.append(KeySignature(key.time, transposed_fifths(key.key, music.shift), key.tonality))
    return score
