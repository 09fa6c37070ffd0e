"""What `playbach inspect --graph` says of a network: a table of its layers. Knows graphs; runs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from playbach.cli.common import columns

if TYPE_CHECKING:
    from playbach.inspection import Graph


def lines_of(graph: Graph) -> Iterator[str]:
    from playbach.inspection.network import rows

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
        for row in rows(graph.layers)
    ]
    table.append(("total", "", "", "", f"{graph.parameters:,}"))
    yield from columns(table, right={1, 4})
