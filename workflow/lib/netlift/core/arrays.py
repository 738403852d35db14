"""Types of arrays, and the rounding that sums of floats leave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

ROUNDING = 1e-12
"""Per slate or row; an effect no larger than this is none."""
