"""Steps the core of a `cnn` in LiteRT, and computes the shell around it here.

The core can run on an integer-only accelerator. The shell looks up the rows of the image in a table, and adds the
scores of the relations' classes to the logits. `models.cnn` defines both. Knows nothing of torch.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.bundles.bundle import TFLITE, Bundle
from playbach.encodings.base import Encoding
from playbach.encodings.relations import Relation
from playbach.inference.runtimes.base import Logits, Runtime, step_one_by_one
from playbach.inference.runtimes.litert import LiteRtRuntime, TfliteGraph
from playbach.system.errors import BundleError

SHELL = "shell"
"""The key of the shell in the entry `export` of an exported core's manifest."""
IMAGE, SCORES = "image", "scores_"
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shell:
    """The part of a `cnn` that is computed here, outside LiteRT."""

    table: _Floats
    """(S, D): a row for each symbol of each field, followed by its start symbol, then for each symbol of each context
    field."""
    offsets: npt.NDArray[np.int64]
    """(F + C,): the first row of each field and context field."""
    relations: tuple[Relation, ...]

    @classmethod
    def of(cls, table: _Floats, encoding: Encoding) -> Shell:
        sizes = [*(len(f) + 1 for f in encoding.fields), *map(len, encoding.context)]
        return cls(table, np.cumsum([0, *sizes[:-1]]), encoding.relations)

    def manifest(self) -> dict[str, Any]:
        """The table as JSON. The rest is derived from the encoding."""
        data = base64.b64encode(self.table.astype("<f4").tobytes()).decode("ascii")
        return {"columns": self.table.shape[1], "table": data}

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any], encoding: Encoding) -> Shell:
        """Read a shell.

        Raises:
            BundleError: the table is damaged or does not fit the encoding.
        """
        try:
            numbers = np.frombuffer(base64.b64decode(data["table"], validate=True), "<f4")
            table = numbers.reshape(-1, int(data["columns"])).astype(np.float32)
        except (LookupError, TypeError, ValueError, binascii.Error) as error:
            raise BundleError("the table in its manifest is damaged; export it again") from error
        rows = sum(len(f) + 1 for f in encoding.fields) + sum(map(len, encoding.context))
        if len(table) != rows:
            raise BundleError(
                f"its table does not fit its encoding (expected {rows} rows, got {len(table)}); export it again"
            )
        return cls.of(table, encoding)

    def row(self, previous: npt.NDArray[Any], context: npt.NDArray[Any]) -> _Floats:
        """The row of the image (D,) for one step."""
        row: _Floats = self.table[np.concatenate([previous, context]) + self.offsets].sum(axis=0).clip(-1, 1)
        return row

    def logits(self, scores: list[_Floats], context: npt.NDArray[Any]) -> Logits:
        """The scores of each field's symbols, then of each relation's classes -> the logits of each field."""
        fields = len(scores) - len(self.relations)
        logits = [s.copy() for s in scores[:fields]]
        for relation, classes in zip(self.relations, scores[fields:]):
            added = classes[relation.classes[int(context[relation.column])]]  # (A,)
            logits[relation.field] += added[relation.aspects]
        return logits


class CoreRuntime:
    """Steps a core and its shell. A state is the last rows of the image (N - 1, D)."""

    def __init__(self, graph: bytes, shell: Shell, threads: int = 1) -> None:
        self._graph, self.shell = TfliteGraph(graph, threads), shell
        self._image = self._graph.input(IMAGE)
        self._scores = self._graph.outputs(SCORES)
        if not self._scores:
            raise BundleError(
                "this .tflite file is not the core of a cnn: it has no output 'scores_0'; export it again"
            )

    def start(self, pieces: int | None = None) -> Any:
        _, rows, columns = self._image["shape"]
        state = np.zeros((rows - 1, columns), np.float32)
        return state if pieces is None else [state] * pieces

    def step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: Any) -> tuple[Logits, Any]:
        if np.ndim(previous) == 1:
            return self._step(previous, context, state)
        return step_one_by_one(self._step, previous, context, state)

    def _step(self, previous: npt.NDArray[Any], context: npt.NDArray[Any], state: _Floats) -> tuple[Logits, _Floats]:
        image = np.vstack([state, self.shell.row(previous, context)])
        scores = self._graph.run([(self._image, image[None])], self._scores)
        return self.shell.logits([s.reshape(-1) for s in scores], context), image[1:]


def open_bundle(bundle: Bundle, threads: int) -> Runtime:
    """The runtime of a bundle that has a TFLite graph: a core with its shell, or a whole step."""
    graph, shell = bundle.members[TFLITE], bundle.manifest["export"].get(SHELL)
    if shell is None:
        return LiteRtRuntime(graph, threads)
    return CoreRuntime(graph, Shell.from_manifest(shell, bundle.encoding()), threads)
