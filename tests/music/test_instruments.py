"""Names of General MIDI's instruments, as people write them."""

import pytest

from playbach.music.events import Track
from playbach.music.instruments import ALIASES, NAMES, parse, program
from playbach.system.errors import UsageError

CHOIR = [Track("Soprano", 52), Track("Alto", 52), Track("Tenor", 52), Track("Bass", 52)]


def test_the_table_is_the_standards() -> None:
    assert len(NAMES) == len(set(NAMES)) == 128
    # The first of each of the sixteen families, and the last of all.
    firsts = (
        "Acoustic Grand Piano, Celesta, Drawbar Organ, Acoustic Guitar (nylon), Acoustic Bass, Violin, "
        "String Ensemble 1, Trumpet, Soprano Sax, Piccolo, Lead 1 (square), Pad 1 (new age), FX 1 (rain), "
        "Sitar, Tinkle Bell, Guitar Fret Noise"
    )
    assert list(NAMES[::8]) == firsts.split(", ")
    assert NAMES[127] == "Gunshot"


def test_every_name_finds_itself_in_any_dress() -> None:
    for number, name in enumerate(NAMES):
        assert program(name) == number
        assert program(name.upper()) == number
        assert program(f"  {name.lower().replace(' ', '_')} ") == number
        assert program(name.replace(" ", "-")) == number


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("0", 0),
        ("127", 127),
        (" 42 ", 42),
        ("harpsichord", 6),
        ("church-organ", 19),
        ("harpsi", 6),
        ("nylon", 24),
        ("honky tonk", 3),
        ("piano", 0),
        ("Double Bass", 43),
        ("organ", 19),
        ("strings", 48),
        ("choir", 52),
        ("contrab", 43),
    ],
)
def test_numbers_parts_and_aliases(written: str, number: int) -> None:
    assert program(written) == number


def test_aliases_lead_to_the_table() -> None:
    assert all(name in NAMES for name in ALIASES.values())


def test_a_slip_of_the_pen_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UsageError) as caught:
        program("harpsicord")
    assert str(caught.value) == (
        "no instrument called 'harpsicord'; did you mean 'Harpsichord'? "
        "(General MIDI's 128 names: playbach compose --instruments lists them)"
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("vio", "Violin, Viola"),
        ("electric", "..."),
        ("128", "0 to 127"),
        ("9" * 5000, "0 to 127"),
        ("-1", "no instrument -1: General MIDI counts from 0 to 127"),
        ("", "''"),
        ("qqqq", "no instrument called 'qqqq' (General"),
    ],
)
def test_what_means_nothing_or_several_is_an_error(written: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        program(written)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "programs"),
    [
        ([], (None, None, None, None)),
        (["organ"], (19, 19, 19, 19)),
        (["S=oboe"], (68, None, None, None)),
        (["strings", "bass=cello", "a=viola"], (48, 41, 48, 42)),
        (["Tenor=71"], (None, None, 71, None)),
        (["b=tuba", "organ"], (19, 19, 19, 19)),
    ],
)
def test_parse(spec: list[str], programs: tuple[int | None, ...]) -> None:
    assert parse(spec, CHOIR) == programs


def test_a_whole_name_wins_over_longer_ones() -> None:
    assert parse(["Violin=flute"], [Track("Violin", 40), Track("Violin II", 40)]) == (73, None)


@pytest.mark.parametrize("spec", ["X=organ", "=organ", "Sopranino=organ"])
def test_an_unknown_voice_is_told_which_there_are(spec: str) -> None:
    with pytest.raises(UsageError, match=r"no voice called .*; there are: Soprano, Alto, Tenor, Bass"):
        parse([spec], CHOIR)


def test_two_voices_that_fit_are_an_error() -> None:
    with pytest.raises(UsageError, match="more than one voice begins with 'v'; there are: Violin I, Violin II"):
        parse(["v=flute"], [Track("Violin I", 40), Track("Violin II", 40)])
