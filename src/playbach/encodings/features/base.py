"""What a feature is: something that the network is told before each step, such as the place in the bar.

A feature has two faces side by side: `of_piece` computes it for all steps of a piece at once, for training, and
`of_state` for the next step of a decoder, for playing. Both must give the same numbers. The conformance tests compare
them, feature by feature. An encoding has a tuple of features; their fields, in order, are its context.

Knows fields; knows nothing of any one encoding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Generic, TypeVar

import numpy as np

from playbach.encodings.fields import Field
from playbach.music.arrays import Ints

P = TypeVar("P", contravariant=True)
"""A piece whose T steps are known, with what its features are computed from."""
S = TypeVar("S", contravariant=True)
"""A decoder: its state after the steps so far."""


class Feature(ABC, Generic[P, S]):
    """One thing that the network is told before each step."""

    engine: ClassVar[str] = ""
    """The function of the C engine that computes the feature; "" if there is none."""
    follows_symbols: ClassVar[bool] = False
    """Whether the feature depends on which symbols the earlier steps have in their first field, so that it changes
    where `Encoding.mask_rare` hides some of them."""

    @property
    @abstractmethod
    def fields(self) -> tuple[Field, ...]:
        """The context fields of the feature: k of them, at least one. A subclass has a class attribute or a (cached)
        property."""

    @abstractmethod
    def of_piece(self, piece: P) -> Ints:
        """The symbols of the feature before each step of a piece: (T, k), int32."""

    @abstractmethod
    def of_state(self, state: S) -> Sequence[int]:
        """The k symbols of the feature before the decoder's next step."""


@dataclass(frozen=True)
class Features(Generic[P, S]):
    """The features of an encoding. Their fields have different names."""

    features: tuple[Feature[P, S], ...]

    def __iter__(self) -> Iterator[Feature[P, S]]:
        return iter(self.features)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields of all features, in order: C of them."""
        return tuple(field for feature in self.features for field in feature.fields)

    @cached_property
    def columns(self) -> dict[str, int]:
        """The column of the context that each field has, by the field's name."""
        return {field.name: column for column, field in enumerate(self.fields)}

    def column(self, name: str) -> int:
        """The column of a field. Raises KeyError if no feature has a field of this name."""
        return self.columns[name]

    def columns_of(self, feature: Feature[P, S]) -> slice:
        """The columns of all fields of one of the features."""
        first = self.columns[feature.fields[0].name]
        return slice(first, first + len(feature.fields))

    def of_piece(self, piece: P) -> Ints:
        """The context before each step of a piece: (T, C), int32."""
        return np.concatenate([feature.of_piece(piece) for feature in self.features], axis=1, dtype=np.int32)

    def of_state(self, state: S) -> Ints:
        """The context before the decoder's next step: (C,), int32."""
        return np.array([symbol for feature in self.features for symbol in feature.of_state(state)], np.int32)
