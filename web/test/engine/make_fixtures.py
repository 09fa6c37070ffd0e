"""Writes what the tests of the page's engine compare with: a small model, and pieces that the package has performed
and split into bars.

    python web/test/engine/make_fixtures.py [--check]
"""

from __future__ import annotations

import gzip
import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import playbach
from playbach.bundles import bundle as bundles
from playbach.export import web
from playbach.export.integer import IntegerSampling, Pcg32, compose
from playbach.export.web.composing import EngineComposer
from playbach.inference.options import ComposeOptions, Sampling
from playbach.music.events import End, Event, Meter, Note, Start, Tempo
from playbach.music.performance import perform
from playbach.server.publishing import opening
from playbach.streaming.programme import split_into_bars

HERE = Path(__file__).parent
TINY = HERE.parents[2] / "tests" / "golden" / "tiny.playbach"
SEED, STEPS = 7, 1000


def model() -> bytes:
    return gzip.compress(web.model_file(bundles.read(TINY)), 9, mtime=0)


def symbols() -> list[list[int]]:
    """What the integer reference draws with the small model at temperature 1; the first random number chose the
    header."""
    bundle = bundles.read(TINY)
    sampling = IntegerSampling.of(Sampling(1.0, bundle.manifest["sampling"]["top_p"]))
    encoding, random = bundle.encoding(), Pcg32(SEED)
    random()
    steps = compose(web.quantise(bundle), encoding.decoder(encoding.headers[0][0]), sampling, random)
    return [step.tolist() for step, _ in islice(steps, STEPS)]


def event_json(event: Event) -> dict[str, Any]:
    match event:
        case Meter():
            return {
                "kind": "meter",
                "tick": event.tick,
                "numerator": event.numerator,
                "denominator": event.denominator,
            }
        case Tempo():
            return {"kind": "tempo", "tick": event.tick, "qpm": event.qpm}
        case Note():
            values = {key: getattr(event, key) for key in ("tick", "duration", "pitch", "velocity", "track")}
            return {"kind": "note", **values, "choices": []}
        case _:
            assert isinstance(event, End)
            return {"kind": "end", "tick": event.tick}


def piece(name: str, seed: int, bars: int) -> dict[str, Any]:
    plain = list(playbach.load(name).piece(seed, ComposeOptions(bars=bars, plain=True)))
    start, performed = plain[0], list(perform(plain))
    assert isinstance(start, Start)
    split = split_into_bars(0, iter(performed))
    return {
        "tracks": [{"name": t.name, "program": t.program, "drums": t.drums} for t in start.tracks],
        "velocities": start.velocities,
        "plain": [event_json(event) for event in plain[1:]],
        "performed": [event_json(event) for event in performed[1:]],
        "bars": [[b.number, b.tick, b.ticks, len(b.notes), len(b.held), b.is_last] for b in split],
    }


def fixtures() -> dict[str, bytes]:
    pieces = [piece("bach-pocket", 1, 8), piece("bach-pocket", 5, 5), piece("folk", 3, 8)]
    return {
        "tiny.model.gz": model(),
        "symbols.json": json.dumps(symbols(), separators=(",", ":")).encode() + b"\n",
        "opening.json": opening(EngineComposer(bundles.read(TINY)), SEED, "tiny") + b"\n",
        "pieces.json": json.dumps(pieces, separators=(",", ":")).encode() + b"\n",
    }


def main() -> int:
    if "--check" not in sys.argv:
        for name, content in fixtures().items():
            (HERE / name).write_bytes(content)
        return 0
    return int(any((HERE / name).read_bytes() != content for name, content in fixtures().items()))


if __name__ == "__main__":
    sys.exit(main())
