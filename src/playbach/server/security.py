"""What stands before every answer: which names the server answers to, which pages may talk to it, and the headers
that keep the page to itself. Pure ASGI, so that streams pass through it unbuffered.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playbach.system.errors import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$")
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'{sockets}; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), usb=()",
    b"x-frame-options": b"DENY",
}


def policy(host: str | None) -> str:
    """The content security policy. Some browsers do not count a WebSocket to the page's own host as 'self'."""
    sockets = f" ws://{host} wss://{host}" if host and _HOST.match(host) else ""
    return POLICY.format(sockets=sockets)


def origins(given: Collection[str]) -> tuple[str, ...]:
    """`https://radio.example` as the operator may write it; raises UsageError where it is no origin."""
    for origin in given:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/") or parts.query:
            raise UsageError(f"--origin {origin!r:.80} is no origin such as https://radio.example")
    return tuple(origin.rstrip("/") for origin in given)


class SecurityMiddleware:
    """`hosts` are the names that it answers to, None: any. `origins` are pages from elsewhere that may talk to it, as
    where a proxy changes the name. A page of its own always may, and what is no browser, and so sends no Origin."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, origins: Collection[str]) -> None:
        self._app, self._origins = app, frozenset(origins)
        names = {urlsplit(origin).netloc for origin in origins}
        self._hosts = None if hosts is None else {*hosts, *names, *(n.rpartition(":")[0] for n in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host")
        reason = self._reason(scope, host, headers.get(b"origin"))
        if reason is not None:
            await _refuse(scope, receive, send, reason)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message.get("headers", [])}
                more = {**HEADERS, b"content-security-policy": policy(host).encode()}
                message["headers"] = [
                    *message.get("headers", []),
                    *((k, v) for k, v in more.items() if k not in there),
                ]
            await send(message)

        await self._app(scope, receive, sending)

    def _reason(self, scope: Scope, host: str | None, origin: str | None) -> str | None:
        if host is not None and self._hosts is not None and not {host, host.rpartition(":")[0]} & self._hosts:
            return "this server does not answer to that name"
        if scope["type"] == "websocket" and origin is not None and origin not in self._origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or parts.netloc != host:
                return "this page comes from elsewhere"
        return None


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    body = reason.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
