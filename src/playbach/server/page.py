"""Files in memory, by the addresses at which they are served: the web page as Vite has built it, and files that are
made when they are first asked for.

A client's request is looked up among these addresses, and never becomes a path. Knows no web framework.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE_FOLDER = Path(__file__).parent / "page"
BUILD_COMMAND = "npm --prefix web ci && npm --prefix web run build"
"""Builds the page in a checkout."""
PAGE_MAX_BYTES = 64 << 20
IMMUTABLE, REVALIDATE = "public, max-age=31536000, immutable", "no-cache"
"""Values of the header Cache-Control."""
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mid": "audio/midi",
    ".mjs": "text/javascript",
    ".musicxml": "application/vnd.recordare.musicxml+xml",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served."""

    body: bytes
    gzipped: bytes
    """Empty if compression gains little."""
    type: str
    """The media type."""
    etag: str
    cache: str
    """The header Cache-Control."""


def static_file(body: bytes, media_type: str, cache: str, compress: bool = True) -> StaticFile:
    gzipped = gzip.compress(body, 6, mtime=0) if compress else b""
    etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    return StaticFile(body, gzipped if 0 < len(gzipped) < 0.9 * len(body) else b"", media_type, etag, cache)


class FilesOnDemand:
    """Files that are made when they are first asked for, and kept."""

    def __init__(self, makers: Mapping[str, Callable[[], StaticFile]]) -> None:
        """`makers` make the files, by address."""
        self._makers = makers
        self._made: dict[str, StaticFile] = {}

    def file(self, address: str) -> StaticFile | None:
        """The file at an address; None if there is none. Making it may take a while; its maker's errors
        are passed on."""
        if address not in self._made and address in self._makers:
            self._made[address] = self._makers[address]()
        return self._made.get(address)


def page_files(folder: Path = PAGE_FOLDER) -> dict[str, StaticFile]:
    """The page's files by address, `/` and `/assets/…`. Empty if the page has not been built."""
    if not (folder / "index.html").is_file():
        return {}
    files: dict[str, StaticFile] = {}
    size = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink() or path.suffix == ".map":
            continue
        address = "/" + path.relative_to(folder).as_posix()
        size += path.stat().st_size
        assert size <= PAGE_MAX_BYTES, "the built page is too large"
        media_type = MEDIA_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        cache = IMMUTABLE if address.startswith("/assets/") else REVALIDATE
        files["/" if address == "/index.html" else address] = static_file(path.read_bytes(), media_type, cache)
    return files
