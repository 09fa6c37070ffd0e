"""Checks each request's host name and origin, and adds security headers to each response.

Pure ASGI, so that streams pass through it unbuffered.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from playbach.server.hosts import HostHeader, normal_name, own_names, parse_host, parse_origin
from playbach.system.errors import UsageError

if TYPE_CHECKING:  # publishing a page needs the policy, but not Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    sockets = f" ws://{host} wss://{host}" if host and parse_host(host) else ""
    return POLICY.format(sockets=sockets)


def parse_origins(texts: Collection[str]) -> tuple[str, ...]:
    """The operator's origins without a final slash. Raises UsageError if one is not like https://radio.example."""
    origins = tuple(text.removesuffix("/") for text in texts)
    for text, origin in zip(texts, origins):
        if parse_origin(origin) is None:
            raise UsageError(f"--origin must be an address such as https://radio.example, not {text!r:.80}")
    return origins


class SecurityMiddleware:
    """Rejects requests for other hosts, and WebSockets from other origins.

    Without the first, a page whose name resolves to this computer could read the responses (DNS rebinding)."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        """A request may name this computer: by its own names, by the address at which the request arrives, or by one
        of `hosts`; and the hosts of `origins`, which are further pages that may open a WebSocket, such as the page
        behind a proxy. Any port will do, since proxies and tunnels have others. The server's own page may open a
        WebSocket too, and so may clients without an Origin, which are not browsers."""
        self._app = app
        self._origins = frozenset(filter(None, map(parse_origin, origins)))
        configured = filter(None, map(normal_name, hosts))
        self._names = own_names() | {*configured, *(origin.name for origin in self._origins)}

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

    def _rejection_reason(self, scope: Scope, text: str | None, origin_text: str | None) -> str | None:
        host = parse_host(text or "")
        if host is None:
            return "the request does not name a host in the usual way"
        if host.name not in self._names and host.name != _local_name(scope):
            return "this server does not accept this host name; its operator can allow it with --origin"
        if scope["type"] == "websocket" and origin_text is not None and not self._is_allowed(origin_text, host):
            return "this server does not accept pages of this origin; its operator can allow it with --origin"
        return None

    def _is_allowed(self, origin_text: str, host: HostHeader) -> bool:
        origin = parse_origin(origin_text)
        return origin is not None and (origin in self._origins or origin.matches(host))


def _local_name(scope: Scope) -> str | None:
    """The address of this computer at which the request arrives."""
    server = scope.get("server")
    return normal_name(server[0]) if server else None


async def _reject(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    """Status 403; before the handshake of a WebSocket too, whose client sees it in place of a close code."""
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
            return
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    body = reason.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{kind}.start", "status": 403, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
