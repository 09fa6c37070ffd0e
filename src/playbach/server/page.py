"""The player's page: the files that Vite has built, held in memory under the addresses that they are served at.

What a client asks for is looked up among these addresses, and never becomes a path. Knows no framework.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "page"
BUILD = "npm --prefix web ci && npm --prefix web run build"
"""What builds the page, in a checkout."""
MOST_BYTES = 64 << 20
FOREVER, ASK = "public, max-age=31536000, immutable", "no-cache"
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".wasm": "application/wasm",
         ".svg": "image/svg+xml", ".html": "text/html; charset=utf-8", ".webmanifest": "application/manifest+json",
         ".json": "application/json", ".woff2": "font/woff2", ".png": "image/png", ".txt": "text/plain"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent; `packed` is gzip, empty where that gains nothing."""

    body: bytes
    packed: bytes
    type: str
    etag: str
    cache: str


def file_of(body: bytes, kind: str, cache: str, pack: bool = True) -> File:
    packed = gzip.compress(body, 6, mtime=0) if pack else b""
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    return File(body, packed if 0 < len(packed) < 0.9 * len(body) else b"", kind, tag, cache)


def files(folder: Path = FOLDER) -> dict[str, File]:
    """All files of the page by address, `/` and `/assets/…`; none where it has not been built."""
    if not (folder / "index.html").is_file():
        return {}
    found: dict[str, File] = {}
    size = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink() or path.suffix == ".map":
            continue
        address = "/" + path.relative_to(folder).as_posix()
        size += path.stat().st_size
        assert size <= MOST_BYTES, "a page is small"
        kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        cache = FOREVER if address.startswith("/assets/") else ASK
        found["/" if address == "/index.html" else address] = file_of(path.read_bytes(), kind, cache)
    return found
