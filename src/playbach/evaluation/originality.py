"""What a piece borrows from the training pieces of a model, or from a corpus, beside what real music does.

`index_of` makes the index that a bundle has; `originality_of_model` and `originality_in_corpus` compare a piece with
one. docs/evaluation.md defines the figures. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick as Score

from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import Bundle
from playbach.bundles.fingerprints import read_index
from playbach.data import corpora
from playbach.data.pieces import Corpus, Piece
from playbach.encodings.base import Encoding
from playbach.music import reading
from playbach.music.borrowing import stored
from playbach.music.borrowing.building import build
from playbach.music.borrowing.floor import Borrowing, LineBorrowing, borrowing_of, verdict
from playbach.music.borrowing.index import Shelf
from playbach.music.options import ReadingOptions
from playbach.music.scores import content_hash
from playbach.music.sounding import SoundingNotes
from playbach.music.tunes import tune_groups
from playbach.system.errors import BundleError, CorpusError
from playbach.system.files import display_path
from playbach.system.progress import Progress, Report

ANY_MUSIC = "events"
"""The encoding that has no demands on a corpus."""


@dataclass(frozen=True, slots=True)
class Originality:
    """What a piece borrows, and from what."""

    piece: str
    """Its file."""
    source: str
    """What it was compared with: `the 215 training pieces of bach-chorales`."""
    held_out: str
    """On what the floor was measured."""
    borrowing: Borrowing
    names: Mapping[int, str]
    """The names of the pieces that runs are shared with, by their numbers."""
    remarks: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One sentence."""
        return verdict(self.borrowing, self.names)

    def manifest(self) -> dict[str, Any]:
        """The report as JSON."""
        b = self.borrowing
        return {
            "piece": self.piece,
            "source": self.source,
            "held_out": self.held_out,
            "lines": [self._line(line) for line in b.lines],
            "bars": {
                "compared": b.bars,
                "copied": list(b.copied_bars),
                "share": b.copied,
                "median": b.usual_copied,
                "floor": b.most_copied,
            },
            "above_floor": b.is_above,
            "verdict": self.verdict,
            "remarks": list(self.remarks),
        }

    def _line(self, line: LineBorrowing) -> dict[str, Any]:
        run = None if line.run is None else {**asdict(line.run), "piece": self.names[line.run.piece]}
        return {
            "line": line.name,
            "run": run,
            "median": line.usual,
            "floor": line.most,
            "above_floor": line.excess > 1,
        }


def index_of(corpus: Corpus, encoding: Encoding, numbers: Mapping[str, int], base: tuple[Shelf, ...] = ()) -> bytes:
    """The index of a corpus's training pieces, with the floor of its held-out pieces, as bytes.

    Pieces are compared as the encoding represents them, as composed pieces are.

    Args:
        numbers: the number of each piece, by its content hash.
        base: the shelves of the base model's index.
    """
    train = {numbers[piece.digest]: partial(_represented, piece, encoding) for piece in corpus.train}
    held_out = [partial(_represented, piece, encoding) for piece in (*corpus.valid, *corpus.test)]
    return stored.as_bytes(*build(train, held_out, base))


def _represented(piece: Piece, encoding: Encoding) -> Score:
    return encoding.project(piece.score)


def originality_of_model(path: str | Path, model: str | Path | None = None) -> Originality:
    """What a music file borrows from the training pieces of a model.

    Args:
        path: of a MIDI or MusicXML file.
        model: as for `playbach.load`.

    Raises:
        ScoreError: the file cannot be read.
        BundleError: there is no such model, or it has no index.
    """
    bundle = _bundle(model)
    file = reading.read_file(path, options=bundles.reading_options(bundle))
    found = read_index(bundle)
    if found is None:
        raise BundleError(
            f"{display_path(bundle.name)}: this model has no index of its training pieces; give them with --corpus "
            "FOLDER, or train it again"
        )
    score, reason = _as_represented(file.score, bundle.encoding())
    remarks = [*file.remarks, *_itself(file.score, bundle)]
    if reason:
        remarks.append(f"compared as it is written, since {reason}")
    if found.missing:
        remarks.append(f"{found.missing:,} more training pieces, of the base model, are not in the index")
    if found.index.left_out:
        remarks.append(f"{found.index.left_out:,} more training pieces had no room in the index")
    borrowing = found.borrowing(score)
    return Originality(
        piece=display_path(path),
        source=f"the {len(found.index.pieces):,} training pieces of {display_path(bundle.name)}",
        held_out=f"{found.floor.pieces:,} held-out pieces, each beside training pieces of other tunes",
        borrowing=borrowing,
        names=_names(borrowing, found.names),
        remarks=tuple(remarks),
    )


def _as_represented(score: Score, encoding: Encoding) -> tuple[Score, str]:
    """A score as the encoding represents it; the score itself, and why, if that would lose notes or voices."""
    reason = encoding.rejection_reason(score)
    if reason is not None:
        return score, f"the model cannot represent it: {reason}"
    projected = encoding.project(score)
    before, after = SoundingNotes.of(score), SoundingNotes.of(projected)
    if (len(before), before.parts) != (len(after), after.parts):
        return score, "the model cannot represent all of its notes and parts"
    return projected, ""


def _bundle(model: str | Path | None) -> Bundle:
    # The default is the shipped model, whatever is in the current folder.
    return bundles.read(bundles.shipped_models()[bundles.DEFAULT_MODEL] if model is None else bundles.find(model))


def _itself(score: Score, bundle: Bundle) -> list[str]:
    entry = bundles.known_pieces(bundle.manifest).get(content_hash(score))
    if entry is None:
        return []
    side = {"train": "a training piece", "valid": "a validation piece", "test": "a test piece"}[entry[0]]
    return [f"this is {side} of the model itself: {' '.join(map(str, entry[1:2]))}"]


def originality_in_corpus(
    path: str | Path,
    corpus: str | Path,
    *,
    options: ReadingOptions | None = None,
    converting: Progress | None = None,
    report: Report = lambda line: None,
) -> Originality:
    """What a music file borrows from the pieces of a folder or a built-in corpus. The floor is measured on the same
    pieces, each beside those of other tunes. The file itself is left out of the corpus.

    Args:
        path: of a MIDI or MusicXML file.
        options: how files are read.
        converting: wraps the conversion of a built-in corpus.
        report: called with one line for each file of the corpus that is left out.

    Raises:
        ScoreError: the file cannot be read.
        CorpusError: there is no such corpus, or it has fewer than two tunes.
    """
    file = reading.read_file(path, options=options)
    folder = corpora.corpus_folder(corpus, converting)
    if not folder.exists():
        raise CorpusError(
            f"{display_path(corpus)}: no such file or folder, and no built-in corpus of this name; "
            f"the built-in ones are: {', '.join(corpora.BUILTIN)}"
        )
    everything, _, _ = corpora.read_folder(folder, encoding=ANY_MUSIC, report=report, reading=options)
    digest = content_hash(file.score)
    pieces = [piece for piece in everything if piece.digest != digest]
    remarks = list(file.remarks)
    if len(pieces) < len(everything):
        remarks.append("the piece itself is in the corpus, and was left out of it")
    name = display_path(corpus)
    sources = {number: partial(_score, piece) for number, piece in enumerate(pieces)}
    if len(set(tune_groups(piece.score for piece in pieces))) < 2:
        raise CorpusError(f"{name}: the corpus needs at least two different tunes besides the piece; add more pieces")
    index, floor = build(sources, list(sources.values()))
    if index.left_out:
        remarks.append(f"{index.left_out:,} more pieces had no room in the index")
    borrowing = borrowing_of(file.score, index, floor)
    return Originality(
        piece=display_path(path),
        source=f"the {len(pieces):,} pieces of {name}",
        held_out=f"{floor.pieces:,} of these pieces, each beside those of other tunes",
        borrowing=borrowing,
        names=_names(borrowing, [piece.name for piece in pieces]),
        remarks=tuple(remarks),
    )


def _score(piece: Piece) -> Score:
    return piece.score


def _names(borrowing: Borrowing, names: Sequence[str]) -> dict[int, str]:
    return {line.run.piece: names[line.run.piece] for line in borrowing.lines if line.run is not None}
