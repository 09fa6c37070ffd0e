"""The radio as an ASGI application: its addresses and their responses (docs/radio-protocol.md).

No address becomes a path: the page's files are looked up by address, models by name. Knows neither host nor port.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from playbach.music import instruments
from playbach.server import blind_test_app
from playbach.server.blind_test import BlindTest
from playbach.server.broadcast import Broadcast, live_response, sound_test
from playbach.server.duet import Duet
from playbach.server.engines import engine_files
from playbach.server.files import file_response
from playbach.server.harmonising_app import Harmonising
from playbach.server.listener import Listener
from playbach.server.metrics import metrics_text
from playbach.server.missing import missing_response
from playbach.server.page import BUILD_COMMAND, FilesOnDemand, page_files
from playbach.server.protocol import ModelsInfo
from playbach.server.requests import json_response, uncached
from playbach.server.score_pdf import ScorePdf
from playbach.server.security import SecurityMiddleware
from playbach.server.sounds import prepare_sounds, sound_files
from playbach.server.state import ServerState
from playbach.server.station import Station
from playbach.system.errors import PlaybachError


def create_app(
    state: ServerState,
    station: Station | None,
    *,
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
    blind_test: BlindTest | None = None,
) -> ASGIApp:
    """The application, which closes the state when it ends. `hosts` and `origins`: see SecurityMiddleware."""
    radio = _Radio(state, station, blind_test)
    app = Starlette(routes=[*radio.routes(), *_PageFiles(blind_test).routes()], lifespan=radio.lifespan)
    return SecurityMiddleware(app, hosts, origins)


class _Radio:
    """The responses that come from the server's state."""

    def __init__(self, state: ServerState, station: Station | None, blind_test: BlindTest | None) -> None:
        self._state, self._station, self._blind_test = state, station, blind_test
        self._broadcast = None if station is None else Broadcast(state, station)
        self._sounds = sound_files(state.soundfont)
        self._sound_test = FilesOnDemand({"/sound-test.mp3": partial(sound_test, state)})
        self._engines = engine_files(model.composer.bundle for model in state.models.values())
        self._score_pdf = ScorePdf(state)
        self._harmonising = Harmonising(state)

    def routes(self) -> list[BaseRoute]:
        return [
            WebSocketRoute("/ws", self.listen),
            Route("/api/models", self.models),
            Route("/api/instruments", self.instruments),
            Route("/sounds/{name}", self.sounds),
            Route("/live.mp3", self.live),
            Route("/sound-test.mp3", self.sound_test),
            Route("/engine/{name}", self.engine),
            Route("/ping", self.ping),
            Route("/metrics", self.metrics),
            *([] if self._blind_test is None else blind_test_app.blind_test_routes(self._blind_test)),
            *self._score_pdf.routes(),
            *self._harmonising.routes(),
            WebSocketRoute("/duet", self.duet),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        voices = [voice for model in self._state.models.values() for voice in model.info().voices]
        self._state.executor.submit(prepare_sounds, self._sounds, voices)
        self._state.openings.start()
        yield
        await self._state.openings.close()
        if self._broadcast is not None:
            await self._broadcast.close()
        if self._station is not None:
            await self._station.close()
        if self._blind_test is not None:
            self._blind_test.close()
        self._state.close()

    async def listen(self, socket: WebSocket) -> None:
        await Listener(socket, self._state, self._station).serve()

    async def duet(self, socket: WebSocket) -> None:
        await Duet(socket, self._state).serve()

    async def models(self, _: Request) -> Response:
        info = ModelsInfo(
            models=tuple(model.info() for model in self._state.models.values()),
            station=None if self._station is None else self._station.info(),
            live=self._station is not None,
            blind_test=self._blind_test is not None,
            soundfont=self._state.soundfont_path.name,
        )
        return json_response(info)

    async def instruments(self, _: Request) -> Response:
        return uncached(JSONResponse(list(instruments.INSTRUMENT_NAMES)))

    async def ping(self, _: Request) -> Response:
        return uncached(PlainTextResponse("pong"))

    async def metrics(self, _: Request) -> Response:
        text = metrics_text(self._state, self._station)
        return uncached(PlainTextResponse(text, media_type="text/plain; version=0.0.4"))

    async def sounds(self, request: Request) -> Response:
        try:
            return await self._made(self._sounds, request)
        except PlaybachError:  # whose text has the path of the file
            return PlainTextResponse("this instrument is damaged in the server's soundfont", 500)

    async def sound_test(self, request: Request) -> Response:
        return await self._made(self._sound_test, request)

    async def engine(self, request: Request) -> Response:
        """The engine that composes in the page, or a model for it."""
        try:
            return await self._made(self._engines, request)
        except PlaybachError as error:
            return PlainTextResponse(str(error), 404)

    async def _made(self, files: FilesOnDemand, request: Request) -> Response:
        """One of these files. Raises PlaybachError if it cannot be made."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._state.executor, files.file, request.scope["path"])
        return PlainTextResponse("not found", 404) if found is None else file_response(found, request)

    async def live(self, _: Request) -> Response:
        if self._broadcast is None:
            return PlainTextResponse("this server has no station", 404)
        return live_response(self._broadcast)


class _PageFiles:
    """The page, at all other addresses."""

    def __init__(self, blind_test: BlindTest | None) -> None:
        self._files = page_files()
        if blind_test is None:
            self._files.pop(blind_test_app.PAGE, None)

    def routes(self) -> list[BaseRoute]:
        return [Route("/{path:path}", self.file)]

    async def file(self, request: Request) -> Response:
        path = request.scope["path"]
        found = self._files.get(path)
        if found is not None:
            return file_response(found, request)
        if path == "/" and not self._files:
            return PlainTextResponse(f"The web page has not been built. In a checkout, run: {BUILD_COMMAND}\n", 503)
        return missing_response(request, self._files)
