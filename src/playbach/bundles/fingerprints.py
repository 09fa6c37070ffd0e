"""The index of a bundle's training pieces, by which one sees what a composed piece borrows from them.

In the index a piece has the number of its place in the manifest's list of pieces, which names it. So the index of a
base model stays right in the bundles of networks that are trained further from it. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick as Score

from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import FINGERPRINTS, MALFORMED, MANIFEST, Bundle
from playbach.music.bars import printable_name
from playbach.music.borrowing import stored
from playbach.music.borrowing.floor import Borrowing, Floor, borrowing_of, verdict
from playbach.music.borrowing.index import Index
from playbach.system.errors import BundleError
from playbach.system.files import display_path


@dataclass(frozen=True)
class TrainingIndex:
    """The index of a bundle, with its floor and the names of its pieces."""

    index: Index
    floor: Floor
    names: tuple[str, ...]
    """By the numbers of the index."""
    missing: int
    """The number of training pieces that are not in the index: those of a base model without one."""

    def borrowing(self, score: Score, first_bar: int | None = None) -> Borrowing:
        """What a score borrows from the training pieces; see `borrowing_of`."""
        return borrowing_of(score, self.index, self.floor, first_bar=first_bar)

    def verdict(self, borrowing: Borrowing) -> str:
        """Whether that is more than real music borrows, in a sentence."""
        return verdict(borrowing, dict(enumerate(self.names)))


def read_index(bundle: Bundle) -> TrainingIndex | None:
    """The index of a bundle; None if it has none, as those of earlier versions and exported networks.

    Raises:
        BundleError: the index is damaged.
    """
    data = bundle.members.get(FINGERPRINTS)
    if data is None:
        return None
    try:
        index, floor = stored.from_bytes(data)
        entries = _entries(bundle.manifest)
        names = tuple(_name(entry) for entry in entries)
        if max(index.pieces, default=0) >= len(names):
            raise ValueError("it has a piece that the manifest does not list")
    except (*MALFORMED, MemoryError) as error:
        raise BundleError(
            f"{display_path(bundle.name)}: its index of training pieces is damaged ({bundles.cause_of(error)}); get "
            "or train it again"
        ) from error
    trained_on = {i for i, entry in enumerate(entries) if isinstance(entry, list) and entry[:1] == ["train"]}
    return TrainingIndex(index, floor, names, len(trained_on - index.pieces))


def numbers_of_pieces(manifest: Mapping[str, Any]) -> dict[str, int]:
    """The number of each piece in an index, by its content hash."""
    return {digest: number for number, digest in enumerate(manifest["pieces"])}


def add_index(bundle: Bundle, data: bytes, path: Path) -> Path:
    """Write a bundle again with an index, in the place of the one that it has.

    Args:
        data: as `stored.as_bytes` writes it.
        path: of the new file; a file of this name is replaced.

    Returns:
        The path.
    """
    members = {name: content for name, content in bundle.members.items() if name != MANIFEST} | {FINGERPRINTS: data}
    manifest = {name: value for name, value in bundle.manifest.items() if name != "sha256"}
    return bundles.write(path, manifest, members, overwrite=True)


def _entries(manifest: Mapping[str, Any]) -> list[Any]:
    pieces = manifest.get("pieces")
    return list(pieces.values()) if isinstance(pieces, Mapping) else []


def _name(entry: Any) -> str:
    return printable_name(str(entry[1])) if isinstance(entry, list) and len(entry) > 1 else "a piece without a name"
