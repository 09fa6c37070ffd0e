"""The composer: a bundle's network, sampled step by step, as an endless stream of events or as one piece.

A stream is a programme of pieces, each with its own ending, then a breath and a fresh state. Piece k of a stream
has the seed `seed + k`, and is the one that `compose` makes of that seed. Knows runtimes, not torch; writes no files.
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
from playbach.encodings import Decoder, EncodedPiece, Encoding
from playbach.inference.confidence import Confidence, confidences
from playbach.inference.generation import GenerationCache, ParameterChange, PieceGenerator, Schedule
from playbach.inference.runtimes import Runtime, opened
from playbach.inference.sampling import Sampling, draw
from playbach.music import reading, scores
from playbach.music.assembly import changed, cut_meters, opening, to_score
from playbach.music.bars import FASTEST, SLOWEST, Bars, Header
from playbach.music.events import End, Event, Note, Start, Track
from playbach.music.performance import perform
from playbach.music.scores import digest
from playbach.system.errors import BundleError, PlaybachError, ScoreError, UsageError
from playbach.system.version import __version__

MOST_BARS = 10_000
SHORTEST, LONGEST = 0.125, 8.0
"""In quarters, what onsets can be apart and notes can last where that is fixed."""
CORPUS = "corpus"
"""As a prime: a passage of the corpus, chosen by the seed."""
MOST_PRIME_BARS = 1000
"""The network has to hear all of a prime first, some hundred bars a second."""


@dataclass(frozen=True, slots=True)
class ComposeOptions:
    """What a listener may ask for; None leaves it to the model. `programs` are General MIDI's 0-127, one a voice.

    `bars` are those composed, after the bars that the prime fills or begins; `prime_bars` cuts the prime,
    `keep_prime` leaves it in the result; `plain` leaves out the performing. Without `rules` the network is left alone
    with what it has learnt: parallel fifths and octaves, and the first ending that comes. `changes` set temperature
    and length from a bar on, in order of their bars, which count the prime's. `offset` is a fixed
    time from each onset to the next, `duration` a fixed length of all notes, both in quarters, of one line of notes.
    """

    bars: int = 16
    temperature: float | None = None
    top_p: float | None = None
    tempo: float | None = None
    programs: tuple[int | None, ...] | None = None
    prime_bars: int | None = None
    keep_prime: bool = True
    plain: bool = False
    rules: bool = True
    changes: tuple[ParameterChange, ...] | None = None
    offset: float | None = None
    duration: float | None = None

    def __post_init__(self) -> None:
        for name in ("temperature", "top_p", "tempo", "offset", "duration"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, int | float):
                raise UsageError(f"{name.replace('_', '-')} must be a number, not {value!r:.40}")
        if not isinstance(self.programs, tuple | list | None):
            raise UsageError(f"programs must be one number a voice, not {self.programs!r:.40}")
        for name in ("bars", "prime_bars"):
            value = getattr(self, name)
            if (name == "bars" or value is not None) and not (isinstance(value, int) and 1 <= value <= MOST_BARS):
                what = name.replace("_", " ")
                raise UsageError(f"{what} must be a whole number between 1 and {MOST_BARS}, not {value!r:.40}")
        if self.tempo is not None and not SLOWEST <= self.tempo <= FASTEST:
            raise UsageError(
                f"tempo must lie between {SLOWEST} and {FASTEST} quarters a minute, not {self.tempo!r:.40}"
            )
        for name in ("offset", "duration"):
            value = getattr(self, name)
            if value is not None and not SHORTEST <= value <= LONGEST:
                raise UsageError(f"{name} must lie between {SHORTEST:g} and {LONGEST:g} quarters, not {value!r:.40}")
        for program in self.programs or ():
            if program is not None and not (isinstance(program, int) and 0 <= program <= 127):
                raise UsageError(f"programs of instruments lie between 0 and 127, not {program!r:.40}")
        if not isinstance(self.changes, tuple | list | None) or not all(
            isinstance(t, ParameterChange) for t in self.changes or ()
        ):
            raise UsageError(f"changes must be a tuple of Turn, not {self.changes!r:.40}")
        if sorted(self.changes or (), key=lambda turn: turn.bar) != list(self.changes or ()):
            raise UsageError("changes must be in order of their bars")
        self.sampling(Sampling())  # has checks of its own

    def sampling(self, default: Sampling) -> Sampling:
        """A model's sampling, as far as nothing else is asked for."""
        given = {"temperature": self.temperature, "top_p": self.top_p}
        return replace(default, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Composition:
    """A piece: its score, the seed it can be made again from, the comment that its file carries, and how sure the
    network was of each onset."""

    score: ScoreTick
    seed: int
    comment: str
    confidence: tuple[Confidence, ...]

    def write(self, path: str | Path, soundfont: str | Path | None = None) -> Path:
        """Write it in the format of the path's suffix and give the path it really has (nothing is overwritten)."""
        from playbach.rendering import write

        comment = self.comment
        if soundfont is not None:  # it decides how the file sounds
            comment = json.dumps({**json.loads(comment), "soundfont": Path(soundfont).name}, sort_keys=True)
        return write(self.score, path, comment=comment, soundfont=soundfont)


@dataclass(frozen=True, slots=True)
class _Prime:
    sequence: EncodedPiece
    digest: str


class Composer:
    """Composes with one bundle. Instances keep no state between pieces."""

    def __init__(self, bundle: Bundle, runtime: Runtime | None = None) -> None:
        self.bundle = bundle
        self.encoding: Encoding = bundle.encoding()
        self.runtime = runtime or opened(bundle)
        self._check()
        try:
            self.sampling = Sampling(**bundle.manifest["sampling"])
        except (KeyError, TypeError, PlaybachError) as error:
            raise BundleError(
                f"{bundle.name}: its sampling defaults cannot be read ({error}); train it again"
            ) from error

    def _check(self) -> None:
        """One step with the largest symbols that the encoding has: network and encoding must fit each other."""
        previous = np.array([len(field) for field in self.encoding.fields])
        context = np.array([len(field) - 1 for field in self.encoding.context], np.int64)
        try:
            logits, _ = self.runtime.step(previous, context, self.runtime.start())
            fits = [reading.shape for reading in logits] == [(len(field),) for field in self.encoding.fields]
        except Exception as error:  # each runtime has exceptions of its own
            raise self._foreign() from error
        if not fits:
            raise self._foreign()

    def _foreign(self) -> BundleError:
        return BundleError(
            f"{self.bundle.name}: its network does not fit its encoding, as this version of playbach "
            f"({__version__}) knows it; it was made by {self.bundle.manifest.get('playbach', 'another version')}: "
            f"{'export' if 'export' in self.bundle.manifest else 'train'} it again"
        )

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The voices that it composes, with the instruments that it plays them on; where pieces differ in that, all
        that there are."""
        return self.encoding.tracks

    def stream(
        self, seed: int | None = None, prime: ScoreTick | str | Path | None = None, **options: Any
    ) -> Iterator[Event]:
        """Events for ever; `options` are those of ComposeOptions. A prime begins the first piece only: a score, a
        path, or "corpus" for a passage of the corpus that the seed chooses.

        Raises:
            UsageError: an option that makes no sense.
            ScoreError: the prime cannot be read or encoded.
        """
        settings, seed = self._settings(options), new_seed(seed)
        primed = self._prime(prime, settings, seed)
        return self._played(self._programme(seed, settings, primed), settings)

    def piece(self, seed: int, draft: GenerationCache | None = None, **options: Any) -> Iterator[Event]:
        """The events of one piece as they are composed, from Start to End; `options` are those of ComposeOptions.

        A `draft` keeps what is composed, which is not composed again. Cut it at the bar from which other `changes`
        apply, and pass it again; the earlier iterator must not be read any further.

        Raises:
            UsageError: an option that makes no sense.
        """
        settings = self._settings(options)
        return self._played(self._piece(new_seed(seed), 0, settings, None, draft), settings)

    def compose(
        self, *, seed: int | None = None, prime: ScoreTick | str | Path | None = None, **options: Any
    ) -> Composition:
        """One piece; `options` are those of ComposeOptions, and a prime is as for `stream`.

        Raises:
            UsageError: an option that makes no sense.
            ScoreError: the prime cannot be read or encoded.
            BundleError: the prime is "corpus", and the bundle carries no passages of its corpus.
        """
        settings, seed = self._settings(options), new_seed(seed)
        primed = self._prime(prime, settings, seed)
        events = list(self._played(self._piece(seed, 0, settings, primed), settings))
        comment = self._comment(seed, settings, primed)
        return Composition(to_score(events), seed, comment, confidences(events, self.encoding.fields))

    def _played(self, events: Iterator[Event], options: ComposeOptions) -> Iterator[Event]:
        return events if options.plain else perform(events)

    def _settings(self, given: dict[str, Any]) -> ComposeOptions:
        known = ComposeOptions.__dataclass_fields__
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise UsageError(f"composing has no option {unknown[0]!r}; it has: seed, prime, {', '.join(known)}")
        settings = ComposeOptions(**given)
        if settings.offset is not None or settings.duration is not None:
            self.encoding.paced(settings.offset, settings.duration)  # refuses what has times of its own
        if settings.programs is not None and len(settings.programs) != len(self.tracks):
            raise UsageError(f"{len(settings.programs)} instruments for {len(self.tracks)} voices")
        return settings

    def _as_asked(self, header: Header, options: ComposeOptions) -> Header:
        tracks = header.tracks
        if options.programs is not None:
            names = [track.name for track in self.tracks]
            one_each = self.encoding.voices is not None
            asked = options.programs if one_each else [options.programs[names.index(t.name)] for t in tracks]
            tracks = tuple(t if p is None else replace(t, program=p) for t, p in zip(tracks, asked))
        return replace(header, tracks=tracks, tempo=options.tempo or header.tempo)

    def _prime(self, prime: ScoreTick | str | Path | None, options: ComposeOptions, seed: int) -> _Prime | None:
        """The prime encoded, which is to say: checked before the first event."""
        if prime is None:
            return None
        if prime == CORPUS:
            there = passages.kept(self.bundle.manifest, self.bundle.name, self.encoding)
            passage = there[np.random.default_rng([seed, len(there)]).integers(len(there))]
            return _Prime(passage.sequence, f"{CORPUS}: {passage.name}")
        score = reading.read(prime) if isinstance(prime, str | Path) else scores.in_ticks(prime)
        try:
            sequence = self.encoding.encode(score)
        except ScoreError as error:
            raise ScoreError(f"this piece cannot prime the model {self.bundle.name!r}: {error}") from error
        bars = Bars(sequence.header.meters).number(sequence.ticks - 1)
        if min(bars, options.prime_bars or bars) > MOST_PRIME_BARS:
            raise ScoreError(
                f"this prime has {bars:,} bars, more than {MOST_PRIME_BARS:,}; take fewer of them (--prime-bars)"
            )
        return _Prime(sequence, digest(score))

    def _programme(self, seed: int, options: ComposeOptions, prime: _Prime | None) -> Iterator[Event]:
        tick = 0
        for number in itertools.count():
            for event in self._piece(seed + number, tick, options, prime if number == 0 else None):
                yield event
            tick = event.tick

    def _comment(self, seed: int, options: ComposeOptions, prime: _Prime | None) -> str:
        """What makes this piece again, as JSON."""
        chosen = {k: v for k, v in asdict(options).items() if v is not None}
        how: dict[str, Any] = {
            "version": __version__,
            "model": self.bundle.name,
            "bundle": self.bundle.sha256,
            "seed": seed,
            "options": chosen,
        }
        if prime is not None:
            how["prime"] = prime.digest
        return json.dumps(how, sort_keys=True)

    def _piece(
        self,
        seed: int,
        start: int,
        options: ComposeOptions,
        prime: _Prime | None,
        draft: GenerationCache | None = None,
    ) -> Iterator[Event]:
        """One piece from tick `start` on: Start, then everything in order, then End."""
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        encoding = self.encoding
        if options.offset is not None or options.duration is not None:
            encoding = encoding.paced(options.offset, options.duration)
        steps, primed_until, primed_bars = np.zeros((0, len(self.encoding.fields)), np.int32), 0, 0
        if prime is None:
            header = _drawn(self.encoding.headers, rng)
        else:
            header = prime.sequence.header
            steps, primed_until, primed_bars = _until(
                prime.sequence.steps, encoding.decoder(header), options.prime_bars
            )
            header = cut_meters(header, primed_until)
        header = self._as_asked(header, options)
        total = options.bars + primed_bars
        course = Schedule(options.sampling(self.sampling), total, tuple(options.changes or ()))
        decoder, total = encoding.decoder(header, total), course.length
        composed = PieceGenerator(self.runtime, encoding, rng, course, options.rules).notes(decoder, steps, draft)
        cut = 0 if options.keep_prime else primed_until
        yield Start(start, seed, header.tracks, total, self.encoding.velocities)
        beginning, end = opening(header, cut, start), 0
        for event in composed:
            if isinstance(event, Note):
                if cut and event.steps[0] < len(steps):
                    # Of the prime's notes only what the network held on to stays, from the cut on.
                    held = tuple(step for step in event.steps if step >= len(steps))
                    if not held:
                        continue
                    event = replace(event, tick=cut, duration=event.tick + event.duration - cut, steps=held)
                end = max(end, event.tick + event.duration)
            else:
                header = changed(header, event)
                if event.tick < cut or event.tick == 0:  # it holds where the result begins
                    beginning = opening(header, cut, start)
                    continue
            moved = replace(event, tick=event.tick - cut + start)
            while beginning and beginning[0].tick <= moved.tick:
                yield beginning.pop(0)
            yield moved
        yield from beginning
        yield End(max(end, Bars(header.meters).end(total)) - cut + start)


def load(name_or_path: str | Path | None = None, runtime: str | None = None) -> Composer:
    """The composer of a bundle or an exported network: a path, the name of a model that the package ships, or by
    default its chorale model. `runtime` is the name of one, by default what plays such a file.

    Raises:
        BundleError: there is none, it is damaged, or the runtime cannot play it.
        UsageError: there is no such runtime.
        MissingExtra: the runtime is not installed.
    """
    # By default the shipped one, whatever lies in the current folder.
    path = bundles.shipped()[bundles.DEFAULT] if name_or_path is None else bundles.find(name_or_path)
    bundle = bundles.read(path)
    return Composer(bundle, opened(bundle, runtime))


def new_seed(seed: int | None) -> int:
    """The seed, or one that nobody chose.

    Raises:
        UsageError: it is negative or has more than 64 bits.
    """
    if seed is None:
        return secrets.randbelow(1 << 31)
    if not (isinstance(seed, int) and 0 <= seed < 1 << 64):
        raise UsageError(f"seed must lie between 0 and 2^64 - 1, not {seed!r}")
    return seed


def _drawn(headers: tuple[tuple[Header, int], ...], rng: np.random.Generator) -> Header:
    """A beginning as the training pieces have them, as often as they do."""
    weights = np.array([n for _, n in headers], np.float64)
    return headers[draw(weights / weights.sum(), rng)][0]


def _until(steps: Any, decoder: Decoder, bars: int | None) -> tuple[Any, int, int]:
    """The steps of the first so many bars (all where it is None), where the next one begins, and how many bars they
    fill or begin."""
    for number, step in enumerate(steps):
        if bars is not None and decoder.bar > bars:
            return steps[:number], decoder.tick, decoder.begun
        decoder.feed(step)
    return steps, decoder.tick, decoder.begun
