"""What is needed to have the radio running at home: the container's recipe and the service keep to good practice, and
name what is there."""

from __future__ import annotations

import re

import pytest

from helpers.paths import ROOT
from playbach.cli.main import _parser

DOCKER = (ROOT / "Dockerfile").read_text("utf-8")
UNIT = (ROOT / "packaging" / "playbach.service").read_text("utf-8")
GUIDE = (ROOT / "docs" / "serving.md").read_text("utf-8")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, each with what stands behind it."""
    lines = re.sub(r"\\\n\s*", "", DOCKER).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip() and line[0] != "#"]


def test_images_are_named_by_version_and_slim() -> None:
    stages = [what for name, what in instructions() if name == "FROM"]
    assert stages
    for stage in stages:
        assert re.match(r"\w+:\d[\w.-]*-slim|\w+:\d[\w.-]*slim-\w+", stage), stage
        assert "latest" not in stage


def test_the_last_stage_runs_without_rights_and_says_whether_it_lives() -> None:
    last = instructions()[max(i for i, (name, _) in enumerate(instructions()) if name == "FROM") :]
    names = [name for name, _ in last]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert dict(last)["USER"] != "root"
    assert {"HEALTHCHECK", "VOLUME", "EXPOSE"} <= set(names)
    assert "/ping" in dict(last)["HEALTHCHECK"]
    assert "pip" not in " ".join(what for name, what in last if name == "RUN")


def test_what_is_copied_is_there_and_sent_along() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sent = {line[1:] for line in ignored if line.startswith("!")}
    for name, what in instructions():
        if name == "COPY" and "--from" not in what:
            for source in what.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source.split("/")[0] in sent, source


@pytest.mark.parametrize("command", [re.findall(r"ExecStart=(.+)", UNIT)[0], *re.findall(r"ENTRYPOINT (.+)", DOCKER)])
def test_what_is_run_is_a_command_of_ours(command: str) -> None:
    words = re.findall(r"[\w./-]+", command)
    given = _parser().parse_args(words[1:])
    assert given.host == "0.0.0.0"


def test_the_service_has_no_rights_that_it_does_not_need() -> None:
    settings = dict(line.split("=", 1) for line in UNIT.splitlines() if "=" in line and not line.startswith("#"))
    assert settings["DynamicUser"] == settings["NoNewPrivileges"] == settings["ProtectHome"] == "yes"
    assert settings["ProtectSystem"] == "strict"
    assert settings["CapabilityBoundingSet"] == ""
    assert settings["KillSignal"] == "SIGINT"


def test_the_guide_names_options_and_figures_that_are_there() -> None:
    from playbach.server import metrics
    from playbach.server.state import ServerState, models

    help_of = _parser().format_help() + "".join(_help("serve") + _help("play"))
    for option in set(re.findall(r"`(--[a-z-]+)", GUIDE)):
        assert option in help_of, option
    figures = metrics.text(ServerState(models([ROOT / "tests" / "golden" / "tiny.playbach"])), None)
    table = GUIDE[GUIDE.index("| name (`playbach_") :]
    for name in re.findall(r"`([a-z_]+)`", table[: table.index("## On this")])[1:]:
        assert f"playbach_{name}" in figures, name


def _help(command: str) -> str:
    [commands] = [a for a in _parser()._actions if a.choices]
    return str(commands.choices[command].format_help())  # type: ignore[index,call-overload]
