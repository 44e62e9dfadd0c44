"""Brightness, contrast and saturation: by lookup tables in fast mode, in float64 in parity mode."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.base import Corruption, corruption, scalars
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.corruptions.parity import filters as exact
from qbench.vocabulary import Image

_HAIR = 2e-3


@corruption(
    "brightness",
    # added to the value of HSV
    imagenet=scalars(0.1, 0.2, 0.3, 0.4, 0.5),
    cifar=scalars(0.05, 0.1, 0.15, 0.2, 0.3),
)  # fmt: skip
class Brightness(Corruption):
    """A raised value in HSV; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        """A larger value of HSV multiplies all three channels by one factor."""
        import cv2

        if image.ndim == 2:
            return np.asarray(cv2.LUT(image, _lifted(call.c[0])), np.uint8)
        red, green, blue = cv2.split(image)
        value = cv2.max(cv2.max(red, green), blue)
        factor = _lift(call.c[0])[value]
        brighter = np.asarray(cv2.merge([factor * red, factor * green, factor * blue])).astype(np.uint8)
        if not value.all():
            brighter[value == 0] = _lifted(call.c[0])[0]
        return brighter

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        values = image / 255
        if image.ndim == 2:
            return exact.levels(values + call.c[0])
        hue, saturation, value = _to_hsv(values)
        return exact.levels(_to_rgb(hue, saturation, np.clip(value + call.c[0], 0, 1)))


@cache
def _lifted(added: float) -> NDArray[np.uint8]:
    return (np.clip(np.arange(256) / 255 + added, 0, 1) * 255).astype(np.uint8)


@cache
def _lift(added: float) -> NDArray[np.float32]:
    """The factor for each value, so near its rounding that the brightest channel is cut to `_lifted`."""
    levels = np.clip(np.arange(256) / 255 + added, 0, 1) * 255
    below = np.floor(levels + _HAIR) > _lifted(added)
    return ((levels + np.where(below, -_HAIR, _HAIR)) / np.maximum(np.arange(256), 1)).astype(np.float32)


@corruption(
    "contrast",
    # factor of the distance to the mean
    imagenet=scalars(0.4, 0.3, 0.2, 0.1, 0.05),
    cifar=scalars(0.75, 0.5, 0.4, 0.3, 0.15),
)  # fmt: skip
class Contrast(Corruption):
    """Values drawn towards their mean; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        import cv2

        levels = np.arange(256)[:, None] / 255
        means = np.array(cv2.mean(image)[: 1 if image.ndim == 2 else 3]) / 255
        table = (np.clip((levels - means) * call.c[0] + means, 0, 1) * 255).astype(np.uint8)
        return np.asarray(cv2.LUT(image, table.reshape(256, 1, -1)), np.uint8)

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        values = image / 255
        means = values.mean(axis=(0, 1), keepdims=True)
        return exact.levels((values - means) * call.c[0] + means)


@corruption(
    "saturate",
    # factor and offset of the saturation
    imagenet=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    cifar=((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
)  # fmt: skip
class Saturate(Corruption):
    """A lowered or raised saturation in HSV; `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        """A changed saturation moves each channel away from the value of HSV, or to it, by one factor."""
        import cv2

        if image.ndim == 2:
            return image.copy()
        red, green, blue = cv2.split(image)
        value = cv2.max(cv2.max(red, green), blue)
        delta = cv2.subtract(value, cv2.min(cv2.min(red, green), blue))
        factor = _stretch(*call.c)[cv2.merge([delta, value]).view(np.uint16)[..., 0]]
        grey = (delta == 0).astype(np.uint8)  # has hue 0 in HSV: its red stays, its green and blue fall
        planes = [value - factor * (value - red), value - factor * cv2.max(value - green, grey),
                  value - factor * cv2.max(value - blue, grey)]  # fmt: skip
        return np.clip(cv2.merge(planes), 0, 255).astype(np.uint8)

    @staticmethod
    def parity(image: Image, call: Legacy) -> NDArray[Any]:
        """A grey picture stays as it is."""
        factor, offset = call.c
        if image.ndim == 2:
            return image
        hue, saturation, value = _to_hsv(image / 255)
        return exact.levels(_to_rgb(hue, np.clip(saturation * factor + offset, 0, 1), value))


@cache
def _stretch(scale: float, offset: float) -> NDArray[np.float32]:
    """[65536]: the factor for a value (high byte) and its distance to the darkest channel (low byte).

    `value - channel` is `saturation * value` times a share that the hue decides, so it grows as the saturation does.
    A hair decides whole numbers as the reference's rounding does for the darkest channel."""
    value, delta = np.arange(256.0)[:, None], np.arange(256.0)
    saturation = (value / 255 - (value - delta) / 255) / np.maximum(value / 255, 1e-9)
    changed = np.clip(np.where(delta > 0, saturation, 0) * scale + offset, 0, 1)
    fall, steps = changed * value, np.maximum(delta, 1)  # of the darkest channel; grey falls as if it had a delta of 1
    cut = np.floor(value / 255 * (1 - changed) * 255)
    fall += np.where(np.floor(value - fall + _HAIR) > cut, _HAIR, -_HAIR)
    return np.asarray(fall / steps, np.float32).ravel()


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
