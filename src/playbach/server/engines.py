"""The engine that composes in the page, and the models that it can run, as files by address.

They are made when they are first asked for, since quantising a network takes some tenths of a second.
Knows no sockets.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable

from playbach.bundles.bundle import Bundle
from playbach.export import web
from playbach.server.page import IMMUTABLE, REVALIDATE, StaticFile, static_file
from playbach.server.protocol import EngineFiles
from playbach.system.errors import UsageError

FOLDER = "engine"
"""Where the files are, relative to the page."""


def engine_files(bundle: Bundle) -> EngineFiles | None:
    """The addresses of what the page needs to compose with a model; None if it cannot, or if the engine is not built.
    A model's address changes with its content."""
    try:
        code = web.engine_file(bundle)
    except UsageError:
        return None
    if not web.is_built():
        return None
    return EngineFiles(code=f"{FOLDER}/{code}", model=f"{FOLDER}/{bundle.sha256[:12]}.model.gz")


class EngineStore:
    """The files by address, for some models."""

    def __init__(self, bundles: Iterable[Bundle]) -> None:
        known = [(bundle, engine_files(bundle)) for bundle in bundles]
        self._models = {f"/{files.model}": bundle for bundle, files in known if files is not None}
        self._codes = {f"/{FOLDER}/{name}": name for name in web.ENGINE_FILES.values()} if self._models else {}
        self._made: dict[str, StaticFile] = {}

    def file(self, address: str) -> StaticFile | None:
        """The file at an address; None if there is none. May take some tenths of a second.

        Raises:
            PlaybachError: the network is too large for the engine, or the model is damaged.
        """
        if address not in self._made:
            if address in self._codes:
                body = web.engine(self._codes[address])
                self._made[address] = static_file(body, "application/wasm", REVALIDATE)
            elif address in self._models:
                body = gzip.compress(web.model_file(self._models[address]), 9, mtime=0)
                self._made[address] = static_file(body, "application/octet-stream", IMMUTABLE, compress=False)
        return self._made.get(address)
