"""NOTICE names every part that the package carries, and is in the package."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from playbach.bundles import bundle as bundles
from playbach.rendering.soundfont import SoundFont, default_soundfont
from playbach.rendering.soundfont_parts import font_index

ROOT = Path(__file__).parent.parent.parent
NOTICE = (ROOT / "NOTICE").read_text("utf-8")


def page_packages() -> list[str]:
    """The npm packages of which the built page consists, also those on which they depend."""
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text("utf-8"))["packages"]
    installed = {path.removeprefix("node_modules/"): entry for path, entry in lock.items() if path}
    return sorted(name for name, entry in installed.items() if not entry.get("dev"))


def test_the_page_has_the_packages_that_it_asks_for() -> None:
    wanted = json.loads((ROOT / "web" / "package.json").read_text("utf-8"))["dependencies"]
    assert set(wanted) <= set(page_packages())


@pytest.mark.parametrize("name", page_packages())
def test_every_package_of_the_page_is_named(name: str) -> None:
    assert any(line.startswith(f"{name} ") for line in NOTICE.splitlines())


@pytest.mark.parametrize("name", sorted(bundles.shipped_models()))
def test_every_shipped_model_is_named(name: str) -> None:
    assert any(line.startswith(f"{name} ") for line in NOTICE.splitlines())


def test_the_soundfont_is_named_with_its_terms_as_the_page_tells_them() -> None:
    font = font_index(SoundFont(default_soundfont()))["font"]
    assert f"{font['name']}.sf2" in NOTICE
    assert font["author"] in NOTICE
    assert font["termsAddress"] in NOTICE
    for text in ("README.md", "docs/dependencies.md", "docs/radio-page.md"):
        assert "GPL" in (ROOT / text).read_text("utf-8"), text


def test_the_package_has_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license-files"] == ["LICENSE", "NOTICE"]
