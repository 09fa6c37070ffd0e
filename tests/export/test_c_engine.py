"""The C engine computes what the integer reference computes, every number; a whole export is a folder that builds.

Needs a C compiler; what has none is skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from golden import make
from helpers import integer_networks
from helpers.integer_networks import CASES
from playbach.bundles import bundle as bundles
from playbach.export import c
from playbach.export.c import network as network_files
from playbach.export.integer import IntegerNetwork, IntegerSampling, Pcg32, compose, draw
from playbach.system.errors import UsageError

GOLDEN = make.HERE
CC, CXX = shutil.which("cc"), shutil.which("c++")
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
CAREFUL = ["-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
needs_compiler = pytest.mark.skipif(CC is None, reason="there is no C compiler (cc)")


def built(folder: Path, *sources: str, flags: list[str] = CAREFUL, compiler: str | None = CC) -> Path:
    assert compiler is not None
    program = folder / "program"
    command = [compiler, *flags, *STRICT, "-o", str(program), *(str(folder / s) for s in sources)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def written(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def run(program: Path, *arguments: object) -> bytes:
    done = subprocess.run([str(program), *map(str, arguments)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


# ------------------------------------------------------------------------------------------------- the network


def walked(network: IntegerNetwork, steps: int, sampling: IntegerSampling) -> np.ndarray:
    """What golden/walk.c writes, but for its first number."""
    random, found = Pcg32(1, 2), []
    for step in range(steps):
        if step % 400 == 0:
            previous, state = np.array(network.symbols), network.start(1)
        context = np.array([random() % n for n in network.context], int)
        logits, state = network.step(previous[None], context[None], state)
        found.append(logits[0])
        symbols = []
        for field in network.split(logits[0]):
            mask = np.array([random() % 4 != 0 for _ in field])
            mask[random() % len(field)] = True
            symbols.append(draw(field, mask, sampling, random))
        previous = np.array(symbols)
        found.append(previous)
    return np.concatenate(found)


@needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_every_logit_and_every_symbol_is_the_references(case: str, tmp_path: Path) -> None:
    network = integer_networks.network(case)
    files = network_files.files(network, case)
    walk = {"walk.c": (GOLDEN / "walk.c").read_bytes()}
    program = built(written({**files, **walk}, tmp_path), "walk.c", "playbach.c")
    steps = 1000
    for sampling in (IntegerSampling(), IntegerSampling(300, 55000)):
        printed = run(program, steps, sampling.temperature, sampling.top_p, *network.context)
        size, *found = np.frombuffer(printed, np.int32)
        assert size == network_files.ram(network)
        assert np.array_equal(found, walked(network, steps, sampling))
        steps = 300


@needs_compiler
def test_the_best_symbol_and_far_ones_are_drawn_as_in_the_reference(tmp_path: Path) -> None:
    network = integer_networks.network("no context")
    walk = {"walk.c": (GOLDEN / "walk.c").read_bytes()}
    program = built(written({**network_files.files(network, "a"), **walk}, tmp_path), "walk.c", "playbach.c")
    for sampling in (IntegerSampling(0, 60000), IntegerSampling(1, 1), IntegerSampling(2560, 65535)):
        printed = run(program, 50, sampling.temperature, sampling.top_p)
        assert np.array_equal(np.frombuffer(printed, np.int32)[1:], walked(network, 50, sampling))


@pytest.mark.skipif(CXX is None, reason="there is no C++ compiler (c++)")
@pytest.mark.parametrize("case", ["two layers", "onehot", "cnn"])
def test_the_engine_is_c_plus_plus_too(case: str, tmp_path: Path) -> None:
    files = network_files.files(integer_networks.network(case), case)
    written(files, tmp_path)
    shutil.copy(tmp_path / "playbach.c", tmp_path / "playbach.cpp")
    main = '#include "playbach.h"\nstatic pb_network n;\nint main() { pb_start(&n); return (int)n.logits[0]; }\n'
    (tmp_path / "main.cpp").write_text(main)
    run(built(tmp_path, "main.cpp", "playbach.cpp", flags=["-std=c++11"], compiler=CXX))
    # As Arduino has it: the engine in C, the sketch in C++.
    built(tmp_path, "main.cpp", "playbach.c", flags=["-std=gnu++11", "-x", "c++"], compiler=CXX)


ARM = shutil.which("arm-none-eabi-gcc")


@pytest.mark.skipif(ARM is None, reason="there is no compiler for the Cortex-M (arm-none-eabi-gcc)")
@pytest.mark.parametrize("case", ["two layers", "onehot", "cnn"])
@pytest.mark.parametrize("level", ["-Os", "-O2"])
def test_the_cortex_ms_compiler_finds_no_fault_either(case: str, level: str, tmp_path: Path) -> None:
    """It looks at loops with other eyes than the host's."""
    written(network_files.files(integer_networks.network(case), case), tmp_path)
    built(tmp_path, "playbach.c", flags=["-std=c99", level, "-mcpu=cortex-m4", "-mthumb", "-c"], compiler=ARM)


# -------------------------------------------------------------------------------------------- the whole folder


def tiny() -> tuple[Any, IntegerNetwork, dict[str, bytes]]:
    bundle = bundles.read(make.BUNDLE)
    weights = load(bundle.members[bundles.WEIGHTS])
    # An LSTM's ranges are all known: nothing is calibrated.
    calibration = np.zeros((1, 1), int), np.zeros((1, len(bundle.encoding().context)), int)
    network = c.quantised(bundle, weights, calibration)
    return bundle, network, c.files(bundle, weights, calibration, "cortex-m4")


def test_the_reference_composes_what_it_did() -> None:
    assert make.tokens() == make.TOKENS.read_text("utf-8")


TOKENS = """
#include <stdio.h>
#include <string.h>
#include "music.h"
#include "playbach.h"
static pb_network network;
static pb_music music;
int main(void) {
  uint16_t previous[PB_FIELDS], context[PB_CONTEXTS + 1];
  uint8_t mask[PB_MOST_SYMBOLS];
  pb_event events[PB_MOST_EVENTS];
  pb_sampling sampling = {PB_TEMPERATURE_Q8, PB_TOP_P_Q16};
  pb_pcg32_state random;
  pb_pcg32_seed(&random, SEED, 0);
  pb_begin(&music, 0, 0);
  pb_start(&network);
  memcpy(previous, pb_symbols, sizeof previous);
  for (int step = 0; step < 1000; step++) {
    pb_context(&music, context);
    pb_step(&network, previous, context);
    for (uint8_t f = 0; f < PB_FIELDS; f++) {
      pb_allowed(&music, f, 1, mask);
      previous[f] = pb_draw(pb_logits(&network, f), mask, pb_symbols[f], &sampling, pb_pcg32, &random,
                            network.weights);
    }
    printf("%u\\n", previous[0]);
    pb_feed(&music, previous, events);
  }
  return 0;
}
"""


@needs_compiler
def test_a_thousand_symbols_are_the_golden_ones(tmp_path: Path) -> None:
    _, _, files = tiny()
    main = TOKENS.replace("SEED", str(make.SEED)).encode()
    program = built(written({**files, "tokens.c": main}, tmp_path), "tokens.c", "playbach.c", "music.c")
    assert run(program).decode() == make.TOKENS.read_text("utf-8")


@needs_compiler
def test_the_example_prints_the_references_notes(tmp_path: Path) -> None:
    bundle, network, files = tiny()
    program = built(written(files, tmp_path), "example.c", "playbach.c", "music.c")
    encoding, random = bundle.encoding(), Pcg32(11)
    random()  # draws the header; there is one
    decoder = encoding.decoder(encoding.headers[0][0], 6)
    sampling = IntegerSampling(round(0.85 * 256), round(0.95 * 65536))
    events = [e for _, found in compose(network, decoder, sampling, random) for e in found] + decoder.finish()
    names = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
    rows = []
    for e in events:
        note = f"{e.track} {names[e.pitch % 12]}{e.pitch // 12 - 1}"
        rows += [(e.tick, f"{e.tick} {note} {e.velocity}"), (e.tick + e.duration, f"{e.tick + e.duration} {note} 0")]
    printed = run(program, 11, 6, 0.85).decode().splitlines()
    assert sorted(printed) == sorted(text for _, text in rows)
    ticks = [int(line.split()[0]) for line in printed]
    assert ticks == sorted(ticks)

    sent = run(program, "--midi", 11, 6, 0.85)
    assert sent[:8] == bytes(b for t in range(4) for b in (0xC0 | t, 52))
    assert len(sent) == 8 + 3 * len(printed)
    voice = [(s & 15, s >> 4) for s in sent[8::3]]
    assert {kind for _, kind in voice} == {9}
    assert [f"{c}" for c, _ in voice] == [line.split()[1] for line in printed]


@needs_compiler
@pytest.mark.parametrize("given", [["x"], ["1", "60001"], ["1", "4", "11"], ["1", "4", "1", "2"], ["--prime", "0"]])
def test_the_example_says_what_it_takes(given: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "example"
    if not folder.exists():
        built(written(tiny()[2], folder), "example.c", "playbach.c", "music.c", flags=["-std=c99"])
    done = subprocess.run([str(folder / "program"), *given], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("example [--midi]")


def test_the_folder_says_what_it_is_and_what_it_takes() -> None:
    bundle, network, files = tiny()
    assert set(files) == {
        "README.md", "bars.h", "example.c", "manifest.json", "model.h", "music.c", "music.h", "playbach.c",
        "playbach.h", "vocabulary.h", "weights.h",
    }  # fmt: skip
    manifest = json.loads(files["manifest.json"])
    assert {key: value for key, value in manifest.items() if key != "export"} == bundle.manifest
    sizes = manifest["export"]["bytes"]
    assert sizes["weights"] + sizes["tables"] < sizes["flash"] < 64 * 1024
    readme = files["README.md"].decode()
    assert f"{network.multiply_adds:,} multiply-adds a step" in readme
    assert f"{sizes['network']:,} bytes are `sizeof(pb_network)`" in readme
    assert tiny()[2] == files


@needs_compiler
@pytest.mark.parametrize("case", ["lstm", "onehot", "cnn"])
def test_flash_is_what_the_compiler_lays_down(case: str, tmp_path: Path) -> None:
    network = integer_networks.network(case)
    written(network_files.files(network, case), tmp_path)
    assert CC is not None
    subprocess.run([CC, "-O0", "-S", "-o", "a.s", "playbach.c"], check=True, cwd=tmp_path)
    laid = dict(re.findall(r"\.size\s+(pb_\w+), (\d+)", (tmp_path / "a.s").read_text()))
    structs = {"pb_layers", "pb_heads", "pb_relations", "pb_embedded", "pb_onehot", "pb_rows", "pb_first",
               "pb_second", "pb_whole"}  # fmt: skip
    arrays = sum(int(size) for name, size in laid.items() if name not in {*structs, "pb_symbols"})
    # Pointers are twice as wide here, and a relation has more than pointers.
    pointing = sum(int(size) for name, size in laid.items() if name in structs) / 2
    assert network_files.flash(network) == pytest.approx(arrays + pointing, abs=10 * len(network.heads.relations))


def test_a_model_too_large_for_a_machine_is_refused_in_one_line() -> None:
    bundle, network, files = tiny()
    small = c.Profile("stamp", 20 * 1024, None, "a small one")
    with pytest.raises(UsageError, match=r"tiny needs 30 kB of flash, and the profile stamp has 20 kB; train it"):
        c.written(bundle, network, files, small)
    with pytest.raises(UsageError, match=r"tiny needs 8 kB of RAM, and the profile stamp has 2 kB; .*--profile any"):
        c.written(bundle, network, files, c.Profile("stamp", None, 2048, "a small one"))
    with pytest.raises(UsageError, match="no profile called 'avr'; there are: any, cortex-m4"):
        c.profile("avr")
