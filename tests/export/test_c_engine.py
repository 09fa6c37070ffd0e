"""The C engine computes exactly the same numbers as the integer reference, and an exported folder builds.

Tests that need a compiler are skipped without one.
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

pytest.importorskip("torch")

from safetensors.numpy import load

from golden import make
from helpers import integer_networks
from helpers.integer_networks import CASES
from playbach.bundles import bundle as bundles
from playbach.export import c
from playbach.export.c.network import flash_bytes, network_files, ram_bytes
from playbach.export.integer import IntegerNetwork, IntegerSampling, Pcg32, compose, draw_symbol
from playbach.system.errors import UsageError

GOLDEN = make.HERE
CC, CXX = shutil.which("cc"), shutil.which("c++")
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
SANITISED = ["-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
needs_compiler = pytest.mark.skipif(CC is None, reason="needs a C compiler (cc)")


def build(folder: Path, *sources: str, flags: list[str] = SANITISED, compiler: str | None = CC) -> Path:
    assert compiler is not None
    program = folder / "program"
    command = [compiler, *flags, *STRICT, "-o", str(program), *(str(folder / s) for s in sources)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def write(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def run(program: Path, *arguments: object) -> bytes:
    done = subprocess.run([str(program), *map(str, arguments)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


# ------------------------------------------------------------------------------------------------- the network


def expected_walk(network: IntegerNetwork, steps: int, sampling: IntegerSampling) -> np.ndarray:
    """The numbers that golden/walk.c writes, except the first one."""
    random, numbers = Pcg32(1, 2), []
    for step in range(steps):
        if step % 400 == 0:
            previous, state = np.array(network.symbols), network.start(1)
        context = np.array([random() % n for n in network.context], int)
        logits, state = network.step(previous[None], context[None], state)
        numbers.append(logits[0])
        symbols = []
        for field in network.split(logits[0]):
            mask = np.array([random() % 4 != 0 for _ in field])
            mask[random() % len(field)] = True
            symbols.append(draw_symbol(field, mask, sampling, random))
        previous = np.array(symbols)
        numbers.append(previous)
    return np.concatenate(numbers)


@needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_every_logit_and_symbol_equals_the_references(case: str, tmp_path: Path) -> None:
    network = integer_networks.network(case)
    files = network_files(network, case)
    walk = {"walk.c": (GOLDEN / "walk.c").read_bytes()}
    program = build(write({**files, **walk}, tmp_path), "walk.c", "playbach.c")
    steps = 1000
    for sampling in (IntegerSampling(), IntegerSampling(300, 55000)):
        printed = run(program, steps, sampling.temperature, sampling.top_p, *network.context)
        size, *numbers = np.frombuffer(printed, np.int32)
        assert size == ram_bytes(network)
        assert np.array_equal(numbers, expected_walk(network, steps, sampling))
        steps = 300


@needs_compiler
def test_extreme_sampling_settings_draw_the_same_symbols(tmp_path: Path) -> None:
    network = integer_networks.network("no context")
    walk = {"walk.c": (GOLDEN / "walk.c").read_bytes()}
    program = build(write({**network_files(network, "a"), **walk}, tmp_path), "walk.c", "playbach.c")
    for sampling in (IntegerSampling(0, 60000), IntegerSampling(1, 1), IntegerSampling(2560, 65535)):
        printed = run(program, 50, sampling.temperature, sampling.top_p)
        assert np.array_equal(np.frombuffer(printed, np.int32)[1:], expected_walk(network, 50, sampling))


@pytest.mark.skipif(CXX is None, reason="needs a C++ compiler (c++)")
@pytest.mark.parametrize("case", ["two layers", "onehot", "cnn"])
def test_the_engine_compiles_as_c_plus_plus(case: str, tmp_path: Path) -> None:
    files = network_files(integer_networks.network(case), case)
    write(files, tmp_path)
    shutil.copy(tmp_path / "playbach.c", tmp_path / "playbach.cpp")
    main = '#include "playbach.h"\nstatic pb_network n;\nint main() { pb_start(&n); return (int)n.logits[0]; }\n'
    (tmp_path / "main.cpp").write_text(main)
    run(build(tmp_path, "main.cpp", "playbach.cpp", flags=["-std=c++11"], compiler=CXX))
    # As in Arduino: the engine in C, the sketch in C++.
    build(tmp_path, "main.cpp", "playbach.c", flags=["-std=gnu++11", "-x", "c++"], compiler=CXX)


ARM = shutil.which("arm-none-eabi-gcc")


@pytest.mark.skipif(ARM is None, reason="needs a compiler for the Cortex-M (arm-none-eabi-gcc)")
@pytest.mark.parametrize("case", ["two layers", "onehot", "cnn"])
@pytest.mark.parametrize("level", ["-Os", "-O2"])
def test_the_cortex_ms_compiler_gives_no_warning(case: str, level: str, tmp_path: Path) -> None:
    """It warns of other things than the host's."""
    write(network_files(integer_networks.network(case), case), tmp_path)
    build(tmp_path, "playbach.c", flags=["-std=c99", level, "-mcpu=cortex-m4", "-mthumb", "-c"], compiler=ARM)


# -------------------------------------------------------------------------------------------- the whole folder


def tiny() -> tuple[Any, IntegerNetwork, dict[str, bytes]]:
    bundle = bundles.read(make.BUNDLE)
    weights = load(bundle.members[bundles.WEIGHTS])
    # An LSTM is not calibrated: all its ranges are known.
    calibration = np.zeros((1, 1), int), np.zeros((1, len(bundle.encoding().context)), int)
    network = c.quantise(bundle, weights, calibration)
    return bundle, network, c.folder_from_bundle(bundle, weights, calibration, "cortex-m4")


def test_the_reference_composes_the_golden_symbols() -> None:
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
  uint8_t mask[PB_MAX_SYMBOLS];
  pb_event events[PB_MAX_EVENTS];
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
      pb_style_mask(&music, f, mask);
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
def test_c_composes_the_golden_symbols(tmp_path: Path) -> None:
    _, _, files = tiny()
    main = TOKENS.replace("SEED", str(make.SEED)).encode()
    program = build(write({**files, "tokens.c": main}, tmp_path), "tokens.c", "playbach.c", "music.c")
    assert run(program).decode() == make.TOKENS.read_text("utf-8")


@needs_compiler
def test_the_example_prints_the_same_notes_as_the_reference(tmp_path: Path) -> None:
    bundle, network, files = tiny()
    program = build(write(files, tmp_path), "example.c", "playbach.c", "music.c")
    encoding, random = bundle.encoding(), Pcg32(11)
    random()  # draws the header; there is only one
    decoder = encoding.decoder(encoding.headers[0][0], 6)
    sampling = IntegerSampling(round(0.85 * 256), round(0.95 * 65536))
    steps = compose(network, decoder, sampling, random)
    events = [event for _, complete in steps for event in complete] + decoder.finish()
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
@pytest.mark.parametrize(
    "arguments", [["x"], ["1", "60001"], ["1", "4", "11"], ["1", "4", "1", "2"], ["--prime", "0"]]
)
def test_the_example_explains_its_arguments(arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "example"
    if not folder.exists():
        build(write(tiny()[2], folder), "example.c", "playbach.c", "music.c", flags=["-std=c99"])
    done = subprocess.run([str(folder / "program"), *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: example [--midi]")


def test_the_folder_states_its_contents_and_its_sizes() -> None:
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
def test_flash_is_what_the_compiler_allocates(case: str, tmp_path: Path) -> None:
    network = integer_networks.network(case)
    write(network_files(network, case), tmp_path)
    assert CC is not None
    subprocess.run([CC, "-O0", "-S", "-o", "a.s", "playbach.c"], check=True, cwd=tmp_path)
    sizes = dict(re.findall(r"\.size\s+(pb_\w+), (\d+)", (tmp_path / "a.s").read_text()))
    structs = {"pb_layers", "pb_heads", "pb_relations", "pb_embedded", "pb_onehot", "pb_rows", "pb_first",
               "pb_second", "pb_whole"}  # fmt: skip
    arrays = sum(int(size) for name, size in sizes.items() if name not in {*structs, "pb_symbols"})
    # Pointers are twice as wide here, and a relation has other members too.
    structs_size = sum(int(size) for name, size in sizes.items() if name in structs) / 2
    assert flash_bytes(network) == pytest.approx(arrays + structs_size, abs=10 * len(network.heads.relations))


def test_a_model_too_large_for_a_machine_is_refused_in_one_line() -> None:
    bundle, network, files = tiny()
    small = c.MachineProfile("stamp", 20 * 1024, None, "a small one")
    with pytest.raises(UsageError, match=r"tiny needs 30 kB of flash, but stamp has 20 kB; train a smaller"):
        c.folder_from_network(bundle, network, files, small)
    with pytest.raises(UsageError, match=r"tiny needs 8 kB of RAM, but stamp has 2 kB; .*--profile any"):
        c.folder_from_network(bundle, network, files, c.MachineProfile("stamp", None, 2048, "a small one"))
    with pytest.raises(UsageError, match="no profile called 'avr'; the profiles are: any, cortex-m4"):
        c.find_profile("avr")
