"""`torchvision-segmentation:NAME`: segmentation networks of torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, nearest
from qbench.models.files import load_any
from qbench.models.library import CONFIG
from qbench.models.segmentation.segmenter import Segmenter
from qbench.models.sites import TORCHVISION_SITES, sites_of
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel

VOC_CLASSES = 21
AUXILIARY = ("aux_classifier.",)
"""The head that torchvision trains with beside the real one; no prediction uses it."""


@model("torchvision-segmentation:*")
@dataclass(frozen=True, config=CONFIG)
class TorchvisionSegmentation(Segmenter):
    """A segmentation network of torchvision: its default weights from the hub, or the state in `weights`.

    `classes` other than the 21 of Pascal VOC keep, of the pretrained weights, those of the trunk on ImageNet alone; the
    head is then drawn from `seed`. `pretrained: false` draws all of it."""

    prefix: ClassVar[str] = "torchvision-segmentation"
    library: ClassVar[str] = "torchvision"

    @property
    def sites(self) -> Mapping[str, str]:
        trunk = self.name.partition("_")[2]
        declared = sites_of(trunk, TORCHVISION_SITES)
        return {site: f"backbone.{path.removeprefix('features.')}" for site, path in declared.items()}

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name or no network, WeightsError for a file that does not fit."""
        from torchvision import models

        known = models.list_models(module=models.segmentation)
        if self.name not in known:
            raise QbenchError(f"torchvision has no segmentation model {self.name!r}{nearest(self.name, known)}")
        hub = models.get_model_weights(self.name)["DEFAULT"]
        with self._making():
            net = models.get_model(self.name, **self._origin(hub))
        net.aux_classifier = None
        if self.weights is not None:
            load_any(net, self.weights, without=AUXILIARY)
        preset = hub.transforms()
        mean, std = tuple(preset.mean), tuple(preset.std)
        return self._ready(net, InputConvention(None, None, mean=mean, std=std, interpolation="bilinear"), fold)

    def _origin(self, hub: Any) -> dict[str, Any]:
        """Arguments that say where the first weights come from."""
        classes = self.classes or VOC_CLASSES
        if self._fetched and classes == len(hub.meta["categories"]):
            return {"weights": hub}
        trunk = "IMAGENET1K_V1" if self._fetched else None
        return {"weights": None, "weights_backbone": trunk, "num_classes": classes, "aux_loss": False}
