"""The dataset `scenes`."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.data.scenes.scene import CLASSES, SMALLEST, VERSION, Scene, Split, scene
from qbench.registry import dataset
from qbench.vocabulary import Boxes, Manifest, Sample


@dataset("scenes")
@dataclass(frozen=True)
class Scenes:
    """Built-in procedural scenes: 24 classes, each a texture on a shape, with masks and boxes. No download."""

    count: int = Field(default=512, gt=0, le=1_000_000, description="Scenes, from the split's first on.")
    split: Split = Field(default="test", description="train, val and test share no scene.")
    size: int = Field(default=SMALLEST, ge=SMALLEST, le=4096, description="Width and height in pixels.")
    target: Literal["label", "mask", "boxes"] = Field(
        default="label", description="Class index of the largest object; mask of classes + 1; or boxes."
    )

    @property
    def label(self) -> str:
        return "scenes"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names by index; a mask's index 0 is the background."""
        return ("background", *CLASSES) if self.target == "mask" else CLASSES

    def manifest(self) -> Manifest:
        """Ids `test/000017`, and digests of all that a scene is drawn from."""
        ids = tuple(f"{self.split}/{index:06d}" for index in range(self.count))
        facts = f"scenes {VERSION} {self.size} {self.target}"
        return Manifest(ids, tuple(hashlib.blake2b(f"{facts} {i}".encode(), digest_size=16).hexdigest() for i in ids))

    def load(self, index: int) -> Sample:
        drawn = self.scene(index)
        target = _boxes(drawn) if self.target == "boxes" else getattr(drawn, self.target)
        return Sample(f"{self.split}/{index:06d}", drawn.image, target)

    def scene(self, index: int) -> Scene:
        """The scene at `index` with all of its labels."""
        return scene(self.split, index, self.size)


def _boxes(drawn: Scene) -> Boxes:
    """What is visible of each object: its box, class, and area in pixels."""
    corners = np.array([box[:4] for box in drawn.boxes], np.float32).reshape(-1, 4)
    numbers = np.arange(1, len(drawn.boxes) + 1)
    area = (drawn.instances[..., None] == numbers).sum(axis=(0, 1)).astype(np.float64)
    return Boxes(corners, np.array([box[4] for box in drawn.boxes], np.int32), area=area)
