"""The geometry in which degradation happens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from qbench.vocabulary import Image

_FILTERS = {
    "bilinear": Pillow.Resampling.BILINEAR,
    "bicubic": Pillow.Resampling.BICUBIC,
    "lanczos": Pillow.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class View:
    """Short side to `resize` pixels (None: as it is), then a centre crop of `crop` x `crop`.

    A picture smaller than the crop is enlarged until its short side fits."""

    resize: int | None
    crop: int
    interpolation: str = "bicubic"

    def apply(self, image: Image) -> Image:
        """uint8 [H, W, 3] to uint8 [crop, crop, 3].

        The long side is rounded to the nearest pixel, and an odd margin leaves its odd pixel on the right and at the
        bottom. (torchvision rounds the long side down and the offset to the nearest even: up to a pixel apart.)"""
        height, width = image.shape[:2]
        short = min(height, width)
        target = max(self.resize, self.crop) if self.resize else max(short, self.crop)
        if short != target:
            size = round(width * target / short), round(height * target / short)
            image = np.asarray(Pillow.fromarray(image).resize(size, _FILTERS[self.interpolation]))
            height, width = image.shape[:2]
        top, left = (height - self.crop) // 2, (width - self.crop) // 2
        return np.ascontiguousarray(image[top : top + self.crop, left : left + self.crop])
