"""How a voice's bar is divided into values: as a musician writes it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbach.music.notation.model import UNITS, VALUES, Head, SpelledPitch, WrittenSymbol
from playbach.music.notation.pulses import pulse_of
from playbach.music.notation.rhythm import Segment, write_segments

SHORT = {"whole": "1", "half": "2", "quarter": "4", "eighth": "8", "16th": "16", "32nd": "32", "breve": "0"}


def written(meter: str, lengths: str, pickup: Fraction | None = None) -> tuple[WrittenSymbol, ...]:
    """The symbols for lengths in quarters; those in brackets are rests."""
    segments, at = [], Fraction(0)
    for text in lengths.split():
        length = Fraction(text.strip("()"))
        heads = () if text.startswith("(") else (Head(SpelledPitch("C", 0, 4), 80),)
        segments.append(Segment(int(at * UNITS), int((at + length) * UNITS), heads))
        at += length
    numerator, denominator = map(int, meter.split("/"))
    return write_segments(segments, pulse_of(numerator, denominator, int((pickup or 0) * UNITS)))


def text_of(symbols: tuple[WrittenSymbol, ...]) -> str:
    """`4.` is a dotted quarter, `4~` a tied one, `r4` a rest, `3:8` an eighth of a triplet."""
    return " ".join(
        f"{f'{s.tuplet.actual}:' if s.tuplet else ''}{'' if s.heads else 'r'}{SHORT[s.value]}{'.' * s.dots}"
        f"{'~' if s.heads and s.heads[0].tied_to else ''}"
        for s in symbols
    )


@pytest.mark.parametrize(
    ("meter", "lengths", "expected"),
    [
        ("4/4", "4", "1"),
        ("4/4", "1.5 0.5 2", "4. 8 2"),
        ("4/4", "1 2 1", "4 2 4"),
        ("4/4", "0.5 1 0.5 2", "8 4 8 2"),
        ("4/4", "1 1.5 1.5", "4 4~ 8 8~ 4"),
        ("4/4", "1.5 1 1.5", "4. 8~ 8 8~ 4"),
        ("4/4", "0.5 3.5", "8 8~ 4~ 2"),
        ("4/4", "3 1", "2. 4"),
        ("4/4", "(1) (2) 1", "r4 r4 r4 4"),
        ("4/4", "1 (3)", "4 r4 r2"),
        ("3/4", "(2) 1", "r4 r4 4"),
        ("3/4", "1 2", "4 2"),
        ("3/4", "2.5 0.5", "2~ 8 8"),
        ("6/8", "3", "2."),
        ("6/8", "1 0.5 1.5", "4 8 4."),
        ("6/8", "2 1", "4.~ 8 4"),
        ("6/8", "0.5 (1) 1.5", "8 r8 r8 4."),
        ("12/8", "6", "1."),
        ("2/2", "1 2 1", "4 2 4"),
        ("5/8", "2.5", "4.~ 4"),
        ("4/4", "1/3 1/3 1/3 1 2", "3:8 3:8 3:8 4 2"),
        ("4/4", "2/3 1/3 1 2", "3:4 3:8 4 2"),
        ("4/4", "2/3 2/3 2/3 2", "3:4 3:4 3:4 2"),
        ("2/4", "1/3 1/3 1/3 1/3 1/3 1/3", "3:8 3:8 3:8 3:8 3:8 3:8"),
        ("2/4", "0.2 0.2 0.2 0.2 0.2 1", "5:16 5:16 5:16 5:16 5:16 4"),
        ("2/4", "0.5 1/6 1/6 1/6 1", "8 3:16 3:16 3:16 4"),
    ],
)
def test_values_are_those_of_a_musician(meter: str, lengths: str, expected: str) -> None:
    assert text_of(written(meter, lengths)) == expected


def test_a_pickup_is_the_end_of_a_bar() -> None:
    assert text_of(written("4/4", "0.5 1", Fraction(3, 2))) == "8 4"


@pytest.mark.parametrize(
    ("meter", "lengths", "expected"),
    [
        ("4/4", "0.5 0.5 0.5 0.5 2", "begin continue continue end -"),
        ("4/4", "0.25 0.25 0.5 0.5 0.5 2", "begin continue end begin end -"),
        ("3/4", "0.5 0.5 0.5 0.5 0.5 0.5", "begin continue continue continue continue end"),
        ("6/8", "0.5 0.5 0.5 0.5 0.5 0.5", "begin continue end begin continue end"),
        ("2/4", "0.75 0.25 0.5 (0.5)", "begin end - -"),
    ],
)
def test_beams_show_the_beats(meter: str, lengths: str, expected: str) -> None:
    assert " ".join(s.beams[0] if s.beams else "-" for s in written(meter, lengths)) == expected


def test_a_short_note_beside_a_dotted_one_has_a_hook() -> None:
    assert [s.beams for s in written("2/4", "0.75 0.25 1")] == [("begin",), ("end", "backward hook"), ()]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(("4/4", "3/4", "6/8", "5/8", "7/8", "2/2", "9/8", "5/4", "65/4")),
    st.lists(st.integers(1, 40), min_size=1, max_size=12),
)
def test_nothing_is_lost_and_each_symbol_is_as_long_as_it_looks(meter: str, sixteenths: list[int]) -> None:
    numerator, denominator = map(int, meter.split("/"))
    bar, lengths = 16 * numerator // denominator, []
    for length in sixteenths:
        length = min(length, bar - sum(lengths))
        lengths += [length] if length else []
    lengths += [bar - sum(lengths)] if sum(lengths) < bar else []
    symbols = written(meter, " ".join(str(Fraction(n, 4)) for n in lengths))
    assert sum(s.length for s in symbols) == bar * UNITS // 4
    assert all(s.length == 2 * VALUES[s.value] - (VALUES[s.value] >> s.dots) for s in symbols)
    starts = [s.onset for s in symbols if not s.heads[0].tied_from]
    assert starts == [sum(lengths[:i]) * UNITS // 4 for i in range(len(lengths))]
