"""N-grams as bytes: what they chose, and the training pieces, from which their counts are made again.

The pieces are stored once, as steps; in other keys they are made by decoding, transposing and encoding them. Counts
would take a hundred times the space. Knows encodings; knows nothing of bundles.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from playbach.encodings.base import EncodedPiece, Encoding
from playbach.music.arrays import Ints
from playbach.music.assembly import first_events, score_from_events
from playbach.music.bars import Header
from playbach.ngrams.ngram import MAX_CHAIN, MAX_LAG, VIEWPOINTS, Choices, NGram, NGramAverage
from playbach.ngrams.pieces import in_keys
from playbach.ngrams.ppm import KnownColumn

MAX_STORED_STEPS = 1 << 20
"""The most steps of all pieces in all keys that are read."""
MAX_STORED_MEMBERS = 8
ALL_KEYS = 128
"""More keys than a piece has."""


def as_bytes(ngrams: NGramAverage, pieces: Sequence[EncodedPiece], *, keys: int, network_share: float) -> bytes:
    """N-grams as JSON.

    Args:
        pieces: the training pieces, each in its own key with its header.
        keys: in how many of its keys, at most, each piece was counted.
        network_share: the share of the network that the n-grams predict with, from 0 to 1.
    """
    return json.dumps(
        {
            "network_share": network_share,
            "keys": keys,
            "members": [[_described(key, chosen) for key, chosen in m.choices.items()] for m in ngrams.members],
            "pieces": [
                {
                    "header": piece.header.manifest(),
                    "steps": base64.b64encode(piece.steps.astype("<u2").tobytes()).decode("ascii"),
                }
                for piece in pieces
            ],
        },
        separators=(",", ":"),
    ).encode("utf-8")


def from_bytes(data: bytes, encoding: Encoding) -> tuple[NGramAverage, float]:
    """The n-grams that `as_bytes` wrote, and the network's share.

    Raises:
        ValueError, TypeError, LookupError: the data is malformed, or does not fit the encoding.
    """
    stored = json.loads(data)
    most = int(stored.get("keys", ALL_KEYS))
    keys = [_in_keys(piece, most, encoding) for piece in stored["pieces"]]
    total = sum(len(piece) for of_piece in keys for piece in of_piece)
    if most < 1 or not 0 < total <= MAX_STORED_STEPS or not 1 <= len(stored["members"]) <= MAX_STORED_MEMBERS:
        raise ValueError("n-grams of too many pieces, or of none")
    members = [dict(_checked(expert, encoding) for expert in member) for member in stored["members"]]
    share = float(stored["network_share"])
    if not 0 < share < 1:
        raise ValueError(f"the network's share is {share:g}")
    return NGramAverage([NGram.from_choices(choices, keys, encoding) for choices in members]), share


class Summary(NamedTuple):
    """What `as_bytes` wrote, in numbers."""

    members: int
    """How many n-grams there are."""
    network_share: float
    """That of the network at the beginning of a piece, above 0 and below 1."""
    pieces: int
    """How many training pieces are stored."""


def summary(data: bytes) -> Summary:
    """How many n-grams `as_bytes` wrote, with which share and of how many pieces. Nothing is counted, and no piece is
    read.

    Raises:
        ValueError, TypeError, LookupError, RecursionError: the data is malformed.
    """
    stored = json.loads(data)
    found = Summary(len(stored["members"]), float(stored["network_share"]), len(stored["pieces"]))
    if not (found.members and found.pieces and 0 < found.network_share < 1):
        raise ValueError(f"no n-grams of {found.pieces} pieces with a share of {found.network_share:g}")
    return found


def _described(key: tuple[int, int], chosen: Choices) -> dict[str, Any]:
    chains = [[list(map(int, (known.lag, known.column))) for known in chain] for chain in chosen.chains]
    return {"kind": key[0], "field": key[1], "chains": chains, "powers": list(chosen.powers)}


def _checked(stored: Mapping[str, Any], encoding: Encoding) -> tuple[tuple[int, int], Choices]:
    field, powers = int(stored["field"]), tuple(map(float, stored["powers"]))
    chains = tuple(tuple(KnownColumn(int(lag), int(column)) for lag, column in chain) for chain in stored["chains"])
    columns = len(encoding.context), len(encoding.fields)
    fits = (
        0 <= field < len(encoding.fields)
        and 1 <= len(chains) <= VIEWPOINTS
        and len(powers) == 2 * len(chains)
        and all(np.isfinite(powers))
        and all(len(chain) <= MAX_CHAIN for chain in chains)
        and all(0 <= k.lag <= MAX_LAG and 0 <= k.column < columns[k.lag > 0] for chain in chains for k in chain)
    )
    if not fits:
        raise ValueError("an n-gram that does not fit its encoding")
    return (int(stored["kind"]), field), Choices(chains, powers)


def _in_keys(stored: Mapping[str, Any], most: int, encoding: Encoding) -> list[EncodedPiece]:
    steps = np.frombuffer(base64.b64decode(stored["steps"], validate=True), "<u2").reshape(-1, len(encoding.fields))
    if not 0 < len(steps) <= MAX_STORED_STEPS or (steps >= [len(field) for field in encoding.fields]).any():
        raise ValueError("a piece that does not fit its encoding")
    score = decoded(steps.astype(np.int32), Header.from_manifest(stored["header"]), encoding)
    return in_keys(score, encoding, most)


def decoded(steps: Ints, header: Header, encoding: Encoding) -> Any:
    """The score of a piece's steps (T, F)."""
    decoder = encoding.decoder(header)
    events = first_events(header)
    for step in steps:
        events += decoder.feed(step)
    return score_from_events([*events, *decoder.finish()])
