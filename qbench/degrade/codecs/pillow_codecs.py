"""WebP, AVIF and JPEG 2000 by the libraries inside Pillow."""

from __future__ import annotations

import io
from typing import Annotated

from PIL import Image as Pillow
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from qbench.degrade.codecs import avif_files
from qbench.degrade.codecs.files import (
    GREY,
    FileCodec,
    Subsampling,
    chroma_mode,
    needs_pillow_with,
    pixels,
    quality_of,
    told_version,
    written,
)
from qbench.degrade.picture import STRICT
from qbench.errors import ConditionError
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

WEBP_METHOD = 4
"""libwebp's own default: effort 0 (fast) to 6 (small)."""
MISSED = 1.25
"""A JPEG 2000 file this much larger than asked for is no file of that ratio: its headers alone are too much."""


@condition("webp", libraries=("libwebp",))
@dataclass(frozen=True, config=STRICT)
class Webp(FileCodec):
    """Lossy WebP (VP8, RFC 6386) at `quality` 1..100 and effort `method` 0..6; chroma is always 4:2:0.

    Sides of 1 to 16383 pixels. Grey pictures are coded as RGB, for the format has no grey, and come back as luma."""

    name = "webp"
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

    def told(self, image: Image) -> Facts:
        return {"quality": [self.quality], "method": self.method, "subsampling": "4:2:0",
                "codec": told_version("libwebp")}  # fmt: skip


@condition("avif", libraries=("libavif",))
@dataclass(frozen=True, config=STRICT)
class Avif(FileCodec):
    """AVIF (AV1) by the libaom inside Pillow's libavif at `quality` 1..100 and encoder `speed` 0 (slow) to 10.

    Speed is 6 unless told otherwise, the default of Pillow and libavif. One thread always: libaom writes other bits
    with two threads than with one. Grey pictures are coded without chroma."""

    name = "avif"
    quality: Annotated[int, quality_of("an AVIF")]
    speed: int = Field(default=avif_files.SPEED, ge=0, le=10)
    subsampling: Subsampling = "4:2:0"

    @property
    def modes(self) -> tuple[str, ...]:
        speed = f"speed {self.speed}" if self.speed != avif_files.SPEED else ""
        return chroma_mode(self.subsampling), speed

    @property
    def axis(self) -> tuple[str, float]:
        return "quality", float(self.quality)

    def encode(self, image: Image) -> bytes:
        needs_pillow_with("avif", "libavif", self.label)
        return avif_files.encoded(image, self.quality, self.speed, self.subsampling)

    def decode(self, data: bytes, grey: bool) -> Image:
        return avif_files.decoded(data, grey)

    def told(self, image: Image) -> Facts:
        return {"quality": [self.quality], "speed": self.speed,
                "subsampling": self.subsampling if image.ndim == 3 else GREY,
                "codec": told_version("libavif")}  # fmt: skip


@condition("jpeg2000", libraries=("openjpeg",))
@dataclass(frozen=True, config=STRICT)
class Jpeg2000(FileCodec):
    """JPEG 2000 (JP2, irreversible 9/7 wavelet, YCbCr) to a compression `ratio` or a `psnr` in dB: one of the two.

    `ratio` > 1 is raw bytes over the file's bytes, so 24 / ratio bits per pixel in colour and 8 / ratio in grey (fewer
    where the wavelet's finest step takes fewer); a picture so small that headers alone are more is a ConditionError.
    `psnr` 10..100 suits any size from 1x1. Chroma is never subsampled."""

    name = "jpeg2000"
    ratio: float | None = Field(default=None, gt=1, le=1000)
    psnr: float | None = Field(default=None, ge=10, le=100)

    @model_validator(mode="after")
    def _one_of_two(self) -> Jpeg2000:
        if (self.ratio is None) == (self.psnr is None):
            raise ValueError("jpeg2000 takes either a ratio or a psnr")
        return self

    @property
    def label(self) -> str:
        return f"jpeg2000@{self.axis[1]:g}{'dB' if self.psnr is not None else ''}"

    @property
    def axis(self) -> tuple[str, float]:
        return ("ratio", self.ratio) if self.ratio is not None else ("psnr", self.psnr or 0.0)

    def encode(self, image: Image) -> bytes:
        needs_pillow_with("jpg_2000", "OpenJPEG", self.label)
        mode, layer = ("rates", self.ratio) if self.ratio is not None else ("dB", self.psnr)
        data = written(
            image, "JPEG2000", quality_mode=mode, quality_layers=[layer], irreversible=True, mct=int(image.ndim == 3)
        )
        if self.ratio is not None and len(data) > MISSED * image.size / self.ratio:
            raise ConditionError(
                f"{self.label} asks for {image.size / self.ratio:.0f} bytes for a picture of {image.shape[0]}x"
                f"{image.shape[1]} pixels, which takes {len(data)}; give a psnr or larger pictures"
            )
        return data

    def decode(self, data: bytes, grey: bool) -> Image:
        with Pillow.open(io.BytesIO(data), formats=("JPEG2000",)) as stored:
            return pixels(stored, grey)

    def told(self, image: Image) -> Facts:
        asked = {"ratio": self.ratio} if self.ratio is not None else {"psnr": self.psnr}
        return {**asked, "subsampling": "4:4:4" if image.ndim == 3 else GREY,
                "codec": told_version("openjpeg")}  # fmt: skip
