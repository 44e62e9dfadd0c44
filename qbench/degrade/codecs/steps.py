"""What happens to a picture between two compressions: it moves against the grid, is scaled, or loses its border."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image as Pillow
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.degrade.codecs.grid import window
from qbench.degrade.labels import Degradation, with_modes
from qbench.degrade.picture import STRICT, checked
from qbench.draws import Draw
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

Filter = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
"""Pillow's filters; all but `nearest` widen when they shrink, so that nothing aliases."""
USUAL: Filter = "bicubic"


@condition("shift", libraries=("numpy",))
@dataclass(frozen=True, config=STRICT)
class Shift(Degradation):
    """The picture moves `dx` pixels right and `dy` down, -64..64, against the grid of the next compression.

    It keeps its size: what leaves at one border is lost, and what enters at the other is the picture mirrored there.
    `shift(-dx, -dy)` afterwards brings all back but that border."""

    name = "shift"
    dx: int = Field(default=0, ge=-64, le=64)
    dy: int = Field(default=0, ge=-64, le=64)

    @property
    def label(self) -> str:
        return f"shift({self.dx},{self.dy})"

    @property
    def axis(self) -> None:
        return None

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        image = checked(image, self.label)
        return window(image, -self.dy, -self.dx, *image.shape[:2]), {"shift": [self.dx, self.dy]}


@condition("resize", libraries=("pillow",))
@dataclass(frozen=True, config=STRICT)
class Resize(Degradation):
    """The picture scaled by `scale` 0.02..4 and back to its own size, both times with `filter`, rounded between.

    The size between is rounded half up, at least 1x1; at the scale 1 the picture is as it was."""

    name = "resize"
    scale: float = Field(ge=0.02, le=4)
    filter: Filter = USUAL

    @property
    def label(self) -> str:
        return with_modes(f"resize@{self.scale:g}", *self.modes)

    @property
    def modes(self) -> tuple[str, ...]:
        return (self.filter,) if self.filter != USUAL else ()

    @property
    def axis(self) -> tuple[str, float]:
        return "scale", self.scale

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        image = checked(image, self.label)
        height, width = (max(int(side * self.scale + 0.5), 1) for side in image.shape[:2])
        rescaled = scaled(scaled(image, (height, width), self.filter), image.shape[:2], self.filter)
        return rescaled, {"scale": self.scale, "between": [height, width], "filter": self.filter}


@condition("crop", libraries=("pillow",))
@dataclass(frozen=True, config=STRICT)
class Crop(Degradation):
    """`border` pixels 1..64 cut off on each side, and the rest scaled up to the size of the whole with `filter`."""

    name = "crop"
    border: int = Field(ge=1, le=64)
    filter: Filter = USUAL

    @property
    def label(self) -> str:
        return with_modes(f"crop@{self.border}", *self.modes)

    @property
    def modes(self) -> tuple[str, ...]:
        return (self.filter,) if self.filter != USUAL else ()

    @property
    def axis(self) -> tuple[str, float]:
        return "border", float(self.border)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        image = checked(image, self.label, smallest=2 * self.border + 1)
        inner = slice(self.border, -self.border)
        rescaled = scaled(image[inner, inner], image.shape[:2], self.filter)
        return rescaled, {"border": self.border, "filter": self.filter}


def scaled(image: Image, size: tuple[int, ...], kind: Filter) -> Image:
    """uint8 [H, W, 3] or [H, W] at another `size` (height, width), by Pillow; the same picture at the same size."""
    height, width = size
    return np.asarray(Pillow.fromarray(image).resize((width, height), Pillow.Resampling[kind.upper()]))
