"""The files for running a server at home: the Dockerfile and the systemd unit follow good practice, and what they and
docs/serving.md name exists."""

from __future__ import annotations

import re

import pytest

from helpers.paths import ROOT
from playbach.cli.main import build_parser

DOCKER = (ROOT / "Dockerfile").read_text("utf-8")
UNIT = (ROOT / "packaging" / "playbach.service").read_text("utf-8")
GUIDE = (ROOT / "docs" / "serving.md").read_text("utf-8")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, as (name, arguments)."""
    lines = re.sub(r"\\\n\s*", "", DOCKER).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip() and line[0] != "#"]


def test_base_images_are_slim_and_have_a_version() -> None:
    stages = [arguments for name, arguments in instructions() if name == "FROM"]
    assert stages
    for stage in stages:
        assert re.match(r"\w+:\d[\w.-]*-slim|\w+:\d[\w.-]*slim-\w+", stage), stage
        assert "latest" not in stage


def test_the_last_stage_is_not_run_by_root_and_has_a_health_check() -> None:
    last = instructions()[max(i for i, (name, _) in enumerate(instructions()) if name == "FROM") :]
    names = [name for name, _ in last]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert dict(last)["USER"] != "root"
    assert {"HEALTHCHECK", "VOLUME", "EXPOSE"} <= set(names)
    assert "/ping" in dict(last)["HEALTHCHECK"]
    assert "pip" not in " ".join(arguments for name, arguments in last if name == "RUN")


def test_copied_files_exist_and_are_in_the_build_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    context = {line[1:] for line in ignored if line.startswith("!")}
    for name, arguments in instructions():
        if name == "COPY" and "--from" not in arguments:
            for source in arguments.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source.split("/")[0] in context, source


@pytest.mark.parametrize("command", [re.findall(r"ExecStart=(.+)", UNIT)[0], *re.findall(r"ENTRYPOINT (.+)", DOCKER)])
def test_the_command_line_is_valid(command: str) -> None:
    words = re.findall(r"[\w./-]+", command)
    assert build_parser().parse_args(words[1:]).host == "0.0.0.0"


def test_the_service_has_only_the_rights_that_it_needs() -> None:
    settings = dict(line.split("=", 1) for line in UNIT.splitlines() if "=" in line and not line.startswith("#"))
    assert settings["DynamicUser"] == settings["NoNewPrivileges"] == settings["ProtectHome"] == "yes"
    assert settings["ProtectSystem"] == "strict"
    assert settings["CapabilityBoundingSet"] == ""
    assert settings["KillSignal"] == "SIGINT"


def test_the_guide_names_existing_options_and_metrics() -> None:
    from playbach.server.metrics import metrics_text
    from playbach.server.state import ServerState, load_models

    help_text = build_parser().format_help() + "".join(_help("serve") + _help("play"))
    for option in set(re.findall(r"`(--[a-z-]+)", GUIDE)):
        assert option in help_text, option
    metrics = metrics_text(ServerState(load_models([ROOT / "tests" / "golden" / "tiny.playbach"])), None)
    table = GUIDE[GUIDE.index("| metric (`playbach_") :]
    for name in re.findall(r"`([a-z_]+)`", table[: table.index("\n## ")])[1:]:
        assert f"playbach_{name}" in metrics, name


def _help(command: str) -> str:
    [commands] = [a for a in build_parser()._actions if a.choices]
    return str(commands.choices[command].format_help())  # type: ignore[index,call-overload]
