"""Checks each request's host name and origin, and adds security headers to each response.

Pure ASGI, so that streams pass through it unbuffered.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playbach.system.errors import UsageError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
"""The names under which only this computer reaches itself."""
LOOPBACK_HOSTS = tuple(f"[{name}]" if ":" in name else name for name in LOOPBACK_NAMES)
"""The same names, as in the header Host."""
_HOST = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$")
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'{sockets}; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), usb=()",
    b"x-frame-options": b"DENY",
}


def content_security_policy(host: str | None) -> str:
    """The policy for a page on this host. Some browsers do not count a WebSocket to the page's own host as 'self'."""
    sockets = f" ws://{host} wss://{host}" if host and _HOST.match(host) else ""
    return POLICY.format(sockets=sockets)


def parse_origins(texts: Collection[str]) -> tuple[str, ...]:
    """The operator's origins without a final slash. Raises UsageError if one is not like https://radio.example."""
    for text in texts:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/") or parts.query:
            raise UsageError(f"--origin must be an address such as https://radio.example, not {text!r:.80}")
    return tuple(text.rstrip("/") for text in texts)


class SecurityMiddleware:
    """Rejects requests for other hosts, and WebSockets from other origins."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, origins: Collection[str]) -> None:
        """`hosts` are the server's names; None: any name. `origins` are further pages that may open a WebSocket, such
        as the page behind a proxy. The server's own page always may, and so may clients without an Origin, which are
        not browsers."""
        self._app, self._origins = app, frozenset(origins)
        names = {urlsplit(origin).netloc for origin in origins}
        self._hosts = None if hosts is None else {*hosts, *names, *(n.rpartition(":")[0] for n in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host")
        reason = self._rejection_reason(scope, host, headers.get(b"origin"))
        if reason is not None:
            await _reject(scope, receive, send, reason)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message.get("headers", [])}
                added = {**SECURITY_HEADERS, b"content-security-policy": content_security_policy(host).encode()}
                message["headers"] = [
                    *message.get("headers", []),
                    *((k, v) for k, v in added.items() if k not in present),
                ]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _rejection_reason(self, scope: Scope, host: str | None, origin: str | None) -> str | None:
        if host is not None and self._hosts is not None and not {host, host.rpartition(":")[0]} & self._hosts:
            return "this server does not accept this host name; its operator can allow it with --origin"
        if scope["type"] == "websocket" and origin is not None and origin not in self._origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or parts.netloc != host:
                return "this server does not accept pages of this origin; its operator can allow it with --origin"
        return None


async def _reject(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    body = reason.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
