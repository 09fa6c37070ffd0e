"""ASGI extensions with which the application and the connections below it (running.py) work together."""

from __future__ import annotations

from starlette.types import Scope

ABORT = "playbach.abort"
"""Closes a connection without a closing handshake, and gives up what waits to be sent."""
UNANSWERED = "playbach.unanswered"
"""Marks a connection that was closed because a ping was not answered."""


def abort_connection(scope: Scope) -> bool:
    """Close the request's connection at once; false if the server cannot."""
    abort = scope.get("extensions", {}).get(ABORT)
    if abort is not None:
        abort()
    return abort is not None
