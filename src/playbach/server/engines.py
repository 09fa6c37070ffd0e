"""The engine that composes in the page, and the models that it can run, as files by address.

They are made when they are first asked for, since quantising a network takes some tenths of a second.
Knows no sockets.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import partial

from playbach.bundles.bundle import Bundle
from playbach.export import web
from playbach.server.page import IMMUTABLE, REVALIDATE, FilesOnDemand, StaticFile, static_file
from playbach.server.protocol import EngineFiles
from playbach.system.errors import UsageError

FOLDER = "engine"
"""Where the files are, relative to the page."""


def engine_addresses(bundle: Bundle) -> EngineFiles | None:
    """The addresses of what the page needs to compose with a model; None if it cannot, or if the engine is not built.
    A model's address changes with its content."""
    try:
        code = web.engine_file(bundle)
    except UsageError:
        return None
    if not web.is_built():
        return None
    return EngineFiles(code=f"{FOLDER}/{code}", model=f"{FOLDER}/{bundle.sha256[:12]}.model.gz")


def engine_files(bundles: Iterable[Bundle]) -> FilesOnDemand:
    """The engines, and those of the models that they can run. A model raises PlaybachError if it is too large for the
    engine, or damaged."""
    known = [(bundle, engine_addresses(bundle)) for bundle in bundles]
    models = {f"/{files.model}": partial(_model, bundle) for bundle, files in known if files is not None}
    codes = {f"/{FOLDER}/{name}": partial(_code, name) for name in web.ENGINE_FILES.values()}
    return FilesOnDemand({**codes, **models} if models else {})


def _code(name: str) -> StaticFile:
    return static_file(web.engine(name), "application/wasm", REVALIDATE)


def _model(bundle: Bundle) -> StaticFile:
    body = gzip.compress(web.model_file(bundle), 9, mtime=0)
    return static_file(body, "application/octet-stream", IMMUTABLE, compress=False)
