"""The steps, contexts and relations of the `notes` encoding."""

from __future__ import annotations

import pytest

from helpers import sample_music
from helpers.names_of_symbols import contexts_by_name, first_symbols, related
from playbach.encodings import ENCODINGS
from playbach.encodings.options import NotesOptions


def test_rests_of_training_pieces_are_valid() -> None:
    for durations in ("none", "joined", "separate"):
        notes = [(0, 480, 60), (480, 480, 62), (9600, 480, 64), (10080, 480, 62), (12000, 240, 60)]
        scores = [sample_music.score([notes]), sample_music.line(1)]
        encoding = ENCODINGS["notes"].load().fit(scores, NotesOptions(durations=durations))
        piece = encoding.encode(scores[0])
        decoder = encoding.decoder(piece.header)
        for step in piece.steps:
            assert all(mask[symbol] for mask, symbol in zip(decoder.valid_mask(), step, strict=True))
            decoder.feed(step)


def test_a_rest_has_no_velocity() -> None:
    score = sample_music.score([[(0, 480, 60), (1920, 480, 62)]], velocity=90)
    encoding = ENCODINGS["notes"].load().fit([score], NotesOptions(velocities=True))
    names = [[f.symbols[v] for f, v in zip(encoding.fields, step)] for step in encoding.encode(score).steps.tolist()]
    assert [(symbol, velocity) for symbol, _, velocity in names] == [("C4", "90"), ("R", "rest"), ("D4", "90")]


def test_the_context_of_the_notes_encoding_has_the_place_the_meter_and_the_bars_left() -> None:
    melody = [(0, 480, 60), (480, 480, 62), (960, 960, 64), (2880, 480, 65), (3360, 1920, 67)]
    score = sample_music.score([melody], meters=((0, 4, 4), (1920, 3, 4)))
    encoding = ENCODINGS["notes"].load().fit([score])
    piece = encoding.encode(score)
    contexts = contexts_by_name(encoding, piece)
    assert first_symbols(encoding, piece) == ["C4", "D4", "E4", "R", "F4", "G4"]
    units = len([s for s in encoding.context[-2].symbols if s.isdecimal()]) // 8  # places in a quarter
    assert [c["place"] for c in contexts] == [str(round(q * units)) for q in (0, 1, 2, 0, 2, 0)]
    assert [c["meter"] for c in contexts] == ["4/4", "4/4", "4/4", "3/4", "3/4", "3/4"]
    assert [c["left"] for c in contexts] == ["2", "2", "2", "1", "1", "0"]
    assert [c["top"] for c in contexts] == ["nothing", "60", "62", "64", "rest", "65"]
    assert [c["note 1 ago"] for c in contexts] == ["nothing", "60", "62", "64", "64", "65"], "without the rest"
    assert [c["step 1 ago"] for c in contexts] == ["none", "none", "2", "2", "2", "1"]


@pytest.mark.parametrize("octaves", ["kept", "folded"])
def test_relations_of_the_notes_encoding(octaves: str) -> None:
    """From each of the line's notes and echoes to the top note of a chord."""
    scale = [(i * 480, 480, p) for i, p in enumerate((48, 50, 52, 55, 60, 62, 64, 48, 48))]
    upper = [(7 * 480, 480, 52), (8 * 480, 480, 55)]  # makes C3.E3 and C3.G3
    piece = sample_music.score([[*scale, *upper]])
    encoding = ENCODINGS["notes"].load().fit([piece], NotesOptions(octaves, "separate"))  # type: ignore[arg-type]
    folded = octaves == "folded"
    c, d = ("0", "2") if folded else ("48", "50")
    c_chord, d_chord, e_chord = ("C", "D", "C.E") if folded else ("C3", "D3", "C3.E3")
    for relation in encoding.relations:
        assert relation.name == f"from {encoding.context[relation.column].name}"
        unison, tone = (related(encoding, relation.name, c, chord) for chord in (c_chord, d_chord))
        assert 0 < unison != tone > 0
        assert related(encoding, relation.name, d, d_chord) == unison
        assert related(encoding, relation.name, d, e_chord) == tone, "the top note counts"
        assert related(encoding, relation.name, "nothing", c_chord) == 0
        assert related(encoding, relation.name, "rest", c_chord) == 0
        if not folded:
            assert related(encoding, relation.name, "48", "C4") != unison
    assert [r.name for r in encoding.relations] == [
        *(f"from note {k} ago" for k in range(1, 9)),
        *(f"from echo of {k}" for k in (1, 2, 3, 4, 6, 8)),
    ]
