"""Every built-in condition once or more, for tests of what all of them promise."""

from __future__ import annotations

import importlib.util
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from qbench.degrade import degrade
from qbench.degrade.chain import condition_from
from qbench.degrade.corruptions import COMMON, EXTRA
from qbench.degrade.corruptions.base import Corruption
from qbench.degrade.corruptions.call import Keyed, Legacy, Parameters, Size
from qbench.vocabulary import Condition

Picture = NDArray[np.uint8]
CORRUPTIONS = (*COMMON, *EXTRA, "frost_procedural")
CODECS: tuple[dict[str, Any], ...] = (
    {"jpeg": {"quality": 1}}, {"jpeg": {"quality": 30, "subsampling": "4:4:4", "progressive": True}},
    {"rejpeg": {"times": 3}}, {"rejpeg": {"times": 2, "shift": 8}}, {"webp": {"quality": 10}},
    {"webp": {"quality": 60, "method": 1}}, {"avif": {"quality": 1, "speed": 10}},
    {"avif": {"quality": 60, "speed": 10, "subsampling": "4:4:4"}}, {"jpeg2000": {"psnr": 25}},
    {"jpeg2000": {"psnr": 60}}, {"jxl": {"quality": 10, "effort": 3}}, {"jxl": {"quality": 80, "effort": 1}},
    {"heic": {"quality": 10}}, {"heic": {"quality": 80, "subsampling": "4:4:4"}},
)  # fmt: skip
STEPS: tuple[dict[str, Any], ...] = (
    {"clean": {}}, {"shift": {"dx": 3, "dy": -2}}, {"resize": {"scale": 0.37}},
    {"resize": {"scale": 2.5, "filter": "box"}}, {"crop": {"border": 3}},
    {"chain": {"steps": [{"jpeg": {"quality": {"between": [20, 60]}}}, {"awgn": {"sigma": 5}}]}},
)  # fmt: skip
REST: tuple[dict[str, Any], ...] = (
    {"haze": {"beta": 1.2}}, {"rain": {"density": "medium"}}, {"motion": {"length": 9, "angle": 30}},
    {"defocus": {"radius": 2}}, {"blur": {"sigma": 1.5}}, {"awgn": {"sigma": 25}}, {"poisson": {"peak": 30}},
    {"poisson-gauss": {"peak": 60, "sigma": 4}}, {"lowres": {"scale": 3}}, {"lowlight": {"gain": 0.3}},
    {"lens": {"design": "doublet"}}, {"lens": {"design": "doublet-as-built"}}, {"lens": {"design": "landscape"}},
    {"lens": {"design": "landscape-as-built"}},
)  # fmt: skip
DRAWN = {
    "gaussian_noise", "shot_noise", "impulse_noise", "glass_blur", "motion_blur", "snow", "frost", "frost_procedural",
    "fog", "elastic_transform", "speckle_noise", "spatter", "rejpeg", "chain", "haze", "rain", "awgn", "poisson",
    "poisson-gauss", "lowlight", "lens",
}  # fmt: skip
"""Conditions whose pictures differ from sample to sample."""


def severities(name: str, **more: Any) -> list[dict[str, Any]]:
    return [{name: {"severity": severity, **more}} for severity in range(1, 6)]


EVERY: tuple[dict[str, Any], ...] = (
    *(written for name in CORRUPTIONS for written in severities(name)[::4]),
    *({name: {"severity": 3, "size": "cifar"}} for name in CORRUPTIONS),
    *({name: {"severity": 3, "mode": "parity"}} for name in CORRUPTIONS),
    {"contrast": {"severity": 2, "resave": True}},
    *CODECS, *STEPS, *REST,
)  # fmt: skip


def name_of(written: dict[str, Any]) -> str:
    return next(iter(written))


def smallest(written: dict[str, Any]) -> int:
    """The shorter side of the smallest picture that a condition takes, in pixels."""
    name = name_of(written)
    if name in CORRUPTIONS or name == "lens":
        return 32
    return 8 if written in REST else {"crop": 7, "chain": 8}.get(name, 1)


def here(written: dict[str, Any]) -> bool:
    """Whether what it needs is installed: plug-ins and photographs of ice are optional."""
    needs = {"frost": "imagecorruptions", "jxl": "pillow_jxl", "heic": "pillow_heif"}.get(name_of(written))
    return needs is None or importlib.util.find_spec(needs) is not None


def built(written: dict[str, Any]) -> Condition:
    return condition_from(written)


def make(name: str, severity: int, mode: str = "fast", size: str = "imagenet", resave: bool = False) -> Corruption:
    return cast(Corruption, built({name: {"severity": severity, "mode": mode, "size": size, "resave": resave}}))


def corrupt(image: Picture, name: str, severity: int, seed: int = 0, sample_id: str = "", **parameters: Any) -> Picture:
    return degrade(image, name, seed=seed, sample_id=sample_id, severity=severity, **parameters)[0]


def parameters(name: str, severity: int, size: Size) -> Parameters:
    """The strength of a corruption."""
    return make(name, severity).strengths[size][severity - 1]


def follow(name: str, image: Picture, call: Legacy) -> Picture:
    """The code of parity mode, with a random stream of one's own."""
    return make(name, 1).parity(image, call).astype(np.uint8)


def quick(name: str, image: Picture, call: Keyed) -> Picture:
    """The code of fast mode."""
    return make(name, 1).fast(image, call)
