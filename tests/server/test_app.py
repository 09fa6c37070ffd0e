"""The radio's addresses: their responses and headers, and that no path reaches the file system."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.running_server import TINY, RunningServer, client, serving, until
from playbach.music import instruments
from playbach.server import page, security
from playbach.server.broadcast import MAX_WAITING_BLOCKS, AudioClient, Broadcast
from playbach.server.state import ServerState, load_models
from playbach.server.station import Station
from playbach.streaming.live_mix import frame_bytes
from playbach.streaming.settings import ProgrammeSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built page of two files, next to a file that must not be served."""
    root = tmp_path_factory.mktemp("built")
    (root / "secret.txt").write_text("secret")
    (root / "page" / "assets").mkdir(parents=True)
    (root / "page" / "index.html").write_text("<!doctype html><title>radio</title>" + " " * 2000)
    (root / "page" / "assets" / "main-abc.js").write_text("console.log(1)")
    return root / "page"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playbach.server.app.page_files", lambda: page.page_files(folder))
        with serving() as running:
            yield running


def get(server: RunningServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, body


def test_the_addresses_respond(server: RunningServer) -> None:
    assert get(server, "/ping")[2] == b"pong"
    models = json.loads(get(server, "/api/models")[2])
    assert [m["name"] for m in models["models"]] == ["tiny"]
    assert models["models"][0]["runtimes"][0] == "onnx"
    assert models["station"]["model"] == "tiny"
    assert json.loads(get(server, "/api/instruments")[2]) == list(instruments.INSTRUMENT_NAMES)


def test_the_page_is_served_plain_and_compressed(server: RunningServer) -> None:
    status, headers, body = get(server, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!doctype html>")
    compressed = get(server, "/", accept_encoding="gzip")
    assert compressed[1]["content-encoding"] == "gzip"
    assert len(compressed[2]) < len(body)
    status, headers, _ = get(server, "/assets/main-abc.js")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/javascript")
    assert "immutable" in headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/assets/../../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/assets/%00", "/assets",
     "//etc/passwd", "/index.html/../../secret.txt", "/assets/main-abc.js/", "/" + "a" * 5000],
)  # fmt: skip
def test_no_path_reaches_the_file_system(server: RunningServer, path: str) -> None:
    status, _, body = get(server, path)
    assert status == 404
    assert b"secret" not in body


def test_every_response_has_the_content_security_policy(server: RunningServer) -> None:
    for path in ("/", "/ping", "/api/models", "/nothing", "/metrics"):
        _, headers, _ = get(server, path)
        policy = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
        assert policy["connect-src"] == f"'self' ws://127.0.0.1:{server.port} wss://127.0.0.1:{server.port}"
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_an_invalid_host_is_left_out_of_the_policy() -> None:
    for host in ("a b", "x;script-src *", "x' 'unsafe-inline'", "", None):
        assert security.content_security_policy(host) == security.POLICY.format(sockets="")


def test_metrics_have_prometheus_format(server: RunningServer) -> None:
    async def listen() -> bytes:
        async with client(server.port, {"type": "start", "seed": 1}) as ws:
            await until(ws, "bar", 2)
            return (await asyncio.to_thread(get, server, "/metrics"))[2]

    text = asyncio.run(listen()).decode()
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r"playbach_\w+(\{quantile=\"[\d.]+\"\})? [\d.e+-]+", line), line
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values["playbach_streams"] == values["playbach_listeners"] == "1"
    assert int(values["playbach_notes_total"]) > 4
    assert float(values['playbach_bar_seconds{quantile="0.5"}']) > 0


def frames(data: bytes) -> list[int]:
    """The position of each frame; fails if there is anything else between them."""
    at, positions = 0, []
    while at + 4 <= len(data):
        length = frame_bytes(data[at : at + 4])
        assert length, f"no frame at {at}"
        positions.append(at)
        at += length
    return positions


def read_live_mp3(server: RunningServer, size: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/live.mp3")
    response = connection.getresponse()
    assert response.getheader("content-type") == "audio/mpeg"
    body = response.read(size)
    connection.close()
    return body


def test_live_mp3_consists_of_whole_frames_also_for_later_listeners(server: RunningServer) -> None:
    first = read_live_mp3(server, 60_000)
    second = read_live_mp3(server, 60_000)
    for body in (first, second):
        assert len(frames(body)) > 100
        sound, rate = soundfile.read(io.BytesIO(body))
        assert rate == 44_100
        assert sound.shape[1] == 2
        assert np.sqrt(np.mean(sound[rate:] ** 2)) > 0.01


def test_live_mp3_begins_with_sound(server: RunningServer) -> None:
    """When the station starts, and for those who join later: no silence until the next note begins."""
    for _ in range(3):
        sound, rate = soundfile.read(io.BytesIO(read_live_mp3(server, 30_000)))
        assert np.sqrt(np.mean(sound[: rate // 4] ** 2)) > 0.01


def test_a_listener_who_does_not_read_live_mp3_is_dropped() -> None:
    """The others are not affected."""

    async def main() -> tuple[list[AudioClient], int]:
        model, runtime, composer = state.find_composer(None, None)
        broadcast = Broadcast(state, Station(state, model, runtime, composer, ProgrammeSettings(1, 4)))
        slow, quick = broadcast.add_client(), broadcast.add_client()
        for number in range(MAX_WAITING_BLOCKS + 1):
            broadcast._send(bytes([number]))
            assert await quick.blocks.get() == bytes([number])
        broadcast.remove_client(slow)
        broadcast.remove_client(quick)
        await broadcast.close()
        return [slow, quick], state.counters.dropped

    state = ServerState(load_models([TINY]))
    (slow, quick), dropped = asyncio.run(main())
    assert slow.dropped.is_set()
    assert not quick.dropped.is_set()
    assert dropped == 1
    assert state.audio_listeners == 0


def test_the_sound_test_has_four_chords(server: RunningServer) -> None:
    status, headers, body = get(server, "/sound-test.mp3")
    assert (status, headers["content-type"]) == (200, "audio/mpeg")
    sound, rate = soundfile.read(io.BytesIO(body))
    for chord in range(4):
        assert np.abs(sound[chord * 2 * rate : (chord * 2 + 1) * rate]).max() > 0.1


def test_without_a_built_page_the_response_says_how_to_build_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("playbach.server.app.page_files", lambda: page.page_files(tmp_path))
    with serving(station=False) as running:
        status, _, body = get(running, "/")
        assert status == 503
        assert page.BUILD_COMMAND in body.decode()
        assert get(running, "/live.mp3")[0] == 404
        assert json.loads(get(running, "/api/models")[2])["station"] is None


def test_serving_imports_no_training_packages() -> None:
    code = (
        "import sys, playbach.server.app, playbach.server.running, playbach.streaming.live_audio; "
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(result.stdout.split()) & {"torch", "matplotlib", "music21", "onnx", "tqdm", "safetensors", "PIL"}
