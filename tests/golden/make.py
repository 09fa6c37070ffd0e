"""Makes the golden files of this folder again: a bundle of a few kB, and what it composes; and a small bundle of each
encoding, for tests that need some network but not its training.

Run it only if the exact output is meant to change, and say so in the commit: python tests/golden/make.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

BUNDLE, PIECE, SEED, BARS = HERE / "tiny.playbach", HERE / "piece.mid", 7, 8
PLAIN, TOKENS = HERE / "plain.txt", HERE / "tokens.txt"
EXPORTED = HERE / "tiny-int8.tflite"
SMALL = {
    "lines": HERE / "lines-transformer-notes.playbach",
    "chorales": HERE / "chorales-transformer-chorale.playbach",
    "bands": HERE / "bands-transformer-events.playbach",
}
"""Bundles trained on the corpora of `sample_music`."""


def composed() -> tuple[bytes, str]:
    """The tiny bundle's piece as MIDI bytes, and its plain notes as text."""
    import playbach

    composer = playbach.load(BUNDLE)
    plain = composer.compose(seed=SEED, bars=BARS, plain=True).score
    rows = [f"{t.name} {n.time} {n.duration} {n.pitch}" for t in plain.tracks for n in t.notes]
    return bytes(composer.compose(seed=SEED, bars=BARS).score.dumps_midi()), "\n".join(rows) + "\n"


def tokens() -> str:
    """The first 1,000 symbols of a piece without end that the tiny bundle composes in integers, one a line."""
    from itertools import islice

    import numpy as np
    from safetensors.numpy import load

    from playbach.bundles import bundle as bundles
    from playbach.export import integer
    from playbach.inference.options import Sampling

    bundle = bundles.read(BUNDLE)
    encoding = bundle.encoding()
    nothing = np.zeros((1, 1), int), np.zeros((1, len(encoding.context)), int)  # an LSTM is not calibrated
    network = integer.quantise("lstm", load(bundle.members[bundles.WEIGHTS]), encoding, nothing)
    sampling = integer.IntegerSampling.of(Sampling(**bundle.manifest["sampling"]))
    walk = integer.compose(network, encoding.decoder(encoding.headers[0][0]), sampling, integer.Pcg32(SEED))
    return "".join(f"{step[0]}\n" for step, _ in islice(walk, 1000))


def make_bundle() -> None:
    import playbach
    from helpers import sample_music

    with tempfile.TemporaryDirectory() as scratch:
        music = sample_music.folder(Path(scratch) / "tiny", sample_music.chorale, count=12)
        network = {"hidden": 12, "layers": 1, "embedding": 4, "context_embedding": 2, "dropout": 0.0}
        options = {"epochs": 60, "patience": 60, "dtype": "float32", "learning_rate": 3e-3}
        run = playbach.train(music, into=scratch, model="lstm", network=network, **options)
        BUNDLE.write_bytes(run.path.read_bytes())


def make_small() -> None:
    import playbach
    from helpers import sample_music

    network = {"width": 8, "layers": 1, "heads": 2, "dropout": 0.1}
    options = {"epochs": 20, "dtype": "float32", "learning_rate": 4e-3}
    for name, bundle in SMALL.items():
        with tempfile.TemporaryDirectory() as scratch:
            music = sample_music.corpus(name, Path(scratch))
            run = playbach.train(music, into=scratch, model="transformer", network=network, **options)
            bundle.write_bytes(run.path.read_bytes())


def make_exported() -> None:
    """The same network as TFLite in 8 bits, with its manifest: for tests on machines without torch."""
    from playbach.export.exporting import ExportOptions, export

    for old in (EXPORTED, EXPORTED.with_name(EXPORTED.name + ".json")):
        old.unlink(missing_ok=True)
    export(BUNDLE, HERE, ExportOptions(("tflite-int8",), steps=200))


if __name__ == "__main__":
    if "--keep-bundle" not in sys.argv:
        make_bundle()
        make_small()
        make_exported()
    midi, plain = composed()
    PIECE.write_bytes(midi)
    PLAIN.write_text(plain, "utf-8")
    TOKENS.write_text(tokens(), "utf-8")
    print(f"{BUNDLE.name}: {BUNDLE.stat().st_size} bytes; {PIECE.name}: {len(midi)} bytes")
