"""JPEG files of Pillow's libjpeg-turbo: written with the standard's tables, and read back with those inside."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image as Pillow

from qbench.degrade.codecs.files import Subsampling, pixels, written
from qbench.vocabulary import Image


def encoded(image: Image, quality: int, subsampling: Subsampling = "4:2:0", progressive: bool = False) -> bytes:
    """A JPEG file of uint8 [H, W, 3] or grey [H, W] (which has no chroma to subsample).

    Tables K.1 and K.2 of ITU-T T.81, scaled to `quality` 1..100 as libjpeg does."""
    options = {"subsampling": subsampling} if image.ndim == 3 else {}
    return written(image, "JPEG", quality=quality, progressive=progressive, **options)


def decoded(data: bytes, grey: bool) -> Image:
    """The picture in a JPEG file."""
    with Pillow.open(io.BytesIO(data), formats=("JPEG",)) as stored:
        return pixels(stored, grey)


def tables(quality: int, grey: bool) -> list[list[int]]:
    """The quantisation tables in a JPEG file of that quality (luma, chroma), each row by row.

    They depend on nothing else, so that they are read from one small file per quality."""
    return [list(table) for table in _tables(quality, grey)]


@cache
def _tables(quality: int, grey: bool) -> tuple[tuple[int, ...], ...]:
    data = encoded(np.zeros((8, 8) if grey else (8, 8, 3), np.uint8), quality)
    with Pillow.open(io.BytesIO(data), formats=("JPEG",)) as stored:
        stored_tables = stored.quantization  # type: ignore[attr-defined]
        return tuple(tuple(stored_tables[index]) for index in sorted(stored_tables))
