"""Versions of the codecs, told without importing any plug-in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from PIL import features

VERSIONS: dict[str, Callable[[], str | None]] = {}
"""What tells the version of a codec's library, by the library's name. `@codec` fills it."""


@cache
def codec_version(library: str) -> str:
    """The version of a library of `VERSIONS` as it is installed here, or "none". Raises KeyError for any other name."""
    return VERSIONS[library]() or "none"


def pillow_version(*names: str) -> str | None:
    """The version of a library inside Pillow, by the first of these feature names that tells one."""
    versions = (features.version(name) for name in names if features.check(name))
    return next((number for number in versions if number), None)


def package_version(name: str) -> str | None:
    """The version of an installed package, whose wheel brings its codec."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
