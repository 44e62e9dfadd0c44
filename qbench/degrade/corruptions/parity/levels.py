"""From values in [0, 1] to grey levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def levels(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.clip(values, 0, 1) * 255)
