"""The cases of `fuzz.py`: hypothesis strategies, and functions that run a case.

Music is read, encoded, used as a prime and inspected; bundles are opened and composed with; options are given to the
command line and to the dataclasses behind it. A case must succeed or raise a PlaybachError of one line.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from helpers import midi_files, odd_midi, odd_musicxml, sample_music, sample_musicxml
from helpers.damage import (
    damage_bytes,
    damage_json,
    damage_midi,
    damage_xml,
    json_plans,
    odd_values,
    plans,
    xml_plans,
)
from playbach.bundles import bundle
from playbach.cli.main import main
from playbach.data import corpora
from playbach.encodings import ENCODINGS
from playbach.encodings.options import NotesOptions
from playbach.inference import composing
from playbach.inference.options import MAX_BARS, Sampling
from playbach.music import reading, scores, tunes
from playbach.system.errors import PlaybachError

TINY = {"hidden": 8, "layers": 1, "embedding": 4, "dropout": 0.0}


@dataclass
class Workspace:
    """The bundles to damage, and a folder for files."""

    folder: Path
    bundles: tuple[Path, ...]
    reader: reading.Reader = field(
        default_factory=lambda: reading.Reader(reading.ReadingLimits(seconds=5, musicxml_seconds=5))
    )

    @cached_property
    def composers(self) -> list[composing.Composer]:
        return [composing.load(path) for path in self.bundles]

    @cached_property
    def archives(self) -> list[dict[str, bytes]]:
        return [
            {name: archive.read(name) for name in archive.namelist()}
            for archive in map(zipfile.ZipFile, self.bundles)
        ]

    def new_path(self, name: str) -> Path:
        """The path of a file in a new folder that contains only the folder `empty`."""
        place = self.folder / "case"
        shutil.rmtree(place, ignore_errors=True)
        (place / "empty").mkdir(parents=True)
        return place / name


def make_bundles(folder: Path) -> tuple[Path, ...]:
    """Train two bundles for one epoch, with the encodings `chorale` and `notes`."""
    import playbach

    made = []
    for make in (sample_music.chorale, sample_music.line):
        music = sample_music.folder(folder / make.__name__, make, count=6, bars=4)
        options: dict[str, Any] = {"model": "lstm", "network": TINY, "epochs": 1, "dtype": "float32", "device": "cpu"}
        made.append(playbach.train(music, into=folder, **options).path)
    return tuple(made)


# ----------------------------------------------------------------------------------------------------------- music


def _polyphonic() -> bytes:
    """Controllers, bends, markers, drums, two tempos, and notes that overlap."""
    import symusic

    score = sample_music.score(
        [[(i * 90, 200, 40 + (7 * i * k) % 60) for i in range(24)] for k in (1, 3, 5)],
        meters=((0, 3, 4), (1440, 6, 8)), programs=(0, 33, 127),
    )  # fmt: skip
    for track in score.tracks:
        track.controls.append(symusic.ControlChange(10, 64, 127))
        track.pitch_bends.append(symusic.PitchBend(20, -8192))
    score.tracks[2].is_drum = True
    score.tempos.append(symusic.Tempo(700, qpm=300))
    score.key_signatures.append(symusic.KeySignature(0, -3, 1))
    score.markers.append(symusic.TextMeta(5, "a marker"))
    return bytes(score.dumps_midi())


MIDI = (
    _polyphonic(),
    *(bytes(make(1, 3).dumps_midi()) for make in (sample_music.chorale, sample_music.line)),
    *(midi_files.random_file(random.Random(seed), formats=(0, 1, 2)).encode() for seed in range(5)),
)


def _all_of_musicxml() -> bytes:
    """Repeats, endings, transposition, ties, chords, grace notes, drums, keys, tempos and a second staff."""
    m = sample_musicxml
    attributes = m.FOUR_FOUR.replace("<time>", "<key><fifths>2</fifths></key><time>").replace(
        "</attributes>", "<staves>2</staves><transpose><chromatic>-2</chromatic></transpose></attributes>"
    )
    first = attributes + '<direction><sound tempo="90"/></direction>' + m.note(60, 4, '<tie type="start"/>')
    second = '<barline location="left"><repeat direction="forward"/></barline>' + m.note(60, 16, '<tie type="stop"/>')
    last = '<barline location="right"><repeat direction="backward" times="2"/></barline>'
    grace = m.note(61, 0, before="<grace/>") + m.note(62, 8) + m.note(65, 8, before="<chord/>") + m.note(None, 8)
    staff = "<backup><duration>16</duration></backup>" + m.note(40, 16, voice=2, staff=2)
    hit = "<note><unpitched/><duration>4</duration><instrument id='D'/></note>"
    kit = (
        "<midi-instrument id='D'><midi-channel>10</midi-channel><midi-unpitched>37</midi-unpitched></midi-instrument>"
    )
    return m.musicxml(
        m.part([first, second, grace + staff + last], "P1", "Clarinet"),
        m.part([hit, hit * 4, hit * 4], "P2", "Kit", kit),
    )


XML = (sample_musicxml.four_voices(2), _all_of_musicxml())

midi_cases = st.tuples(st.integers(0, 2), st.integers(0, 2), plans, st.sampled_from((True, True, False)))
xml_cases = st.tuples(st.integers(0, 1), st.sampled_from(("tree", "tree", "bytes", "packed")), xml_plans, plans)


def _run_midi(workspace: Workspace, case: Any) -> None:
    base, other, steps, repair = case
    path = workspace.new_path("case.mid")
    path.write_bytes(damage_midi(MIDI[base], steps, MIDI[other], repair))
    _use(workspace, path)


def _run_xml(workspace: Workspace, case: Any) -> None:
    base, how, tree_steps, steps = case
    data = XML[base]
    path = workspace.new_path("case.musicxml")
    if how == "tree":
        data = damage_xml(data, tree_steps)
    elif how == "bytes":
        data = damage_bytes(data, steps, XML[1 - base])
    else:
        data = damage_bytes(sample_musicxml.mxl(data), steps, sample_musicxml.mxl(XML[1 - base]))
    path.write_bytes(data)
    _use(workspace, path)


def _run_events(workspace: Workspace, case: Any) -> None:
    path = workspace.new_path("case.mid")
    path.write_bytes(odd_midi.build(case))
    _use(workspace, path)


def _run_marks(workspace: Workspace, case: Any) -> None:
    path = workspace.new_path("case.musicxml")
    path.write_bytes(odd_musicxml.build(case))
    _use(workspace, path)


def _use(workspace: Workspace, path: Path) -> None:
    """Read music, and do with it all that playbach does."""
    score = workspace.reader.read(path)
    _check_score(score)
    scores.content_hash(score), tunes.tune_groups([score]), corpora.choose_encoding([score])
    for entry in ENCODINGS.values():
        encoding = entry.load()
        if encoding.rejection_reason(score) is None:
            with contextlib.suppress(PlaybachError):
                fitted = encoding.fit([score])
                fitted.encode(score), fitted.project(score)
    # After a bar of 1,020 quarters, which is 255/1, one more of them takes its time.
    if all(4 * meter.numerator <= 64 * meter.denominator for meter in score.time_signatures):
        for composer in workspace.composers:
            with _one_line():
                composer.compose(prime=score, bars=1, seed=1)
    if score.note_num() % 4 == 0:
        _call(["inspect", str(path)], path.parent)


def _check_score(score: reading.Score) -> None:
    assert score.ticks_per_quarter == 480 and score.note_num() > 0
    for track in score.tracks:
        assert 0 <= track.program <= 127
        for note in track.notes:
            assert note.time >= 0 and note.duration >= 1 and 0 <= note.pitch <= 127 and 1 <= note.velocity <= 127
    score.dumps_midi()


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Accept an error of one line."""
    try:
        yield
    except PlaybachError as error:
        assert str(error).strip() and str(error).isprintable(), f"not one line: {error!a}"


# --------------------------------------------------------------------------------------------------------- bundles

manifest_cases = st.tuples(st.integers(0, 1), json_plans)
bundle_cases = st.tuples(
    st.integers(0, 1),
    st.sampled_from(("file", "file", bundle.ONNX, bundle.WEIGHTS, bundle.CARD, bundle.MANIFEST)),
    plans,
)


def _run_manifest(workspace: Workspace, case: Any) -> None:
    """Change the manifest of a bundle that is otherwise intact."""
    which, steps = case
    members = dict(workspace.archives[which])
    manifest = json.loads(members[bundle.MANIFEST])
    changed = damage_json(manifest, steps, lambda path: path[0] in ("sha256", "pieces"))
    # JSON escapes surrogates, which cannot be written as UTF-8.
    members[bundle.MANIFEST] = json.dumps(changed).encode()
    _open(workspace, _zipped(members))


def _run_bundle(workspace: Workspace, case: Any) -> None:
    which, what, steps = case
    members = dict(workspace.archives[which])
    if what == "file":
        _open(
            workspace,
            damage_bytes(workspace.bundles[which].read_bytes(), steps, workspace.bundles[1 - which].read_bytes()),
        )
        return
    members[what] = damage_bytes(members[what], steps, workspace.archives[1 - which][what])
    if what != bundle.MANIFEST:
        manifest = json.loads(members[bundle.MANIFEST])
        manifest["sha256"][what] = hashlib.sha256(members[what]).hexdigest()
        members[bundle.MANIFEST] = json.dumps(manifest).encode()
    _open(workspace, _zipped(members))


def _zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _open(workspace: Workspace, data: bytes) -> None:
    path = workspace.new_path("case.playbach")
    path.write_bytes(data)
    read = bundle.read(path)
    with _one_line():
        composing.Composer(read).compose(bars=1, seed=1)
    if len(data) % 4 == 0:
        _call(["inspect", str(path)], path.parent)


# --------------------------------------------------------------------------------------------------------- options

NUMBERS = ("0", "-1", "1", "2", "0.5", "1e9", "1e-300", "1e400", "nan", "inf", "-inf", "", " 1 ", "１", "0x10", "x",
           "99999999999999999999999", "-99999999999999999999999", "--", "1\n")  # fmt: skip
NAMES = ("", ".", "..", "/", "a\nb", "é", "-", "x" * 300, "none.mid", "empty", "a.mid", "b.PNG", "no/such/x.mid",
         "a\nb.mid", "c.unknown", ".mid", "empty.playbach", "\udcff.mid", "bach-chorales",
         "notes", "cpu", "cuda:99")  # fmt: skip
words = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(NAMES),
    st.text(st.characters(exclude_characters="\0"), max_size=6),
)

COMPOSE = ("--bars", "--seed", "--temperature", "--top-p", "--tempo", "--instrument", "--prime", "--prime-bars", "-o",
           "--soundfont", "--no-prime", "--plain", "--no-rules", "--instruments", "--help", "--nonsense")  # fmt: skip
TRAIN = ("--name", "--encoding", "--octaves", "--durations", "--velocities", "--model", "--hidden", "--layers",
         "--embedding", "--dropout", "--epochs", "--max-minutes", "--patience", "--batch", "--window",
         "--learning-rate", "--seed", "--device", "--dtype")  # fmt: skip
BARE = ("--no-prime", "--plain", "--no-rules", "--instruments", "--help", "--velocities", "--nonsense")


def _arguments(flags: tuple[str, ...]) -> SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.tuples(st.sampled_from(flags), words), max_size=4)


line_cases = st.one_of(
    st.tuples(st.just("compose"), st.one_of(st.integers(0, 1), st.none(), words), _arguments(COMPOSE)),
    st.tuples(st.just("train"), st.sampled_from(("empty", "none", "case.mid", "a\nb")), _arguments(TRAIN)),
    st.tuples(st.just("inspect"), st.one_of(st.integers(0, 1), words), st.just([])),
    st.tuples(words, st.none(), st.just([])),
)


def _run_line(workspace: Workspace, case: Any) -> None:
    command, subject, options = case
    place = workspace.new_path("case.mid")
    place.write_bytes(MIDI[1])
    line = [command]
    if subject is not None:
        line.append(str(workspace.bundles[subject]) if isinstance(subject, int) else subject)
    if command == "compose":
        line += ["--bars", "1"]  # the last one counts
    for flag, word in options:
        line += [flag] if flag in BARE else [flag, "case.mid" if flag == "--prime" and len(word) == 1 else word]
    _call(line, place.parent)


def _call(line: list[str], folder: Path) -> None:
    """Run the command line in this process. If it fails, its last line must be an error message of playbach."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status: Any = main(line)
        except SystemExit as end:
            status = end.code or 0
    lines = err.getvalue().splitlines()
    assert status in (0, 1, 2), f"exit status {status} of {line!a}"
    assert status == 0 or (lines and lines[-1].startswith("playbach: ")), f"status {status}, but it printed {lines!a}"
    assert "Traceback" not in err.getvalue()
    if status:
        raise PlaybachError(lines[-1])


def _options(kind: type, *more: str) -> SearchStrategy[tuple[str, dict[str, Any]]]:
    names = [*kind.__dataclass_fields__, *more]  # type: ignore[attr-defined]
    return st.tuples(st.just(kind.__name__), st.dictionaries(st.sampled_from(names), odd_values, max_size=3))


def _option_cases() -> SearchStrategy[Any]:
    from playbach.training.options import TrainOptions

    network = st.dictionaries(
        st.sampled_from(("hidden", "layers", "embedding", "dropout", "x")), odd_values, max_size=2
    )
    return st.one_of(
        _options(composing.ComposeOptions, "seed"),
        _options(composing.ComposeOptions, "seed"),
        _options(Sampling),
        _options(NotesOptions),
        _options(TrainOptions),
        st.tuples(st.just("network"), network),
        st.tuples(
            st.sampled_from(("load", "read", "find_music")),
            st.fixed_dictionaries({"path": st.one_of(words, st.text())}),
        ),
    )


def _run_options(workspace: Workspace, case: Any) -> None:
    import playbach
    from playbach.training.options import TrainOptions

    what, arguments = case
    workspace.new_path("x")
    match what:
        case "ComposeOptions":
            bars = arguments.get("bars", 1)
            options = {**arguments, "bars": bars}
            if isinstance(bars, int) and 2 < bars <= MAX_BARS:  # sensible, and long
                options["bars"] = 1
            workspace.composers[len(arguments) % 2].compose(**options)
        case "Sampling":
            Sampling(**arguments)
        case "NotesOptions":
            NotesOptions(**arguments)
        case "TrainOptions":
            TrainOptions(**arguments)
        case "network":
            TrainOptions(network=arguments)
        case "load":
            playbach.load(arguments["path"])
        case "read":
            workspace.reader.read(arguments["path"])
        case "find_music":
            with contextlib.chdir(workspace.folder / "case"):
                reading.find_music("empty/" + arguments["path"].lstrip("/."))


KINDS: dict[str, tuple[Callable[[], SearchStrategy[Any]], Callable[[Workspace, Any], None], float]] = {
    "midi": (lambda: midi_cases, _run_midi, 0.20),
    "midi events": (lambda: odd_midi.plans, _run_events, 0.20),
    "musicxml": (lambda: xml_cases, _run_xml, 0.10),
    "musicxml marks": (lambda: odd_musicxml.plans, _run_marks, 0.25),
    "bundle": (lambda: bundle_cases, _run_bundle, 0.06),
    "manifest": (lambda: manifest_cases, _run_manifest, 0.06),
    "command line": (lambda: line_cases, _run_line, 0.08),
    "options": (_option_cases, _run_options, 0.05),
}
"""For each kind: its strategy, the function that runs a case, and its share of all cases."""
