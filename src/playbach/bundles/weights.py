"""Reads a bundle's weights without torch or the package safetensors, which composing does not need.

The format is safetensors: the length of a JSON header (8 bytes), the header, and the arrays' bytes
(https://huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from playbach.system.errors import BundleError

_TYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32}


def read_weights(data: bytes, name: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays by their names.

    Args:
        name: the bundle's, for messages.

    Raises:
        BundleError: the data is damaged.
    """
    try:
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        return {
            key: np.frombuffer(data[start + a : start + b], np.dtype(_TYPES[entry["dtype"]])).reshape(entry["shape"])
            for key, entry in header.items()
            if key != "__metadata__"
            for a, b in [entry["data_offsets"]]
        }
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise BundleError(f"{name}: its weights are damaged ({str(error)[:80]}); get or train it again") from error
