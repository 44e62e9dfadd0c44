"""JPEG, once and many times, by the libjpeg-turbo inside Pillow with the standard's tables."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic.dataclasses import dataclass

from qbench.degrade.codecs.files import (
    GREY,
    FileCodec,
    Subsampling,
    chroma_mode,
    codec,
    coding,
    in_range,
    quality_of,
    rate,
    version_text,
)
from qbench.degrade.codecs.grid import window
from qbench.degrade.codecs.jpeg_files import decoded, encoded, tables
from qbench.degrade.codecs.versions import pillow_version
from qbench.degrade.labels import Degradation, with_modes
from qbench.degrade.picture import STRICT, checked
from qbench.draws import Draw
from qbench.registry import condition
from qbench.vocabulary import Facts, Image

JPEG_LIBRARY = "libjpeg_turbo"
MCU = 16
"""Side in pixels of the unit that the file is made of with 4:2:0 chroma; grids this far apart are the same."""
Quality = Annotated[int, quality_of("a JPEG")]


def jpeg(image: Image, quality: int) -> tuple[Image, int]:
    """One JPEG round trip of uint8 [H, W, 3] or [H, W] at `quality` 1..100; also the size of the file in bytes."""
    image = checked(image, "jpeg")
    with coding(image, "jpeg"):
        data = encoded(image, quality)
        return decoded(data, image.ndim == 2), len(data)


@dataclass(frozen=True, config=STRICT)
class AnyOf:
    """`{any: [...]}`: one of these values, drawn anew for each sample and step."""

    any: tuple[Quality, ...] = Field(min_length=1)


@dataclass(frozen=True, config=STRICT)
class Offset:
    """`{dx: .., dy: ..}`: how many pixels the grid moves left and up between two rounds; 16 and 0 are the same."""

    dx: int = 0
    dy: int = 0


@codec("jpeg", library=JPEG_LIBRARY, version=lambda: pillow_version("libjpeg_turbo", "jpg"))
@dataclass(frozen=True, config=STRICT)
class Jpeg(FileCodec):
    """One JPEG compression (ITU-T T.81) at `quality` 1..100, with 4:2:0 or 4:4:4 chroma, baseline or progressive.

    A progressive file has the pixels of the baseline one and another size. Grey pictures have no chroma. Facts
    bring the quantisation tables (luma, chroma) as the file holds them, row by row."""

    quality: Quality
    subsampling: Subsampling = "4:2:0"
    progressive: bool = False

    @property
    def modes(self) -> tuple[str, ...]:
        return chroma_mode(self.subsampling), "progressive" if self.progressive else ""

    @property
    def axis(self) -> tuple[str, float]:
        return "quality", float(self.quality)

    def encode(self, image: Image) -> bytes:
        return encoded(image, self.quality, self.subsampling, self.progressive)

    def decode(self, data: bytes, grey: bool) -> Image:
        return decoded(data, grey)

    def facts_of(self, image: Image) -> Facts:
        parameters = {"quality": [self.quality], "progressive": self.progressive}
        return {**parameters, **chroma_and_tables(image, self.quality, self.subsampling)}


@condition("rejpeg", libraries=(JPEG_LIBRARY,))
@dataclass(frozen=True, config=STRICT)
class Rejpeg(Degradation):
    """Several JPEG compressions, one after the other; `quality: {any: [...]}` draws each per sample.

    With `shift: N`, 0..16, the grid of each later round lies elsewhere: it moves on from the grid before by 0..N-1
    pixels left and up, drawn per round; `shift: {dx: .., dy: ..}` moves it by the same each time. (Unaligned double
    compression, as in FBCNN, arXiv 2109.14573.) The picture itself does not move. A grid that begins x pixels left of
    the picture and y above it is that of a file with x columns and y rows more: the picture mirrored at its left and
    top border, which is cut off again after decoding. So every pixel takes part in every round, and none is lost.

    The draws of step k do not depend on `times`, so that two compressions are the first two of three. Facts tell
    the quality and grid [x, y] of each round, and size and tables of the last file (`bpp` over that file's pixels)."""

    name = "rejpeg"
    times: int = Field(ge=1, le=100)
    quality: AnyOf | int = AnyOf((25, 18, 15, 10, 7))
    shift: Offset | int = 0

    @field_validator("quality")
    @classmethod
    def _quality_in_range(cls, quality: AnyOf | int) -> AnyOf | int:
        return in_range(quality, "a JPEG") if isinstance(quality, int) else quality

    @field_validator("shift")
    @classmethod
    def _shift_in_range(cls, shift: Offset | int) -> Offset | int:
        if isinstance(shift, int) and not 0 <= shift <= MCU:
            raise ValueError(f"the shift of rejpeg lies in 0..{MCU}, not {shift}")
        return shift

    @property
    def modes(self) -> tuple[str, ...]:
        if isinstance(self.shift, Offset):
            return (f"shift {self.shift.dx},{self.shift.dy}",)
        return (f"shift {self.shift}",) if self.shift else ()

    @property
    def label(self) -> str:
        return with_modes(f"{self.name}×{self.times}", *self.modes)

    @property
    def axis(self) -> tuple[str, float]:
        return "times", float(self.times)

    def apply(self, image: Image, draw: Draw) -> tuple[Image, Facts]:
        image = checked(image, self.label)
        height, width = image.shape[:2]
        qualities, grids, x, y = [], [], 0, 0
        for step in range(self.times):
            if step:
                dx, dy = self._moved(draw, step)
                x, y = (x + dx) % MCU, (y + dy) % MCU
            qualities.append(self._quality(draw, step))
            grids.append([x, y])
            wider = window(image, -y, -x, height + y, width + x) if x or y else image
            with coding(wider, self.label):
                data = encoded(wider, qualities[-1])
                image = decoded(data, image.ndim == 2)[y:, x:]
        rounds = {"quality": qualities, "grid": grids} if self.shift else {"quality": qualities}
        last_file = {"codec": version_text(JPEG_LIBRARY), **rate(len(data), wider)}
        return image, {**rounds, **chroma_and_tables(image, qualities[-1]), **last_file}

    def _quality(self, draw: Draw, step: int) -> int:
        if isinstance(self.quality, int):
            return self.quality
        return int(draw("rejpeg", step).choice(self.quality.any))

    def _moved(self, draw: Draw, step: int) -> tuple[int, int]:
        """How far the grid moves before round `step`: columns, rows."""
        if isinstance(self.shift, Offset):
            return self.shift.dx, self.shift.dy
        if self.shift == 0:
            return 0, 0
        dx, dy = draw("rejpeg-shift", step).integers(0, self.shift, 2)
        return int(dx), int(dy)


def chroma_and_tables(image: Image, quality: int, subsampling: Subsampling = "4:2:0") -> Facts:
    """What a JPEG file of `image` at `quality` tells of itself: chroma and quantisation tables."""
    return {
        "subsampling": subsampling if image.ndim == 3 else GREY,
        "quantisation": tables(quality, image.ndim == 2),
    }
