"""The fast code of each corruption, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.fast import blur, digital, glass, mosaic, noise, weather
from qbench.vocabulary import Image

Corruption: TypeAlias = Callable[[Image, Call[np.random.Generator]], Image]

CORRUPTIONS: Mapping[str, Corruption] = {
    function.__name__: function
    for function in (
        noise.gaussian_noise, noise.shot_noise, noise.impulse_noise, noise.speckle_noise,
        blur.defocus_blur, blur.gaussian_blur, glass.glass_blur, blur.motion_blur, blur.zoom_blur,
        weather.snow, weather.frost, weather.frost_procedural, weather.fog, weather.spatter,
        digital.brightness, digital.contrast, digital.saturate, digital.elastic_transform, mosaic.pixelate,
        digital.jpeg_compression,
    )
}  # fmt: skip


def corrupt(name: str, image: Image, call: Call[np.random.Generator]) -> Image:
    """uint8 [H, W, 3] or [H, W] to the same."""
    return CORRUPTIONS[name](image, call)
