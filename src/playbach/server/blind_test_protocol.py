"""The messages of the blind listening test: JSON in requests and responses (docs/listening-test.md).

`python docs/make_protocol.py` makes from them the page's types and the tables in docs/listening-test.md, as it does
from protocol.py. Before a listener has given the last answer, no message says which excerpt is the real one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from playbach.evaluation.listening_pairs import MAX_PAIRS, Excerpt, PairVoice
from playbach.server.schema import AtMost, OneOf, Within

SKILLS = ("none", "plays", "studied", "professional")
"""What listeners say of themselves."""
MAX_SURENESS = 3
EXCERPT_NAMES = ("a", "b")

Skill = Annotated[str, OneOf(SKILLS)]
Side = Annotated[str, OneOf(EXCERPT_NAMES)]
SessionName = Annotated[str, AtMost(40)]
PairNumber = Annotated[int, Within(1, MAX_PAIRS)]
Sureness = Annotated[int, Within(1, MAX_SURENESS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginTest:
    """Begins a session."""

    skill: Skill


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueTest:
    """Asks for the pair of a session that is not yet answered, or ends the session before its last pair."""

    session: SessionName


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPair:
    """An answer. One that arrives a second time changes nothing."""

    session: SessionName
    pair: PairNumber
    """As in the message that showed the pair."""
    chosen: Side
    """Which excerpt is the real one."""
    sure: Sureness | None = None
    """1: a guess, 2: fairly sure, 3: certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestInfo:
    """What the page says before the test begins."""

    __test__: ClassVar[bool] = False  # to pytest

    pairs: int
    bars: int
    """Of each excerpt."""
    composer: str
    """Whose music the real excerpts are."""
    kept: bool
    """Whether answers are kept."""
    voices: tuple[PairVoice, ...]
    """The instruments of all pairs, each once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairShown:
    """The next pair. Which excerpt is A was drawn for this session."""

    type: ClassVar[str] = "pair"
    session: str
    pair: int
    """1 for the first pair of this session."""
    pairs: int
    voices: tuple[PairVoice, ...]
    a: Excerpt
    b: Excerpt


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealedPair:
    """A pair that was answered, and what it was."""

    chosen: Side
    real: Side
    """Which excerpt was the real one."""
    piece: str
    """The name of the real piece."""
    seed: int
    """Of the composed piece."""
    bars: int
    """Of the composed piece as a whole."""
    tempo: float
    """Of both pieces, in quarter notes a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """The end of a session."""

    __test__: ClassVar[bool] = False  # to pytest

    type: ClassVar[str] = "result"
    right: int
    pairs: int
    """Of the whole test; fewer may have been answered."""
    chance: float
    """The probability that someone who only guesses has at least as many right."""
    kept: bool
    """Whether the answers were kept."""
    model: str
    """That composed."""
    bundle: str
    """The SHA-256 of the model."""
    answers: tuple[RevealedPair, ...]
    """In the order in which they were given."""
