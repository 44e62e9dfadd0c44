"""AVIF files by Pillow's own plug-in, whatever else is registered for AVIF in this process."""

from __future__ import annotations

import io

from PIL import Image as Pillow

from qbench.degrade.codecs.files import Subsampling, pixels
from qbench.vocabulary import Image

SPEED = 6
ENCODER = "aom"


def encoded(image: Image, quality: int, speed: int = SPEED, subsampling: Subsampling = "4:2:0") -> bytes:
    """An AVIF file of uint8 [H, W, 3], or of grey [H, W] as 4:0:0.

    `Image.save` would ask Pillow's table of formats, in which another package may have put itself (older versions of
    pillow-heif do); the writer of Pillow's plug-in is called directly instead. Encoder and threads are pinned: Pillow
    would take as many threads as there are cores, and libaom's bits depend on whether there is more than one."""
    from PIL import AvifImagePlugin

    picture = Pillow.fromarray(image)
    picture.encoderinfo = {
        "quality": quality, "speed": speed, "codec": ENCODER, "max_threads": 1,
        "subsampling": subsampling if image.ndim == 3 else "4:0:0",
    }  # fmt: skip
    buffer = io.BytesIO()
    AvifImagePlugin._save(picture, buffer, "")
    return buffer.getvalue()


def decoded(data: bytes, grey: bool) -> Image:
    """The picture in an AVIF file; AV1 decoders give the same bits in any number of threads."""
    from PIL import AvifImagePlugin

    with AvifImagePlugin.AvifImageFile(io.BytesIO(data)) as stored:
        return pixels(stored, grey)
