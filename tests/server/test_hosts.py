"""Which hosts and origins the server accepts, and that all spellings of a name are one name."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Iterator

import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st

from helpers.running_server import RunningServer, client, serving, until
from playbach.server import hosts, security
from playbach.server.hosts import HostHeader, Origin, parse_host, parse_origin
from playbach.system.errors import UsageError

MALFORMED = (
    "", " ", ":", ":8000", "localhost:", "localhost:0", "localhost:65536", "localhost:123456", "localhost:8000:8000",
    "localhost:+80", "localhost:8000/", "localhost/x", "user@localhost", "local host", "local\thost", "a,b",
    "localhost..", ".localhost", "a..b", "-a", "a-", "::1", "[::1", "::1]", "[localhost]", "[127.0.0.1]", "[::1]x",
    "[::1%eth0]", "127.1", "0x7f.1.2.3", "127.0.0.1.2", "2130706433", "a" * 254, "locälhost", "*", "127.0.0.１",
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Behind a proxy that serves two names, one with a port."""
    with serving(hosts=["radio.lan"], origins=["https://radio.example", "http://[2001:DB8::5]:8080"]) as running:
        yield running


def status(server: RunningServer, host: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("GET", "/ping", skip_host=True)
    connection.putheader("Host", host.encode())
    connection.endheaders()
    found = connection.getresponse().status
    connection.close()
    return found


@pytest.mark.parametrize(
    "name",
    ["localhost", "LOCALHOST", "localhost.", "LocalHost.", "127.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]",
     "[::ffff:127.0.0.1]", "radio.lan", "RADIO.lan.", "radio.example", "Radio.Example.", "[2001:db8::5]",
     "[2001:0db8:0:0::5]", socket.gethostname(), f"{socket.gethostname().partition('.')[0].upper()}.local"],
)  # fmt: skip
def test_the_servers_own_names_are_accepted_in_every_spelling_and_with_any_port(
    server: RunningServer, name: str
) -> None:
    assert [status(server, f"{name}{port}") for port in ("", f":{server.port}", ":80", ":443")] == [200] * 4


@pytest.mark.parametrize(
    "name",
    ["evil.example", "radio.example.evil.example", "evil-radio.example", "example", "lan", "localhost.evil.example",
     "192.0.2.7", "10.0.0.1", "[2001:db8::6]", "127.0.0.1.evil.example", "xn--rdio-0ra.example", "0.0.0.0"],
)  # fmt: skip
def test_other_names_are_rejected_also_without_a_port(server: RunningServer, name: str) -> None:
    """Otherwise a page whose host name resolves to this computer could read the responses (DNS rebinding)."""
    assert {status(server, f"{name}{port}") for port in ("", f":{server.port}", ":443")} == {403}


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_host_is_rejected(server: RunningServer, text: str) -> None:
    assert parse_host(text) is None
    assert status(server, text) in (400, 403)  # some of them h11 rejects by itself


def test_a_request_without_a_host_is_rejected(server: RunningServer) -> None:
    for request in (b"GET /ping HTTP/1.0\r\n\r\n", b"GET /ping HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(request)
            assert connection.recv(100).split()[1] in (b"400", b"403")


def test_two_hosts_are_rejected(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert connection.recv(100).split()[1] in (b"400", b"403")


@pytest.mark.parametrize("listening", ["0.0.0.0", "192.0.2.9", "radio.lan"])
def test_no_address_to_listen_on_switches_the_check_off(listening: str) -> None:
    with serving(hosts=[listening]) as running:
        assert status(running, "evil.example") == 403
        assert status(running, f"evil.example:{running.port}") == 403
        assert status(running, f"{listening}:{running.port}") == 200
        assert status(running, f"127.0.0.1:{running.port}") == 200  # the address at which the request arrives


def test_websockets_are_accepted_from_the_page_itself_and_from_configured_origins(server: RunningServer) -> None:
    async def main(origin: str, host: str | None = None) -> bool:
        headers = None if host is None else {"Host": host}
        try:
            async with client(server.port, {"type": "join"}, origin=origin, additional_headers=headers) as ws:
                return bool(await until(ws, "stream"))
        except websockets.InvalidStatus as error:
            assert error.response.status_code == 403
            assert b"--origin" in error.response.body
            return False

    port = server.port
    for origin in (server.address, "https://radio.example", "https://radio.example:443", "HTTPS://RADIO.example"):
        assert asyncio.run(main(origin)), origin
    for origin in (
        "http://radio.example", "https://radio.example:8443", "https://evil.example", "null", f"{server.address}1",
        f"http://127.0.0.1:{port + 1}", "file://", "https://radio.example/x", "http://[",
    ):  # fmt: skip
        assert not asyncio.run(main(origin)), origin


def test_an_origin_is_compared_with_the_host_as_names_are() -> None:
    host = parse_host("LOCALHOST.:80")
    assert host == HostHeader("localhost", 80)
    origin = parse_origin("http://localhost")
    assert origin == Origin("http", "localhost", 80)
    assert origin.matches(host)
    assert not origin.matches(HostHeader("localhost", 8000))
    assert origin.matches(HostHeader("localhost", None))


def test_an_origin_must_be_an_address_without_a_path() -> None:
    assert security.parse_origins(["https://radio.example/"]) == ("https://radio.example",)
    for wrong in (
        "radio.example", "ftp://x", "https://x/folder", "https://", "https://x?", "https://x#", "https://user@x",
        "https://x:70000", "https://[::1", "https://x//",
    ):  # fmt: skip
        with pytest.raises(UsageError, match="--origin"):
            security.parse_origins([wrong])


@given(st.text(alphabet="aB1.-_:[]%/@ \t\x00é", max_size=40) | st.text(max_size=60))
def test_reading_a_host_never_fails_and_reading_it_again_changes_nothing(text: str) -> None:
    found = parse_host(text)
    if found is not None:
        written = f"[{found.name}]" if ":" in found.name else found.name
        assert parse_host(written) == HostHeader(found.name, None)
    parse_origin(text)
    parse_origin(f"https://{text}")


def test_own_addresses_are_loopback_only_if_there_is_no_other() -> None:
    for address in hosts.own_addresses():
        socket.inet_aton(address)
    assert len(hosts.own_addresses()) == 1 or "127.0.0.1" not in hosts.own_addresses()
