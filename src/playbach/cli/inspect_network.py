"""The table of layers that `playbach inspect --graph` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from playbach.cli.common import format_table

if TYPE_CHECKING:
    from playbach.inspection import NetworkGraph


def format_network(graph: NetworkGraph) -> Iterator[str]:
    from playbach.inspection.network import layer_rows

    yield f"{graph.name}: {graph.architecture}, {graph.parameters:,} parameters in {len(graph.layers):,} layers"
    yield ""
    table = [("layer", "", "kind", "shape", "parameters")]
    table += [
        (
            row.name,
            f"{row.times} x" if row.times > 1 else "",
            row.layer.kind,
            row.layer.shape,
            f"{row.layer.parameters * row.times:,}",
        )
        for row in layer_rows(graph.layers)
    ]
    table.append(("total", "", "", "", f"{graph.parameters:,}"))
    yield from format_table(table, right={1, 4})
