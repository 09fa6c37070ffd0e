"""Short pieces for the tests: melodies, four-part settings and more, different for each seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import symusic

SCALE = (0, 2, 4, 5, 7, 9, 11)


def score(
    tracks: list[list[tuple[int, int, int]]],
    *,
    meters: tuple[tuple[int, int, int], ...] = ((0, 4, 4),),
    tempo: float = 80,
    programs: tuple[int, ...] | None = None,
    names: tuple[str, ...] | None = None,
    velocity: int = 90,
) -> symusic.Score:
    """A score from tracks of (onset, duration, pitch), with 480 ticks to a quarter note."""
    made = symusic.Score(480)
    made.tempos.append(symusic.Tempo(0, qpm=tempo))
    for tick, numerator, denominator in meters:
        made.time_signatures.append(symusic.TimeSignature(tick, numerator, denominator))
    for i, notes in enumerate(tracks):
        track = symusic.Track(names[i] if names else f"part {i + 1}", programs[i] if programs else 0, False)
        for onset, duration, pitch in notes:
            track.notes.append(symusic.Note(onset, duration, pitch, velocity))
        made.tracks.append(track)
    return made


def melody(seed: int, bars: int = 8, low: int = 48, tonic: int = 0) -> list[tuple[int, int, int]]:
    """A random walk on the major scale, in quarters and eighths, that ends on the tonic."""
    rng = np.random.default_rng(seed)
    degree, tick, notes = 7, 0, []
    while tick < (bars - 1) * 1920:
        duration = int(rng.choice([240, 240, 480]))
        duration = min(duration, (bars - 1) * 1920 - tick)
        degree = int(np.clip(degree + rng.integers(-3, 4), 0, 14))
        notes.append((tick, duration, low + tonic + 12 * (degree // 7) + SCALE[degree % 7]))
        tick += duration
    notes.append((tick, 1920, low + tonic + 12))
    return notes


def line(seed: int, bars: int = 8, tonic: int = 0) -> symusic.Score:
    """One melody on one track, played by a cello."""
    return score([melody(seed, bars, tonic=tonic)], programs=(42,), names=("Cello",))


def chorale(seed: int, bars: int = 8, tonic: int = 0) -> symusic.Score:
    """Four voices with a pickup: a soprano in quarters over triads, and a final chord."""
    rng = np.random.default_rng(seed)
    voices: list[list[tuple[int, int, int]]] = [[], [], [], []]
    degree = 7
    beats = 2 + (bars - 1) * 4
    for beat in range(beats):
        last = beat == beats - 1
        degree = 7 if last else int(np.clip(degree + rng.integers(-2, 3), 4, 11))
        duration = 480 * 3 if last else 480
        root = 0 if last else (degree - int(rng.choice([0, 2, 4]))) % 7
        bass = 48 + SCALE[root]
        chord = sorted(60 - 12 + SCALE[(root + k) % 7] for k in (0, 2, 4))
        voices[0].append((beat * 480, duration, 60 + 12 * (degree // 7 - 1) + SCALE[degree % 7] + 4 + tonic))
        voices[1].append((beat * 480, duration, chord[2] + 7 + tonic))
        if rng.random() < 0.3 and not last:
            voices[2].append((beat * 480, 240, chord[1] + 5 + tonic))
            voices[2].append((beat * 480 + 240, 240, chord[1] + 3 + tonic))
        else:
            voices[2].append((beat * 480, duration, chord[1] + 5 + tonic))
        voices[3].append((beat * 480, duration, bass - 5 + tonic))
    return score(voices, meters=((0, 1, 4), (480, 4, 4)), names=("Soprano", "Alto", "Tenor", "Bass"))


def folder(path: Path, make: object, count: int = 10, bars: int = 8) -> Path:
    """Write `count` pieces as MIDI files; `make` is a function such as `line` or `chorale`."""
    path.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        piece = make(seed, bars, tonic=seed % 3)  # type: ignore[operator]
        (path / f"piece{seed:02}.mid").write_bytes(bytes(piece.dumps_midi()))
    return path


def piano(seed: int, bars: int = 8, tonic: int = 0) -> symusic.Score:
    """A tune over broken chords on a piano, in two tracks, with a few triplets and a final chord."""
    rng = np.random.default_rng(seed)
    left: list[tuple[int, int, int]] = []
    for bar in range(bars - 1):
        root = int(rng.choice([0, 3, 4]))
        chord = [36 + 12 * (root > 4) + SCALE[(root + k) % 7] + 12 * ((root + k) // 7) + tonic for k in (0, 2, 4)]
        if rng.random() < 0.3:
            left += [(bar * 1920 + i * 160, 160, chord[i % 3]) for i in range(12)]
        else:
            left += [(bar * 1920 + i * 480, 480, pitch) for i, pitch in enumerate([*chord, chord[1]])]
    left += [((bars - 1) * 1920, 1920, 36 + k + tonic) for k in (0, 7)]
    return score([melody(seed, bars, low=60, tonic=tonic), left], names=("right", "left"), velocity=90)


def band(seed: int, bars: int = 8, tonic: int = 0) -> symusic.Score:
    """Flute, two violins on two tracks, bass and drums, with a pickup, dynamics, a bar in another meter and a slower
    second half."""
    rng = np.random.default_rng(seed)
    change = 480 + 1920 * (bars // 2)
    meters = ((0, 1, 4), (480, 4, 4), (change, 3, 4), (change + 1440, 4, 4))
    shift = [480 + bar * 1920 - (480 if bar > bars // 2 else 0) for bar in range(bars)]
    tune = [(0, 480, 72 + tonic), *((t + 480, d, p) for t, d, p in melody(seed, bars, low=60, tonic=tonic))]
    tune = [(t, d, p) for t, d, p in tune if t + d <= shift[-1]] + [(shift[-1], 1920, 72 + tonic)]
    bass, violins, drums = [], [], []
    for bar, begin in enumerate(shift):
        last, short = bar == bars - 1, bar == bars // 2
        root = 0 if last else int(rng.choice([0, 5, 7]))
        length = 1440 if short else 1920
        bass += [(begin + t, 1920 if last else 240, 36 + root + tonic) for t in range(0, 1 if last else length, 480)]
        violins += [(begin, length, p + root + tonic) for p in (55, 59 if root == 7 else 60)]
        drums += [] if last else [(begin + t, 60, 36 if t % 960 == 0 else 38) for t in range(0, length, 480)]
        drums += [] if last else [(begin + t, 60, 42) for t in range(0, length, 240)]
    names, programs = ("tune", "second", "first", "bass", "kit"), (73, 40, 40, 33, 0)
    parts = [tune, violins[::2], violins[1::2], bass, drums]
    made = score(parts, meters=meters, tempo=120, programs=programs, names=names)
    made.tracks[4].is_drum = True
    for track in made.tracks:
        for note in track.notes:
            note.velocity = int(rng.integers(40, 110))
    made.tempos.append(symusic.Tempo(change, qpm=90))
    return made


CORPORA: dict[str, dict[str, Any]] = {
    "lines": {"make": line},
    "chorales": {"make": chorale},
    "bands": {"make": band, "count": 8, "bars": 6},
}
"""The arguments of `folder` for the corpora of the fixtures, on which the bundles in golden/ were trained."""


def corpus(name: str, into: Path) -> Path:
    """Write a corpus of CORPORA to a folder of its name."""
    return folder(into / name, **CORPORA[name])
