"""Types of numpy arrays that music, encodings and networks share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
"""Steps, contexts, ticks, pitches."""

Mask = npt.NDArray[np.bool_]
"""True for the chosen symbols or rows."""
