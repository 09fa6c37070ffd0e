"""Every encoding with every option: decoding inverts encoding, and both give the same contexts. Then the contexts and
relations of each encoding by their names; those of `events` are in `test_events_encoding.py`.

Past 400 lines because a new encoding must pass all of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sample_music
from playbach import encodings
from playbach.encodings import ENCODINGS
from playbach.encodings.base import BARS_LEFT, MANY_BARS_LEFT, UNKNOWN_BARS_LEFT, Decoder, EncodedPiece, Encoding
from playbach.encodings.features import lines
from playbach.encodings.features.base import Feature
from playbach.encodings.options import EventsOptions, NotesOptions
from playbach.encodings.relations import Relation, chord_classes, interval_classes
from playbach.music import scores
from playbach.music.arrays import Ints
from playbach.music.bars import Bars, Header
from playbach.music.events import Event, Meter, Note, Tempo
from playbach.music.scores import score_from_header

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


@cache
def fitted(case: str) -> Encoding:
    name, options, make = CASES[case]
    encoding: Encoding = ENCODINGS[name].load().fit([make(seed) for seed in range(6)], options)
    return encoding


@pytest.fixture(params=CASES, scope="module")
def case(request: pytest.FixtureRequest) -> tuple[Encoding, Callable[..., symusic.Score]]:
    return fitted(request.param), CASES[request.param][2]


def decode(encoding: Encoding, piece: EncodedPiece) -> symusic.Score:
    decoder = encoding.decoder(piece.header)
    return score_of(piece.header, [event for step in piece.steps for event in decoder.feed(step)] + decoder.finish())


def score_of(header: Header, events: list[Event]) -> symusic.Score:
    score = score_from_header(header)
    for event in events:
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
    """The bars of a piece of these events."""
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
        assert as_lists(decode(encoding, encoding.encode(score))) == as_lists(projected)


def test_projection_is_idempotent(case: Any) -> None:
    encoding, make = case
    for seed in range(12):
        once = encoding.project(make(seed, tonic=seed % 5))
        assert as_lists(encoding.project(once)) == as_lists(once)


def test_the_decoder_gives_the_same_context_as_the_encoder(case: Any) -> None:
    encoding, make = case
    piece = encoding.encode(make(2))
    decoder = encoding.decoder(piece.header)
    left = encoding.bars_left_column
    for step, context in zip(piece.steps, piece.context, strict=True):
        actual = decoder.context()
        assert actual[left] == UNKNOWN_BARS_LEFT
        assert np.delete(actual, left).tolist() == np.delete(context, left).tolist()
        decoder.feed(step)
    assert decoder.tick == piece.ticks


# ------------------------------------------------------------------------------------------------------ features


def features_of(case: str) -> list[Feature[Any, Any]]:
    try:
        return list(fitted(case).features)
    except NotImplementedError:  # `events` has its context in another form
        return []


FEATURES = {
    f"{case}: {feature.fields[0].name}": (case, number)
    for case in CASES
    for number, feature in enumerate(features_of(case))
}


def walked(encoding: Encoding, seed: int) -> symusic.Score:
    """A piece of symbols that are drawn from the valid ones, so with rests, leaps and long notes."""
    rng = np.random.default_rng(seed)
    header = encoding.headers[int(rng.integers(len(encoding.headers)))][0]
    decoder = encoding.decoder(header, 6)
    events: list[Event] = []
    while not decoder.finished:
        events += decoder.feed(np.array([rng.choice(np.flatnonzero(mask)) for mask in decoder.valid_mask()]))
    return score_of(header, events + decoder.finish())


def in_changing_meters(score: symusic.Score) -> symusic.Score:
    changed = score.copy()
    changed.time_signatures = changed.time_signatures[:0]
    for tick, beats in ((0, 4), (3840, 3), (6720, 4)):
        changed.time_signatures.append(symusic.TimeSignature(tick, beats, 4))
    return changed


@cache
def samples(case: str) -> tuple[EncodedPiece, ...]:
    encoding, make = fitted(case), CASES[case][2]
    seen, unseen = make(0), make(8, tonic=3)
    scores = (seen, unseen, in_changing_meters(unseen), *(walked(encoding, seed) for seed in range(3)))
    return tuple(map(encoding.encode, scores))


def symbols_of_states(feature: Feature[Any, Any], decoder: Decoder, steps: Ints) -> list[list[int]]:
    """What a feature tells before each step, seen from the decoder."""
    found = []
    for step in steps:
        found.append(list(feature.of_state(decoder)))
        decoder.feed(step)
    return found


@pytest.mark.parametrize(("case", "number"), FEATURES.values(), ids=FEATURES)
def test_a_feature_is_the_same_for_a_piece_and_for_its_states(case: str, number: int) -> None:
    encoding = fitted(case)
    feature = features_of(case)[number]
    columns = encoding.features.columns_of(feature)
    knows_length = any(field.name == BARS_LEFT for field in feature.fields)
    for piece in samples(case):
        decoder = encoding.decoder(piece.header)
        if knows_length:  # the bars until the one in which the last step begins
            bars = bars_of(piece.header, [event for step in piece.steps[:-1] for event in decoder.feed(step)])
            decoder = encoding.decoder(piece.header, bars.number(decoder.tick))
        assert symbols_of_states(feature, decoder, piece.steps) == piece.context[:, columns].tolist()


@pytest.mark.parametrize(("case", "number"), FEATURES.values(), ids=FEATURES)
def test_only_a_feature_that_follows_symbols_changes_with_rare_ones(case: str, number: int) -> None:
    encoding, piece = fitted(case), samples(case)[0]
    feature = features_of(case)[number]
    columns = encoding.features.columns_of(feature)
    steps, context = encoding.mask_rare(piece.steps, piece.context, np.arange(len(piece)) % 5 == 2)
    if feature.follows_symbols:
        expected = symbols_of_states(feature, encoding.decoder(piece.header), steps)
    else:
        expected = piece.context[:, columns].tolist()
    assert context[:, columns].tolist() == expected


@pytest.mark.parametrize("case", dict.fromkeys(case for case, _ in FEATURES.values()))
def test_the_features_are_the_context(case: str) -> None:
    encoding = fitted(case)
    assert encoding.features.fields == encoding.context
    for column, field in enumerate(encoding.context):
        assert encoding.features.column(field.name) == column
    for feature in encoding.features:
        assert encoding.context[encoding.features.columns_of(feature)] == feature.fields != ()


# ----------------------------------------------------------------------------------------- contexts of all encodings


def test_the_context_holds_the_bars_left_where_the_length_is_known(case: Any) -> None:
    encoding, make = case
    piece = encoding.encode(make(2, bars=12))
    decoder = encoding.decoder(piece.header)
    bars = bars_of(piece.header, [event for step in piece.steps for event in decoder.feed(step)])
    total = bars.number(decoder.tick - 1)
    decoder = encoding.decoder(piece.header, total)
    for step, context in zip(piece.steps, piece.context, strict=True):
        assert decoder.context()[encoding.bars_left_column] == context[encoding.bars_left_column]
        decoder.feed(step)
    assert piece.context[0, encoding.bars_left_column] in range(MANY_BARS_LEFT + 1)
    assert piece.context[-1, encoding.bars_left_column] == 0
    assert decoder.finished == (decoder.tick >= bars.end(total))


def test_shapes_and_ranges(case: Any) -> None:
    encoding, make = case
    piece = encoding.encode(make(1))
    assert piece.steps.shape == (len(piece), len(encoding.fields))
    assert piece.context.shape == (len(piece), len(encoding.context))
    for values, fields in ((piece.steps, encoding.fields), (piece.context, encoding.context)):
        assert (values >= 0).all()
        assert (values < [len(field) for field in fields]).all()
    assert sum(field.name == BARS_LEFT for field in encoding.context) == 1
    assert piece.notes > 0


def test_names_of_symbols_are_unique(case: Any) -> None:
    encoding, _ = case
    for field in (*encoding.fields, *encoding.context):
        assert len(set(field.symbols)) == len(field.symbols)


def test_all_steps_of_training_pieces_are_valid(case: Any) -> None:
    encoding, make = case
    for seed in range(6):
        piece = encoding.encode(make(seed))
        decoder = encoding.decoder(piece.header)
        for step in piece.steps:
            assert all(mask[symbol] for mask, symbol in zip(decoder.valid_mask(), step, strict=True))
            decoder.feed(step)


def test_the_unknown_symbol_is_encoded_but_never_valid(case: Any) -> None:
    encoding, make = case
    far = make(3).copy()
    for track in far.tracks:
        track.shift_pitch(19, inplace=True)
    piece = encoding.encode(far)
    unknown = [set(values.tolist()) for values in encoding.unknown_symbols()]
    if "folded" not in str(getattr(encoding, "options", "")):
        assert any(step[0] in unknown[0] for step in piece.steps)
    decoder = encoding.decoder(piece.header)
    for step in piece.steps:
        for mask, values in zip(decoder.valid_mask(), unknown, strict=True):
            assert not mask[list(values)].any()
        decoder.feed(step)
    assert as_lists(decode(encoding, piece))[0] == as_lists(encoding.project(far))[0]


def test_an_encoding_is_restored_from_its_manifest(case: Any) -> None:
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
            steps = encoding.encode(scores.transpose(score, semitones)).steps
            assert not set(steps[:, 0].tolist()) & set(encoding.unknown_symbols()[0].tolist())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), bars=st.integers(1, 12))
def test_any_valid_steps_make_a_piece_that_ends_on_its_bar(case: Any, seed: int, bars: int) -> None:
    encoding, _ = case
    rng = np.random.default_rng(seed)
    header = encoding.headers[int(rng.integers(len(encoding.headers)))][0]
    decoder = encoding.decoder(header, bars)
    events: list[Event] = []
    last_final = 0
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
        last_final = decoder.final_until
    events += decoder.finish()
    assert decoder.finished
    notes = [event for event in events if isinstance(event, Note)]
    assert decoder.final_until >= last_final
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
            encoding = ENCODINGS[name].load().fit([sample_music.line(0), sample_music.line(1)], options)
            projected = encoding.project(score)
            for track in projected.tracks:
                track.notes.sort()
            assert as_lists(decode(encoding, encoding.encode(score))) == as_lists(projected)
            if projected.note_num():
                assert as_lists(encoding.project(projected)) == as_lists(projected)


def test_the_style_mask_allows_only_valid_symbols(case: Any) -> None:
    encoding, _ = case
    rng = np.random.default_rng(5)
    decoder = encoding.decoder(encoding.headers[0][0], 6)
    while not decoder.finished:
        style, valid = decoder.style_mask(), decoder.valid_mask()
        for some, all_ in zip(style, valid, strict=True):
            assert some.any()
            assert not (some & ~all_).any()
        decoder.feed(np.array([rng.choice(np.flatnonzero(mask)) for mask in style]))


def test_the_style_mask_prevents_parallel_octaves_and_fifths() -> None:
    encoding = ENCODINGS["chorale"].load().fit([sample_music.chorale(seed) for seed in range(6)])
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


def test_masked_symbols_look_like_unknown_ones(case: Any) -> None:
    encoding, make = case
    piece = encoding.encode(make(1))
    hidden = np.arange(len(piece)) % 5 == 2
    steps, context = encoding.mask_rare(piece.steps, piece.context, hidden)
    decoder = encoding.decoder(piece.header)
    for step, expected in zip(steps, context, strict=True):
        actual = decoder.context()
        left = encoding.bars_left_column
        assert np.delete(actual, left).tolist() == np.delete(expected, left).tolist()
        decoder.feed(step)
    assert piece.steps.tolist() == encoding.encode(make(1)).steps.tolist(), "the original stays"


def test_each_voice_keeps_its_own_instrument() -> None:
    score = sample_music.chorale(1)
    reversed_ = sample_music.score([], meters=((0, 1, 4), (480, 4, 4)))
    for track, program in zip(reversed(list(score.tracks)), (42, 70, 68, 73), strict=True):
        track.name, track.program = "", program
        reversed_.tracks.append(track)
    encoding = ENCODINGS["chorale"].load().fit([sample_music.chorale(seed) for seed in range(4)])
    found = {t.name: t.program for t in encoding.encode(reversed_).header.tracks}
    assert found["Bass"] == 42
    assert found["Soprano"] in (73, 68)


def test_a_chorale_has_five_steps_for_each_onset() -> None:
    """Soprano, bass, alto, tenor, and the wait for the next onset, which never crosses a bar line."""
    soprano = [(0, 480, 72), (480, 4800, 74)]  # the second one lasts over two bar lines, until 5280
    lower = [[(0, 480, p), (480, 480, p - 2), (960, 4320, p)] for p in (65, 60, 48)]
    piece = sample_music.score([soprano, *lower])
    encoding = ENCODINGS["chorale"].load().fit([piece])
    names = encoding.fields[0].symbols
    symbols = [names[s] for s in encoding.encode(piece).steps[:, 0]]
    assert [symbols[i : i + 5] for i in range(0, len(symbols), 5)] == [
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


def test_a_voice_without_notes_can_always_hold() -> None:
    encoding = ENCODINGS["chorale"].load().fit([without_tenor(seed) for seed in range(3)])
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


def test_all_voices_hold_only_at_bar_lines_and_after_the_longest_wait() -> None:
    encoding = ENCODINGS["chorale"].load().fit([sample_music.chorale(seed) for seed in range(6)])
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
    """So that a network applies what it learns in every key."""
    encoding, make = case
    for seed in range(6):
        score = make(seed)
        by_key = []
        for semitones in encoding.transpositions(score):
            piece = encoding.encode(scores.transpose(score, semitones))
            steps, context = piece.steps, piece.context
            by_key.append([r.classes[context[:, r.column], r.aspects[steps[:, r.field]]] for r in encoding.relations])
        assert all(np.array_equal(by_key[0], other) for other in by_key)
        assert any((classes > 0).any() for classes in by_key[0])


# ----------------------------------------------------------------------------------------------------- relations


def related(encoding: Encoding, name: str, context_symbol: str, symbol: str) -> int:
    """The class of a context symbol and a step's symbol, by their names, in the relation of this name."""
    [relation] = [r for r in encoding.relations if r.name == name]
    row = encoding.context[relation.column].symbols.index(context_symbol)
    index = encoding.fields[relation.field].symbols.index(symbol)
    return int(relation.classes[row, relation.aspects[index]])


def test_each_interval_up_or_down_to_two_octaves_has_its_own_class() -> None:
    classes = interval_classes([None, 60, 62], [None, *range(128)])
    assert (classes[0] == 0).all() and (classes[:, 0] == 0).all()
    within = classes[1, 1 + 60 - 24 : 1 + 60 + 25].tolist()
    assert within == list(range(1, 50)), "trained networks know the classes by these numbers"
    assert set(classes[1, 1 : 1 + 60 - 24].tolist()) == {1}, "wider intervals count as two octaves"
    assert set(classes[1, 1 + 60 + 25 :].tolist()) == {49}
    assert classes[2, 3:].tolist() == classes[1, 1:-2].tolist(), "the same interval has the same class"


def test_each_interval_modulo_the_octave_has_its_own_class() -> None:
    classes = chord_classes([None, 60, 61], [None, *range(60, 84)])
    assert (classes[0] == 0).all() and (classes[:, 0] == 0).all()
    octave = classes[1, 1:13].tolist()
    assert octave == list(range(1, 13)), "trained networks know the classes by these numbers"
    assert classes[1, 13:].tolist() == octave
    assert classes[2, 2:].tolist() == classes[1, 1:-1].tolist()


def test_the_length_of_a_relation_is_its_number_of_classes() -> None:
    classes = chord_classes([None, 60], [None, *range(60, 72)])
    relation = Relation("any", 0, 0, classes, np.arange(13))
    assert len(relation) == len(np.unique(classes)) == 13


def test_the_classes_of_a_relation_are_numbered_from_0(case: Any) -> None:
    encoding, _ = case
    for relation in encoding.relations:
        assert len(relation) == relation.classes.max() + 1
        if relation.name == "degree":
            assert set(np.unique(relation.classes)) == set(range(1 + 24))


def test_names_of_context_fields_and_of_relations_are_unique(case: Any) -> None:
    encoding, _ = case
    for names in ([f.name for f in encoding.context], [r.name for r in encoding.relations]):
        assert len(set(names)) == len(names)


def test_relations_of_a_chorale() -> None:
    encoding = ENCODINGS["chorale"].load().fit([sample_music.chorale(seed) for seed in range(4)])
    pitches = [s for s in encoding.fields[0].symbols if s.isdecimal()]
    low, high = int(pitches[0]), int(pitches[-1])

    def up(name: str, start: int, semitones: int) -> int:
        return related(encoding, name, str(start), str(start + semitones))

    voices = ("soprano", "alto", "tenor", "bass")
    for name in ("motion", *(f"{which} {v}" for which in ("distance from", "above") for v in voices)):
        assert up(name, low, 4) == up(name, low + 5, 4) == up(name, high - 4, 4) > 0
        assert len({up(name, 60, step) for step in range(-5, 7)}) == 12
        assert (up(name, low, 4) == up(name, low, 16)) == name.startswith("above")
        for before, symbol in (("rest", "60"), ("nothing", "60"), ("60", "hold"), ("60", "rest"), ("60", "+4")):
            assert related(encoding, name, before, symbol) == 0
    columns = {r.name: encoding.context[r.column].name for r in encoding.relations}
    assert columns == {
        "motion": "sounding",
        **{f"{which} {v}": f"sounding {v}" for which in ("distance from", "above") for v in voices},
        "degree": "home",
    }


@pytest.mark.parametrize("name", ["chorale", "events"])
def test_a_degree_is_the_same_in_all_keys_of_a_mode(name: str) -> None:
    encoding = ENCODINGS[name].load().fit([sample_music.chorale(seed) for seed in range(4)])

    def degree(key: str, pitch: int) -> int:
        return related(encoding, "degree", key, str(pitch))

    for mode in ("major", "minor"):
        tonic = degree(f"C {mode}", 60)
        assert tonic == degree(f"D {mode}", 62) == degree(f"A {mode}", 57)
        assert tonic == degree(f"C {mode}", 48), "in every octave"
        assert degree(f"C {mode}", 67) == degree(f"D {mode}", 57) != tonic
    assert degree("C major", 60) != degree("C minor", 60)
    assert degree("nothing", 60) == 0
    for first, mode in ((1, "major"), (13, "minor")):
        degrees = [degree(f"G {mode}", pitch) for pitch in range(55, 67)]
        assert degrees == list(range(first, first + 12)), "trained networks know the classes by these numbers"


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


# --------------------------------------------------------------------------------------------------------- lines


def context_of_line(notes: list[int], modulus: int | None = None) -> dict[str, str]:
    """The context after the last of these notes, as names of fields and of their symbols. Checks that `Line` gives
    the same contexts."""
    contexts = lines.line_contexts(np.array(notes, np.int32), modulus)
    line = lines.Line(modulus)
    for note, context in zip(notes, contexts):
        assert line.context() == context.tolist()
        line.add(note)
    assert line.context() == contexts[-1].tolist()
    return {f.name: f.symbols[value] for f, value in zip(lines.LINE_FIELDS, contexts[-1].tolist(), strict=True)}


def test_a_lines_context_has_its_last_notes_their_intervals_and_echoes() -> None:
    context = context_of_line([60, 62, 64, 72, 74])  # up a tone, up a tone; and again from C5
    assert [context[f"note {k} ago"] for k in range(1, 9)] == ["74", "72", "64", "62", "60", *["nothing"] * 3]
    assert [context[f"step {k} ago"] for k in range(1, 8)] == ["2", "8", "2", "2", *["none"] * 3]
    assert context["echo of 1"] == "82", "the last time, a tone up was followed by 8 semitones up"
    assert context["step to echo of 1"] == "8"
    assert {context[f"echo of {k}"] for k in (2, 3, 4, 6, 8)} == {"nothing"}
    assert {context[f"step to echo of {k}"] for k in (2, 3, 4, 6, 8)} == {"none"}


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 8])
def test_an_echo_follows_the_line_after_the_same_intervals(length: int) -> None:
    """A figure, another note, and the figure again a minor third higher: the echo is the other note, a minor third
    higher."""
    figure = [60, 61, 63, 66, 70, 69, 67, 64, 59][: length + 1]
    context = context_of_line([*figure, 50, *(p + 3 for p in figure)])
    assert context[f"echo of {length}"] == "53"
    assert context[f"step to echo of {length}"] == str(max(-24, 53 - (figure[-1] + 3)))
    longer = [k for k in lines.ECHO_LENGTHS if k > length]
    assert all(context[f"echo of {k}"] == "nothing" for k in longer)


@pytest.mark.parametrize(
    ("notes", "echo"),
    [
        ([99, 112, 113, 126], "127"),
        ([100, 113, 114, 127], "nothing"),  # it would be 128
        ([28, 15, 14, 1], "0"),
        ([27, 14, 13, 0], "nothing"),
    ],
)
def test_an_echo_is_a_pitch_from_0_to_127(notes: list[int], echo: str) -> None:
    context = context_of_line(notes)
    assert context["echo of 1"] == echo
    assert (context["step to echo of 1"] == "none") == (echo == "nothing")
    assert context["note 1 ago"] == str(notes[-1])


def test_intervals_of_more_than_two_octaves_count_as_two_octaves() -> None:
    context = context_of_line([0, 24, 0, 25, 0, 127, 0])
    assert [context[f"step {k} ago"] for k in range(1, 8)] == ["-24", "24", "-24", "24", "-24", "24", "none"]


def test_the_echo_of_pitch_classes_is_a_pitch_class() -> None:
    context = context_of_line([9, 11, 1, 10, 0], 12)  # up by 2, 2, 9 and 2 semitones, modulo the octave
    assert context["echo of 1"] == "9"
    assert context["step to echo of 1"] == "9"


# ------------------------------------------------------------------------------------------------------ contexts


def contexts_by_name(encoding: Encoding, piece: EncodedPiece) -> list[dict[str, str]]:
    """The context before each step, as names of fields and of their symbols."""
    return [
        {field.name: field.symbols[value] for field, value in zip(encoding.context, row, strict=True)}
        for row in piece.context.tolist()
    ]


def first_symbols(encoding: Encoding, piece: EncodedPiece) -> list[str]:
    """The name of each step's symbol in the first field."""
    return [encoding.fields[0].symbols[s] for s in piece.steps[:, 0]]


FOUR_VOICES = sample_music.score(
    [
        [(0, 480, 72), (480, 960, 74), (1440, 480, 71), (1920, 1920, 72)],
        [(0, 480, 67), (480, 480, 65), (960, 480, 67), (1440, 480, 67), (1920, 1920, 64)],
        [(0, 480, 64), (480, 1440, 62), (1920, 1920, 60)],
        [(0, 480, 48), (480, 480, 50), (960, 480, 55), (1920, 1920, 48)],
    ]
)


@pytest.fixture(scope="module")
def chorale_contexts() -> list[dict[str, str]]:
    """Those of FOUR_VOICES. Each onset has five steps: soprano, bass, alto, tenor, wait."""
    encoding = ENCODINGS["chorale"].load().fit([FOUR_VOICES])
    return contexts_by_name(encoding, encoding.encode(FOUR_VOICES))


def of_voices(context: dict[str, str], what: str) -> list[str]:
    """One value for each voice, from soprano to bass."""
    return [context[f"{what} {voice}"] for voice in ("soprano", "alto", "tenor", "bass")]


def test_the_context_of_a_chorale_has_the_place_the_meter_and_the_key(chorale_contexts: list[dict[str, str]]) -> None:
    contexts = chorale_contexts
    assert [c["voice"] for c in contexts[:5]] == ["Soprano", "Bass", "Alto", "Tenor", "wait"]
    assert [c["place"] for c in contexts[::5]] == ["0", "4", "8", "12", "0"]
    assert [c["waited"] for c in contexts[::5]] == ["0", "+4", "+4", "+4", "+4"]
    assert [c["left"] for c in contexts[::5]] == ["1", "1", "1", "1", "0"]
    assert {c["meter"] for c in contexts} == {"4/4"}
    assert [c["home"] for c in contexts[4:6]] == ["nothing", "C major"]
    assert contexts[20]["home"] == "G major"


def test_the_context_of_a_chorale_has_the_intervals_and_motions_of_the_voices(
    chorale_contexts: list[dict[str, str]],
) -> None:
    alto = chorale_contexts[12]  # in the third quarter: the soprano holds, the bass has gone up a fourth
    assert (alto["voice"], alto["sounding"]) == ("Alto", "65")
    assert of_voices(alto, "sounding") == ["74", "65", "62", "55"]
    assert of_voices(alto, "length of") == ["4", "4", "4", "0"]
    assert of_voices(alto, "interval to") == ["3", "0", "3", "3"]  # from D5, F4, D4 and D3, which sounded before
    assert of_voices(alto, "motion of") == ["0", "0", "0", "5"]

    earlier = chorale_contexts[7]  # the alto in the second quarter: soprano and bass have gone up a tone
    assert of_voices(earlier, "motion of") == ["2", "0", "0", "2"]

    wait = chorale_contexts[14]  # a wait has no note of its own; its intervals are those to the bass
    assert wait["sounding"] == "?"
    assert of_voices(wait, "interval to") == ["0", "9", "0", "0"]


def test_the_context_of_a_chorale_tells_rests_from_notes(chorale_contexts: list[dict[str, str]]) -> None:
    resting = chorale_contexts[17]  # the alto in the fourth quarter, where the bass rests
    assert of_voices(resting, "sounding") == ["71", "67", "62", "rest"]
    assert of_voices(resting, "motion of") == ["-3", "0", "0", "none"]
    assert of_voices(resting, "length of") == ["0", "4", "8", "0"]
    assert of_voices(resting, "interval to") == ["5", "0", "5", "0"]

    entering = chorale_contexts[21]  # the bass at the last onset, after its rest
    assert entering["sounding"] == "rest"
    assert of_voices(entering, "interval to") == ["none"] * 4
    assert of_voices(entering, "length of") == ["0", "4", "12", "4"]
    assert of_voices(chorale_contexts[22], "motion of") == ["1", "0", "0", "none"], "no motion from a rest"


def test_a_voice_rests_until_its_first_note() -> None:
    late = [[(0, 1920, 72)], [(960, 960, 67)], [(0, 960, 64)], []]
    encoding = ENCODINGS["chorale"].load().fit([FOUR_VOICES])
    piece = encoding.encode(sample_music.score(late, names=("Soprano", "Alto", "Tenor", "Bass")))
    assert first_symbols(encoding, piece) == ["72", "rest", "rest", "64", "+8", "hold", "hold", "67", "rest", "+8"]
    assert of_voices(contexts_by_name(encoding, piece)[9], "sounding") == ["72", "67", "rest", "rest"]


def test_the_context_of_a_chorale_has_a_new_meter_from_its_first_onset() -> None:
    voices = [[(t, 480, p) for t in range(0, 5280, 480)] for p in (72, 67, 64, 48)]
    piece = sample_music.score(voices, meters=((0, 4, 4), (1920, 3, 4), (3360, 4, 4)))
    encoding = ENCODINGS["chorale"].load().fit([piece])
    contexts = contexts_by_name(encoding, encoding.encode(piece))[::5]
    assert [c["meter"] for c in contexts] == ["4/4"] * 4 + ["3/4"] * 3 + ["4/4"] * 4
    assert [c["place"] for c in contexts] == ["0", "4", "8", "12", "0", "4", "8", "0", "4", "8", "12"]


def test_lengths_and_places_of_a_chorale_have_bounds() -> None:
    piece = sample_music.score([[(0, 480, p), (480, 18 * 480, p)] for p in (72, 67, 64, 48)], meters=((0, 19, 4),))
    encoding = ENCODINGS["chorale"].load().fit([piece])
    contexts = contexts_by_name(encoding, encoding.encode(piece))[::5]
    assert [c["place"] for c in contexts] == ["0", "4", "20", "36", "52", "later"]
    assert [c["length of bass"] for c in contexts] == ["0", "4", "16", "32", "32", "32"]


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


def test_a_rest_has_no_velocity() -> None:
    score = sample_music.score([[(0, 480, 60), (1920, 480, 62)]], velocity=90)
    encoding = ENCODINGS["notes"].load().fit([score], NotesOptions(velocities=True))
    names = [[f.symbols[v] for f, v in zip(encoding.fields, step)] for step in encoding.encode(score).steps.tolist()]
    assert [(symbol, velocity) for symbol, _, velocity in names] == [("C4", "90"), ("R", "rest"), ("D4", "90")]
