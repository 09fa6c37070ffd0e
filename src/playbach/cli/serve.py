"""`playbach serve`: runs the radio until Ctrl-C.

The address goes to stdout, all other lines to stderr. The server is imported when it runs (extra `serve`).
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

from playbach.cli.common import Command, add_runtime, print_message, print_result, programme_settings
from playbach.cli.options import add_options as add_options_of
from playbach.cli.options import parse_int
from playbach.server.limits import ServerLimits
from playbach.streaming.settings import ProgrammeSettings
from playbach.system.errors import UsageError
from playbach.system.options import given, listed, options_of

ALL_INTERFACES = ("0.0.0.0", "::")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help=".playbach files or shipped models; the station plays the first (default: bach-chorales)",
    )
    add_runtime(parser)
    parser.add_argument(
        "--soundfont",
        type=Path,
        metavar="FILE",
        help="sounds for the page and live.mp3, .sf2 or .sf3 (default: included)",
    )
    station = parser.add_argument_group("station")
    add_options_of(station, ProgrammeSettings)
    station.add_argument("--no-station", action="store_true", help="serve only private streams, and no live.mp3")
    listening = parser.add_argument_group("listening test")
    listening.add_argument(
        "--listening-test",
        type=Path,
        metavar="FILE",
        help="pairs of `playbach listening-test`, which /blind-test.html asks listeners about",
    )
    listening.add_argument(
        "--answers",
        type=Path,
        metavar="FILE",
        help="file to which their answers are added (default: they are not kept)",
    )
    network = parser.add_argument_group("network")
    network.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; 0.0.0.0 lets other devices connect (default: %(default)s)",
    )
    network.add_argument(
        "--port",
        type=parse_int,
        default=8000,
        metavar="N",
        help="port to listen on; 0 chooses a free one (default: %(default)s)",
    )
    network.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="another address of the page, of a proxy or a DNS name, such as https://radio.example; repeatable",
    )
    add_options_of(network, ServerLimits)


def run(arguments: argparse.Namespace) -> int:
    if not 0 <= arguments.port <= 65_535:
        raise UsageError(f"--port must be between 0 and 65535, not {arguments.port}")
    if arguments.no_station and given(ProgrammeSettings, vars(arguments)):
        flags = listed((o.flag for o in options_of(ProgrammeSettings) if o.flag), "and")
        raise UsageError(f"{flags} set the station: remove them or --no-station")
    if arguments.answers is not None and arguments.listening_test is None:
        raise UsageError("--answers needs --listening-test FILE")
    import asyncio

    from playbach.server import app, blind_test, page, running, security, state, station

    limits = ServerLimits(**given(ServerLimits, vars(arguments)))
    origins = security.parse_origins(arguments.origin)
    station_settings = programme_settings(arguments)
    font = {} if arguments.soundfont is None else {"soundfont_path": arguments.soundfont}
    with running.open_socket(arguments.host, arguments.port) as opened:
        server_state = state.ServerState(state.load_models(arguments.models, arguments.runtime), limits, **font)
        test = None
        if arguments.listening_test is not None:
            answers = None if arguments.answers is None else blind_test.AnswerFile(arguments.answers)
            test = blind_test.BlindTest(blind_test.read_pairs(arguments.listening_test), answers)
        shared = None
        if not arguments.no_station:
            model, runtime, composer = server_state.find_composer(None, None)
            shared = station.Station(server_state, model, runtime, composer, station_settings)
            print_message(f"station: {model.name}, seed {station_settings.seed}")
        if not page.page_files():
            print_message(f"the page is not built, so browsers cannot show it; to build it: {page.BUILD_COMMAND}")
        hosts = _page_hosts(arguments.host)
        application = app.create_app(
            server_state, shared, hosts=[arguments.host, *hosts], origins=origins, blind_test=test
        )
        server = running.create_server(
            application, limits.connections, lambda port: _print_addresses(arguments.host, port, hosts)
        )
        with contextlib.suppress(KeyboardInterrupt):  # the usual end
            asyncio.run(server.serve(sockets=[opened]))
    return 0


def _page_hosts(host: str) -> list[str]:
    """The names at which the page can be opened, the likeliest first, for a server that listens on this host."""
    from playbach.server.hosts import own_addresses

    return own_addresses() if host in ALL_INTERFACES else [host]


def _print_addresses(host: str, port: int, page_hosts: Sequence[str]) -> None:
    """Print the page's addresses, and a QR code if other devices can open it."""
    from playbach.server.hosts import LOOPBACK_NAMES, normal_name

    print_result("\n".join(_address(name, port) for name in page_hosts))
    if normal_name(host) not in LOOPBACK_NAMES:
        print_message(_qr(_address(page_hosts[0], port)))
        print_message("every device that can reach this computer can open the page; Ctrl-C stops the server")


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _qr(address: str) -> str:
    import segno

    text = io.StringIO()
    segno.make(address, error="m").terminal(text, compact=True)
    return text.getvalue()


COMMAND = Command(
    "Serve a page that composes and plays endless music, until Ctrl-C. Prints the page's address on stdout. All "
    "listeners of the station hear the same music; a listener can also start a private stream.",
    add_options=add_options,
    run=run,
    usage="%(prog)s [OPTION ...] [MODEL ...]",
)
