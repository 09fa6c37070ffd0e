"""`playbach serve`: the radio, until Ctrl-C.

The address goes to stdout, everything else to stderr. Knows the server, which is imported when it runs (extra
`serve`).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import socket
from pathlib import Path
from typing import Any

from playbach.cli.common import add_runtime, result, say
from playbach.system.errors import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANYWHERE = ("0.0.0.0", "::")


def add(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="a page that plays endless music, for any browser",
        description="Serve a page that plays music which is composed at that very moment, until Ctrl-C. Prints its "
        "address on stdout. By default only this computer can open it; --host 0.0.0.0 lets the others in the house.",
    )
    serve.set_defaults(run=run)
    serve.add_argument("models", nargs="*", metavar="MODEL",
                       help=".playbach files or names of shipped models; the first is the default and the station's "
                            "(default: bach-chorales)")  # fmt: skip
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS",
                       help="where to listen (default %(default)s; 0.0.0.0 is everywhere)")  # fmt: skip
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="default %(default)s; 0 takes a free one")
    serve.add_argument("--soundfont", type=Path, metavar="FILE", help="an .sf2 or .sf3 for the page and live.mp3")
    serve.add_argument("--seed", type=int, metavar="N", help="the station's first seed (default: drawn)")
    serve.add_argument("--bars", type=int, metavar="N", help="bars of each of the station's pieces (default: 16)")
    serve.add_argument("--temperature", type=float, metavar="T", help="the station's (default: the model's)")
    serve.add_argument("--tempo", type=float, metavar="QPM", help="the station's (default: each piece's own)")
    serve.add_argument("--no-station", action="store_true", help="only streams of one's own; no live.mp3 either")
    serve.add_argument("--streams", type=int, metavar="N",
                       help="how many may have a stream of their own at once (default: 20 a core)")  # fmt: skip
    serve.add_argument("--listeners", type=int, metavar="N", help="how many may be connected at once (default: 2000)")
    add_runtime(serve)
    serve.add_argument("--origin", action="append", default=[], metavar="URL",
                       help="the page's address behind a proxy, as https://radio.example; repeatable")  # fmt: skip


def run(given: argparse.Namespace) -> int:
    if not 0 <= given.port <= 65_535:
        raise UsageError(f"--port must lie between 0 and 65535, not {given.port}")
    if given.no_station and any(v is not None for v in (given.seed, given.bars, given.temperature, given.tempo)):
        raise UsageError("--seed, --bars, --temperature and --tempo are the station's: leave --no-station out")
    import asyncio

    from playbach.inference.composing import new_seed
    from playbach.server import app, page, running, security, state, station
    from playbach.streaming import Settings

    settings: dict[str, Any] = {"seed": new_seed(given.seed), "temperature": given.temperature, "tempo": given.tempo}
    if given.bars is not None:
        settings["bars"] = given.bars
    limits = {"streams": given.streams, "sockets": given.listeners}
    chosen = state.Limits(**{name: value for name, value in limits.items() if value is not None})
    origins = security.origins(given.origin)
    station_settings = Settings(**settings)
    font = {} if given.soundfont is None else {"soundfont_path": given.soundfont}
    with running.listening(given.host, given.port) as opened:
        home = state.ServerState(state.models(given.models, given.runtime), chosen, **font)
        shared = None
        if not given.no_station:
            model, runtime, composer = home.composer(None, None)
            shared = station.Station(home, model, runtime, composer, station_settings)
            say(f"station: {model.name}, seed {station_settings.seed}")
        if not page.files():
            say(f"the page has not been built; in a checkout: {page.BUILD}")
        hosts = security.LOOPBACK if given.host in LOOPBACK else None
        application = app.build(home, shared, hosts=hosts, origins=origins)
        most = chosen.sockets + chosen.audio + 200
        server = running.server(application, most, lambda port: _told(given.host, port))
        with contextlib.suppress(KeyboardInterrupt):  # which is how it is meant to end
            asyncio.run(server.serve(sockets=[opened]))
    return 0


def _told(host: str, port: int) -> None:
    """Where the page is: what to type, and for a phone a picture of it."""
    if host in LOOPBACK:
        result(_address(host, port))
        return
    addresses = [_address(name, port) for name in ([host] if host not in ANYWHERE else own_addresses())]
    result("\n".join(addresses))
    if addresses:
        say(_qr(addresses[0]))
    say("anybody who reaches this computer can open it; Ctrl-C ends")


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def own_addresses() -> list[str]:
    """This computer's names for others in its network, the likeliest first. Nothing is sent to find them."""
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # an address for documentation: only the way there is looked up
        found.append(probe.getsockname()[0])
    with contextlib.suppress(OSError):
        found += socket.gethostbyname_ex(socket.gethostname())[2]
    outside = [address for address in dict.fromkeys(found) if not address.startswith("127.")]
    return outside or ["127.0.0.1"]


def _qr(address: str) -> str:
    import segno

    drawn = io.StringIO()
    segno.make(address, error="m").terminal(drawn, compact=True)
    return drawn.getvalue()
