"""The vocabulary of the notes encoding: with more music than can be counted exactly, and with a longest duration."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import sample_music
from playbach.encodings.notes import NotesEncoding, survey
from playbach.encodings.onsets import NOTES_UNITS, longest_units
from playbach.encodings.options import NotesOptions
from playbach.system.errors import UsageError


@pytest.mark.parametrize("durations", ["none", "joined", "separate"])
@pytest.mark.parametrize("octaves", ["kept", "folded"])
def test_common_symbols_are_found_without_counting_everything(
    monkeypatch: pytest.MonkeyPatch, durations: str, octaves: str
) -> None:
    scores = [(sample_music.line if i % 3 else sample_music.chorale)(i, 6) for i in range(60)]
    options = NotesOptions(octaves, durations)  # type: ignore[arg-type]
    whole = NotesEncoding.fit(iter(scores), options)
    monkeypatch.setattr(survey, "MAX_SYMBOLS", 12)
    few = NotesEncoding.fit(iter(scores), options)
    monkeypatch.setattr(survey, "MAX_COUNTED_SYMBOLS", 120)
    counted = NotesEncoding.fit(iter(scores), options)
    assert len(few.symbols) < len(whole.symbols)
    assert len(set(counted.symbols) & set(few.symbols)) >= 0.6 * len(few.symbols), "by chance it would be a tenth"
    for name in ("low", "high", "middle", "meters", "headers", "longest_run", "longest_rest"):
        assert getattr(counted, name) == getattr(whole, name)


def test_the_middle_is_the_median_pitch() -> None:
    for pitches in ([60], [60, 62], [60, 62, 70], [60, 61, 62, 90], [50, 50, 50, 71]):
        score = sample_music.score([[(i * 480, 480, p) for i, p in enumerate(pitches)]])
        expected = sorted(pitches)
        two = expected[(len(pitches) - 1) // 2] + expected[len(pitches) // 2]
        assert NotesEncoding.fit([score]).middle == two // 2


@pytest.mark.parametrize("quarters", [0.999, 1 / 12, 0, -1, 8.001, float("nan"), float("inf")])
def test_the_longest_duration_leaves_room_for_a_last_quarter(quarters: float) -> None:
    with pytest.raises(UsageError, match="between 1 and 8 quarters"):
        NotesOptions(max_duration=quarters)


@pytest.mark.parametrize("durations", ["joined", "separate"])
def test_a_piece_can_end_well_with_the_shortest_longest_duration(durations: str) -> None:
    encoding = NotesEncoding.fit([sample_music.line(3)], NotesOptions(durations=durations, max_duration=1))  # type: ignore[arg-type]
    assert longest_units(encoding.options) == NOTES_UNITS
    decoder = encoding.decoder(encoding.headers[0][0], bars=2)
    while not decoder.finished:
        decoder.feed(np.array([int(np.flatnonzero(mask)[-1]) for mask in decoder.style_mask()], np.int32))
    assert decoder.is_good_ending()
