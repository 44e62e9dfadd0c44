"""JPEG, once and many times, by Pillow with its default tables and 4:2:0 chroma subsampling."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pillow
from pydantic import ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass

from qbench.draws import Draw
from qbench.errors import QbenchError
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

_CONFIG = ConfigDict(extra="forbid")


def jpeg(image: Image, quality: int) -> tuple[Image, int]:
    """One JPEG round trip of uint8 [H, W, 3] at `quality` 1..100; also the size of the file in bytes."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise QbenchError(f"jpeg takes uint8 [H, W, 3] pictures, not {image.dtype} {list(image.shape)}")
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=quality)
    size = buffer.tell()
    return np.asarray(Pillow.open(buffer)), size


def checked_quality(quality: int) -> int:
    """`quality`, if it is a JPEG quality. Raises ValueError."""
    if not 1 <= quality <= 100:
        raise ValueError(f"a JPEG quality lies in 1..100, not {quality}")
    return quality


@dataclass(frozen=True, config=_CONFIG)
class AnyOf:
    """`{any: [...]}`: one of these values, drawn anew for each sample and step."""

    any: tuple[int, ...] = Field(min_length=1)

    @field_validator("any")
    @classmethod
    def _qualities(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(map(checked_quality, values))


@condition("clean")
@dataclass(frozen=True, config=_CONFIG)
class Clean:
    """The view as it is."""

    @property
    def label(self) -> str:
        return "clean"

    @property
    def axis(self) -> None:
        return None

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        return image, {}


@condition("jpeg")
@dataclass(frozen=True, config=_CONFIG)
class Jpeg:
    """One JPEG compression; a list of qualities fans out into one condition each."""

    quality: int

    @field_validator("quality")
    @classmethod
    def _in_range(cls, quality: int) -> int:
        return checked_quality(quality)

    @property
    def label(self) -> str:
        return f"jpeg@{self.quality}"

    @property
    def axis(self) -> tuple[str, float]:
        return "quality", float(self.quality)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        degraded, size = jpeg(image, self.quality)
        return degraded, {"quality": [self.quality], "bpp": 8 * size / (image.shape[0] * image.shape[1])}


@condition("rejpeg")
@dataclass(frozen=True, config=_CONFIG)
class Rejpeg:
    """Several JPEG compressions on one grid, one after the other; `quality: {any: [...]}` draws each per sample.

    The draw of step k does not depend on `times`, so that two compressions are the first two of three."""

    times: int = Field(ge=1, le=100)
    quality: AnyOf | int = AnyOf((25, 18, 15, 10, 7))

    @field_validator("quality")
    @classmethod
    def _in_range(cls, quality: AnyOf | int) -> AnyOf | int:
        return checked_quality(quality) if isinstance(quality, int) else quality

    @property
    def label(self) -> str:
        return f"rejpeg×{self.times}"

    @property
    def axis(self) -> tuple[str, float]:
        return "times", float(self.times)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        qualities, size = [], 0
        for step in range(self.times):
            qualities.append(self._quality(draw, step))
            image, size = jpeg(image, qualities[-1])
        return image, {"quality": qualities, "bpp": 8 * size / (image.shape[0] * image.shape[1])}

    def _quality(self, draw: Draw, step: int) -> int:
        if isinstance(self.quality, int):
            return self.quality
        return int(draw("rejpeg", step).choice(self.quality.any))
