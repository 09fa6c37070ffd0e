"""Generated music that benchmarks train on. Needs playbach and symusic."""

from __future__ import annotations

from typing import Any

DEGREES = (0, 2, 4, 5, 7, 9, 11)
TONICS = {"Soprano": 72, "Alto": 64, "Tenor": 57, "Bass": 48}


def generate_music(pieces: int, quarters: int = 64, seed: int = 0) -> list[Any]:
    """Different four-part scores: each voice is a random walk along a scale, in quarters and eighths."""
    import numpy as np
    import symusic

    rng, made = np.random.default_rng(seed), []
    for _ in range(pieces):
        score = symusic.Score(480)
        score.time_signatures.append(symusic.TimeSignature(0, 4, 4))
        for name, tonic in TONICS.items():
            track, tick, degree = symusic.Track(name, 52, False), 0, 0
            while tick < quarters * 480:
                duration = min(int(rng.choice([240, 480, 480])), quarters * 480 - tick)
                degree = int(np.clip(degree + rng.integers(-2, 3), -4, 4))
                pitch = tonic + 12 * (degree // 7) + DEGREES[degree % 7]
                track.notes.append(symusic.Note(tick, duration, pitch, 80))
                tick += duration
            score.tracks.append(track)
        made.append(score)
    return made


def generated_chorales(pieces: int) -> tuple[Any, Any]:
    """An encoding and a training set of generated music."""
    from playbach.data.batches import TrainingSet
    from playbach.data.pieces import Piece
    from playbach.encodings import ENCODINGS

    made = generate_music(pieces)
    encoding = ENCODINGS["chorale"].load().fit(made)
    return encoding, TrainingSet(tuple(Piece(str(i), s, str(i)) for i, s in enumerate(made)), encoding)
