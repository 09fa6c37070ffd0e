"""How smoothly the radio's page moves while it plays: the score beside the piano roll.

Claim: the score moves as smoothly as the piano roll, although it engraves each bar as it comes. Chromium without a
graphics card opens the page of a `playbach serve` of its own, or of each `--url`, plays the same piece in both views,
and notes when each frame begins. All are measured in turn, so that a busy minute affects them alike: compare the rows
of one run, not of two. A time is that from one frame to the next; a screen with 60 Hz allows 16.7 ms.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from _bench import Table, count, parser, percentile, print_report, run_alternating, spread_cells, summarise
from _chromium import add_slower, chromium, serving, slow_down

VIEWS = ("roll", "score")
PIECE = "#seed=11&bars=32&tempo=160"
SETTLED = 3  # seconds after the first note, when what is known has been drawn
FRAMES = """(seconds) => new Promise((done) => {
  const times = [];
  const frame = (time) => {
    times.push(time);
    if (time - times[0] < 1000 * seconds) requestAnimationFrame(frame);
    else done(times.slice(1).map((time, i) => time - times[i]));
  };
  requestAnimationFrame(frame);
})"""


def watch(browser: Any, url: str, view: str, seconds: float, slower: float) -> list[float]:
    """The milliseconds of each frame while a piece plays in one view."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    slow_down(context, page, slower)
    page.goto(f"{url}{PIECE}")
    page.wait_for_selector("#play:enabled")
    page.click(f"label:has(input[value={view}])")
    page.click("#play")
    page.locator("#position", has_text="bar").wait_for(timeout=60_000)
    page.wait_for_timeout(1000 * SETTLED)
    times: list[float] = page.evaluate(FRAMES, seconds)
    context.close()
    return times


def figures(times: list[float]) -> dict[str, float]:
    """What is said of the frames of one run."""
    return {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99), "longest": max(times)}


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--url", action="append", help="a page to watch; may be given several times (default: a server of its own)"
    )
    options.add_argument("--model", help="a .playbach file or a shipped model's name, for the script's own server")
    options.add_argument("--seconds", type=float, default=15, help="of each run (default: %(default)s)")
    options.add_argument("--runs", type=count, default=5, help="of each page and view (default: %(default)s)")
    add_slower(options)
    args = options.parse_args()
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(chromium())
        urls = args.url or [stack.enter_context(serving(args.model, "http://127.0.0.1"))]

        def measure(url: str, view: str) -> Callable[[], list[float]]:
            return lambda: watch(browser, url, view, args.seconds, args.slower)

        names = {f"{view}{f' of {url}' if len(urls) > 1 else ''}": (url, view) for url in urls for view in VIEWS}
        frames = run_alternating({name: measure(*what) for name, what in names.items()}, args.runs)
    rows: list[tuple[str, ...]] = []
    found = {name: [figures(times) for times in runs] for name, runs in frames.items()}
    for name, runs in found.items():
        for figure in ("p50", "p99", "longest"):
            rows.append((f"{name}: {figure}, ms", *spread_cells(summarise(run[figure] for run in runs), 1)))
    note = f"{args.seconds:g} seconds a run, 1280 x 800 pixels, processor slowed down {args.slower:g} times."
    print_report(
        "frames of the page",
        Table(("", "median", "range"), tuple(rows), (note,)),
        {"frames": found},
        ("playwright",),
        args.json,
    )


if __name__ == "__main__":
    main()
