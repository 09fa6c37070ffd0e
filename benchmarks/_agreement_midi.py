"""MIDI files as playbach, mido and pretty_midi read them. For `agreement.py --midi`.

playbach reads with `pedal="ignore"`, so that notes have their written lengths. mido gives events; a note ends with
the first note-off of its channel and pitch in its track, and is left out if it has no length and another one of its
pitch begins with it. pretty_midi ends all notes of the pitch, gives seconds, and knows a key's tonic but not its
spelling.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import _agreement_compare as compare
from _agreement_compare import TICKS, Heard, Note
from _agreement_sides import from_midi, from_score
from _bench import ROOT, Table, fail, print_report

SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
REFUSED_BY_US, REFUSED_BY_THEM = "refused by playbach", "refused by the other program"
SUSTAIN = 64
Programs = dict[int, list[Note]]
"""The notes of each program; -1 for drums."""
Pedal = tuple[tuple[int, int], ...]
"""The ticks and values of the controller."""


@dataclass(frozen=True)
class Performed:
    """What one program makes of a MIDI file."""

    heard: Heard
    programs: Programs
    pedal: Pedal


@dataclass(frozen=True)
class MidiCompared:
    """One file beside one program: notes, and the shares of the rest."""

    file: str
    kind: str
    ours: int = 0
    theirs: int = 0
    same: int = 0
    tempos: float = 0.0
    meters: float = 0.0
    keys: float = 0.0
    programs: float = 0.0
    """The share of notes that have the same program."""
    pedal: float = 0.0
    """The share of the sustain pedal's events that are the same."""
    reason: str = ""
    remarks: tuple[str, ...] = ()


def with_playbach(paths: Sequence[Path]) -> dict[Path, tuple[Performed | str, tuple[str, ...]]]:
    from playbach.music.reading import ReadingOptions, read_many

    found: dict[Path, tuple[Performed | str, tuple[str, ...]]] = {}
    for path, read in read_many(paths, options=ReadingOptions(pedal="ignore")):
        if isinstance(read, Exception):
            found[path] = str(read), ()
            continue
        programs: Programs = defaultdict(list)
        for track in read.score.tracks:
            own = programs[-1 if track.is_drum else track.program]
            own.extend((n.time, n.duration, n.pitch) for n in track.notes)
        pedal = [(c.time, c.value) for t in read.score.tracks for c in t.controls if c.number == SUSTAIN]
        found[path] = Performed(from_score(read.score), programs, tuple(sorted(pedal))), tuple(read.remarks)
    return found


def with_mido(path: Path) -> Performed:
    """A note has the program of its channel then, whichever track says so. A pedal without notes is left out."""
    import mido

    file = mido.MidiFile(path)
    heard = _without_silent(from_midi(path.read_bytes()))
    channels: dict[int, list[tuple[int, int, int, Any]]] = defaultdict(list)  # tick, track, place and event
    for number, track in enumerate(file.tracks):
        now = 0
        for place, event in enumerate(track):
            now += event.time
            if not event.is_meta and hasattr(event, "channel"):
                channels[event.channel].append((now, number, place, event))
    programs: Programs = defaultdict(list)
    pedal: list[tuple[int, int]] = []
    for channel, events in channels.items():
        program, notes, own = 0, set(), []
        for tick, _, _, event in sorted(events, key=lambda found: found[:3]):
            scaled = round(tick * TICKS / file.ticks_per_beat)
            if event.type == "program_change":
                program = event.program
            elif event.type == "note_on" and event.velocity:
                notes.add((-1 if channel == 9 else program, scaled, event.note))
            elif event.type == "control_change" and event.control == SUSTAIN:
                own.append((scaled, event.value))
        for number, onset, pitch in notes:
            programs[number].append((onset, 0, pitch))
        pedal += own if notes else []
    return Performed(heard, programs, tuple(sorted(pedal)))


def _without_silent(heard: Heard) -> Heard:
    """Without notes of no length that begin with another of the same pitch: nobody hears them."""
    sounding = {(onset, pitch) for onset, duration, pitch in heard.notes if duration}
    kept = tuple(note for note in heard.notes if note[1] or (note[0], note[2]) not in sounding)
    return replace(heard, notes=kept)


def with_pretty_midi(path: Path) -> Performed:
    import pretty_midi

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = pretty_midi.PrettyMIDI(str(path))

    def tick(seconds: float) -> int:
        return round(file.time_to_tick(seconds) * TICKS / file.resolution)

    programs: Programs = defaultdict(list)
    pedal = []
    for instrument in file.instruments:
        own = programs[-1 if instrument.is_drum else instrument.program]
        own.extend((tick(n.start), tick(n.end) - tick(n.start), n.pitch) for n in instrument.notes)
        pedal += [(tick(c.time), c.value) for c in instrument.control_changes if c.number == SUSTAIN]
    heard = Heard(
        tuple(sorted(n for program, own in programs.items() if program >= 0 for n in own)),
        tuple(sorted(programs.get(-1, ()))),
        tuple((tick(seconds), float(qpm)) for seconds, qpm in zip(*file.get_tempo_changes())),
        tuple((tick(m.time), (m.numerator, m.denominator)) for m in file.time_signature_changes),
        tuple((tick(k.time), (_sharps(k.key_number), k.key_number // 12)) for k in file.key_signature_changes),
    )
    return Performed(heard, programs, tuple(sorted(pedal)))


def _sharps(key_number: int) -> int:
    """Of a key of pretty_midi: a pitch class, and 12 more for minor."""
    return ((key_number % 12 + (3 if key_number >= 12 else 0)) * 7 + 5) % 12 - 5


SIDES: dict[str, Callable[[Path], Performed]] = {"mido": with_mido, "pretty_midi": with_pretty_midi}


def compare_performed(
    name: str, ours: Performed | str, theirs: Performed | str, remarks: tuple[str, ...]
) -> MidiCompared:
    if isinstance(ours, str):
        return MidiCompared(name, REFUSED_BY_US, reason=ours)
    if isinstance(theirs, str):
        return MidiCompared(name, REFUSED_BY_THEM, reason=theirs, remarks=remarks)
    left, right = ours.heard, theirs.heard
    match = compare.match_notes(left.notes + left.drums, right.notes + right.drums)
    end = max(left.end, right.end)
    many = max(sum(map(len, ours.programs.values())), sum(map(len, theirs.programs.values())), 1)
    together = 0
    for program in ours.programs.keys() & theirs.programs.keys():
        found = compare.match_notes(ours.programs[program], theirs.programs[program])
        together += found.same + len(found.durations)
    return MidiCompared(
        file=name,
        kind=compare.kind_of(left, right, match),
        ours=len(left.notes + left.drums),
        theirs=len(right.notes + right.drums),
        same=match.same,
        tempos=compare.share_of_time(left.tempos, right.tempos, end, 120.0, compare.same_tempo)[0],
        meters=compare.share_of_time(left.meters, right.meters, end, (4, 4), compare.same_value)[0],
        keys=compare.share_of_time(left.keys, right.keys, end, (0, 0), same_sounding_key)[0],
        programs=together / many,
        pedal=_share_of_events(ours.pedal, theirs.pedal),
        remarks=remarks,
    )


def same_sounding_key(ours: compare.Key, theirs: set[compare.Key]) -> bool:
    return any((ours[0] - other[0]) % 12 == 0 for other in theirs)


def _share_of_events(ours: Pedal, theirs: Pedal) -> float:
    """Events of the same value, at the same tick or one that rounds to it. A channel's pedal is in playbach's score
    in each track of that channel, and counts once."""
    match = compare.match_notes(*([(tick, 0, value) for tick, value in set(side)] for side in (ours, theirs)))
    return match.same / max(len(set(ours)), len(set(theirs))) if ours or theirs else 1.0


def make_files(folder: Path, number: int) -> None:
    """Random MIDI files with every event of the standard; every second one has only what all readers read alike."""
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers.midi_files import random_file

    for seed in range(number):
        kind = "all" if seed % 2 else "ordinary"
        made = random_file(random.Random(seed), ordinary=kind == "ordinary", events=200)
        (folder / f"{kind}-{seed:04}.mid").write_bytes(made.encode(seed))


def compare_midi(folder: Path, lines: int, as_json: bool) -> None:
    """Read the MIDI files of a folder in three ways, and print where they differ."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        fail(f"{folder}: it has no MIDI file")
    mine = with_playbach(paths)
    found: dict[str, list[MidiCompared]] = {}
    for program, read in SIDES.items():
        found[program] = [
            compare_performed(str(p.relative_to(folder)), mine[p][0], _try(read, p), mine[p][1]) for p in paths
        ]
    names = ("tempos", "meters", "keys", "programs", "pedal")
    both = {
        program: [c for c in files if c.kind not in (REFUSED_BY_US, REFUSED_BY_THEM)]
        for program, files in found.items()
    }
    rows = [
        ("files that both read", *(f"{len(own)} of {len(paths)}" for own in both.values())),
        ("notes that are the same", *(f"{sum(c.same for c in o):,} of {_notes(o):,}" for o in both.values())),
    ]
    rows += [
        (f"files with the same {name}", *(str(sum(getattr(c, name) > 0.9999 for c in own)) for own in both.values()))
        for name in names
    ]
    counts = {program: Counter(c.kind for c in files) for program, files in found.items()}
    kinds: Counter[str] = sum(counts.values(), Counter())
    rows += [(f"kind: {kind}", *(str(counts[p][kind]) for p in found)) for kind, _ in kinds.most_common()]
    notes = [line for program, files in found.items() for line in _differences(program, files, names, lines)]
    table = Table(("measure", *found), tuple(rows), tuple(notes))
    title = f"{len(paths)} MIDI files, playbach beside other programs"
    print_report(title, table, {"files": found}, ("symusic", *found), as_json)


def _notes(files: Sequence[MidiCompared]) -> int:
    return sum(max(c.ours, c.theirs) for c in files)


def _try(read: Callable[[Path], Performed], path: Path) -> Performed | str:
    try:
        return read(path)
    except Exception as error:  # mido and pretty_midi raise any of a dozen kinds
        return " ".join(f"{type(error).__name__}: {error}".split())[:120]


def _differences(program: str, files: Sequence[MidiCompared], names: Sequence[str], lines: int) -> list[str]:
    """One line for each of the first files that differ."""
    found = []
    for c in files:
        wrong = [f"{name} {100 * getattr(c, name):.1f} %" for name in names if not getattr(c, name) > 0.9999]
        if c.reason:
            found.append(f"{program}, {c.file}: {c.kind} ({c.reason})")
        elif c.kind != compare.SAME or wrong:
            parts = [c.kind, f"{c.ours} and {c.theirs} notes, {c.same} the same", *wrong, *c.remarks]
            found.append(f"{program}, {c.file}: {'; '.join(parts)}")
    return found[:lines]
