"""Every encoding with every option: decoding inverts encoding, and each feature of the context is the same for a
whole piece and step by step. What the symbols and contexts of an encoding mean is tested in `tests/encodings/`.

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
from playbach.encodings.base import Decoder, EncodedPiece, Encoding
from playbach.encodings.features.bars import BARS_LEFT, MANY_BARS_LEFT, UNKNOWN_BARS_LEFT
from playbach.encodings.features.base import Feature
from playbach.encodings.options import ChoraleOptions, EventsOptions, NotesOptions
from playbach.music import scores
from playbach.music.arrays import Ints
from playbach.music.bars import Bars, Header
from playbach.music.borrowing.index import Index, Shelf
from playbach.music.events import MAX_NUMERATOR, METER_DENOMINATORS, Event, Meter, Note, Tempo
from playbach.music.fingerprints import lines_of
from playbach.music.scores import score_from_header

CASES: dict[str, tuple[str, Any, Callable[..., symusic.Score]]] = {
    "chorale": ("chorale", None, sample_music.chorale),
    "chorale-given": ("chorale", ChoraleOptions(given=True), sample_music.chorale),
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


def music_for(name: str) -> Callable[..., symusic.Score]:
    """Music that an encoding can represent."""
    kinds = (sample_music.line, sample_music.chorale, sample_music.band)
    return next(make for make in kinds if ENCODINGS[name].load().rejection_reason(make(0)) is None)


# An encoding without cases of its own is tested with its default options.
CASES |= {
    name: (name, None, music_for(name)) for name in ENCODINGS if name not in {case[0] for case in CASES.values()}
}


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


def test_many_scores_are_encoded_as_each_alone(case: Any) -> None:
    encoding, make = case
    made = [make(seed, tonic=seed % 5, bars=bars) for seed, bars in enumerate((1, 4, 2, 4, 9))]
    together = list(encoding.encode_all(iter(made)))
    for piece, score in zip(together, made, strict=True):
        alone = encoding.encode(score)
        assert piece.steps.tolist() == alone.steps.tolist()
        assert piece.context.tolist() == alone.context.tolist()
        assert piece.steps.dtype == piece.context.dtype == np.int32
        assert (piece.header, piece.notes, piece.ticks) == (alone.header, alone.notes, alone.ticks)
    assert list(encoding.encode_all([])) == []


def test_a_piece_is_found_among_others_in_any_key(case: Any) -> None:
    """As the encoding represents it: what is composed can be compared with what was trained on."""
    encoding, make = case
    pieces = [encoding.project(make(seed)) for seed in range(4)]
    index = Index((Shelf.of(enumerate(pieces)),))
    for number, score in enumerate(pieces):
        (*_, line) = lines_of(scores.transpose(score, 1))
        run = index.longest(line)
        assert run is not None and run.piece == number
        assert run.notes == len(line.bars)
        assert (run.first_bar, run.last_bar) == (run.piece_first_bar, run.piece_last_bar)


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
    return list(fitted(case).features)


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
    meters=st.lists(
        st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 2), (5, 8), (1, 4), (65, 4)])
        | st.tuples(st.integers(1, MAX_NUMERATOR), st.sampled_from(METER_DENOMINATORS)),
        min_size=1,
        max_size=3,
    ),
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


@settings(max_examples=40, deadline=None)
@given(
    meters=st.lists(
        st.tuples(
            st.integers(1, MAX_NUMERATOR),
            st.sampled_from(METER_DENOMINATORS),
            st.sampled_from([240, 1920, 31200, 77]),
        ),
        min_size=1,
        max_size=4,
    )
)
@pytest.mark.parametrize("name", ["chorale", "events", "notes"])
def test_any_meters_survive_as_projected(name: str, meters: Any) -> None:
    score = sample_music.chorale(1)
    score.time_signatures.clear()
    tick = 0
    for numerator, denominator, ticks in meters:
        score.time_signatures.append(symusic.TimeSignature(tick, numerator, denominator))
        tick += ticks
    encoding = ENCODINGS[name].load().fit([sample_music.chorale(2), score])
    projected = encoding.project(score)
    assert as_lists(decode(encoding, encoding.encode(score))) == as_lists(projected)
    assert as_lists(encoding.project(projected)) == as_lists(projected)
    assert all("\n" not in line for line in encoding.remarks(score))


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


def test_relations_fit_their_fields(case: Any) -> None:
    encoding, _ = case
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
        assert not encoding.relations or any((classes > 0).any() for classes in by_key[0])


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
