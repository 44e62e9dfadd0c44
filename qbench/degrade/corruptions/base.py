"""What the conditions of this package have in common."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.severities import Size, parameters
from qbench.degrade.jpeg import jpeg
from qbench.degrade.labels import Degradation, with_modes
from qbench.degrade.picture import STRICT, checked
from qbench.draws import Draw
from qbench.vocabulary import Facts, Image

Mode = Literal["fast", "parity"]
FAST_VERSION = 1
"""Rises whenever the pixels of fast mode change; stands in the facts of every picture."""
REFERENCE = "imagecorruptions 1.1.2"
SMALLEST = 32
RESAVED = 85
"""The JPEG quality at which the files of ImageNet-C are distributed."""


@dataclass(frozen=True, config=STRICT)
class Corruption(Degradation):
    """One corruption of ImageNet-C at a `severity` 1..5, on pictures of at least 32 x 32 pixels.

    `mode`: `fast`, or `parity`, which follows imagecorruptions 1.1.2 value for value, given its random stream.
    `size`: the strengths of ImageNet-C (`imagenet`) or, for small pictures, those of CIFAR-10-C (`cifar`). `resave`:
    save the result as JPEG of quality 85, as the files of ImageNet-C are. A grey picture is treated as one channel."""

    severity: int = Field(ge=1, le=5)
    mode: Mode = "fast"
    size: Size = "imagenet"
    resave: bool = False

    @property
    def modes(self) -> tuple[str, ...]:
        size, mode = self.size if self.size != "imagenet" else "", self.mode if self.mode != "fast" else ""
        return size, mode, f"saved at JPEG {RESAVED}" if self.resave else ""

    @property
    def label(self) -> str:
        return with_modes(f"{self.name}/{self.severity}", *self.modes)

    @property
    def axis(self) -> tuple[str, float]:
        return "severity", float(self.severity)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        """uint8 [H, W, 3] or [H, W] to the same. Raises ConditionError for other pictures and missing textures."""
        checked(image, self.label, smallest=SMALLEST)
        strength = parameters(self.name, self.severity, self.size)
        facts: dict[str, Any] = {"mode": self.mode}
        if self.mode == "parity":
            from qbench.degrade.corruptions.parity.dispatch import corrupt as follow

            facts["reference"] = REFERENCE
            found = follow(self.name, image, Call(strength, lambda: legacy(draw(self.name)), self.size, facts))
        else:
            from qbench.degrade.corruptions.fast.dispatch import corrupt

            facts["version"] = FAST_VERSION
            found = corrupt(self.name, image, Call(strength, lambda: draw(self.name), self.size, facts))
        return (jpeg(found, RESAVED)[0] if self.resave else found), facts


def legacy(rng: np.random.Generator) -> np.random.RandomState:
    """numpy's legacy stream, as the reference uses it, seeded by a keyed draw."""
    return np.random.RandomState(np.random.MT19937(rng.integers(0, 1 << 32, 4).tolist()))
