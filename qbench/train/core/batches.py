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
from torch import Tensor

from qbench.cards.schema import CropView
from qbench.draws import Draw, keyed
from qbench.errors import BadSample, DataError, described
from qbench.train.core.crops import Window, clipped, kept, tilted, window
from qbench.train.core.mix import Mix
from qbench.vocabulary import Boxes, Dataset, Image, Sample

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
    """[B, S, S]: the class index at every pixel, 255 to be ignored, of samples with masks; of scenes the class
    index + 1 and 0 for background, where the training asks for it."""
    instances: Tensor | None = None
    """[B, S, S]: 1 + the number of the object at every pixel, 0 for background, where the training asks for it."""
    boxes: tuple[Boxes, ...] | None = None
    """The objects of every crop, in its pixels, of samples with boxes."""


class Labelled(Protocol):
    """A dataset that knows a mask and a label of the same picture, as `scenes` does."""

    def scene(self, index: int) -> Any:
        """Something with `image`, `label` and `mask`."""


@dataclass
class Samples:
    """A dataset whose decoded pictures stay in memory, up to CACHE_BYTES. A picture carries its mask, or the `planes`
    of a dataset with `scene`, as further channels, so that all are cropped and turned together."""

    dataset: Dataset
    count: int
    planes: tuple[str, ...] = ()
    _kept: dict[int, Sample] = field(default_factory=dict)
    _bytes: int = 0

    def load(self, index: int) -> Sample:
        """Raises BadSample: a training does not go on without a picture that its card names."""
        if index not in self._kept:
            sample = self._scene(index) if self.planes and hasattr(self.dataset, "scene") else self._masked(index)
            if self._bytes + sample.image.nbytes > CACHE_BYTES:
                return sample
            self._kept[index] = sample
            self._bytes += sample.image.nbytes
        return self._kept[index]

    def _scene(self, index: int) -> Sample:
        scene = cast(Labelled, self.dataset).scene(index)
        image = np.dstack([scene.image, *(getattr(scene, name) for name in self.planes)])
        return Sample(str(index), image, scene.label)

    def _masked(self, index: int) -> Sample:
        try:
            sample = self.dataset.load(index)
        except Exception as error:
            name = self.dataset.manifest().ids[index]
            raise BadSample(f"sample {name} of dataset {self.dataset.label}: {described(error)}") from error
        if isinstance(sample.target, np.ndarray) and sample.target.ndim == 2:
            return Sample(sample.id, np.dstack([sample.image, sample.target]))
        if self.planes:
            raise DataError(
                f"dataset {self.dataset.label} has no masks; a training with masks needs one that has, as `scenes`"
            )
        return sample


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
        labels = (
            torch.tensor(targets, dtype=torch.int64) if all(isinstance(t, int | np.integer) for t in targets) else None
        )
        boxes = targets if all(isinstance(target, Boxes) for target in targets) else None
        planes = [
            torch.from_numpy(np.stack([picture[:, :, channel] for picture in pictures])).long()
            for channel in range(3, pictures[0].shape[2])
        ]
        masks, instances = (*planes, None, None)[:2]
        clean = _tensor([picture[:, :, :3] for picture in pictures])
        return Batch(clean, _tensor(degraded), labels, torch.tensor(help_), masks, instances, boxes)

    def index(self, step: int, slot: int) -> int:
        """The sample of a slot: every sample once an epoch, in an order drawn for each epoch."""
        epoch, place = divmod(step * self.size + slot, self.samples.count)
        return int(_order(self.seed, self.name, epoch, self.samples.count)[place])

    def _item(self, step: int, slot: int) -> tuple[Image, Image, Any, bool]:
        sample = self.samples.load(self.index(step, slot))
        rng = keyed(self.seed, f"{self.name}/view", step, str(slot))
        margin = 0 if self.view.aligned else GRID
        height, width = sample.image.shape[:2]
        place = window(height, width, self.view, rng, self.view.size + margin)
        cut = place.picture(sample.image)
        visible = np.ascontiguousarray(cut[:, :, :3])
        degraded, help_ = self.mix.apply(visible, Draw(self.seed, f"{self.name}/{step}/{slot}"))
        top, left = (int(n) for n in rng.integers(0, GRID, 2)) if margin else (0, 0)
        cut, degraded = (x[top:, left:][: self.view.size, : self.view.size] for x in (cut, degraded))
        target = sample.target
        if self.view.tilt and rng.random() < self.view.tilt:
            if isinstance(target, Boxes) or cut.shape[2] > 3:
                raise DataError("`tilt` turns pictures alone: samples with masks or boxes cannot have it")
            angle = int(rng.integers(-180, 181))
            cut, degraded = tilted(cut, angle), tilted(degraded, angle)
        if isinstance(target, Boxes):
            target = self._boxes(place, target, left, top)
        return cut, degraded, target, help_

    def _boxes(self, place: Window, boxes: Boxes, left: int, top: int) -> Boxes:
        moved = place.boxes(boxes)
        if self.view.aligned:
            return moved
        corners = moved.corners.astype(np.float64)
        whole = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
        return kept(clipped(corners, left, top, self.view.size), moved, whole)


@lru_cache(maxsize=8)
def _order(seed: int, name: str, epoch: int, count: int) -> NDArray[np.int64]:
    return keyed(seed, f"{name}/order", epoch, "").permutation(count)


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
