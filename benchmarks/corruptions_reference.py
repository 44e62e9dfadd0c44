"""The package imagecorruptions 1.1.2 as it is published, mended only where today's libraries stop it."""

from __future__ import annotations

import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

PUBLISHED = "1.1.2"
Pixels = NDArray[np.uint8]


@dataclass
class Reference:
    """The imported package, and in words what was done to make it run."""

    package: ModuleType
    mended: list[str] = field(default_factory=list)

    def __call__(self, image: Pixels, name: str, severity: int) -> Pixels:
        found: Pixels = self.package.corrupt(image, severity, name)
        return found


@contextmanager
def reference() -> Iterator[Reference]:
    """imagecorruptions, usable inside the block. Raises ImportError where it or scikit-image is not installed."""
    if version("imagecorruptions") != PUBLISHED:
        raise ImportError(f"the comparison is with imagecorruptions {PUBLISHED}, not {version('imagecorruptions')}")
    mended: list[str] = []
    stubs: dict[str, ModuleType] = {}
    if importlib.util.find_spec("pkg_resources") is None:
        stubs["pkg_resources"] = _resources()
        mended.append("frost: `pkg_resources` is gone from setuptools; a module of that name gives the package's paths")
    with patch.dict(sys.modules, stubs), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Reference(importlib.import_module("imagecorruptions"), mended)
        code = importlib.import_module("imagecorruptions.corruptions")
        if not hasattr(np, "float_"):
            np.float_ = np.float64  # type: ignore[attr-defined]
            mended.append("fog: `numpy.float_` is gone from numpy 2; it is set to `numpy.float64`")
        mended.append("glass_blur, gaussian_blur: `gaussian(multichannel=True)` is passed on as `channel_axis=-1`")
        gaussian = code.gaussian
        with patch.object(code, "gaussian", lambda *given, **named: gaussian(*given, **_renamed(named))):
            yield found
    if any("float_" in text for text in mended):
        del np.float_  # type: ignore[attr-defined]


def _renamed(named: dict[str, Any]) -> dict[str, Any]:
    return {"channel_axis" if key == "multichannel" else key: -1 if key == "multichannel" else value
            for key, value in named.items()}  # fmt: skip


def _resources() -> ModuleType:
    def resource_filename(package: str, path: str) -> str:
        spec = importlib.util.find_spec(package.partition(".")[0])
        assert spec is not None
        return str(Path((spec.submodule_search_locations or [""])[0]) / path)

    stub = types.ModuleType("pkg_resources")
    stub.resource_filename = resource_filename  # type: ignore[attr-defined]
    return stub


def compiled_glass_blur(found: Reference) -> Callable[[Pixels, int], Pixels] | None:
    """glass_blur with its loops compiled by numba, as the package's later, unpublished versions have it; None without
    numba. Compiled on the first call."""
    if importlib.util.find_spec("numba") is None:
        return None
    from numba import njit

    @njit  # type: ignore[misc,unused-ignore]
    def shuffle(values: Pixels, reach: int, passes: int) -> Pixels:
        for _ in range(passes):
            for row in range(values.shape[0] - reach, reach, -1):
                for column in range(values.shape[1] - reach, reach, -1):
                    right, down = np.random.randint(-reach, reach), np.random.randint(-reach, reach)
                    for channel in range(3):
                        values[row, column, channel] = values[row + down, column + right, channel]
        return values

    strengths = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
    code = importlib.import_module("imagecorruptions.corruptions")

    def glass_blur(image: Pixels, severity: int) -> Pixels:
        sigma, reach, passes = strengths[severity - 1]
        blurred = np.uint8(code.gaussian(image / 255.0, sigma=sigma, multichannel=True) * 255)
        shuffled = shuffle(blurred, reach, passes)
        return np.uint8(np.clip(code.gaussian(shuffled / 255.0, sigma=sigma, multichannel=True), 0, 1) * 255)

    return glass_blur
