"""Any score comes back from the bytes of its MIDI file, and no two tracks share a channel of a port."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import Any

import mido
import pretty_midi
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from playbach.music import midi
from playbach.music.midi.writing import midi_bytes, places_of
from playbach.system.errors import ScoreError

ticks = st.integers(0, 4_000)
seven_bits = st.integers(0, 127)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@st.composite
def tracks(draw: st.DrawFn, changes: bool = True) -> Any:
    track = symusic.Track(draw(texts), draw(seven_bits), draw(st.booleans()))
    free = [0] * 128  # two notes of one pitch cannot sound together in a track
    for gap, duration, pitch, velocity in draw(
        st.lists(st.tuples(st.integers(0, 500), st.integers(1, 900), seven_bits, st.integers(1, 127)), max_size=12)
    ):
        track.notes.append(symusic.Note(free[pitch] + gap, duration, pitch, velocity))
        free[pitch] += gap + duration
    if changes:
        for time, number, value in draw(st.lists(st.tuples(ticks, seven_bits, seven_bits), max_size=5)):
            track.controls.append(symusic.ControlChange(time, number, value))
        for time, value in draw(st.lists(st.tuples(ticks, st.integers(-8192, 8191)), max_size=5)):
            track.pitch_bends.append(symusic.PitchBend(time, value))
    return track


@st.composite
def scores(draw: st.DrawFn, changes: bool = True, most_tracks: int = 20) -> symusic.Score:
    score = symusic.Score(480)
    for track in draw(st.lists(tracks(changes), max_size=most_tracks)):
        score.tracks.append(track)
    for tick in sorted(draw(st.sets(ticks, max_size=4))):
        meter = draw(st.integers(1, 255)), 2 ** draw(st.integers(0, 7))
        score.time_signatures.append(symusic.TimeSignature(tick, *meter))
        score.key_signatures.append(symusic.KeySignature(tick, draw(st.integers(-7, 7)), draw(st.integers(0, 1))))
        tempo = symusic.Tempo(tick, 100.0)
        tempo.mspq = draw(st.integers(60_000, 0xFFFFFF))
        score.tempos.append(tempo)
        score.markers.append(symusic.TextMeta(tick, draw(texts.filter(bool))))
    return score


def notes_of(track: Any) -> list[tuple[int, ...]]:
    return sorted((n.time, n.duration, n.pitch, n.velocity) for n in track.notes)


def changes_of(track: Any) -> list[tuple[int, ...]]:
    controls = [(c.time, 0, c.number, c.value) for c in sorted(track.controls, key=lambda c: c.time)]
    return controls + [(b.time, 1, b.value) for b in sorted(track.pitch_bends, key=lambda b: b.time)]


def signs_of(score: Any) -> list[Any]:
    return [
        [(m.time, m.numerator, m.denominator) for m in score.time_signatures],
        [(k.time, k.key, k.tonality) for k in score.key_signatures],
        [(t.time, t.mspq) for t in score.tempos],
        [(m.time, m.text) for m in score.markers],
    ]


@settings(max_examples=60, deadline=None)
@given(scores())
def test_a_score_comes_back_from_its_bytes(score: symusic.Score) -> None:
    data = midi_bytes(score)
    back, _ = midi.parse(data)
    back = getattr(back, "score", back)
    theirs = [track for track in score.tracks if len(track.notes)]
    ours = [track for track in back.tracks if len(track.notes)]
    assert [notes_of(t) for t in ours] == [notes_of(t) for t in theirs]
    assert [(t.program, t.is_drum) for t in ours] == [(t.program, t.is_drum) for t in theirs]
    assert [changes_of(t) for t in ours] == [changes_of(t) for t in theirs]
    assert signs_of(back) == signs_of(score)
    assert midi_bytes(score.copy()) == data


def mido_notes(file: mido.MidiFile, chunk: Any) -> list[tuple[int, ...]]:
    sounding: dict[int, tuple[int, int]] = {}
    found, tick = [], 0
    for message in chunk:
        tick += message.time
        if message.type == "note_on":
            assert message.note not in sounding, "a note begins before the one before it ends"
            sounding[message.note] = tick, message.velocity
        elif message.type == "note_off":
            begin, velocity = sounding.pop(message.note)
            found.append((begin, tick - begin, message.note, velocity))
    assert not sounding
    return sorted(found)


@settings(max_examples=60, deadline=None)
@given(scores())
def test_mido_reads_the_same_notes_names_and_signs(score: symusic.Score) -> None:
    file = mido.MidiFile(file=io.BytesIO(midi_bytes(score)), charset="utf-8")
    assert file.ticks_per_beat == 480 and file.type == 1
    if not score.tracks:
        return
    for track, chunk in zip(score.tracks, file.tracks, strict=True):
        assert mido_notes(file, chunk) == notes_of(track)
        assert [m.name for m in chunk if m.type == "track_name"] == ([track.name] if track.name else [])
        assert [m.program for m in chunk if m.type == "program_change"] == [track.program]
    tempos = [m.tempo for m in file.tracks[0] if m.type == "set_tempo"]
    assert tempos == [t.mspq for t in score.tempos]
    meters = [(m.numerator, m.denominator) for m in file.tracks[0] if m.type == "time_signature"]
    assert meters == [(m.numerator, m.denominator) for m in score.time_signatures]


def test_pretty_midi_hears_the_same_notes() -> None:
    score = symusic.Score(480)
    for i in range(40):
        track = symusic.Track(f"{i}", i, False)
        track.notes.append(symusic.Note(480 * i, 480, 20 + i, 1 + i))
        score.tracks.append(track)
    heard = pretty_midi.PrettyMIDI(io.BytesIO(midi_bytes(score)))
    found = [(i.name, i.program, n.pitch, n.velocity, n.start, n.end) for i in heard.instruments for n in i.notes]
    assert found == [(f"{i}", i, 20 + i, 1 + i, i / 2, (i + 1) / 2) for i in range(40)]


@settings(max_examples=60, deadline=None)
@given(scores(changes=False, most_tracks=14))
def test_a_small_score_without_controllers_gives_the_bytes_of_symusic(score: symusic.Score) -> None:
    kits = {track.program for track in score.tracks if track.is_drum}
    for track in score.tracks:
        track.notes.sort(lambda note: note.time, inplace=True)
    if len(kits) < 2 and score.tracks:
        assert midi_bytes(score) == bytes(score.dumps_midi())


@settings(max_examples=60, deadline=None)
@given(scores(most_tracks=40))
def test_no_two_tracks_meet_on_a_channel_of_a_port(score: symusic.Score) -> None:
    file = mido.MidiFile(file=io.BytesIO(midi_bytes(score)), charset="utf-8")
    users = defaultdict(list)
    for track, chunk, place in zip(score.tracks, file.tracks, places_of(score), strict=False):
        ports = [m.port for m in chunk if m.type == "midi_port"] or [0]
        channels = {m.channel for m in chunk if not m.is_meta}
        assert [place.port] == ports and channels == {place.channel}
        assert (place.channel == 9) == track.is_drum
        users[place].append(track)
    for sharing in users.values():
        assert len(sharing) == 1 or (
            all(track.is_drum for track in sharing)
            and len({track.program for track in sharing}) == 1
            and not any(changes_of(track) for track in sharing)
        )


def band(count: int, kits: tuple[int, ...] = ()) -> symusic.Score:
    score = symusic.Score(480)
    for number in range(count):
        score.tracks.append(symusic.Track(f"{number}", number, False))
    for kit in kits:
        score.tracks.append(symusic.Track("drums", kit, True))
    for track in score.tracks:
        track.notes.append(symusic.Note(0, 480, 60, 80))
    return score


def test_fifteen_tracks_fit_on_one_port_and_a_sixteenth_needs_another() -> None:
    assert {place.port for place in places_of(band(15, (0,)))} == {0}
    assert [(place.port, place.channel) for place in places_of(band(16))][-2:] == [(0, 15), (1, 0)]
    assert b"\xff\x21" not in midi_bytes(band(15, (0, 0)))
    chunk = mido.MidiFile(file=io.BytesIO(midi_bytes(band(16)))).tracks[15]
    assert [m.port for m in chunk if m.type == "midi_port"] == [1]
    assert [m.name for m in chunk if m.type == "device_name"] == ["Port 2"]


def test_drums_share_channel_10_only_with_their_own_kit() -> None:
    places = places_of(band(1, (0, 25, 0)))
    assert [(place.port, place.channel) for place in places] == [(0, 0), (0, 9), (1, 9), (0, 9)]
    score = band(0, (0, 0))
    score.tracks[0].controls.append(symusic.ControlChange(0, 7, 40))  # a volume for the first drums only
    assert len(set(places_of(score))) == 2


def test_at_one_tick_notes_end_then_controllers_change_then_notes_begin() -> None:
    score = band(1)
    track = score.tracks[0]
    track.notes.append(symusic.Note(480, 480, 60, 80))
    track.controls.append(symusic.ControlChange(480, 64, 127))
    track.pitch_bends.append(symusic.PitchBend(480, 100))
    score.tempos.append(symusic.Tempo(480, 90.0))
    messages = [m.type for m in mido.MidiFile(file=io.BytesIO(midi_bytes(score))).tracks[0]]
    assert messages[:3] == ["track_name", "program_change", "note_on"]
    assert messages[3:8] == ["set_tempo", "note_off", "control_change", "pitchwheel", "note_on"]


def test_a_note_without_length_ends_after_it_begins() -> None:
    score = band(0, (0,))
    score.tracks[0].notes.append(symusic.Note(480, 0, 60, 80))
    types = [m.type for m in mido.MidiFile(file=io.BytesIO(midi_bytes(score))).tracks[0]]
    assert types[-5:] == ["note_on", "note_off", "note_on", "note_off", "end_of_track"]


def test_pedals_without_controllers_are_written() -> None:
    score = band(1)
    score.tracks[0].pedals.append(symusic.Pedal(0, 960))
    chunk = mido.MidiFile(file=io.BytesIO(midi_bytes(score))).tracks[0]
    assert [(m.control, m.value) for m in chunk if m.type == "control_change"] == [(64, 127), (64, 0)]
    score.tracks[0].controls.append(symusic.ControlChange(0, 64, 100))
    chunk = mido.MidiFile(file=io.BytesIO(midi_bytes(score))).tracks[0]
    assert [(m.control, m.value) for m in chunk if m.type == "control_change"] == [(64, 100)]


def test_lyrics_are_written_in_any_script() -> None:
    score = band(1)
    score.tracks[0].lyrics.append(symusic.TextMeta(0, "Größe 音楽"))
    chunk = mido.MidiFile(file=io.BytesIO(midi_bytes(score)), charset="utf-8").tracks[0]
    assert [m.text for m in chunk if m.type == "lyrics"] == ["Größe 音楽"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda s: s.time_signatures.append(symusic.TimeSignature(0, 4, 3)), "the meter 4/3"),
        (lambda s: s.tracks[0].notes.append(symusic.Note(0, 480, 60, 0)), "velocity 0"),
        (lambda s: s.tracks[0].notes.append(symusic.Note(0, -1, 60, 9)), "a duration of -1 ticks"),
        (lambda s: s.tracks[0].notes.append(symusic.Note(-5, 480, 60, 9)), "tick -5"),
        (lambda s: s.key_signatures.append(symusic.KeySignature(0, 9, 0)), "9 sharps"),
        (lambda s: s.tempos.append(symusic.Tempo(0, 1.0)), "a tempo of"),
    ],
)
def test_what_midi_does_not_have_is_named(change: Any, what: str) -> None:
    score = band(1)
    change(score)
    with pytest.raises(ScoreError, match=what):
        midi_bytes(score)


def test_more_tracks_than_ports_have_channels_are_refused() -> None:
    with pytest.raises(ScoreError, match="1,920 tracks"):
        midi_bytes(_many())


def _many() -> symusic.Score:
    score = symusic.Score(480)
    for _ in range(1921):
        score.tracks.append(symusic.Track("", 0, False))
    return score
