"""Evaluates a model: figures on held-out music, compared with an n-gram, and statistics of composed pieces, compared
with the corpus.

Pieces are recognised by the hash of their notes, and belong to one group each: those that the model was trained,
validated or tested on, and those that it has not seen. Figures of different groups are never mixed. Networks are
stepped by a runtime, so that torch is not needed. docs/evaluation.md defines the figures.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.bundles import bundle
from playbach.data import corpora
from playbach.data.batches import previous_of
from playbach.data.pieces import Piece
from playbach.encodings.base import EncodedPiece, Encoding
from playbach.encodings.features.bars import UNKNOWN_BARS_LEFT
from playbach.evaluation import continuations
from playbach.evaluation.continuations import MOST_PROBABLE, Agreement
from playbach.evaluation.measures import Measures, Reference, measures_of
from playbach.evaluation.metrics import (
    Figures,
    Predictions,
    compute_figures,
    frequency_baseline,
    predictions_from_logits,
    predictor_figures,
)
from playbach.evaluation.options import DEFAULT_PLACES, GROUPS, UNSEEN, EvaluationOptions
from playbach.inference.composing import Composer
from playbach.inference.runtimes.base import Runtime
from playbach.inference.runtimes.members import MembersRuntime
from playbach.music import tunes
from playbach.music.options import ReadingOptions
from playbach.ngrams.ngram import NGram
from playbach.ngrams.pieces import in_keys_that_fit
from playbach.system.errors import CorpusError, ScoreError
from playbach.system.progress import Report

GROUP_LABELS = {
    UNSEEN: "unseen",
    "test": "held-out test",
    "valid": "validation",
    "train": "TRAINED ON",
}
COMPOSED_KEYS = {UNSEEN: "never met", "test": "held-out test", "valid": "validated on", "train": "trained on"}
"""The keys of `Evaluation.composed` for groups of the corpus."""
NETWORK, NGRAM, COMMONEST = "network", "n-gram", "commonest symbol"
TOGETHER, AVERAGED = "network and n-grams", "n-grams averaged"
ALL_TRAINED_ON = (
    "NO HONEST FIGURES: this model was trained on all of these pieces, so the figures only show how well it "
    "remembers them; give music that it was not trained on"
)
PIECES_AT_ONCE = 32
"""The batch of a network."""
MAX_NGRAM_STEPS = 4_000_000
"""The n-gram is fitted to fewer keys of the training pieces where all keys would be more steps than this."""


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """The figures of a predictor on a group of pieces."""

    group: str
    guesser: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class ContinuationAgreement:
    """How well a predictor continues the pieces of a group."""

    group: str
    guesser: str
    choice: str
    """One of continuations.CHOICES."""
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class OwnTest:
    """The figures of a model's own test side, as its manifest has them from the end of its training. They say how it
    compares with an n-gram where none can be fitted."""

    reason: str
    """Why no n-gram stands beside the network on this music, in one line."""
    source: str
    """Where the figures come from, or why there are none, in one line."""
    rows: tuple[GroupFigures, ...]
    """Of the group `test`; empty if the manifest has none."""


@dataclass(frozen=True)
class Evaluation:
    """All results of an evaluation."""

    model: str
    bundle: str
    encoding: str
    four_voices: bool
    music: str
    rows: tuple[GroupFigures, ...]
    """In the order of GROUPS."""
    composed: Mapping[str, Measures] = field(default_factory=dict)
    """Of the composed pieces (`composed`, `composed, no rules`) and of groups of the corpus (COMPOSED_KEYS)."""
    remarks: tuple[str, ...] = ()
    """Lines that qualify the figures."""
    continued: tuple[ContinuationAgreement, ...] = ()
    own_test: OwnTest | None = None
    """Only if there is no n-gram among the rows."""

    def manifest(self) -> dict[str, Any]:
        """The results as JSON."""
        return asdict(self)


def evaluate(
    composer: Composer,
    folder: str | Path | None = None,
    options: EvaluationOptions | None = None,
    report: Report = lambda line: None,
) -> Evaluation:
    """Evaluate a model on the music in a folder, or on its own corpus if that is a built-in one.

    Args:
        report: receives lines about the progress, and about files that are left out.

    Raises:
        CorpusError: there is no music, or the model's corpus must be given as a folder.
        MissingExtra: the built-in corpus must be converted first, and music21 is not installed.
    """
    options = options or EvaluationOptions()
    groups, music = groups_of(composer, folder, report, options.reading(bundle.reading_options(composer.bundle)))
    measured = [g for g in GROUPS if groups[g] and options.side in (None, g)]
    if not measured:
        found = ", ".join(f"{len(groups[g])} {GROUP_LABELS[g]}" for g in GROUPS if groups[g])
        raise CorpusError(f"{music}: no piece of the side {options.side!r}, only {found}")
    remarks: list[str] = []
    if measured == ["train"]:
        remarks.append(ALL_TRAINED_ON)
        report(ALL_TRAINED_ON)
    scores = {g: [p.score for p in pieces] for g, pieces in groups.items()}
    encoded = {g: _encoded(groups[g], composer.encoding) for g in measured}
    missing = _why_no_ngram(composer, groups, measured)
    baseline = None
    if missing is None:
        baseline, about_baseline = _fit_baseline(composer, groups, measured, report)
        remarks += about_baseline
    rows: list[GroupFigures] = []
    for group in measured:
        report(f"Predicting {len(encoded[group])} pieces ({GROUP_LABELS[group]})")
        rows += _measure_group(composer, group, encoded[group], baseline, scores["train"])
    continued: list[ContinuationAgreement] = []
    for group in measured if options.continuations is not None else []:
        sequences = _by_content(groups[group], encoded[group])
        remarks += _too_short(group, sequences)
        compared = None if group == "train" else baseline
        continued += _continue(composer, compared, group, sequences, options, report)
    composed: dict[str, Measures] = {}
    if options.samples is not None:
        composed = dict(compare_with_corpus(composer, options, scores, measured, report))
    return Evaluation(
        model=composer.bundle.name,
        bundle=composer.bundle.sha256,
        encoding=composer.encoding.name,
        four_voices=composer.encoding.track_count == 4,
        music=music,
        rows=tuple(rows),
        composed=composed,
        remarks=tuple(remarks),
        continued=tuple(continued),
        own_test=None if missing is None else own_test(composer.bundle.manifest, missing),
    )


def _why_no_ngram(composer: Composer, groups: Mapping[str, Sequence[Piece]], measured: Sequence[str]) -> str | None:
    """Why no n-gram can be fitted to stand beside the network; None if one can."""
    if all(group == "train" for group in measured):
        return "an n-gram of the pieces that are measured would only show how well it remembers them"
    if groups["train"]:
        return None
    trained = len(_trained(composer))
    if not trained:
        return "the model does not say which pieces it was trained on, and an n-gram must be fitted to the same ones"
    return (
        f"this music has none of the {trained} pieces that the model was trained on, and an n-gram must be fitted to "
        "the same pieces"
    )


def own_test(manifest: Mapping[str, Any], reason: str) -> OwnTest:
    """The figures of its own test side in a model's manifest, which may come from anywhere: what is malformed is left
    out."""
    metrics, provenance = manifest.get("metrics"), manifest.get("provenance")
    recorded = metrics if isinstance(metrics, Mapping) else {}
    labels = {
        "test": TOGETHER if "test_alone" in recorded else NETWORK,
        "test_alone": NETWORK,
        "ngram": NGRAM,
        "ngrams": AVERAGED,
        "guessing_by_frequency": COMMONEST,
    }
    found = {key: _recorded_figures(recorded.get(key)) for key in labels}
    rows = [GroupFigures("test", labels[key], figures) for key, figures in found.items() if figures]
    if found["test"] is None:
        unfinished = isinstance(provenance, Mapping) and provenance.get("unfinished") is True
        why = "its training was not finished" if unfinished else "its file has none"
        return OwnTest(reason, f"there are no figures of the model's own test side: {why}", ())
    before = ", before it was exported" if "export" in manifest else ""
    return OwnTest(reason, f"the model's own test side, measured at the end of its training{before}", tuple(rows))


def _recorded_figures(data: Any) -> Figures | None:
    """Figures from a manifest; None if they are missing or malformed."""
    try:
        figures = Figures.from_manifest(data)
        numbers = [getattr(figures, f.name) for f in fields(Figures) if f.name != "heads"]
        return figures if all(math.isfinite(number) for number in numbers) else None
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None


def _fit_baseline(
    composer: Composer, groups: Mapping[str, Sequence[Piece]], measured: Sequence[str], report: Report
) -> tuple[NGram, list[str]]:
    """The n-gram of those of the model's training pieces that are there, and remarks."""
    train, trained = groups["train"], len(_trained(composer))
    remarks = []
    if len(train) < trained:
        remarks.append(
            f"the n-gram was fitted to only {len(train)} of the {trained} pieces that the network was trained on"
        )
    report(f"Fitting the n-gram to {len(train)} training pieces in all their keys")
    # Sorted by content, not by name: which pieces the n-gram sets aside depends on the order.
    in_order = [p.score for p in sorted(train, key=lambda piece: piece.digest)]
    baseline = NGram.fit(_in_all_keys(in_order, composer.encoding), composer.encoding)
    others = {g: [p.score for p in groups[g]] for g in measured if g != "train"}
    return baseline, [*remarks, *_shared_tunes([p.score for p in train], others)]


def _measure_group(
    composer: Composer,
    group: str,
    sequences: Sequence[EncodedPiece],
    baseline: NGram | None,
    train: Sequence[Score],
) -> Iterator[GroupFigures]:
    """The figures of the network and, on pieces that it was not trained on, of the baselines."""
    encoding = composer.encoding
    predictions = predict_pieces(composer.runtime, encoding, sequences)
    yield GroupFigures(group, NETWORK, compute_figures(predictions, sequences, encoding))
    if baseline is None or group == "train":
        return
    yield GroupFigures(group, NGRAM, predictor_figures(baseline, sequences, encoding))
    yield GroupFigures(group, COMMONEST, frequency_baseline(encoding, map(encoding.encode, train), sequences))


# --------------------------------------------------------------------------------------------------- which pieces


def groups_of(
    composer: Composer, folder: str | Path | None, report: Report, reading: ReadingOptions | None = None
) -> tuple[dict[str, list[Piece]], str]:
    """The pieces in a folder, or of the model's own corpus if it is a built-in one, by group, and their name.

    Args:
        reading: how files are read; None: as for the model's training.

    Raises:
        CorpusError: there is no music, or the model's corpus must be given as a folder.
        MissingExtra: the built-in corpus must be converted first, and music21 is not installed.
    """
    known, reading = _known(composer), reading or bundle.reading_options(composer.bundle)
    if folder is None:
        name = composer.bundle.manifest.get("provenance", {}).get("corpus")
        is_builtin, encoding = name in corpora.BUILTIN, composer.encoding.name
        corpus = corpora.load_builtin(name, encoding=encoding, reading=reading) if is_builtin else None
        # A user's folder can have the name of a built-in corpus.
        if corpus is None or not any(p.digest in known for p in corpus.train):
            raise CorpusError(
                f"{composer.bundle.name}: its corpus ({name!s:.80}) is not a built-in one; give a folder of "
                f"music: playbach evaluate {composer.bundle.name} FOLDER"
            )
        pieces = [piece for _, piece in corpus.pieces()]
    else:
        pieces, skipped, _ = corpora.read_folder(
            corpora.corpus_folder(folder),
            composer.encoding.name,
            lambda line: report(f"left out: {line}"),
            reading=reading,
            remark=lambda line: report(f"remark: {line}"),
        )
        name = str(folder)
        if skipped:
            report(f"{len(skipped)} of {len(skipped) + len(pieces)} files are left out")
    groups: dict[str, list[Piece]] = {group: [] for group in GROUPS}
    seen: set[str] = set()
    for piece in pieces:
        if piece.digest in seen:
            if folder is not None:
                report(f"left out: {piece.name} has the same notes as another piece")
            continue
        seen.add(piece.digest)
        groups[known.get(piece.digest, UNSEEN)].append(piece)
    return groups, str(name)


def _known(composer: Composer) -> dict[str, str]:
    """The side of each piece that the model knows, by content hash."""
    return {digest: side for digest, (side, *_) in bundle.known_pieces(composer.bundle.manifest).items()}


def _trained(composer: Composer) -> list[str]:
    """The content hashes of the pieces that the model was trained on."""
    return [digest for digest, side in _known(composer).items() if side == "train"]


def _encoded(pieces: Sequence[Piece], encoding: Encoding) -> list[EncodedPiece]:
    found = []
    for piece in pieces:
        try:
            found.append(encoding.encode(piece.score))
        except ScoreError as error:
            raise ScoreError(f"{piece.name}: {error}") from error
    return found


def _by_content(pieces: Sequence[Piece], encoded: Sequence[EncodedPiece]) -> list[EncodedPiece]:
    """Sort pieces by content, not by file name."""
    return [encoded[i] for i in sorted(range(len(pieces)), key=lambda i: pieces[i].digest)]


def _too_short(group: str, sequences: Sequence[EncodedPiece]) -> Iterator[str]:
    """A remark if some pieces have no place for a continuation."""
    short = sum(not continuations.is_long_enough(len(s)) for s in sequences)
    if short:
        least = continuations.MIN_STEPS_BEFORE + continuations.COMPARED_STEPS
        label, of = GROUP_LABELS[group], len(sequences)
        yield f"{short} of the {of} pieces ({label}) have fewer than {least} steps, too few for a continuation"


def _shared_tunes(train: Sequence[Score], held_out: Mapping[str, Sequence[Score]]) -> Iterator[str]:
    """A remark for each group in which some pieces share a tune with training pieces."""
    for group, scores in held_out.items():
        numbers = tunes.tune_groups([*train, *scores])
        trained = set(numbers[: len(train)])
        shared = sum(number in trained for number in numbers[len(train) :])
        if shared:
            yield f"{shared} of the {len(scores)} pieces ({GROUP_LABELS[group]}) share a tune with a training piece"


# ------------------------------------------------------------------------------------------------------ guessing


def predict_pieces(runtime: Runtime, encoding: Encoding, sequences: Sequence[EncodedPiece]) -> Iterator[Predictions]:
    """Predict whole pieces from their beginning with a network that does not know how many bars are left."""
    if isinstance(runtime, MembersRuntime):
        return (_predict_with_members(runtime, encoding, piece) for piece in sequences)
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
    found: dict[int, Predictions] = {}
    for first in range(0, len(order), PIECES_AT_ONCE):
        group = order[first : first + PIECES_AT_ONCE]
        for i, one in zip(group, _predict_batch(runtime, encoding, [sequences[i] for i in group])):
            found[i] = one
    return (found[i] for i in range(len(sequences)))


def _predict_with_members(runtime: MembersRuntime, encoding: Encoding, piece: EncodedPiece) -> Predictions:
    """Step the network alone; n-grams predict a whole piece at once."""
    previous, context = previous_of(piece.steps, encoding), piece.context.copy()
    context[:, encoding.bars_left_column] = UNKNOWN_BARS_LEFT
    state, found = runtime.network.start(), []
    for t in range(len(piece)):
        logits, state = runtime.network.step(previous[t], context[t], state)
        found.append(logits)
    return predictions_from_logits(runtime.mix([np.stack(field) for field in zip(*found)], piece), piece.steps)


def _predict_batch(runtime: Runtime, encoding: Encoding, group: list[EncodedPiece]) -> Iterator[Predictions]:
    """Predict pieces in the order of falling length. Those that have ended get zeros, and their logits are not
    used."""
    lengths = np.array([len(s) for s in group])
    longest, pieces = int(lengths.max()), len(group)
    previous = np.zeros((longest, pieces, len(encoding.fields)), np.int64)
    context = np.zeros((longest, pieces, len(encoding.context)), np.int64)
    steps = np.zeros((longest, pieces, len(encoding.fields)), np.int32)
    for i, s in enumerate(group):
        previous[: len(s), i] = previous_of(s.steps, encoding)
        context[: len(s), i] = s.context
        steps[: len(s), i] = s.steps
    context[:, :, encoding.bars_left_column] = UNKNOWN_BARS_LEFT
    nats, right = np.zeros(steps.shape), np.zeros(steps.shape, bool)
    state = runtime.start(pieces)
    for t in range(longest):
        logits, state = runtime.step(previous[t], context[t], state)
        one = predictions_from_logits(logits, steps[t])
        nats[t], right[t] = one.nats, one.right
    return (Predictions(nats[:n, i], right[:n, i]) for i, n in enumerate(lengths.tolist()))


def _continue(
    composer: Composer,
    baseline: NGram | None,
    group: str,
    sequences: Sequence[EncodedPiece],
    options: EvaluationOptions,
    report: Report,
) -> Iterator[ContinuationAgreement]:
    """How well the network and the baseline, if there is one, continue the pieces of a group, at the same places."""
    most = DEFAULT_PLACES if options.continuations is True else options.continuations or 0
    places = continuations.choose_places([len(s) for s in sequences], most, np.random.default_rng(0))
    if not places:
        return
    report(f"Continuing pieces at {len(places)} places ({GROUP_LABELS[group]})")
    encoding = composer.encoding
    chosen = continuations.continue_with_network(composer.runtime, encoding, sequences, places)
    found = [(NETWORK, choice, symbols) for choice, symbols in chosen.items()]
    if baseline is not None:
        found.append((NGRAM, MOST_PROBABLE, continuations.continue_with_ngram(baseline, sequences, places)))
    for guesser, choice, symbols in found:
        agreement = continuations.measure_agreement(symbols, encoding, sequences, places)
        yield ContinuationAgreement(group, guesser, choice, agreement)


def _in_all_keys(scores: Sequence[Score], encoding: Encoding) -> list[list[EncodedPiece]]:
    """Training pieces in all keys, or in the nearest keys where all would be too many steps."""
    return in_keys_that_fit(scores, encoding, MAX_NGRAM_STEPS)


# ------------------------------------------------------------------------------------------------------ composing


def compare_with_corpus(
    composer: Composer,
    options: EvaluationOptions,
    scores: Mapping[str, Sequence[Score]],
    groups: Sequence[str],
    report: Report,
) -> Iterator[tuple[str, Measures]]:
    """The measures of composed pieces, and of the corpus as the encoding represents it: of held-out pieces, which
    show how small the distances can be, and of training pieces."""
    assert options.samples is not None
    encoding = composer.encoding
    four = encoding.track_count == 4
    projected = {g: [encoding.project(s) for s in scores[g]] for g in {*groups, "train"} if scores[g]}
    reference = Reference.of(projected["train"]) if "train" in projected else None
    for rules in (True, False) if options.no_rules else (True,):
        pieces = [p.score for p in compose_samples(composer, options.samples, options.bars, rules, report)]
        yield ("composed" if rules else "composed, no rules"), measures_of(pieces, four, reference, options.bars)
    for group in itertools.chain([g for g in groups if g != "train"][:1], ["train"]):
        if group in projected:
            found = measures_of(projected[group], four, reference, options.bars)
            # For training pieces the share of copied bars would always be 1.
            yield COMPOSED_KEYS[group], replace(found, copied_bars=None) if group == "train" else found


def compose_samples(composer: Composer, samples: int, bars: int, rules: bool, report: Report) -> Iterator[Any]:
    """Compose the pieces of the seeds 0 to `samples` - 1, without a performance."""
    for seed in range(samples):
        if seed % 10 == 0:
            report(
                f"Composing pieces {seed + 1} to {min(seed + 10, samples)} of {samples}"
                + " without rules" * (not rules)
            )
        yield composer.compose(seed=seed, bars=bars, rules=rules, plain=True)
