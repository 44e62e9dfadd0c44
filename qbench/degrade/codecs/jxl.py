"""JPEG XL, where its plug-in for Pillow is installed: `pip install 'qbench[codecs]'`."""

from __future__ import annotations

import io
from typing import Annotated

from PIL import Image as Pillow
from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.degrade.codecs.files import (
    GREY,
    FileCodec,
    codec,
    missing,
    pixels,
    quality_of,
    written,
)
from qbench.degrade.codecs.versions import package_version
from qbench.degrade.picture import STRICT
from qbench.vocabulary import Facts, Image

JXL_EFFORT = 7
"""libjxl's own default: effort 1 (fast) to 9 (small)."""


@codec("jxl", library="pillow-jxl-plugin", version=lambda: package_version("pillow-jxl-plugin"))
@dataclass(frozen=True, config=STRICT)
class Jxl(FileCodec):
    """JPEG XL by `pillow-jxl-plugin` at `quality` 1..100 (100 is lossless) and `effort` 1 (fast) to 9.

    Lossy files keep chroma at full size in the XYB space. Grey pictures are coded as grey. Any size from 1x1."""

    quality: Annotated[int, quality_of("a JPEG XL")]
    effort: int = Field(default=JXL_EFFORT, ge=1, le=9)

    @property
    def modes(self) -> tuple[str, ...]:
        return (f"effort {self.effort}",) if self.effort != JXL_EFFORT else ()

    @property
    def axis(self) -> tuple[str, float]:
        return "quality", float(self.quality)

    def encode(self, image: Image) -> bytes:
        self._registered()
        return written(
            image, "JXL", quality=self.quality, lossless=self.quality == 100, effort=self.effort, num_threads=1
        )

    def decode(self, data: bytes, grey: bool) -> Image:
        self._registered()
        with Pillow.open(io.BytesIO(data), formats=("JXL",)) as stored:
            return pixels(stored, grey)

    def facts_of(self, image: Image) -> Facts:
        return {"quality": [self.quality], "effort": self.effort, "subsampling": "4:4:4" if image.ndim == 3 else GREY}

    def _registered(self) -> None:
        """The import adds the format JXL to Pillow's table and changes no other."""
        try:
            import pillow_jxl  # noqa: F401
        except ImportError as error:
            raise missing(self.label, "pillow-jxl-plugin", error) from error
