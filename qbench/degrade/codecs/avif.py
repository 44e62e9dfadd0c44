"""AVIF by Pillow's own plug-in, whatever else is registered for AVIF in this process."""

from __future__ import annotations

import io
from typing import Annotated

from PIL import Image as Pillow
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.degrade.codecs.files import (
    GREY,
    FileCodec,
    Subsampling,
    chroma_mode,
    codec,
    needs_pillow_with,
    pixels,
    quality_of,
)
from qbench.degrade.codecs.versions import pillow_version
from qbench.degrade.picture import STRICT
from qbench.vocabulary import Facts, Image

SPEED = 6
ENCODER = "aom"


def _version() -> str | None:
    """libavif's version, and those of the AV1 encoder and decoder that it was built with."""
    libavif = pillow_version("avif")
    if libavif is None:
        return None
    from PIL import AvifImagePlugin

    inside = [f"{name} {number}" for name in ("aom", "dav1d") if (number := AvifImagePlugin.get_codec_version(name))]
    return f"{libavif} ({', '.join(inside)})" if inside else libavif


@codec("avif", library="libavif", version=_version)
@dataclass(frozen=True, config=STRICT)
class Avif(FileCodec):
    """AVIF (AV1) by the libaom inside Pillow's libavif at `quality` 1..100 and encoder `speed` 0 (slow) to 10.

    Speed is 6 unless told otherwise, the default of Pillow and libavif. One thread always: libaom writes other bits
    with two threads than with one. Grey pictures are coded without chroma."""

    quality: Annotated[int, quality_of("an AVIF")]
    speed: int = Field(default=SPEED, ge=0, le=10)
    subsampling: Subsampling = "4:2:0"

    @property
    def modes(self) -> tuple[str, ...]:
        speed = f"speed {self.speed}" if self.speed != SPEED else ""
        return chroma_mode(self.subsampling), speed

    @property
    def axis(self) -> tuple[str, float]:
        return "quality", float(self.quality)

    def encode(self, image: Image) -> bytes:
        needs_pillow_with("avif", "libavif", self.label)
        return encoded(image, self.quality, self.speed, self.subsampling)

    def decode(self, data: bytes, grey: bool) -> Image:
        return decoded(data, grey)

    def facts_of(self, image: Image) -> Facts:
        return {
            "quality": [self.quality],
            "speed": self.speed,
            "subsampling": self.subsampling if image.ndim == 3 else GREY,
        }


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
