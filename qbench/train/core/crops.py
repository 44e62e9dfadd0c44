"""The geometry of a training sample: a random square of a picture, and what lies in the picture moved along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from qbench.cards.schema import CropView
from qbench.vocabulary import Boxes, Image

KEPT = 0.4
"""A box of which less than this part of its area is left inside the square is left out."""


@dataclass(frozen=True)
class Window:
    """A square of a picture, from (`left`, `top`), `side` pixels wide, that becomes `size` pixels wide; mirrored, then
    turned by quarters to the left."""

    left: float
    top: float
    side: float
    size: int
    mirrored: bool = False
    turns: int = 0

    @property
    def scale(self) -> float:
        return self.size / self.side

    def picture(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 [H, W, 3 + planes]: colours by bicubic interpolation, planes behind them by the nearest value."""
        if self.scale == 1.0:
            cut = image[round(self.top) :, round(self.left) :][: self.size, : self.size]
        elif image.shape[2] == 3:
            cut = self._scaled(image, Pillow.Resampling.BICUBIC)
        else:
            planes = np.moveaxis(image[:, :, 3:], 2, 0)
            colours = self._scaled(np.ascontiguousarray(image[:, :, :3]), Pillow.Resampling.BICUBIC)
            cut = np.dstack([colours, *(self._scaled(plane, Pillow.Resampling.NEAREST) for plane in planes)])
        return np.ascontiguousarray(self._turned(cut))

    def _scaled(self, image: NDArray[np.uint8], way: Pillow.Resampling) -> NDArray[np.uint8]:
        y, x = int(self.top), int(self.left)
        part = image[y : int(np.ceil(self.top + self.side)) + 1, x : int(np.ceil(self.left + self.side)) + 1]
        right = min(self.left - x + self.side, part.shape[1])
        bottom = min(self.top - y + self.side, part.shape[0])
        box = (self.left - x, self.top - y, right, bottom)
        return np.asarray(Pillow.fromarray(part).resize((self.size, self.size), way, box=box))

    def _turned(self, cut: NDArray[Any]) -> NDArray[Any]:
        if self.mirrored:
            cut = cut[:, ::-1]
        return np.rot90(cut, self.turns) if self.turns else cut

    def boxes(self, boxes: Boxes) -> Boxes:
        """The boxes of the picture in the square: moved, scaled, cut off at its edges; crowds are left out."""
        left, top = (round(self.left), round(self.top)) if self.scale == 1.0 else (self.left, self.top)
        corners = (boxes.corners.astype(np.float64) - [left, top, left, top]) * self.scale
        corners = clipped(corners, 0, 0, self.size)
        if self.mirrored:
            corners[:, [0, 2]] = self.size - corners[:, [2, 0]]
        for _ in range(self.turns):
            corners = np.stack(
                [corners[:, 1], self.size - corners[:, 2], corners[:, 3], self.size - corners[:, 0]], axis=1
            )
        whole = _area(boxes.corners.astype(np.float64)) * self.scale**2
        return kept(corners, boxes, whole)


def clipped(corners: NDArray[np.float64], left: float, top: float, size: int) -> NDArray[np.float64]:
    """Corners [N, 4] seen from (`left`, `top`) and cut off at the edges of a square of `size`."""
    return (corners - [left, top, left, top]).clip(0, size)


def kept(corners: NDArray[np.float64], boxes: Boxes, whole: NDArray[np.float64]) -> Boxes:
    """Those of `boxes`, now at `corners`, that still have enough of their `whole` area."""
    real = np.ones(len(corners), dtype=bool) if boxes.crowd is None else ~boxes.crowd
    there = real & (_area(corners) >= KEPT * whole) & (whole > 0)
    return Boxes(corners[there].astype(np.float32), boxes.labels[there])


def _area(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    return (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])


def tilted(picture: Image, degrees: int) -> Image:
    """An RGB picture of the same size turned counterclockwise around its middle, nearest pixels, black around."""
    return np.asarray(Pillow.fromarray(np.ascontiguousarray(picture)).rotate(degrees))


def window(height: int, width: int, view: CropView, rng: np.random.Generator, size: int) -> Window:
    """A random square for a picture of `height` x `width`: scaled, at least so much that the square fits."""
    scale = max(float(rng.uniform(*view.scale)), size / min(height, width))
    side = size / scale
    top, left = rng.uniform(0, height - side), rng.uniform(0, width - side)
    mirrored = view.flip and rng.random() < 0.5
    turns = int(rng.integers(4)) if view.rotate else 0
    return Window(left, top, side, size, bool(mirrored), turns)
