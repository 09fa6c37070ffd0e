"""A model on music that it was not trained on, beside an n-gram of our own, and what it composes beside the corpus.

Every piece is recognised by the hash of its notes and belongs to one group: what the model was trained on, validated
on or tested on, or what it has never met. Figures of different groups are never mixed. All of it steps the bundle's
network by its runtime: base install only, no torch. How each figure is defined stands in docs/evaluation.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from playbach.bundles import bundle
from playbach.data import corpora
from playbach.data.batches import previous_of
from playbach.data.pieces import Piece
from playbach.encodings import EncodedPiece, Encoding
from playbach.encodings.base import LEFT_UNKNOWN
from playbach.evaluation import continuations
from playbach.evaluation.continuations import MOST_PROBABLE, Agreement
from playbach.evaluation.metrics import Figures, Guesses, commonest, figures, guesses
from playbach.evaluation.ngram import NGram
from playbach.evaluation.statistics import Measures, Reference, measured
from playbach.inference.composing import ComposeOptions, Composer
from playbach.inference.runtimes import Runtime
from playbach.music import tunes
from playbach.music.scores import transposed
from playbach.system.errors import CorpusError, ScoreError, UsageError

UNSEEN = "unseen"
GROUPS = (UNSEEN, "test", "valid", "train")
"""The most honest first: neither weights nor any choice could depend on it."""
WORDS = {
    UNSEEN: "never met",
    "test": "held-out test",
    "valid": "validated on",
    "train": "TRAINED ON",
}
NETWORK, NGRAM, COMMONEST = "network", "n-gram", "commonest symbol"
SIDE_BY_SIDE = 32
"""So many pieces are stepped at once."""
MOST_COUNTED = 4_000_000
"""The n-gram counts the training pieces in all keys as long as that is no more steps than this."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """`side` is one of GROUPS, None for all. `samples` pieces of `bars` bars are composed with the rules of the craft
    (none where it is None), and with `no_rules` once more without them. In `continuations` places of each group the
    model goes on by itself; True means `continuations.PLACES` of them, None that nothing is gone on with."""

    side: str | None = None
    samples: int | None = None
    bars: int = ComposeOptions().bars
    no_rules: bool = False
    continuations: int | None = None

    def __post_init__(self) -> None:
        if self.side is not None and self.side not in GROUPS:
            raise UsageError(f"no side called {self.side!r}; there are: {', '.join(GROUPS)}")
        for name in ("samples", "continuations"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and value >= 1):
                raise UsageError(f"{name} must be at least 1, not {value!r:.40}")
        ComposeOptions(bars=self.bars)  # has checks of its own


@dataclass(frozen=True, slots=True)
class Row:
    """What one guesser came to on one group of pieces."""

    group: str
    guesser: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Continued:
    """How one guesser goes on with the pieces of one group; `choice` is one of continuations.CHOICES."""

    group: str
    guesser: str
    choice: str
    agreement: Agreement


@dataclass(frozen=True)
class Evaluation:
    """Everything that was found: `rows`, the headline first; `composed`, measures by what was measured; `remarks`,
    lines that must be read with them; `continued`, how well pieces are gone on with."""

    model: str
    bundle: str
    encoding: str
    four_voices: bool
    music: str
    rows: tuple[Row, ...]
    composed: Mapping[str, Measures] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    continued: tuple[Continued, ...] = ()

    def manifest(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)


def evaluate(
    composer: Composer,
    folder: str | Path | None = None,
    options: EvaluationOptions | None = None,
    report: Report = lambda line: None,
) -> Evaluation:
    """Measure a model on the music under a folder, or on its own corpus where that is a built-in one.

    Args:
        report: told each line of talk, such as a file that is left out and why.

    Raises:
        UsageError: an option that makes no sense.
        CorpusError: there is no music to measure, or the model's corpus must be given as a folder.
        MissingExtra: the built-in corpus must be converted first, and music21 is not installed.
    """
    options = options or EvaluationOptions()
    encoding, bundle, remarks = composer.encoding, composer.bundle, []
    groups, music = groups_of(composer, folder, report)
    measured_groups = [g for g in GROUPS if groups[g] and options.side in (None, g)]
    if not measured_groups:
        there = ", ".join(f"{len(groups[g])} {WORDS[g]}" for g in GROUPS if groups[g])
        raise CorpusError(f"{music}: no piece of the side {options.side!r}; there are: {there}")
    if measured_groups == ["train"]:
        remarks.append(
            "NO HONEST FIGURE: this model was trained on every one of these pieces, so its figures only tell how "
            "well it remembers them; give music that it has not met"
        )
        report(remarks[-1])
    scores = {g: [p.score for p in pieces] for g, pieces in groups.items()}
    encoded = {g: _encoded(groups[g], encoding) for g in measured_groups}
    train, remark = _training_pieces(composer, groups["train"])
    if remark:
        remarks.append(remark)
    held_out = [g for g in measured_groups if g != "train"]
    baseline: NGram | None = None
    if held_out and train:
        report(f"Fitting the n-gram to {len(train)} training pieces in all their keys")
        # In an order that no file name decides: what the n-gram sets aside depends on it.
        in_order = [p.score for p in sorted(train, key=lambda piece: piece.digest)]
        baseline = NGram.fit(_in_all_keys(in_order, encoding), encoding)
        remarks += _shared_tunes(scores["train"], {g: scores[g] for g in held_out})
    rows: list[Row] = []
    for group in measured_groups:
        report(f"Measuring {len(encoded[group])} pieces ({WORDS[group]})")
        sequences = encoded[group]
        rows.append(Row(group, NETWORK, figures(heard(composer.runtime, encoding, sequences), sequences, encoding)))
        if baseline is not None and group != "train":
            rows.append(Row(group, NGRAM, figures(map(baseline.guesses, sequences), sequences, encoding)))
            rows.append(Row(group, COMMONEST, commonest(encoding, map(encoding.encode, scores["train"]), sequences)))
    continued: list[Continued] = []
    for group in measured_groups if options.continuations is not None else []:
        sequences = _by_content(groups[group], encoded[group])
        remarks += _too_short(group, sequences)
        beside = None if group == "train" else baseline
        continued += _continued(composer, beside, group, sequences, options, report)
    composed: dict[str, Measures] = {}
    if options.samples is not None:
        composed = dict(beside_corpus(composer, options, scores, measured_groups, report))
    return Evaluation(
        bundle.name, bundle.sha256, encoding.name, encoding.voices == 4, music, tuple(rows), composed, tuple(remarks),
        tuple(continued),
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------- which pieces


def groups_of(composer: Composer, folder: str | Path | None, report: Report) -> tuple[dict[str, list[Piece]], str]:
    """The pieces under a folder, or of the model's own corpus if it is a built-in one, by group, and their name.

    Raises:
        CorpusError: there is no music, or the model's corpus must be given as a folder.
        MissingExtra: the built-in corpus must be converted first, and music21 is not installed.
    """
    known = _known(composer)
    if folder is None:
        name = composer.bundle.manifest.get("provenance", {}).get("corpus")
        corpus = corpora.load_builtin(name, encoding=composer.encoding.name) if name in corpora.BUILTIN else None
        # A folder of one's own can have the name of a built-in corpus.
        if corpus is None or not any(p.digest in known for p in corpus.train):
            raise CorpusError(
                f"{composer.bundle.name}: its corpus ({name!s:.80}) is not a built-in one; give the folder of music "
                f"to measure it on: playbach evaluate {composer.bundle.name} FOLDER"
            )
        pieces = [piece for _, piece in corpus.pieces()]
    else:
        pieces, skipped, _ = corpora.read_folder(
            corpora.folder_of(folder), composer.encoding.name, lambda line: report(f"left out: {line}")
        )
        name = str(folder)
        if skipped:
            report(f"{len(skipped)} of {len(skipped) + len(pieces)} files left out")
    groups: dict[str, list[Piece]] = {group: [] for group in GROUPS}
    met: set[str] = set()
    for piece in pieces:
        if piece.digest in met:
            if folder is not None:
                report(f"left out: {piece.name} has the same notes as another piece")
            continue
        met.add(piece.digest)
        groups[known.get(piece.digest, UNSEEN)].append(piece)
    return groups, str(name)


def _known(composer: Composer) -> dict[str, str]:
    """The side of each piece that the model has met, by its hash."""
    return {digest: side for digest, (side, *_) in bundle.known_pieces(composer.bundle.manifest).items()}


def _training_pieces(composer: Composer, there: Sequence[Piece]) -> tuple[Sequence[Piece], str | None]:
    """The training pieces that are at hand, and a remark where those are not all."""
    sides = list(_known(composer).values())
    trained = sides.count("train")
    if not there:
        return [], (
            f"no baseline: none of the {trained} pieces that the model was trained on is among this music, and an "
            "n-gram must learn from the same"
        )
    if len(there) < trained:
        return there, f"the n-gram knows only {len(there)} of the {trained} pieces that the network was trained on"
    return there, None


def _encoded(pieces: Sequence[Piece], encoding: Encoding) -> list[EncodedPiece]:
    found = []
    for piece in pieces:
        try:
            found.append(encoding.encode(piece.score))
        except ScoreError as error:
            raise ScoreError(f"{piece.name}: {error}") from error
    return found


def _by_content(pieces: Sequence[Piece], encoded: Sequence[EncodedPiece]) -> list[EncodedPiece]:
    """In an order that no file name decides."""
    return [encoded[i] for i in sorted(range(len(pieces)), key=lambda i: pieces[i].digest)]


def _too_short(group: str, sequences: Sequence[EncodedPiece]) -> Iterator[str]:
    """A remark where some pieces cannot be gone on with."""
    short = sum(not continuations.long_enough(len(s)) for s in sequences)
    if short:
        least = continuations.HEARD + continuations.STEPS
        yield f"{short} of the {len(sequences)} pieces ({WORDS[group]}) are too short to go on with ({least} steps)"


def _shared_tunes(train: Sequence[Score], held_out: Mapping[str, Sequence[Score]]) -> Iterator[str]:
    """A remark for each group of which some pieces set a tune that training pieces set, too."""
    for group, scores in held_out.items():
        numbers = tunes.tune_groups([*train, *scores])
        trained = set(numbers[: len(train)])
        shared = sum(number in trained for number in numbers[len(train) :])
        if shared:
            yield f"{shared} of the {len(scores)} pieces ({WORDS[group]}) share a tune with a training piece"


# ------------------------------------------------------------------------------------------------------ guessing


def heard(runtime: Runtime, encoding: Encoding, sequences: Sequence[EncodedPiece]) -> Iterator[Guesses]:
    """How a network guesses whole pieces from their beginning, not told how much is left; in the order given."""
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
    found: dict[int, Guesses] = {}
    for first in range(0, len(order), SIDE_BY_SIDE):
        group = order[first : first + SIDE_BY_SIDE]
        for i, one in zip(group, _side_by_side(runtime, encoding, [sequences[i] for i in group])):
            found[i] = one
    return (found[i] for i in range(len(sequences)))


def _side_by_side(runtime: Runtime, encoding: Encoding, group: list[EncodedPiece]) -> Iterator[Guesses]:
    """Pieces of falling length. Those that are over are stepped on with zeros, and not looked at."""
    lengths = np.array([len(s) for s in group])
    longest, pieces = int(lengths.max()), len(group)
    previous = np.zeros((longest, pieces, len(encoding.fields)), np.int64)
    context = np.zeros((longest, pieces, len(encoding.context)), np.int64)
    steps = np.zeros((longest, pieces, len(encoding.fields)), np.int32)
    for i, s in enumerate(group):
        previous[: len(s), i] = previous_of(s.steps, encoding)
        context[: len(s), i] = s.context
        steps[: len(s), i] = s.steps
    context[:, :, encoding.left_column] = LEFT_UNKNOWN
    nats, right = np.zeros(steps.shape), np.zeros(steps.shape, bool)
    state = runtime.start(pieces)
    for t in range(longest):
        logits, state = runtime.step(previous[t], context[t], state)
        one = guesses(logits, steps[t])
        nats[t], right[t] = one.nats, one.right
    return (Guesses(nats[:n, i], right[:n, i]) for i, n in enumerate(lengths.tolist()))


def _continued(
    composer: Composer,
    baseline: NGram | None,
    group: str,
    sequences: Sequence[EncodedPiece],
    options: EvaluationOptions,
    report: Report,
) -> Iterator[Continued]:
    """How the network, and a baseline where there is one, go on with pieces of one group, at the same places."""
    most = continuations.PLACES if options.continuations is True else options.continuations or 0
    places = continuations.choose_places([len(s) for s in sequences], most, np.random.default_rng(0))
    if not places:
        return
    report(f"Going on at {len(places)} places ({WORDS[group]})")
    encoding = composer.encoding
    said = continuations.by_network(composer.runtime, encoding, sequences, places)
    found = [(NETWORK, choice, symbols) for choice, symbols in said.items()]
    if baseline is not None:
        found.append((NGRAM, MOST_PROBABLE, continuations.by_ngram(baseline, sequences, places)))
    for guesser, choice, symbols in found:
        agreement = continuations.agreement(symbols, encoding, sequences, places)
        yield Continued(group, guesser, choice, agreement)


def _in_all_keys(scores: Sequence[Score], encoding: Encoding) -> list[list[EncodedPiece]]:
    """Training pieces as training has them; in fewer keys, the nearest, where all would be too many steps."""
    most = max(1, MOST_COUNTED // sum(len(encoding.encode(s)) for s in scores))
    return [
        [encoding.encode(transposed(s, k)) for k in sorted(sorted(encoding.transpositions(s), key=abs)[:most])]
        for s in scores
    ]


# ------------------------------------------------------------------------------------------------------ composing


def beside_corpus(
    composer: Composer,
    options: EvaluationOptions,
    scores: Mapping[str, Sequence[Score]],
    groups: Sequence[str],
    report: Report,
) -> Iterator[tuple[str, Measures]]:
    """What the model composes, and what the encoding can say of the corpus: first what was held out, as the natural
    floor of each distance, then what was trained on."""
    assert options.samples is not None
    encoding = composer.encoding
    four = encoding.voices == 4
    projected = {g: [encoding.project(s) for s in scores[g]] for g in {*groups, "train"} if scores[g]}
    reference = Reference.of(projected["train"], four) if "train" in projected else None
    for rules in (True, False) if options.no_rules else (True,):
        pieces = [p.score for p in compose(composer, options.samples, options.bars, rules, report)]
        yield ("composed" if rules else "composed, no rules"), measured(pieces, four, reference)
    for group in itertools.chain([g for g in groups if g != "train"][:1], ["train"]):
        if group in projected:
            found = measured(projected[group], four, reference)
            # That training pieces are copies of themselves says nothing.
            yield WORDS[group].lower(), replace(found, copied_bars=None) if group == "train" else found


def compose(composer: Composer, samples: int, bars: int, rules: bool, report: Report) -> Iterator[Any]:
    """The pieces of seeds 0 to `samples` - 1, as composed: not performed."""
    for seed in range(samples):
        if seed % 10 == 0:
            report(
                f"Composing pieces {seed + 1} to {min(seed + 10, samples)} of {samples}" + " (no rules)" * (not rules)
            )
        yield composer.compose(seed=seed, bars=bars, rules=rules, plain=True)
