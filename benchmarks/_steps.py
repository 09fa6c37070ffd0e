"""Composes pieces and records every step that is drawn, to compare two machines step by step.

Run as a script on each machine, `_steps.py OUT MODEL BARS SEED…` writes OUT/SEED.mid and OUT/SEED.npz. As a module it
compares two such files. Needs only playbach's light install; knows nothing of emulators.
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
"""Smaller differences of logits are due to sums being rounded in another order."""

Trace = dict[str, npt.NDArray[Any]]
"""N steps in the order in which they were drawn, including endings that were tried and rejected: `bar` and `tick`
(N,), `uniform` (N, F) in [0, 1), `symbol` (N, F); and for each field f `logits_f` (N, V_f) from the network,
`drawn_f` (N, V_f) the distribution that was drawn from, `names_f` (V_f,)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step at which two machines drew different symbols."""

    step: int
    bar: int
    tick: int
    field: int
    """The number of the field that differs."""
    symbols: tuple[str, str]
    """What each machine drew."""
    uniform: float
    """The random number."""
    distance: float
    """From the random number to the boundary between the two symbols."""
    logits: float
    """The largest difference of a logit at this step."""
    chances: float
    """The largest difference of a probability at this step."""

    @property
    def why(self) -> str:
        if self.logits > ROUNDING:
            return (
                "more than rounding of sums explains: in a quantised network some value was rounded to another whole "
                "number; any other network computes something different there"
            )
        if self.chances > ROUNDING:
            return "rounding moved a symbol across the limit of top-p, which changes the whole distribution"
        return "the random number lies so close to the boundary between two symbols that rounding decided"

    def describe(self) -> str:
        """One line, with the first machine's symbol first."""
        where = f"step {self.step}, bar {self.bar}, tick {self.tick}, field {self.field}"
        return (
            f"{where}: {self.symbols[0]!r} here, {self.symbols[1]!r} there; logits at most {self.logits:.1e} apart, "
            f"probabilities {self.chances:.1e}; {self.uniform:.9f} drawn, {self.distance:.1e} from the boundary; "
            f"{self.why}"
        )


def compare_traces(here: Trace, there: Trace) -> tuple[float, Difference | None]:
    """The largest difference of a logit up to the first step that differs, and that step.

    Up to that step both networks have the same input, so their logits are comparable; afterwards they are not.
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
    # The first symbol whose cumulative probability exceeds the number is drawn: the lower one's end is the boundary.
    ends = [float(np.cumsum(side[f"drawn_{f}"][i])[min(left, right)]) for side in (here, there)]
    return Difference(
        i, int(here["bar"][i]), int(here["tick"][i]), f,
        (str(here[f"names_{f}"][left]), str(there[f"names_{f}"][right])),
        uniform, min(abs(uniform - end) for end in ends),
        _apart(here, there, f"logits_{f}", i), _apart(here, there, f"drawn_{f}", i),
    )  # fmt: skip


def load(path: Path) -> Trace:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


class _Recorder:
    """A runtime that keeps the last logits."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self.start = runtime.start
        self.logits: list[npt.NDArray[np.float32]] = []

    def step(self, previous: Any, context: Any, state: Any) -> tuple[Any, Any]:
        self.logits, state = self._runtime.step(previous, context, state)
        return self.logits, state


def compose_traced(composer: Any, seed: int, bars: int) -> tuple[Any, Trace]:
    """The piece, and every step that was drawn for it."""
    from playbach.inference import composing, generation
    from playbach.inference.sampling import sharpen

    rows: dict[str, list[Any]] = {}
    recorder = _Recorder(composer.runtime)

    class TracedGenerator(generation.PieceGenerator):
        """Records each step that it draws."""

        def _next(self, place: Any, sampling: Any, rules: bool) -> Any:
            row: dict[str, Any] = {"bar": place.decoder.bar, "tick": place.decoder.tick}
            row["uniform"] = deepcopy(self._rng).random(len(self._encoding.fields))
            place = super()._next(place, sampling, rules)
            row["symbol"] = place.previous
            for f, (logits, chances) in enumerate(zip(recorder.logits, place.probabilities)):
                row[f"logits_{f}"], row[f"drawn_{f}"] = logits.copy(), sharpen(chances, sampling)
            for name, value in row.items():
                rows.setdefault(name, []).append(value)
            return place

    plain, composer.runtime, composing.PieceGenerator = composer.runtime, recorder, TracedGenerator  # type: ignore[misc]
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
        piece, trace = compose_traced(composer, seed, int(bars))
        piece.write(Path(out) / f"{seed}.mid")
        np.savez_compressed(Path(out) / f"{seed}.npz", **trace)


if __name__ == "__main__":
    main(sys.argv[1:])
