"""Composing in the `events` encoding: a whole band, with drums, changes of meter and tempo, and an ending."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import symusic

import playbach
from helpers import sample_music
from playbach.data import corpora
from playbach.evaluation.reports import EvaluationOptions, evaluate
from playbach.inference.composing import Composer
from playbach.music import instruments, reading
from playbach.music.bars import Bars
from playbach.music.events import End, Event, Meter, Note, Start, Tempo
from playbach.streaming.programme import split_into_bars


@pytest.fixture(scope="module")
def composer(bands_bundle: Path) -> Composer:
    return playbach.load(bands_bundle)


def piece(composer: Composer, **options: object) -> list[Event]:
    """The first piece of a stream."""
    events: list[Event] = []
    for event in composer.stream(**options):  # type: ignore[arg-type]
        events.append(event)
        if isinstance(event, End):
            return events
    raise AssertionError("a piece ends")


def bars_of(events: list[Event]) -> Bars:
    return Bars(tuple((e.tick, e.numerator, e.denominator) for e in events if isinstance(e, Meter)))


def test_a_folder_of_bands_is_encoded_as_events(bands_folder: Path, composer: Composer) -> None:
    _, encoding = corpora.load_folder(bands_folder)
    assert encoding == composer.encoding.name == "events"
    assert [t.name for t in composer.tracks] == ["Electric Bass (finger)", "Violin", "Flute", "Drums"]


@pytest.mark.parametrize("bars", [1, 2, 5])
def test_it_ends_where_it_was_asked_to(composer: Composer, bars: int) -> None:
    for seed in range(4):
        events = piece(composer, seed=seed, bars=bars, plain=True)
        end = events[-1].tick
        assert end == bars_of(events).end(bars)
        sounding = [e for e in events if isinstance(e, Note) and e.tick + e.duration == end]
        assert sounding or bars == 1


def test_events_come_in_order_and_bars_are_full(composer: Composer) -> None:
    changes = 0
    for seed in range(6):
        events = piece(composer, seed=seed, bars=8, plain=True, temperature=1.3)
        assert [e.tick for e in events] == sorted(e.tick for e in events)
        bars = bars_of(events)
        meters = [e for e in events if isinstance(e, Meter)]
        assert all(bars.place(m.tick) == 0 for m in meters[1:])
        changes += sum(not isinstance(e, Start | Note | End) and e.tick > 480 for e in events)
    assert changes > 0, "meters and tempos change now and then"


def test_the_radio_can_cut_it_into_bars(composer: Composer) -> None:
    events = piece(composer, seed=2, bars=6, plain=True)
    cut = list(split_into_bars(0, iter(events)))
    assert [b.number for b in cut] == list(range(cut[0].number, 7))
    assert sum(len(b.notes) for b in cut) == sum(isinstance(e, Note) for e in events)


def test_drums_come_out_as_drums(composer: Composer, tmp_path: Path) -> None:
    written = composer.compose(seed=1, bars=4).write(tmp_path / "a.mid")
    score = reading.read(written)
    drums = [t for t in score.tracks if t.is_drum]
    assert len(drums) == 1
    assert {n.pitch for n in drums[0].notes} <= {36, 38, 42}
    assert composer.compose(seed=1, bars=4).write(tmp_path / "b.mid").read_bytes() == written.read_bytes()


def test_one_instrument_for_all_leaves_the_drums(composer: Composer) -> None:
    programs = instruments.parse_instruments(["harp", "Flute=oboe"], composer.tracks)
    score = composer.compose(seed=1, bars=2, programs=programs).score
    assert [(t.name, t.program, t.is_drum) for t in score.tracks] == [
        ("Electric Bass (finger)", 46, False),
        ("Violin", 46, False),
        ("Flute", 68, False),
        ("Drums", 0, True),
    ]


def test_a_tempo_that_is_asked_for_moves_all_of_them(composer: Composer) -> None:
    slow, fast = (piece(composer, seed=3, bars=8, tempo=qpm, plain=True) for qpm in (60, 120))
    found = [[e.qpm for e in events if isinstance(e, Tempo)] for events in (slow, fast)]
    assert found[1] == pytest.approx([2 * qpm for qpm in found[0]], rel=0.01)
    assert [e.tick for e in slow] == [e.tick for e in fast]


def test_a_prime_is_continued_from_its_bar(composer: Composer) -> None:
    prime = sample_music.band(30, bars=6)
    score = composer.compose(seed=1, bars=3, prime=prime, prime_bars=2, plain=True).score
    boundary = 480 + 2 * 1920

    def begun(s: symusic.Score) -> list[tuple[str, int, int]]:
        return sorted((t.name, n.time, n.pitch) for t in s.tracks for n in t.notes if n.time < boundary)

    assert begun(score) == begun(prime)
    assert score.end() > boundary


def test_what_a_prime_has_changed_holds_where_it_is_left_out(composer: Composer) -> None:
    prime = sample_music.band(30, bars=6)  # in its fourth bar, 3/4 for a bar, and slower from there on
    events = piece(composer, seed=1, bars=3, prime=prime, prime_bars=5, keep_prime=False, plain=True)
    assert isinstance(events[1], Meter)
    assert (events[1].tick, events[1].numerator) == (0, 4)
    assert isinstance(events[2], Tempo)
    assert events[2].qpm == pytest.approx(90, rel=0.03)
    assert events[-1].tick == 3 * 1920 - 480, "the pickup of the prime is taken off the last bar"


def test_performing_gives_drums_the_beat_and_keeps_what_was_composed(composer: Composer) -> None:
    assert composer.encoding.has_velocities
    played, plain = (piece(composer, seed=4, bars=4, plain=p) for p in (False, True))
    notes = [[(e.tick, e.pitch, e.velocity) for e in events if isinstance(e, Note)] for events in (played, plain)]
    assert notes[0] == notes[1]


def test_confidence_has_a_line_for_every_note(composer: Composer) -> None:
    composed = composer.compose(seed=1, bars=3)
    assert len(composed.confidence) == composed.score.note_num()
    assert all(c.chosen and 0 < c.chosen[0].probability <= 1 for c in composed.confidence)


def test_it_is_measured_beside_an_ngram(composer: Composer, bands_folder: Path) -> None:
    found = evaluate(composer, bands_folder, EvaluationOptions(side="test", samples=2, bars=4))
    guessers = {row.guesser: row.figures for row in found.rows}
    assert set(guessers) == {"network", "n-gram", "commonest symbol"}
    assert 0 < guessers["n-gram"].bits_per_note < guessers["commonest symbol"].bits_per_note
    assert found.composed["composed"].pieces == 2
    assert not found.four_voices


def test_pieces_of_a_stream_follow_each_other(composer: Composer) -> None:
    ticks = []
    for event in itertools.islice(composer.stream(seed=5, bars=2), 400):
        ticks.append(event.tick)
    assert ticks == sorted(ticks)
