"""What goes on in the house, in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

import time

from playbach.server.state import ServerState
from playbach.server.station import Station


def text(house: ServerState, station: Station | None) -> str:
    """All figures, one a line, each under what it means."""
    figures, counts = house.figures, house.counts
    costs = sorted(figures.costs)

    def quantile(share: float) -> float:
        return costs[min(int(share * len(costs)), len(costs) - 1)] if costs else 0.0

    rows: list[tuple[str, str, str, float]] = [
        ("listeners", "gauge", "WebSocket connections now", house.sockets),
        ("streams", "gauge", "Own streams now", house.streams),
        ("station_listeners", "gauge", "Who listens to the station now, as notes or as MP3",
         station.listeners if station else 0),
        ("audio_listeners", "gauge", "Who listens to live.mp3 now", house.audio),
        ("queue_depth", "gauge", "Messages that wait in the fullest queue of a listener now",
         max((queue.waiting for queue in list(house.queues)), default=0)),
        ("joined_total", "counter", "Listeners who joined the station", counts.joined),
        ("started_total", "counter", "Own streams begun", counts.started),
        ("turned_total", "counter", "Knobs turned", counts.turned),
        ("dropped_total", "counter", "Listeners who did not read and were dropped", counts.dropped),
        ("refused_total", "counter", "Listeners who were refused and told why", counts.refused),
        ("messages_total", "counter", "Messages sent", counts.sent),
        ("bars_total", "counter", "Bars composed for listeners", figures.bars),
        ("notes_total", "counter", "Notes composed for listeners", figures.notes),
        ("late_bars_total", "counter", "Bars that came after they should have begun", figures.late),
        ("uptime_seconds", "gauge", "Since the server began", round(time.monotonic() - house.began, 1)),
    ]  # fmt: skip
    lines = []
    for name, kind, meaning, value in rows:
        full = f"playbach_{name}"
        lines += [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}", f"{full} {value:g}"]
    full = "playbach_bar_seconds"
    lines += [f"# HELP {full} Time to compose a bar, of the latest {figures.costs.maxlen}", f"# TYPE {full} summary"]
    lines += [f'{full}{{quantile="{share:g}"}} {quantile(share):.6f}' for share in (0.5, 0.9, 0.99)]
    lines += [f"{full}_sum {sum(costs):.6f}", f"{full}_count {len(costs)}"]
    return "\n".join(lines) + "\n"
