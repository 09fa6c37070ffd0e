"""Installing builds the radio's page where that is possible, and never fails because of it."""

from __future__ import annotations

import importlib.util
import os
import stat
from pathlib import Path
from types import ModuleType

import pytest

from helpers.paths import ROOT

SETUP = ROOT / "setup.py"


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """setup.py for a checkout with a page's source and a fake npm that records its arguments."""
    spec = importlib.util.spec_from_file_location("page_setup", SETUP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "web" / "src").mkdir(parents=True)
    (tmp_path / "web" / "package.json").write_text("{}")
    (tmp_path / "web" / "src" / "main.ts").write_text("")
    monkeypatch.setattr(module, "WEB", tmp_path / "web")
    monkeypatch.setattr(module, "PAGE", tmp_path / "page" / "index.html")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("PLAYBACH_NO_PAGE", raising=False)
    return module


def npm(tmp_path: Path, script: str) -> None:
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / "npm"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_page_is_built_where_it_is_older_than_its_source(setup: ModuleType, tmp_path: Path) -> None:
    npm(tmp_path, f'echo "$1" >> {tmp_path}/told')
    setup.build_page()
    assert (tmp_path / "told").read_text().split() == ["ci", "run"]
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("")
    (tmp_path / "web" / "node_modules").mkdir()
    setup.build_page()
    assert (tmp_path / "told").read_text().split() == ["ci", "run"]
    os.utime(tmp_path / "page" / "index.html", (1, 1))
    setup.build_page()
    assert (tmp_path / "told").read_text().split() == ["ci", "run", "run"]


@pytest.mark.parametrize("script", [None, "exit 1", "kill -9 $$"])
def test_without_the_page_it_goes_on(
    setup: ModuleType, tmp_path: Path, script: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    if script is not None:
        npm(tmp_path, script)
    setup.build_page()
    assert "the radio's page" in capfd.readouterr().err


def test_it_can_be_left_out(setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(tmp_path, f'echo "$1" >> {tmp_path}/told')
    monkeypatch.setenv("PLAYBACH_NO_PAGE", "1")
    setup.build_page()
    assert not (tmp_path / "told").exists()
