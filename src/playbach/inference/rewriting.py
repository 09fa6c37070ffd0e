"""Composes some bars of a piece anew, between what stands on both sides.

What comes before is the network's state. Several drafts are composed from there (`particles.py`). Each then leads
into the bars that follow, and counts by how probable it makes them: the sequential Monte Carlo method with the
weights of the following bars (Doucet and Johansen, "A Tutorial on Particle Filtering and Smoothing", 2009). Voices of
a chorale that are kept are given, as in `harmonising.py`.

Knows encodings and runtimes; knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick as Score

from playbach.encodings.base import Decoder, EncodedPiece, Encoding
from playbach.encodings.chorale.encoding import ChoraleEncoding
from playbach.encodings.chorale.given import GivenVoice
from playbach.encodings.voices import SIXTEENTH, VOICES
from playbach.inference.given_music import voice_numbers
from playbach.inference.harmonising import BAD_ENDING, meetings, prefer, suiting_symbols
from playbach.inference.options import RewriteOptions, Sampling
from playbach.inference.particles import ParticleOptions, Particles
from playbach.inference.primes import Prime
from playbach.inference.runtimes.base import Runtime, State, replace_pieces, select_pieces
from playbach.inference.sampling import random_numbers
from playbach.inference.splicing import Splice, Window, parse_bars, window_of
from playbach.music.arrays import Ints
from playbach.music.bars import Bars
from playbach.music.events import Note
from playbach.music.pedal import sustain
from playbach.rendering.midi import drop_comment
from playbach.system.errors import UsageError

_Floats = npt.NDArray[np.float64]
FOLLOWING_BARS = 4
"""How many of the following bars weigh drafts."""
BAD_SEAM = 1e-2
"""The weight of a draft after which the next note breaks a rule of style, beside one after which none does."""
_SMALLEST = 1e-12


def rewrite(
    runtime: Runtime, encoding: Encoding, music: Prime, options: RewriteOptions, *, sampling: Sampling, seed: int
) -> Score:
    """A score with some bars composed anew; the rest of it is unchanged.

    Raises:
        UsageError: the options name voices, but the encoding has none.
        ScoreError: the score does not have these bars.
    """
    task = _task(encoding, music, options)
    drawing = ParticleOptions(sampling=options.sampling(sampling), rules=options.rules)
    start = _start(runtime, task)
    particles = Particles(
        runtime, start.decoder, start.previous, options.drafts, random_numbers(seed), state=start.state
    )
    for tick in task.meetings:
        particles.advance(tick, drawing, suiting_symbols if task.given else lambda _: None)
        if tick != task.meetings[-1]:
            particles.resample()
    if not task.window.reaches_end:
        drafts = [_Draft(task, steps) for steps in particles.steps]
        particles.log_weights += following_likelihood(runtime, task, drafts, start, rules=options.rules)
    elif options.rules:
        prefer(particles, [draft.is_good_ending() for draft in particles.decoders], BAD_ENDING)
    score = _Draft(task, particles.choose()).score
    drop_comment(score)
    return score


@dataclass(frozen=True)
class Task:
    """A piece and what of it is to be composed anew."""

    encoding: Encoding
    music: Prime
    splice: Splice
    given: Mapping[int, GivenVoice]
    """The voices of a chorale that are kept."""
    before: int = 0
    """The number of steps before the bars that are composed anew."""

    @cached_property
    def context(self) -> Ints:
        """The contexts (T, C) of the piece with the kept voices."""
        return self.told(self.music.piece)

    @property
    def window(self) -> Window:
        return self.splice.window

    @property
    def meetings(self) -> list[int]:
        """The ticks at which drafts are compared; the last is the end of the bars."""
        inside = (s * SIXTEENTH for s in meetings(self.given)) if self.given else ()
        return [*(t for t in inside if self.window.begin < t < self.window.end), self.window.end]

    def decoder(self) -> Decoder:
        """At the beginning of the piece."""
        header = self.music.piece.header
        if self.given:
            assert isinstance(self.encoding, ChoraleEncoding)
            return self.encoding.decoder_around(header, self.given)
        return self.encoding.decoder(header, Bars(header.meters).number(self.music.piece.ticks - 1))

    def told(self, piece: EncodedPiece) -> Ints:
        """The contexts (T, C) of a piece with the kept voices."""
        if not self.given or not self.encoding.tellable_voices:
            return piece.context
        return self.encoding.tell(piece.steps, piece.context, list(self.given))

    @property
    def with_pedal(self) -> bool:
        """Whether the network hears the piece as it sounds with its pedal."""
        return self.music.sounding is not self.music.given


def _task(encoding: Encoding, music: Prime, options: RewriteOptions) -> Task:
    assert music.given is not None and music.sounding is not None
    if not encoding.keeps_times:
        raise UsageError("the model has no durations, so it cannot compose within a piece; use another one")
    window = window_of(music.given, *parse_bars(options.bars))
    parts, given = encoding.heard_tracks(music.sounding, music.piece.header), dict[int, GivenVoice]()
    if options.voices is not None:
        if not isinstance(encoding, ChoraleEncoding):
            raise UsageError("voices can be chosen only with a model of four voices; leave out --voices")
        chosen = voice_numbers(options.voices.split(","))
        lines = encoding.lines(music.piece.steps)
        given = {voice: lines[voice] for voice in range(len(VOICES)) if voice not in chosen}
        parts = tuple(part if voice in chosen else () for voice, part in enumerate(parts))
    splice = Splice(
        score=music.given,
        window=window,
        parts=parts,
        single_voices=encoding.has_single_voices,
        keeps_velocities=not encoding.has_velocities,
    )
    task = Task(encoding, music, splice, given)
    decoder, before = task.decoder(), 0
    for step in music.piece.steps:
        if decoder.finished or decoder.tick >= window.begin:
            break
        decoder.feed(step)
        before += 1
    return replace(task, before=before)


@dataclass(frozen=True, slots=True)
class DraftStart:
    """Where drafts begin."""

    decoder: Decoder
    previous: Ints
    """(F,)."""
    state: State
    """Of a batch of one piece."""


def _start(runtime: Runtime, task: Task, count: int | None = None) -> DraftStart:
    """After the first `count` steps of the piece; None: all before the bars to compose."""
    piece, decoder, state = task.music.piece, task.decoder(), runtime.start(1)
    count = task.before if count is None else count
    previous = np.array([len(f) for f in task.encoding.fields], np.int32)
    for step, known in zip(piece.steps[:count], task.context):
        _, state = runtime.step(previous[None].astype(np.int64), known[None].astype(np.int64), state)
        decoder.feed(step)
        previous = step
    return DraftStart(decoder, previous, state)


class _Draft:
    """Composed steps, and the score with what they say."""

    def __init__(self, task: Task, steps: Sequence[Ints]) -> None:
        self.steps = np.concatenate([task.music.piece.steps[: task.before], np.array(steps, np.int32)])
        decoder = task.decoder()
        events = [event for step in self.steps for event in decoder.feed(step)]
        notes = [e for e in (*events, *decoder.finish()) if isinstance(e, Note) and e.steps[-1] >= task.before]
        self.score = task.splice.with_notes(notes)


def following_likelihood(
    runtime: Runtime, task: Task, drafts: Sequence[_Draft], start: DraftStart, *, rules: bool
) -> _Floats:
    """The logarithm of how probable each draft makes the bars that follow it, (N,).

    A draft's last notes may last longer than its bars. What is written then differs from what was composed, and
    counts from the first difference on.
    """
    different = {draft.steps.tobytes(): draft for draft in drafts}
    scores = {key: _Following(task, draft) for key, draft in different.items()}
    same = min(min(f.known, task.before) for f in scores.values())
    if same < task.before:
        start = _start(runtime, task, same)
    found = _log_likelihoods(runtime, list(scores.values()), start, same)
    weight = dict(zip(scores, found))
    seams = {key: np.log(BAD_SEAM) if rules and f.breaks_rules else 0.0 for key, f in scores.items()}
    return np.array([weight[d.steps.tobytes()] + seams[d.steps.tobytes()] for d in drafts])


@dataclass(slots=True)
class _Following:
    """A draft together with what follows, as steps."""

    task: Task
    draft: _Draft
    steps: Ints = field(init=False)
    context: Ints = field(init=False)
    known: int = field(init=False)
    """The number of first steps that are as in the piece, with their contexts."""
    first: int = field(init=False)
    """The first step that is not as it was composed."""
    until: int = field(init=False)
    """The first step after the following bars."""
    breaks_rules: bool = field(init=False)
    """Whether a step where they begin breaks a rule of style."""

    def __post_init__(self) -> None:
        task, score = self.task, self.draft.score
        piece = task.encoding.encode(sustain(score) if task.with_pedal else score)
        self.steps, self.context = piece.steps, task.told(piece)
        self.known = min(_common(self.steps, task.music.piece.steps), _common(self.context, task.context))
        self.first = max(_common(self.steps, self.draft.steps), min(self.known, task.before))
        bars, end = Bars(piece.header.meters), task.window.end
        horizon = bars.start(bars.number(end) + FOLLOWING_BARS)
        decoder, self.until, self.breaks_rules = task.decoder(), len(self.steps), False
        for number, step in enumerate(self.steps):
            if decoder.tick >= horizon or decoder.finished:
                self.until = number
                break
            if decoder.tick == end:
                masks = zip(step, decoder.style_mask(), decoder.valid_mask())
                self.breaks_rules |= any(valid[symbol] and not good[symbol] for symbol, good, valid in masks)
            decoder.feed(step)


def _common(steps: Ints, others: Ints) -> int:
    """The number of first rows that are the same."""
    count = min(len(steps), len(others))
    different = np.flatnonzero((steps[:count] != others[:count]).any(axis=1))
    return int(different[0]) if len(different) else count


def _log_likelihoods(runtime: Runtime, pieces: Sequence[_Following], start: DraftStart, begin: int) -> _Floats:
    """Of the steps of each piece from its `first` to its `until`, (N,). The pieces are stepped as one batch."""
    total = np.zeros(len(pieces))
    state = select_pieces(start.state, np.zeros(len(pieces), np.int64))
    previous = np.tile(start.previous, (len(pieces), 1)).astype(np.int64)
    for t in range(begin, max(p.until for p in pieces)):
        rows = np.array([i for i, p in enumerate(pieces) if t < p.until])
        context = np.stack([pieces[i].context[t] for i in rows]).astype(np.int64)
        logits, after = runtime.step(previous[rows], context, select_pieces(state, rows))
        state = replace_pieces(state, rows, after)
        previous[rows] = [pieces[i].steps[t] for i in rows]
        counts = np.array([t >= pieces[i].first for i in rows])
        for scores, symbols in zip(logits, previous[rows].T):
            total[rows] += np.where(counts, _log_probabilities(scores, symbols), 0.0)
    return total


def _log_probabilities(logits: npt.NDArray[np.float32], symbols: Ints) -> _Floats:
    """Of one symbol in each row (N, V)."""
    scores = np.nan_to_num(logits.astype(np.float64))
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    share = weights[np.arange(len(symbols)), np.minimum(symbols, scores.shape[1] - 1)] / weights.sum(axis=1)
    return np.asarray(np.log(np.maximum(share, _SMALLEST)))
