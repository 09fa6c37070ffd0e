"""The page's instruments: the parts of the server's soundfont as static files, each made when it is first asked for.

Knows no web framework.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import partial

from playbach.rendering.soundfont import SoundFont
from playbach.rendering.soundfont_parts import PARTS_INDEX, SoundParts, part_name
from playbach.server.page import REVALIDATE, FilesOnDemand, StaticFile, static_file
from playbach.server.protocol import Voice
from playbach.system.errors import PlaybachError

_CACHE = "public, max-age=86400"


def sound_files(font: SoundFont) -> FilesOnDemand:
    """The files of a soundfont, by addresses such as `/sounds/52.sf3.gz`. One raises PlaybachError if the soundfont
    is damaged there."""
    parts = SoundParts(font)
    return FilesOnDemand({f"/{name}": partial(_part, parts, name) for name in parts})


def _part(parts: SoundParts, name: str) -> StaticFile:
    is_index = name == PARTS_INDEX
    media_type, cache = ("application/json", REVALIDATE) if is_index else ("application/gzip", _CACHE)
    return static_file(parts[name], media_type, cache, compress=is_index)


def prepare_sounds(files: FilesOnDemand, voices: Iterable[Voice]) -> None:
    """Make the parts that these voices need, so that the first listener need not wait for them."""
    for name in dict.fromkeys(part_name(voice.drums, voice.program) for voice in voices):
        with contextlib.suppress(PlaybachError):  # a client that asks for the part gets the error
            files.file(f"/{name}")
