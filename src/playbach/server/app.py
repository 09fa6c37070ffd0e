"""The radio as an ASGI application: its addresses and their responses (docs/radio-protocol.md).

No address becomes a path: the page's files are looked up by address, models by name. Knows neither host nor port.
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
from playbach.server.broadcast import Broadcast, live_response, sound_test
from playbach.server.listener import Listener
from playbach.server.metrics import metrics_text
from playbach.server.page import BUILD_COMMAND, REVALIDATE, StaticFile, page_files, static_file
from playbach.server.security import SecurityMiddleware
from playbach.server.state import ServerState
from playbach.server.station import Station


def create_app(
    state: ServerState,
    station: Station | None,
    *,
    hosts: Collection[str] | None = None,
    origins: Collection[str] = (),
) -> ASGIApp:
    """The application, which closes the state when it ends. `hosts` and `origins`: see SecurityMiddleware."""
    page = page_files()
    font = static_file(
        state.soundfont_path.read_bytes(), "application/octet-stream", "public, max-age=86400", compress=False
    )
    test_file: StaticFile | None = None
    broadcast = None if station is None else Broadcast(state, station)

    async def listen(socket: WebSocket) -> None:
        await Listener(socket, state, station).serve()

    async def models(_: Request) -> Response:
        about_station = None
        if station is not None:
            settings = station.settings
            about_station = {
                "model": station.model.name, "temperature": settings.temperature, "tempo": settings.tempo
            }  # fmt: skip
        rows = [model.description() for model in state.models.values()]
        return _uncached(JSONResponse({
            "models": rows, "station": about_station, "live": station is not None,
            "soundfont": state.soundfont_path.name,
        }))  # fmt: skip

    async def instrument_names(_: Request) -> Response:
        return _uncached(JSONResponse(list(instruments.INSTRUMENT_NAMES)))

    async def ping(_: Request) -> Response:
        return _uncached(PlainTextResponse("pong"))

    async def metrics(_: Request) -> Response:
        return _uncached(PlainTextResponse(metrics_text(state, station), media_type="text/plain; version=0.0.4"))

    async def soundfont(request: Request) -> Response:
        return _file_response(font, request)

    async def test(request: Request) -> Response:
        nonlocal test_file
        if test_file is None:
            test_file = await asyncio.get_running_loop().run_in_executor(state.executor, sound_test, state)
        return _file_response(test_file, request)

    async def live(_: Request) -> Response:
        if broadcast is None:
            return PlainTextResponse("this server has no station", 404)
        return live_response(broadcast)

    async def file(request: Request) -> Response:
        found = page.get(request.scope["path"])
        if found is not None:
            return _file_response(found, request)
        if request.scope["path"] == "/" and not page:
            return PlainTextResponse(f"The web page has not been built. In a checkout, run: {BUILD_COMMAND}\n", 503)
        return PlainTextResponse("not found", 404)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        if broadcast is not None:
            await broadcast.close()
        if station is not None:
            await station.close()
        state.close()

    routes: list[BaseRoute] = [
        WebSocketRoute("/ws", listen),
        Route("/api/models", models),
        Route("/api/instruments", instrument_names),
        Route("/soundfont", soundfont),
        Route("/live.mp3", live),
        Route("/sound-test.mp3", test),
        Route("/ping", ping),
        Route("/metrics", metrics),
        Route("/{path:path}", file),
    ]
    return SecurityMiddleware(Starlette(routes=routes, lifespan=lifespan), hosts, origins)


def _uncached(response: Response) -> Response:
    response.headers["cache-control"] = "no-store"
    return response


def _file_response(file: StaticFile, request: Request) -> Response:
    """The file, compressed if the client accepts gzip, or status 304 if the client has it already."""
    headers = {"etag": file.etag, "cache-control": file.cache or REVALIDATE, "vary": "accept-encoding"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if file.gzipped and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.gzipped, headers={**headers, "content-encoding": "gzip"}, media_type=file.type)
    return Response(file.body, headers=headers, media_type=file.type)
