"""One JPEG compression."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow

from qbench.degrade.corruptions.base import Corruption, corruption, scalars
from qbench.degrade.corruptions.call import Keyed, Legacy
from qbench.degrade.jpeg import jpeg
from qbench.vocabulary import Image


@corruption(
    "jpeg_compression",
    # quality
    imagenet=scalars(25, 18, 15, 10, 7),
    cifar=scalars(80, 65, 58, 50, 40),
)  # fmt: skip
class JpegCompression(Corruption):
    """JPEG of quality 25, 18, 15, 10, 7 at `severity` 1..5 of ImageNet-C."""

    @staticmethod
    def fast(image: Image, call: Keyed) -> Image:
        """The codec of OpenCV, the same library as Pillow's without its conversions."""
        import cv2

        quality = int(call.c[0])
        if image.ndim == 2:
            return compressed(image, quality)
        stored = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        read = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR), np.uint8)
        return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)

    @staticmethod
    def parity(image: Image, call: Legacy) -> Image:
        return compressed(image, int(call.c[0]))


def compressed(image: Image, quality: int) -> Image:
    """A JPEG round trip; a grey picture goes through three equal channels, as the reference does."""
    if image.ndim == 3:
        return jpeg(image, quality)[0]
    return np.asarray(Pillow.fromarray(jpeg(np.dstack([image] * 3), quality)[0]).convert("L"))
