"""Composes settings of tunes for a server's clients, and describes them as messages; writes their files.

Knows models and messages; knows neither addresses nor whose turn it is.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick as Score

from playbach.encodings.chorale.encoding import ChoraleEncoding
from playbach.encodings.voices import VOICES
from playbach.inference.composing import Composer, Composition
from playbach.inference.recipes import SAME_FILE, command_words, parse_recipe
from playbach.inference.runtimes.base import Logits, Runtime, State
from playbach.rendering.engraving import check_installed
from playbach.server.protocol import (
    MAX_TUNE_BARS,
    MAX_TUNE_NOTES,
    SETTING_FORMATS,
    HarmoniseInfo,
    HarmoniseRequest,
    MeterRow,
    MissingFormat,
    Setting,
    SettingNote,
    TuneRange,
    Voice,
)
from playbach.server.requests import RequestRefused
from playbach.server.state import ServedModel, ServerState
from playbach.server.tunes import FILE_LIMITS
from playbach.system.errors import MissingExtra

SETTING_SECONDS = 30.0
"""How long a setting may take, once it is its turn."""
TUNE_FILE = "tune.mid"
"""What the tune alone is called in commands, and as a file."""
SETTING_SUFFIXES = {"midi": ".mid", "musicxml": ".musicxml", "pdf": ".pdf", "tune": ".mid"}
"""Of the files, by format."""


class SettingStopped(RequestRefused):
    """A setting took too long, or its client has left."""

    def __init__(self, reason: str) -> None:
        super().__init__(503, reason)


class StoppableRuntime:
    """A runtime that stops composing after some time, or as soon as it is told to."""

    def __init__(self, runtime: Runtime, seconds: float) -> None:
        self._runtime, self._seconds = runtime, seconds
        self._until: float | None = None
        self.stopped = threading.Event()

    def start(self, pieces: int | None = None) -> State:
        return self._runtime.start(pieces)

    def step(self, previous: Any, context: Any, state: State) -> tuple[Logits, State]:
        self._until = self._until or time.monotonic() + self._seconds
        if self.stopped.is_set():
            raise SettingStopped("the client has left")
        if time.monotonic() > self._until:
            raise SettingStopped(f"the setting took more than {self._seconds:g} s; shorten the tune")
        return self._runtime.step(previous, context, state)


def harmonising_model(state: ServerState, name: str | None) -> ServedModel:
    """The model with this name; None: the first that composes four voices.

    Raises:
        RequestRefused: there is none.
    """
    if name is not None and name not in state.models:
        raise RequestRefused(404, f"no such model; there are {', '.join(state.models)}")
    for model in state.models.values():
        if isinstance(model.composer.encoding, ChoraleEncoding) and name in (None, model.name):
            return model
    whose = "this model does not" if name is not None else "no model of this server does"
    raise RequestRefused(404, f"{whose} compose four voices; serve bach-chorales")


def network_of(composer: Composer) -> Runtime:
    """The network alone: n-grams, which may play with it, know nothing of what is given."""
    network: Runtime = getattr(composer.runtime, "network", composer.runtime)
    return network


def harmonise_info(state: ServerState) -> HarmoniseInfo:
    """What a page can ask for. Raises RequestRefused if no model composes four voices."""
    model = harmonising_model(state, None)
    encoding = model.composer.encoding
    assert isinstance(encoding, ChoraleEncoding)
    missing: tuple[MissingFormat, ...] = ()
    try:
        check_installed("pdf")
    except MissingExtra as error:
        missing = (MissingFormat(format="pdf", reason=str(error)),)
    without = {entry.format for entry in missing}
    return HarmoniseInfo(
        model=model.name,
        ranges=tuple(
            TuneRange(voice=name.lower(), low=low, high=high) for name, (low, high) in zip(VOICES, encoding.ranges)
        ),
        formats=tuple(name for name in SETTING_FORMATS if name not in without),
        missing=missing,
        notes=MAX_TUNE_NOTES,
        bars=MAX_TUNE_BARS,
        file_bytes=FILE_LIMITS.max_bytes,
    )


@dataclass(frozen=True, slots=True)
class ComposedSetting:
    """A setting, and the composition that its files are written from."""

    setting: Setting
    composition: Composition


def compose_setting(
    model: ServedModel, runtime: StoppableRuntime, wanted: HarmoniseRequest, tune: Score
) -> ComposedSetting:
    """The setting. Raises PlaybachError."""
    composer = copy(model.composer)
    composer.runtime = runtime
    made = composer.harmonise(
        tune,
        voice=wanted.voice,
        seed=wanted.seed,
        temperature=wanted.temperature,
        rules=wanted.rules,
        drafts=wanted.drafts,
    )
    title = wanted.tune.title
    made = replace(made, comment=json.dumps({**json.loads(made.comment), "title": title}, sort_keys=True))
    return ComposedSetting(_setting_of(made, model, wanted, tune), made)


def _setting_of(made: Composition, model: ServedModel, wanted: HarmoniseRequest, tune: Score) -> Setting:
    own = VOICES.index(wanted.voice.capitalize())
    notes = [
        SettingNote(number, note.pitch, note.time, note.duration)
        for number, track in enumerate(made.score.tracks)
        for note in track.notes
    ]
    key = made.score.key_signatures[0]
    return Setting(
        model=model.name,
        bundle=model.composer.bundle.sha256,
        seed=made.seed,
        voices=tuple(Voice(name=t.name, program=t.program, drums=t.is_drum) for t in made.score.tracks),
        notes=tuple(sorted(notes, key=lambda note: (note.tick, note.voice))),
        meter=MeterRow(*wanted.tune.meter),
        pickup=wanted.tune.pickup,
        fifths=int(key.key),
        minor=bool(key.tonality),
        tempo=wanted.tune.tempo,
        moved=made.score.tracks[own].notes[0].pitch - tune.tracks[0].notes[0].pitch,
        remarks=made.remarks,
        command=_command(made.comment),
    )


def _command(comment: str) -> str:
    """The command that makes a setting again."""
    recipe = parse_recipe(comment)
    words = command_words(recipe) if recipe is not None else None
    return " ".join(words or ()).replace(SAME_FILE, TUNE_FILE)


def setting_file(composition: Composition, kind: str) -> bytes:
    """A file with a composition. Raises MissingExtra or ScoreError."""
    with tempfile.TemporaryDirectory() as folder:
        return composition.write(Path(folder) / f"setting{SETTING_SUFFIXES[kind]}").read_bytes()
