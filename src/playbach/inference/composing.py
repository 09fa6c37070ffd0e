"""The composer: composes with a bundle's network, one piece or an endless stream of pieces.

Each piece of a stream has its own ending. After a short pause the next one begins, with a fresh state. Piece k of a
stream is the piece that `compose` makes from the seed `seed + k`. Knows runtimes, not torch; writes no files.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick

from playbach.bundles import bundle as bundles
from playbach.bundles import passages
from playbach.bundles.bundle import Bundle
from playbach.encodings.base import Decoder, EncodedPiece, Encoding
from playbach.inference.confidence import Confidence, confidences
from playbach.inference.generation import GenerationCache, PieceGenerator, Schedule
from playbach.inference.options import ComposeOptions, ParameterChange, Sampling, SeedOption
from playbach.inference.runtimes import open_runtime
from playbach.inference.runtimes.base import Runtime
from playbach.inference.sampling import draw
from playbach.music import reading, scores
from playbach.music.assembly import drop_later_meters, header_after, opening_events, score_from_events
from playbach.music.bars import Bars, Header
from playbach.music.events import End, Event, Note, Start, Track
from playbach.music.performance import perform
from playbach.music.scores import content_hash
from playbach.system.errors import BundleError, PlaybachError, ScoreError, UsageError
from playbach.system.files import display_path
from playbach.system.options import given
from playbach.system.version import __version__

DEFAULTS = ComposeOptions()
CORPUS = "corpus"
"""As a prime: a passage of the corpus, chosen by the seed."""
MAX_PRIME_BARS = 1000
"""The network first steps through the whole prime, at some hundred bars per second."""


@dataclass(frozen=True, slots=True)
class Composition:
    """A composed piece."""

    score: ScoreTick
    seed: int
    comment: str
    """How it was composed, as JSON; its file contains this."""
    confidence: tuple[Confidence, ...]
    """How sure the network was of each onset."""

    def write(self, path: str | Path, soundfont: str | Path | None = None) -> Path:
        """Write the piece in the format of the path's suffix, under an unused name, and return its path."""
        from playbach.rendering import write

        comment = self.comment
        if soundfont is not None:
            comment = json.dumps({**json.loads(comment), "soundfont": Path(soundfont).name}, sort_keys=True)
        return write(self.score, path, comment=comment, soundfont=soundfont)


@dataclass(frozen=True, slots=True)
class _Prime:
    piece: EncodedPiece
    label: str
    """Its content hash, or the name of a passage."""


class Composer:
    """Composes with one bundle. Instances keep no state between pieces."""

    def __init__(self, bundle: Bundle, runtime: Runtime | None = None) -> None:
        self.bundle = bundle
        self.encoding: Encoding = bundle.encoding()
        self.runtime = runtime or open_runtime(bundle)
        self._check()
        try:
            self.sampling = Sampling(**bundle.manifest["sampling"])
        except (KeyError, TypeError, PlaybachError) as error:
            raise BundleError(
                f"{bundle.name}: its sampling defaults cannot be read ({error}); get or train it again"
            ) from error

    def _check(self) -> None:
        """Check that network and encoding fit, by a step with the largest symbols of the encoding."""
        previous = np.array([len(field) for field in self.encoding.fields])
        context = np.array([len(field) - 1 for field in self.encoding.context], np.int64)
        try:
            logits, _ = self.runtime.step(previous, context, self.runtime.start())
            fits = [scores.shape for scores in logits] == [(len(field),) for field in self.encoding.fields]
        except Exception as error:  # each runtime raises its own exceptions
            raise self._mismatch() from error
        if not fits:
            raise self._mismatch()

    def _mismatch(self) -> BundleError:
        return BundleError(f"{display_path(self.bundle.name)}: {self.bundle.mismatch()}")

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The voices, with their usual instruments; where pieces have different ones, all of them."""
        return self.encoding.tracks

    def stream(
        self,
        seed: int | None = None,
        prime: ScoreTick | str | Path | None = None,
        *,
        bars: int = DEFAULTS.bars,
        temperature: float | None = None,
        top_p: float | None = None,
        tempo: float | None = None,
        programs: tuple[int | None, ...] | None = None,
        prime_bars: int | None = None,
        keep_prime: bool = DEFAULTS.keep_prime,
        plain: bool = DEFAULTS.plain,
        rules: bool = DEFAULTS.rules,
        changes: tuple[ParameterChange, ...] | None = None,
        offset: float | None = None,
        duration: float | None = None,
    ) -> Iterator[Event]:
        """Compose piece after piece, without an end.

        Args:
            seed: of the first piece; by default a random one.
            prime: the beginning of the first piece: a score, a path, or "corpus" for a passage that the seed chooses.

        The others are those of `ComposeOptions`, which says what they mean.

        Raises:
            UsageError: an option is invalid.
            ScoreError: the prime cannot be read or encoded.
        """
        options = ComposeOptions(**given(ComposeOptions, locals()))
        self._check_options(options)
        seed = new_seed(seed)
        encoded_prime = self._encode_prime(prime, options, seed)
        return self._perform(self._pieces(seed, options, encoded_prime), options)

    def piece(
        self, seed: int, options: ComposeOptions = DEFAULTS, cache: GenerationCache | None = None
    ) -> Iterator[Event]:
        """The events of one piece while it is composed, from Start to End.

        Args:
            cache: keeps what is composed, so that it need not be composed again. To apply other `changes`, discard
                the cache's content from their first bar on, and pass the cache again. Earlier iterators then end at
                that bar.

        Raises:
            UsageError: an option does not suit the model.
        """
        self._check_options(options)
        return self._perform(self._piece(new_seed(seed), 0, options, None, cache), options)

    def compose(
        self,
        *,
        seed: int | None = None,
        prime: ScoreTick | str | Path | None = None,
        bars: int = DEFAULTS.bars,
        temperature: float | None = None,
        top_p: float | None = None,
        tempo: float | None = None,
        programs: tuple[int | None, ...] | None = None,
        prime_bars: int | None = None,
        keep_prime: bool = DEFAULTS.keep_prime,
        plain: bool = DEFAULTS.plain,
        rules: bool = DEFAULTS.rules,
        changes: tuple[ParameterChange, ...] | None = None,
        offset: float | None = None,
        duration: float | None = None,
    ) -> Composition:
        """Compose one piece. The arguments are those of `stream`.

        Raises:
            UsageError: an option is invalid.
            ScoreError: the prime cannot be read or encoded.
            BundleError: the prime is "corpus", and the bundle has no passages.
        """
        options = ComposeOptions(**given(ComposeOptions, locals()))
        self._check_options(options)
        seed = new_seed(seed)
        encoded_prime = self._encode_prime(prime, options, seed)
        events = list(self._perform(self._piece(seed, 0, options, encoded_prime), options))
        comment = self._comment(seed, options, encoded_prime)
        return Composition(score_from_events(events), seed, comment, confidences(events, self.encoding.fields))

    def _perform(self, events: Iterator[Event], options: ComposeOptions) -> Iterator[Event]:
        return events if options.plain else perform(events)

    def _check_options(self, options: ComposeOptions) -> None:
        """Raise UsageError if an option does not suit the model."""
        if options.offset is not None or options.duration is not None:
            self.encoding.with_fixed_times(options.offset, options.duration)  # raises if not supported
        if options.programs is not None and len(options.programs) != len(self.tracks):
            raise UsageError(
                f"programs must have a number for each of the {len(self.tracks)} voices, not {len(options.programs)}"
            )

    def _apply_options(self, header: Header, options: ComposeOptions) -> Header:
        tracks = header.tracks
        if options.programs is not None:
            names = [track.name for track in self.tracks]
            programs = options.programs
            if self.encoding.track_count is None:  # a piece may have only some of the tracks
                programs = tuple(programs[names.index(track.name)] for track in tracks)
            tracks = tuple(t if p is None else replace(t, program=p) for t, p in zip(tracks, programs))
        return replace(header, tracks=tracks, tempo=options.tempo or header.tempo)

    def _encode_prime(
        self, prime: ScoreTick | str | Path | None, options: ComposeOptions, seed: int
    ) -> _Prime | None:
        if prime is None:
            return None
        if prime == CORPUS:
            choices = passages.read_passages(self.bundle.manifest, self.bundle.name, self.encoding)
            passage = choices[np.random.default_rng([seed, len(choices)]).integers(len(choices))]
            return _Prime(passage.piece, f"{CORPUS}: {passage.name}")
        score = reading.read(prime) if isinstance(prime, str | Path) else scores.convert_resolution(prime)
        try:
            piece = self.encoding.encode(score)
        except ScoreError as error:
            raise ScoreError(f"the model {self.bundle.name!r} cannot continue this prime: {error}") from error
        bars = Bars(piece.header.meters).number(piece.ticks - 1)
        if min(bars, options.prime_bars or bars) > MAX_PRIME_BARS:
            raise ScoreError(
                f"the prime has {bars:,} bars, more than {MAX_PRIME_BARS:,}; use fewer of them (--prime-bars)"
            )
        return _Prime(piece, content_hash(score))

    def _pieces(self, seed: int, options: ComposeOptions, prime: _Prime | None) -> Iterator[Event]:
        tick = 0
        for number in itertools.count():
            for event in self._piece(seed + number, tick, options, prime if number == 0 else None):
                yield event
            tick = event.tick

    def _comment(self, seed: int, options: ComposeOptions, prime: _Prime | None) -> str:
        """How to compose this piece again, as JSON."""
        recipe: dict[str, Any] = {
            "version": __version__,
            "model": self.bundle.name,
            "bundle": self.bundle.sha256,
            "seed": seed,
            "options": {name: value for name, value in asdict(options).items() if value is not None},
        }
        if prime is not None:
            recipe["prime"] = prime.label
        return json.dumps(recipe, sort_keys=True)

    def _piece(
        self,
        seed: int,
        start: int,
        options: ComposeOptions,
        prime: _Prime | None,
        cache: GenerationCache | None = None,
    ) -> Iterator[Event]:
        """One piece from tick `start` on: Start, then events in the order of their ticks, then End."""
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        encoding = self.encoding
        if options.offset is not None or options.duration is not None:
            encoding = encoding.with_fixed_times(options.offset, options.duration)
        steps, primed_until, primed_bars = np.zeros((0, len(self.encoding.fields)), np.int32), 0, 0
        if prime is None:
            header = _draw_header(self.encoding.headers, rng)
        else:
            header = prime.piece.header
            steps, primed_until, primed_bars = _first_bars(
                prime.piece.steps, encoding.decoder(header), options.prime_bars
            )
            header = drop_later_meters(header, primed_until)
        header = self._apply_options(header, options)
        total = options.bars + primed_bars
        schedule = Schedule(options.sampling(self.sampling), total, tuple(options.changes or ()))
        decoder, total = encoding.decoder(header, total), schedule.length
        composed = PieceGenerator(self.runtime, encoding, rng, schedule, options.rules).events(decoder, steps, cache)
        cut = 0 if options.keep_prime else primed_until
        yield Start(start, seed, header.tracks, total, self.encoding.has_velocities)
        beginning, end = opening_events(header, cut, start), 0
        for event in composed:
            if isinstance(event, Note):
                if cut and event.steps[0] < len(steps):
                    # Of the prime's notes, only those that the network holds beyond the cut stay, from the cut on.
                    held = tuple(step for step in event.steps if step >= len(steps))
                    if not held:
                        continue
                    event = replace(event, tick=cut, duration=event.tick + event.duration - cut, steps=held)
                end = max(end, event.tick + event.duration)
            else:
                header = header_after(header, event)
                if event.tick < cut or event.tick == 0:  # it is in force where the result begins
                    beginning = opening_events(header, cut, start)
                    continue
            moved = replace(event, tick=event.tick - cut + start)
            while beginning and beginning[0].tick <= moved.tick:
                yield beginning.pop(0)
            yield moved
        yield from beginning
        yield End(max(end, Bars(header.meters).end(total)) - cut + start)


def load(name_or_path: str | Path | None = None, runtime: str | None = None) -> Composer:
    """Load a model and return its composer.

    Args:
        name_or_path: a bundle, an exported network, or the name of a shipped model; by default `bach-chorales`.
        runtime: the name of a runtime; by default one that can play the file.

    Raises:
        BundleError: there is no such model, it is damaged, or the runtime cannot play it.
        UsageError: there is no such runtime.
        MissingExtra: the runtime is not installed.
    """
    # The default is the shipped model, whatever is in the current folder.
    path = bundles.shipped_models()[bundles.DEFAULT_MODEL] if name_or_path is None else bundles.find(name_or_path)
    bundle = bundles.read(path)
    return Composer(bundle, open_runtime(bundle, runtime))


def new_seed(seed: int | None) -> int:
    """The seed, or a random one for None.

    Raises:
        UsageError: the seed is negative or has more than 64 bits.
    """
    SeedOption(seed)  # checks it
    return secrets.randbelow(1 << 31) if seed is None else seed


def _draw_header(headers: tuple[tuple[Header, int], ...], rng: np.random.Generator) -> Header:
    """Draw a header with a probability proportional to the number of training pieces that begin with it."""
    weights = np.array([n for _, n in headers], np.float64)
    return headers[draw(weights / weights.sum(), rng)][0]


def _first_bars(steps: Any, decoder: Decoder, bars: int | None) -> tuple[Any, int, int]:
    """The steps of the first bars (None: of all), the tick at which the next bar begins, and the number of bars that
    they fill or begin."""
    for number, step in enumerate(steps):
        if bars is not None and decoder.bar > bars:
            return steps[:number], decoder.tick, decoder.last_begun_bar
        decoder.feed(step)
    return steps, decoder.tick, decoder.last_begun_bar
