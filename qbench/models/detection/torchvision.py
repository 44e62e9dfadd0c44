"""`torchvision-detection:NAME`, and what the detectors of all libraries share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, nearest
from qbench.models.files import sha256
from qbench.registry import model
from qbench.vocabulary import Boxes, InputConvention

if TYPE_CHECKING:
    from torch import Tensor, nn

    from qbench.models.base import LoadedModel

CONFIG = ConfigDict(extra="forbid")
AS_THEY_ARE = InputConvention(
    size=None, resize=None, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation="bilinear"
)
"""Detectors take [0, 1] pictures of any size and resize and normalise inside."""
_RESNET = {"D1": "backbone.body.conv1", "D2": "backbone.body.relu", "D3": "backbone.body.layer1.0"}
_MOBILENET = {"D1": "backbone.body.0.0", "D2": "backbone.body.0", "D3": "backbone.body.1"}
_LITE = {"D1": "backbone.features.0.0.0", "D2": "backbone.features.0.0", "D3": "backbone.features.0.1"}
SITES: Mapping[str, Mapping[str, str]] = {
    "resnet50": {**_RESNET, "D4": "backbone.body.layer1"},
    "320_mobilenet": {**_LITE, "D4": "backbone.features.0.2"},
    "mobilenet": {**_MOBILENET, "D4": "backbone.body.2"},
}
"""Sites by a part of the name: the backbone's stem convolution, its activation, first block, first stage."""


def indices(names: Sequence[str], skipped: int = 0) -> tuple[int, ...]:
    """For each of a network's own classes its index from 0, -1 for those that stand for nothing.

    The first `skipped` (the background) and `N/A` stand for nothing: COCO's category ids have gaps, and heads that were
    trained on them a place for each id."""
    real = [place >= skipped and name != "N/A" for place, name in enumerate(names)]
    return tuple(int(number) - 1 if there else -1 for there, number in zip(real, np.cumsum(real), strict=True))


def named(names: Sequence[str], skipped: int = 0) -> tuple[str, ...]:
    """The names of those that stand for something, by index."""
    return tuple(name for name, index in zip(names, indices(names, skipped), strict=True) if index >= 0)


def decode(table: tuple[int, ...], output: Sequence[Mapping[str, Tensor]], images: Tensor) -> list[Boxes]:
    """`boxes`, `labels` and `scores` of each picture, on any device, to Boxes; `table` maps labels to indices."""
    mapped = np.array(table, dtype=np.int32)
    found = []
    for each in output:
        labels = mapped[each["labels"].cpu().numpy()]
        kept = labels >= 0
        corners, scores = (each[part].detach().float().cpu().numpy() for part in ("boxes", "scores"))
        found.append(Boxes(corners[kept].reshape(-1, 4), labels[kept], scores[kept]))
    return found


def asked(boxes: Sequence[Boxes], images: Tensor, scale: float = 1.0) -> list[dict[str, Tensor]]:
    """Objects as torchvision's detectors take them, in a picture of `scale`: labels from 1, after the background."""
    import torch

    return [
        {
            "boxes": torch.from_numpy(each.corners).to(images.device) * scale,
            "labels": torch.from_numpy(each.labels.astype(np.int64) + 1).to(images.device),
        }
        for each in boxes
    ]


def own_losses(net: nn.Module, images: Tensor, boxes: Sequence[Boxes]) -> Mapping[str, Tensor]:
    """What torchvision's detectors give in training mode."""
    losses: Mapping[str, Tensor] = net(list(images), asked(boxes, images))
    return losses


@model("torchvision-detection:*")
@dataclass(frozen=True, config=CONFIG)
class TorchvisionDetection:
    """A detector of torchvision: its COCO weights from the hub, or the state in `weights` and no network touched.

    Without `classes` it has the head of the published weights, and COCO's 80 classes. With `classes` it has that many
    beside the background, numbered from 0; of pretrained weights it then keeps those of the trunk on ImageNet alone,
    and the rest is drawn from `seed`. `pretrained: false` draws all of it."""

    name: str
    weights: Path | None = None
    pretrained: bool = True
    classes: int | None = Field(default=None, ge=1, description="Number of classes, without the background.")
    min_size: int | None = Field(default=None, ge=8, description="Short side that the network scales pictures to.")
    max_size: int | None = Field(default=None, ge=8, description="Long side that it does not scale past.")
    seed: int = 0

    @property
    def label(self) -> str:
        return f"torchvision-detection:{self.name}"

    @property
    def sites(self) -> Mapping[str, str]:
        return next((sites for part, sites in SITES.items() if part in self.name), {})

    def identity(self) -> Mapping[str, Any]:
        library = f"torchvision=={version('torchvision')}"
        source = f"hub:{self.name}" if self.pretrained else "none"
        return {
            "architecture": f"torchvision-detection:{self.name}", "library": library, "classes": self.classes,
            "weights": sha256(self.weights) if self.weights is not None else source,
            "seed": self.seed, "sizes": [self.min_size, self.max_size],
        }  # fmt: skip

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name or no network, WeightsError for a file that does not fit.

        Norms are never folded: torchvision's detectors freeze those of their backbones in a form of their own."""
        import torch
        from torchvision import models

        from qbench.models.base import LoadedModel
        from qbench.models.files import load_any
        from qbench.models.fold import for_inference

        known = models.list_models(module=models.detection)
        if self.name not in known:
            raise QbenchError(f"torchvision has no detector {self.name!r}{nearest(self.name, known)}")
        hub = models.get_model_weights(self.name)["DEFAULT"]
        names = hub.meta["categories"] if self.classes is None else ["background", *map(str, range(self.classes))]
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                net = models.get_model(self.name, progress=False, **self._origin(hub, len(names)))
        except OSError as error:
            raise QbenchError(
                f"the pretrained {self.name} cannot be fetched ({error}); give `weights:` a file instead"
            ) from error
        if self.weights is not None:
            load_any(net, self.weights)
        self._resize(net.transform)
        ready = for_inference(net, fold=False)
        known = named(names, skipped=1) if self.classes is None else ()
        read = partial(decode, indices(names, skipped=1))
        return LoadedModel(ready, AS_THEY_ARE, self.sites, read, own_losses, names=known)

    def _origin(self, hub: Any, places: int) -> dict[str, Any]:
        """Arguments that say where the first weights come from; unless told, torchvision fetches the trunk's."""
        if not self.pretrained or self.weights is not None:
            return {"weights": None, "weights_backbone": None, "num_classes": places}
        return {"weights": hub} if self.classes is None else {"weights": None, "num_classes": places}

    def _resize(self, transform: Any) -> None:
        if (self.min_size or self.max_size) and transform.fixed_size is not None:
            raise QbenchError(
                f"{self.name} scales pictures to {transform.fixed_size}; leave `min_size`, `max_size` out"
            )
        transform.min_size = (self.min_size,) if self.min_size else transform.min_size
        transform.max_size = self.max_size or transform.max_size
