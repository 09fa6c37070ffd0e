"""The page's engine draws exactly the symbols of the integer reference, and refuses models that it cannot run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.paths import ROOT
from playbach.bundles import bundle as bundles
from playbach.bundles.bundle import Bundle
from playbach.export import web
from playbach.export.c import music
from playbach.export.integer import IntegerSampling, Pcg32, compose
from playbach.export.web.sections import write_sections
from playbach.system.errors import BundleError, UsageError

NODE = shutil.which("node")
BUILT = resources.files("playbach").joinpath("export", "web", "built")
STEPS = ROOT / "tests" / "helpers" / "engine_steps.mjs"
needs_engine = pytest.mark.skipif(
    NODE is None or not all(BUILT.joinpath(name).is_file() for name in web.ENGINE_FILES.values()),
    reason="needs Node and the built engine (clang and lld)",
)
SHIPPED = ("bach-chorales", "bach-pocket", "folk")


def run_engine(encoding: str, fields: int, model: bytes, folder: Path, *numbers: int) -> Any:
    path = folder / "a.model"
    path.write_bytes(model)
    engine = BUILT.joinpath(web.ENGINE_FILES[encoding])
    command = [str(NODE), str(STEPS), str(engine), str(path), str(fields), *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def reference(bundle: Bundle, seed: int, steps: int, sampling: IntegerSampling, bars: int) -> list[int]:
    """The symbols of the integer reference, after the number of the header that it begins with."""
    encoding, random = bundle.encoding(), Pcg32(seed)
    counts = music.commonest_beginnings(encoding)
    ends = np.cumsum(list(counts.values()))
    number = int(np.searchsorted(ends, random() * int(ends[-1]) >> 32, side="right"))
    beginning = list(counts)[number]
    header = next(h for h, _ in encoding.headers if music.beginning_of(encoding, h) == beginning)
    composed = compose(web.quantise(bundle), encoding.decoder(header, bars or None), sampling, random)
    return [number, *(int(symbol) for step, _ in islice(composed, steps) for symbol in step)]


@needs_engine
@pytest.mark.parametrize("name", SHIPPED)
def test_the_engine_draws_the_references_symbols(name: str, tmp_path: Path) -> None:
    bundle = bundles.read(bundles.find(name))
    encoding, model = bundle.encoding(), web.model_file(bundle)
    for seed, steps, temperature, top_p, bars in ((7, 1000, 256, 65536, 0), (8, 300, 230, 60000, 6)):
        printed = run_engine(
            encoding.name, len(encoding.fields), model, tmp_path, seed, steps, temperature, top_p, bars
        )
        assert json.loads(printed) == reference(bundle, seed, steps, IntegerSampling(temperature, top_p), bars)


@needs_engine
def test_the_engine_refuses_a_damaged_model(tmp_path: Path) -> None:
    model = web.model_file(bundles.read(bundles.find("bach-pocket")))
    for damaged in (model[:-2000], model[:40], b"", b"RIFF" + model[4:], model[:8] + b"\xff" * 4 + model[12:]):
        assert run_engine("chorale", 1, damaged, tmp_path, 1, 1, 256, 65536, 0) == "damaged"
    assert run_engine("notes", 1, model, tmp_path, 1, 1, 256, 65536, 0) == "damaged"  # another engine's model


def test_models_that_the_engine_cannot_run_are_refused_with_the_reason(
    bands_bundle: Path, chorales_bundle: Path
) -> None:
    with pytest.raises(UsageError, match="not with events; use playbach serve"):
        web.model_file(bundles.read(bands_bundle))
    with pytest.raises(UsageError, match="runs lstm networks, not transformer; use playbach serve, or train"):
        web.model_file(bundles.read(chorales_bundle))


def test_the_model_file_is_the_same_each_time() -> None:
    bundle = bundles.read(bundles.find("bach-pocket"))
    assert web.model_file(bundle) == web.model_file(bundle)


@given(st.dictionaries(st.text("abc_", min_size=1, max_size=9), st.binary(max_size=40), max_size=5))
@settings(max_examples=30)
def test_every_section_begins_at_a_multiple_of_16_bytes(sections: dict[str, bytes]) -> None:
    file = write_sections(sections)
    for number, content in enumerate(sections.values()):
        start, size = np.frombuffer(file, "<u4", 2, 12 + 40 * number + 32)
        assert start % 16 == 0 and file[start : start + size] == content


def test_damaged_weights_are_refused(chorales_bundle: Path) -> None:
    from playbach.bundles.weights import read_weights

    weights = bundles.read(chorales_bundle).weights
    assert {"heads.symbols.0.weight"} < set(read_weights(weights, "a"))
    for damaged in (weights[:100], weights[:-100], b"", b"\xff" * 8 + weights[8:]):
        with pytest.raises(BundleError, match="its weights are damaged"):
            read_weights(damaged, "a")


def test_what_the_pages_tests_compare_with_is_current() -> None:
    script = ROOT / "web" / "test" / "engine" / "make_fixtures.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, f"run python web/test/engine/make_fixtures.py\n{done.stderr}"
