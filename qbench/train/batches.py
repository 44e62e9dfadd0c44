"""Batches as a function of (seed, stage, role, step) alone: samples, crops, flips and degradations are keyed draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor

from qbench.draws import Draw, keyed
from qbench.errors import DataError
from qbench.train.mix import Mix
from qbench.train.schema import CropView
from qbench.vocabulary import Dataset, Image, Sample

CACHE_BYTES = 1 << 30
GRID = 8


@dataclass(frozen=True)
class Batch:
    """Pairs of a clean crop and its degraded twin, [B, 3, S, S] in [0, 1]; class indices [B] where there are labels."""

    clean: Tensor
    degraded: Tensor
    targets: Tensor | None
    help: Tensor
    """[B], False where a gate should leave the picture alone."""
    masks: Tensor | None = None
    """[B, S, S]: the class index + 1 at every pixel, 0 for background, where the training asks for it."""
    instances: Tensor | None = None
    """[B, S, S]: 1 + the number of the object at every pixel, 0 for background, where the training asks for it."""


class Labelled(Protocol):
    """A dataset that knows a mask and a label of the same picture, as `scenes` does."""

    def scene(self, index: int) -> Any:
        """Something with `image`, `label` and `mask`."""


@dataclass
class Samples:
    """A dataset whose decoded pictures stay in memory, up to CACHE_BYTES. With `planes` (datasets with `scene` only), a
    picture carries them as further channels, so that all are cropped and turned together."""

    dataset: Dataset
    count: int
    planes: tuple[str, ...] = ()
    _kept: dict[int, Sample] = field(default_factory=dict)
    _bytes: int = 0

    def load(self, index: int) -> Sample:
        """Raises BadSample: a training does not go on without a picture that its card names."""
        if index not in self._kept:
            sample = self._with_planes(index) if self.planes else self.dataset.load(index)
            if self._bytes + sample.image.nbytes > CACHE_BYTES:
                return sample
            self._kept[index] = sample
            self._bytes += sample.image.nbytes
        return self._kept[index]

    def _with_planes(self, index: int) -> Sample:
        if not hasattr(self.dataset, "scene"):
            raise DataError(
                f"dataset {self.dataset.label} has no masks; a training with masks needs one that has, as `scenes`"
            )
        found = cast(Labelled, self.dataset).scene(index)
        return Sample(
            str(index), np.dstack([found.image, *(getattr(found, name) for name in self.planes)]), found.label
        )


@dataclass(frozen=True)
class Batches:
    """`batch(step)` for one role of one stage."""

    samples: Samples
    view: CropView
    mix: Mix
    size: int
    seed: int
    name: str
    """Stage and role: the operation part of every key."""

    def __call__(self, step: int) -> Batch:
        items = [self._item(step, slot) for slot in range(self.size)]
        pictures, degraded, targets, help_ = zip(*items, strict=True)
        labels = None if None in targets else torch.tensor(targets, dtype=torch.int64)
        planes = [
            torch.from_numpy(np.stack([picture[:, :, 3 + i] for picture in pictures])).long()
            for i in range(len(self.samples.planes))
        ]
        clean = _tensor([picture[:, :, :3] for picture in pictures])
        return Batch(clean, _tensor(degraded), labels, torch.tensor(help_), *planes)

    def index(self, step: int, slot: int) -> int:
        """The sample of a slot: every sample once an epoch, in an order drawn for each epoch."""
        epoch, place = divmod(step * self.size + slot, self.samples.count)
        return int(_order(self.seed, self.name, epoch, self.samples.count)[place])

    def _item(self, step: int, slot: int) -> tuple[Image, Image, int | None, bool]:
        sample = self.samples.load(self.index(step, slot))
        rng = keyed(self.seed, f"{self.name}/view", step, str(slot))
        margin = 0 if self.view.aligned else GRID
        cut = crop(sample.image, self.view, rng, self.view.size + margin)
        visible = np.ascontiguousarray(cut[:, :, :3])
        degraded, help_ = self.mix.apply(visible, Draw(self.seed, f"{self.name}/{step}/{slot}"))
        if margin:
            top, left = (int(n) for n in rng.integers(0, GRID, 2))
            cut, degraded = (x[top:, left:][: self.view.size, : self.view.size] for x in (cut, degraded))
        return cut, degraded, sample.target, help_


@lru_cache(maxsize=8)
def _order(seed: int, name: str, epoch: int, count: int) -> NDArray[np.int64]:
    return keyed(seed, f"{name}/order", epoch, "").permutation(count)


def crop(image: Image, view: CropView, rng: np.random.Generator, size: int) -> Image:
    """A random square of `size` pixels: scaled (at least so much that the square fits), cut, mirrored, turned."""
    height, width = image.shape[:2]
    scale = max(float(rng.uniform(*view.scale)), size / min(height, width))
    side = size / scale
    top, left = rng.uniform(0, height - side), rng.uniform(0, width - side)
    if scale == 1.0:
        cut = image[round(top) :, round(left) :][:size, :size]
    else:
        y, x = int(top), int(left)
        part = image[y : int(np.ceil(top + side)) + 1, x : int(np.ceil(left + side)) + 1]
        box = (left - x, top - y, min(left - x + side, part.shape[1]), min(top - y + side, part.shape[0]))
        cut = np.asarray(Pillow.fromarray(part).resize((size, size), Pillow.Resampling.BICUBIC, box=box))
    if view.flip and rng.random() < 0.5:
        cut = cut[:, ::-1]
    if view.rotate:
        cut = np.rot90(cut, int(rng.integers(4)))
    return np.ascontiguousarray(cut)


def _tensor(images: Sequence[Image]) -> Tensor:
    """uint8 pictures to [B, 3, H, W] floats in [0, 1], channels last in memory."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)


class Ahead:
    """Makes the next batches on one background thread, while the network works; the order decides nothing."""

    def __init__(self, make: Callable[[int], Batch], last: int, depth: int = 3) -> None:
        self._make, self._last, self._depth = make, last, depth
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="qbench-batches")
        self._coming: dict[int, Future[Batch]] = {}

    def __call__(self, step: int) -> Batch:
        for coming in range(step, min(step + self._depth, self._last)):
            if coming not in self._coming:
                self._coming[coming] = self._pool.submit(self._make, coming)
        return self._coming.pop(step).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
