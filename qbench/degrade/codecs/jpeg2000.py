"""JPEG 2000 by the OpenJPEG inside Pillow."""

from __future__ import annotations

import io

from PIL import Image as Pillow
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from qbench.degrade.codecs.files import (
    GREY,
    FileCodec,
    codec,
    needs_pillow_with,
    pixels,
    written,
)
from qbench.degrade.codecs.versions import pillow_version
from qbench.degrade.picture import STRICT
from qbench.errors import ConditionError
from qbench.vocabulary import Facts, Image

MISSED = 1.25
"""A JPEG 2000 file this much larger than asked for is no file of that ratio: its headers alone are too much."""


@codec("jpeg2000", library="openjpeg", version=lambda: pillow_version("jpg_2000"))
@dataclass(frozen=True, config=STRICT)
class Jpeg2000(FileCodec):
    """JPEG 2000 (JP2, irreversible 9/7 wavelet, YCbCr) to a compression `ratio` or a `psnr` in dB: one of the two.

    `ratio` > 1 is raw bytes over the file's bytes, so 24 / ratio bits per pixel in colour and 8 / ratio in grey (fewer
    where the wavelet's finest step takes fewer); a picture so small that headers alone are more is a ConditionError.
    `psnr` 10..100 suits any size from 1x1. Chroma is never subsampled."""

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

    def facts_of(self, image: Image) -> Facts:
        strength = {"ratio": self.ratio} if self.ratio is not None else {"psnr": self.psnr}
        return {**strength, "subsampling": "4:4:4" if image.ndim == 3 else GREY}
