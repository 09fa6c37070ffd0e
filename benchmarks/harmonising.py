"""How well chorales are harmonised: the other three voices of held-out chorales, given the soprano.

Claim: a network that is told what the soprano does next predicts Bach's other voices better than one that is not, and
than an n-gram that is told the same; and its settings are near Bach's in what a teacher of harmony would mark.

*nats* are for each sixteenth of the three voices together, among the symbols that are possible around the soprano. A
network that is not told knows nothing of it before it comes: it is also weighed by N particles, which gives the
probability of the soprano, and so that of the other voices given all of it. docs/evaluation.md defines the other
rows. Needs the extra `train`, which reads the chorales.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from _bench import Table, count, fail, parser, print_report

TOP = 0
"""The soprano, as an index into VOICES."""


@dataclass
class Piece:
    """A chorale, whose soprano is given."""

    score: Any
    encoded: Any
    music: Any


def main() -> None:
    options = parser(__doc__)
    options.add_argument("models", metavar="MODEL", nargs="+", help="models of four voices")
    options.add_argument("--side", choices=["valid", "test"], default="test", help="(default: %(default)s)")
    options.add_argument("--pieces", type=count, default=70, help="(default: %(default)s)")
    options.add_argument("--drafts", type=count, default=16, help="N, also for settings (default: %(default)s)")
    options.add_argument("--ngram", action="store_true", help="also fit an n-gram that is told of the soprano")
    args = options.parse_args()

    from playbach.data import corpora
    from playbach.inference import composing
    from playbach.system.errors import PlaybachError

    measured: dict[str, dict[str, float]] = {}
    try:
        corpus = corpora.load_builtin("bach-chorales")
        chorales = [piece.score for piece in getattr(corpus, args.side)]
        composers = {name: composing.load(name, runtime="onnx") for name in args.models}
        settable = [score for score in chorales if all(can_set(score, c.encoding) for c in composers.values())]
        scores = settable[: args.pieces]
        for name, composer in composers.items():
            pieces = [given_piece(score, composer.encoding) for score in scores]
            settings, seconds = compose_settings(composer, pieces, args.drafts)
            nats = network_nats(composer, pieces, args.drafts)
            measured[name] = {**nats, **statistics_of(settings, pieces), "seconds for 16 bars": seconds}
            if args.ngram and composer.encoding.tellable_voices:
                measured["an n-gram that is told"] = {"nats": ngram_nats(composer.encoding, corpus, pieces)}
        measured["Bach"] = statistics_of(scores, pieces)
    except PlaybachError as error:
        fail(str(error))
    names = list(dict.fromkeys(name for row in measured.values() for name in row))
    rows = [(name, *(f"{row[name]:.3f}" if name in row else "" for row in measured.values())) for name in names]
    without = len(chorales) - len(settable)
    note = (
        f"{len(scores)} of the {len(chorales)} chorales of the {args.side} side; {without} of them without a single "
        "soprano on the grid, left out; seed of each setting: the number of the chorale"
    )
    table = Table(("", *measured), tuple(rows), (note,))
    print_report(
        "Chorales around a given soprano", table, {"measures": measured}, ("numpy", "onnxruntime"), args.json
    )


def can_set(score: Any, encoding: Any) -> bool:
    from playbach.system.errors import ScoreError

    try:
        given_piece(score, encoding)
    except ScoreError:
        return False
    return True


def given_piece(score: Any, encoding: Any) -> Piece:
    from playbach.inference.given_music import read_given

    return Piece(score, encoding.encode(score), read_given(soprano_of(score), (TOP,), encoding))


def soprano_of(score: Any) -> Any:
    from playbach.encodings.voices import voice_tracks

    alone, own = score.copy(), voice_tracks(score)[TOP]
    for number, track in enumerate(alone.tracks):
        if number != own:
            track.notes.clear()
    return alone


# ------------------------------------------------------------------------------------------------------------- nats


def network_nats(composer: Any, pieces: Sequence[Piece], drafts: int) -> dict[str, float]:
    """Of the three voices given the soprano; for a network that is not told also by particles."""
    encoding = composer.encoding
    is_told = bool(encoding.tellable_voices)
    around = whole = 0.0
    for piece in pieces:
        encoded = piece.encoded
        context = encoding.tell(encoded.steps, encoded.context, [TOP]) if is_told else encoded.context
        logits = step_through(composer.runtime, encoding, encoded.steps, context)
        around += nats_around(piece, encoding, logits)
        whole += sum(step_nats(encoding.decoder(encoded.header), encoded.steps, logits))
    sixteenths = sum(piece.music.voices[TOP].end for piece in pieces)
    if is_told:
        return {"nats": around / sixteenths}
    soprano = sum(particle_nats(composer, piece, drafts, seed) for seed, piece in enumerate(pieces))
    return {"nats": around / sixteenths, "nats, by particles": (whole - soprano) / sixteenths}


def step_through(runtime: Any, encoding: Any, steps: Any, context: Any) -> Any:
    """The logits (T, V) of all steps of a piece."""
    from playbach.data.batches import previous_of

    state, found = runtime.start(), []
    for before, known in zip(previous_of(steps, encoding), context):
        [logits], state = runtime.step(before, known, state)
        found.append(logits)
    return np.stack(found).astype(np.float64)


def nats_around(piece: Piece, encoding: Any, logits: Any) -> float:
    """The nats of all steps but the soprano's, among the symbols that are possible around it."""
    from playbach.encodings.chorale.vocabulary import WAIT_SLOT

    decoder = encoding.decoder_around(piece.encoded.header, piece.music.voices)
    return sum(step_nats(decoder, piece.encoded.steps, logits, lambda d: d.slot == WAIT_SLOT or d.voice != TOP))


def step_nats(
    decoder: Any, steps: Any, logits: Any, counts: Callable[[Any], bool] = lambda _: True
) -> Iterator[float]:
    """The nats of each step that counts, among the possible symbols. An impossible step costs nothing."""
    for step, scores in zip(steps, logits):
        [mask] = decoder.valid_mask()
        if counts(decoder) and mask[step[0]]:
            possible = scores[mask]
            highest = possible.max()
            yield float(highest + np.log(np.exp(possible - highest).sum()) - scores[step[0]])
        decoder.feed(step)


def particle_nats(composer: Any, piece: Piece, drafts: int, seed: int) -> float:
    """The nats of the soprano, whatever the other voices do: minus the logarithm of the particles' mean weight."""
    from playbach.encodings.voices import SIXTEENTH
    from playbach.inference.harmonising import meetings, suiting_symbols
    from playbach.inference.options import Sampling
    from playbach.inference.particles import ParticleOptions, Particles

    encoding, music = composer.encoding, piece.music
    start = [len(field) for field in encoding.fields]
    decoder = encoding.decoder_around(piece.encoded.header, music.voices)
    particles = Particles(composer.runtime, decoder, start, drafts, np.random.default_rng(seed))
    options = ParticleOptions(sampling=Sampling(1.0, 1.0), rules=False)
    for sixteenth in meetings(music.voices):
        particles.advance(sixteenth * SIXTEENTH, options, suiting_symbols)
        particles.resample()
    weights = particles.log_weights
    return -float(weights.max() + np.log(np.exp(weights - weights.max()).mean()))


def ngram_nats(encoding: Any, corpus: Any, pieces: Sequence[Piece]) -> float:
    """Those of an n-gram whose viewpoints may use what is told of the soprano."""
    from playbach.music.scores import transpose
    from playbach.ngrams.ngram import NGram

    def told(score: Any) -> Any:
        encoded = encoding.encode(score)
        return replace(encoded, context=encoding.tell(encoded.steps, encoded.context, [TOP]))

    training = [
        [told(transpose(piece.score, shift)) for shift in encoding.transpositions(piece.score)]
        for piece in corpus.train
    ]
    ngram = NGram.fit(training, encoding)
    nats = sixteenths = 0.0
    for piece in pieces:
        [probabilities] = ngram.probabilities(told(piece.score))
        nats += nats_around(piece, encoding, np.log(probabilities))
        sixteenths += piece.music.voices[TOP].end
    return nats / sixteenths


# --------------------------------------------------------------------------------------------------------- settings


def compose_settings(composer: Any, pieces: Sequence[Piece], drafts: int) -> tuple[list[Any], float]:
    """A setting of each soprano, and the seconds that 16 bars take."""
    from playbach.evaluation.four_voices import grid_of_score

    began = time.perf_counter()
    tunes = enumerate(soprano_of(piece.score) for piece in pieces)
    settings = [composer.harmonise(tune, seed=seed, drafts=drafts).score for seed, tune in tunes]
    seconds = time.perf_counter() - began
    return settings, 16 * seconds / sum(int(grid_of_score(score).bars.max()) for score in settings)


def statistics_of(scores: Sequence[Any], pieces: Sequence[Piece]) -> dict[str, float]:
    """What a teacher of harmony would mark."""
    from playbach.evaluation import four_voices, statistics
    from playbach.music.chords import is_part_of_triad, is_triad

    grids = [four_voices.grid_of_score(score) for score in scores]
    onsets = sum(int(grid.onset.sum()) for grid in grids)
    chords = sum(int(grid.onset.any(axis=0).sum()) for grid in grids)
    leading = sum(four_voices.doubled_leading_notes(g, statistics.tonic(s)) for g, s in zip(grids, scores))
    unprepared, pairs = np.array([four_voices.unprepared_dissonances(grid) for grid in grids]).sum(axis=0)
    ends = [
        [pitch for pitch in grid.pitch[:, end].tolist() if pitch >= 0]
        for grid, piece in zip(grids, pieces)
        for end in piece.music.phrase_ends
    ]

    def parallels(interval: int) -> float:
        return 1000 * sum(four_voices.parallels(grid, interval) for grid in grids) / onsets

    return {
        "parallel fifths per 1,000 onsets": parallels(four_voices.FIFTH),
        "parallel octaves per 1,000 onsets": parallels(four_voices.OCTAVE),
        "crossings per 1,000 sixteenths": 1000
        * sum(map(four_voices.crossings, grids))
        / sum(grid.pitch.shape[1] for grid in grids),
        "doubled leading notes per 1,000 chords": 1000 * leading / chords,
        "unprepared dissonances per 1,000 pairs": 1000 * unprepared / pairs,
        "phrases that end with a triad": float(np.mean([is_triad(chord) for chord in ends])),
        "on its root": float(np.mean([is_triad(chord) and is_part_of_triad(chord) for chord in ends])),
        "pieces that end on the tonic": float(np.mean([bool(statistics.ends_on_tonic(score)) for score in scores])),
    }


if __name__ == "__main__":
    main()
