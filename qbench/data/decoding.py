"""From a picture's file to its pixels."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.data.files import bytes_of
from qbench.errors import BadSample, foreign
from qbench.vocabulary import Image, Manifest

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF", "GIF", "AVIF", "JPEG2000", "JXL", "HEIF")
"""What pictures may be, whatever their suffix says, as Pillow calls it. Pillow knows others, some of which it opens by
running foreign programs."""
ORIENTATION = 0x0112
"""The tag of EXIF that says how a picture is to be turned: 1 is not at all, 2 to 8 are turns and mirrors."""
Orientation: TypeAlias = Literal["stored", "exif"]
CONFIG = ConfigDict(extra="forbid")
OrientationKey = Annotated[
    Orientation, Field(description="`stored`: pictures as their files hold them; `exif`: turned as EXIF says.")
]


@dataclass(frozen=True, config=CONFIG)
class OnDisk:
    """What all readers of pictures take."""

    root: Path
    orientation: OrientationKey = Field(default="stored", kw_only=True)

    def decoded(self, file: Path) -> Image:
        """A picture of it. Raises BadSample."""
        return decode(file, self.orientation)

    def turned(self, manifest: Manifest) -> Manifest:
        """The manifest of files that are read in this orientation."""
        return manifest if self.orientation == "stored" else marked(manifest, self.orientation)


def marked(manifest: Manifest, how: str) -> Manifest:
    """One file read in another way is another sample."""
    return Manifest(manifest.ids, tuple(f"{digest}:{how}" for digest in manifest.digests), manifest.notes)


@cache
def formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow reads. It is set up so that it raises what is wrong with a file, and prints
    nothing."""
    Pillow.init()
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    return tuple(name for name in FORMATS if name in Pillow.OPEN)


def decode(file: Path, orientation: Orientation = "stored") -> Image:
    """An image file as uint8 [H, W, 3] RGB, of several frames the first.

    Raises BadSample for a file that is missing, damaged, no image, or of more than Pillow's 178,956,970 pixels."""
    with opened(file, "an image", orientation) as picture:
        return _rgb(picture, file)


@contextmanager
def opened(file: Path, what: str, orientation: Orientation = "stored") -> Iterator[Pillow.Image]:
    """Inside, a file as Pillow's picture. Raises BadSample, also for what decoding raises inside; in the same words
    wherever the file lies and whenever it is read."""
    text = f"{file.name} cannot be read as {what}"
    content = bytes_of(file, what)
    with foreign(text, BadSample):
        try:
            picture = Pillow.open(io.BytesIO(content), formats=formats())
        except UnidentifiedImageError:
            raise BadSample(f"{text}: it is in none of the formats {', '.join(formats())}") from None
        except Pillow.DecompressionBombError:
            most = 2 * (Pillow.MAX_IMAGE_PIXELS or 0)
            raise BadSample(f"{text}: it has more than {most:,} pixels, the most that are read; cut it up") from None
        with picture:
            turned = ImageOps.exif_transpose(picture) if orientation == "exif" else picture
            turned.format = picture.format
            yield turned


def _rgb(picture: Pillow.Image, file: Path) -> Image:
    """Pillow's own conversion, but for grey pictures of 16 bits, which it would clip at 255."""
    if picture.mode.startswith("I;16"):
        return np.repeat((np.asarray(picture) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode in {"I", "F"}:
        text = f"{file.name} cannot be read as an image: pixels of mode {picture.mode} have no fixed range"
        raise BadSample(f"{text}; store 8 or 16 bits a channel")
    return np.asarray(picture.convert("RGB"))


def exif_hint(orientation: Orientation, *files: Path) -> str:
    """For an error of sizes: what EXIF says of the first of these files that it turns, and the key; else nothing."""
    for file in files:
        try:
            with opened(file, "an image") as picture:
                number = picture.getexif().get(ORIENTATION)
        except BadSample:
            continue
        if number in range(2, 9):
            how = {"stored": "not turned by it; `orientation: exif` turns pictures", "exif": "turned by it"}
            return f"; {file.name} has EXIF orientation {number} and is {how[orientation]}"
    return ""


def size_of(image: Image) -> str:
    """`30x20`: width and height in pixels."""
    return f"{image.shape[1]}x{image.shape[0]}"
