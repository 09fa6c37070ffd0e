"""The radio as an ASGI application: addresses, and what answers them (docs/radio-protocol.md).

No address becomes a path: the page's files are looked up by address, models by name. Knows no host and no port.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from playbach.music import instruments
from playbach.server import metrics
from playbach.server.broadcast import Broadcast, audio_response, sound_test
from playbach.server.listener import Listener
from playbach.server.page import ASK, BUILD, File, file_of, files
from playbach.server.security import SecurityMiddleware
from playbach.server.state import ServerState
from playbach.server.station import Station


def build(
    house: ServerState,
    station: Station | None,
    *,
    hosts: Collection[str] | None = None,
    origins: Collection[str] = (),
) -> ASGIApp:
    """The application for this house, which it closes when it ends."""
    page = files()
    font = file_of(house.soundfont_path.read_bytes(), "application/octet-stream", "public, max-age=86400", pack=False)
    tested: File | None = None
    broadcast = None if station is None else Broadcast(house, station)

    async def listen(socket: WebSocket) -> None:
        await Listener(socket, house, station).serve()

    async def models(_: Request) -> Response:
        told = None
        if station is not None:
            settings = station.settings
            told = {"model": station.model.name, "temperature": settings.temperature, "tempo": settings.tempo}
        rows = [model.told() for model in house.models.values()]
        return _fresh(JSONResponse(
            {"models": rows, "station": told, "live": station is not None, "soundfont": house.soundfont_path.name}
        ))  # fmt: skip

    async def gm(_: Request) -> Response:
        return _fresh(JSONResponse(list(instruments.NAMES)))

    async def ping(_: Request) -> Response:
        return _fresh(PlainTextResponse("pong"))

    async def figures(_: Request) -> Response:
        return _fresh(PlainTextResponse(metrics.text(house, station), media_type="text/plain; version=0.0.4"))

    async def soundfont(request: Request) -> Response:
        return _sent(font, request)

    async def test(request: Request) -> Response:
        nonlocal tested
        if tested is None:
            tested = await asyncio.get_running_loop().run_in_executor(house.executor, sound_test, house)
        return _sent(tested, request)

    async def live(_: Request) -> Response:
        if broadcast is None:
            return PlainTextResponse("this house has no station", 404)
        return audio_response(broadcast)

    async def file(request: Request) -> Response:
        found = page.get(request.scope["path"])
        if found is not None:
            return _sent(found, request)
        if request.scope["path"] == "/" and not page:
            return PlainTextResponse(f"The page has not been built. In a checkout: {BUILD}\n", 503)
        return PlainTextResponse("there is nothing here", 404)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        if broadcast is not None:
            await broadcast.close()
        if station is not None:
            await station.close()
        house.close()

    routes: list[BaseRoute] = [
        WebSocketRoute("/ws", listen),
        Route("/api/models", models),
        Route("/api/instruments", gm),
        Route("/soundfont", soundfont),
        Route("/live.mp3", live),
        Route("/sound-test.mp3", test),
        Route("/ping", ping),
        Route("/metrics", figures),
        Route("/{path:path}", file),
    ]
    return SecurityMiddleware(Starlette(routes=routes, lifespan=lifespan), hosts, origins)


def _fresh(response: Response) -> Response:
    response.headers["cache-control"] = "no-store"
    return response


def _sent(file: File, request: Request) -> Response:
    """A file, packed where the client knows gzip, or the word that it has it."""
    headers = {"etag": file.etag, "cache-control": file.cache or ASK, "vary": "accept-encoding"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if file.packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, headers={**headers, "content-encoding": "gzip"}, media_type=file.type)
    return Response(file.body, headers=headers, media_type=file.type)
