"""The geometry in which degradation happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from pydantic import BaseModel, ConfigDict, field_validator

from qbench.vocabulary import Image, InputConvention

_FILTERS = {
    "bilinear": Pillow.Resampling.BILINEAR,
    "bicubic": Pillow.Resampling.BICUBIC,
    "lanczos": Pillow.Resampling.LANCZOS,
}
WHOLE = 2**31
LARGEST = 16_384
"""Pixels of a side that a suite may ask for."""
Size: TypeAlias = int | Literal["model"] | None


@dataclass(frozen=True)
class Placement:
    """Where a picture of a given size lands: scaled to `width` x `height`, then cut from (`left`, `top`)."""

    width: int
    height: int
    left: int
    top: int
    cut_width: int
    cut_height: int

    def cut(self, scaled: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(
            scaled[self.top : self.top + self.cut_height, self.left : self.left + self.cut_width]
        )


@dataclass(frozen=True)
class View:
    """Short side to `resize` pixels (None: as it is), then a centre crop of `crop` x `crop` (None: the whole picture).

    A picture smaller than the crop is enlarged until its short side fits."""

    resize: int | None
    crop: int | None
    interpolation: str = "bicubic"

    def place(self, height: int, width: int) -> Placement:
        """Where a picture of `height` x `width` pixels lands; targets are moved by it too.

        The long side is rounded to the nearest pixel, and an odd margin leaves its odd pixel on the right and at the
        bottom. (torchvision rounds the long side down and the offset to the nearest even: up to a pixel apart.)"""
        short = min(height, width)
        target = max(self.resize or short, self.crop or 0)
        if short != target:
            height, width = round(height * target / short), round(width * target / short)
        cut_height, cut_width = min(height, self.crop or WHOLE), min(width, self.crop or WHOLE)
        return Placement(width, height, (width - cut_width) // 2, (height - cut_height) // 2, cut_width, cut_height)

    def apply(self, image: Image) -> Image:
        """uint8 [H, W, 3] to uint8 [crop, crop, 3], or of the picture's own shape where there is no crop."""
        return self._moved(image, _FILTERS[self.interpolation])

    def mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask, uint8 [H, W], moved along with its picture: the nearest value, none in between."""
        return self._moved(mask, Pillow.Resampling.NEAREST)

    def _moved(self, array: NDArray[np.uint8], way: Pillow.Resampling) -> NDArray[np.uint8]:
        place = self.place(*array.shape[:2])
        if array.shape[:2] != (place.height, place.width):
            array = np.asarray(Pillow.fromarray(array).resize((place.width, place.height), way))
        return place.cut(array)


class ViewSpec(BaseModel):
    """The uint8 geometry in which degradation happens: short side to `resize`, then a centre crop of `crop` pixels.

    `model` stands for what the model declares; `resize: null` leaves the size, `crop: null` keeps the whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resize: Size = "model"
    crop: Size = "model"
    interpolation: Literal["model", "bilinear", "bicubic", "lanczos"] = "model"

    @field_validator("resize", "crop")
    @classmethod
    def _positive(cls, value: Size) -> Size:
        if isinstance(value, int) and not 1 <= value <= LARGEST:
            raise ValueError(f"a view has 1 to {LARGEST:,} pixels a side, not {value}")
        return value

    @property
    def label(self) -> str:
        """In words, for tables."""
        sizes = {"model": "the model's resizing", None: "no resizing"}
        resize = f"short side {self.resize}" if isinstance(self.resize, int) else sizes[self.resize]
        crops = {"model": "the model's centre crop", None: "whole"}
        crop = f"centre crop {self.crop}" if isinstance(self.crop, int) else crops[self.crop]
        return ", ".join([resize, crop, *([] if self.interpolation == "model" else [self.interpolation])])

    def of(self, convention: InputConvention) -> View:
        """The view with the model's own sizes where the suite leaves them to it."""
        return View(
            convention.resize if self.resize == "model" else self.resize,
            convention.size if self.crop == "model" else self.crop,
            convention.interpolation if self.interpolation == "model" else self.interpolation,
        )
