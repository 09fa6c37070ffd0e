"""Writes the page as a folder for any static host: the page composes by itself, with the engine for WebAssembly.

The folder holds the page, the engines and the models' files, the instruments, and `site.json`, which tells the page
what there is. `index.html` names `site.json`, so the page asks no server. Knows no web framework.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from playbach.export import web
from playbach.export.web.composing import EngineComposer
from playbach.music.instruments import INSTRUMENT_NAMES
from playbach.rendering.soundfont import default_soundfont
from playbach.rendering.soundfont_parts import part_name, sound_parts
from playbach.server.encoder import MessageEncoder
from playbach.server.engines import engine_files
from playbach.server.messages import stream_message
from playbach.server.page import BUILD_COMMAND, page_files
from playbach.server.protocol import WEB_RUNTIME, ModelInfo, ModelsInfo
from playbach.server.schema import write
from playbach.server.security import content_security_policy
from playbach.server.state import ServedModel, load_models
from playbach.streaming.session import Pacing
from playbach.streaming.settings import ProgrammeSettings
from playbach.streaming.stream import Stream
from playbach.system.errors import PlaybachError
from playbach.system.files import pending_folder

SITE_FILE = "site.json"
OPENING_SEEDS = (3, 7, 11)
"""Of the pieces that a site holds composed."""
_NOT_PUBLISHED = re.compile(r"/blind-test\.html$|/blind-test-[^/]+$")
"""The page that needs a server, and what only it needs."""
_PUBLISHED = ("index.html", "tune.html")
"""Pages that also work without one."""


@dataclass(frozen=True, slots=True)
class PublishedSite:
    """A folder that was written."""

    path: Path
    files: int
    bytes: int
    """Of all files."""
    first_visit: int
    """Bytes that a browser loads until the first note, if the host compresses text."""


def publish(models: Sequence[str | Path], into: str | Path, soundfont: Path | None = None) -> PublishedSite:
    """Write the site into the folder `into`, or the first free name after it.

    Args:
        models: names or paths; the first is the one that plays when the page opens. None: the shipped model.
        soundfont: the instruments; by default those in the package.

    Raises:
        BundleError: there is no such model, or it is damaged.
        UsageError: the page's engine cannot run a model.
        PlaybachError: the page or its engine has not been built, or the folder cannot be written.
    """
    served = load_models(models)
    files = site_files(served, soundfont)
    with pending_folder(into) as draft:
        for name, content in files.items():
            path = draft.temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    first = next(iter(served.values()))
    size = sum(map(len, files.values()))
    return PublishedSite(draft.path, len(files), size, _first_visit(files, model_info(first)))


def model_info(model: ServedModel) -> ModelInfo:
    """The model's entry in `site.json`.

    Raises:
        UsageError: the page's engine cannot run it.
    """
    web.engine_file(model.composer.bundle)  # checks it
    return replace(model.info(), runtimes=(WEB_RUNTIME,))


def site_files(models: Mapping[str, ServedModel], soundfont: Path | None = None) -> dict[str, bytes]:
    """All files by their names. Raises: see `publish`."""
    page = {address.lstrip("/") or "index.html": file.body for address, file in page_files().items()}
    if not page:
        raise PlaybachError(f"the page has not been built; in a checkout, run: {BUILD_COMMAND}")
    infos = [model_info(model) for model in models.values()]
    page = {name: body for name, body in page.items() if not _NOT_PUBLISHED.search(f"/{name}")}
    page |= {name: _static_page(page[name].decode()).encode() for name in _PUBLISHED if name in page}
    openings = _openings(next(iter(models.values())))
    sounds = dict(sound_parts(soundfont or default_soundfont()))
    files = {**page, **_engines(models, infos), **openings, **sounds}
    info = ModelsInfo(
        models=tuple(infos),
        station=None,
        live=False,
        blind_test=False,
        soundfont=(soundfont or default_soundfont()).name,
    )
    files[SITE_FILE] = json.dumps(
        {
            **json.loads(write(info)),
            "instruments": list(INSTRUMENT_NAMES),
            "openings": list(openings),
            "version": _version(files),
            "files": _needed(files, infos),
        },
        ensure_ascii=False,
    ).encode()
    return dict(sorted(files.items()))


def _engines(models: Mapping[str, ServedModel], infos: Sequence[ModelInfo]) -> dict[str, bytes]:
    if not web.is_built():
        raise PlaybachError(f"the page's engine has not been built; in a checkout, run: {web.ENGINE_BUILD_COMMAND}")
    made = engine_files(model.composer.bundle for model in models.values())
    names = {name for info in infos if info.engine is not None for name in (info.engine.code, info.engine.model)}
    found = {name: made.file(f"/{name}") for name in names}
    return {name: file.body for name, file in found.items() if file is not None}


def _openings(model: ServedModel) -> dict[str, bytes]:
    """The first pieces of some streams, as the messages that the page's engine sends, with all their bars at once: a
    listener hears one of them while the engine is being loaded."""
    composer = EngineComposer(model.composer.bundle)
    return {f"openings/{seed}.json": opening(composer, seed, model.name) for seed in OPENING_SEEDS}


def opening(composer: EngineComposer, seed: int, name: str) -> bytes:
    """The messages of a stream's first piece, as a JSON list; `name` is the model's."""
    settings = ProgrammeSettings(seed)
    stream, encoder = Stream(composer, settings), MessageEncoder(composer.encoding.fields)
    pacing = Pacing()
    answer = stream_message("own", composer, settings, model=name, runtime=WEB_RUNTIME, piece=0, ahead=pacing.ahead)
    messages, is_last = [write(answer)], False
    while not is_last:
        bar = stream.next()
        messages += [message.text_at(0.0) for message in encoder.encode(bar)]
        is_last = bar.bar.is_last
    return f"[{','.join(messages)}]".encode()


def _static_page(html: str) -> str:
    """The page, which finds out from `site.json` what there is, and can be installed."""
    policy = content_security_policy(None).partition("; frame-ancestors")[0]  # which only a header can give
    added = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}" />',
        f'<meta name="playbach-site" content="{SITE_FILE}" />',
        '<link rel="manifest" href="./manifest.webmanifest" />',
    )
    marker = '<meta charset="utf-8" />'
    assert marker in html, "the built page has no charset"
    return html.replace(marker, "\n    ".join([marker, *added]))


def _version(files: Mapping[str, bytes]) -> str:
    """Changes with the content of any file."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _needed(files: Mapping[str, bytes], infos: Sequence[ModelInfo]) -> list[str]:
    """What a browser keeps so that the page plays offline; it keeps other instruments when they are first played."""
    played = {part_name(voice.drums, voice.program) for info in infos for voice in info.voices}
    optional = re.compile(r"sounds/(?!index)|.*\.md$|.*/block-synth|sw\.js$")
    return ["./", *sorted(n for n in files if n in played or not (optional.match(n) or n == "index.html"))]


_LOADED_LATER = re.compile(r"assets/(?!worker-|worklet-).*")
"""Files that are loaded when a listener asks for what is in them, unless `index.html` names them."""


def _first_visit(files: Mapping[str, bytes], info: ModelInfo) -> int:
    """The bytes that are loaded until the engine composes, if the host compresses files."""
    page, needed = files["index.html"].decode(), _needed(files, [info])
    openings = [name for name in needed if name.startswith("openings/")]
    later = {name for name in needed if _LOADED_LATER.match(name) and name not in page}
    unseen = {*openings[1:], *later, *(n for n in needed if n.endswith((".png", ".webmanifest", "tune.html")))}
    names = ["index.html" if name == "./" else name for name in needed if name not in unseen]
    return sum(len(gzip.compress(files[name], 6)) for name in names)
