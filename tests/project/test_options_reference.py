"""The documentation of options agrees with the program: docs/options.md, the help texts, and the prose."""

from __future__ import annotations

import argparse
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from helpers.paths import ROOT
from playbach.cli.main import build_parser

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
OTHER_PROGRAMS = {"--prefix", "--no-deps", "--logdir", "--nproc-per-node", "--shutdown-timeout"}
"""Options of pip, torchrun and TensorBoard that the pages name."""


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    [commands] = [action for action in build_parser()._actions if isinstance(action.choices, dict)]
    return dict(commands.choices)


def options_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {option: action for action in parser._actions for option in action.option_strings}


def spans(page: Path) -> Iterator[str]:
    """Each line of the page's code blocks, without its comment, and each text in backticks."""
    text = page.read_text("utf-8")
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            yield line.partition("  #")[0].strip()
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """Each command of playbach on the page, and what follows it."""
    for span in spans(page):
        for command, rest in re.findall(r"(?:^|[/\s])playbach (\w+)\b([^|&;]*)", span):
            if command in parsers():
                yield command, rest


def test_the_reference_is_current() -> None:
    pytest.importorskip("torch")
    script = ROOT / "docs" / "make_options.py"
    spec = importlib.util.spec_from_file_location("make_options", script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page(), "run python docs/make_options.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_on_a_page_have_their_options(page: Path) -> None:
    for command, rest in commands(page):
        known = options_of(parsers()[command]) | options_of(build_parser())
        unknown = [option for option in OPTION.findall(rest) if option not in known]
        assert not unknown, f"playbach {command}{rest}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_networks_that_a_page_trains_have_their_options(page: Path) -> None:
    from playbach.models import MODELS
    from playbach.training.options import TrainOptions

    names = {name for model in MODELS.values() for name in model.options.__dataclass_fields__}
    for command, rest in commands(page):
        model = re.search(r"--model (\w+)", rest)
        if command != "train" or "--config" in rest or (model and model[1] not in MODELS):
            continue
        fields = MODELS[model[1] if model else TrainOptions().model].options.__dataclass_fields__
        for option in OPTION.findall(rest):
            name = option[2:].replace("-", "_")
            assert name not in names or name in fields, f"playbach train{rest}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_options_that_a_page_names_alone_exist(page: Path) -> None:
    scripts = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "packaging").glob("*.py"), *(ROOT / "docs").glob("*.py"),
               *(ROOT / "tests").rglob("*.py")]  # fmt: skip
    known = set(
        re.findall(r'add_argument\(\s*"(--[a-z-]+)"', " ".join(script.read_text("utf-8") for script in scripts))
    )
    known |= {*OTHER_PROGRAMS, *options_of(build_parser())}.union(*map(options_of, parsers().values()))
    for span in spans(page):
        for option in OPTION.findall(span) if span.startswith("--") else ():
            assert option in known, option


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_defaults_in_the_prose_are_true(page: Path) -> None:
    """Checks claims such as "`--patience` (default 12)" and "`--dropout 0.4` is the default".

    Where the architectures' defaults differ, a claim is about the default architecture unless it names another.
    """
    defaults: dict[str, list[tuple[str, float]]] = {}
    for parser in parsers().values():
        for option, action in options_of(parser).items():
            text = str(action.help).replace("%(default)s", str(action.default))
            only = re.search(r"(\w+) only; default", text)
            for name, value in re.findall(r"(?:(\w+) )?(\d+(?:\.\d+)?)(?=[,)])", text.partition("default: ")[2]):
                defaults.setdefault(option, []).append((only[1] if only else name, float(value)))
    text = " ".join(re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S).split())
    for clause in re.split(r"[;:|]|\. ", text):
        claims = re.findall(r"`(--[a-z-]+)(?: [A-Z]+)?`[^`]{0,40}\((?:default:? )?(\d+(?:\.\d+)?)\)", clause)
        if re.search(r"\bdefaults?\b", clause):
            claims += re.findall(r"`(--[a-z-]+) (\d+(?:\.\d+)?)`", clause)
        named = [word for word in ("lstm", "transformer", "attention", "cnn") if word in clause.lower()]
        for option, value in claims:
            known = {number for name, number in defaults[option] if name in (*(named or ["lstm"]), "")}
            assert float(value) in known, f"{clause.strip()!r}: {option} has the defaults {defaults[option]}"


def test_the_default_model_in_the_help_texts_is_the_programs() -> None:
    from playbach.bundles.bundle import DEFAULT_MODEL

    for command in ("compose", "play", "serve"):
        [model] = [action for action in parsers()[command]._actions if action.metavar == "MODEL"]
        assert str(model.help).endswith(f"(default: {DEFAULT_MODEL})")
