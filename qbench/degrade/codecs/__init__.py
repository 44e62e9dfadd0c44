"""Codecs beside baseline JPEG, and the steps between two compressions: grid shift, resizing, cropping."""

from __future__ import annotations

from qbench.degrade.codecs.versions import codec_version

__all__ = ["codec_version"]
