"""What decides a cell's result besides its code: library and codec versions."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from qbench.degrade.codecs.versions import VERSIONS, codec_version
from qbench.degrade.jpeg import JPEG_LIBRARY

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow")
_DISTRIBUTIONS = {
    "opencv": ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")
}


@cache
def library_versions() -> dict[str, str]:
    """Versions of the libraries and codecs that take part in a result, none of them imported."""
    versions = {name: _version(name) for name in LIBRARIES}
    versions[JPEG_LIBRARY] = library_version(JPEG_LIBRARY)
    versions["python"] = platform.python_version()
    return versions


@cache
def library_version(name: str) -> str:
    """Version of a library or codec by the name that conditions use for it; `none` where it is not installed."""
    if name in VERSIONS:
        return codec_version(name)
    versions = (_version(distribution) for distribution in _DISTRIBUTIONS.get(name, (name,)))
    return next((version for version in versions if version != "none"), "none")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
