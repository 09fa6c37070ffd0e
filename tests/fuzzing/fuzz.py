"""Damaged music, damaged bundles and senseless options, by the thousand: whatever comes, it is done or refused in one
line, soon.

    python tests/fuzzing/fuzz.py --cases 10000 --seed 0

prints what came of how many cases of each kind, and the slowest. Anything but success or a PlaybachError of one line
is a crash, anything over HANG seconds a hang; each such case is kept as a file, and told with the seed that makes it
again. `tests/fuzzing/test_fuzz.py` runs a few hundred cases. Needs the extra `train`, to make two bundles to damage.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzzing.fuzz_cases import KINDS, Ground, make_bundles
from playbach.system.errors import PlaybachError

HANG = 10.0
CHUNK = 250
"""So many cases share a process of their own: if one takes it down, the rest come in another."""


class Hang(BaseException):
    """A case takes too long; no `except Exception` on the way may swallow it."""


@dataclass(frozen=True)
class Outcome:
    """What came of one case: done, refused, crash or hang."""

    kind: str
    seed: int
    number: int
    result: str
    seconds: float
    said: str = ""
    case: str = ""


def attempt(ground: Ground, kind: str, seed: int, number: int, case: Any) -> Outcome:
    """Play one case and see what comes of it."""

    def late(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, HANG)
    began, result, said = time.perf_counter(), "done", ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning would be a line on somebody's terminal
            KINDS[kind][1](ground, case)
    except PlaybachError as error:
        result, said = "refused", str(error)
        if not said.strip() or not said.isprintable():
            result = "crash"
    except Hang:
        result, said = "hang", traceback.format_exc()
    except Exception:
        result, said = "crash", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return Outcome(kind, seed, number, result, time.perf_counter() - began, said, ascii(case))


def run(
    ground: Ground, kind: str, cases: int, seed: int, begin: Callable[[int, Any], None] | None = None
) -> list[Outcome]:
    """So many cases of one kind, the same for the same seed."""
    found: list[Outcome] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=cases, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(KINDS[kind][0]())
    def each(case: Any) -> None:
        if begin:
            begin(len(found), case)
        outcome = attempt(ground, kind, seed, len(found), case)
        if outcome.result == "hang":  # a busy machine may be to blame; only what hangs twice does hang
            outcome = attempt(ground, kind, seed, len(found), case)
        found.append(outcome)

    each()
    return found


def _chunk(folder: Path, bundles: tuple[Path, ...], kind: str, cases: int, seed: int, out: Path) -> None:
    """In a process of its own: outcomes as lines of JSON, and the case under way beside them."""
    ground = Ground(folder, bundles)
    place = folder / "case"

    def begin(number: int, case: Any) -> None:
        out.with_suffix(".now").write_text(f"{number} {case!a}", "utf-8")

    with ground.reader:
        found = run(ground, kind, cases, seed, begin)
    with out.open("w", encoding="utf-8") as lines:
        for outcome in found:
            short = {} if outcome.result in ("crash", "hang") else {"case": ""}
            lines.write(json.dumps({**asdict(outcome), **short}) + "\n")
    shutil.rmtree(place, ignore_errors=True)


def fuzz(kinds: list[str], cases: int, seed: int, folder: Path) -> Iterator[Outcome]:
    """Chunk after chunk, each in its process; one that dies is a crash of the case under way."""
    bundles = make_bundles(folder)
    context = multiprocessing.get_context("fork")
    share = sum(KINDS[kind][2] for kind in kinds)
    for kind in kinds:
        left, number = math.ceil(cases * KINDS[kind][2] / share), seed * 100_000
        while left > 0:
            size, out = min(CHUNK, left), folder / f"{kind}-{number}.jsonl"
            child = context.Process(target=_chunk, args=(folder, bundles, kind, size, number, out))
            child.start()
            child.join()
            if out.exists():
                yield from (Outcome(**json.loads(line)) for line in out.read_text("utf-8").splitlines())
            else:
                where, _, case = out.with_suffix(".now").read_text("utf-8").partition(" ")
                yield Outcome(kind, number, int(where), "crash", 0.0, f"the process died ({child.exitcode})", case)
            left, number = left - size, number + 1
            print(f"{kind}: {left} to come", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this; may be repeated")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder for cases that fail")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = list(fuzz(chosen.kind or list(KINDS), chosen.cases, chosen.seed, Path(scratch)))
    bad = [o for o in found if o.result in ("crash", "hang")]
    for outcome in bad:
        chosen.failures.mkdir(exist_ok=True)
        name = f"{outcome.kind.replace(' ', '-')}-{outcome.seed}-{outcome.number}.txt"
        (chosen.failures / name).write_text(f"{outcome.said}\n{outcome.case}\n", "utf-8")
    print(f"{'kind':14}{'cases':>8}{'done':>8}{'refused':>9}{'crashes':>9}{'hangs':>7}{'slowest':>10}")
    for kind in dict.fromkeys(o.kind for o in found):
        own = [o for o in found if o.kind == kind]
        count = Counter(o.result for o in own)
        numbers = f"{count['done']:8}{count['refused']:9}{count['crash']:9}{count['hang']:7}"
        print(f"{kind:14}{len(own):8}{numbers}{max(o.seconds for o in own):8.2f} s")
    for o in sorted(found, key=lambda o: -o.seconds)[:5]:
        print(f"slow: {o.kind}, seed {o.seed}, case {o.number}: {o.seconds:.2f} s {o.said[:80]}")
    for why, many in Counter((o.kind, o.result, o.said.strip().rpartition("\n")[2][:150]) for o in bad).most_common():
        print(f"{many} x {' '.join(why)}")
    return 1 if bad else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
