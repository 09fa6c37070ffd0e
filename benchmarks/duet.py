"""How fast the other voices answer in a duet, over loopback.

Claim: an answer takes some hundredths of a second, so that it sounds with the note that it answers.
A server of its own, a WebSocket, and Old Hundredth, played in real time with a player's jitter. The time goes from
sending a step at which the player begins a note until its answer has arrived; the network's part is what the server
measured. What a browser adds is shown by the page itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time

import websockets

from _bench import Table, parser, percentile, print_report

LINE = [67, 67, 66, 64, 62, 67, 69, 71, 71, 71, 71, 69, 67, 72, 71, 69]
LINE += [67, 69, 71, 69, 67, 64, 66, 67, 74, 71, 67, 69, 72, 71, 69, 67]
GRID = 2
STEPS_A_NOTE = 2
JITTER = 0.02  # seconds


async def play(port: int, model: str | None, tempo: float, seed: int) -> list[tuple[float, float]]:
    """The seconds to each answer at a note, and those of the network."""
    times, rng = [], random.Random(seed)
    step_seconds = GRID * 15 / tempo
    async with websockets.connect(f"ws://127.0.0.1:{port}/duet", compression=None) as socket:
        begin = {"type": "begin", "meter": [4, 4], "grid": GRID, "pickup": 4, "seed": seed, "model": model}
        await socket.send(json.dumps(begin))
        await socket.recv()
        start = time.perf_counter()
        for step in range(len(LINE) * STEPS_A_NOTE):
            note, part = divmod(step, STEPS_A_NOTE)
            wanted = start + step * step_seconds + rng.uniform(0, JITTER)
            await asyncio.sleep(max(0.0, wanted - time.perf_counter()))
            message = {"type": "step", "step": step, "plays": "hold" if part else "note"}
            if not part:
                message["pitch"] = LINE[note]
            sent = time.perf_counter()
            await socket.send(json.dumps(message))
            answer = json.loads(await socket.recv())
            if not part:
                times.append((time.perf_counter() - sent, answer["seconds"]))
    return times


async def play_all(port: int, arguments: argparse.Namespace) -> list[tuple[float, float]]:
    duets = [play(port, None, arguments.tempo, seed) for seed in range(arguments.duets)]
    return [times for duet in await asyncio.gather(*duets) for times in duet]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("model", nargs="?", default="bach-chorales")
    options.add_argument("--tempo", type=float, default=90, help="quarter notes a minute (default: %(default)s)")
    options.add_argument("--duets", type=int, default=1, help="duets at once (default: %(default)s)")
    arguments = options.parse_args()
    command = [sys.executable, "-m", "playbach", "serve", arguments.model, "--port", "0", "--no-station"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().rstrip("/\n").rpartition(":")[2])
            times = asyncio.run(play_all(port, arguments))
        finally:
            server.terminate()
    columns = dict(zip(("answer", "network"), zip(*times)))
    found = {name: [1000 * percentile(c, share) for share in (0.5, 0.95)] for name, c in columns.items()}
    rows = [(name, f"{median:.1f}", f"{high:.1f}") for name, (median, high) in found.items()]
    title = f"{len(times)} notes, {arguments.duets} at once, tempo {arguments.tempo:g}"
    print_report(
        title, Table(("what", "median, ms", "95 % below, ms"), tuple(rows)), found, ["websockets"], arguments.json
    )


if __name__ == "__main__":
    main()
