"""WebP by the library inside Pillow."""

from __future__ import annotations

import io
from typing import Annotated

from PIL import Image as Pillow
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.degrade.codecs.files import (
    FileCodec,
    codec,
    needs_pillow_with,
    pixels,
    quality_of,
    written,
)
from qbench.degrade.codecs.versions import pillow_version
from qbench.degrade.picture import STRICT
from qbench.vocabulary import Facts, Image

WEBP_METHOD = 4
"""libwebp's own default: effort 0 (fast) to 6 (small)."""


@codec("webp", library="libwebp", version=lambda: pillow_version("webp"))
@dataclass(frozen=True, config=STRICT)
class Webp(FileCodec):
    """Lossy WebP (VP8, RFC 6386) at `quality` 1..100 and effort `method` 0..6; chroma is always 4:2:0.

    Sides of 1 to 16383 pixels. Grey pictures are coded as RGB, for the format has no grey, and come back as luma."""

    quality: Annotated[int, quality_of("a WebP")]
    method: int = Field(default=WEBP_METHOD, ge=0, le=6)

    @property
    def modes(self) -> tuple[str, ...]:
        return (f"method {self.method}",) if self.method != WEBP_METHOD else ()

    @property
    def axis(self) -> tuple[str, float]:
        return "quality", float(self.quality)

    def encode(self, image: Image) -> bytes:
        needs_pillow_with("webp", "libwebp", self.label)
        return written(image, "WEBP", quality=self.quality, method=self.method, lossless=False)

    def decode(self, data: bytes, grey: bool) -> Image:
        with Pillow.open(io.BytesIO(data), formats=("WEBP",)) as stored:
            return pixels(stored, grey)

    def facts_of(self, image: Image) -> Facts:
        return {"quality": [self.quality], "method": self.method, "subsampling": "4:2:0"}
