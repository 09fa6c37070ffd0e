"""A prime is the user's own music: it comes back unchanged, whatever the network hears of it."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import mido
import pytest
import symusic

import playbach
from helpers import sample_music
from playbach.cli import main
from playbach.inference.composing import Composer, Composition
from playbach.music.events import End, Note, Start
from playbach.music.options import ReadingOptions
from playbach.rendering.midi import MARKER_PREFIX
from playbach.system.errors import ScoreError

BAR = 1920


def bars_of(*voices: list[int], velocity: int = 64) -> symusic.Score:
    """Four voices in quarters, 4/4."""
    score = symusic.Score(480)
    score.time_signatures.append(symusic.TimeSignature(0, 4, 4))
    for voice in voices:
        track = symusic.Track("", 0, False)
        for i, pitch in enumerate(voice):
            track.notes.append(symusic.Note(480 * i, 480, pitch, velocity + i))
        score.tracks.append(track)
    return score


def chorale() -> symusic.Score:
    """Two bars."""
    return bars_of(
        [67, 71, 74, 72, 71, 69, 71, 67],
        [62, 62, 66, 64, 62, 60, 62, 62],
        [59, 55, 57, 57, 55, 54, 55, 59],
        [43, 43, 50, 45, 50, 50, 43, 50],
    )


def beyond_the_range() -> symusic.Score:
    score = chorale()
    score.tracks[0].notes[0].pitch, score.tracks[3].notes[0].pitch = 91, 28
    return score


def with_32nds() -> symusic.Score:
    score = chorale()
    notes = [symusic.Note(60 * i, 60, 71 + i % 2, 70 + i) for i in range(8)]
    score.tracks[0].notes = [*notes, *list(score.tracks[0].notes)[1:]]
    return score


def in_g_major() -> symusic.Score:
    score = chorale()
    score.key_signatures.append(symusic.KeySignature(0, 1, 0))
    score.tempos.append(symusic.Tempo(0, 96.0))
    score.tempos.append(symusic.Tempo(BAR, 77.77))
    return score


def with_a_fifth_voice_and_drums() -> symusic.Score:
    score = chorale()
    for track, name in zip(score.tracks, ("Soprano", "Alto", "Tenor", "Bass")):
        track.name = name
    flute = symusic.Track("Flöte", 73, False)
    flute.notes.append(symusic.Note(30, 2000, 88, 33))
    drums = symusic.Track("Kit", 8, True)
    drums.notes.append(symusic.Note(0, 10, 36, 99))
    drums.notes.append(symusic.Note(3 * BAR + 10, 10, 38, 98))  # after the end of all voices
    score.tracks.append(flute)
    score.tracks.append(drums)
    return score


def with_controllers() -> symusic.Score:
    score = chorale()
    track = score.tracks[0]
    for time, number, value in ((0, 7, 100), (0, 64, 127), (400, 64, 0), (960, 11, 90), (BAR, 64, 127), (3800, 7, 5)):
        track.controls.append(symusic.ControlChange(time, number, value))
    track.pitch_bends.append(symusic.PitchBend(100, 1000))
    score.markers.append(symusic.TextMeta(BAR, "Verse 1"))
    return score


PRIMES = {
    "beyond the range": beyond_the_range,
    "32nds": with_32nds,
    "G major": in_g_major,
    "fifth voice and drums": with_a_fifth_voice_and_drums,
    "controllers": with_controllers,
}


@pytest.fixture(scope="module")
def composers(lines_bundle: Path, chorales_bundle: Path, bands_bundle: Path) -> dict[str, Composer]:
    paths = {"notes": lines_bundle, "chorale": chorales_bundle, "events": bands_bundle}
    found = {name: playbach.load(path) for name, path in paths.items()}
    return found | {name: playbach.load(name) for name in ("bach-chorales", "bach-pocket")}


MODELS = ("notes", "chorale", "events", "bach-chorales", "bach-pocket")


def compose(composer: Composer, prime: symusic.Score, **options: Any) -> Composition:
    return composer.compose(**{"seed": 3, "bars": 3} | options, prime=prime)


def rows(events: Any, until: int) -> Counter[str]:
    return Counter(str(event) for event in events if event.time < until)


def assert_unchanged(result: Any, prime: Any, until: int) -> None:
    """Everything of the prime before a tick is in the result, and nothing else."""
    for name in ("time_signatures", "key_signatures", "tempos", "markers"):
        assert rows(getattr(result, name), until) == rows(getattr(prime, name), until), name
    for ours, theirs in itertools.zip_longest(result.tracks, prime.tracks):
        if theirs is None:  # a track of composed notes only
            assert all(note.time >= until for note in ours.notes)
            continue
        assert (ours.name, ours.program, ours.is_drum) == (theirs.name, theirs.program, theirs.is_drum)
        for name in ("notes", "controls", "pitch_bends", "lyrics"):
            assert rows(getattr(ours, name), until) == rows(getattr(theirs, name), until), name


@pytest.mark.parametrize("prime", PRIMES)
@pytest.mark.parametrize("model", MODELS)
def test_a_prime_comes_back_unchanged(composers: dict[str, Composer], model: str, prime: str) -> None:
    given = PRIMES[prime]()
    result = compose(composers[model], given).score
    until = int(max(note.end for track in given.tracks for note in track.notes if not track.is_drum))
    assert_unchanged(result, given, until)
    assert any(note.time >= until for track in result.tracks for note in track.notes)
    assert compose(composers[model], given).score == result


@pytest.mark.parametrize("model", MODELS)
def test_the_first_bars_of_a_prime_come_back_unchanged(composers: dict[str, Composer], model: str) -> None:
    given = with_controllers()
    result = compose(composers[model], given, prime_bars=1, plain=True).score
    assert_unchanged(result, given, BAR)
    assert any(note.time >= BAR for track in result.tracks for note in track.notes)
    assert all(marker.time < BAR for marker in result.markers)


def test_composed_notes_wait_for_notes_that_the_network_does_not_hear(composers: dict[str, Composer]) -> None:
    given = with_a_fifth_voice_and_drums()
    result = compose(composers["chorale"], given).score
    assert_unchanged(result, given, 4 * BAR)
    assert min(n.time for n in result.tracks[0].notes if n.time >= 2 * BAR) >= 4 * BAR


def test_what_the_network_does_not_hear_is_said(composers: dict[str, Composer]) -> None:
    [remark] = compose(composers["bach-chorales"], beyond_the_range()).remarks
    assert remark == "the model hears 30 of the prime's 32 notes: 2 are beyond its range; all are kept in the result"
    [remark] = compose(composers["bach-chorales"], with_a_fifth_voice_and_drums(), keep_prime=False).remarks
    assert remark == "the model hears 32 of the prime's 35 notes: 3 are outside its four voices"
    [remark] = compose(composers["bach-chorales"], with_32nds()).remarks
    assert "4 are too short for its sixteenths" in remark
    [remark] = compose(composers["events"], chorale()).remarks
    assert "hears 0 of the prime's 32 notes: 32 are of instruments unknown to it" in remark
    drums = sample_music.line(3, bars=2)
    drums.tracks.append(symusic.Track("", 0, True))
    drums.tracks[-1].notes.append(symusic.Note(0, 10, 36, 80))
    assert "1 is on drums" in compose(composers["notes"], drums).remarks[0]
    assert compose(composers["bach-chorales"], chorale()).remarks == ()


def test_composed_notes_continue_the_track_of_their_voice(composers: dict[str, Composer]) -> None:
    given = chorale()
    given.tracks = [given.tracks[i] for i in (2, 0, 3, 1)]
    result = compose(composers["bach-chorales"], given, bars=8).score
    assert len(result.tracks) == 4
    means = [
        sum(pitches) / len(pitches)
        for track in result.tracks
        if (pitches := [n.pitch for n in track.notes if n.time >= 2 * BAR])
    ]
    assert sorted(range(4), key=lambda i: -means[i]) == [1, 3, 0, 2]


def test_a_note_across_the_cut_is_held_as_the_network_decides(composers: dict[str, Composer]) -> None:
    given = chorale()
    tied = symusic.Note(BAR - 480, 960, 72, 99)
    given.tracks[0].notes = [n for n in given.tracks[0].notes if not BAR - 480 <= n.time < BAR + 480] + [tied]
    for seed in range(6):
        result = compose(composers["bach-chorales"], given, prime_bars=1, seed=seed).score
        notes = sorted(result.tracks[0].notes, key=lambda n: n.time)
        assert [(n.pitch, n.velocity) for n in notes if n.time == BAR - 480] == [(72, 99)]
        assert all(a.end <= b.time for a, b in itertools.pairwise(notes)), "one note at a time"


def test_pedals_bends_and_fade_outs_do_not_reach_composed_notes(composers: dict[str, Composer]) -> None:
    track = compose(composers["bach-chorales"], with_controllers()).score.tracks[0]
    until = min(n.time for n in track.notes if n.time >= 2 * BAR)
    last = {control.number: control.value for control in sorted(track.controls, key=lambda c: c.time)}
    assert last == {7: 100, 64: 0, 11: 90}
    assert [bend.value for bend in track.pitch_bends][-1] == 0
    assert max(control.time for control in track.controls) <= until


@pytest.mark.parametrize("velocity", [30, 100])
def test_composed_notes_are_as_loud_as_the_prime(composers: dict[str, Composer], velocity: int) -> None:
    given = bars_of(*([n.pitch for n in track.notes] for track in chorale().tracks), velocity=velocity)
    result = compose(composers["bach-chorales"], given).score
    composed = [n.velocity for track in result.tracks for n in track.notes if n.time >= 2 * BAR]
    assert abs(sum(composed) / len(composed) - velocity) < 15


def test_tempo_and_instruments_go_on_but_can_be_chosen(composers: dict[str, Composer]) -> None:
    given = in_g_major()
    result = compose(composers["bach-chorales"], given, plain=True).score
    assert [(t.time, round(t.qpm, 1)) for t in result.tempos if t.time <= BAR] == [(0, 96.0), (BAR, 77.8)]
    chosen = compose(composers["bach-chorales"], given, plain=True, tempo=60, programs=(1, None, None, 4)).score
    assert [(t.time, t.qpm) for t in chosen.tempos] == [(0, 60.0)]
    assert [track.program for track in chosen.tracks] == [1, 0, 0, 4]


def test_a_prime_without_a_tempo_goes_on_at_the_speed_that_midi_gives_it(composers: dict[str, Composer]) -> None:
    assert len(compose(composers["bach-chorales"], chorale(), plain=True).score.tempos) == 0


def test_the_pedal_is_heard_unless_it_is_ignored(composers: dict[str, Composer]) -> None:
    given = chorale()
    given.tracks[0].controls.append(symusic.ControlChange(3400, 64, 127))
    given.tracks[0].controls.append(symusic.ControlChange(2 * BAR + 1920, 64, 0))
    starts = []
    for pedal in ("keep", "ignore"):
        piece = compose(composers["bach-chorales"], given, reading_options=ReadingOptions(pedal=pedal))
        assert_unchanged(piece.score, given, 2 * BAR)
        assert f'"pedal": "{pedal}"' in piece.comment
        starts.append(min(n.time for t in piece.score.tracks for n in t.notes if n.time >= 2 * BAR))
    assert starts[0] >= 3 * BAR > starts[1]


@pytest.mark.parametrize("options", [{"offset": 1.0}, {"offset": 0.25, "prime_bars": 1}, {"duration": 0.5}])
def test_fixed_times_are_those_of_composed_notes_only(
    composers: dict[str, Composer], options: dict[str, Any]
) -> None:
    given = sample_music.line(3, bars=2)
    until = BAR if "prime_bars" in options else 2 * BAR - 480
    assert_unchanged(compose(composers["notes"], given, **options).score, given, until)


def test_a_stream_plays_the_prime_as_it_is(composers: dict[str, Composer]) -> None:
    given = with_a_fifth_voice_and_drums()
    events = list(
        itertools.takewhile(lambda e: not isinstance(e, End), composers["chorale"].stream(3, given, bars=2))
    )
    assert isinstance(events[0], Start)
    assert [t.name for t in events[0].tracks] == ["Soprano", "Alto", "Tenor", "Bass", "Flöte", "Kit"]
    played = Counter(
        (e.track, e.tick, e.duration, e.pitch, e.velocity)
        for e in events
        if isinstance(e, Note) and e.tick < events[0].given_until
    )
    notes = ((i, n.time, n.duration, n.pitch, n.velocity) for i, t in enumerate(given.tracks) for n in t.notes)
    assert played == Counter(notes)
    assert [e.tick for e in events] == sorted(e.tick for e in events)


def test_onsets_of_the_prime_are_given(composers: dict[str, Composer]) -> None:
    table = compose(composers["bach-chorales"], chorale()).confidence
    assert sum(onset.given for onset in table if onset.bar <= 2) == 32
    assert all(not onset.given for onset in table if onset.bar > 3)


def test_the_recipe_of_an_earlier_piece_is_not_kept(composers: dict[str, Composer]) -> None:
    given = chorale()
    given.markers.append(symusic.TextMeta(0, MARKER_PREFIX + "{}"))
    assert len(compose(composers["chorale"], given).score.markers) == 0


def test_the_command_keeps_the_prime_and_says_what_is_not_heard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "prime.mid", tmp_path / "out.mid"
    source.write_bytes(bytes(beyond_the_range().dumps_midi()))
    words = ["compose", "--prime", str(source), "--seed", "3", "--bars", "2", "-o", str(out), "--count", "2"]
    assert main.main([*words, "--pedal", "ignore"]) == 0
    printed = capsys.readouterr()
    assert printed.err.count("the model hears 30 of the prime's 32 notes") == 1
    result = symusic.Score(out)
    result.markers = [marker for marker in result.markers if not marker.text.startswith(MARKER_PREFIX)]
    assert_unchanged(result, symusic.Score(source), 2 * BAR)
    assert main.main(["inspect", str(out)]) == 0
    assert "--pedal ignore --prime" in capsys.readouterr().out
    assert mido.MidiFile(out).ticks_per_beat == 480


def test_a_prime_has_a_bounded_number_of_tracks(composers: dict[str, Composer]) -> None:
    score = symusic.Score(480)
    for number in range(257):
        track = symusic.Track(str(number), 0, False)
        track.notes.append(symusic.Note(0, 480, 60, 80))
        score.tracks.append(track)
    with pytest.raises(ScoreError, match="the prime has 257 tracks, but the limit is 256"):
        next(iter(composers.values())).compose(prime=score, bars=1)


def test_options_of_a_prime_need_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compose", "--pedal", "ignore"]) != 0
    assert "need --prime FILE" in capsys.readouterr().err
