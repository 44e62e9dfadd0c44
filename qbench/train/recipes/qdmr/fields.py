"""Batches for aberrations, which change over the picture: photographs are made whole and then cropped, and the crops of
both domains lie at the same place of the field (arXiv 2403.10012, the authors' data loader)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qbench.cards.schema import CropView
from qbench.draws import Draw, keyed
from qbench.errors import DataError
from qbench.train.core.batches import CACHE_BYTES, Batch, Samples
from qbench.train.core.mix import Mix

Pair = NDArray[np.uint8]
"""[H, W, 6]: a picture and, behind it, the photograph of it."""


@dataclass
class Photographs:
    """The pictures of a role, each photographed once: as a folder of photographs, whatever the step. What was made
    stays in memory, up to CACHE_BYTES."""

    samples: Samples
    mix: Mix | None
    """None: the pictures are photographs already, and nothing better is known of them."""
    seed: int
    role: str
    skip: int = 0
    """Samples in front that another role has."""
    _kept: dict[int, Pair] = field(default_factory=dict)
    _bytes: int = 0

    def __len__(self) -> int:
        return self.samples.count - self.skip

    def pair(self, index: int) -> Pair:
        if index not in self._kept:
            pair = self._made(index + self.skip)
            if self._bytes + pair.nbytes > CACHE_BYTES:
                return pair
            self._kept[index] = pair
            self._bytes += pair.nbytes
        return self._kept[index]

    def _made(self, index: int) -> Pair:
        picture = self.samples.load(index).image
        if self.mix is None:
            return np.dstack([picture, picture])
        return np.dstack([picture, self.mix.apply(picture, Draw(self.seed, f"{self.role}/{index}"))[0]])


@dataclass(frozen=True)
class FieldBatches:
    """`batch(step)` for one role of a stage. Roles of one stage, batch size and view share places, mirrors and turns;
    which pictures they show is drawn for each role on its own."""

    photographs: Photographs
    view: CropView
    size: int
    seed: int
    stage: str
    device: str = "cpu"

    def __call__(self, step: int) -> Batch:
        pairs = np.stack([self._crop(step, slot) for slot in range(self.size)])
        help_ = torch.ones(self.size, dtype=torch.bool)
        clean, degraded = (_tensor(part, self.device) for part in (pairs[..., :3], pairs[..., 3:]))
        return Batch(clean, degraded, None, help_)

    def _crop(self, step: int, slot: int) -> Pair:
        pair = self.photographs.pair(self._index(step, slot))
        height, width = pair.shape[:2]
        size = self.view.size
        if min(height, width) < size:
            raise DataError(f"a picture of {width}x{height} pixels has no crop of {size}; lower `crop: size`")
        rng = keyed(self.seed, f"{self.stage}/view", step, str(slot))
        down, across = rng.random(2)
        top, left = round(down * (height - size)), round(across * (width - size))
        cut = pair[top : top + size, left : left + size]
        if rng.random() < 0.5 and self.view.flip:
            cut = cut[:, ::-1]
        return np.rot90(cut, int(rng.integers(4))) if self.view.rotate else cut

    def _index(self, step: int, slot: int) -> int:
        """Every photograph once an epoch, in an order drawn for each epoch and role."""
        epoch, place = divmod(step * self.size + slot, len(self.photographs))
        order = keyed(self.seed, f"{self.stage}/{self.photographs.role}/order", epoch, "")
        return int(order.permutation(len(self.photographs))[place])


def _tensor(pictures: Pair, device: str) -> Tensor:
    """uint8 [B, H, W, 3] to [B, 3, H, W] in [0, 1], channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float().div_(255).to(device)
