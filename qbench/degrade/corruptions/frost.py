"""Ice on the lens: photographs of it, or drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions import textures
from qbench.degrade.corruptions.base import Corruption, corruption
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.corruptions.channels import to_grey
from qbench.vocabulary import Image


@corruption(
    "frost",
    # shares of the picture and of the ice
    imagenet=((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    cifar=((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
)  # fmt: skip
class Frost(Corruption):
    """Ice on the lens, photographs of it from an installed imagecorruptions; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        return iced(image, call, textures.photographed(image.shape[0], image.shape[1], call.size))

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        return iced_exactly(image, call, textures.photographed(image.shape[0], image.shape[1], call.size))


@corruption(
    "frost_procedural",
    imagenet=Frost.strengths["imagenet"],
    cifar=Frost.strengths["cifar"],
)  # fmt: skip
class FrostProcedural(Corruption):
    """Ice on the lens, drawn, where the photographs of `frost` are not installed; `severity` 1..5."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        return iced(image, call, textures.drawn(image.shape[0], image.shape[1], call.size))

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        return iced_exactly(image, call, textures.drawn(image.shape[0], image.shape[1], call.size))


def iced(image: Image, call: Keyed, ice: textures.Ice) -> Image:
    """Only the first five of the six textures are ever drawn, as in the reference."""
    import cv2

    index = int(call.rng.integers(5))
    texture = ice.textures(index)
    top, left = (int(call.rng.integers(texture.shape[axis] - image.shape[axis])) for axis in (0, 1))
    crop: NDArray[Any] = texture[top : top + image.shape[0], left : left + image.shape[1]]
    call.facts.update(ice.facts, texture=index + 1, top=top, left=left)
    if image.ndim == 2:
        crop = np.round(to_grey(crop)).astype(np.uint8)
    almost_half = -0.499  # OpenCV rounds where the reference cuts off
    return np.asarray(cv2.addWeighted(image, call.c[0], crop, call.c[1], almost_half), np.uint8)


def iced_exactly(image: Image, call: Legacy, ice: textures.Ice) -> NDArray[Any]:
    """Only the first five of the six textures are ever drawn, as in the reference."""
    index = int(call.rng.randint(5))
    texture = ice.textures(index)
    top, left = (int(call.rng.randint(0, texture.shape[axis] - image.shape[axis])) for axis in (0, 1))
    crop = texture[top : top + image.shape[0], left : left + image.shape[1]]
    call.facts.update(ice.facts, texture=index + 1, top=top, left=left)
    return np.asarray(np.clip(call.c[0] * image + call.c[1] * (to_grey(crop) if image.ndim == 2 else crop), 0, 255))
