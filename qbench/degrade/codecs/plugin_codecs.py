"""JPEG XL and HEIC, where their plug-ins for Pillow are installed: `pip install 'qbench[codecs]'`."""

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
    pixels,
    quality_of,
    told_version,
    written,
)
from qbench.degrade.picture import STRICT
from qbench.errors import ConditionError
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

JXL_EFFORT = 7
"""libjxl's own default: effort 1 (fast) to 9 (small)."""
X265_ALONE = {"x265:pools": "none", "x265:frame-threads": "1"}
"""x265 writes other bits with a pool of threads than without, so it gets none on any machine."""


@condition("jxl", libraries=("pillow-jxl-plugin",))
@dataclass(frozen=True, config=STRICT)
class Jxl(FileCodec):
    """JPEG XL by `pillow-jxl-plugin` at `quality` 1..100 (100 is lossless) and `effort` 1 (fast) to 9.

    Lossy files keep chroma at full size in the XYB space. Grey pictures are coded as grey. Any size from 1x1."""

    name = "jxl"
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

    def told(self, image: Image) -> Facts:
        return {"quality": [self.quality], "effort": self.effort, "subsampling": "4:4:4" if image.ndim == 3 else GREY,
                "codec": told_version("pillow-jxl-plugin")}  # fmt: skip

    def _registered(self) -> None:
        """The import adds the format JXL to Pillow's table and changes no other."""
        try:
            import pillow_jxl  # noqa: F401
        except ImportError as error:
            raise missing(self.label, "pillow-jxl-plugin", error) from error


@condition("heic", libraries=("pillow-heif",))
@dataclass(frozen=True, config=STRICT)
class Heic(FileCodec):
    """HEIC (HEVC intra) by the x265 inside `pillow-heif` at `quality` 1..100, 4:2:0 or 4:4:4 chroma.

    x265's preset is libheif's default (`slow`), in one thread. Grey pictures are coded without chroma. The plug-in's
    own functions are called, so that it registers nothing in Pillow and AVIF stays Pillow's."""

    name = "heic"
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

    def told(self, image: Image) -> Facts:
        return {"quality": [self.quality], "subsampling": self.subsampling if image.ndim == 3 else GREY,
                "codec": told_version("pillow-heif")}  # fmt: skip


def missing(label: str, package: str, error: ImportError) -> ConditionError:
    """What to do about a plug-in that cannot be imported, and why it cannot."""
    return ConditionError(f"{label} needs {package} ({error}); pip install 'qbench[codecs]'")
