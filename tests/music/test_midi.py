"""MIDI files as they are played: every event of the standard, and files that are a little wrong."""

from __future__ import annotations

import io
import random
import struct
import time
import tracemalloc
from collections import Counter, defaultdict, deque
from contextlib import suppress
from dataclasses import replace

import mido
import pytest
import symusic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.midi_files import END_OF_TRACK, Event, MidiFile, chunk_of, header, midi, number, random_file, track
from playbach.music.midi import parse
from playbach.music.reading import ReadingLimits
from playbach.music.reading.limits import validate_score
from playbach.system.errors import ScoreError

ON, OFF = "00 90 3C 40", "60 80 3C 00"  # C4 on; 96 ticks later off
NOTE = f"{ON} {OFF}"
Found = list[tuple[int, int, int, int]]

thorough = settings(
    max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def notes_of(score: symusic.core.ScoreTick) -> Found:
    return [(n.time, n.duration, n.pitch, n.velocity) for t in score.tracks for n in t.notes]


def read(data: bytes) -> Found:
    """The notes of a file that gives no remarks."""
    score, remarks = parse(data)
    assert remarks == ()
    return notes_of(score)


def remark(data: bytes) -> str:
    """The one remark on a file."""
    [line] = parse(data)[1]
    assert "\n" not in line
    return line


def fault(data: bytes) -> str:
    with pytest.raises(ScoreError) as caught:
        parse(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------------ every event


def played(file: MidiFile) -> list[Found]:
    """The notes of each track, in ticks of the file: note-ons and note-offs of a pitch paired first to first."""
    lengths = [sum(event.delta for event in events) for events in file.tracks]
    found = []
    for events, end in zip(file.tracks, lengths, strict=True):
        notes: list[list[int]] = []
        open_notes: dict[tuple[int, int, int], deque[list[int]]] = defaultdict(deque)
        tick = port = 0
        for event in events:
            tick += event.delta
            if event.status == 0xFF and event.kind == 0x21 and event.data:
                port = event.data[0]
            if not 0x80 <= event.status < 0xA0:
                continue
            pitch, velocity = event.data
            queue = open_notes[port, event.status & 15, pitch]
            if event.status >= 0x90 and velocity:
                notes.append([tick, -1, pitch, velocity])
                queue.append(notes[-1])
            elif queue:
                note = queue.popleft()
                note[1] = tick - note[0]
        for queue in open_notes.values():
            for note in queue:
                again = [other[0] for other in queue if other[0] > note[0]]
                last = end if end > note[0] else max(lengths)
                note[1] = min([*again, last]) - note[0]
        found.append([(a, b, c, d) for a, b, c, d in notes if b > 0])
    return found


def scaled(notes: Found, division: int) -> Found:
    def ticks(value: int) -> int:
        return (2 * value * 480 + division) // (2 * division)

    return [(ticks(onset), max(1, ticks(duration)), *rest) for onset, duration, *rest in notes]


@thorough
@given(st.randoms(use_true_random=False))
def test_every_event_of_the_standard(rng: random.Random) -> None:
    file = random_file(rng)
    score, _ = parse(file.encode())
    expected = [note for notes in played(file) for note in notes]
    if file.division < 0x8000:
        assert sorted(notes_of(score)) == sorted(scaled(expected, file.division))
    else:
        assert len(notes_of(score)) == len(expected)
    check_values(score)


def programs_played(file: MidiFile) -> list[tuple[int, int, int, int]]:
    """The onset, pitch, velocity and program of each note-on: the latest program of its channel, and of those at one
    tick that of its own track."""
    changes: list[tuple[int, int, int, int, int]] = []  # channel with its port, tick, track, place, program
    notes = []
    for line, events in enumerate(file.tracks):
        tick = port = 0
        for place, event in enumerate(events):
            tick += event.delta
            if event.status == 0xFF and event.kind == 0x21 and event.data:
                port = event.data[0]
            channel = 16 * port + event.status % 16
            if event.status & 0xF0 == 0xC0:
                changes.append((channel, tick, line, place, event.data[0]))
            elif event.status & 0xF0 == 0x90 and event.data[1]:
                notes.append((tick, event.data[0], event.data[1], channel, line, place))
    found = []
    for onset, pitch, velocity, channel, line, place in notes:
        before = [
            (tick, track == line, track, where, program)
            for on, tick, track, where, program in changes
            if on == channel and (where < place if track == line else tick <= onset)
        ]
        found.append((onset, pitch, velocity, max(before)[-1] if before else 0))
    return found


@thorough
@given(st.randoms(use_true_random=False))
def test_programs_hold_for_all_tracks(rng: random.Random) -> None:
    file = random_file(rng, events=80)
    kept = tuple(tuple(e for e in events if e.status >= 0xC0 or e.status & 0xF0 == 0x90) for events in file.tracks)
    few = tuple(tuple(replace(e, status=e.status & 0xF1) if e.status < 0xF0 else e for e in t) for t in kept)
    file = replace(file, tracks=few, division=480)
    score, _ = parse(file.encode())
    sounding = [(n.time, n.pitch, n.velocity, t.program) for t in score.tracks for n in t.notes]
    silent = len(programs_played(file)) - len(sounding)
    left = Counter(programs_played(file)) - Counter(sounding)
    assert left.total() == silent
    assert not Counter(sounding) - Counter(programs_played(file))


@thorough
@given(st.randoms(use_true_random=False))
def test_other_readers_agree_about_ordinary_files(rng: random.Random) -> None:
    file = random_file(rng, ordinary=True)
    data = file.encode()
    score, remarks = parse(data)
    assert remarks == ()
    expected = sorted(scaled([note for notes in played(file) for note in notes], file.division))
    assert sorted(notes_of(score)) == expected
    assert sorted(notes_by_mido(data, file.division)) == expected


@thorough
@given(st.randoms(use_true_random=False))
def test_symusic_agrees_about_ordinary_files(rng: random.Random) -> None:
    """Track by track. symusic keeps an instrument for each track alone, and so do these files."""
    file = random_file(rng, ordinary=True)
    # symusic 0.5.9 loses its way over packets and escapes, and puts lyrics elsewhere.
    nothing = [[Event(e.delta, 0xFF, b"", 1 if e.kind != END_OF_TRACK else e.kind) for e in t] for t in file.tracks]
    tracks = tuple(
        tuple(e if e.status < 0xF0 else wait for e, wait in zip(*pair, strict=True))
        for pair in zip(file.tracks, nothing, strict=True)
    )
    data = MidiFile(tracks, file.midi_format, file.division, running=0.0).encode()
    ours = [(t.program, t.is_drum, notes_of_track(t)) for t in parse(data)[0].tracks]
    theirs = [
        (t.program, t.is_drum, notes_of_track(t))
        for t in symusic.Score.from_midi(data).resample(480, 1).tracks
        if len(t.notes)
    ]
    if all(e.status & 0xF0 != 0xC0 for events in tracks for e in events):
        assert ours == theirs
    assert sorted(note for *_, notes in ours for note in notes) == sorted(n for *_, notes in theirs for n in notes)


def notes_of_track(track: symusic.core.TrackTick) -> Found:
    return [(n.time, n.duration, n.pitch, n.velocity) for n in track.notes]


def notes_by_mido(data: bytes, division: int) -> Found:
    found: Found = []
    for line in mido.MidiFile(file=io.BytesIO(data)).tracks:
        tick, begun = 0, {}
        for message in line:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                begun[message.channel, message.note] = (tick, message.velocity)
            elif message.type in ("note_on", "note_off") and (message.channel, message.note) in begun:
                onset, velocity = begun.pop((message.channel, message.note))
                found.append((onset, tick - onset, message.note, velocity))
    return scaled(found, division)


def check_values(score: symusic.core.ScoreTick) -> None:
    """A score that was parsed needs no validation."""
    assert score.ticks_per_quarter == 480
    for line in score.tracks:
        assert 0 <= line.program <= 127
        assert all(
            n.time >= 0 and n.duration > 0 and 0 <= n.pitch < 128 and 1 <= n.velocity < 128 for n in line.notes
        )
        assert all(0 <= c.number < 128 and 0 <= c.value < 128 for c in line.controls)
        assert all(-8192 <= b.value < 8192 for b in line.pitch_bends)
        line.name.encode()
    for signs in (score.time_signatures, score.key_signatures, score.tempos):
        ticks = [sign.time for sign in signs]
        assert ticks == sorted(set(ticks))
    if score.note_num():
        assert validate_score(score.copy(), ReadingLimits()) == score
        score.dumps_midi()


# ------------------------------------------------------------------------------------ statuses, packets and escapes


def test_running_status_goes_on_after_other_events() -> None:
    sysex, meta, escape = "10 F0 03 7E 7F F7", "10 FF 01 01 41", "10 F7 01 F8"
    for between in (sysex, meta, escape):
        assert read(midi(f"00 90 3C 40 60 3C 00 {between} 00 3E 40 60 3E 00")) == [(0, 96, 60, 64), (112, 96, 62, 64)]


def test_running_status_of_messages_with_one_data_byte() -> None:
    events = f"00 C0 05 00 06 00 FF 01 00 00 07 {NOTE} 00 D0 10 20 11 81 00 12 {NOTE}"
    score, _ = parse(midi(events))
    assert [(t.program, notes_of_track(t)) for t in score.tracks] == [
        (7, [(0, 96, 60, 64), (96 + 32 + 128, 96, 60, 64)])
    ]


def test_a_track_begins_with_a_status() -> None:
    assert fault(midi("00 3C 40")).startswith("the file is damaged (a track begins with a message that does not say")
    assert fault(midi(NOTE, "00 FF 01 00 00 3C 40")).startswith("the file is damaged (a track begins")


def test_packets_and_escapes_have_times_of_their_own() -> None:
    packets = "00 F0 03 43 12 00 0A F7 02 43 F7"
    assert read(midi(f"{NOTE} {packets} {NOTE}")) == [(0, 96, 60, 64), (106, 96, 60, 64)]
    assert read(midi(f"{NOTE} 81 00 F7 02 F3 01 {NOTE}")) == [(0, 96, 60, 64), (224, 96, 60, 64)]


def test_system_messages_that_belong_into_no_file_are_skipped() -> None:
    assert read(midi(f"10 F8 10 F2 01 02 10 F3 01 10 F6 {NOTE}")) == [(64, 96, 60, 64)]


@pytest.mark.parametrize("delta", [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 40_000_000])
def test_times_of_one_to_four_bytes(delta: int) -> None:
    assert read(midi(f"{number(delta).hex()} 90 3C 40 {OFF}")) == [(delta, 96, 60, 64)]
    assert read(midi(f"{number(delta).hex()} FF 01 00 {NOTE}")) == [(delta, 96, 60, 64)]


# ------------------------------------------------------------------------------------------------------------ notes


def test_a_pitch_that_sounds_twice_ends_first_to_first() -> None:
    assert read(midi("00 90 3C 40 10 90 3C 50 10 80 3C 00 10 80 3C 00")) == [(0, 32, 60, 64), (16, 32, 60, 80)]
    assert read(midi("00 90 3C 40 10 90 3C 50 00 80 3C 00 10 80 3C 00")) == [(0, 16, 60, 64), (16, 16, 60, 80)]


def test_a_note_off_without_a_note_means_nothing() -> None:
    assert read(midi(f"00 80 3C 00 00 80 3E 00 {NOTE} 00 80 3C 00 10 80 3C 00 {NOTE}")) == [
        (0, 96, 60, 64),
        (112, 96, 60, 64),
    ]


def test_notes_without_an_end_sound_until_their_track_ends() -> None:
    # C4 with an end, then a chord without; the track goes on for four quarters
    data = midi("00 90 3C 50 83 60 80 3C 40 00 90 3C 50 00 90 40 50 00 90 43 50 8F 00 FF 01 00")
    score, remarks = parse(data)
    assert notes_of(score) == [(0, 480, 60, 80), (480, 1920, 60, 80), (480, 1920, 64, 80), (480, 1920, 67, 80)]
    assert remarks == ("3 notes have no end; each sounds until it is struck again or its track ends",)


def test_a_note_at_the_end_of_its_track_sounds_until_the_piece_ends() -> None:
    data = midi("10 90 3C 40", "00 91 40 40 81 00 81 40 00")
    assert notes_of(parse(data)[0]) == [(16, 112, 60, 64), (0, 128, 64, 64)]
    assert remark(data).startswith("1 note has no end; it sounds")


def test_a_note_without_an_end_that_is_struck_again() -> None:
    assert notes_of(parse(midi("00 99 24 40 60 99 24 40 60 99 24 40 60 FF 01 00"))[0]) == [
        (0, 96, 36, 64),
        (96, 96, 36, 64),
        (192, 96, 36, 64),
    ]


@pytest.mark.parametrize("controller", [120, 123, 127])
def test_a_controller_ends_the_notes_that_have_no_other_end(controller: int) -> None:
    quiet = f"20 B0 {controller:02X} 00"
    assert notes_of(parse(midi(f"00 B0 7B 00 {ON} 00 91 40 40 {quiet} 20 81 40 00"))[0]) == [
        (0, 32, 60, 64),
        (0, 64, 64, 64),
    ]


def test_notes_without_length_are_left_out() -> None:
    data = midi(f"00 90 40 40 00 80 40 00 {NOTE}", division=240)
    assert notes_of(parse(data)[0]) == [(0, 192, 60, 64)]
    assert remark(data) == "1 note without length is left out"


# ---------------------------------------------------------------------------------------------- channels and tracks


def programs(data: bytes) -> list[tuple[int, bool]]:
    return [(t.program, t.is_drum) for t in parse(data)[0].tracks]


def test_a_program_change_counts_for_all_tracks() -> None:
    assert programs(midi("00 C0 28", NOTE)) == [(40, False)]
    assert programs(midi(NOTE, "00 C0 28")) == [(40, False)]
    assert programs(midi(NOTE, "01 C0 28")) == [(0, False)]  # later than the note
    assert programs(midi("00 C1 28", NOTE)) == [(0, False)]  # of another channel


def test_the_latest_program_change_holds() -> None:
    assert programs(midi("00 C0 28 10 C0 29", f"00 C0 05 20 FF 01 00 {NOTE}")) == [(41, False)]
    assert programs(midi(f"00 C0 05 {NOTE} 00 C0 06 {NOTE}")) == [(5, False), (6, False)]
    assert programs(midi(f"{NOTE} 00 C0 06")) == [(0, False)]
    assert programs(midi(f"{ON} 00 C0 06 {OFF}")) == [(0, False)]  # at the note's tick, but after it


def test_tracks_that_choose_different_programs_at_once_are_different_players() -> None:
    data = midi(f"00 C0 05 00 B0 07 10 {NOTE}", f"00 C0 06 00 B0 07 20 {NOTE}")
    score, _ = parse(data)
    assert [(t.program, [c.value for c in t.controls]) for t in score.tracks] == [(5, [16]), (6, [32])]


def test_controllers_and_bends_count_for_all_tracks_of_a_channel() -> None:
    data = midi(NOTE, f"{NOTE} 00 91 3C 40 10 81 3C 00", "10 B0 40 7F 20 B0 40 00 00 E0 00 50", "00 B0 07 64")
    score, remarks = parse(data)
    assert remarks == ()
    assert [
        ([(c.time, c.number, c.value) for c in t.controls], [(b.time, b.value) for b in t.pitch_bends])
        for t in score.tracks
    ] == [([(0, 7, 100), (16, 64, 127), (48, 64, 0)], [(48, 2048)])] * 2 + [([], [])]
    assert [[(p.time, p.duration) for p in t.pedals] for t in score.tracks] == [[(16, 32)], [(16, 32)], []]


def test_each_channel_and_program_of_a_track_is_a_track() -> None:
    data = midi("00 C2 05 00 C1 09 00 92 3C 40 10 82 3C 00 00 91 3C 40 10 81 3C 00 00 99 24 40 10 89 24 00")
    assert programs(data) == [(9, False), (5, False), (0, True)]


def test_ports_have_channels_of_their_own() -> None:
    data = midi(f"00 FF 21 01 00 00 C0 05 {NOTE}", f"00 FF 21 01 01 00 C0 06 {NOTE} 00 99 24 40 10 89 24 00", NOTE)
    assert programs(data) == [(5, False), (6, False), (0, True), (5, False)]


def test_a_name_after_a_channel_prefix_is_for_that_channel() -> None:
    names = "00 FF 20 01 00 00 FF 03 01 41 00 FF 20 01 01 00 FF 03 01 42"
    data = midi(f"{names} {NOTE} 00 91 40 40 10 81 40 00", midi_format=0)
    assert [t.name for t in parse(data)[0].tracks] == ["A", "B"]
    # The prefix ends with the next message.
    data = midi(f"00 FF 03 01 54 00 FF 20 01 01 {NOTE} 00 FF 03 01 41 00 91 40 40 10 81 40 00")
    assert [t.name for t in parse(data)[0].tracks] == ["A", "A"]


def test_too_many_copies_of_controllers() -> None:
    """One channel, its controllers in one track and its notes in 500."""
    data = midi(*[NOTE] * 500, "01 B0 07 40" * 3000)
    score, remarks = parse(data)
    assert [len(t.controls) for t in score.tracks] == [3000] + [0] * 499
    assert remarks == ("499 tracks have no controllers, for these would be too many",)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Käthchen".encode(), "Käthchen"),
        ("Käthchen".encode("latin-1"), "Käthchen"),
        (b"a\xff\xfe", "aÿþ"),
        ("バッハ".encode(), "バッハ"),
    ],
)
def test_texts_in_any_code_page(content: bytes, text: str) -> None:
    text_events = (Event(0, 0xFF, content, kind) for kind in (0x03, 0x05, 0x06))
    data = midi(b"".join(event.encode() for event in text_events).hex() + NOTE)
    score = parse(data)[0]
    assert [t.name for t in score.tracks] == [text, text]
    assert [x.text for x in score.tracks[1].lyrics] == [x.text for x in score.markers] == [text]
    score.dumps_midi()


def test_shift_jis_does_no_harm() -> None:
    name = "バッハ".encode("shift-jis")
    score = parse(midi(Event(0, 0xFF, name, 0x03).encode().hex() + NOTE))[0]
    assert score.tracks[0].name == name.decode("latin-1")


# ------------------------------------------------------------------------------------------- tempos, meters and keys


def test_the_last_of_several_signs_at_a_tick_holds() -> None:
    first = "00 FF 51 03 0F 42 40 00 FF 58 04 03 02 18 08 00 FF 59 02 01 00"
    last = "00 FF 51 03 07 A1 20 00 FF 58 04 04 02 18 08 00 FF 59 02 02 01"
    for data in (midi(f"{first} {last} {NOTE}"), midi(f"{first} {NOTE}", last)):
        score, remarks = parse(data)
        assert remarks == ()
        assert [(t.time, t.mspq) for t in score.tempos] == [(0, 500_000)]
        assert [(t.time, t.numerator, t.denominator) for t in score.time_signatures] == [(0, 4, 4)]
        assert [(t.time, t.key, t.tonality) for t in score.key_signatures] == [(0, 2, 1)]


@pytest.mark.parametrize("meter", [(65, 4), (175, 4), (255, 128), (1, 1), (64, 64), (3, 128)])
def test_every_meter_of_the_standard(meter: tuple[int, int]) -> None:
    numerator, denominator = meter
    score, remarks = parse(midi(f"00 FF 58 04 {numerator:02X} {denominator.bit_length() - 1:02X} 18 08 {NOTE}"))
    assert remarks == ()
    [found] = score.time_signatures
    assert (found.numerator, found.denominator) == meter


def test_meters_and_keys_that_cannot_be() -> None:
    data = midi(f"00 FF 58 04 00 02 18 08 00 FF 58 04 03 08 18 08 00 FF 58 01 04 {NOTE}")
    assert list(parse(data)[0].time_signatures) == []
    assert remark(data) == "3 impossible meters are left out"
    data = midi(f"00 FF 59 02 7F 05 00 FF 59 02 FE 01 {NOTE}")
    assert [(k.key, k.tonality) for k in parse(data)[0].key_signatures] == [(-2, 1)]
    assert remark(data) == "1 impossible key is left out"
    data = midi(f"00 FF 58 04 04 08 18 08 {NOTE}")  # 4/256
    assert [(t.numerator, t.denominator) for t in parse(data)[0].time_signatures] == [(2, 128)]


def test_tempos_that_cannot_be() -> None:
    data = midi(f"00 FF 51 03 00 00 00 10 FF 51 01 07 60 FF 51 03 FF FF FF {NOTE}")
    assert [(t.time, t.mspq) for t in parse(data)[0].tempos] == [(0, 60_000), (112, 0xFFFFFF)]
    assert remark(data) == "2 impossible tempos are left out or brought into range"


# --------------------------------------------------------------------------------------------- headers and chunks


def test_tracks_beyond_those_that_the_header_promises() -> None:
    data = header(1, 1) + track(NOTE) + track("00 91 30 40 60 81 30 00")
    assert [p for *_, p, _ in notes_of(parse(data)[0])] == [60, 48]
    assert remark(data) == "its header promises 1, but it has 2 tracks; all are read"


def test_a_damaged_track_that_the_header_does_not_promise() -> None:
    data = header(1, 1) + track(NOTE) + track("00 FF 51 03 07 A1 20 00 3C 40 FF FF FF FF FF")
    score, remarks = parse(data)
    assert (notes_of(score), list(score.tempos)) == ([(0, 96, 60, 64)], [])
    assert remarks == ("1 damaged track beyond the 1 that its header promises is left out",)


def test_fewer_tracks_than_the_header_promises() -> None:
    assert remark(header(1, 3) + track(NOTE)) == "its header promises 3 tracks, but it has 1"


def test_a_longer_header_and_unknown_chunks() -> None:
    longer = header().replace(b"\6", b"\x08") + b"\0\0"
    assert read(longer + chunk_of(b"XFIH", b"abc") + track(NOTE) + chunk_of(b"XFKM", b"")) == [(0, 96, 60, 64)]


def test_data_after_the_last_track() -> None:
    assert remark(midi(NOTE) + b"MTrk and other rubbish") == "22 bytes after its last track are left out"
    assert remark(midi(NOTE) + b"\0") == "1 byte after its last track is left out"


def test_a_riff_file() -> None:
    plain = midi(NOTE)
    riff = struct.pack("<4sI4s4sI", b"RIFF", 0, b"RMID", b"LIST", 3) + b"abc\0"
    assert read(riff + struct.pack("<4sI", b"data", len(plain)) + plain + b"more") == [(0, 96, 60, 64)]


def test_a_track_that_is_cut_after_its_end() -> None:
    data = header() + struct.pack(">4sI", b"MTrk", 99) + bytes.fromhex(f"{NOTE} 00 FF 2F 00")
    assert read(data) == [(0, 96, 60, 64)]
    assert fault(data[:-4]) == (
        "the file is cut short: 91 bytes are missing in track 1 of 1; download or export it again"
    )


def test_a_track_without_its_end() -> None:
    assert read(header() + chunk_of(b"MTrk", bytes.fromhex(NOTE))) == [(0, 96, 60, 64)]
    for cut in range(1, 4):
        assert fault(header() + chunk_of(b"MTrk", bytes.fromhex(NOTE)[:-cut])).startswith("the file is damaged (")


def test_events_after_the_end_of_their_track() -> None:
    data = midi(f"{NOTE} 00 FF 2F 00 {NOTE}")
    assert notes_of(parse(data)[0]) == [(0, 96, 60, 64)]
    assert remark(data) == "what follows the end of 1 track is left out"


def test_an_event_does_not_reach_into_the_next_track() -> None:
    data = header(1, 2) + chunk_of(b"MTrk", bytes.fromhex(f"{NOTE} 00 90 3C")) + track(NOTE)
    assert fault(data).startswith("the file is damaged (a track ends in the middle of a message)")


def test_film_frames() -> None:
    # 25 frames of 40 parts a second: a millisecond is a tick, half a second a quarter
    data = midi("00 FF 51 03 0F 42 40 87 68 90 3C 40 83 74 80 3C 00", division=0xE728)
    score, remarks = parse(data)
    assert notes_of(score) == [(960, 480, 60, 64)]
    assert list(score.tempos) == []
    assert remarks == ("its times are in film frames (SMPTE); a quarter is taken as half a second",)
    drop = parse(midi("87 68 90 3C 40 83 74 80 3C 00", division=(256 - 29) << 8 | 100))[0]
    assert notes_of(drop) == [(round(1000 / 2997 * 960), round(500 / 2997 * 960), 60, 64)]


def test_format_2_has_its_pieces_one_after_the_other() -> None:
    first = f"00 FF 51 03 0F 42 40 00 FF 58 04 03 02 18 08 00 C0 05 {NOTE} 60 FF 01 00"
    data = midi(first, NOTE, midi_format=2)
    score, remarks = parse(data)
    assert notes_of(score) == [(0, 96, 60, 64), (192, 96, 60, 64)]
    assert [t.program for t in score.tracks] == [5, 0]
    assert [(t.time, t.mspq) for t in score.tempos] == [(0, 1_000_000), (192, 500_000)]
    assert [(t.time, t.numerator) for t in score.time_signatures] == [(0, 3), (192, 4)]
    assert remarks == ("it has 2 separate pieces (MIDI format 2), read one after the other",)


# ------------------------------------------------------------------------------------------------------- limits


def test_a_data_byte_above_127() -> None:
    assert fault(midi("00 90 C8 40 60 80 C8 00")) == (
        "the file is damaged (pitch 200 is not valid); leave it out or export it again"
    )
    assert "(velocity 200 is not valid)" in fault(midi("00 90 3C C8 60 80 3C 00"))
    assert "(program 208 is not valid)" in fault(midi(f"00 C0 D0 {NOTE}"))
    data = midi(f"00 B0 C8 40 00 B0 40 7F 00 E0 FF FF 00 E0 00 40 {NOTE}")
    [line] = parse(data)[0].tracks
    assert ([c.number for c in line.controls], [b.value for b in line.pitch_bends]) == ([64], [0])
    assert remark(data) == "2 controllers or bends with an impossible value are left out"


def test_what_comes_later_than_a_day() -> None:
    assert "(onset 268435455 is not valid)" in fault(midi(f"FF FF FF 7F 90 3C 40 {OFF}"))
    assert "(duration 268435455 is not valid)" in fault(midi(f"{ON} FF FF FF 7F 80 3C 00"))
    data = midi(f"{NOTE} FF FF FF 7F B0 07 40 00 FF 06 01 41")
    score, remarks = parse(data)
    assert (list(score.markers), list(score.tracks[0].controls)) == ([], [])
    assert remarks == ("2 events are later than a day after the beginning, and left out",)


HOSTILE = {
    "notes": "00 90 3C 40 01 3C 00",
    "hanging notes": "00 90 3C 40",
    "note-offs": "00 80 3C 40",
    "program changes": "00 C0 05",
    "controllers": "01 B0 07 40",
    "texts": "00 FF 01 00",
    "lyrics": "01 FF 05 01 41",
    "tempos": "01 FF 51 03 07 A1 20",
    "long times": "81 80 80 00 90 3C 40",
    "system-exclusive": "01 F0 01 F7",
    "real time": "01 F8",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_and_memory_grow_with_the_size(name: str) -> None:
    event = bytes.fromhex(HOSTILE[name])
    data = header() + chunk_of(b"MTrk", event * ((1 << 18) // len(event)) + bytes.fromhex(f"{NOTE} 00 FF 2F 00"))
    tracemalloc.start()
    began = time.process_time()
    with suppress(ScoreError):  # too many meta events
        parse(data)
    assert time.process_time() - began < 5  # tracemalloc takes most of it; squares would take far longer
    assert tracemalloc.get_traced_memory()[1] < 30 << 20
    tracemalloc.stop()


def test_many_tracks() -> None:
    assert len(parse(midi(*[NOTE] * 2000))[0].tracks) == 2000
    assert fault(header(1, 0xFFFF) + track("") * 65_536).startswith("it has more than 65,535 tracks")


@thorough
@given(st.randoms(use_true_random=False), st.data())
def test_damage_gives_a_score_or_a_one_line_error(rng: random.Random, draw: st.DataObject) -> None:
    data = bytearray(random_file(rng, formats=(0, 1, 2)).encode())
    for _ in range(draw.draw(st.integers(1, 8))):
        data[draw.draw(st.integers(14, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        score, remarks = parse(bytes(data))
    except ScoreError as error:
        assert "\n" not in str(error)
    else:
        check_values(score)
        assert all("\n" not in line for line in remarks)
