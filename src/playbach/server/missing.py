"""The response where there is nothing: for browsers a small page with a link home, for others a line of text."""

from __future__ import annotations

from collections.abc import Collection

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<title>Not found – playbach</title>
{style}<header class="top"><h1 class="name">playbach</h1></header>
<main>
<h2>There is no such page</h2>
<p>The music is on the <a href="{home}">first page</a>.</p>
</main>
</html>
"""


def missing_response(request: Request, addresses: Collection[str]) -> Response:
    """Status 404. `addresses` are those of the page's files, whose style the small page takes over."""
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse("not found", 404)
    home = _way_home(request.scope.get("raw_path") or request.scope["path"].encode())
    styles = (address for address in addresses if address.endswith(".css"))
    style = "".join(f'<link rel="stylesheet" href="{home}{address.removeprefix("/")}">\n' for address in styles)
    return HTMLResponse(_PAGE.format(style=style, home=home), 404)


def _way_home(path: bytes) -> str:
    """From this address to the page's own; relative, since a proxy may serve the radio from a folder."""
    return "../" * (path.count(b"/") - 1) or "./"
