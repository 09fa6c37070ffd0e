"""General MIDI's instruments, by the names and numbers that users write."""

import pytest

from playbach.music.events import Track
from playbach.music.instruments import INSTRUMENT_ALIASES, INSTRUMENT_NAMES, parse_instruments, parse_program
from playbach.system.errors import UsageError

CHOIR = [Track("Soprano", 52), Track("Alto", 52), Track("Tenor", 52), Track("Bass", 52)]


def test_the_names_are_those_of_the_standard() -> None:
    assert len(INSTRUMENT_NAMES) == len(set(INSTRUMENT_NAMES)) == 128
    # The first of each of the sixteen families, and the last of all.
    firsts = (
        "Acoustic Grand Piano, Celesta, Drawbar Organ, Acoustic Guitar (nylon), Acoustic Bass, Violin, "
        "String Ensemble 1, Trumpet, Soprano Sax, Piccolo, Lead 1 (square), Pad 1 (new age), FX 1 (rain), "
        "Sitar, Tinkle Bell, Guitar Fret Noise"
    )
    assert list(INSTRUMENT_NAMES[::8]) == firsts.split(", ")
    assert INSTRUMENT_NAMES[127] == "Gunshot"


def test_every_name_is_found_whatever_its_case_and_separators() -> None:
    for number, name in enumerate(INSTRUMENT_NAMES):
        assert parse_program(name) == number
        assert parse_program(name.upper()) == number
        assert parse_program(f"  {name.lower().replace(' ', '_')} ") == number
        assert parse_program(name.replace(" ", "-")) == number


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
    assert parse_program(written) == number


def test_every_alias_stands_for_a_standard_name() -> None:
    assert all(name in INSTRUMENT_NAMES for name in INSTRUMENT_ALIASES.values())


def test_a_typing_error_is_answered_with_the_most_similar_name() -> None:
    with pytest.raises(UsageError) as caught:
        parse_program("harpsicord")
    assert str(caught.value) == (
        "no instrument is called 'harpsicord'; did you mean 'Harpsichord'? "
        "(playbach compose --instruments lists all names)"
    )


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("vio", "Violin, Viola"),
        ("electric", "..."),
        ("128", "no instrument has the number 128; General MIDI's numbers are 0 to 127"),
        ("9" * 5000, "0 to 127"),
        ("-1", "no instrument has the number -1; General"),
        ("", "''"),
        ("qqqq", "no instrument is called 'qqqq' (playbach compose"),
    ],
)
def test_an_unknown_or_ambiguous_instrument_is_an_error(written: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_program(written)
    assert message in str(caught.value) and "\n" not in str(caught.value)


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
def test_instruments_for_all_voices_and_for_one(spec: list[str], programs: tuple[int | None, ...]) -> None:
    assert parse_instruments(spec, CHOIR) == programs


def test_an_exact_voice_name_wins_over_longer_ones() -> None:
    assert parse_instruments(["Violin=flute"], [Track("Violin", 40), Track("Violin II", 40)]) == (73, None)


@pytest.mark.parametrize("spec", ["X=organ", "=organ", "Sopranino=organ"])
def test_for_an_unknown_voice_the_message_lists_all_voices(spec: str) -> None:
    with pytest.raises(
        UsageError, match=r"no voice is called .*; this model's voices are Soprano, Alto, Tenor, Bass"
    ):
        parse_instruments([spec], CHOIR)


def test_an_ambiguous_voice_is_an_error() -> None:
    with pytest.raises(
        UsageError, match="several voices begin with 'v'; this model's voices are Violin I, Violin II"
    ):
        parse_instruments(["v=flute"], [Track("Violin I", 40), Track("Violin II", 40)])
