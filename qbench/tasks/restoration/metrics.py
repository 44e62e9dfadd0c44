"""Scores of restoration records: each is the mean over pictures of one number a picture, which a column of the metric's
name holds. Numpy alone; what the numbers are is in `qbench.quality`, and `predict` computes them.

NaN stands for a picture that has no such number (no clean picture, or too small a one); it counts in no mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.quality.iqa import lower_is_better, pyiqa_version, settings
from qbench.quality.pristine import SHA256, local_file, published_file, sha256
from qbench.registry import metric
from qbench.tasks.score import Columns, Numbers, readable, weighted_mean

_CONFIG = ConfigDict(extra="forbid")


def values(records: Columns, column: str) -> Numbers:
    """[samples]; NaN where a picture has no such number."""
    return np.asarray(records[column], dtype=np.float64)


def counting(records: Columns, column: str) -> NDArray[np.bool_]:
    """[samples]: readable, and with a number."""
    return np.asarray(readable(records) & ~np.isnan(values(records, column)))


def mean(records: Columns, column: str, weights: Numbers) -> Numbers:
    """The mean over the samples that count, under weights [..., samples]; NaN where none has weight."""
    return weighted_mean(values(records, column), counting(records, column), weights)


@dataclass(frozen=True, config=_CONFIG)
class PerPicture:
    """`crop_border` pixels on each side count in nothing, as is usual in super-resolution."""

    crop_border: int = Field(default=0, ge=0, description="Pixels that are cut from each side before scoring.")
    columns: ClassVar[tuple[str, ...]]
    range: ClassVar[tuple[float, float]]
    title: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    unit: ClassVar[str] = "plain"

    def identity(self) -> Mapping[str, Any]:
        """What decides the numbers besides code and parameters."""
        return {}

    def labelled(self, label: str) -> Labelled:
        return Labelled(self, label)

    @classmethod
    def per_sample(cls, records: Columns) -> Numbers:
        return values(records, cls.columns[0])

    @classmethod
    def counts(cls, records: Columns) -> NDArray[np.bool_]:
        return counting(records, cls.columns[0])

    @classmethod
    def statistic(cls, records: Columns, weights: Numbers) -> Numbers:
        return mean(records, cls.columns[0], weights)


@metric("psnr", task="restoration")
class Psnr(PerPicture):
    """Peak signal-to-noise ratio in dB over the three channels; identical pictures count as 100 dB, the highest."""

    columns = ("psnr",)
    range = (0.0, 100.0)
    title = "PSNR (dB)"
    unit = "db"


@metric("psnr-y", task="restoration")
class PsnrY(PerPicture):
    """PSNR of BT.601 luma (16-235, not rounded), with 255 as the peak, as super-resolution reports it."""

    columns = ("psnr-y",)
    range = (0.0, 100.0)
    title = "PSNR-Y (dB)"
    unit = "db"


@metric("ssim", task="restoration")
class Ssim(PerPicture):
    """Structural similarity, mean of the three channels (Wang et al., TIP 2004); none below 11 pixels a side."""

    columns = ("ssim",)
    range = (-1.0, 1.0)
    title = "SSIM"


@metric("ssim-y", task="restoration")
class SsimY(PerPicture):
    """Structural similarity of BT.601 luma (16-235, not rounded)."""

    columns = ("ssim-y",)
    range = (-1.0, 1.0)
    title = "SSIM-Y"


@metric("niqe", task="restoration")
@dataclass(frozen=True, config=_CONFIG)
class Niqe(PerPicture):
    """NIQE with the published pristine model: distance from the statistics of good photographs, no clean one needed.

    `model` is the published file; without it, it is fetched once. A picture needs a block of 96 pixels a side."""

    model: Path | None = None
    columns = ("niqe",)
    higher_is_better = False
    range = (0.0, float("inf"))
    title = "NIQE"

    def identity(self) -> Mapping[str, Any]:
        """Raises WeightsError for a `model` that is not the published file."""
        if self.model is not None:
            published_file(self.model)
        return {"pristine": SHA256}


@metric("niqe-local", task="restoration")
@dataclass(frozen=True, config=_CONFIG)
class NiqeLocal(PerPicture):
    """NIQE's distance from a pristine model of other pictures (default: the built-in scenes), which is not NIQE."""

    model: Path | None = None
    columns = ("niqe-local",)
    higher_is_better = False
    range = (0.0, float("inf"))
    title = "NIQE-local"

    def identity(self) -> Mapping[str, Any]:
        return {"pristine": sha256(local_file(self.model))}


@metric("pyiqa:*", task="restoration")
@dataclass(frozen=True, config=_CONFIG)
class Pyiqa:
    """Any metric of pyiqa by its name there, such as `pyiqa:musiq` (extra `iqa`; not for commercial use)."""

    name: str
    crop_border: int = Field(default=0, ge=0, description="Pixels that are cut from each side before scoring.")
    range: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))
    unit: ClassVar[str] = "plain"

    @property
    def columns(self) -> tuple[str, ...]:
        return (f"pyiqa:{self.name}",)

    @property
    def title(self) -> str:
        return f"{self.name} (pyiqa)"

    @property
    def higher_is_better(self) -> bool:
        return not lower_is_better(self.name)

    def identity(self) -> Mapping[str, Any]:
        """Raises QbenchError where pyiqa is not installed or has no metric of that name."""
        settings(self.name)
        return {"pyiqa": pyiqa_version()}

    def labelled(self, label: str) -> Labelled:
        return Labelled(self, label)

    def per_sample(self, records: Columns) -> Numbers:
        return values(records, self.columns[0])

    def counts(self, records: Columns) -> NDArray[np.bool_]:
        return counting(records, self.columns[0])

    def statistic(self, records: Columns, weights: Numbers) -> Numbers:
        return mean(records, self.columns[0], weights)


class Labelled:
    """A metric whose suite gives it a label: that is its title, and the name of its column."""

    def __init__(self, metric: PerPicture | Pyiqa, label: str) -> None:
        self.title, self.columns = label, (label,)
        self.range, self.unit, self.higher_is_better = metric.range, metric.unit, metric.higher_is_better
        self.identity = metric.identity

    def per_sample(self, records: Columns) -> Numbers:
        return values(records, self.title)

    def counts(self, records: Columns) -> NDArray[np.bool_]:
        return counting(records, self.title)

    def statistic(self, records: Columns, weights: Numbers) -> Numbers:
        return mean(records, self.title, weights)
