"""The radio's addresses: what they answer, with which headers, and that no path reaches the file system."""

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

from helpers.running_server import TINY, Running, client, serving, until
from playbach.music import instruments
from playbach.server import page, security
from playbach.server.broadcast import MOST_UNREAD, AudioClient, Broadcast
from playbach.server.state import ServerState, models
from playbach.server.station import Station
from playbach.streaming import Settings
from playbach.streaming.live_mix import frame_bytes
from playbach.system.errors import UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two files, beside something that is nobody's business."""
    made = tmp_path_factory.mktemp("built")
    (made / "secret.txt").write_text("secret")
    (made / "page" / "assets").mkdir(parents=True)
    (made / "page" / "index.html").write_text("<!doctype html><title>radio</title>" + " " * 2000)
    (made / "page" / "assets" / "main-abc.js").write_text("console.log(1)")
    return made / "page"


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playbach.server.app.files", lambda: page.files(folder))
        with serving() as running:
            yield running


def get(house: Running, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body


def test_the_addresses_answer(house: Running) -> None:
    assert get(house, "/ping")[2] == b"pong"
    models = json.loads(get(house, "/api/models")[2])
    assert [m["name"] for m in models["models"]] == ["tiny"]
    assert models["models"][0]["runtimes"][0] == "onnx"
    assert models["station"]["model"] == "tiny"
    assert json.loads(get(house, "/api/instruments")[2]) == list(instruments.NAMES)
    status, headers, body = get(house, "/soundfont")
    assert (status, body[:4]) == (200, b"RIFF")
    assert get(house, "/soundfont", if_none_match=headers["etag"])[0] == 304


def test_the_page_is_served_whole_and_packed(house: Running) -> None:
    status, headers, body = get(house, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!doctype html>")
    packed = get(house, "/", accept_encoding="gzip")
    assert packed[1]["content-encoding"] == "gzip"
    assert len(packed[2]) < len(body)
    status, headers, _ = get(house, "/assets/main-abc.js")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/javascript")
    assert "immutable" in headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/assets/../../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/assets/%00", "/assets",
     "//etc/passwd", "/index.html/../../secret.txt", "/assets/main-abc.js/", "/" + "a" * 5000],
)  # fmt: skip
def test_no_path_reaches_the_file_system(house: Running, path: str) -> None:
    status, _, body = get(house, path)
    assert status == 404
    assert b"secret" not in body


def test_every_answer_carries_the_policy(house: Running) -> None:
    for path in ("/", "/ping", "/api/models", "/nothing", "/metrics"):
        _, headers, _ = get(house, path)
        policy = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
        assert policy["connect-src"] == f"'self' ws://127.0.0.1:{house.port} wss://127.0.0.1:{house.port}"
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_a_host_that_is_nonsense_does_not_get_into_the_policy() -> None:
    for host in ("a b", "x;script-src *", "x' 'unsafe-inline'", "", None):
        assert security.policy(host) == security.POLICY.format(sockets="")


def test_on_loopback_it_answers_to_no_other_name(house: Running) -> None:
    """Else a page whose name is made to point here could read what it says."""
    assert get(house, "/api/models", host="evil.example")[0] == 403
    assert get(house, "/api/models", host=f"localhost:{house.port}")[0] == 200


def test_origins_are_origins() -> None:
    assert security.origins(["https://radio.example/"]) == ("https://radio.example",)
    for wrong in ("radio.example", "ftp://x", "https://x/folder"):
        with pytest.raises(UsageError, match="--origin"):
            security.origins([wrong])


def test_metrics_are_prometheus(house: Running) -> None:
    async def listen() -> bytes:
        async with client(house.port, {"type": "start", "seed": 1}) as ws:
            await until(ws, "bar", 2)
            return (await asyncio.to_thread(get, house, "/metrics"))[2]

    text = asyncio.run(listen()).decode()
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r"playbach_\w+(\{quantile=\"[\d.]+\"\})? [\d.e+-]+", line), line
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert figures["playbach_streams"] == figures["playbach_listeners"] == "1"
    assert int(figures["playbach_notes_total"]) > 4
    assert float(figures['playbach_bar_seconds{quantile="0.5"}']) > 0


def frames(data: bytes) -> list[int]:
    """Where each frame begins; fails where something else lies between."""
    at, found = 0, []
    while at + 4 <= len(data):
        length = frame_bytes(data[at : at + 4])
        assert length, f"no frame at {at}"
        found.append(at)
        at += length
    return found


def heard(house: Running, size: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
    connection.request("GET", "/live.mp3")
    answer = connection.getresponse()
    assert answer.getheader("content-type") == "audio/mpeg"
    body = answer.read(size)
    connection.close()
    return body


def test_live_mp3_is_whole_frames_of_music_that_late_comers_share(house: Running) -> None:
    first = heard(house, 60_000)
    second = heard(house, 60_000)
    for body in (first, second):
        assert len(frames(body)) > 100
        sound, rate = soundfile.read(io.BytesIO(body))
        assert rate == 44_100
        assert sound.shape[1] == 2
        assert np.sqrt(np.mean(sound[rate:] ** 2)) > 0.01


def test_who_does_not_read_live_mp3_is_dropped() -> None:
    """And the others go on."""

    async def main() -> tuple[list[AudioClient], int]:
        model, runtime, composer = house_.composer(None, None)
        radio = Broadcast(house_, Station(house_, model, runtime, composer, Settings(1, 4)))
        slow, quick = radio.come(), radio.come()
        for number in range(MOST_UNREAD + 1):
            radio._send(bytes([number]))
            assert await quick.blocks.get() == bytes([number])
        radio.go(slow)
        radio.go(quick)
        await radio.close()
        return [slow, quick], house_.counts.dropped

    house_ = ServerState(models([TINY]))
    (slow, quick), dropped = asyncio.run(main())
    assert slow.dropped.is_set()
    assert not quick.dropped.is_set()
    assert dropped == 1
    assert house_.audio == 0


def test_the_sound_test_sounds(house: Running) -> None:
    status, headers, body = get(house, "/sound-test.mp3")
    assert (status, headers["content-type"]) == (200, "audio/mpeg")
    sound, rate = soundfile.read(io.BytesIO(body))
    for chord in range(4):
        assert np.abs(sound[chord * 2 * rate : (chord * 2 + 1) * rate]).max() > 0.1


def test_without_a_page_it_says_the_one_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("playbach.server.app.files", lambda: page.files(tmp_path))
    with serving(station=False) as running:
        status, _, body = get(running, "/")
        assert status == 503
        assert page.BUILD in body.decode()
        assert get(running, "/live.mp3")[0] == 404
        assert json.loads(get(running, "/api/models")[2])["station"] is None


def test_serving_imports_nothing_heavy() -> None:
    code = (
        "import sys, playbach.server.app, playbach.server.running, playbach.streaming.live_audio; "
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "matplotlib", "music21", "onnx", "tqdm", "safetensors", "PIL"}
