"""`torchvision-detection:NAME`: detectors of torchvision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, nearest
from qbench.models.detection.objects import UNCHANGED, as_targets, class_indices, decode, real_names
from qbench.models.library import CONFIG, LibraryModel
from qbench.registry import model
from qbench.vocabulary import Boxes

if TYPE_CHECKING:
    from torch import Tensor, nn

    from qbench.models.base import LoadedModel

_RESNET = {"D1": "backbone.body.conv1", "D2": "backbone.body.relu", "D3": "backbone.body.layer1.0"}
_MOBILENET = {"D1": "backbone.body.0.0", "D2": "backbone.body.0", "D3": "backbone.body.1"}
_LITE = {"D1": "backbone.features.0.0.0", "D2": "backbone.features.0.0", "D3": "backbone.features.0.1"}
SITES: Mapping[str, Mapping[str, str]] = {
    "resnet50": {**_RESNET, "D4": "backbone.body.layer1"},
    "320_mobilenet": {**_LITE, "D4": "backbone.features.0.2"},
    "mobilenet": {**_MOBILENET, "D4": "backbone.body.2"},
}
"""Sites by a part of the name: the backbone's stem convolution, its activation, first block, first stage."""


def own_losses(net: nn.Module, images: Tensor, boxes: Sequence[Boxes]) -> Mapping[str, Tensor]:
    """What torchvision's detectors give in training mode."""
    losses: Mapping[str, Tensor] = net(list(images), as_targets(boxes, images))
    return losses


@model("torchvision-detection:*")
@dataclass(frozen=True, config=CONFIG)
class TorchvisionDetection(LibraryModel):
    """A detector of torchvision: its COCO weights from the hub, or the state in `weights` and no network touched.

    Without `classes` it has the head of the published weights, and COCO's 80 classes. With `classes` it has that many
    beside the background, numbered from 0; of pretrained weights it then keeps those of the trunk on ImageNet alone,
    and the rest is drawn from `seed`. `pretrained: false` draws all of it."""

    prefix: ClassVar[str] = "torchvision-detection"
    library: ClassVar[str] = "torchvision"

    classes: int | None = Field(
        default=None, ge=1, le=100_000, description="Number of classes, without the background."
    )
    min_size: int | None = Field(
        default=None, ge=8, le=16_384, description="Short side that the network scales pictures to."
    )
    max_size: int | None = Field(default=None, ge=8, le=16_384, description="Long side that it does not scale past.")

    @property
    def sites(self) -> Mapping[str, str]:
        return next((sites for part, sites in SITES.items() if part in self.name), {})

    def identity(self) -> Mapping[str, Any]:
        return {**super().identity(), "sizes": [self.min_size, self.max_size]}

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name or no network, WeightsError for a file that does not fit.

        Norms are never folded: torchvision's detectors freeze those of their backbones in a form of their own."""
        from torchvision import models

        from qbench.models.base import LoadedModel
        from qbench.models.files import load_any
        from qbench.models.fold import for_inference

        known = models.list_models(module=models.detection)
        if self.name not in known:
            raise QbenchError(f"torchvision has no detector {self.name!r}{nearest(self.name, known)}")
        hub = models.get_model_weights(self.name)["DEFAULT"]
        names = hub.meta["categories"] if self.classes is None else ["background", *map(str, range(self.classes))]
        with self._making():
            net = models.get_model(self.name, progress=False, **self._origin(hub, len(names)))
        if self.weights is not None:
            load_any(net, self.weights)
        self._resize(net.transform)
        ready = for_inference(net, fold=False)
        read = partial(decode, class_indices(names, skipped=1))
        class_names = real_names(names, skipped=1) if self.classes is None else ()
        count = sum(index >= 0 for index in class_indices(names, skipped=1))
        return LoadedModel(ready, UNCHANGED, self.sites, read, own_losses, names=class_names, classes=count)

    def _origin(self, hub: Any, places: int) -> dict[str, Any]:
        """Arguments that say where the first weights come from; unless told, torchvision fetches the trunk's."""
        if not self._fetched:
            return {"weights": None, "weights_backbone": None, "num_classes": places}
        return {"weights": hub} if self.classes is None else {"weights": None, "num_classes": places}

    def _resize(self, transform: Any) -> None:
        if (self.min_size or self.max_size) and transform.fixed_size is not None:
            raise QbenchError(
                f"{self.name} scales pictures to {transform.fixed_size}; leave `min_size`, `max_size` out"
            )
        transform.min_size = (self.min_size,) if self.min_size else transform.min_size
        transform.max_size = self.max_size or transform.max_size
