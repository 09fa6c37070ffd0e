"""What the `events` encoding makes of music: what is said in which order, what a score is bent to, how it ends. Past
400 lines because all of it is asked of the same made-up music."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sample_music
from playbach import encodings
from playbach.encodings import ENCODINGS, Encoding, EventsOptions
from playbach.encodings.events.grid import DURATIONS, GRID, MAX_BAR
from playbach.music.bars import Bars, Header
from playbach.music.events import Event, Meter, Note, Tempo, Track
from playbach.music.scores import bare_score, transposed
from playbach.system.errors import ScoreError, UsageError

EVENTS = ENCODINGS["events"]


def said(encoding: Encoding, score: symusic.Score) -> list[str]:
    return [encoding.fields[0].symbols[s] for s in encoding.encode(score).steps[:, 0]]


def fitted(*scores: symusic.Score, **options: Any) -> Encoding:
    return EVENTS.fit(list(scores), EventsOptions(**options))


def notes(score: symusic.Score) -> list[tuple[str, int, int, int]]:
    return sorted((t.name, n.time, n.duration, n.pitch) for t in score.tracks for n in t.notes)


def tempos(score: symusic.Score) -> list[tuple[int, float]]:
    return [(t.time, round(float(t.qpm), 1)) for t in sorted(score.tempos, key=lambda t: t.time)]


# ------------------------------------------------------------------------------------------------ what is said


def test_a_piece_is_said_from_left_to_right_and_from_high_to_low() -> None:
    piece = sample_music.score([[(0, 480, 72), (960, 320, 74)], [(0, 1920, 48), (1920, 1920, 43)]])
    assert said(fitted(piece), piece) == [
        *("72", "for 1", "48", "for 4", "at 2", "74", "for 2/3", "bar"),
        *("43", "for 4", "bar"),
    ]


def test_an_instrument_is_named_once_for_all_its_notes_at_a_place() -> None:
    violins = [(0, 960, 72), (0, 960, 67), (960, 960, 71)]
    piece = sample_music.score([violins, [(0, 1920, 48)]], programs=(40, 42))
    assert said(fitted(piece), piece) == [
        *("Violin", "72", "for 2", "67", "for 2", "Cello", "48", "for 4", "at 2", "Violin", "71", "for 2", "bar"),
    ]


def test_drums_are_struck_without_duration_and_never_transposed() -> None:
    piece = sample_music.score([[(0, 1920, 60)], [(0, 60, 42), (0, 60, 36), (480, 60, 38)]], programs=(33, 5))
    piece.tracks[1].is_drum = True
    encoding = fitted(piece, transposed(piece, 3))
    drums = ["Drums", "drum 42", "drum 36", "at 1", "Drums", "drum 38", "bar"]
    assert said(encoding, piece) == ["Electric Bass (finger)", "60", "for 4", *drums]
    assert said(encoding, transposed(piece, 3)) == ["Electric Bass (finger)", "63", "for 4", *drums]
    assert encoding.encode(piece).header.tracks[1] == Track("Drums", 0, True)


def test_meters_and_tempos_are_said_where_they_change() -> None:
    melody = [(t, 480, 60 + t // 480) for t in range(0, 1920 + 1440 + 1920, 480)]
    piece = sample_music.score([melody], meters=((0, 4, 4), (1920, 3, 4), (3360, 4, 4)), tempo=100)
    piece.tempos.append(symusic.Tempo(1920, qpm=50))
    piece.tempos.append(symusic.Tempo(3360 + 480, qpm=100))
    encoding = fitted(piece)
    row = " ".join(said(encoding, piece))
    assert "63 for 1 bar meter 3/4 tempo x0.500 64 for 1 at 1" in row
    assert "66 for 1 bar meter 4/4 67 for 1 at 1 tempo x1.000 68 for 1" in row
    projected = encoding.project(piece)
    assert tempos(projected) == [(0, 100), (1920, 50), (3840, 100)]
    assert [(m.time, m.numerator) for m in projected.time_signatures] == [(0, 4), (1920, 3), (3360, 4)]


def test_velocities_are_said_only_where_training_pieces_have_dynamics() -> None:
    flat, lively = sample_music.piano(1), sample_music.piano(2)
    for i, note in enumerate(lively.tracks[0].notes):
        note.velocity = 40 + i % 60
    assert not any("velocity" in s for s in said(fitted(flat), flat))
    assert not fitted(flat).velocities
    assert fitted(flat, lively).velocities
    assert not fitted(flat, lively, velocities=False).velocities
    projected = fitted(flat, lively).project(lively)
    given_velocities = {(n.time, n.pitch): n.velocity for t in lively.tracks for n in t.notes}
    assert all(abs(given_velocities[n.time, n.pitch] - n.velocity) <= 4 for t in projected.tracks for n in t.notes)


def test_families_join_their_instruments_under_the_commonest() -> None:
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
    assert set(said(encoding, flute)) - {"bar"} == {"?", *(s for s in said(encoding, flute) if s.startswith("at "))}
    assert encoding.project(flute).note_num() == 0


# ------------------------------------------------------------------------------------- what a score is bent to


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
    assert notes(projected)[0][2] == DURATIONS[-1] * GRID == 16 * 480
    assert [(m.numerator, m.denominator) for m in projected.time_signatures] == [(6, 4)]


def test_a_bar_that_is_cut_short_gets_a_meter_of_its_own() -> None:
    piece = sample_music.score([[(t, 240, 60) for t in range(0, 9600, 240)]], meters=((0, 4, 4), (1920 + 720, 3, 4)))
    meters = [(m.time, m.numerator, m.denominator) for m in fitted(piece).project(piece).time_signatures]
    assert meters == [(0, 4, 4), (1920, 3, 8), (2640, 3, 4)]


def test_a_meter_that_training_never_saw_is_paid_for_and_not_heard() -> None:
    known = sample_music.piano(1)
    strange = sample_music.score([sample_music.melody(1)], meters=((0, 4, 4), (3840, 5, 8), (3840 + 6000, 4, 4)))
    encoding = fitted(known)
    assert said(encoding, strange).count("?") == 1
    assert said(encoding, strange)[said(encoding, strange).index("?") - 1] == "bar"
    assert [(m.time, m.numerator) for m in encoding.project(strange).time_signatures] == [(0, 4)]


def test_a_tempo_takes_the_same_time_beat_by_beat() -> None:
    """A ritardando in steps of a sixteenth is told once a beat; the piece is as long as before within 2 %."""
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
    assert any(s.startswith("tempo") for s in said(fitted(piece), piece))
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
METER = st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 2), (5, 8), (1, 4), (7, 64), (64, 4), (3, 32), (17, 1)])
WILD = st.builds(
    wild,
    st.lists(
        st.tuples(st.sampled_from([0, 33, 40, 41, 73]), st.booleans(), st.lists(NOTE, max_size=12)),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.tuples(METER, st.sampled_from([1920, 1440, 1000, 480, 77])), max_size=4),
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
        sequence = encoding.encode(score)
        decoder = encoding.decoder(sequence.header)
        events: list[Event] = []
        for step, context in zip(sequence.steps, sequence.context, strict=True):
            told = decoder.context()
            told[encoding.left_column] = context[encoding.left_column]
            assert told.tolist() == context.tolist()
            events += decoder.feed(step)
        projected = encoding.project(score)
        assert heard(sequence.header, events) == as_lists(projected)
        if projected.note_num():
            assert as_lists(encoding.project(projected)) == as_lists(projected)


@settings(max_examples=30, deadline=None)
@given(score=WILD)
def test_whatever_it_was_fitted_to_is_allowed(score: symusic.Score) -> None:
    encoding = fitted(score)
    sequence = encoding.encode(score)
    decoder = encoding.decoder(sequence.header)
    for step in sequence.steps:
        assert decoder.valid_mask()[0][step[0]]
        decoder.feed(step)


def heard(header: Header, events: list[Event]) -> Any:
    score = bare_score(header)
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


# ------------------------------------------------------------------------------------------------ how it composes


def at_random(encoding: Encoding, seed: int, bars: int, header: Header | None = None) -> tuple[Any, list[Event]]:
    """A piece drawn from what a careful writer would take."""
    rng = np.random.default_rng(seed)
    decoder = encoding.decoder(header or encoding.headers[0][0], bars)
    events: list[Event] = []
    while not decoder.finished:
        [mask] = decoder.style_mask()
        events += decoder.feed(np.array([rng.choice(np.flatnonzero(mask))]))
    return decoder, events + decoder.finish()


@pytest.mark.parametrize("make", [sample_music.piano, sample_music.band])
def test_a_careful_piece_ends_with_notes_that_are_held_to_its_end(make: Any) -> None:
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
    encoding = fitted(*(sample_music.piano(seed) for seed in range(4)))
    names = list(encoding.fields[0].symbols)

    def ending(*chord: str) -> bool:
        decoder = encoding.decoder(encoding.headers[0][0], 2)
        first = ["72", "for 1", "67", "for 1", "64", "for 1", "60", "for 1", "at 2", "74", "for 2", "67", "for 2"]
        for name in [*first, "bar", *(word for p in chord for word in (p, "for 4")), "bar"]:
            decoder.feed(np.array([names.index(name)]))
        assert decoder.finished
        return decoder.is_good_ending()

    assert ending("72", "67", "60")
    assert not ending("60"), "too thin for a piano"
    assert not ending("71", "67", "62"), "not the tonic"


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
    for name in ("Flute", "72", "for 1", "velocity 60", "bar", "meter 3/4"):
        decoder.feed(np.array([names.index(name)]))
    decoder.feed(np.array([names.index("bar")]))
    assert decoder.left() == 0
    decoder.feed(np.array([names.index("bar")]))
    assert decoder.finished
    assert decoder.tick == 1920 + 2 * 1440


# ------------------------------------------------------------------------------------------------ vocabularies


def test_symbols_that_are_known_keep_their_numbers() -> None:
    base = fitted(*(sample_music.piano(seed) for seed in range(4)))
    more = EVENTS.fit([sample_music.band(seed) for seed in range(4)], EventsOptions(), base)
    assert more.fields[0].symbols[: len(base.fields[0])] == base.fields[0].symbols
    assert more.tracks[: len(base.tracks)] == base.tracks
    for old, new in zip(base.context, more.context, strict=True):
        assert new.symbols[: len(old)] == old.symbols
    assert len(more.relations) == len(base.relations)
    piece = sample_music.piano(1)
    assert "Acoustic Grand Piano" in said(more, piece)
    assert "?" not in said(more, piece)
    again = encodings.from_manifest(more.manifest())
    assert said(again, sample_music.band(2)) == said(more, sample_music.band(2))
    assert {"Violin", "drum 36", "meter 3/4"} <= set(said(more, sample_music.band(2)))


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


def test_nothing_but_drums_is_music_too() -> None:
    beat = sample_music.score([[(t, 60, 36 if t % 960 == 0 else 38) for t in range(0, 7680, 240)]])
    beat.tracks[0].is_drum = True
    encoding = fitted(beat)
    assert EVENTS.rejection_reason(beat) is None
    assert encoding.transpositions(beat) == range(1)
    _, events = at_random(encoding, 1, 4)
    assert {e.pitch for e in events if isinstance(e, Note)} <= {36, 38}


def test_what_has_no_notes_is_refused() -> None:
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


def test_bars_are_never_longer_than_there_are_places() -> None:
    piece = sample_music.score([sample_music.melody(1)], meters=((0, 17, 1), (1920, 64, 4), (1920 * 3, 11, 4)))
    projected = fitted(piece).project(piece)
    bars = Bars(tuple((m.time, m.numerator, m.denominator) for m in projected.time_signatures))
    _, places = bars.columns(np.arange(0, 1920 * 8, GRID, dtype=np.int32))
    assert places.max() < MAX_BAR * GRID
