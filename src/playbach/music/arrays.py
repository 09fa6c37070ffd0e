"""Types of the arrays that music, encodings and networks share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]


Mask = npt.NDArray[np.bool_]
