"""Steps that both modes take in the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from qbench.degrade.jpeg import jpeg
from qbench.vocabulary import Image

MUD, WATER = np.array([63, 42, 20]) / 255, np.array([175, 238, 238]) / 255


def over_channels(plane: NDArray[Any], image: Image) -> NDArray[Any]:
    return plane if image.ndim == 2 else plane[..., None]


def to_grey(colour: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(colour @ np.array([0.2989, 0.5870, 0.1140]))


def refraction(liquid: Image) -> NDArray[np.float32]:
    """How bright each place of a film of water is, [H, W] in [0, 1]: depth below its edges, embossed."""
    import cv2

    depth = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    depth = cv2.threshold(depth, 20, 20, cv2.THRESH_TRUNC)[1]
    depth = cv2.equalizeHist(cv2.blur(depth, (3, 3)).astype(np.uint8))
    embossed = cv2.filter2D(depth, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32))
    shine = liquid * cv2.blur(embossed, (3, 3)).astype(np.float32)
    return np.asarray(shine / max(float(shine.max()), 1e-6), np.float32)


def sheared(values: NDArray[Any], moves: NDArray[np.float64]) -> NDArray[Any]:
    """The affine map that moves three corners of a square of a third of the picture by `moves` (right, down)."""
    import cv2

    height, width = values.shape[:2]
    centre, side = np.array([width // 2, height // 2], np.float32), np.float32(min(height, width) // 3)
    corners = centre + side * np.array([[1, 1], [1, -1], [-1, -1]], np.float32)
    matrix = cv2.getAffineTransform(corners, corners + moves.astype(np.float32))
    return np.asarray(cv2.warpAffine(values, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101))


def compressed(image: Image, quality: int) -> Image:
    """A JPEG round trip; a grey picture goes through three equal channels, as the reference does."""
    if image.ndim == 3:
        return jpeg(image, quality)[0]
    return np.asarray(Pillow.fromarray(jpeg(np.dstack([image] * 3), quality)[0]).convert("L"))


def blocks(image: Image, share: float, smooth: bool) -> Image:
    """Box means at `share` of the resolution, drawn at the old size: `smooth` takes box means again."""
    height, width = image.shape[:2]
    small = Pillow.fromarray(image).resize((int(width * share), int(height * share)), Pillow.Resampling.BOX)
    back = Pillow.Resampling.BOX if smooth else Pillow.Resampling.NEAREST
    return np.asarray(small.resize((width, height), back))
