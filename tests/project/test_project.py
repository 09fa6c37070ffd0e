"""The project's own files agree: version and changelog; the style checks, pre-commit and the workflow."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import playbach

ROOT = Path(__file__).parent.parent.parent
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
in_the_repository = pytest.mark.skipif(not WORKFLOWS, reason="an sdist has no workflows and no pre-commit")


def loaded(path: Path) -> Any:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra `dev`")
    return yaml.safe_load(path.read_text("utf-8"))


def test_the_changelog_has_the_usual_form() -> None:
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.M)
    if headings[0] == "[Unreleased]":
        headings.pop(0)
    dates = []
    for heading in headings:
        match = re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)", heading)
        assert match, heading
        dates.append(datetime.date.fromisoformat(match[1]))
    assert dates == sorted(dates, reverse=True)
    for kind in re.findall(r"^### (.+)$", CHANGELOG, re.M):
        assert kind in KINDS


def test_the_newest_version_of_the_changelog_is_this_one() -> None:
    newest = re.findall(r"^## \[(\d.+)\]", CHANGELOG, re.M)[0]
    assert playbach.__version__ == newest


def test_constraints_pin_everything_the_project_names() -> None:
    """Otherwise pip could choose a version that has not been tested."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = {name_of(line) for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line}
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (requirement for group in groups for requirement in group):
        assert name_of(requirement) in pinned | {"playbach"}, requirement


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


@in_the_repository
def test_the_style_checks_are_listed_once() -> None:
    """.ci/run, pre-commit and the workflow call .ci/style, and none has a check of its own."""
    [repository] = loaded(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert hooks["style"]["entry"] == "bash .ci/style"
    assert hooks["style"]["always_run"]
    assert hooks["web"]["entry"] in (ROOT / ".ci" / "run").read_text("utf-8")
    assert "run: bash .ci/style" in "".join(path.read_text("utf-8") for path in WORKFLOWS)
    for path in (ROOT / ".ci" / "run", *WORKFLOWS):
        text = re.sub(r"#.*", "", path.read_text("utf-8"))
        assert not re.search(r"\b(ruff|mypy|lint-imports|zizmor|check-jsonschema)\b", text), path
    assert "bash .ci/style" in (ROOT / ".ci" / "run").read_text("utf-8")


@in_the_repository
def test_the_workflow_tests_what_the_package_promises() -> None:
    [matrix] = [
        job["strategy"]["matrix"]
        for path in WORKFLOWS
        for job in loaded(path)["jobs"].values()
        if "torch" in job.get("strategy", {}).get("matrix", {})
    ]
    assert [name.partition("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert matrix["torch"] == ["with", "without"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["requires-python"] == f">={matrix['python'][0]}"
