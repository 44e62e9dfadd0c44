"""Colour, geometry and compression in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.parity.levels import levels
from qbench.degrade.corruptions.shared import blocks, compressed, sheared
from qbench.vocabulary import Image

Legacy = Call[np.random.RandomState]


def brightness(image: Image, call: Legacy) -> NDArray[Any]:
    values = image / 255
    if image.ndim == 2:
        return levels(values + call.c[0])
    hue, saturation, value = _to_hsv(values)
    return levels(_to_rgb(hue, saturation, np.clip(value + call.c[0], 0, 1)))


def saturate(image: Image, call: Legacy) -> NDArray[Any]:
    """A grey picture stays as it is."""
    factor, offset = call.c
    if image.ndim == 2:
        return image
    hue, saturation, value = _to_hsv(image / 255)
    return levels(_to_rgb(hue, np.clip(saturation * factor + offset, 0, 1), value))


def _to_hsv(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Hue, saturation and value in [0, 1] (Smith, "Color gamut transform pairs", 1978); grey has hue 0."""
    red, green, blue = np.moveaxis(values, 2, 0)
    value = values.max(2)
    delta = value - values.min(2)
    some = np.where(delta == 0, 1, delta)
    hue = np.where(red == value, (green - blue) / some, 0)
    hue = np.where(green == value, 2 + (blue - red) / some, hue)
    hue = np.where(blue == value, 4 + (red - green) / some, hue)
    hue = np.where(delta == 0, 0, hue / 6 % 1)
    return hue, delta / np.where(value == 0, 1, value), value


def _to_rgb(hue: NDArray[Any], saturation: NDArray[Any], value: NDArray[Any]) -> NDArray[Any]:
    sector = np.floor(hue * 6)
    share = hue * 6 - sector
    p = value * (1 - saturation)
    q = value * (1 - share * saturation)
    t = value * (1 - (1 - share) * saturation)
    at = sector.astype(np.intp) % 6
    return np.stack([np.choose(at, planes) for planes in (
        (value, q, p, p, t, value), (t, value, value, q, p, p), (p, p, t, value, value, q),
    )], axis=2)  # fmt: skip


def contrast(image: Image, call: Legacy) -> NDArray[Any]:
    values = image / 255
    means = values.mean(axis=(0, 1), keepdims=True)
    return levels((values - means) * call.c[0] + means)


def elastic_transform(image: Image, call: Legacy) -> NDArray[Any]:
    """A smooth random displacement, after a random affine map in the `cifar` form.

    Lengths are shares of the height; the sigma of each axis is a share of its own length."""
    displacement, sigma, reach = call.c
    height, width = image.shape[:2]
    values = image.astype(np.float32) / 255
    if reach:
        values = sheared(values, call.rng.uniform(-reach * height, reach * height, size=(3, 2)))
    largest = displacement * height
    right, down = (
        gaussian_filter(
            call.rng.uniform(-largest, largest, size=(height, width)),
            (sigma * height, sigma * width), mode="reflect", truncate=3,
        ).astype(np.float32)
        for _ in range(2)
    )  # fmt: skip
    places = np.arange(height)[:, None] + down, np.arange(width) + right
    planes = [map_coordinates(plane, places, order=1, mode="reflect") for plane in _planes(values)]
    return levels(np.stack(planes, 2).reshape(image.shape))


def _planes(values: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(np.atleast_3d(values), 2, 0)


def pixelate(image: Image, call: Legacy) -> Image:
    return blocks(image, call.c[0], smooth=call.size == "cifar")


def jpeg_compression(image: Image, call: Legacy) -> Image:
    return compressed(image, int(call.c[0]))
