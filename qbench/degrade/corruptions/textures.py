"""The ice of `frost` (photographs of an installed package) and of `frost_procedural` (drawn here)."""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from qbench.degrade.corruptions import ice
from qbench.degrade.corruptions.call import Size
from qbench.errors import ConditionError
from qbench.vocabulary import Image

T = TypeVar("T")
FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg", "frost6.jpg")


@dataclass(frozen=True)
class Ice:
    """Textures larger than the picture, by index 0..5, and what says which they are."""

    textures: Callable[[int], Image]
    facts: Mapping[str, Any]


def photographed(height: int, width: int, size: Size) -> Ice:
    """The photographs of imagecorruptions, fitted to a picture. Raises ConditionError where they are not installed."""
    folder = _installed()
    return Ice(
        lambda index: _fitted(_stored, folder / FILES[index], height, width, size), {"textures": _digest(folder)}
    )


def _installed() -> Path:
    spec = importlib.util.find_spec("imagecorruptions")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "frost"
        if all((folder / name).is_file() for name in FILES):
            return folder
    raise ConditionError(
        "frost needs the six textures of the package imagecorruptions, which is not installed: "
        "`pip install --no-deps imagecorruptions`, or use frost_procedural, whose ice is drawn"
    )


@cache
def _digest(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


@cache
def _stored(file: Path) -> Image:
    import cv2

    stored = cv2.imread(str(file))
    if stored is None:
        raise ConditionError(f"frost cannot read its texture {file}; install imagecorruptions again")
    return np.asarray(cv2.cvtColor(np.asarray(stored, np.uint8), cv2.COLOR_BGR2RGB), np.uint8)


def drawn(height: int, width: int, size: Size) -> Ice:
    """Ice that is drawn, the same everywhere."""
    return Ice(lambda index: _fitted(ice.texture, index, height, width, size), {"ice": ice.VERSION})


def _fitted(texture: Callable[[T], Image], which: T, height: int, width: int, size: Size) -> Image:
    """A texture a tenth larger than stored, or than the picture where that is larger; a fifth of it for `cifar`."""
    rows, columns = texture(which).shape[:2]
    if size == "cifar" and min(rows * 0.2 - height, columns * 0.2 - width) >= 1:
        return _scaled(texture, which, round(rows * 0.2), round(columns * 0.2), smooth=False)
    scale = max(1.0, height / rows, width / columns) * 1.1
    return _scaled(texture, which, math.ceil(rows * scale), math.ceil(columns * scale), smooth=True)


@lru_cache(maxsize=24)
def _scaled(texture: Callable[[T], Image], which: T, rows: int, columns: int, smooth: bool) -> Image:
    import cv2

    method = cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(texture(which), (columns, rows), interpolation=method), np.uint8)
