"""What is stored in a mask file, and the classes that it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from qbench.data.decoding import Orientation, opened
from qbench.errors import BadSample

IGNORED = 255


@dataclass(frozen=True)
class Meaning:
    """What the values stored in masks stand for: `table[value]` is a class from 0, or 255 to be ignored."""

    table: tuple[int, ...]
    known: frozenset[int] = frozenset(range(256))
    """Values that a mask may hold."""

    @classmethod
    def counted(cls, first: int, ignore: Iterable[int], classes: int | None) -> Meaning:
        """Class 0 is stored as `first`, and so on; values below it, those in `ignore` and 255 are ignored.

        Values from `first + classes` on are unknown where the number of classes is known."""
        ignored = {*range(first), *ignore, IGNORED}
        last = 256 if classes is None else first + classes
        table = tuple(IGNORED if value in ignored else value - first for value in range(256))
        return cls(table, frozenset({*range(first, last), *ignored}))

    @classmethod
    def listed(cls, values: Sequence[int], ignore: Iterable[int]) -> Meaning:
        """Class k is stored as `values[k]`; the values in `ignore` and 255 are ignored, the others unknown."""
        numbers = {value: number for number, value in enumerate(values)}
        table = tuple(numbers.get(value, IGNORED) for value in range(256))
        return cls(table, frozenset({*values, *ignore, IGNORED}))

    def read(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask of classes, uint8 like the stored one. Raises ValueError for a value that it does not know."""
        strange = sorted(set(np.flatnonzero(np.bincount(stored.ravel(), minlength=256)).tolist()) - self.known)
        if strange:
            raise ValueError(f"it holds {strange[0]}, which is neither a class nor ignored")
        return np.array(self.table, dtype=np.uint8)[stored]


def decode_mask(file: Path, orientation: Orientation = "stored") -> NDArray[np.uint8]:
    """The values of a mask file, uint8 [H, W]; of a palette, its indices.

    Raises BadSample for a file that is missing, damaged, a JPEG or no picture of one channel with values up to 255."""
    with opened(file, "a mask", orientation) as picture:
        return _values(picture, f"{file.name} cannot be read as a mask")


def _values(picture: Pillow.Image, text: str) -> NDArray[np.uint8]:
    if picture.format in {"JPEG", "MPO"}:
        raise BadSample(f"{text}: it is a JPEG, which changes the values of pixels; store masks as PNG")
    if picture.mode not in {"L", "P", "1", "I"} and not picture.mode.startswith("I;16"):
        raise BadSample(f"{text}: its pixels are {picture.mode}; a mask has one channel of class indices")
    values = np.asarray(picture)
    if values.size and int(values.min()) < 0:
        raise BadSample(f"{text}: it holds {int(values.min())}; class indices begin with 0")
    if values.size and int(values.max()) > 255:
        raise BadSample(f"{text}: it holds {int(values.max())}; class indices go up to 254")
    return values.astype(np.uint8)
