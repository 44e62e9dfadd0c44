"""Moving a picture against the grid of blocks; what comes in at a border is the picture mirrored there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qbench.vocabulary import Image


def window(image: Image, top: int, left: int, height: int, width: int) -> Image:
    """`height` x `width` pixels from row `top` and column `left` on, either may be negative.

    Outside, the picture goes on mirrored with its border pixel repeated (… c b a | a b c …), as often as it takes:
    the continuation without a jump, which is also the one that a DCT assumes."""
    return image[_mirrored(top, height, image.shape[0])][:, _mirrored(left, width, image.shape[1])]


def _mirrored(start: int, count: int, size: int) -> NDArray[np.intp]:
    index = np.arange(start, start + count) % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)
