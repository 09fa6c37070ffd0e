"""The server's metrics in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

import time

from playbach.server.state import ServerState
from playbach.server.station import Station


def metrics_text(state: ServerState, station: Station | None) -> str:
    """All metrics, one a line, each after its description."""
    statistics, counters = state.statistics, state.counters
    costs = sorted(statistics.composing_seconds)

    def quantile(share: float) -> float:
        return costs[min(int(share * len(costs)), len(costs) - 1)] if costs else 0.0

    at_station = station.listeners if station else 0
    fullest = max((queue.waiting for queue in list(state.queues)), default=0)
    uptime = round(time.monotonic() - state.started_at, 1)
    rows: list[tuple[str, str, str, float]] = [
        ("listeners", "gauge", "Open WebSocket connections", state.connections),
        ("streams", "gauge", "Private streams that play now", state.streams),
        ("station_listeners", "gauge", "Listeners of the station, by WebSocket; live.mp3 counts as one", at_station),
        ("audio_listeners", "gauge", "Listeners of live.mp3", state.audio_listeners),
        ("queue_depth", "gauge", "Messages that wait in the fullest queue of a listener", fullest),
        ("openings", "gauge", "Beginnings of pieces that are composed in advance", len(state.openings)),
        ("joined_total", "counter", "Listeners who joined the station", counters.joined),
        ("started_total", "counter", "Private streams started", counters.started),
        ("turned_total", "counter", "Parameter changes", counters.changes),
        ("dropped_total", "counter", "Listeners dropped because they did not read", counters.dropped),
        ("refused_total", "counter", "Connections closed with a reason", counters.refused),
        ("messages_total", "counter", "Messages sent", counters.sent),
        ("bars_total", "counter", "Bars composed", statistics.bars),
        ("notes_total", "counter", "Notes composed", statistics.notes),
        ("late_bars_total", "counter", "Bars sent after they were due", statistics.late),
        ("uptime_seconds", "gauge", "Time since the server started", uptime),
    ]
    lines = []
    for name, kind, description, value in rows:
        full = f"playbach_{name}"
        lines += [f"# HELP {full} {description}", f"# TYPE {full} {kind}", f"{full} {value:g}"]
    full = "playbach_bar_seconds"
    latest = statistics.composing_seconds.maxlen
    lines += [f"# HELP {full} Seconds to compose a bar, of the latest {latest}", f"# TYPE {full} summary"]
    lines += [f'{full}{{quantile="{share:g}"}} {quantile(share):.6f}' for share in (0.5, 0.9, 0.99)]
    lines += [f"{full}_sum {sum(costs):.6f}", f"{full}_count {len(costs)}"]
    return "\n".join(lines) + "\n"
