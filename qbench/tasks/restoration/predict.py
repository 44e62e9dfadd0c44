"""Restored pictures to records: one number a metric and picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from qbench.errors import DataError, QbenchError
from qbench.quality.iqa import load_metric
from qbench.quality.iqa import settings as pyiqa_settings
from qbench.quality.niqe import niqe
from qbench.quality.pictures import levels, luma, without_border
from qbench.quality.pristine import load_pristine, local_file, published_file
from qbench.quality.psnr import psnr
from qbench.quality.ssim import ssim
from qbench.registry.create import create
from qbench.registry.named import Named
from qbench.tasks.outputs import misfit, tensor_of
from qbench.tasks.restoration import Restoration
from qbench.tasks.restoration.metrics import Niqe, NiqeLocal, PerPicture, Psnr, PsnrY, Pyiqa, Ssim, SsimY
from qbench.tasks.score import Numbers
from qbench.vocabulary import Image, Sample

if TYPE_CHECKING:
    from qbench.data.views import View

Beside = Callable[[Tensor, Tensor], Tensor]
"""Restored and clean levels [B, 3, H, W] to [B]."""
Alone = Callable[[Tensor], Tensor]
"""Restored levels [B, 3, H, W] to [B]."""


NEEDS = "pictures [B, 3, H, W]"


@dataclass(frozen=True)
class Measure:
    """One column of the records."""

    column: str
    crop_border: int
    beside: Beside | None = None
    alone: Alone | None = None

    def of(self, restored: Tensor, targets: Sequence[Image | None]) -> Numbers:
        """[B]; NaN where the measure needs a clean picture and there is none, and where the border is the picture."""
        if min(restored.shape[-2:]) <= 2 * self.crop_border:
            return np.full(len(restored), np.nan)
        restored = without_border(restored, self.crop_border)
        if self.alone is not None:
            return np.asarray(self.alone(restored).cpu(), dtype=np.float64)
        found = np.full(len(restored), np.nan)
        known = {i: clean for i, clean in enumerate(targets) if clean is not None}
        if known and self.beside is not None:
            stacked = torch.from_numpy(np.stack(list(known.values()))).to(restored.device)
            clean = without_border(stacked.permute(0, 3, 1, 2).to(restored), self.crop_border)
            found[list(known)] = self.beside(restored[list(known)], clean).cpu().numpy()
        return found


@dataclass(frozen=True)
class Scoring:
    """The measures that a suite asks for."""

    measures: tuple[Measure, ...]

    def target(self, sample: Sample, viewed: Image, view: View) -> Image | None:
        """The clean picture after the view; None where the sample says that nobody knows it."""
        return target(sample, viewed, view)

    def score(self, output: Tensor, targets: Sequence[Image | None]) -> Mapping[str, Any]:
        """Restored pictures [B, 3, H, W] in [0, 1] and B clean ones, uint8 [H, W, 3], to columns of B float64 numbers.

        As usual in the literature the output is first rounded to 8 bits, as a file would hold it. Raises QbenchError
        for an output that is no pictures, not finite or of another size than the clean pictures, DataError for no clean
        picture where every measure needs one."""
        output = tensor_of(output, 4, "restoration", NEEDS)
        if output.shape[1] != 3:
            raise misfit(output, "restoration", NEEDS)
        sizes = {clean.shape[:2] for clean in targets if clean is not None}
        if sizes - {tuple(output.shape[-2:])}:
            size = "x".join(map(str, output.shape[-2:]))
            raise QbenchError(f"the model gives pictures of {size} pixels for clean ones of {sorted(sizes)}")
        if not sizes and all(measure.beside for measure in self.measures):
            raise DataError(
                "the dataset knows no clean pictures; ask for metrics that need none: niqe, niqe-local, pyiqa:musiq"
            )
        restored = levels(output)
        return {measure.column: measure.of(restored, targets) for measure in self.measures}

    def bad(self, count: int) -> Mapping[str, Any]:
        """The columns of `count` samples that could not be read."""
        return {measure.column: np.full(count, np.nan) for measure in self.measures}


def target(sample: Sample, viewed: Image, view: View) -> Image | None:
    """The clean picture after the view: the sample's own, else the sample's image itself, so that data of other tasks
    (labels, masks, boxes) will do. None for an empty picture, which says that nobody knows the clean one."""
    clean = sample.target
    if not isinstance(clean, np.ndarray) or clean.ndim != 3:
        return viewed
    return view.apply(clean) if clean.size else None


def scoring(asked: Sequence[Named] = ()) -> Scoring:
    """What computes the metrics asked for (default: those that tables show), one column each.

    Raises WeightsError where a pristine model is missing, QbenchError where pyiqa or its metric is, and for two columns
    of one name."""
    wanted = asked or [Named(name=name) for name in Restoration.shown]
    measures = tuple(_measure(named) for named in wanted)
    columns = [measure.column for measure in measures]
    for column in columns:
        if columns.count(column) > 1:
            raise QbenchError(f"two metrics are called {column!r}; give one of them a `label`")
    return Scoring(measures)


def score(output: Tensor, targets: Sequence[Image | None], metrics: Sequence[Named] = ()) -> Mapping[str, Any]:
    """`scoring(metrics).score(output, targets)`."""
    return scoring(metrics).score(output, targets)


def bad(count: int, metrics: Sequence[Named] = ()) -> Mapping[str, Any]:
    """`scoring(metrics).bad(count)`."""
    return scoring(metrics).bad(count)


def _measure(named: Named) -> Measure:
    metric = create("metric", named)
    column = named.label or named.name
    if isinstance(metric, Pyiqa):
        return _of_pyiqa(metric, column)
    if isinstance(metric, Niqe | NiqeLocal):
        file = published_file(metric.model) if isinstance(metric, Niqe) else local_file(metric.model)
        return Measure(column, metric.crop_border, alone=partial(niqe, pristine=load_pristine(file)))
    if isinstance(metric, PerPicture) and type(metric) in _BESIDE:
        return Measure(column, metric.crop_border, beside=_BESIDE[type(metric)])
    raise QbenchError(f"metric {named.name!r} is no measure of pictures that restoration can compute")


def _of_pyiqa(metric: Pyiqa, column: str) -> Measure:
    if pyiqa_settings(metric.name)["metric_mode"] == "NR":
        return Measure(column, metric.crop_border, alone=lambda pictures: _by_pyiqa(metric.name, pictures, None))
    return Measure(column, metric.crop_border, beside=lambda pictures, clean: _by_pyiqa(metric.name, pictures, clean))


def _by_pyiqa(name: str, pictures: Tensor, clean: Tensor | None) -> Tensor:
    beside = None if clean is None else clean.float() / 255
    return load_metric(name, str(pictures.device))(pictures.float() / 255, beside)


def _psnr_y(restored: Tensor, clean: Tensor) -> Tensor:
    return psnr(luma(restored), luma(clean))


def _ssim_y(restored: Tensor, clean: Tensor) -> Tensor:
    return ssim(luma(restored), luma(clean))


_BESIDE: Mapping[type[PerPicture], Beside] = {Psnr: psnr, PsnrY: _psnr_y, Ssim: ssim, SsimY: _ssim_y}
