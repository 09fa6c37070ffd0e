"""Composes pieces and keeps every step that was drawn, so that two machines can be compared step by step.

Run as a script on each machine: `_steps.py OUT MODEL BARS SEED…` writes OUT/SEED.mid and OUT/SEED.npz. As a module it
compares two such files. Needs playbach's light install and nothing else; knows nothing of emulators.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROUNDING = 1e-3
"""Logits that differ by less do so because sums are rounded in another order."""

Trace = dict[str, npt.NDArray[Any]]
"""Of N steps, in the order in which they were drawn, endings that were tried and left included: `bar` and `tick`
(N,), `uniform` (N, F) in [0, 1), `symbol` (N, F); and for each field f `logits_f` (N, V_f) as the network gave them,
`drawn_f` (N, V_f) the distribution that was drawn from, `names_f` (V_f,)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step at which two machines drew differently, field `field` of it. `logits` and `chances` are the
    largest differences at this step, `distance` from the uniform number to the border that decided."""

    step: int
    bar: int
    tick: int
    field: int
    symbols: tuple[str, str]
    uniform: float
    distance: float
    logits: float
    chances: float

    @property
    def why(self) -> str:
        if self.logits > ROUNDING:
            return (
                "more than sums in another order explain: in a quantised network some value was rounded to the next "
                "whole number; any other network computes something else there"
            )
        if self.chances > ROUNDING:
            return "rounding moved a symbol across the edge of top-p, and with it all that is drawn from"
        return "the number drawn lies so near to the border between two symbols that rounding decided"

    def told(self) -> str:
        """In one line, the left machine's symbol first."""
        where = f"step {self.step}, bar {self.bar}, tick {self.tick}, field {self.field}"
        return (
            f"{where}: {self.symbols[0]!r} here, {self.symbols[1]!r} there; logits at most {self.logits:.1e} apart, "
            f"probabilities {self.chances:.1e}; {self.uniform:.9f} drawn, {self.distance:.1e} from the border; "
            f"{self.why}"
        )


def compared(here: Trace, there: Trace) -> tuple[float, Difference | None]:
    """The largest difference of logits up to the first step drawn differently, and that step.

    Up to there both networks heard the same, so their logits can be compared; behind it they cannot.
    """
    n = min(len(here["symbol"]), len(there["symbol"]))
    unlike = np.flatnonzero((here["symbol"][:n] != there["symbol"][:n]).any(1))
    last = int(unlike[0]) if len(unlike) else n - 1
    fields = range(here["symbol"].shape[1])
    largest = max(_apart(here, there, f"logits_{f}", slice(0, last + 1)) for f in fields)
    return largest, _difference(here, there, last) if len(unlike) else None


def _apart(here: Trace, there: Trace, name: str, where: Any) -> float:
    left, right = here[name][where].astype(np.float64), there[name][where].astype(np.float64)
    return float(np.abs(left - right).max())


def _difference(here: Trace, there: Trace, i: int) -> Difference:
    f = int(np.flatnonzero(here["symbol"][i] != there["symbol"][i])[0])
    left, right = int(here["symbol"][i, f]), int(there["symbol"][i, f])
    uniform = float(here["uniform"][i, f])
    # `draw` takes the first symbol whose cumulative probability exceeds the number: the lower one's end decided.
    ends = [float(np.cumsum(side[f"drawn_{f}"][i])[min(left, right)]) for side in (here, there)]
    return Difference(
        i, int(here["bar"][i]), int(here["tick"][i]), f,
        (str(here[f"names_{f}"][left]), str(there[f"names_{f}"][right])),
        uniform, min(abs(uniform - end) for end in ends),
        _apart(here, there, f"logits_{f}", i), _apart(here, there, f"drawn_{f}", i),
    )  # fmt: skip


def load(path: Path) -> Trace:
    with np.load(path, allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}


class _Heard:
    """A runtime that keeps the logits which it gave last."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self.start = runtime.start
        self.logits: list[npt.NDArray[np.float32]] = []

    def step(self, previous: Any, context: Any, state: Any) -> tuple[Any, Any]:
        self.logits, state = self._runtime.step(previous, context, state)
        return self.logits, state


def composed(composer: Any, seed: int, bars: int) -> tuple[Any, Trace]:
    """The piece, and every step drawn on its way."""
    from playbach.inference import composing, generation
    from playbach.inference.sampling import sharpened

    rows: dict[str, list[Any]] = {}
    heard = _Heard(composer.runtime)

    class Told(generation.PieceGenerator):
        """A walk that writes down what it draws."""

        def _next(self, place: Any, sampling: Any, rules: bool) -> Any:
            row: dict[str, Any] = {"bar": place.decoder.bar, "tick": place.decoder.tick}
            row["uniform"] = deepcopy(self._rng).random(len(self._encoding.fields))
            place = super()._next(place, sampling, rules)
            row["symbol"] = place.previous
            for f, (logits, chances) in enumerate(zip(heard.logits, place.probabilities)):
                row[f"logits_{f}"], row[f"drawn_{f}"] = logits.copy(), sharpened(chances, sampling)
            for name, value in row.items():
                rows.setdefault(name, []).append(value)
            return place

    plain, composer.runtime, composing.PieceGenerator = composer.runtime, heard, Told  # type: ignore[misc]
    try:
        piece = composer.compose(seed=seed, bars=bars)
    finally:
        composer.runtime, composing.PieceGenerator = plain, generation.PieceGenerator  # type: ignore[misc]
    trace = {name: np.stack(values) for name, values in rows.items()}
    trace |= {f"names_{f}": np.array(field.symbols) for f, field in enumerate(composer.encoding.fields)}
    return piece, trace


def main(arguments: list[str]) -> None:
    out, model, bars, *seeds = arguments
    import playbach

    composer = playbach.load(model)
    for seed in map(int, seeds):
        piece, trace = composed(composer, seed, int(bars))
        piece.write(Path(out) / f"{seed}.mid")
        np.savez_compressed(Path(out) / f"{seed}.npz", **trace)


if __name__ == "__main__":
    main(sys.argv[1:])
