"""Steps a `.tflite` file in TensorFlow Lite Micro's interpreter, as a microcontroller does."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

ARENA = 8 << 20


class MicroRuntime:
    """As `LiteRtRuntime`; inputs and outputs have no names here, only the signature's order."""

    def __init__(self, graph: bytes, inputs: list[str], outputs: list[str]) -> None:
        from tflite_micro.python.tflite_micro import runtime

        self._interpreter = runtime.Interpreter.from_bytes(graph, arena_size=ARENA)
        self._inputs = {name: i for i, name in enumerate(inputs)}
        self._outputs = {name: i for i, name in enumerate(outputs)}

    def start(self, pieces: int | None = None) -> list[np.ndarray[Any, Any]]:
        assert pieces is None
        details = [self._interpreter.get_input_details(i) for n, i in self._inputs.items() if n.startswith("state_")]
        return [np.zeros(d["shape"], np.float32) for d in details]

    def step(self, previous: Any, context: Any, state: Any) -> tuple[list[Any], list[Any]]:
        # Computing overwrites the inputs, so all are set again.
        feed = {"previous": previous, "context": context, **{f"state_{i}": s for i, s in enumerate(state)}}
        for name, index in self._inputs.items():
            detail = self._interpreter.get_input_details(index)
            self._interpreter.set_input(np.asarray(feed[name], detail["dtype"]).reshape(detail["shape"]), index)
        self._interpreter.invoke()
        found = {name: np.array(self._interpreter.get_output(i)) for name, i in self._outputs.items()}
        return [a[0] for n, a in found.items() if n.startswith("logits_")], [
            a for n, a in found.items() if n.startswith("next_state_")
        ]


def signature(graph: bytes) -> tuple[list[str], list[str]]:
    """The names of a graph's inputs and outputs, in the interpreter's order."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    [signature_def], [subgraph] = model.signatureDefs, model.subgraphs
    return (
        [_name_of(signature_def.inputs, index) for index in subgraph.inputs],
        [_name_of(signature_def.outputs, index) for index in subgraph.outputs],
    )


def _name_of(maps: Any, index: int) -> str:
    return next(re.sub(r"\0", "", m.name.decode()) for m in maps if m.tensorIndex == index)
