"""Scores of restoration records: each is the mean over pictures of one number a picture, which a column of the records
holds. Loading this module loads no torch: what computes the numbers is imported by `measure`.

NaN stands for a picture that has no such number (no clean picture, or too small a one); it counts in no mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.quality.iqa import lower_is_better, pyiqa_version, settings
from qbench.quality.pristine import SHA256, local_file, published_file, sha256
from qbench.registry import metric
from qbench.tasks.score import Columns, Numbers, readable, weighted_mean

if TYPE_CHECKING:
    from torch import Tensor

_CONFIG = ConfigDict(extra="forbid")


class Named(Protocol):
    """A metric as a suite and `run.json` name it."""

    @property
    def name(self) -> str: ...
    @property
    def params(self) -> Mapping[str, Any]: ...


def column(metric: Named) -> str:
    """The column that holds a metric's numbers: its name and parameters, `psnr(crop_border 4)`, whatever its label."""
    params = ", ".join(f"{key} {value}" for key, value in sorted(metric.params.items()))
    return f"{metric.name}({params})" if params else metric.name


class PictureMetric(Protocol):
    """A metric of restoration; any class below `@qbench.metric(NAME, task="restoration")`.

    A `crop_border` that it has is cut from each side of the pictures before they reach the measure; `title` and `unit`
    say how tables show it."""

    higher_is_better: bool
    range: tuple[float, float]
    needs_clean: bool
    """Whether the measure takes the clean pictures too."""

    def measure(self) -> Callable[..., Tensor]:
        """What computes the numbers: restored pictures [B, 3, H, W] as whole levels 0-255 in float64 and, where
        `needs_clean`, the clean ones of the same shape, to one number a picture, [B]."""


class MeanOfColumn:
    """A metric of restoration as tables read it: the mean over pictures of the numbers in one column."""

    def __init__(self, metric: Any, column: str, label: str = "") -> None:
        self.columns = (column,)
        self.title = label or str(getattr(metric, "title", column))
        self.unit = getattr(metric, "unit", "plain")
        self.range, self.higher_is_better = metric.range, metric.higher_is_better

    def per_sample(self, records: Columns) -> Numbers:
        """[samples]; NaN where a picture has no such number."""
        return np.asarray(records[self.columns[0]], dtype=np.float64)

    def counts(self, records: Columns) -> NDArray[np.bool_]:
        """[samples]: readable, and with a number."""
        return np.asarray(readable(records) & ~np.isnan(self.per_sample(records)))

    def statistic(self, records: Columns, weights: Numbers) -> Numbers:
        """The mean over the samples that count, under weights [..., samples]; NaN where none has weight."""
        return weighted_mean(self.per_sample(records), self.counts(records), weights)


@dataclass(frozen=True, config=_CONFIG)
class PerPicture:
    """`crop_border` pixels on each side count in nothing, as is usual in super-resolution."""

    crop_border: int = Field(default=0, ge=0, le=1024, description="Pixels that are cut from each side before scoring.")
    range: ClassVar[tuple[float, float]]
    title: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    needs_clean: ClassVar[bool] = True
    unit: ClassVar[str] = "plain"

    def identity(self) -> Mapping[str, Any]:
        """What decides the numbers besides code and parameters."""
        return {}


@metric("psnr", task="restoration")
class Psnr(PerPicture):
    """Peak signal-to-noise ratio in dB over the three channels; identical pictures count as 100 dB, the highest."""

    range = (0.0, 100.0)
    title = "PSNR (dB)"
    unit = "db"

    def measure(self) -> Callable[[Tensor, Tensor], Tensor]:
        from qbench.quality.psnr import psnr

        return psnr


@metric("psnr-y", task="restoration")
class PsnrY(PerPicture):
    """PSNR of BT.601 luma (16-235, not rounded), with 255 as the peak, as super-resolution reports it."""

    range = (0.0, 100.0)
    title = "PSNR-Y (dB)"
    unit = "db"

    def measure(self) -> Callable[[Tensor, Tensor], Tensor]:
        from qbench.quality.pictures import luma
        from qbench.quality.psnr import psnr

        return lambda restored, clean: psnr(luma(restored), luma(clean))


@metric("ssim", task="restoration")
class Ssim(PerPicture):
    """Structural similarity, mean of the three channels (Wang et al., TIP 2004); none below 11 pixels a side."""

    range = (-1.0, 1.0)
    title = "SSIM"

    def measure(self) -> Callable[[Tensor, Tensor], Tensor]:
        from qbench.quality.ssim import ssim

        return ssim


@metric("ssim-y", task="restoration")
class SsimY(PerPicture):
    """Structural similarity of BT.601 luma (16-235, not rounded)."""

    range = (-1.0, 1.0)
    title = "SSIM-Y"

    def measure(self) -> Callable[[Tensor, Tensor], Tensor]:
        from qbench.quality.pictures import luma
        from qbench.quality.ssim import ssim

        return lambda restored, clean: ssim(luma(restored), luma(clean))


@dataclass(frozen=True, config=_CONFIG)
class DistanceFromPristine(PerPicture):
    """Distance from the statistics of good photographs, which stand in the file `model`."""

    model: Path | None = None
    higher_is_better = False
    needs_clean = False
    range = (0.0, float("inf"))


@metric("niqe", task="restoration")
class Niqe(DistanceFromPristine):
    """NIQE with the published pristine model: distance from the statistics of good photographs, no clean one needed.

    `model` is the published file; without it, it is fetched once. A picture needs a block of 96 pixels a side."""

    title = "NIQE"

    def identity(self) -> Mapping[str, Any]:
        """Raises WeightsError for a `model` that is not the published file."""
        if self.model is not None:
            published_file(self.model)
        return {"pristine": SHA256}

    def measure(self) -> Callable[[Tensor], Tensor]:
        """Raises WeightsError where the published model is missing."""
        return _distance_from(published_file(self.model))


@metric("niqe-local", task="restoration")
class NiqeLocal(DistanceFromPristine):
    """NIQE's distance from a pristine model of other pictures (default: the built-in scenes), which is not NIQE."""

    title = "NIQE-local"

    def identity(self) -> Mapping[str, Any]:
        return {"pristine": sha256(local_file(self.model))}

    def measure(self) -> Callable[[Tensor], Tensor]:
        """Raises WeightsError where the model is missing."""
        return _distance_from(local_file(self.model))


def _distance_from(file: Path) -> Callable[[Tensor], Tensor]:
    from qbench.quality.niqe import niqe
    from qbench.quality.pristine import load_pristine

    pristine = load_pristine(file)
    return lambda restored: niqe(restored, pristine)


@metric("pyiqa:*", task="restoration")
@dataclass(frozen=True, config=_CONFIG)
class Pyiqa:
    """Any metric of pyiqa by its name there, such as `pyiqa:musiq` (extra `iqa`; not for commercial use)."""

    name: str
    crop_border: int = Field(default=0, ge=0, le=1024, description="Pixels that are cut from each side before scoring.")
    range: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))

    @property
    def title(self) -> str:
        return f"{self.name} (pyiqa)"

    @property
    def higher_is_better(self) -> bool:
        return not lower_is_better(self.name)

    @property
    def needs_clean(self) -> bool:
        """Raises QbenchError where pyiqa is not installed or has no metric of that name."""
        return bool(settings(self.name)["metric_mode"] != "NR")

    def identity(self) -> Mapping[str, Any]:
        """Raises QbenchError as `needs_clean` does."""
        settings(self.name)
        return {"pyiqa": pyiqa_version()}

    def measure(self) -> Callable[..., Tensor]:
        """Raises QbenchError as `needs_clean` does, and where its weights cannot be fetched."""
        from qbench.quality.iqa import load_metric

        def score(restored: Tensor, clean: Tensor | None = None) -> Tensor:
            load = load_metric(self.name, str(restored.device))
            return load(restored.float() / 255, None if clean is None else clean.float() / 255)

        return score
