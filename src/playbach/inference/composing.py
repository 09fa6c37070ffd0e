"""The composer: composes with a bundle's network, one piece or an endless stream of pieces.

Each piece of a stream has its own ending. After a short pause the next one begins, with a fresh state. Piece k of a
stream is the piece that `compose` makes from the seed `seed + k`. Knows runtimes, not torch; writes no files.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick

from playbach.bundles import bundle as bundles
from playbach.bundles import passages
from playbach.bundles.bundle import Bundle
from playbach.bundles.fingerprints import TrainingIndex, read_index
from playbach.encodings.base import Encoding
from playbach.inference.confidence import Confidence, confidences
from playbach.inference.generation import GenerationCache, PieceGenerator, Schedule
from playbach.inference.harmonising import harmonise
from playbach.inference.options import (
    MAX_DRAWS,
    ComposeOptions,
    HarmoniseOptions,
    OriginalOption,
    ParameterChange,
    RewriteOptions,
    Sampling,
    SeedOption,
    WishOptions,
)
from playbach.inference.primes import (
    Opening,
    OwnMusic,
    Prime,
    chosen_programs,
    open_prime,
    own_music,
    own_prime,
    remarks_of,
)
from playbach.inference.recipes import foot_of
from playbach.inference.rewriting import rewrite
from playbach.inference.runtimes import open_runtime
from playbach.inference.runtimes.base import Runtime
from playbach.inference.sampling import draw, random_numbers
from playbach.inference.splicing import parse_bars
from playbach.inference.wishes import KEY_DRAWS, KeyedPiece, headers_in, in_key, passages_in, refuse
from playbach.music import reading, scores
from playbach.music.assembly import header_after, opening_events, score_from_events
from playbach.music.bars import Bars, Header, meters_of
from playbach.music.events import End, Event, Meter, Note, Start, Tempo, Track
from playbach.music.keys import Key, parse_key
from playbach.music.options import ReadingOptions
from playbach.music.performance import perform
from playbach.system.errors import BundleError, PlaybachError, ScoreError, UsageError
from playbach.system.files import display_path
from playbach.system.options import given
from playbach.system.version import __version__

DEFAULTS, HARMONISE_DEFAULTS = ComposeOptions(), HarmoniseOptions()
CORPUS = "corpus"
"""As a prime: a passage of the corpus, chosen by the seed."""
MAX_PRIME_BARS = 1000
"""The network first steps through the whole prime, at some hundred bars per second."""
MAX_PRIME_TRACKS = 256
"""Performing a note takes time in proportion to the number of tracks; orchestras have about forty."""


@dataclass(frozen=True, slots=True)
class Composition:
    """A composed piece."""

    score: ScoreTick
    seed: int
    comment: str
    """How it was composed, as JSON; its file contains this."""
    confidence: tuple[Confidence, ...]
    """How sure the network was of each onset."""
    remarks: tuple[str, ...] = ()
    """What a user should know of the prime: a line that says how many of its notes the network does not hear."""
    written: ScoreTick | None = None
    """The piece as it is written, without what performing adds; None if that is `score`."""
    first_bar: int = 0
    """The first bar that was composed as a whole; those before it are a prime's. A pickup is bar 0."""
    draws: int = 1
    """How often the piece was composed, with other random numbers each time, until it was original."""

    def write(self, path: str | Path, soundfont: str | Path | None = None, *, sheet: bool = False) -> Path:
        """Write the piece in the format of the path's suffix, under an unused name, and return its path; of several
        pages, that of the first.

        Args:
            soundfont: for audio files.
            sheet: whether a `.png` file is sheet music instead of a piano roll.
        """
        return self.write_files(path, soundfont, sheet=sheet)[0]

    def write_files(
        self, path: str | Path, soundfont: str | Path | None = None, *, sheet: bool = False
    ) -> tuple[Path, ...]:
        """As `write`, but returns the paths of all pages."""
        from playbach.rendering import output_for, write_files

        comment = self.comment
        if soundfont is not None:
            comment = json.dumps({**json.loads(comment), "soundfont": Path(soundfont).name}, sort_keys=True)
        is_sheet = output_for(Path(path), sheet=sheet).is_sheet
        if is_sheet:
            comment = json.dumps({**json.loads(comment), "foot": foot_of(comment)}, sort_keys=True)
        score = self.written if is_sheet and self.written is not None else self.score
        return write_files(score, path, comment=comment, soundfont=soundfont, sheet=sheet)


@dataclass(frozen=True, slots=True)
class _Request:
    """What kind of piece is composed."""

    options: ComposeOptions
    part: _PrimedPart | None = None
    meter: str | None = None


@dataclass(frozen=True, slots=True)
class _UserMusic:
    """A score of 480 ticks to a quarter note, and what its file tells, if it is from one."""

    score: ScoreTick
    title: str = ""
    """What stands above its music on a page."""
    name: str = ""
    """How a message about it begins."""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _PrimedPart:
    """What a network hears of a prime, and what of it comes first in the result."""

    opening: Opening
    own: OwnMusic | None
    remarks: tuple[str, ...]


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
        reading_options: ReadingOptions | None = None,
    ) -> Iterator[Event]:
        """Compose piece after piece, without an end.

        Args:
            seed: of the first piece; by default a random one.
            prime: the beginning of the first piece: a score, a path, or "corpus" for a passage that the seed chooses.
                A score or the music of a file comes back unchanged, up to where composed music begins; what events
                cannot tell, such as keys and controllers, is only in the score that `compose` returns.
            reading_options: what the network hears of a prime of one's own, and how its file is read.

        The others are those of `ComposeOptions`, which says what they mean.

        Raises:
            UsageError: an option is invalid.
            ScoreError: the prime cannot be read or encoded.
        """
        options = ComposeOptions(**given(ComposeOptions, locals()))
        self._check_options(options)
        seed = new_seed(seed)
        found = self._find_prime(prime, options, reading_options, seed)
        return self._perform(self._pieces(seed, options, found), options)

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
        return self._perform(self._piece(new_seed(seed), 0, _Request(options), cache), options)

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
        reading_options: ReadingOptions | None = None,
        original: bool = False,
        key: str | None = None,
        meter: str | None = None,
    ) -> Composition:
        """Compose one piece. The arguments are those of `stream`, and three more.

        Args:
            original: compose again, up to MAX_DRAWS times, while the piece borrows more from the training pieces than
                real music does (`borrowing`). If it always does, the one that borrows the least is returned. The bars
                of a prime do not count.
            key: the key, such as "D minor"; not with a prime. The piece is composed again until it can be in it.
            meter: the meter, such as "3/4", one in which training pieces begin; not with a prime of one's own.

        Raises:
            UsageError: an option is invalid, or the model cannot compose in this key or meter.
            ScoreError: the prime cannot be read or encoded.
            BundleError: the prime is "corpus", and the bundle has no passages; or `original` is true, and the bundle
                has no index of its training pieces.
        """
        options = ComposeOptions(**given(ComposeOptions, locals()))
        OriginalOption(original)  # checks it
        wishes = WishOptions(key, meter)
        self._check_options(options)
        self._check_wishes(wishes, prime)
        seed = new_seed(seed)
        found = self._find_prime(prime, options, reading_options, seed, meter)
        part = None if found is None else self._open(found, options)
        comment = self._comment(
            seed, options, found, reading_options, {"original": original or None, **asdict(wishes)}
        )
        drawn = self._drawn(seed, _Request(options, part, meter), None if key is None else parse_key(key), comment)
        return self._most_original(itertools.islice(drawn, MAX_DRAWS)) if original else next(drawn)

    def _check_wishes(self, wishes: WishOptions, prime: ScoreTick | str | Path | None) -> None:
        if wishes.key is not None:
            parse_key(wishes.key)  # checks it
            if prime is not None:
                raise UsageError("a piece that continues a prime has its key; leave out the key or the prime")
        if wishes.meter is not None:
            if prime is not None and not (isinstance(prime, str) and prime == CORPUS):
                raise UsageError("a piece that continues a prime has its meter; leave out the meter or the prime")
            headers_in(self.encoding, wishes.meter)  # checks it

    def _drawn(self, seed: int, request: _Request, key: Key | None, comment: str) -> Iterator[Composition]:
        """Pieces of the same seed, those that can be in the key.

        Raises:
            UsageError: none can.
        """
        reasons = list[str]()
        for number in range(MAX_DRAWS if key is None else KEY_DRAWS):
            composed, encoding = list(self._piece(seed, 0, request, draw=number)), self.encoding
            keyed = KeyedPiece(composed, encoding.fields) if key is None else in_key(composed, encoding, key)
            if isinstance(keyed, KeyedPiece):
                yield self._composition(seed, number, request, keyed, comment)
            else:
                reasons.append(keyed)
        if key is not None and len(reasons) == KEY_DRAWS:
            raise refuse(key, reasons)

    @cached_property
    def training_index(self) -> TrainingIndex | None:
        """The index of the training pieces, which tells what a piece borrows from them; None if the bundle has none.

        Raises:
            BundleError: it is damaged.
        """
        return read_index(self.bundle)

    def _most_original(self, drawn: Iterator[Composition]) -> Composition:
        """The first piece that borrows no more than real music, or else the one that borrows the least."""
        if self.training_index is None:
            raise BundleError(
                f"{display_path(self.bundle.name)}: this model has no index of its training pieces, which tells "
                "what is original; train it again, or leave out `original`"
            )
        least: tuple[float, Composition] | None = None
        for piece in drawn:
            borrowing = self.training_index.borrowing(piece.score, piece.first_bar)
            if not borrowing.is_above:
                return piece
            if least is None or borrowing.excess < least[0]:
                least = borrowing.excess, piece
        assert least is not None
        return replace(least[1], draws=MAX_DRAWS)

    def _composition(self, seed: int, draw: int, request: _Request, keyed: KeyedPiece, comment: str) -> Composition:
        part, composed = request.part, keyed.events
        events, begin = list(self._perform(iter(composed), request.options)), 0
        if part is not None:
            is_kept = request.options.keep_prime
            begin = part.own.until if part.own is not None else part.opening.tick if is_kept else 0

        def whole(piece: Iterable[Event]) -> ScoreTick:
            score = score_from_events(piece)
            return score if part is None or part.own is None else part.own.complete(score)

        score = whole(events)
        return Composition(
            score=score,
            seed=seed,
            comment=comment,
            confidence=confidences(events, keyed.fields),
            remarks=() if part is None else part.remarks,
            written=None if request.options.plain else whole(composed),
            first_bar=Bars(meters_of(score, 1)).number(begin - 1) + 1 if begin else 0,
            draws=draw + 1,
        )

    def harmonise(
        self,
        tune: ScoreTick | str | Path,
        *,
        voice: str = HARMONISE_DEFAULTS.voice,
        seed: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        rules: bool = HARMONISE_DEFAULTS.rules,
        drafts: int = HARMONISE_DEFAULTS.drafts,
        reading_options: ReadingOptions | None = None,
    ) -> Composition:
        """Compose the voices that are missing to four, around those that are given. These come back unchanged, except
        that they may be moved into the range of their voices; a remark then says so.

        Args:
            tune: a score, or a file, with the given voices alone, or with tracks of their names.
            voice: which voices are given, with commas between them.
            drafts: how many drafts are composed side by side, of which one is drawn.

        Raises:
            UsageError: an option is invalid, or the model does not compose four voices.
            ScoreError: the tune cannot be read, or no four-part setting of it can be written.
        """
        options = HarmoniseOptions(**given(HarmoniseOptions, locals()))
        reading_options, seed = reading_options or ReadingOptions(), new_seed(seed)
        given_music = _read_music(tune, reading_options)
        try:
            setting, remarks = harmonise(
                getattr(self.runtime, "network", self.runtime),  # n-grams know nothing of what is given
                self.encoding,
                given_music.score,
                options,
                sampling=self.sampling,
                seed=seed,
            )
        except ScoreError as error:
            raise ScoreError(f"{given_music.name}{error}") from error
        recipe = self._recipe(seed, {**asdict(options), **asdict(reading_options)})
        recipe |= {"command": "harmonise", "tune": scores.content_hash(given_music.score), "title": given_music.title}
        return Composition(setting, seed, json.dumps(recipe, sort_keys=True), (), (*given_music.remarks, *remarks))

    def rewrite(
        self,
        piece: ScoreTick | str | Path,
        bars: str,
        *,
        voices: str | None = None,
        seed: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        rules: bool = True,
        drafts: int = 32,
        reading_options: ReadingOptions | None = None,
    ) -> Composition:
        """Compose some bars of a piece anew, between what stands on both sides. The rest comes back unchanged.

        Args:
            piece: a score, or a file.
            bars: such as "5-8" or "5"; bar 1 is the first full one, 0 a pickup.
            voices: which voices of a chorale are composed, with commas between them; None: all of them.
            drafts: how many drafts are composed side by side, of which one is drawn by how probable it makes the
                bars that follow.

        Raises:
            UsageError: an option is invalid, or does not suit the model.
            ScoreError: the piece cannot be read or encoded, or does not have these bars.
        """
        options = RewriteOptions(**given(RewriteOptions, locals()))
        parse_bars(bars)  # checks them
        reading_options, seed = reading_options or ReadingOptions(), new_seed(seed)
        music = _read_music(piece, reading_options)
        try:
            heard = own_prime(
                music.score, self.encoding, self.bundle.name, reading_options, use="compose within this piece"
            )
        except ScoreError as error:
            raise ScoreError(f"{music.name}{error}; use another model, such as ensemble") from error
        try:
            score = rewrite(self.runtime, self.encoding, heard, options, sampling=self.sampling, seed=seed)
        except ScoreError as error:
            raise ScoreError(f"{music.name}{error}") from error
        recipe = self._recipe(seed, {**asdict(options), **asdict(reading_options)})
        recipe |= {"command": "rewrite", "piece": heard.label, "title": music.title}
        return Composition(score, seed, json.dumps(recipe, sort_keys=True), (), music.remarks)

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
        programs = chosen_programs(self.encoding, header, options)
        tracks = tuple(t if p is None else replace(t, program=p) for t, p in zip(header.tracks, programs))
        return replace(header, tracks=tracks, tempo=options.tempo or header.tempo)

    def _find_prime(
        self,
        prime: ScoreTick | str | Path | None,
        options: ComposeOptions,
        reading_options: ReadingOptions | None,
        seed: int,
        meter: str | None = None,
    ) -> Prime | None:
        if prime is None:
            return None
        if prime == CORPUS:
            choices = passages.read_passages(self.bundle.manifest, self.bundle.name, self.encoding)
            if meter is not None:
                choices = passages_in(choices, meter)
            passage = choices[np.random.default_rng([seed, len(choices)]).integers(len(choices))]
            return Prime(f"{CORPUS}: {passage.name}", passage.piece)
        reading_options = reading_options or ReadingOptions()
        score = _read_music(prime, reading_options).score
        if len(score.tracks) > MAX_PRIME_TRACKS:
            raise ScoreError(f"the prime has {len(score.tracks):,} tracks, but the limit is {MAX_PRIME_TRACKS:,}")
        found = own_prime(score, self.encoding, self.bundle.name, reading_options)
        bars = Bars(found.piece.header.meters).number(found.piece.ticks - 1)
        if min(bars, options.prime_bars or bars) > MAX_PRIME_BARS:
            raise ScoreError(
                f"the prime has {bars:,} bars, more than {MAX_PRIME_BARS:,}; use fewer of them (--prime-bars)"
            )
        return found

    def _open(self, prime: Prime, options: ComposeOptions) -> _PrimedPart:
        played = self._with_fixed_times(options)
        opening = open_prime(prime, self.encoding, played, options)
        header = self._apply_options(opening.header, options)
        own = own_music(prime, opening, header, self.encoding, options)
        if own is not None and not len(own.score.tempos):
            opening = replace(opening, header=replace(opening.header, tempo=own.main_tempo))
        return _PrimedPart(opening, own, remarks_of(prime, opening, self.encoding, own is not None))

    def _with_fixed_times(self, options: ComposeOptions) -> Encoding:
        if options.offset is None and options.duration is None:
            return self.encoding
        return self.encoding.with_fixed_times(options.offset, options.duration)

    def _pieces(self, seed: int, options: ComposeOptions, prime: Prime | None) -> Iterator[Event]:
        tick = 0
        part = None if prime is None else self._open(prime, options)
        for number in itertools.count():
            for event in self._piece(seed + number, tick, _Request(options, part if number == 0 else None)):
                yield event
            tick = event.tick

    def _comment(
        self,
        seed: int,
        options: ComposeOptions,
        prime: Prime | None,
        reading_options: ReadingOptions | None,
        others: Mapping[str, Any],
    ) -> str:
        """How to compose this piece again, as JSON; `others` are options besides those of composing."""
        recipe = self._recipe(seed, {**asdict(options), **others})
        if prime is not None:
            recipe["prime"] = prime.label
            if prime.given is not None:
                recipe["options"] |= asdict(reading_options or ReadingOptions())
        return json.dumps(recipe, sort_keys=True)

    def _recipe(self, seed: int, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "version": __version__,
            "model": self.bundle.name,
            "bundle": self.bundle.sha256,
            "seed": seed,
            "options": {name: value for name, value in options.items() if value is not None},
        }

    def _piece(
        self,
        seed: int,
        start: int,
        request: _Request,
        cache: GenerationCache | None = None,
        draw: int = 0,
    ) -> Iterator[Event]:
        """One piece from tick `start` on: Start, then events in the order of their ticks, then End. Each `draw` is
        another piece of the same seed."""
        rng = random_numbers(seed, draw)
        options, part = request.options, request.part
        encoding, own = self._with_fixed_times(options), None
        if part is None:
            header = _draw_header(headers_in(self.encoding, request.meter), rng)
            opening = Opening(header, np.zeros((0, len(self.encoding.fields)), np.int32), 0, 0, 0)
        else:
            opening, own = part.opening, part.own
        header = self._apply_options(opening.header, options)
        primed, total = len(opening.steps), options.bars + opening.bars
        schedule = Schedule(options.sampling(self.sampling), total, tuple(options.changes or ()))
        decoder, total = encoding.decoder(header, total), schedule.length
        decoder.keeps_meter = request.meter is not None
        generator = PieceGenerator(self.runtime, encoding, rng, schedule, options.rules)
        composed = generator.events(decoder, opening.steps, cache)
        if own is None:
            yield Start(start, seed, header.tracks, total, self.encoding.has_velocities)
            cut = 0 if options.keep_prime else opening.tick
            yield from events_from_cut(composed, header, bars=total, cut=cut, primed=primed, start=start)
        else:
            begin = start + own.until
            yield Start(start, seed, own.tracks, total, self.encoding.has_velocities, begin)
            after = events_from_cut(
                composed,
                header,
                bars=total,
                cut=opening.tick,
                primed=primed,
                start=begin,
                tempo=own.main_tempo,
            )
            yield from own.followed_by(after, start)


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


def read_prime(path: str | Path, options: ReadingOptions | None = None) -> reading.ReadFile:
    """Read a file as a prime: notes keep their written lengths, for the pedal is kept beside them.

    Raises:
        ScoreError: the file is damaged, is not music, or exceeds the limits.
    """
    return reading.read_file(path, options=replace(options or ReadingOptions(), pedal="ignore"))


def _read_music(music: ScoreTick | str | Path, options: ReadingOptions) -> _UserMusic:
    if not isinstance(music, str | Path):
        return _UserMusic(scores.convert_resolution(music))
    found = read_prime(music, options)
    title = Path(music).stem.replace("_", " ")
    return _UserMusic(found.score, title, f"{display_path(music)}: ", found.remarks)


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


def events_from_cut(
    composed: Iterable[Event],
    header: Header,
    *,
    bars: int,
    cut: int = 0,
    primed: int = 0,
    start: int = 0,
    tempo: float | None = None,
) -> Iterator[Event]:
    """The events of a piece without its first ticks, with the meters and the tempo with which it begins, and its end.

    Args:
        bars: the length of the piece.
        cut: how many ticks are left out.
        primed: how many of the first steps are the prime's.
        start: where the events begin.
        tempo: with which they begin, if no event before the cut has another one; None for the header's.
    """
    opening, end = header if tempo is None else replace(header, tempo=tempo), 0
    beginning = opening_events(opening, cut, start)
    for event in composed:
        if isinstance(event, Note):
            if cut and event.steps[0] < primed:
                # Of the prime's notes, only those that the network holds beyond the cut stay, from the cut on.
                held = tuple(step for step in event.steps if step >= primed)
                if not held:
                    continue
                event = replace(event, tick=cut, duration=event.tick + event.duration - cut, steps=held)
            end = max(end, event.tick + event.duration)
        else:
            assert isinstance(event, Meter | Tempo)
            header, opening = header_after(header, event), header_after(opening, event)
            if event.tick < cut or event.tick == 0:  # it is in force where the result begins
                beginning = opening_events(opening, cut, start)
                continue
        moved = replace(event, tick=event.tick - cut + start)
        while beginning and beginning[0].tick <= moved.tick:
            yield beginning.pop(0)
        yield moved
    yield from beginning
    yield End(max(end, Bars(header.meters).end(bars)) - cut + start)
