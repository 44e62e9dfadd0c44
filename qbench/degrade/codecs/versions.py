"""Versions of the codecs, told without importing any plug-in."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from PIL import features

_FEATURES = {"libjpeg_turbo": "libjpeg_turbo", "libwebp": "webp", "openjpeg": "jpg_2000"}
PLUGINS = ("pillow-jxl-plugin", "pillow-heif")
CODECS = (*_FEATURES, "libavif", *PLUGINS)


@cache
def codec_version(name: str) -> str:
    """The version of one of `CODECS` as it is installed here, or "none".

    Libraries inside Pillow tell their own; AVIF also tells the AV1 encoder and decoder that libavif was built with. A
    plug-in is told by its package's version (its wheel brings its codec). Raises KeyError for any other name."""
    if name in PLUGINS:
        return _package(name)
    if name == "libavif":
        return _libavif()
    found = features.version(_FEATURES[name]) if features.check(_FEATURES[name]) else None
    if found is None and name == "libjpeg_turbo":
        found = features.version("jpg")
    return found or "none"


def _libavif() -> str:
    if not features.check("avif"):
        return "none"
    from PIL import AvifImagePlugin

    inside = [f"{one} {number}" for one in ("aom", "dav1d") if (number := AvifImagePlugin.get_codec_version(one))]
    return f"{features.version('avif')} ({', '.join(inside)})" if inside else str(features.version("avif"))


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
