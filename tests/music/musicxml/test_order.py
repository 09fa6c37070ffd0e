"""The order in which bars are played: repeats, endings and jumps, each bar named by its letter."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbach.music.reading.musicxml.marks import ending_numbers
from playbach.music.reading.musicxml.order import PlayedOrder, played_order

LETTERS = "CDEFGABcdefgab"
FORWARD = '<barline location="left"><repeat direction="forward"/></barline>'
BACK = '<barline location="right"><repeat direction="backward"/></barline>'


def start(number: str, inner: str = "") -> str:
    return f'<barline location="left"><ending number="{number}" type="start"/>{inner}</barline>'


def stop(number: str, back: bool = True, kind: str = "stop") -> str:
    repeat = '<repeat direction="backward"/>' if back else ""
    return f'<barline location="right"><ending number="{number}" type="{kind}"/>{repeat}</barline>'


def words(text: str, sound: str = "") -> str:
    return f"<direction><direction-type><words>{text}</words></direction-type>{sound}</direction>"


def sign(kind: str) -> str:
    return f"<direction><direction-type><{kind}/></direction-type></direction>"


def part(bars: Sequence[str]) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(f'<measure number="{i}">{bar}</measure>') for i, bar in enumerate(bars, 1)]


def order(*bars: str) -> PlayedOrder:
    return played_order([part(bars)])


def letters(found: PlayedOrder) -> str:
    return "".join(LETTERS[i] for i, _ in found.bars)


ONE_TWO = (start("1") + stop("1"), start("2") + stop("2", back=False))
FINAL = '<barline location="right"><bar-style>light-heavy</bar-style></barline>'
DC, FINE = words("D.C. al Fine"), words("Fine")
TO_CODA, CODA = words("To Coda"), words("Coda")

PLAYED = {
    "as written": (["", "", ""], "CDE"),
    "a repeat": (["", FORWARD, BACK, ""], "CDEDEF"),
    "from the beginning": (["", BACK, ""], "CDCDE"),
    "two in a row": ([BACK, BACK, ""], "CCDDE"),
    "from after the endings": (["", *ONE_TWO, "", BACK, ""], "CDCEFGFGA"),
    "three times": ([BACK.replace("<repeat", '<repeat times="3"'), ""], "CCCD"),
    "nested": ([FORWARD, FORWARD + BACK, BACK, ""], "CDDECDDEF"),
    "a sound that begins a repeat": (["", '<sound forward-repeat="yes"/>', BACK], "CDEDE"),
    "endings": (["", *ONE_TWO, ""], "CDCEF"),
    "a first ending of three bars": (["", start("1"), "", stop("1"), start("2") + stop("2", False)], "CDEFCG"),
    "a first ending alone": (["", start("1") + stop("1"), ""], "CDCE"),
    "a bracket that ends before its repeat": (
        ["", start("1") + stop("1", back=False), "", BACK, start("2") + stop("2", False), ""],
        "CDEFCGA",
    ),
    "a bracket without a beginning": (["", "", stop(""), start("2") + stop("2", False), ""], "CDECDFG"),
    "not back over a fine": ([BACK, "", FINE, "", BACK, DC], "CCDEFGFGACDE"),
    "an ending that stays open": (["", start("1") + stop("1"), start("2"), ""], "CDCEF"),
    "a discontinued ending": (
        ["", start("1") + stop("1"), start("2") + stop("2", False, "discontinue"), ""],
        "CDCEF",
    ),
    "endings 1, 2 and 3": (["", start("1, 2") + stop("1, 2"), start("3") + stop("3", False), ""], "CDCDCEF"),
    "endings 1-3 and 4": (["", start("1-3") + stop("1-3"), start("4") + stop("4", False)], "CDCDCDCE"),
    "three endings": (
        ["", start("1") + stop("1"), start("2") + stop("2"), start("3") + stop("3", False), ""],
        "CDCECFG",
    ),
    "a sign at the last ending": (["", start("1") + stop("1"), start("2") + stop("2"), ""], "CDCEF"),
    "an ending 1, 2 alone": (["", start("1, 2") + stop("1, 2"), ""], "CDCDE"),
    "an ending 2 alone": (["", start("2") + stop("2"), ""], "CDCE"),
    "a repeat in the coda": (["", TO_CODA, DC.replace("Fine", "Coda"), CODA, BACK], "CDECDFGFG"),
    "a fine at the second time": ([FORWARD, '<sound fine="yes" time-only="2"/>', BACK], "CDECD"),
    "a coda at the second time": (
        [FORWARD, '<sound tocoda="c" time-only="2"/>', BACK, "", '<sound coda="c"/>'],
        "CDECDG",
    ),
    "another movement after a fine": (["", FINE, FINAL + DC, ""], "CDECDF"),
    "endings without numbers": (["", start("") + stop(""), start("") + stop("", False)], "CDCE"),
    "a beginning in the second ending": (["", ONE_TWO[0], FORWARD + ONE_TWO[1], BACK, ""], "CDCEFEFG"),
    "a beginning, then endings": (["", FORWARD, *ONE_TWO, ""], "CDEDFG"),
    "da capo": (["", "", words("D.C."), ""], "CDECDEF"),
    "da capo al fine": (["", FINE, DC], "CDECD"),
    "dal segno": (["", sign("segno"), FINE, words("D.S. al Fine")], "CDEFDE"),
    "dal segno al coda": (["", sign("segno") + TO_CODA, words("D.S. al Coda"), CODA], "CDEDF"),
    "two coda signs": (["", sign("coda"), words("D.C. al Coda"), sign("coda"), ""], "CDECDFG"),
    "a coda with repeats": (["", TO_CODA, words("D.C. al Coda"), CODA + FORWARD, BACK], "CDECDFGFG"),
    "the last ending on the way back": (["", *ONE_TWO, FINE, DC], "CDCEFGCEF"),
    "no repeats on the way back": ([BACK, FINE, DC], "CCDECD"),
    "a jump at the end of a repeat": ([FORWARD + FINE, BACK + DC, ""], "CDCDC"),
    "a jump within a repeat": (["", FORWARD + sign("segno"), words("D.S."), BACK, ""], "CDEFDEDEFG"),
    "a fine within a repeat": ([FORWARD, FINE, BACK, DC], "CDECDEFCD"),
    "a jump after the second ending": (["", ONE_TWO[0], ONE_TWO[1] + DC, FINE], "CDCECEF"),
    "the minuet after the trio": (["", BACK, words("Trio"), BACK + words("Menuetto D.C.")], "CDCDEFEFCD"),
    "no repeat back over the beginning of a trio": (["", BACK, "", words("Trio."), BACK, ""], "CDCDEFGFGA"),
    "music after the minuet": ([words("Menuetto"), words("Trio"), words("Menuetto D.C."), "", ""], "CDECFG"),
    "a minuet by its title": (["", words("Menuet"), words("Trio"), words("Men. D.C."), ""], "CDEFDG"),
    "a minuet as third movement": (
        ["", FINAL, "", words("Trio"), words("Menuetto da capo"), ""],
        "CDEFGEA",
    ),
    "a jump with its repeats": ([BACK, FINE, words("D.C. al Fine con repetizione")], "CCDECCD"),
    "signs as characters": (["", words("𝄋"), words("To 𝄌"), words("D.S. al 𝄌"), words("𝄌 Coda")], "CDEFDEG"),
    "a coda after a fine": (["", FINE, TO_CODA, words("D.C. al Coda"), CODA], "CDEFCDEG"),
    "two jumps": (["", words("D.C."), "", words("D.C.")], "CDCDEFCDEF"),
    "words beside a sound": ([words("Fine", '<sound fine="yes"/>'), words("D.C.", '<sound dacapo="yes"/>')], "CDC"),
    "sounds alone": (['<sound fine="yes"/>', '<sound dacapo="yes"/>'], "CDC"),
    "a segno by name": (
        ['<sound segno="a"/>', '<sound segno="b"/>', '<sound fine="yes"/>', '<sound dalsegno="a"/>'],
        "CDEFCDE",
    ),
    "a segno at a barline": (["", '<barline location="left" segno="s"><segno/></barline>', words("D.S.")], "CDEDE"),
    "al fine beside the jump": ([FINE, "", words("D.C.") + words("al Fine")], "CDEC"),
    "repeats after a jump": (
        [BACK.replace("<repeat", '<repeat after-jump="yes"'), FINE, DC],
        "CCDECCD",
    ),
}


@pytest.mark.parametrize("name", PLAYED)
def test_bars_are_played_in_order(name: str) -> None:
    bars, expected = PLAYED[name]
    found = order(*bars)
    assert letters(found) == expected
    assert found.remarks == ()


@pytest.mark.parametrize(
    "text",
    [
        *("D.C. al Fine", "D. C. al Fine", "DC al fine", "Da Capo al Fine", "DA CAPO AL FINE", "da  capo"),
        *("D C al Fine", "D.C. al Fin", "Menuet da Capo sin' al Fine", "D.C. bis Fine", "D.C. sans reprises"),
        *("D.C. al Fine senza repetizione", "Menuetto D.C.", "D.C", "(D.C. al Fine)", "Da Capo al Finé"),
    ],
)
def test_usual_spellings_of_da_capo(text: str) -> None:
    assert letters(order("", FINE, words(text))) == "CDECD"


@pytest.mark.parametrize(
    "text", ["Dal Segno", "D.S.", "D. S. al Fine", "DS al Fine", "dal segno al fine", "D.S. S. al Fine"]
)
def test_usual_spellings_of_dal_segno(text: str) -> None:
    assert letters(order("", sign("segno"), FINE, words(text))) == "CDEFDE"


@pytest.mark.parametrize(
    "text",
    [
        "Coda",
        "sempre piano al fine",
        "Allegro da camera",
        "FINESSE",
        "Finale",
        "fine cantabile",
        "dolce",
        "D C",
        "cresc.",
        "codetta",
        "al niente",
        "",
    ],
)
def test_other_words_are_no_marks(text: str) -> None:
    found = order("", words(text), "", "")
    assert (letters(found), found.remarks) == ("CDEF", ())


SAID = {
    "an open beginning": (
        [FORWARD, FORWARD, BACK, ""],
        "CDEDEF",
        "the beginning of a repeat has no end, and is left out (bar 1)",
    ),
    "an open beginning at the end": (
        [BACK, FORWARD, ""],
        "CCDE",
        "the beginning of a repeat has no end, and is left out (bar 2)",
    ),
    "a segno alone": ([BACK, sign("segno")], "CCD", "a segno without a D.S. is left out (bar 2)"),
    "a jump to no fine": ([BACK, DC, ""], "CCDE", "a jump to a Fine that is missing is left out (bar 2)"),
    "a jump to no coda": (
        [BACK, words("D.C. al Coda")],
        "CCD",
        "a jump to a coda that is missing is left out (bar 2)",
    ),
    "a movement without an end": (
        [BACK, words("Menuetto D.C."), ""],
        "CCDE",
        "a D.C. of a movement whose beginning or end is not marked is left out (bar 2)",
    ),
    "no segno": ([BACK, words("D.S.")], "CCD", "a D.S. without a segno before it is left out (bar 2)"),
    "a fine alone": ([BACK, FINE, ""], "CCDE", "a Fine without a jump is left out (bar 2)"),
    "a coda alone": ([BACK, sign("coda")], "CCD", "a coda without a jump is left out (bar 2)"),
    "an ending alone": (
        [BACK, start("1") + stop("1", False), ""],
        "CCDE",
        "an ending without a repeat is left out (bar 2)",
    ),
    "endings without a repeat": (
        ["", start("1") + stop("1", False), start("2") + stop("2", False)],
        "CDCE",
        "a repeat sign is missing at the end of an ending, and is added (bar 2)",
    ),
    "too often": (
        [BACK.replace("<repeat", '<repeat times="1000000000"'), ""],
        "CCD",
        "a repeat that asks for more than 100 times is played twice (bar 1)",
    ),
    "half a coda": (
        ["", TO_CODA, words("D.C."), ""],
        "CDECDEF",
        "a coda needs a mark where one leaves and one where it begins; it is left out (bar 2)",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_mark_without_sense_costs_itself_and_is_said(name: str) -> None:
    bars, expected, line = SAID[name]
    found = order(*bars)
    assert letters(found) == expected
    assert found.remarks == (line,)


def test_the_time_of_each_bar_is_told() -> None:
    assert order("", *ONE_TWO, "").bars == ((0, 1), (1, 1), (0, 2), (2, 2), (3, 1))


def test_the_numbers_of_endings() -> None:
    assert ending_numbers("1, 2") == ending_numbers("1.2.") == ending_numbers("1-2") == {1, 2}
    assert ending_numbers("prima volta") == set()
    assert len(ending_numbers("1-100")) == 100


def test_a_piece_is_bounded_in_bars() -> None:
    back = BACK.replace("<repeat", '<repeat times="100"')
    found = played_order([part([back] * 30)], most=1000)
    assert [i for i, _ in found.bars] == list(range(30))
    assert found.remarks == ("with its repeats it has more than 1,000 bars, so it is played without them",)


OFTEN = BACK.replace("<repeat", '<repeat times="100"')
HOSTILE = {
    "nested": [FORWARD] * 3000 + [OFTEN] * 3000,
    "often": [FORWARD + OFTEN] * 3000,
    "jumps": [words("D.C.")] * 3000,
    "segnos": [sign("segno") + FINE + words("D.S.")] * 3000,
    "codas": [TO_CODA] * 1000 + ['<sound coda="x"/>'] * 1000 + [words("D.C.")] * 1000,
    "endings": [FORWARD, *(start(str(i)) + stop(str(i)) for i in range(1, 3000))],
    "all endings": [start("1-100") + OFTEN] * 3000,
    "beginnings and endings": [FORWARD + start("1")] * 3000 + [BACK] * 3000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_marks_are_bounded(name: str) -> None:
    assert len(played_order([part(HOSTILE[name])]).bars) <= 20_000


MARKS = st.sampled_from(
    ["", "", "", FORWARD, BACK, start("1"), start("2"), stop("1"), stop("2", False), FINE, DC, TO_CODA, CODA]
    + [
        sign("segno"),
        sign("coda"),
        words("D.S. al Coda"),
        words("D.C."),
        start("1, 3"),
        BACK.replace("<repeat", '<repeat times="4"'),
    ]
)
BARS = st.lists(st.tuples(MARKS, MARKS).map("".join), min_size=1, max_size=14)


@given(BARS, st.lists(st.booleans(), min_size=14, max_size=14))
def test_it_does_not_matter_which_part_carries_a_mark(bars: list[str], places: list[bool]) -> None:
    parts = [[bar if place is which else "" for bar, place in zip(bars, places)] for which in (False, True)]
    assert played_order([part(p) for p in parts]) == order(*bars)


@given(BARS)
def test_playing_ends_and_reaches_every_bar_unless_a_jump_or_an_ending_skips_it(bars: list[str]) -> None:
    found = order(*bars)
    assert found.bars[0][0] == 0
    assert len(found.bars) <= 20_000
    jumps = any("oda" in bar or "ine" in bar or "ending" in bar for bar in bars)
    if not jumps:
        assert {i for i, _ in found.bars} == set(range(len(bars)))


@given(BARS, st.integers(0, 14))
def test_a_senseless_mark_changes_nothing_else(bars: list[str], place: int) -> None:
    bars = [bar.replace(sign("segno"), "").replace(words("D.S. al Coda"), "") for bar in bars]
    place = min(place, len(bars) - 1)
    odd = [bar + (words("D.S.") if i == place and "D.C." not in bar else "") for i, bar in enumerate(bars)]
    assert order(*odd).bars == order(*bars).bars
