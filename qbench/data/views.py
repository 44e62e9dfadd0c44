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
        """uint8 [H, W, 3] to uint8 [crop, crop, 3]; rounding as torchvision's Resize and CenterCrop do it."""
        height, width = image.shape[:2]
        short = min(height, width)
        target = max(self.resize, self.crop) if self.resize else max(short, self.crop)
        if short != target:
            size = (target, int(target * height / width)) if width <= height else (int(target * width / height), target)
            image = np.asarray(Pillow.fromarray(image).resize(size, _FILTERS[self.interpolation]))
            height, width = image.shape[:2]
        top, left = round((height - self.crop) / 2), round((width - self.crop) / 2)
        return np.ascontiguousarray(image[top : top + self.crop, left : left + self.crop])
