"""The command `playbach serve`: its addresses, output, errors and end."""

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
from playbach.cli.main import main

TINY = GOLDEN / "tiny.playbach"


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start the command on a free port; return the process and the first line that it prints."""
    command = [sys.executable, "-m", "playbach", "serve", str(TINY), "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_it_serves_on_loopback_until_ctrl_c() -> None:
    process, address = start("--seed", "5")
    try:
        assert address.startswith("http://127.0.0.1:")
        connection = http.client.HTTPConnection(address[7:].rstrip("/"), timeout=30)
        connection.request("GET", "/api/models")
        assert json.loads(connection.getresponse().read())["models"][0]["name"] == "tiny"
        connection.close()
    finally:
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "station: tiny, seed 5" in printed
    assert "Traceback" not in printed


def test_ctrl_c_ends_it_cleanly_while_live_mp3_is_playing() -> None:
    process, address = start("--seed", "5")
    connection = http.client.HTTPConnection(address[7:].rstrip("/"), timeout=30)
    try:
        connection.request("GET", "/live.mp3")
        assert len(connection.getresponse().read(1000)) == 1000
    finally:
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=30)
        connection.close()
    assert process.returncode == 0
    lines = [line for line in printed.splitlines() if "page is not built" not in line]
    assert lines == ["station: tiny, seed 5"]


def test_on_all_interfaces_it_prints_the_address_and_a_qr_code() -> None:
    process, address = start("--host", "0.0.0.0")
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=30)
    assert address.startswith("http://")
    assert "█" in printed
    assert "every device that can reach this computer" in printed


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
def test_an_error_is_one_line(
    arguments: list[str], status: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", *arguments]) == status
    printed = capsys.readouterr().err.strip().splitlines()
    assert word in printed[-1]
    assert printed[-1].startswith("playbach: ")


def test_a_port_in_use_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "--port" in capsys.readouterr().err
