"""Pairs of a listening test with made-up notes, so that no corpus is needed."""

from __future__ import annotations

from pathlib import Path

from playbach.evaluation.listening_pairs import PAIRS_VERSION, Excerpt, ListeningTest, Pair, PairNote, PairVoice
from playbach.server.schema import write

REAL_PITCH, COMPOSED_PITCH = 60, 72
"""The lowest pitches of real and of composed excerpts, by which a test tells them apart."""


def excerpt(lowest: int, seconds: float = 1.0) -> Excerpt:
    notes = (PairNote(voice, lowest + 4 * voice, 80, 0.1 * voice, 0.5) for voice in range(2))
    return Excerpt(seconds, tuple(notes))


def listening_test(pairs: int = 3, model: str = "tiny", bundle: str = "0" * 64) -> ListeningTest:
    voices = (PairVoice("Soprano", 52, False), PairVoice("Alto", 52, False))
    made = [
        Pair(voices, "4/4", 76.0, excerpt(REAL_PITCH), excerpt(COMPOSED_PITCH), f"BWV {i + 1}", 100 + i, 16)
        for i in range(pairs)
    ]
    return ListeningTest(PAIRS_VERSION, model, bundle, "bach-chorales", "Bach", 8, 5, (), tuple(made))


def write_pairs(path: Path, test: ListeningTest) -> Path:
    path.write_text(write(test), "utf-8")
    return path
