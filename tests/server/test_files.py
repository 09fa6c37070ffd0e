"""Files over HTTP: ranges, compression, and the way home from an address at which there is nothing."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from helpers.running_server import RunningServer, serving
from playbach.server import page
from playbach.server.files import file_response
from playbach.server.page import REVALIDATE, FilesOnDemand, StaticFile, static_file
from playbach.system.errors import PlaybachError

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    root = tmp_path_factory.mktemp("built")
    (root / "assets").mkdir()
    (root / "index.html").write_text("<!doctype html><title>radio</title>" + " " * 2000)
    (root / "assets" / "index-abc.css").write_text("p { margin: 0 }")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playbach.server.app.page_files", lambda: page.page_files(root))
        with serving(station=False) as running:
            yield running


def request(
    server: RunningServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, body


@pytest.mark.parametrize("path", ["/sound-test.mp3", "/", "/sounds/52.sf3.gz"])
def test_a_range_of_a_file_is_sent_alone(server: RunningServer, path: str) -> None:
    """As players of iOS ask for it: first two bytes, then the rest."""
    status, headers, whole = request(server, path)
    assert (status, headers["accept-ranges"]) == (200, "bytes")
    for text, wanted in (
        ("bytes=0-1", whole[:2]), ("bytes=2-", whole[2:]), ("bytes=-5", whole[-5:]),
        ("bytes=0-99999999", whole), ("bytes=-99999999", whole), ("Bytes = 7 - 7", whole[7:8]),
    ):  # fmt: skip
        status, partial, body = request(server, path, range=text, accept_encoding="gzip")
        assert (status, body == wanted, partial["content-length"]) == (206, True, str(len(wanted))), text
        assert "content-encoding" not in partial
        first = int(re.match(r"bytes (\d+)-", partial["content-range"])[1])  # type: ignore[index]
        assert partial["content-range"] == f"bytes {first}-{first + len(wanted) - 1}/{len(whole)}"
        assert whole[first : first + len(wanted)] == wanted
    for text in (f"bytes={len(whole)}-", f"bytes={len(whole)}-{len(whole) + 5}", "bytes=-0"):
        status, headers, _ = request(server, path, range=text)
        assert (status, headers["content-range"]) == (416, f"bytes */{len(whole)}"), text


def test_other_ranges_are_answered_with_the_whole_file(server: RunningServer) -> None:
    _, headers, whole = request(server, "/")
    for text in ("bytes=0-1,4-5", "bytes=5-2", "bytes=-", "bytes", "bytes=x-2", "lines=0-1", "bytes=--1"):
        assert request(server, "/", range=text)[::2] == (200, whole), text
    assert request(server, "/", range="bytes=0-1", if_range='"another"')[::2] == (200, whole)
    assert request(server, "/", range="bytes=0-1", if_range=headers["etag"])[::2] == (206, whole[:2])


def test_each_form_of_a_file_has_its_own_etag(server: RunningServer) -> None:
    plain, compressed = (request(server, "/", accept_encoding=e)[1]["etag"] for e in ("identity", "gzip"))
    assert plain != compressed
    for etag in (plain, compressed, f'W/{plain}, "x"'):
        assert request(server, "/", if_none_match=etag)[::2] == (304, b"")


def test_head_has_the_headers_alone(server: RunningServer) -> None:
    _, headers, whole = request(server, "/")
    status, head, body = request(server, "/", "HEAD")
    assert (status, body, head["content-length"]) == (200, b"", headers["content-length"])
    assert request(server, "/", "HEAD", range="bytes=0-9")[:2][0] == 206
    assert len(whole) == int(head["content-length"])


@given(st.text(alphabet="bytes=-, 0123456789", max_size=30))
def test_no_range_fails(text: str) -> None:
    file = page.static_file(b"0123456789", "text/plain", "")
    scope = {"type": "http", "method": "GET", "headers": [(b"range", text.encode())]}
    response = file_response(file, Request(scope))
    assert response.status_code in (200, 206, 416)
    if response.status_code == 206:
        assert 1 <= int(response.headers["content-length"]) <= 10


@pytest.mark.parametrize("path", ["/nothing", "/assets/gone.js", "/a/b/c/d", "/a/", "/a%2fb/c", "/a?b=/c/d"])
@pytest.mark.parametrize("folder", ["", "/music/radio"])
def test_an_unknown_address_shows_browsers_the_way_home(server: RunningServer, path: str, folder: str) -> None:
    """Also if a proxy serves the radio from a folder."""
    status, headers, body = request(server, path, accept=BROWSER)
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
    text = body.decode()
    [home] = re.findall(r'<a href="([^"]*)"', text)
    assert urljoin(f"http://radio.example{folder}{path}", home) == f"http://radio.example{folder}/"
    [style] = re.findall(r'<link rel="stylesheet" href="([^"]*)"', text)
    assert (
        urljoin(f"http://radio.example{folder}{path}", style) == f"http://radio.example{folder}/assets/index-abc.css"
    )
    assert "<style" not in text  # the policy forbids it


def test_others_than_browsers_are_told_in_a_word(server: RunningServer) -> None:
    for accept in ("*/*", "application/json", ""):
        status, headers, body = request(server, "/nothing", accept=accept)
        assert (status, body, headers["content-type"]) == (404, b"not found", "text/plain; charset=utf-8")


def test_the_page_for_an_unknown_address_repeats_nothing_of_it(server: RunningServer) -> None:
    body = request(server, "/%3Cscript%3Ealert(1)%3C/script%3E", accept=BROWSER)[2]
    assert b"script" not in body


def test_a_file_is_made_once_when_it_is_first_asked_for() -> None:
    asked: list[str] = []

    def make(body: bytes) -> StaticFile:
        asked.append(body.decode())
        if asked == ["a"]:
            raise PlaybachError("not now")
        return static_file(body, "text/plain", REVALIDATE)

    files = FilesOnDemand({"/a": lambda: make(b"a"), "/b": lambda: make(b"b")})
    assert asked == [] and files.file("/c") is None
    with pytest.raises(PlaybachError, match="not now"):
        files.file("/a")
    assert files.file("/a") is files.file("/a") is not None
    assert asked == ["a", "a"]
