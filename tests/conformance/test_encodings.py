"""Every encoding, with every option: what it encodes it gives back, and its decoder knows what its encoder knew. Past
400 lines because a new encoding is held to all of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sample_music
from playbach import encodings
from playbach.encodings import ENCODINGS, Encoding, EventsOptions, NotesOptions, lines
from playbach.encodings.base import LEFT, LEFT_MANY, LEFT_UNKNOWN
from playbach.music import scores
from playbach.music.bars import Bars, Header
from playbach.music.events import Event, Meter, Note, Tempo
from playbach.music.scores import bare_score

CASES: dict[str, tuple[str, Any, Callable[..., symusic.Score]]] = {
    "chorale": ("chorale", None, sample_music.chorale),
    "events-piano": ("events", None, sample_music.piano),
    "events-band": ("events", None, sample_music.band),
    "events-band-plain": ("events", EventsOptions("families", "fixed", velocities=False), sample_music.band),
    "events-line": ("events", None, sample_music.line),
    **{
        f"notes-{octaves}-{durations}{'-velocities' * velocities}": (
            "notes",
            NotesOptions(octaves, durations, velocities),  # type: ignore[arg-type]
            sample_music.line,
        )
        for octaves in ("kept", "folded")
        for durations in ("none", "joined", "separate")
        for velocities in (False, True)
    },
    "notes-short": ("notes", NotesOptions(max_duration=1), sample_music.line),
    "notes-chordified": ("notes", NotesOptions(chordify=True), sample_music.chorale),
    "notes-chordified-short": ("notes", NotesOptions("kept", "joined", True, 1.5, True), sample_music.chorale),
    "notes-chordified-none": ("notes", NotesOptions(durations="none", chordify=True), sample_music.chorale),
}


def test_every_encoding_is_covered() -> None:
    assert {name for name, _, _ in CASES.values()} == set(ENCODINGS)


@pytest.fixture(params=CASES, scope="module")
def case(request: pytest.FixtureRequest) -> tuple[Encoding, Callable[..., symusic.Score]]:
    name, options, make = CASES[request.param]
    return ENCODINGS[name].fit([make(seed) for seed in range(6)], options), make


def decoded(encoding: Encoding, sequence: encodings.Sequence) -> symusic.Score:
    score = bare_score(sequence.header)
    decoder = encoding.decoder(sequence.header)
    for event in [event for step in sequence.steps for event in decoder.feed(step)] + decoder.finish():
        if isinstance(event, Note):
            note = symusic.Note(event.tick, event.duration, event.pitch, event.velocity)
            score.tracks[event.track].notes.append(note)
        elif isinstance(event, Meter):
            score.time_signatures.append(symusic.TimeSignature(event.tick, event.numerator, event.denominator))
        else:
            assert isinstance(event, Tempo)
            score.tempos.append(symusic.Tempo(event.tick, qpm=event.qpm))
    for track in score.tracks:
        track.notes.sort()
    return score


def bars_of(header: Header, events: list[Event]) -> Bars:
    """Where bars begin in a piece of these events."""
    return Bars((*header.meters, *((e.tick, e.numerator, e.denominator) for e in events if isinstance(e, Meter))))


def as_lists(score: symusic.Score) -> Any:
    return (
        [
            (t.name, t.program, t.is_drum, [(n.time, n.duration, n.pitch, n.velocity) for n in t.notes])
            for t in score.tracks
        ],
        [(m.time, m.numerator, m.denominator) for m in score.time_signatures],
        [(t.time, t.mspq) for t in score.tempos],
    )


def test_decode_inverts_encode(case: Any) -> None:
    encoding, make = case
    for seed in range(12):  # the latter half was not seen in training
        score = make(seed, tonic=seed % 5)
        projected = encoding.project(score)
        for track in projected.tracks:
            track.notes.sort()
        assert as_lists(decoded(encoding, encoding.encode(score))) == as_lists(projected)


def test_projection_is_idempotent(case: Any) -> None:
    encoding, make = case
    for seed in range(12):
        once = encoding.project(make(seed, tonic=seed % 5))
        assert as_lists(encoding.project(once)) == as_lists(once)


def test_the_decoder_tells_the_context_that_the_encoder_told(case: Any) -> None:
    encoding, make = case
    sequence = encoding.encode(make(2))
    decoder = encoding.decoder(sequence.header)
    left = encoding.left_column
    for step, context in zip(sequence.steps, sequence.context, strict=True):
        told = decoder.context()
        assert told[left] == LEFT_UNKNOWN
        assert np.delete(told, left).tolist() == np.delete(context, left).tolist()
        decoder.feed(step)
    assert decoder.tick == sequence.ticks


def test_how_much_is_left_is_told_where_the_length_is_known(case: Any) -> None:
    encoding, make = case
    sequence = encoding.encode(make(2, bars=12))
    decoder = encoding.decoder(sequence.header)
    bars = bars_of(sequence.header, [event for step in sequence.steps for event in decoder.feed(step)])
    total = bars.number(decoder.tick - 1)
    decoder = encoding.decoder(sequence.header, total)
    for step, context in zip(sequence.steps, sequence.context, strict=True):
        assert decoder.context()[encoding.left_column] == context[encoding.left_column]
        decoder.feed(step)
    assert sequence.context[0, encoding.left_column] in range(LEFT_MANY + 1)
    assert sequence.context[-1, encoding.left_column] == 0
    assert decoder.finished == (decoder.tick >= bars.end(total))


def test_shapes_and_ranges(case: Any) -> None:
    encoding, make = case
    sequence = encoding.encode(make(1))
    assert sequence.steps.shape == (len(sequence), len(encoding.fields))
    assert sequence.context.shape == (len(sequence), len(encoding.context))
    for values, fields in ((sequence.steps, encoding.fields), (sequence.context, encoding.context)):
        assert (values >= 0).all()
        assert (values < [len(field) for field in fields]).all()
    assert sum(field.name == LEFT for field in encoding.context) == 1
    assert sequence.notes > 0


def test_names_of_symbols_are_unique(case: Any) -> None:
    encoding, _ = case
    for field in (*encoding.fields, *encoding.context):
        assert len(set(field.symbols)) == len(field.symbols)


def test_what_training_holds_is_allowed_and_known(case: Any) -> None:
    encoding, make = case
    for seed in range(6):
        sequence = encoding.encode(make(seed))
        decoder = encoding.decoder(sequence.header)
        for step in sequence.steps:
            assert all(mask[symbol] for mask, symbol in zip(decoder.valid_mask(), step, strict=True))
            decoder.feed(step)


def test_the_unknown_symbol_is_paid_for_but_never_allowed(case: Any) -> None:
    encoding, make = case
    far = make(3).copy()
    for track in far.tracks:
        track.shift_pitch(19, inplace=True)
    sequence = encoding.encode(far)
    unknown = [set(values.tolist()) for values in encoding.unknowns()]
    if "folded" not in str(getattr(encoding, "options", "")):
        assert any(step[0] in unknown[0] for step in sequence.steps)
    decoder = encoding.decoder(sequence.header)
    for step in sequence.steps:
        for mask, values in zip(decoder.valid_mask(), unknown, strict=True):
            assert not mask[list(values)].any()
        decoder.feed(step)
    assert as_lists(decoded(encoding, sequence))[0] == as_lists(encoding.project(far))[0]


def test_a_manifest_holds_all_of_it(case: Any) -> None:
    encoding, make = case
    again = encodings.from_manifest(json.loads(json.dumps(encoding.manifest())))
    assert again == encoding
    assert again.encode(make(7)).steps.tolist() == encoding.encode(make(7)).steps.tolist()


def test_transpositions_stay_within_the_training_pieces_range(case: Any) -> None:
    encoding, make = case
    for seed in range(6):
        score = make(seed)
        keys = encoding.transpositions(score)
        assert 0 in keys
        assert len(keys) <= 12
        for semitones in keys:
            steps = encoding.encode(scores.transposed(score, semitones)).steps
            assert not set(steps[:, 0].tolist()) & set(encoding.unknowns()[0].tolist())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), bars=st.integers(1, 12))
def test_any_allowed_steps_make_a_piece_that_ends_on_its_bar(case: Any, seed: int, bars: int) -> None:
    encoding, _ = case
    rng = np.random.default_rng(seed)
    header = encoding.headers[int(rng.integers(len(encoding.headers)))][0]
    decoder = encoding.decoder(header, bars)
    events: list[Event] = []
    waiting_from = 0
    for _ in range(100_000):
        if decoder.finished:
            break
        masks = decoder.valid_mask()
        assert all(mask.any() for mask in masks)
        before = decoder.final_until
        released = decoder.feed(np.array([rng.choice(np.flatnonzero(mask)) for mask in masks]))
        assert decoder.final_until >= before
        assert all(event.tick >= before for event in released)
        events += released
        waiting_from = decoder.final_until
    events += decoder.finish()
    assert decoder.finished
    notes = [event for event in events if isinstance(event, Note)]
    assert decoder.final_until >= waiting_from
    end = bars_of(header, events).end(bars)
    assert decoder.tick == end or encoding.name != "events"
    assert all(0 <= note.pitch <= 127 and note.duration > 0 and note.steps for note in notes)
    assert max((note.tick + note.duration for note in notes), default=0) <= end
    for track in range(len(header.tracks)):
        sounding: dict[int, int] = {}
        for note in sorted((n for n in notes if n.track == track), key=lambda n: n.tick):
            assert sounding.get(note.pitch, 0) <= note.tick, "one pitch twice at a time"
            sounding[note.pitch] = note.tick + note.duration


@settings(max_examples=40, deadline=None)
@given(
    notes=st.lists(
        st.tuples(st.integers(0, 6000), st.integers(1, 3000), st.integers(0, 127), st.integers(1, 127)),
        min_size=1,
        max_size=30,
    ),
    meters=st.lists(st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 2), (5, 8), (1, 4)]), min_size=1, max_size=3),
)
def test_any_notes_survive_the_notes_encoding_as_projected(notes: Any, meters: Any) -> None:
    score = symusic.Score(480)
    score.tracks.append(symusic.Track("wild", 0, False))
    for onset, duration, pitch, velocity in notes:
        score.tracks[0].notes.append(symusic.Note(onset, duration, pitch, velocity))
    tick = 0
    for numerator, denominator in meters:
        score.time_signatures.append(symusic.TimeSignature(tick, numerator, denominator))
        tick += 1920 * numerator // denominator * 2
    for name, options, _ in CASES.values():
        if name == "notes":
            encoding = ENCODINGS[name].fit([sample_music.line(0), sample_music.line(1)], options)
            projected = encoding.project(score)
            for track in projected.tracks:
                track.notes.sort()
            assert as_lists(decoded(encoding, encoding.encode(score))) == as_lists(projected)
            if projected.note_num():
                assert as_lists(encoding.project(projected)) == as_lists(projected)


def test_a_careful_writer_takes_of_what_is_allowed(case: Any) -> None:
    encoding, _ = case
    rng = np.random.default_rng(5)
    decoder = encoding.decoder(encoding.headers[0][0], 6)
    while not decoder.finished:
        careful, allowed = decoder.style_mask(), decoder.valid_mask()
        for some, all_ in zip(careful, allowed, strict=True):
            assert some.any()
            assert not (some & ~all_).any()
        decoder.feed(np.array([rng.choice(np.flatnonzero(mask)) for mask in careful]))


def test_careful_voices_never_move_in_parallel_octaves_or_fifths() -> None:
    encoding = ENCODINGS["chorale"].fit([sample_music.chorale(seed) for seed in range(6)])
    fell_back = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        decoder = encoding.decoder(encoding.headers[0][0], 8)
        sounding = np.zeros((4, 0), int)
        column: list[int] = []
        while not decoder.finished:
            [mask] = decoder.style_mask()
            fell_back += int(mask.sum() == decoder.valid_mask()[0].sum() == 1 and len(column) < 4)
            symbol = int(rng.choice(np.flatnonzero(mask)))
            decoder.feed(np.array([symbol]))
            if len(column) == 4:  # this was the wait
                sounding = np.column_stack([sounding, [column[0], column[2], column[3], column[1]]])
                column = []
                continue
            voice = (0, 3, 1, 2)[len(column)]
            held = sounding[voice, -1] if sounding.size else -1
            column.append(held if symbol == 1 else -1 if symbol == 2 else symbol)
        for a in range(4):
            for b in range(a):
                for (a0, a1), (b0, b1) in zip(
                    np.lib.stride_tricks.sliding_window_view(sounding[a], 2),
                    np.lib.stride_tricks.sliding_window_view(sounding[b], 2),
                    strict=True,
                ):
                    if min(a0, a1, b0, b1) >= 3 and np.sign(a1 - a0) == np.sign(b1 - b0) != 0:
                        assert not (abs(a0 - b0) % 12 == abs(a1 - b1) % 12 and abs(a0 - b0) % 12 in (0, 7))
    assert fell_back == 0


def test_rests_that_training_holds_are_allowed() -> None:
    for durations in ("none", "joined", "separate"):
        notes = [(0, 480, 60), (480, 480, 62), (9600, 480, 64), (10080, 480, 62), (12000, 240, 60)]
        scores = [sample_music.score([notes]), sample_music.line(1)]
        encoding = ENCODINGS["notes"].fit(scores, NotesOptions(durations=durations))
        sequence = encoding.encode(scores[0])
        decoder = encoding.decoder(sequence.header)
        for step in sequence.steps:
            assert all(mask[symbol] for mask, symbol in zip(decoder.valid_mask(), step, strict=True))
            decoder.feed(step)


def test_what_is_hidden_looks_like_what_is_unknown(case: Any) -> None:
    encoding, make = case
    sequence = encoding.encode(make(1))
    hidden = np.arange(len(sequence)) % 5 == 2
    steps, context = encoding.mask_rare(sequence.steps, sequence.context, hidden)
    decoder = encoding.decoder(sequence.header)
    for step, told in zip(steps, context, strict=True):
        ours = decoder.context()
        left = encoding.left_column
        assert np.delete(ours, left).tolist() == np.delete(told, left).tolist()
        decoder.feed(step)
    assert sequence.steps.tolist() == encoding.encode(make(1)).steps.tolist(), "the original stays"


def test_each_voice_keeps_its_own_instrument() -> None:
    score = sample_music.chorale(1)
    reversed_ = sample_music.score([], meters=((0, 1, 4), (480, 4, 4)))
    for track, program in zip(reversed(list(score.tracks)), (42, 70, 68, 73), strict=True):
        track.name, track.program = "", program
        reversed_.tracks.append(track)
    encoding = ENCODINGS["chorale"].fit([sample_music.chorale(seed) for seed in range(4)])
    found = {t.name: t.program for t in encoding.encode(reversed_).header.tracks}
    assert found["Bass"] == 42
    assert found["Soprano"] in (73, 68)


def test_a_chorale_says_each_onset_once() -> None:
    """Soprano, bass, alto, tenor, and the wait for the next onset, which never crosses a bar line."""
    soprano = [(0, 480, 72), (480, 4800, 74)]  # the second one lasts over two bar lines, until 5280
    lower = [[(0, 480, p), (480, 480, p - 2), (960, 4320, p)] for p in (65, 60, 48)]
    piece = sample_music.score([soprano, *lower])
    encoding = ENCODINGS["chorale"].fit([piece])
    names = encoding.fields[0].symbols
    said = [names[s] for s in encoding.encode(piece).steps[:, 0]]
    assert [said[i : i + 5] for i in range(0, len(said), 5)] == [
        ["72", "48", "65", "60", "+4"],
        ["74", "46", "63", "58", "+4"],
        ["hold", "48", "65", "60", "+8"],
        ["hold", "hold", "hold", "hold", "+16"],
        ["hold", "hold", "hold", "hold", "+12"],
    ]


def without_tenor(seed: int) -> symusic.Score:
    score = sample_music.chorale(seed)
    score.tracks[2].notes = score.tracks[2].notes[:0]
    return score


def test_a_voice_that_is_never_heard_can_always_do_something() -> None:
    encoding = ENCODINGS["chorale"].fit([without_tenor(seed) for seed in range(3)])
    decoder = encoding.decoder(encoding.headers[0][0], 4)
    symbols = encoding.fields[0].symbols
    hold, rest, wait = (symbols.index(name) for name in ("hold", "rest", "+1"))
    for _ in range(3):
        decoder.feed(np.array([np.flatnonzero(decoder.valid_mask()[0])[-1]]))
    for symbol in (rest, wait, hold, hold, hold):
        assert decoder.valid_mask()[0][symbol]
        decoder.feed(np.array([symbol]))
    for masks in (decoder.valid_mask(), decoder.style_mask()):
        assert np.flatnonzero(masks[0]).tolist() == [hold]


def test_all_voices_of_a_chorale_hold_only_where_no_wait_could_have_led_further() -> None:
    encoding = ENCODINGS["chorale"].fit([sample_music.chorale(seed) for seed in range(6)])
    header = encoding.headers[0][0]
    decoder = encoding.decoder(header, 4)
    hold, wait = 1, encoding.fields[0].symbols.index("+4")
    for _ in range(4):
        decoder.feed(np.array([np.flatnonzero(decoder.valid_mask()[0])[-1]]))
    decoder.feed(np.array([wait]))
    for _ in range(3):
        assert decoder.valid_mask()[0][hold]
        decoder.feed(np.array([hold]))
    at_bar_line = encodings.base.Bars(header.meters).place(decoder.tick) == 0
    assert decoder.valid_mask()[0][hold] == at_bar_line


def test_relations_fit_their_fields(case: Any) -> None:
    encoding, _ = case
    assert encoding.relations
    for relation in encoding.relations:
        assert relation.classes.shape[0] == len(encoding.context[relation.column])
        assert relation.aspects.shape == (len(encoding.fields[relation.field]),)
        assert relation.aspects.min() >= 0 and relation.aspects.max() < relation.classes.shape[1]
        assert relation.classes.min() >= 0


def test_a_piece_has_the_same_relations_in_every_key(case: Any) -> None:
    """What a network learns of them holds wherever it is played."""
    encoding, make = case
    for seed in range(6):
        score = make(seed)
        told = []
        for semitones in encoding.transpositions(score):
            sequence = encoding.encode(scores.transposed(score, semitones))
            steps, context = sequence.steps, sequence.context
            told.append([r.classes[context[:, r.column], r.aspects[steps[:, r.field]]] for r in encoding.relations])
        assert all(np.array_equal(told[0], other) for other in told)
        assert any((classes > 0).any() for classes in told[0])


def test_a_line_tells_its_last_notes_and_its_echoes() -> None:
    notes = [60, 62, 64, 72, 74]  # up a tone, up a tone; and again from C5
    told = lines.told(np.array(notes))
    names = [field.name for field in lines.FIELDS]
    last = dict(zip(names, told[-1].tolist(), strict=True))
    assert [last[f"note {k} ago"] - lines.FIRST for k in (1, 2, 3)] == [74, 72, 64]
    assert last["echo of 1"] - lines.FIRST == 82, "after a tone there came an octave less two tones last"
    assert last["echo of 2"] == lines.NOTHING
    line = lines.Line()
    for note in notes:
        line.hear(note)
    assert line.told() == told[-1].tolist()
