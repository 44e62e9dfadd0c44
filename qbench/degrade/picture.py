"""What every degradation asks of a picture before it touches it."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ConfigDict

from qbench.errors import ConditionError
from qbench.vocabulary import Image

SMALLEST = 8
"""Pixels of the shorter side that noise, blur and weather take at least."""
STRICT = ConfigDict(extra="forbid")
"""For the pydantic dataclasses of conditions: an unknown parameter is an error."""


def checked(image: Any, name: str, smallest: int = 1) -> Image:
    """`image`, if it is uint8 [H, W, 3] (RGB) or [H, W] (grey) with both sides of at least `smallest` pixels.

    Raises ConditionError that names the condition."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = f"{image.dtype} values" if isinstance(image, np.ndarray) else type(image).__name__
        hint = ""
        if isinstance(image, np.ndarray) and image.dtype.kind == "f":
            hint = " with NaN among them" if np.isnan(image).any() else ""
            hint += "; scale to 0..255, round and cast first"
        raise ConditionError(f"{name} takes uint8 pictures, not {kind}{hint}")
    if image.ndim != 2 and (image.ndim != 3 or image.shape[2] != 3):
        raise ConditionError(f"{name} takes pictures of [H, W, 3] (RGB) or [H, W] (grey), not {list(image.shape)}")
    if min(image.shape[:2]) < smallest:
        size = "x".join(map(str, image.shape[:2]))
        raise ConditionError(f"{name} takes pictures of at least {smallest}x{smallest} pixels, not {size}")
    return image
