"""The symbols, contexts and relations of the `events` encoding, how it fits scores to the grid, and its endings.

Past 400 lines because all of it uses the same made-up music.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sample_music
from playbach import encodings
from playbach.encodings import ENCODINGS
from playbach.encodings.base import Encoding
from playbach.encodings.events.grid import EVENTS_DURATIONS, EVENTS_GRID, MAX_BAR, known_meters
from playbach.encodings.events.meters import grid_meters
from playbach.encodings.options import EventsOptions
from playbach.music.bars import Bars, Header
from playbach.music.events import MAX_NUMERATOR, METER_DENOMINATORS, Event, Meter, Note, Tempo, Track
from playbach.music.scores import score_from_header, transpose
from playbach.system.errors import ScoreError, UsageError

EVENTS = ENCODINGS["events"].load()


def symbols(encoding: Encoding, score: symusic.Score) -> list[str]:
    return [encoding.fields[0].symbols[s] for s in encoding.encode(score).steps[:, 0]]


def fitted(*scores: symusic.Score, **options: Any) -> Encoding:
    return EVENTS.fit(list(scores), EventsOptions(**options))


def notes(score: symusic.Score) -> list[tuple[str, int, int, int]]:
    return sorted((t.name, n.time, n.duration, n.pitch) for t in score.tracks for n in t.notes)


def tempos(score: symusic.Score) -> list[tuple[int, float]]:
    return [(t.time, round(float(t.qpm), 1)) for t in sorted(score.tempos, key=lambda t: t.time)]


# ------------------------------------------------------------------------------------------------ symbols


def test_symbols_go_from_left_to_right_and_from_high_to_low() -> None:
    piece = sample_music.score([[(0, 480, 72), (960, 320, 74)], [(0, 1920, 48), (1920, 1920, 43)]])
    assert symbols(fitted(piece), piece) == [
        *("for 1", "72", "for 4", "48", "at 2", "for 2/3", "74", "bar"),
        *("for 4", "43", "bar"),
    ]


def test_an_instrument_is_named_once_for_all_its_notes_at_a_place() -> None:
    violins = [(0, 960, 72), (0, 960, 67), (960, 960, 71)]
    piece = sample_music.score([violins, [(0, 1920, 48)]], programs=(40, 42))
    assert symbols(fitted(piece), piece) == [
        *("Violin", "for 2", "72", "67", "Cello", "for 4", "48", "at 2", "Violin", "71", "bar"),
    ]


def test_an_instrument_keeps_its_velocity_and_its_duration_until_they_change() -> None:
    violins = [(0, 480, 72), (480, 480, 71), (960, 240, 72), (1440, 240, 74), (1440, 480, 70)]
    piece = sample_music.score([violins, [(0, 1920, 48), (1920, 1920, 43)]], programs=(40, 42))
    for note in piece.tracks[0].notes:
        note.velocity = 84 if note.pitch != 71 else 100
    for note, velocity in zip(piece.tracks[1].notes, (84, 40), strict=True):
        note.velocity = velocity
    assert symbols(fitted(piece), piece) == [
        *("Violin", "for 1", "72", "Cello", "for 4", "48", "at 1", "Violin", "velocity 100", "71"),
        *("at 2", "Violin", "velocity 84", "for 1/2", "72", "at 3", "Violin", "74", "for 1", "70", "bar"),
        *("Cello", "velocity 44", "43", "bar"),
    ]


def test_velocity_and_duration_are_written_once_and_only_where_they_change() -> None:
    flutes = sample_music.score([[(0, 1920, 79), (0, 1920, 70)], [(0, 1920, 48)]], programs=(73, 42))
    flutes.tracks[1].notes[0].velocity = 50
    encoding = fitted(flutes)
    decoder, names = encoding.decoder(encoding.headers[0][0], 4), list(encoding.fields[0].symbols)

    def valid() -> set[str]:
        return {names[symbol] for symbol in np.flatnonzero(decoder.valid_mask()[0])}

    def feed(*words: str) -> None:
        for word in words:
            decoder.feed(np.array([names.index(word)]))

    def begins(kind: str) -> set[str]:
        return {name for name in valid() if name.startswith(kind)}

    feed("Flute")
    assert "72" not in valid(), "its first note needs a duration"
    assert begins("velocity") == begins("velocity") - {"velocity 84"} != set()
    feed("velocity 60")
    assert not begins("velocity")
    feed("for 1")
    assert not begins("velocity") | begins("for") | begins("at") | begins("bar")
    feed("76")
    assert {"72", "velocity 84", "for 1/2", "at 1"} <= valid()
    assert not {"velocity 60", "for 1", "76"} & valid()
    feed("at 1", "Flute")
    assert "72" in valid()
    assert not {"velocity 60", "for 1"} & valid()
    decoder.end_after(1)
    feed("for 3", "72", "at 2", "Flute")
    assert "71" not in valid(), "three quarters are too long for the rest of the piece"
    feed("velocity 84")
    assert "71" not in valid()
    assert "for 2" in valid()


def test_a_manifest_of_an_earlier_order_is_refused() -> None:
    data = fitted(sample_music.piano(1)).manifest()
    del data["order"]
    with pytest.raises(ValueError, match="order of an earlier version"):
        encodings.from_manifest(data)


def test_drums_are_struck_without_duration_and_never_transposed() -> None:
    piece = sample_music.score([[(0, 1920, 60)], [(0, 60, 42), (0, 60, 36), (480, 60, 38)]], programs=(33, 5))
    piece.tracks[1].is_drum = True
    encoding = fitted(piece, transpose(piece, 3))
    drums = ["Drums", "drum 42", "drum 36", "at 1", "Drums", "drum 38", "bar"]
    assert symbols(encoding, piece) == ["Electric Bass (finger)", "for 4", "60", *drums]
    assert symbols(encoding, transpose(piece, 3)) == ["Electric Bass (finger)", "for 4", "63", *drums]
    assert encoding.encode(piece).header.tracks[1] == Track("Drums", 0, True)


def test_meters_and_tempos_have_symbols_where_they_change() -> None:
    melody = [(t, 480, 60 + t // 480) for t in range(0, 1920 + 1440 + 1920, 480)]
    piece = sample_music.score([melody], meters=((0, 4, 4), (1920, 3, 4), (3360, 4, 4)), tempo=100)
    piece.tempos.append(symusic.Tempo(1920, qpm=50))
    piece.tempos.append(symusic.Tempo(3360 + 480, qpm=100))
    encoding = fitted(piece)
    row = " ".join(symbols(encoding, piece))
    assert "63 bar meter 3/4 tempo x0.500 64 at 1" in row
    assert "66 bar meter 4/4 67 at 1 tempo x1.000 68" in row
    projected = encoding.project(piece)
    assert tempos(projected) == [(0, 100), (1920, 50), (3840, 100)]
    assert [(m.time, m.numerator) for m in projected.time_signatures] == [(0, 4), (1920, 3), (3360, 4)]


def test_velocities_have_symbols_only_if_training_pieces_have_dynamics() -> None:
    flat, lively = sample_music.piano(1), sample_music.piano(2)
    for i, note in enumerate(lively.tracks[0].notes):
        note.velocity = 40 + i % 60
    assert not any("velocity" in s for s in symbols(fitted(flat), flat))
    assert not fitted(flat).has_velocities
    assert fitted(flat, lively).has_velocities
    assert not fitted(flat, lively, velocities=False).has_velocities
    projected = fitted(flat, lively).project(lively)
    given_velocities = {(n.time, n.pitch): n.velocity for t in lively.tracks for n in t.notes}
    assert all(abs(given_velocities[n.time, n.pitch] - n.velocity) <= 4 for t in projected.tracks for n in t.notes)


def test_a_family_plays_on_its_most_common_instrument() -> None:
    piece = sample_music.score(
        [sample_music.melody(1), sample_music.melody(2), sample_music.melody(1)[:4]], programs=(40, 42, 41)
    )
    encoding = fitted(piece, programs="families")
    assert encoding.tracks == (Track("Solo Strings", 40),)
    assert len(fitted(piece).tracks) == 3


def test_an_instrument_that_training_never_saw_is_played_by_one_of_its_family() -> None:
    encoding = fitted(sample_music.score([sample_music.melody(1), sample_music.melody(2)], programs=(40, 0)))
    viola = sample_music.score([sample_music.melody(3)], programs=(41,))
    assert [t.name for t in encoding.encode(viola).header.tracks] == ["Violin"]
    assert {t.name for t in encoding.project(viola).tracks if len(t.notes)} == {"Violin"}
    flute = sample_music.score([sample_music.melody(3)], programs=(73,))
    assert set(symbols(encoding, flute)) - {"bar"} == {
        "?",
        *(s for s in symbols(encoding, flute) if s.startswith("at ")),
    }
    assert encoding.project(flute).note_num() == 0


# ------------------------------------------------------------------------------------- fitting scores to the grid


def test_triplets_and_thirty_seconds_keep_their_places() -> None:
    line = [(i * 160, 160, 60 + i) for i in range(6)] + [(960 + i * 60, 60, 70 + i) for i in range(8)]
    piece = sample_music.score([line])
    assert notes(fitted(piece).project(piece)) == [("Acoustic Grand Piano", t, d, p) for t, d, p in line]


def test_a_pitch_struck_while_it_sounds_ends_the_one_before() -> None:
    piece = sample_music.score([[(0, 1920, 60), (480, 480, 60)], [(480, 960, 60)]])
    assert [n[1:] for n in notes(fitted(piece).project(piece))] == [(0, 480, 60), (480, 960, 60)]


def test_long_notes_and_long_bars_have_bounds() -> None:
    piece = sample_music.score([[(0, 20 * 1920, 60), (20 * 1920, 480, 62)]], meters=((0, 12, 4),))
    projected = fitted(piece).project(piece)
    assert notes(projected)[0][2] == EVENTS_DURATIONS[-1] * EVENTS_GRID == 16 * 480
    assert [(m.numerator, m.denominator) for m in projected.time_signatures] == [(6, 4)]


def test_a_bar_that_is_cut_short_gets_a_meter_of_its_own() -> None:
    piece = sample_music.score([[(t, 240, 60) for t in range(0, 9600, 240)]], meters=((0, 4, 4), (1920 + 720, 3, 4)))
    meters = [(m.time, m.numerator, m.denominator) for m in fitted(piece).project(piece).time_signatures]
    assert meters == [(0, 4, 4), (1920, 3, 8), (2640, 3, 4)]


@pytest.mark.parametrize(
    ("meters", "bars", "remark"),
    [
        # A cadenza in one bar: the meter before it, else the one after it, and a shorter bar for the rest.
        (
            [(0, 4, 4), (100, 65, 4), (165, 4, 4)],
            [(0, 4, 4), (164, 1, 4), (165, 4, 4)],
            "bar 26 (65/4) is split into bars of 4/4",
        ),
        ([(0, 11, 4), (11, 3, 4)], [(0, 3, 4), (9, 2, 4), (11, 3, 4)], "bar 1 (11/4) is split into bars of 3/4"),
        ([(0, 4, 4), (100, 175, 4)], [(0, 4, 4)], "bar 26 (175/4) is split into bars of 4/4"),
        # A pickup is not the meter around it.
        (
            [(0, 1, 4), (1, 65, 4), (66, 3, 4)],
            [(0, 1, 4), (1, 3, 4), (64, 2, 4), (66, 3, 4)],
            "bar 1 (65/4) is split into bars of 3/4",
        ),
        # Where the meter stays.
        ([(0, 12, 4)], [(0, 6, 4)], "bars of 12/4 are split into bars of 6/4"),
        ([(0, 4, 4), (4, 12, 4)], [(0, 4, 4), (4, 6, 4)], "bars of 12/4 are split into bars of 6/4"),
        (
            [(0, 11, 4), (22, 4, 4)],
            [(0, 4, 4), (8, 3, 4), (11, 4, 4), (19, 3, 4), (22, 4, 4)],
            "bars of 11/4 are split into bars of 4/4 and 3/4",
        ),
        # A bar that a change of meter cuts short, as in files with a wrong denominator.
        (
            [(0, 6, 4), (12, 97, 4), (18.25, 6, 4), (30.25, 97, 4), (36.5, 6, 4)],
            [(0, 6, 4), (12, 25, 16), (18.25, 6, 4), (30.25, 25, 16), (36.5, 6, 4)],
            "bars 3 and 6 (97/4) become bars of 25/16, since the meter changes there",
        ),
        ([(0, 7, 64)], [(0, 4, 32)], "bars of 7/64 become bars of 4/32"),
        ([(0, 4, 4), (4, 1, 128)], [(0, 4, 4)], "1 meter is left out: its bars are shorter than 1/32"),
        ([(0, 4, 4), (4, 8, 4)], [(0, 4, 4), (4, 8, 4)], None),
    ],
)
def test_a_bar_that_is_too_long_is_split_and_that_is_said(
    meters: list[tuple[float, int, int]], bars: list[tuple[float, int, int]], remark: str | None
) -> None:
    piece = sample_music.score(
        [[(t * 480, 480, 60) for t in range(170)]], meters=tuple((int(at * 480), n, d) for at, n, d in meters)
    )
    found = [(m.time / 480, m.numerator, m.denominator) for m in fitted(piece).project(piece).time_signatures]
    assert found == bars
    assert EVENTS.remarks(piece) == ((remark,) if remark else ())


def test_a_prime_number_of_beats_is_split_as_evenly_as_possible() -> None:
    piece = sample_music.score([[(t * 480, 480, 60) for t in range(22)]], meters=((0, 11, 4),))
    found = [(m.time / 480, m.numerator) for m in fitted(piece).project(piece).time_signatures]
    assert found == [(0, 6), (6, 5), (11, 6), (17, 5)]
    assert EVENTS.remarks(piece) == ("bars of 11/4 are split into bars of 6/4 and 5/4",)


def test_an_unknown_meter_is_encoded_as_unknown_and_not_played() -> None:
    known = sample_music.piano(1)
    unknown = sample_music.score([sample_music.melody(1)], meters=((0, 4, 4), (3840, 5, 8), (3840 + 6000, 4, 4)))
    encoding = fitted(known)
    assert symbols(encoding, unknown).count("?") == 1
    assert symbols(encoding, unknown)[symbols(encoding, unknown).index("?") - 1] == "bar"
    assert [(m.time, m.numerator) for m in encoding.project(unknown).time_signatures] == [(0, 4)]


def test_a_change_of_meter_within_a_moved_one_takes_its_place() -> None:
    """An unknown 5/8 keeps the 4/4 before it for another bar, past the change to 1/4 and the one to 3/4."""
    meters = [(0, 4, 4), (1920, 5, 8), (2520, 1, 4), (3000, 3, 4)]
    assert known_meters(meters, ["1/4", "3/4"]) == ([(0, 4, 4), (3840, 3, 4)], [1920])


def test_a_tempo_takes_the_same_time_beat_by_beat() -> None:
    """A ritardando that changes every sixteenth becomes one change per beat; the duration is kept within 2 %."""
    piece = sample_music.score([[(t, 480, 60 + t // 480 % 12) for t in range(0, 7680, 480)]], tempo=120)
    for i in range(32):
        piece.tempos.append(symusic.Tempo(3840 + i * 120, qpm=120 - 2 * i))
    projected = fitted(piece).project(piece)
    assert all(tick % 480 == 0 for tick, _ in tempos(projected))
    seconds = [s.to("second").end() for s in (piece, projected)]
    assert seconds[1] == pytest.approx(seconds[0], rel=0.02)


def test_a_tempo_before_the_first_note_is_not_that_of_the_piece() -> None:
    piece = sample_music.score([[(1920, 480, 60), (2400, 480, 62)]], tempo=40)
    piece.tempos.append(symusic.Tempo(960, qpm=90))
    assert fitted(piece).encode(piece).header.tempo == 90


def test_fixed_tempos_leave_changes_out() -> None:
    piece = sample_music.band(1)
    assert any(s.startswith("tempo") for s in symbols(fitted(piece), piece))
    encoding = fitted(piece, tempos="fixed")
    assert not any(s.startswith("tempo") for s in encoding.fields[0].symbols)
    assert len(encoding.project(piece).tempos) == 1


def wild(tracks: Any, meters: Any, changes: Any) -> symusic.Score:
    score = symusic.Score(480)
    for program, drums, events in tracks:
        track = symusic.Track("any", program, drums)
        for onset, duration, pitch, velocity in events:
            track.notes.append(symusic.Note(onset, duration, pitch, velocity))
        score.tracks.append(track)
    tick = 0
    for meter, length in meters:
        score.time_signatures.append(symusic.TimeSignature(tick, *meter))
        tick += length
    for at, qpm in changes:
        score.tempos.append(symusic.Tempo(at, qpm=qpm))
    return score


NOTE = st.tuples(st.integers(0, 9000), st.integers(1, 4000), st.integers(30, 90), st.integers(1, 127))
USUAL_METERS = [(4, 4), (3, 4), (6, 8), (2, 2), (5, 8), (1, 4), (7, 64), (64, 4), (3, 32), (17, 1)]
ANY_METER = st.tuples(st.integers(1, MAX_NUMERATOR), st.sampled_from(METER_DENOMINATORS))
METER = st.sampled_from(USUAL_METERS) | ANY_METER
WILD = st.builds(
    wild,
    st.lists(
        st.tuples(st.sampled_from([0, 33, 40, 41, 73]), st.booleans(), st.lists(NOTE, max_size=12)),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.tuples(METER, st.sampled_from([1920, 1440, 1000, 480, 77, 65 * 480, 11 * 480])), max_size=4),
    st.lists(st.tuples(st.integers(0, 6000), st.floats(4, 990)), max_size=4),
).filter(lambda score: score.note_num() > 0)


@pytest.fixture(scope="module")
def trained() -> list[Encoding]:
    pieces = [make(seed) for seed in range(4) for make in (sample_music.piano, sample_music.band)]
    return [fitted(*pieces), fitted(*pieces, programs="families", tempos="fixed", velocities=False)]


@settings(max_examples=60, deadline=None)
@given(score=WILD)
def test_any_music_survives_as_projected(trained: list[Encoding], score: symusic.Score) -> None:
    for encoding in (*trained, fitted(score)):
        encoded = encoding.encode(score)
        decoder = encoding.decoder(encoded.header)
        events: list[Event] = []
        for step, context in zip(encoded.steps, encoded.context, strict=True):
            actual = decoder.context()
            actual[encoding.bars_left_column] = context[encoding.bars_left_column]
            assert actual.tolist() == context.tolist()
            events += decoder.feed(step)
        projected = encoding.project(score)
        assert decoded(encoded.header, events) == as_lists(projected)
        if projected.note_num():
            assert as_lists(encoding.project(projected)) == as_lists(projected)


@settings(max_examples=30, deadline=None)
@given(score=WILD)
def test_all_steps_of_training_pieces_are_valid(score: symusic.Score) -> None:
    encoding = fitted(score)
    encoded = encoding.encode(score)
    decoder = encoding.decoder(encoded.header)
    for step in encoded.steps:
        assert decoder.valid_mask()[0][step[0]]
        decoder.feed(step)


def decoded(header: Header, events: list[Event]) -> Any:
    score = score_from_header(header)
    for event in events:
        if isinstance(event, Note):
            note = symusic.Note(event.tick, event.duration, event.pitch, event.velocity)
            score.tracks[event.track].notes.append(note)
        elif isinstance(event, Meter):
            score.time_signatures.append(symusic.TimeSignature(event.tick, event.numerator, event.denominator))
        elif isinstance(event, Tempo):
            score.tempos.append(symusic.Tempo(event.tick, qpm=event.qpm))
    return as_lists(score)


def as_lists(score: symusic.Score) -> Any:
    return (
        [
            (t.name, t.is_drum, sorted((n.time, n.duration, n.pitch, n.velocity) for n in t.notes))
            for t in score.tracks
        ],
        [(m.time, m.numerator, m.denominator) for m in score.time_signatures],
        [(t.time, t.mspq) for t in score.tempos],
    )


# ---------------------------------------------------------------------------------------- contexts and relations


def steps_and_contexts(encoding: Encoding, score: symusic.Score) -> list[tuple[str, dict[str, str]]]:
    """The symbol of each step, and the context before it as names of fields and of their symbols.

    Checks that the decoder gives the same contexts, except for the bars left.
    """
    piece, found = encoding.encode(score), []
    decoder = encoding.decoder(piece.header)
    for step, context in zip(piece.steps, piece.context, strict=True):
        actual = decoder.context()
        actual[encoding.bars_left_column] = context[encoding.bars_left_column]
        assert actual.tolist() == context.tolist()
        names = {f.name: f.symbols[v] for f, v in zip(encoding.context, context.tolist(), strict=True)}
        found.append((encoding.fields[0].symbols[step[0]], names))
        decoder.feed(step)
    return found


def contexts_of_notes(encoding: Encoding, score: symusic.Score) -> dict[str, dict[str, str]]:
    """The context before each pitch; if a pitch occurs several times, before the last."""
    return {symbol: context for symbol, context in steps_and_contexts(encoding, score) if symbol.isdecimal()}


VIOLIN = [(0, 960, 72), (0, 960, 67), (960, 480, 71), (1440, 480, 72), (1920, 960, 74), (2880, 960, 76)]
CELLO = [(0, 1920, 48), (1920, 1920, 43)]


def test_the_context_of_a_note_has_what_sounds_and_what_the_instrument_played() -> None:
    piece = sample_music.score([VIOLIN, CELLO], programs=(40, 42))
    before = contexts_of_notes(fitted(piece), piece)

    b = before["71"]  # the third quarter, after the name and a duration
    assert (b["next"], b["after"], b["instrument"], b["place"]) == ("pitch", "duration", "Violin", "2")
    assert b["lowest that sounds"] == "48", "the cello's"
    assert (b["note 1 ago"], b["note 2 ago"], b["note above"]) == ("72", "nothing", "nothing")
    assert (b["second of the onset before"], b["third of the onset before"]) == ("67", "nothing")
    assert (b["lowest of the onset before"], b["length"], b["waited"]) == ("67", "1", "2")

    d = before["74"]  # on the second bar line, where all earlier notes have ended
    assert (d["place"], d["lowest that sounds"]) == ("0", "nothing")
    assert [d[f"note {k} ago"] for k in (1, 2, 3, 4)] == ["72", "71", "72", "nothing"]
    assert [d[f"step {k} ago"] for k in (1, 2, 3)] == ["1", "-1", "none"]
    assert (d["note 1 bars before"], d["length a bar before"], d["length"]) == ("72", "2", "2")
    assert (d["place 1 bars before"], d["instrument 1 bars before"]) == ("2", "Cello"), "the next ones a bar before"

    bass = before["43"]
    assert (bass["instrument"], bass["note above"], bass["lowest that sounds"]) == ("Cello", "nothing", "74")
    assert (bass["note 1 ago"], bass["note 1 bars before"], bass["length"]) == ("48", "48", "4")
    assert bass["length here"] == "2", "the violin's"

    lower = before["67"]  # the lower note of the violin's chord
    assert (lower["note above"], lower["lowest that sounds"], lower["length"]) == ("72", "72", "2")
    assert (lower["next"], lower["after"], lower["length here"]) == ("event", "note", "2")


def test_no_bars_are_left_in_the_context_of_the_last_bar_line() -> None:
    piece = sample_music.score([VIOLIN, CELLO], programs=(40, 42))
    symbol, context = steps_and_contexts(fitted(piece), piece)[-1]
    assert (symbol, context["left"]) == ("bar", "0")


@pytest.mark.parametrize("count", [2, 3])
def test_the_lowest_sounding_note_may_be_any_instruments(count: int) -> None:
    """Also in music without drums."""
    programs, names = (73, 40, 42), ("Flute", "Violin", "Cello")
    for lowest in range(count):
        held = [[(0, 1920, 40 if part == lowest else 60 + part)] for part in range(count)]
        held[0 if lowest else 1].append((1920, 480, 70))
        held[lowest][0] = (0, 3840, 40)
        piece = sample_music.score(held, programs=programs[:count], names=names[:count])
        assert contexts_of_notes(fitted(piece), piece)["70"]["lowest that sounds"] == "40"


def test_the_context_has_the_last_four_notes_of_the_line_and_three_echoes() -> None:
    names = [f.name for f in fitted(sample_music.piano(0)).context]
    expected = [*(f"note {k} ago" for k in (1, 2, 3, 4)), *(f"step {k} ago" for k in (1, 2, 3))]
    expected += [f"{what} of {k}" for what in ("echo", "step to echo") for k in (2, 4, 8)]
    assert names[-len(expected) :] == expected


def test_the_context_has_what_came_one_two_and_four_bars_before() -> None:
    piece = sample_music.score([[(bar * 1920, 480, 60 + bar) for bar in range(6)]])
    before = contexts_of_notes(fitted(piece), piece)
    assert [before["64"][f"note {k} bars before"] for k in (1, 2, 4)] == ["63", "62", "60"]
    assert [before["65"][f"note {k} bars before"] for k in (1, 2, 4)] == ["64", "63", "61"]
    assert [before["63"][f"note {k} bars before"] for k in (1, 2, 4)] == ["62", "61", "nothing"]
    assert [before["62"][f"place {k} bars before"] for k in (1, 2, 4)] == ["bar", "bar", "none"]


def test_the_context_of_a_long_piece_has_what_came_bars_before() -> None:
    piece = sample_music.score([[(bar * 1920, 480, 60 + bar % 3) for bar in range(200)]])
    before = contexts_of_notes(fitted(piece), piece)
    assert [before["60"][f"note {k} bars before"] for k in (1, 2, 4)] == ["62", "61", "62"]


Related = Callable[[str, str, str], int]


@pytest.fixture(scope="module")
def bands() -> Encoding:
    return fitted(*(sample_music.band(seed) for seed in range(4)))


@pytest.fixture(scope="module")
def related(bands: Encoding) -> Related:
    """A function: the class of a context symbol and a step's symbol, by their names, in the relation of a name."""

    def class_of(name: str, context_symbol: str, symbol: str) -> int:
        [relation] = [r for r in bands.relations if r.name == name]
        row = bands.context[relation.column].symbols.index(context_symbol)
        return int(relation.classes[row, relation.aspects[bands.fields[0].symbols.index(symbol)]])

    return class_of


def test_notes_are_related_by_interval_to_the_line_and_to_the_lowest_sounding_note(related: Related) -> None:
    for column in ("note 1 ago", "note 2 ago", "note 3 ago", "note 4 ago", "echo of 2", "echo of 4", "echo of 8"):
        third = related(f"from {column}", "60", "64")
        assert third == related(f"from {column}", "48", "52") > 0
        assert third != related(f"from {column}", "64", "60") > 0
        assert third != related(f"from {column}", "48", "64") > 0, "not modulo the octave"
    assert related("above the lowest", "36", "64") == related("above the lowest", "60", "64") > 0
    assert related("above the lowest", "36", "64") != related("above the lowest", "36", "65")


def test_places_are_related_by_the_wait_and_durations_by_equality(related: Related) -> None:
    assert related("wait", "0", "at 1") == related("wait", "2", "at 3") > related("wait", "1/2", "at 1") > 0
    assert related("wait", "0", "bar") == related("wait", "2", "at 1") == related("wait", "0", "60") == 0
    for name in ("length as here", "length as a bar before"):
        assert related(name, "1", "for 1") == related(name, "4", "for 4") == 1
        assert related(name, "1", "for 1/2") == related(name, "none", "for 1") == related(name, "1", "60") == 0
    assert (
        related("longer", "1", "for 2") == related("longer", "1/2", "for 1") > related("longer", "1", "for 3/2") > 0
    )
    assert (
        related("longer", "1", "for 2") > related("longer", "1", "for 1/2") > related("longer", "none", "for 1") == 0
    )


@pytest.mark.parametrize("bars", [1, 2, 4])
def test_symbols_are_related_by_equality_to_what_came_bars_before(related: Related, bars: int) -> None:
    place, note, instrument = (f"{what} of {bars} bars before" for what in ("place", "note", "instrument"))
    assert related(place, "2", "at 2") == related(place, "bar", "bar") == 1
    assert related(place, "2", "at 3") == related(place, "none", "bar") == 0
    assert related(note, "60", "60") == related(note, "36", "drum 36") == 1
    assert related(note, "60", "62") == related(note, "42", "drum 36") == 0
    assert related(instrument, "Flute", "Flute") == 1
    assert related(instrument, "Flute", "Violin") == related(instrument, "none", "Flute") == 0


def test_velocities_and_tempos_are_related_by_difference(bands: Encoding, related: Related) -> None:
    louder = related("louder", "44", "velocity 60")
    assert louder == related("louder", "60", "velocity 76") > 0
    assert louder != related("louder", "60", "velocity 44") > 0
    assert related("louder", "none", "velocity 44") == related("louder", "44", "60") == 0
    [slow, medium, *_, fast] = next(f.symbols for f in bands.context if f.name == "tempo")
    assert related("faster", slow, medium) != related("faster", medium, slow) > 0
    assert related("faster", slow, slow) == related("faster", fast, fast) > 0
    assert related("faster", slow, "60") == 0


def test_an_encoding_without_velocities_and_tempos_has_no_relations_for_them() -> None:
    pieces = [sample_music.band(seed) for seed in range(2)]
    lively = {r.name for r in fitted(*pieces).relations}
    plain = {r.name for r in fitted(*pieces, velocities=False, tempos="fixed").relations}
    assert lively - plain == {"louder", "faster"}
    assert not plain - lively


def test_each_relation_reads_the_column_that_it_names(bands: Encoding) -> None:
    columns = {r.name: bands.context[r.column].name for r in bands.relations}
    onset = (f"{which} of the onset before" for which in ("second", "third", "lowest"))
    pitches = (
        *(f"note {k} ago" for k in (1, 2, 3, 4)),
        *(f"echo of {k}" for k in (2, 4, 8)),
        *("lowest that sounds", "note above", *onset),
    )
    lags = [f"{k} bars before" for k in (1, 2, 4)]
    assert columns == {
        **{f"from {field}": field for field in pitches},
        "above the lowest": "lowest that sounds",
        "degree": "home",
        "wait": "place",
        "length as here": "length here",
        "length as a bar before": "length a bar before",
        **{f"{what} of {lag}": f"{what} {lag}" for lag in lags for what in ("place", "note", "instrument")},
        "longer": "length",
        "louder": "velocity",
        "faster": "tempo",
    }


# ------------------------------------------------------------------------------------------------ how it composes


def at_random(encoding: Encoding, seed: int, bars: int, header: Header | None = None) -> tuple[Any, list[Event]]:
    """A random piece that keeps the style mask."""
    rng = np.random.default_rng(seed)
    decoder = encoding.decoder(header or encoding.headers[0][0], bars)
    events: list[Event] = []
    while not decoder.finished:
        [mask] = decoder.style_mask()
        events += decoder.feed(np.array([rng.choice(np.flatnonzero(mask))]))
    return decoder, events + decoder.finish()


@pytest.mark.parametrize("make", [sample_music.piano, sample_music.band])
def test_with_the_style_mask_the_last_notes_are_held_to_the_end(make: Any) -> None:
    encoding = fitted(*(make(seed) for seed in range(4)))
    for seed in range(6):
        decoder, events = at_random(encoding, seed, 4)
        drums = [i for i, t in enumerate(encoding.headers[0][0].tracks) if t.drums]
        pitched = [e for e in events if isinstance(e, Note) and e.track not in drums]
        last = max(n.tick for n in pitched)
        assert decoder.tick - last >= 480
        assert {n.tick + n.duration for n in pitched if n.tick == last} == {decoder.tick}
        assert not any(decoder.tick - 480 < n.tick + n.duration < decoder.tick for n in pitched)


def test_an_ending_is_full_and_on_the_tonic() -> None:
    scores = [sample_music.piano(seed) for seed in range(4)]
    sixths = [sample_music.score([[(0, 1920, 72), *((1920, 1920, pitch) for pitch in (72, 69, 60))]])] * 4

    def ending(*chord: str, others: Sequence[symusic.Score] = ()) -> bool:
        encoding = fitted(*scores, *others)
        names = list(encoding.fields[0].symbols)
        decoder = encoding.decoder(encoding.headers[0][0], 2)
        first = ["for 1", "72", "67", "64", "60", "at 2", "for 2", "74", "67"]
        for name in [*first, "bar", "for 4", *chord, "bar"]:
            decoder.feed(np.array([names.index(name)]))
        assert decoder.finished
        return decoder.is_good_ending()

    assert ending("72", "67", "60")
    assert not ending("60"), "too thin for a piano"
    assert not ending("71", "67", "62"), "not the tonic"
    assert not ending("72", "69", "60"), "training pieces end with fifths"
    assert ending("72", "69", "60", others=sixths), "half of the training pieces end so"


def test_no_more_bars_stay_empty_than_training_pieces_have() -> None:
    encoding = fitted(*(sample_music.piano(seed) for seed in range(4)))
    bar = encoding.fields[0].symbols.index("bar")
    decoder = encoding.decoder(encoding.headers[0][0])
    assert not decoder.valid_mask()[0][bar]
    gap = sample_music.score([[(0, 480, 60), (3 * 1920, 480, 60)]])
    decoder = (encoding := fitted(gap)).decoder(encoding.headers[0][0])
    for _ in range(2):
        bar = encoding.fields[0].symbols.index("bar")
        assert decoder.valid_mask()[0][bar]
        decoder.feed(np.array([bar]))
    assert not decoder.valid_mask()[0][bar]


def test_only_the_instruments_of_the_header_play() -> None:
    encoding = fitted(*(sample_music.band(seed) for seed in range(4)))
    full = encoding.headers[0][0]
    few = Header(full.meters, full.tempo, tuple(t for t in full.tracks if t.name in ("Flute", "Drums")))
    _, events = at_random(encoding, 1, 4, few)
    assert {e.track for e in events if isinstance(e, Note)} == {0, 1}
    with pytest.raises(ValueError, match="instrument"):
        encoding.decoder(Header(full.meters, full.tempo, (Track("Kazoo", 0),)))


def test_a_change_of_meter_moves_the_end() -> None:
    encoding = fitted(*(sample_music.band(seed) for seed in range(4)))
    names = list(encoding.fields[0].symbols)
    decoder = encoding.decoder(Header(((0, 4, 4),), 100.0, encoding.headers[0][0].tracks), 3)
    for name in ("Flute", "velocity 60", "for 1", "72", "bar", "meter 3/4"):
        decoder.feed(np.array([names.index(name)]))
    decoder.feed(np.array([names.index("bar")]))
    assert decoder.bars_left() == 0
    decoder.feed(np.array([names.index("bar")]))
    assert decoder.finished
    assert decoder.tick == 1920 + 2 * 1440


# ------------------------------------------------------------------------------------------------ vocabularies


def test_the_symbols_of_a_base_keep_their_numbers() -> None:
    base = fitted(*(sample_music.piano(seed) for seed in range(4)))
    more = EVENTS.fit([sample_music.band(seed) for seed in range(4)], EventsOptions(), base)
    assert more.fields[0].symbols[: len(base.fields[0])] == base.fields[0].symbols
    assert more.tracks[: len(base.tracks)] == base.tracks
    for old, new in zip(base.context, more.context, strict=True):
        assert new.symbols[: len(old)] == old.symbols
    assert len(more.relations) == len(base.relations)
    piece = sample_music.piano(1)
    assert "Acoustic Grand Piano" in symbols(more, piece)
    assert "?" not in symbols(more, piece)
    again = encodings.from_manifest(more.manifest())
    assert symbols(again, sample_music.band(2)) == symbols(more, sample_music.band(2))
    assert {"Violin", "drum 36", "meter 3/4"} <= set(symbols(more, sample_music.band(2)))


ANY = EVENTS.for_any_music()


@settings(max_examples=30, deadline=None)
@given(score=WILD)
def test_a_vocabulary_for_any_music_knows_all_notes(score: symusic.Score) -> None:
    encoded = ANY.encode(score)
    known = symbols(ANY, score)
    unknown = ANY.unheard(score)
    assert {reason for reason, onsets in unknown.items() if len(onsets)} <= {"on drums unknown to it"}
    unknown_notes = sum(len(onsets) for onsets in unknown.values())
    odd = unknown_notes + len(grid_meters(score))
    assert known.count("?") <= odd, "only of unusual meters and drums"
    decoder, events, previous = ANY.decoder(encoded.header), [], -1
    for step, context in zip(encoded.steps, encoded.context, strict=True):
        actual = decoder.context()
        actual[ANY.bars_left_column] = context[ANY.bars_left_column]
        assert actual.tolist() == context.tolist()
        # What only unknown notes play is no instrument of the piece. After an unknown meter no tempo is composed.
        if step[0] and previous and not unknown_notes:
            assert decoder.valid_mask()[0][step[0]]
        events += decoder.feed(step)
        previous = step[0]
    assert decoded(encoded.header, events) == as_lists(ANY.project(score))


@pytest.mark.parametrize("options", [EventsOptions(), EventsOptions("families", "fixed", velocities=False)])
@pytest.mark.parametrize("make", [sample_music.piano, sample_music.band, sample_music.line])
def test_after_a_vocabulary_for_any_music_all_limits_are_those_of_the_pieces(make: Any, options: Any) -> None:
    pieces = [make(seed) for seed in range(4)]
    alone, after = EVENTS.fit(pieces, options), EVENTS.fit(pieces, options, EVENTS.for_any_music(options))
    assert after.fields[0].symbols == EVENTS.for_any_music(options).fields[0].symbols, "nothing new"
    assert set(alone.fields[0].symbols) <= set(after.fields[0].symbols)
    assert (after.headers, after.longest, after.empty_bars, after.closing_notes) == (
        *(alone.headers, alone.longest, alone.empty_bars, alone.closing_notes),
    )
    assert after.has_velocities == alone.has_velocities
    numbers = [[t.name for t in after.tracks].index(track.name) for track in alone.tracks]
    assert tuple(after.parts[i] for i in numbers) == alone.parts
    assert tuple(after.tracks[i] for i in numbers) == alone.tracks
    for program, track in enumerate(alone.programs):
        assert after.programs[program] == (numbers[track] if track >= 0 else -1)
    for piece in pieces:
        assert after.transpositions(piece) == alone.transpositions(piece)
        one = {"name": alone.tracks[0].name}
        expected = symbols(alone, piece) if len(alone.tracks) > 1 else None
        found = symbols(after, piece)
        assert expected is None or found == expected
        assert expected is not None or [s for s in found if s != one["name"]] == symbols(alone, piece)
    assert encodings.from_manifest(json.loads(json.dumps(after.manifest()))) == after
    header = alone.headers[0][0]
    mine, theirs = (encoding.decoder(header, 4) for encoding in (after, alone))
    for _ in range(20):  # what may come is the same too
        valid = [
            {e.fields[0].symbols[i] for i in np.flatnonzero(d.valid_mask()[0])}
            for e, d in ((after, mine), (alone, theirs))
        ]
        name = sorted(valid[1])[len(valid[1]) // 2] if len(alone.tracks) > 1 else ""
        if not name:
            break
        assert valid[0] == valid[1]
        mine.feed(np.array([after.fields[0].symbols.index(name)]))
        theirs.feed(np.array([alone.fields[0].symbols.index(name)]))


def test_further_training_keeps_to_what_the_new_pieces_do() -> None:
    base = EVENTS.fit([sample_music.band(seed) for seed in range(4)], None, EVENTS.for_any_music())
    slow = sample_music.score([[(0, 1920, 60), (1920, 1920, 62)]], programs=(42,))
    more = EVENTS.fit([slow], None, base)
    assert more.fields[0].symbols == base.fields[0].symbols
    assert not more.has_velocities
    assert more.parts[42] == (60, 62, 1)
    assert more.parts[40] == base.parts[40], "violins are those of the base"
    decoder = more.decoder(more.headers[0][0], 4)
    valid: set[str] = set()
    for name in ("Cello", "for 4", "60", "bar"):
        valid |= {more.fields[0].symbols[i] for i in np.flatnonzero(decoder.valid_mask()[0])}
        decoder.feed(np.array([more.fields[0].symbols.index(name)]))
    assert not {name for name in valid if name.startswith(("meter", "tempo", "velocity", "drum", "Violin"))}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("alphabet", "low"), -1),
        (("alphabet", "high"), 1 << 19),
        (("alphabet", "drums"), [300]),
        (("alphabet", "tempos"), [0, 1 << 19]),
        (("tracks",), []),
        (("tracks",), [["Piano", 0], ["Piano", 0]]),
        (("tracks",), [["Piano", 200]]),
        (("parts",), []),
        (("programs",), [0]),
        (("programs",), [5] * 129),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(place: tuple[str, ...], value: Any) -> None:
    data = json.loads(json.dumps(fitted(sample_music.piano(1)).manifest()))
    holder = data[place[0]] if len(place) > 1 else data
    holder[place[-1]] = value
    with pytest.raises(ValueError, match=r"no|must|expected"):
        encodings.from_manifest(data)


def test_drums_alone_can_be_encoded() -> None:
    beat = sample_music.score([[(t, 60, 36 if t % 960 == 0 else 38) for t in range(0, 7680, 240)]])
    beat.tracks[0].is_drum = True
    encoding = fitted(beat)
    assert EVENTS.rejection_reason(beat) is None
    assert encoding.transpositions(beat) == range(1)
    _, events = at_random(encoding, 1, 4)
    assert {e.pitch for e in events if isinstance(e, Note)} <= {36, 38}


def test_a_score_without_notes_is_refused() -> None:
    empty = symusic.Score(480)
    assert EVENTS.rejection_reason(empty) == "it has no notes"
    with pytest.raises(ScoreError, match="no notes"):
        fitted(sample_music.piano(1)).encode(empty)
    with pytest.raises(ScoreError, match="no piece"):
        EVENTS.fit([])


@pytest.mark.parametrize("options", [{"programs": "some"}, {"tempos": True}, {"velocities": "loud"}])
def test_impossible_options_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        EventsOptions(**options)


def test_no_bar_is_longer_than_the_places() -> None:
    piece = sample_music.score([sample_music.melody(1)], meters=((0, 17, 1), (1920, 64, 4), (1920 * 3, 11, 4)))
    projected = fitted(piece).project(piece)
    bars = Bars(tuple((m.time, m.numerator, m.denominator) for m in projected.time_signatures))
    _, places = bars.numbers_and_places(np.arange(0, 1920 * 8, EVENTS_GRID, dtype=np.int32))
    assert places.max() < MAX_BAR * EVENTS_GRID
