"""Colour by lookup tables, geometry by OpenCV's maps."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from qbench.degrade.corruptions.call import Call
from qbench.degrade.corruptions.fast import draws
from qbench.degrade.corruptions.shared import compressed, sheared
from qbench.vocabulary import Image

Keyed = Call[np.random.Generator]
_HAIR = 2e-3


def brightness(image: Image, call: Keyed) -> Image:
    """A larger value of HSV multiplies all three channels by one factor."""
    import cv2

    if image.ndim == 2:
        return np.asarray(cv2.LUT(image, _lifted(call.c[0])), np.uint8)
    red, green, blue = cv2.split(image)
    value = cv2.max(cv2.max(red, green), blue)
    factor = _lift(call.c[0])[value]
    found = np.asarray(cv2.merge([factor * red, factor * green, factor * blue])).astype(np.uint8)
    if not value.all():
        found[value == 0] = _lifted(call.c[0])[0]
    return found


@cache
def _lifted(added: float) -> NDArray[np.uint8]:
    return (np.clip(np.arange(256) / 255 + added, 0, 1) * 255).astype(np.uint8)


@cache
def _lift(added: float) -> NDArray[np.float32]:
    """The factor for each value, so near its rounding that the brightest channel is cut to `_lifted`."""
    exact = np.clip(np.arange(256) / 255 + added, 0, 1) * 255
    below = np.floor(exact + _HAIR) > _lifted(added)
    return ((exact + np.where(below, -_HAIR, _HAIR)) / np.maximum(np.arange(256), 1)).astype(np.float32)


def saturate(image: Image, call: Keyed) -> Image:
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


@cache
def _stretch(scale: float, offset: float) -> NDArray[np.float32]:
    """[65536]: the factor for a value (high byte) and its distance to the darkest channel (low byte).

    `value - channel` is `saturation * value` times a share that the hue decides, so it grows as the saturation does.
    A hair decides whole numbers as the reference's rounding does for the darkest channel."""
    value, delta = np.arange(256.0)[:, None], np.arange(256.0)
    saturation = (value / 255 - (value - delta) / 255) / np.maximum(value / 255, 1e-9)
    made = np.clip(np.where(delta > 0, saturation, 0) * scale + offset, 0, 1)
    fall, steps = made * value, np.maximum(delta, 1)  # of the darkest channel; grey falls as if it had a delta of 1
    cut = np.floor(value / 255 * (1 - made) * 255)
    fall += np.where(np.floor(value - fall + _HAIR) > cut, _HAIR, -_HAIR)
    return np.asarray(fall / steps, np.float32).ravel()


def contrast(image: Image, call: Keyed) -> Image:
    import cv2

    levels = np.arange(256)[:, None] / 255
    means = np.array(cv2.mean(image)[: 1 if image.ndim == 2 else 3]) / 255
    table = (np.clip((levels - means) * call.c[0] + means, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table.reshape(256, 1, -1)), np.uint8)


def elastic_transform(image: Image, call: Keyed) -> Image:
    import cv2

    displacement, sigma, reach = call.c
    height, width = image.shape[:2]
    values = image.astype(np.uint16) << 8  # fractions of a level, to be cut off at the end
    if reach:
        values = sheared(values, call.rng.uniform(-reach * height, reach * height, size=(3, 2)))
    right, down = (_displacements(draws.words(call.rng, height, width), displacement, sigma) for _ in range(2))
    right += np.arange(width, dtype=np.float32)
    down += np.arange(height, dtype=np.float32)[:, None]
    mapped = np.asarray(cv2.remap(values, right, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint16)
    return (mapped >> 8).astype(np.uint8)


def _displacements(drawn: NDArray[np.uint16], displacement: float, sigma: float) -> NDArray[np.float32]:
    """Uniform values in plus or minus `displacement`, smoothed; both lengths in shares of the sides."""
    import cv2

    height, width = drawn.shape
    field = drawn.astype(np.float32)
    field -= np.float32(32767.5)
    field *= np.float32(displacement * height / 32767.5)
    if sigma:
        taps = [2 * int(3 * sigma * side + 0.5) + 1 for side in (width, height)]
        cv2.GaussianBlur(field, taps, sigma * width, field, sigma * height, cv2.BORDER_REFLECT)
    return field


def jpeg_compression(image: Image, call: Keyed) -> Image:
    """The codec of OpenCV, the same library as Pillow's without its conversions."""
    import cv2

    quality = int(call.c[0])
    if image.ndim == 2:
        return compressed(image, quality)
    stored = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    read = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)
