"""The page's instruments: the parts of the server's soundfont as static files, each made when it is first asked for.

A name is looked up among the parts' names, and never becomes a path. Knows no web framework.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from playbach.rendering.soundfont import SoundFont
from playbach.rendering.soundfont_parts import PARTS_INDEX, SoundParts, part_name
from playbach.server.page import REVALIDATE, StaticFile, static_file
from playbach.server.protocol import Voice
from playbach.system.errors import PlaybachError

_CACHE = "public, max-age=86400"


class Sounds:
    """The files of one soundfont."""

    def __init__(self, font: SoundFont) -> None:
        self._parts = SoundParts(font)
        self._files: dict[str, StaticFile] = {}

    def file(self, name: str) -> StaticFile | None:
        """The file with a name such as `sounds/52.sf3.gz`; None if there is none. May take a tenth of a second.

        Raises PlaybachError if the soundfont is damaged there.
        """
        if name not in self._parts:
            return None
        if name not in self._files:
            body, index = self._parts[name], name == PARTS_INDEX
            media_type, cache = ("application/json", REVALIDATE) if index else ("application/gzip", _CACHE)
            self._files[name] = static_file(body, media_type, cache, compress=index)
        return self._files[name]

    def prepare(self, voices: Iterable[Voice]) -> None:
        """Make the parts that these voices need, so that the first listener need not wait for them."""
        for name in dict.fromkeys(part_name(voice.drums, voice.program) for voice in voices):
            with contextlib.suppress(PlaybachError):  # whoever asks for the part is told so
                self.file(name)
