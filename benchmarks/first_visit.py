"""How soon a phone hears the page's first note, and what it has loaded by then.

Claim: on a slow line (1.6 Mbit/s, 150 ms to and fro), with nothing cached, sound comes within two seconds of the tap.
Chromium opens the page of a `playbach serve` of its own, or `--url`, through a proxy that slows down all that it
carries. The play button is pressed as soon as it can be, or a while later; each run is a browser without a cache.
Sound is the first sample that is not silent, measured before the loudspeaker, whose own delay comes on top. Bytes are
those received until the sound, compressed and with their headers.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from _bench import Table, count, fail, parser, print_report, run_alternating, spread_cells, summarise
from _chromium import add_slower, chromium, serving, slow_down
from _slow_line import SlowLine

WATCH = """
(() => {
  const times = (window.times = {});
  const now = () => performance.now() / 1000;
  addEventListener("click", () => (times.tap ??= now()), true);
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("play");
    const look = () => (button.disabled ? requestAnimationFrame(look) : (times.button = now()));
    look();
  });
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) {
      const tap = new AnalyserNode(this.context, { fftSize: 2048 });
      const samples = new Float32Array(tap.fftSize);
      connect.call(this, tap);
      const timer = setInterval(() => {
        tap.getFloatTimeDomainData(samples);
        if (!samples.some((sample) => Math.abs(sample) > 1e-4)) return;
        times.sound = now();
        clearInterval(timer);
      }, 5);
    }
    return connect.call(this, to, ...rest);
  };
})();
"""


def visit(browser: Any, line: SlowLine, path: str, slower: float, pause: float) -> dict[str, Any]:
    """The seconds and the bytes of one first visit. The button is pressed `pause` seconds after it can be."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(WATCH)
    slow_down(context, page, slower)
    line.received.clear()
    page.goto(f"http://127.0.0.1:{line.port}{path}", wait_until="commit")
    page.wait_for_selector("#play:enabled", timeout=120_000)
    page.wait_for_timeout(1000 * pause)
    page.click("#play")
    end = time.monotonic() + 120
    while "sound" not in (found := page.evaluate("window.times")):
        if time.monotonic() > end:
            fail(f"no sound within two minutes; the page says {page.inner_text('#status')!r}")
        page.wait_for_timeout(50)
    files = dict(line.received)
    context.close()
    return {**found, "files": files}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--url", help="the page to visit (default: a server that this script starts)")
    options.add_argument("--model", help="a .playbach file or a shipped model's name, for the script's own server")
    options.add_argument("--mbit", type=float, default=1.6, help="Mbit/s (default: %(default)s)")
    options.add_argument("--latency", type=float, default=150, help="milliseconds to and fro (default: %(default)s)")
    add_slower(options)
    options.add_argument("--pause", type=float, default=2, help="seconds before a late tap (default: %(default)s)")
    options.add_argument("--runs", type=count, default=5, help="visits of each kind (default: %(default)s)")
    args = options.parse_args()
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(SlowLine(args.mbit, args.latency).open())
        browser = stack.enter_context(chromium())
        url = urlsplit(args.url or stack.enter_context(serving(args.model, f"http://127.0.0.1:{line.port}")))
        line.forward(url.hostname or "", url.port or 80)
        kinds = {"tap at once": 0.0, f"tap after {args.pause:g} s": args.pause}

        def measure(pause: float) -> Callable[[], dict[str, Any]]:
            return lambda: visit(browser, line, url.path or "/", args.slower, pause)

        visits = run_alternating({name: measure(pause) for name, pause in kinds.items()}, args.runs)
    rows: list[tuple[str, ...]] = []
    for name, found in visits.items():
        rows.append((f"{name}: seconds until the button", *spread_cells(summarise(v["button"] for v in found))))
        rows.append(("  from the tap to the sound", *spread_cells(summarise(v["sound"] - v["tap"] for v in found))))
        rows.append(("  until the sound", *spread_cells(summarise(v["sound"] for v in found))))
    files = max((v["files"] for found in visits.values() for v in found), key=lambda f: sum(f.values()))
    rows.append(("bytes", f"{sum(files.values()):,}", f"{len(files)} files"))
    rows += [(f"  {name}", f"{size:,}", "") for name, size in sorted(files.items(), key=lambda item: -item[1])]
    note = f"{args.mbit:g} Mbit/s, {args.latency:g} ms, processor slowed down {args.slower:g} times."
    table = Table(("", "median", "range"), tuple(rows), (note,))
    print_report("first visit", table, {"visits": visits}, ("playwright",), args.json)


if __name__ == "__main__":
    main()
