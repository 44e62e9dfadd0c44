"""HEIC, where pillow-heif is installed: `pip install 'qbench[codecs]'`."""

from __future__ import annotations

import io
from typing import Annotated

from PIL import Image as Pillow
from pydantic.dataclasses import dataclass

from qbench.degrade.codecs.files import (
    GREY,
    FileCodec,
    Subsampling,
    chroma_mode,
    codec,
    missing,
    pixels,
    quality_of,
)
from qbench.degrade.codecs.versions import package_version
from qbench.degrade.picture import STRICT
from qbench.errors import ConditionError
from qbench.vocabulary import Facts, Image

X265_ALONE = {"x265:pools": "none", "x265:frame-threads": "1"}
"""x265 writes other bits with a pool of threads than without, so it gets none on any machine."""


@codec("heic", library="pillow-heif", version=lambda: package_version("pillow-heif"))
@dataclass(frozen=True, config=STRICT)
class Heic(FileCodec):
    """HEIC (HEVC intra) by the x265 inside `pillow-heif` at `quality` 1..100, 4:2:0 or 4:4:4 chroma.

    x265's preset is libheif's default (`slow`), in one thread. Grey pictures are coded without chroma. The plug-in's
    own functions are called, so that it registers nothing in Pillow and AVIF stays Pillow's."""

    quality: Annotated[int, quality_of("a HEIC")]
    subsampling: Subsampling = "4:2:0"

    @property
    def modes(self) -> tuple[str, ...]:
        return (chroma_mode(self.subsampling),)

    @property
    def axis(self) -> tuple[str, float]:
        return "quality", float(self.quality)

    def encode(self, image: Image) -> bytes:
        try:
            import pillow_heif
        except ImportError as error:
            raise missing(self.label, "pillow-heif", error) from error
        if not pillow_heif.libheif_info()["HEIF"]:
            raise ConditionError(f"{self.label} needs a HEVC encoder, which this pillow-heif was built without")
        options: dict[str, object] = {"subsampling": self.subsampling} if image.ndim == 3 else {}
        buffer = io.BytesIO()
        file = pillow_heif.from_pillow(Pillow.fromarray(image))
        file.save(buffer, quality=self.quality, enc_params=dict(X265_ALONE), **options)
        return buffer.getvalue()

    def decode(self, data: bytes, grey: bool) -> Image:
        import pillow_heif

        return pixels(pillow_heif.open_heif(io.BytesIO(data)).to_pillow(), grey)

    def facts_of(self, image: Image) -> Facts:
        return {"quality": [self.quality], "subsampling": self.subsampling if image.ndim == 3 else GREY}
