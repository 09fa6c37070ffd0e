"""The addresses of tunes: `api/harmonise` composes settings, `api/tune` reads a file (docs/radio-protocol.md).

Few settings are composed at once, in the server's threads, so that streams go on; few more wait for their turn, and
any others are refused. A setting ends early if it takes too long or if its client has left. Knows addresses;
`harmonising.py` knows settings.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from symusic.core import ScoreTick as Score

from playbach.inference.composing import Composition, new_seed
from playbach.server.harmonising import (
    SETTING_SECONDS,
    SETTING_SUFFIXES,
    TUNE_FILE,
    ComposedSetting,
    StoppableRuntime,
    compose_setting,
    harmonise_info,
    harmonising_model,
    network_of,
    setting_file,
)
from playbach.server.protocol import MAX_NAME_LENGTH, HarmoniseRequest
from playbach.server.requests import Turns, address, attachment, json_response, read_body, read_message
from playbach.server.state import ServedModel, ServerState
from playbach.server.tunes import FILE_LIMITS, read_tune, score_of

MAX_REQUEST_BYTES = 64 << 10
SETTINGS_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
MAX_WAITING_SETTINGS = 8
KEPT_SETTINGS = 32
"""The number of settings that are kept, so that their files need not be composed again."""
CLIENT_CHECK_SECONDS = 0.25
_Result = TypeVar("_Result")


class Harmonising:
    """The addresses, and what they share."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        reason = "the server composes as many settings as it can; try again in a few seconds"
        self._turns = Turns(SETTINGS_AT_ONCE, MAX_WAITING_SETTINGS, reason)
        self._kept: OrderedDict[HarmoniseRequest, ComposedSetting] = OrderedDict()

    def routes(self) -> list[BaseRoute]:
        return [
            address("/api/harmonise", "GET", self.info),
            address("/api/harmonise", "POST", self.harmonise),
            address("/api/tune", "POST", self.tune),
        ]

    async def info(self, _: Request) -> Response:
        return json_response(harmonise_info(self._state))

    async def harmonise(self, request: Request) -> Response:
        wanted = await read_message(request, HarmoniseRequest, MAX_REQUEST_BYTES)
        tune = score_of(wanted.tune, wanted.voice)
        model = harmonising_model(self._state, wanted.model)
        if wanted.format == "tune":
            return await self._file(Composition(tune, 0, "", ()), "tune", TUNE_FILE)
        key = replace(wanted, model=model.name, seed=new_seed(wanted.seed), format=None)
        composed = await self._composed(model, key, tune, request)
        if wanted.format is None:
            return json_response(composed.setting)
        name = f"setting-{key.seed}{SETTING_SUFFIXES[wanted.format]}"
        return await self._file(composed.composition, wanted.format, name)

    async def tune(self, request: Request) -> Response:
        data = await read_body(request, "application/octet-stream", FILE_LIMITS.max_bytes)
        title = Path(request.query_params.get("name", "")).stem[:MAX_NAME_LENGTH]
        return json_response(await self._in_turn(lambda: read_tune(data, title)))

    async def _composed(
        self, model: ServedModel, wanted: HarmoniseRequest, tune: Score, request: Request
    ) -> ComposedSetting:
        """The setting, composed unless it is kept."""
        composed = self._kept.get(wanted)
        if composed is None:
            network = network_of(model.composer)
            runtime = StoppableRuntime(network, SETTING_SECONDS)
            composed = await self._in_turn(lambda: compose_setting(model, runtime, wanted, tune), request, runtime)
            self._kept[wanted] = composed
            while len(self._kept) > KEPT_SETTINGS:
                self._kept.popitem(last=False)
        return composed

    async def _file(self, composition: Composition, kind: str, name: str) -> Response:
        data = await self._in_turn(lambda: setting_file(composition, kind))
        return attachment(data, name)

    async def _in_turn(
        self,
        work: Callable[[], _Result],
        request: Request | None = None,
        runtime: StoppableRuntime | None = None,
    ) -> _Result:
        """What `work` returns, which is done in a thread when it is its turn. If the client of `request` leaves
        meanwhile, the runtime is stopped."""
        with self._turns.place():
            async with self._turns.turn:
                done = asyncio.get_running_loop().run_in_executor(self._state.executor, work)
                while request is not None and runtime is not None and not done.done():
                    await asyncio.wait({done}, timeout=CLIENT_CHECK_SECONDS)
                    if await request.is_disconnected():
                        runtime.stopped.set()
                        break
                return await done
