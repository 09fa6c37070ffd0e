"""Harmonises tunes over HTTP: `api/harmonise` composes settings, `api/tune` reads a file (docs/radio-protocol.md).

Few settings are composed at once, in the server's threads, so that streams go on; few more wait for their turn, and
any others are refused. A setting ends early if it takes too long or if its client has left.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from symusic.core import ScoreTick as Score

from playbach.encodings.chorale.encoding import ChoraleEncoding
from playbach.encodings.voices import VOICES
from playbach.inference.composing import Composer, Composition, new_seed
from playbach.inference.recipes import SAME_FILE, command_words, parse_recipe
from playbach.inference.runtimes.base import Logits, Runtime, State
from playbach.rendering.engraving import check_installed
from playbach.server.messages import json_object
from playbach.server.protocol import (
    MAX_NAME_LENGTH,
    MAX_TUNE_BARS,
    MAX_TUNE_NOTES,
    SETTING_FORMATS,
    ErrorMessage,
    HarmoniseInfo,
    HarmoniseRequest,
    MeterRow,
    MissingFormat,
    Setting,
    SettingNote,
    TuneRange,
    Voice,
)
from playbach.server.schema import MessageRejected, read, write
from playbach.server.state import ServedModel, ServerState
from playbach.server.tunes import FILE_LIMITS, read_tune, score_of
from playbach.system.errors import MissingExtra, PlaybachError

MAX_REQUEST_BYTES = 64 << 10
BODY_SECONDS = 20.0
"""How long a request's body may take to arrive."""
SETTING_SECONDS = 30.0
"""How long a setting may take, once it is its turn."""
SETTINGS_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
MAX_WAITING_SETTINGS = 8
RETRY_SECONDS = 5
KEPT_SETTINGS = 32
"""So many settings are kept, so that their files need not be composed again."""
CLIENT_CHECK_SECONDS = 0.25
_FILES = {
    "midi": (".mid", "audio/midi"),
    "musicxml": (".musicxml", "application/vnd.recordare.musicxml+xml"),
    "pdf": (".pdf", "application/pdf"),
    "tune": (".mid", "audio/midi"),
}
TUNE_FILE = "tune.mid"
"""What the tune alone is called in commands, and as a file."""
_Result = TypeVar("_Result")


class RequestRefused(PlaybachError):
    """A request is answered with this status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class SettingStopped(PlaybachError):
    """A setting took too long, or its client has left."""


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


@dataclass(frozen=True, slots=True)
class _Composed:
    setting: Setting
    composition: Composition


class Harmonising:
    """The addresses, and what they share."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._turns = asyncio.Semaphore(SETTINGS_AT_ONCE)
        self._waiting = 0
        self._kept: OrderedDict[HarmoniseRequest, _Composed] = OrderedDict()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/harmonise", self.info, methods=["GET"]),
            Route("/api/harmonise", self.harmonise, methods=["POST"]),
            Route("/api/tune", self.tune, methods=["POST"]),
        ]

    async def info(self, _: Request) -> Response:
        return await _answered(self._info())

    async def harmonise(self, request: Request) -> Response:
        return await _answered(self._harmonise(request))

    async def tune(self, request: Request) -> Response:
        return await _answered(self._tune(request))

    async def _info(self) -> Response:
        model = harmonising_model(self._state, None)
        encoding = model.composer.encoding
        assert isinstance(encoding, ChoraleEncoding)
        missing: tuple[MissingFormat, ...] = ()
        try:
            check_installed("pdf")
        except MissingExtra as error:
            missing = (MissingFormat(format="pdf", reason=str(error)),)
        without = {entry.format for entry in missing}
        info = HarmoniseInfo(
            model=model.name,
            ranges=tuple(
                TuneRange(voice=name.lower(), low=low, high=high)
                for name, (low, high) in zip(VOICES, encoding.ranges)
            ),
            formats=tuple(name for name in SETTING_FORMATS if name not in without),
            missing=missing,
            notes=MAX_TUNE_NOTES,
            bars=MAX_TUNE_BARS,
            file_bytes=FILE_LIMITS.max_bytes,
        )
        return _json(info)

    async def _harmonise(self, request: Request) -> Response:
        body = await _body(request, "application/json", MAX_REQUEST_BYTES)
        try:
            wanted = read(HarmoniseRequest, json_object(body.decode(), MAX_REQUEST_BYTES))
            tune = score_of(wanted.tune, wanted.voice)
        except UnicodeDecodeError:
            raise RequestRefused(400, "a request must be JSON in UTF-8") from None
        model = harmonising_model(self._state, wanted.model)
        seed = new_seed(wanted.seed) if wanted.format != "tune" else 0
        if wanted.format == "tune":
            data = await self._in_turn(lambda: _file(Composition(tune, 0, "", ()), "tune"))
            return _attachment(data, "tune", TUNE_FILE)
        key = replace(wanted, model=model.name, seed=seed, format=None)
        composed = self._kept.get(key)
        if composed is None:
            runtime = StoppableRuntime(network_of(model.composer), SETTING_SECONDS)
            composed = await self._in_turn(lambda: _compose(model, runtime, key, tune), request, runtime)
            self._kept[key] = composed
            while len(self._kept) > KEPT_SETTINGS:
                self._kept.popitem(last=False)
        if wanted.format is None:
            return _json(composed.setting)
        kind, composition = wanted.format, composed.composition
        data = await self._in_turn(lambda: _file(composition, kind))
        return _attachment(data, kind, f"setting-{seed}{_FILES[kind][0]}")

    async def _tune(self, request: Request) -> Response:
        data = await _body(request, "application/octet-stream", FILE_LIMITS.max_bytes)
        title = Path(request.query_params.get("name", "")).stem[:MAX_NAME_LENGTH]
        return _json(await self._in_turn(lambda: read_tune(data, title)))

    async def _in_turn(
        self,
        work: Callable[[], _Result],
        request: Request | None = None,
        runtime: StoppableRuntime | None = None,
    ) -> _Result:
        """What `work` returns, which is done in a thread when it is its turn. If the client of `request` leaves
        meanwhile, the runtime is stopped."""
        async with self._turn():
            done = asyncio.get_running_loop().run_in_executor(self._state.executor, work)
            while request is not None and runtime is not None and not done.done():
                await asyncio.wait({done}, timeout=CLIENT_CHECK_SECONDS)
                if await request.is_disconnected():
                    runtime.stopped.set()
                    break
            return await done

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._turns.locked() and self._waiting >= MAX_WAITING_SETTINGS:
            raise RequestRefused(503, "the server composes as many settings as it can; try again in a few seconds")
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()


def network_of(composer: Composer) -> Runtime:
    """The network alone: n-grams, which may play with it, know nothing of what is given."""
    network: Runtime = getattr(composer.runtime, "network", composer.runtime)
    return network


def _compose(model: ServedModel, runtime: StoppableRuntime, wanted: HarmoniseRequest, tune: Score) -> _Composed:
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
    return _Composed(_setting_of(made, model, wanted, tune), made)


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


def _file(composition: Composition, kind: str) -> bytes:
    """A file with a composition. Raises MissingExtra or ScoreError."""
    with tempfile.TemporaryDirectory() as folder:
        return composition.write(Path(folder) / f"setting{_FILES[kind][0]}").read_bytes()


async def _answered(work: Any) -> Response:
    """The response, or the reason why there is none, in one line."""
    try:
        return await work  # type: ignore[no-any-return]
    except RequestRefused as refused:
        return _refusal(refused.status, refused)
    except MissingExtra as error:
        return _refusal(501, error)
    except SettingStopped as error:
        return _refusal(503, error)
    except (MessageRejected, PlaybachError) as error:
        return _refusal(400, error)
    except ClientDisconnect:
        return _refusal(400, RequestRefused(400, "the client has left"))


def _refusal(status: int, error: PlaybachError) -> Response:
    headers = {"retry-after": str(RETRY_SECONDS)} if status == 503 else {}
    return _json(ErrorMessage(reason=str(error)), status, headers)


def _json(message: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    headers = {"cache-control": "no-store", **(headers or {})}
    return Response(write(message), status, headers, media_type="application/json")


def _attachment(data: bytes, kind: str, name: str) -> Response:
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}"'}
    return Response(data, headers=headers, media_type=_FILES[kind][1])


async def _body(request: Request, media_type: str, most: int) -> bytes:
    """The body of a request.

    The media type is one that a page of another origin cannot send without asking first, which is never allowed.

    Raises:
        RequestRefused: it has another media type, is too large, or does not arrive.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise RequestRefused(415, f"the header Content-Type must be {media_type}")
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > most:
                    raise RequestRefused(413, f"the request is larger than {most // 1024:,} KiB")
    except TimeoutError:
        raise RequestRefused(408, f"the request did not arrive within {BODY_SECONDS:g} s") from None
    return b"".join(parts)
