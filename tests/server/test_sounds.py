"""The page's instruments over HTTP: one file each, cached, by name only; a damaged one harms no other."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.running_server import RunningServer, serving
from playbach.rendering.soundfont import SoundFont, default_soundfont
from playbach.rendering.soundfont_parts import SoundParts
from playbach.server import page
from playbach.server.protocol import Voice
from playbach.server.sounds import prepare_sounds, sound_files


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with serving(station=False) as running:
        yield running


def get(server: RunningServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, body


def damaged_font(folder: Path) -> Path:
    """The default soundfont, with a piano one of whose samples lies outside the file."""
    data = bytearray(default_soundfont().read_bytes())
    names = [name.rstrip(b"\0") for name in SoundFont(default_soundfont()).tables["shdr"]["name"].tolist()]
    head = data.index(b"shdr") + 8 + 46 * next(i for i, name in enumerate(names) if name.startswith(b"Piano"))
    data[head + 24 : head + 28] = b"\xff" * 4
    path = folder / "private-name.sf2"
    path.write_bytes(data)
    return path


def test_the_index_says_which_instruments_there_are(server: RunningServer) -> None:
    status, headers, body = get(server, "/sounds/index.json", accept_encoding="gzip")
    assert (status, headers["content-type"], headers["content-encoding"]) == (200, "application/json", "gzip")
    assert headers["cache-control"] == page.REVALIDATE
    index = json.loads(gzip.decompress(body))
    assert (index["font"]["name"], index["font"]["terms"]) == ("TimGM6mb", "GPL-2.0-only")
    assert [part["program"] for part in index["parts"] if not part["drums"]] == list(range(128))
    assert {"52.sf3.gz", "drums-0.sf3.gz"} <= {part["file"] for part in index["parts"]}


@pytest.mark.parametrize("name", ["52.sf3.gz", "drums-0.sf3.gz"])
def test_an_instrument_is_a_file_that_browsers_cache(server: RunningServer, name: str) -> None:
    status, headers, body = get(server, f"/sounds/{name}", accept_encoding="gzip")
    assert (status, headers["content-type"]) == (200, "application/gzip")
    assert "content-encoding" not in headers  # the page unpacks it, so that any server of files will do
    assert "max-age" in headers["cache-control"]
    assert gzip.decompress(body)[:4] == b"RIFF"
    assert get(server, f"/sounds/{name}", if_none_match=headers["etag"])[0] == 304


@pytest.mark.parametrize(
    "name", ["", "128.sf3.gz", "52.sf3", "..%2fsounds%2f52.sf3.gz", "52.sf3.gz/", "../soundfont", "%00"]
)
def test_other_names_are_not_found(server: RunningServer, name: str) -> None:
    assert get(server, f"/sounds/{name}")[0] == 404


def test_a_damaged_instrument_harms_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = SoundParts(SoundFont(damaged_font(tmp_path)))
    monkeypatch.setattr("playbach.server.sounds.SoundParts", lambda _: parts)
    with serving(station=False) as server:
        status, _, body = get(server, "/sounds/0.sf3.gz")
        assert status == 500
        assert b"damaged" in body
        assert b"private-name" not in body
        assert get(server, "/sounds/52.sf3.gz")[0] == 200


def test_preparing_a_damaged_or_missing_instrument_does_no_harm(tmp_path: Path) -> None:
    sounds = sound_files(SoundFont(damaged_font(tmp_path)))
    prepare_sounds(sounds, [Voice(name="", program=0, drums=False), Voice(name="", program=99, drums=True)])
