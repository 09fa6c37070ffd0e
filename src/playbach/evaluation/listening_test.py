"""Makes the pairs of a blind listening test: the first bars of held-out pieces, each beside a composed piece.

Held-out pieces are those of the model's test side, known by the hash of their notes. Both pieces of a pair pass
through the same encoding and the same performance, and have the same voices, meter, pickup, tempo and number of bars.
So only the notes can tell a listener which is which. docs/listening-test.md says what the test can show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.bundles.fingerprints import TrainingIndex
from playbach.data.chorales import CORPUS_NAME
from playbach.data.pieces import Piece
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.evaluation.listening_pairs import (
    PAIRS_VERSION,
    Excerpt,
    ListeningTest,
    Pair,
    PairNote,
    PairVoice,
)
from playbach.evaluation.options import ListeningTestOptions
from playbach.evaluation.reports import groups_of
from playbach.inference.composing import Composer, new_seed
from playbach.inference.options import ComposeOptions
from playbach.music.assembly import drop_later_meters, first_events, score_from_events
from playbach.music.bars import Bars, Header
from playbach.music.borrowing.building import build
from playbach.music.borrowing.floor import borrowing_of
from playbach.music.borrowing.index import Index
from playbach.music.events import MAX_TEMPO, MIN_TEMPO, TICKS_PER_QUARTER, End, Event, Meter, Note, Start, Tempo
from playbach.music.performance import perform
from playbach.music.sounding import SoundingNotes
from playbach.music.tunes import tune_groups
from playbach.system.errors import BundleError, CorpusError
from playbach.system.files import display_path
from playbach.system.progress import Report

TEST = "test"
"""The side of the split from which held-out pieces are taken."""
MAX_SEEDS = 400
"""Seeds that are tried for one pair: for most of them only the header is drawn."""
ANYBODY = "a person"
"""The composer of held-out pieces that are not the built-in chorales."""


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """A held-out piece as the model represents it."""

    name: str
    tune: int
    """The same for two settings of one tune."""
    header: Header
    """With the meters and the tempo of both excerpts."""
    bars: int
    events: tuple[Event, ...]
    """Not performed."""


@dataclass(frozen=True, slots=True)
class _Originality:
    """What composed excerpts are compared with."""

    training: TrainingIndex
    held_out: Index

    def copies(self, score: Score) -> str | None:
        """From which side a score borrows more than real music does; None if from none."""
        if self.training.borrowing(score).is_above:
            return "training"
        if borrowing_of(score, self.held_out, self.training.floor).is_above:
            return "held-out"
        return None


def make_listening_test(
    composer: Composer,
    folder: str | Path | None = None,
    options: ListeningTestOptions | None = None,
    report: Report = lambda line: None,
) -> ListeningTest:
    """Draw held-out pieces, and compose a piece for each of them.

    Args:
        folder: with the held-out pieces of the model; None: its corpus, if that is a built-in one.
        report: receives lines about the progress.

    Raises:
        CorpusError: there are fewer suitable held-out pieces than pairs are wanted.
        BundleError: the model has no index of its training pieces.
        MissingExtra: the built-in corpus must be converted first, and music21 is not installed.
    """
    options = options or ListeningTestOptions()
    training = composer.training_index
    if training is None:
        raise BundleError(
            f"{display_path(composer.bundle.name)}: this model has no index of its training pieces, which tells what "
            "an excerpt copies; train it again"
        )
    groups, corpus = groups_of(composer, folder, report)
    pieces = sorted(groups[TEST], key=lambda piece: piece.digest)
    seed = new_seed(options.seed)
    rng = np.random.default_rng(seed)
    reasons = Counter[str]()
    suitable = list(_suitable(pieces, composer.encoding, options.bars, reasons))
    report(f"{len(suitable)} of {len(pieces)} held-out pieces are suitable")
    index, _ = build({number: lambda p=piece: p.score for number, piece in enumerate(pieces)}, [])  # type: ignore[misc]
    originality = _Originality(training, index)
    pairs: list[Pair] = []
    found = _pairs(composer, suitable, bars=options.bars, rng=rng, originality=originality, reasons=reasons)
    for pair in islice(found, options.pairs):
        pairs.append(pair)
        report(f"Pair {len(pairs)} of {options.pairs}")
    remarks = tuple(f"{reason}: {count}" for reason, count in sorted(reasons.items()))
    if len(pairs) < options.pairs:
        why = "; ".join([f"held-out pieces of this model: {len(pieces)}", *remarks])
        raise CorpusError(
            f"{display_path(corpus)}: only {len(pairs)} of {options.pairs} pairs can be made ({why}); ask for fewer "
            "--pairs or --bars"
        )
    return ListeningTest(
        version=PAIRS_VERSION,
        model=composer.bundle.name,
        bundle=composer.bundle.sha256,
        corpus=Path(corpus).name,
        composer=options.composer or ("Bach" if corpus == CORPUS_NAME else ANYBODY),
        excerpt_bars=options.bars,
        seed=seed,
        remarks=remarks,
        pairs=tuple(pairs),
    )


# -------------------------------------------------------------------------------------------------- held-out pieces


def _suitable(pieces: Sequence[Piece], encoding: Encoding, bars: int, reasons: Counter[str]) -> Iterator[_HeldOut]:
    """The pieces that suit the test. Why others do not is counted."""
    for tune, piece in zip(tune_groups(piece.score for piece in pieces), pieces):
        reason = _unsuitable(piece.score, encoding)
        if reason is not None:
            reasons[reason] += 1
            continue
        encoded = encoding.encode(piece.score)
        header, events = _decoded(encoded, encoding)
        whole = Bars(header.meters).number(encoded.ticks - 1)
        if whole < bars:
            reasons[f"held-out pieces with less than {bars} bars"] += 1
        elif header.meters != drop_later_meters(header, 0).meters:
            reasons["held-out pieces that change their meter"] += 1
        else:
            yield _HeldOut(_title(piece.name), tune, header, whole, tuple(events))


def _unsuitable(score: Score, encoding: Encoding) -> str | None:
    if encoding.rejection_reason(score) is not None:
        return "held-out pieces that the model cannot represent"
    before, after = SoundingNotes.of(score), SoundingNotes.of(encoding.project(score))
    lost = (len(before), before.parts) != (len(after), after.parts)
    return "held-out pieces with notes or voices that the model cannot represent" if lost else None


def _decoded(piece: EncodedPiece, encoding: Encoding) -> tuple[Header, list[Event]]:
    """The header and the events of a piece, as a decoder makes them from its steps."""
    decoder = encoding.decoder(piece.header)
    decoded = [event for step in piece.steps for event in decoder.feed(step)] + decoder.finish()
    meters = {m[0]: m for m in piece.header.meters}
    meters |= {e.tick: (e.tick, e.numerator, e.denominator) for e in decoded if isinstance(e, Meter)}
    tempo = next((e.qpm for e in decoded if isinstance(e, Tempo) and e.tick == 0), piece.header.tempo)
    tempo = float(min(max(round(tempo), MIN_TEMPO), MAX_TEMPO))
    header = replace(piece.header, meters=tuple(meters[tick] for tick in sorted(meters)), tempo=tempo)
    end = max(Bars(header.meters).end(Bars(header.meters).number(piece.ticks - 1)), piece.ticks)
    notes = sorted((e for e in decoded if isinstance(e, Note)), key=lambda e: (e.tick, e.track, e.pitch))
    return header, [*first_events(header), *notes, End(end)]


def _title(name: str) -> str:
    """The name of a piece, without its folder and its suffix: "BWV 10.7"."""
    stem = Path(name).stem.replace("_", " ")
    return f"BWV {stem[3:]}" if stem.startswith("bwv") else stem


# ----------------------------------------------------------------------------------------------------------- pairs


def _pairs(
    composer: Composer,
    suitable: Sequence[_HeldOut],
    *,
    bars: int,
    rng: np.random.Generator,
    originality: _Originality,
    reasons: Counter[str],
) -> Iterator[Pair]:
    """Pairs in a random order, each of another tune. The reasons why a held-out piece has none are counted."""
    tunes = set[int]()
    for number in rng.permutation(len(suitable)):
        held = suitable[number]
        if held.tune in tunes:
            reasons["held-out pieces on a tune that another pair has"] += 1
        elif pair := _pair(composer, held, bars, rng, originality, reasons):
            tunes.add(held.tune)
            yield pair


def _pair(
    composer: Composer,
    held: _HeldOut,
    bars: int,
    rng: np.random.Generator,
    originality: _Originality,
    reasons: Counter[str],
) -> Pair | None:
    """The piece beside the first one of other seeds that fits it and copies nothing; None if none does."""
    velocities = composer.encoding.has_velocities
    for seed in rng.integers(1 << 31, size=MAX_SEEDS).tolist():
        events = _composed(composer, held, seed)
        if events is None:
            continue
        copied = originality.copies(score_from_events(_first_bars(events, held.header, bars)))
        if copied is not None:
            reasons[f"composed excerpts replaced since they copy {copied} music"] += 1
            continue
        real = (replace(e, velocities=velocities) if isinstance(e, Start) else e for e in held.events)
        numerator, denominator = held.header.meters[-1][1:]
        return Pair(
            voices=tuple(PairVoice(t.name, t.program, t.drums) for t in held.header.tracks),
            meter=f"{numerator}/{denominator}",
            tempo=held.header.tempo,
            real=_excerpt(real, held.header, bars),
            composed=_excerpt(events, held.header, bars),
            piece=held.name,
            seed=seed,
            bars=held.bars,
        )
    reasons[f"held-out pieces that no composed piece of {MAX_SEEDS} seeds goes with"] += 1
    return None


def _composed(composer: Composer, held: _HeldOut, seed: int) -> list[Event] | None:
    """A composed piece, not performed; None if its voices or its meters are not those of the held-out piece. Of most
    such pieces only the header is drawn."""
    options = ComposeOptions(bars=held.bars, tempo=held.header.tempo, plain=True)
    events: list[Event] = []
    for event in composer.piece(seed, options):
        if isinstance(event, Start) and event.tracks != held.header.tracks:
            return None
        if isinstance(event, Meter) and (event.tick, event.numerator, event.denominator) not in held.header.meters:
            return None
        if isinstance(event, Tempo):  # the tempo is that of the held-out piece throughout
            event = replace(event, qpm=held.header.tempo)
        if not isinstance(event, Tempo) or event.tick == 0:
            events.append(event)
    meters = tuple((e.tick, e.numerator, e.denominator) for e in events if isinstance(e, Meter))
    return events if meters == held.header.meters else None


def _excerpt(events: Iterable[Event], header: Header, bars: int) -> Excerpt:
    """The first bars of a piece, performed as a whole."""
    performed = list(_first_bars(list(perform(events)), header, bars))
    tempos = [event for event in performed if isinstance(event, Tempo)]
    notes = [event for event in performed if isinstance(event, Note)]
    seconds = _times([performed[-1].tick], tempos)[0]
    begins = _times([note.tick for note in notes], tempos)
    ends = _times([note.tick + note.duration for note in notes], tempos)
    rows = (
        PairNote(note.track, note.pitch, note.velocity, _ms(a), max(_ms(b - a), 0.001))
        for note, a, b in zip(notes, begins, ends)
    )
    return Excerpt(_ms(seconds), tuple(rows))


def _first_bars(events: Sequence[Event], header: Header, bars: int) -> Iterator[Event]:
    """The events of the first full bars, and of a pickup. Notes that are held over the end are cut there; a piece
    that has no more bars ends as it does."""
    end = Bars(header.meters).start(bars + 1)
    last = events[-1].tick
    for event in events:
        if isinstance(event, Note) and event.tick < end:
            yield replace(event, duration=min(event.tick + event.duration, end) - event.tick)
        elif not isinstance(event, Note | End) and event.tick < end:
            yield event
    yield End(min(end, last))


def _times(ticks: Sequence[int], tempos: Sequence[Tempo]) -> list[float]:
    """The times of ticks in seconds. The first tempo holds from the beginning."""
    at = [0, *(tempo.tick for tempo in tempos[1:])]
    seconds = [0.0]
    for (begin, end), tempo in zip(pairwise(at), tempos):
        seconds.append(seconds[-1] + (end - begin) * _seconds_per_tick(tempo))
    places = np.searchsorted(at, ticks, side="right") - 1
    return [seconds[i] + (tick - at[i]) * _seconds_per_tick(tempos[i]) for tick, i in zip(ticks, places)]


def _seconds_per_tick(tempo: Tempo) -> float:
    return 60 / tempo.qpm / TICKS_PER_QUARTER


def _ms(seconds: float) -> float:
    return round(float(seconds), 3)
