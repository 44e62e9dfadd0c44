"""Planes and channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.vocabulary import Image


def over_channels(plane: NDArray[Any], image: Image) -> NDArray[Any]:
    """A plane [H, W] in the shape that broadcasts over the picture's channels."""
    return plane if image.ndim == 2 else plane[..., None]


def to_grey(colour: NDArray[Any]) -> NDArray[Any]:
    """Luma of colours [..., 3], in any scale."""
    return np.asarray(colour @ np.array([0.2989, 0.5870, 0.1140]))
