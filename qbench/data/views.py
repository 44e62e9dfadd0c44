"""The geometry in which degradation happens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from pydantic import BaseModel, ConfigDict, field_validator

from qbench.errors import BadSample
from qbench.vocabulary import CropMode, Image, InputConvention

_FILTERS = {
    "bilinear": Pillow.Resampling.BILINEAR,
    "bicubic": Pillow.Resampling.BICUBIC,
    "lanczos": Pillow.Resampling.LANCZOS,
}
WIDEST = 3
"""Pixels that a filter (Lanczos) reaches to each side, at the coarser of the two scales."""
MOST = 2**26
"""Pixels of a scaled picture: of a larger one, only what the cut leaves is computed."""
THIN = 64
"""Of a picture whose sides differ by more than this factor, too, only what the cut leaves is computed."""
WHOLE = 2**31
IGNORED = 255
"""What a mask holds where its picture is a border."""
LARGEST = 16_384
"""Pixels of a side that a suite may ask for."""
Size: TypeAlias = int | Literal["model"] | None


@dataclass(frozen=True)
class Placement:
    """Where a picture of a given size lands: scaled to `width` x `height`, then cut from (`left`, `top`), which lies
    outside of it where a border is added."""

    width: int
    height: int
    left: int
    top: int
    cut_width: int
    cut_height: int

    def cut(self, scaled: NDArray[Any], fill: int | tuple[int, ...] = 0) -> NDArray[Any]:
        """The cut, with `fill` where the scaled picture does not reach."""
        if self.left < 0 or self.top < 0:
            return self._bordered(scaled, fill)
        return np.ascontiguousarray(
            scaled[self.top : self.top + self.cut_height, self.left : self.left + self.cut_width]
        )

    def _bordered(self, scaled: NDArray[Any], fill: int | tuple[int, ...]) -> NDArray[Any]:
        whole = np.empty((self.cut_height, self.cut_width, *scaled.shape[2:]), scaled.dtype)
        whole[:] = fill
        down, right = max(-self.top, 0), max(-self.left, 0)
        part = scaled[max(self.top, 0) :, max(self.left, 0) :][: self.cut_height - down, : self.cut_width - right]
        whole[down : down + part.shape[0], right : right + part.shape[1]] = part
        return whole


@dataclass(frozen=True)
class View:
    """Short side to `resize` pixels (None: as it is), then a centre crop of `crop` x `crop` (None: the whole picture).

    A picture smaller than the crop is enlarged until its short side fits. That is the `crop_mode` `center`. The others
    are those of timm's evaluation, to the pixel: `squash` scales both sides to `resize`, `border` the long side, and
    `padded` the short side even where the crop is larger; a border of `fill` then stands for what is missing."""

    resize: int | None
    crop: int | None
    interpolation: str = "bicubic"
    crop_mode: CropMode = "center"
    fill: tuple[int, int, int] = (0, 0, 0)

    def place(self, height: int, width: int) -> Placement:
        """Where a picture of `height` x `width` pixels lands; targets are moved by it too.

        The long side is rounded to the nearest pixel, and an odd margin leaves its odd pixel on the right and at the
        bottom. (torchvision rounds the long side down and the offset to the nearest even: up to a pixel apart.)"""
        short = min(height, width)
        if self.resize is not None and self.crop_mode != "center":
            return self._fitted(self.resize, height, width)
        target = max(self.resize or short, self.crop or 0)
        if short != target:
            height, width = round(height * target / short), round(width * target / short)
        cut_height, cut_width = min(height, self.crop or WHOLE), min(width, self.crop or WHOLE)
        return Placement(width, height, (width - cut_width) // 2, (height - cut_height) // 2, cut_width, cut_height)

    def _fitted(self, side: int, height: int, width: int) -> Placement:
        """As timm rounds: an odd margin is split at the nearest even, a padded picture's long side rounded down."""
        if self.crop_mode != "padded":
            side = max(side, self.crop or 0)
        if self.crop_mode == "squash":
            height = width = side
        elif self.crop_mode == "border":
            ratio = max(height / side, width / side)
            height, width = max(round(height / ratio), 1), max(round(width / ratio), 1)
        else:
            short = min(height, width)
            height, width = (side if at == short else int(side * at / short) for at in (height, width))
        cut_height, cut_width = (height, width) if self.crop is None else (self.crop, self.crop)
        return Placement(width, height, _start(width, cut_width), _start(height, cut_height), cut_width, cut_height)

    def apply(self, image: Image) -> Image:
        """uint8 [H, W, 3] to uint8 [crop, crop, 3], or of the picture's own shape where there is no crop."""
        return self._moved(image, _FILTERS[self.interpolation], self.fill)

    def mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask, uint8 [H, W], moved along with its picture: the nearest value, none in between; 255 in a border."""
        return self._moved(mask, Pillow.Resampling.NEAREST, IGNORED)

    def _moved(
        self, array: NDArray[np.uint8], way: Pillow.Resampling, fill: int | tuple[int, ...]
    ) -> NDArray[np.uint8]:
        """Raises BadSample where what is left after the cut has more than `MOST` pixels."""
        place = self.place(*array.shape[:2])
        if array.shape[:2] == (place.height, place.width):
            return place.cut(array, fill)
        if place.cut_width * place.cut_height > MOST:
            size = f"{place.cut_width}x{place.cut_height} pixels"
            raise BadSample(f"its view would have {size}, more than {MOST:,}; give it a smaller `resize` or `crop`")
        if place.width * place.height > MOST or max(array.shape[:2]) > THIN * min(array.shape[:2]):
            part, place = _part(array, place, way)
            return place.cut(part, fill)
        return place.cut(np.asarray(Pillow.fromarray(array).resize((place.width, place.height), way)), fill)


def _start(length: int, cut: int) -> int:
    """Where a cut of the middle starts; before the picture where it is longer."""
    return round((length - cut) / 2) if cut <= length else -((cut - length) // 2)


def _part(array: NDArray[np.uint8], place: Placement, way: Pillow.Resampling) -> tuple[NDArray[np.uint8], Placement]:
    """What the cut leaves of the scaled picture, without the rest, and where the cut is in it: as of the whole but for
    single values that are one or two apart (of masks: a pixel aside), since Pillow holds the edges of what it scales in
    single precision. Across first and then down, as Pillow scales where the shape is kept."""
    height, width = array.shape[:2]
    left, top = max(place.left, 0), max(place.top, 0)
    wide = min(place.left + place.cut_width, place.width) - left
    high = min(place.top + place.cut_height, place.height) - top
    first, last, above, below = _span(height, place.height, top, high)
    start, stop, near, far = _span(width, place.width, left, wide)
    picture = Pillow.fromarray(np.ascontiguousarray(array[first:last, start:stop]))
    picture = picture.resize((wide, picture.height), way, box=(near, 0, far, picture.height))
    part = np.asarray(picture.resize((wide, high), way, box=(0, above, wide, below)))
    return part, Placement(wide, high, place.left - left, place.top - top, place.cut_width, place.cut_height)


def _span(source: int, scaled: int, start: int, count: int) -> tuple[int, int, float, float]:
    """Along one side: the pixels of the source that the cut looks at, from and to, and its edges from there on."""
    step = source / scaled
    low, high = start * step, (start + count) * step
    reach = math.ceil(WIDEST * max(step, 1.0)) + 1
    first, last = max(0, math.floor(low) - reach), min(source, math.ceil(high) + reach)
    return first, last, low - first, min(high - first, last - first)


class ViewSpec(BaseModel):
    """The uint8 geometry in which degradation happens: short side to `resize`, then a centre crop of `crop` pixels.

    `model` stands for what the model declares; `resize: null` leaves the size, `crop: null` keeps the whole. Where
    `resize` is left to the model, so is the way of it: some models declare both sides, or a border."""

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
            convention.crop_mode if self.resize == "model" else "center",
            _mean_colour(convention) if convention.crop_mode == "border" else (0, 0, 0),
        )


def _mean_colour(convention: InputConvention) -> tuple[int, int, int]:
    """The mean of a model's pictures in 0-255 RGB, which is zero to the network: what timm fills borders with."""
    red, green, blue = (round(255 * mean / convention.scale) for mean in convention.mean)
    return (blue, green, red) if convention.channels == "BGR" else (red, green, blue)
