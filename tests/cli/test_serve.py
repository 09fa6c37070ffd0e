"""`playbach serve`: where it listens, what it prints, what it refuses, and that Ctrl-C ends it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from helpers.paths import GOLDEN
from playbach.cli import serve
from playbach.cli.main import main

TINY = GOLDEN / "tiny.playbach"


def started(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """The command on a free port, and the first line that it prints."""
    command = [sys.executable, "-m", "playbach", "serve", str(TINY), "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_it_serves_on_loopback_until_ctrl_c() -> None:
    process, address = started("--seed", "5")
    try:
        assert address.startswith("http://127.0.0.1:")
        connection = http.client.HTTPConnection(address[7:].rstrip("/"), timeout=30)
        connection.request("GET", "/api/models")
        assert json.loads(connection.getresponse().read())["models"][0]["name"] == "tiny"
        connection.close()
    finally:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "station: tiny, seed 5" in told
    assert "Traceback" not in told


def test_ctrl_c_ends_it_in_peace_while_somebody_hears_live_mp3() -> None:
    process, address = started("--seed", "5")
    connection = http.client.HTTPConnection(address[7:].rstrip("/"), timeout=30)
    try:
        connection.request("GET", "/live.mp3")
        assert len(connection.getresponse().read(1000)) == 1000
    finally:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        connection.close()
    assert process.returncode == 0
    assert told.splitlines() == ["station: tiny, seed 5"]


def test_elsewhere_it_says_what_to_type_and_draws_it() -> None:
    process, address = started("--host", "0.0.0.0")
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert address.startswith("http://")
    assert "█" in told
    assert "anybody who reaches this computer" in told


def test_own_addresses_are_not_loopback_where_there_are_others() -> None:
    for address in serve.own_addresses():
        socket.inet_aton(address)
    assert len(serve.own_addresses()) == 1 or "127.0.0.1" not in serve.own_addresses()


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["no-such-model"], 1, "no such model"),
        (["--port", "70000"], 2, "--port"),
        (["--bars", "2"], 2, "bars"),
        (["--tempo", "9"], 2, "tempo"),
        (["--temperature", "9"], 2, "temperature"),
        (["--no-station", "--seed", "3"], 2, "--no-station"),
        (["--origin", "radio.example"], 2, "--origin"),
        (["--host", "192.0.2.77"], 1, "--host"),
        (["--streams", "-1"], 2, "streams"),
        (["--soundfont", os.devnull], 1, "soundfont"),
        ([str(TINY), str(TINY)], 2, "two models"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    arguments: list[str], status: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", *arguments]) == status
    told = capsys.readouterr().err.strip().splitlines()
    assert word in told[-1]
    assert told[-1].startswith("playbach: ")


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "--port" in capsys.readouterr().err
