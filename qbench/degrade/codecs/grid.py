"""Moving a picture against the grid of blocks; what comes in at a border is the picture mirrored there."""

from __future__ import annotations

import numpy as np

from qbench.vocabulary import Image


def window(image: Image, top: int, left: int, height: int, width: int) -> Image:
    """`height` x `width` pixels from row `top` and column `left` on, either may be negative.

    Outside, the picture goes on mirrored with its border pixel repeated (… c b a | a b c …), as often as it takes:
    the continuation without a jump, which is also the one that a DCT assumes."""
    above, before = max(-top, 0), max(-left, 0)
    below, after = max(top + height - image.shape[0], 0), max(left + width - image.shape[1], 0)
    around = [(above, below), (before, after), (0, 0)][: image.ndim]
    wide = np.pad(image, around, mode="symmetric")
    return wide[top + above : top + above + height, left + before : left + before + width]
