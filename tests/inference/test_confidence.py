"""How sure the network was of each onset: for the steps that were kept, at temperature 1, among valid symbols."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import playbach
from helpers import sample_music
from playbach.encodings import ENCODINGS
from playbach.inference.composing import Composer
from playbach.inference.confidence import ChosenSymbol, Confidence, confidences, summary_sentence
from playbach.music.events import End, Meter, Note, Start, Track


@pytest.fixture(scope="module", params=["chorale", "notes"])
def composer(request: pytest.FixtureRequest) -> Composer:
    return playbach.load(request.getfixturevalue("chorales_bundle" if request.param == "chorale" else "lines_bundle"))


class Fixed:
    """A network that always returns the same logits."""

    def __init__(self, *logits: np.ndarray) -> None:
        self.logits = logits

    def start(self) -> tuple[Any, ...]:
        return ()

    def step(self, previous: Any, context: Any, state: Any) -> tuple[tuple[np.ndarray, ...], Any]:
        return self.logits, state


@pytest.mark.parametrize("tried_again", [False, True])
def test_what_was_chosen_is_what_sounds(
    composer: Composer, tried_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after rejected endings, whose steps must not shift the others."""
    if tried_again:
        decoder = composer.encoding.decoder(composer.encoding.headers[0][0])
        monkeypatch.setattr(type(decoder), "is_good_ending", lambda self: False)
    for seed in range(2):
        piece = composer.compose(bars=5, seed=seed)
        assert sum(len(onset.pitches) for onset in piece.confidence) == piece.score.note_num()
        for onset in piece.confidence:
            assert onset.chosen[0].symbol == onset.names
            assert [c.field for c in onset.chosen] == [f.name for f in composer.encoding.fields]


def test_where_and_in_which_voice(composer: Composer) -> None:
    piece = composer.compose(bars=4, seed=2, plain=True)
    meters = [(m.time, m.numerator, m.denominator) for m in piece.score.time_signatures]
    pickup = meters[1][0] if len(meters) > 1 else 0
    found = set()
    for onset in piece.confidence:
        place = 1920 - pickup if onset.bar == 0 else pickup + (onset.bar - 1) * 1920
        beat = (onset.beat - 1) * 480
        tick = round(beat - place if onset.bar == 0 else place + beat)
        found |= {(onset.voice, tick, pitch) for pitch in onset.pitches}
    assert found == {(t.name, n.time, n.pitch) for t in piece.score.tracks for n in t.notes}


def test_temperature_changes_what_is_drawn_but_not_what_is_known(composer: Composer) -> None:
    coldest = composer.compose(bars=4, seed=1, temperature=0)
    for onset in coldest.confidence:
        assert onset.chosen[0].probability == onset.chosen[0].favourite
    assert min(onset.chosen[0].probability for onset in coldest.confidence) < 0.99
    hottest = composer.compose(bars=4, seed=1, temperature=10, top_p=1.0)
    assert any(onset.chosen[0].probability < onset.chosen[0].favourite for onset in hottest.confidence)


def test_a_network_that_knows_nothing_has_no_clue(lines_bundle: Path) -> None:
    known = playbach.load(lines_bundle)
    flat = Composer(known.bundle, Fixed(*(np.zeros(len(f), np.float32) for f in known.encoding.fields)))
    piece = flat.compose(bars=4, seed=1, rules=False)
    allowed = len(known.encoding.fields[0]) - 1  # all but UNKNOWN
    for onset in piece.confidence:
        pitch = onset.chosen[0]
        assert pitch.probability == pytest.approx(1 / allowed, rel=0.2)  # a long run forbids one symbol
        assert {p for _, p in pitch.others} == {pitch.probability}
        assert (onset.sure, onset.no_clue) == (False, True)
    assert f"had no clue about {len(piece.confidence)} " in summary_sentence(piece.confidence)


def test_a_network_that_knows_only_one_thing_is_sure(lines_bundle: Path) -> None:
    known = playbach.load(lines_bundle)
    symbol = known.encoding.fields[0].symbols.index("C4")
    logits = [np.zeros(len(f), np.float32) for f in known.encoding.fields]
    logits[0][symbol] = 9
    piece = Composer(known.bundle, Fixed(*logits)).compose(bars=2, seed=1, temperature=0)
    assert [onset.sure for onset in piece.confidence].count(True) > len(piece.confidence) / 2


def test_a_prime_is_given(composer: Composer) -> None:
    chorale = len(composer.tracks) == 4
    prime = sample_music.chorale(3, bars=4) if chorale else sample_music.line(3, bars=4)
    whole = composer.compose(bars=2, seed=3, prime=prime, prime_bars=2)
    marks = [onset.given for onset in whole.confidence]
    assert marks == sorted(marks, reverse=True)
    assert {onset.bar for onset in whole.confidence if onset.given} <= {0, 1, 2}
    assert {onset.bar for onset in whole.confidence if not onset.given} == {3, 4}
    assert summary_sentence(whole.confidence).endswith(f"; {marks.count(True)} onsets are the prime's.")
    rest = composer.compose(bars=2, seed=3, prime=prime, prime_bars=2, keep_prime=False)
    own = [o.chosen for o in whole.confidence if not o.given]
    assert [o.chosen for o in rest.confidence if not o.given] == own


def test_the_notes_of_a_stream_know_it_too(composer: Composer) -> None:
    events = list(itertools.takewhile(lambda e: not isinstance(e, End), composer.stream(seed=4, bars=3)))
    notes = [e for e in events if isinstance(e, Note)]
    symbols = composer.encoding.fields[0].symbols
    assert all(len(n.choices) == len(composer.encoding.fields) for n in notes)
    piece = composer.compose(seed=4, bars=3)
    probabilities = [onset.chosen[0].probability for onset in piece.confidence]
    assert [n.choices[0].probability for n in notes] == probabilities
    assert all(0 < n.choices[0].symbol < len(symbols) for n in notes)


def test_a_chord_is_one_onset() -> None:
    piece = sample_music.score([[(t, 480, p) for t in range(0, 9600, 480) for p in (48, 55, 64)]], names=("Organ",))
    encoding = ENCODINGS["notes"].load().fit([piece])
    chord = [Note(0, 480, p, 80, 0, (0,)) for p in (48, 55, 64)]
    start = Start(960, 1, (Track("Organ", 19),))
    events = [start, Meter(960, 3, 8), *(Note(n.tick + 960 + 720, 480, n.pitch, 80, 0, (0,)) for n in chord)]
    [onset] = confidences(events, encoding.fields)
    assert (onset.bar, onset.beat, onset.names) == (2, 1.0, "C3.G3.E4")


def onset(*probabilities: float) -> Confidence:
    chosen = ChosenSymbol("symbol", "C4", probabilities[0], tuple((str(p), p) for p in probabilities[1:]))
    return Confidence(1, 1.0, "", (60,), (chosen,))


def test_the_closing_sentence_counts() -> None:
    table = [onset(0.9), onset(0.1, 0.5), onset(0.3, 0.4), onset(0.24, 0.2), Confidence(1, 1.0, "", (60,), ())]
    said = summary_sentence(table)
    assert said.startswith("Of 4 onsets, the network was sure of 2 ")
    assert "unsure of 1, and had no clue about 1 " in said
    assert said.endswith("; 1 onsets are the prime's.")
    assert summary_sentence(table[-1:]) == "All onsets are the prime's; the network chose none."
