"""`torchvision-segmentation:NAME`, and what the segmentation models of all libraries share."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, nearest
from qbench.models.classification.libraries import TORCHVISION_SITES, Ecosystem, sites_of
from qbench.models.files import load_any
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from torch import Tensor, nn

    from qbench.models.base import LoadedModel

CONFIG = ConfigDict(extra="forbid")
VOC_CLASSES = 21
AUXILIARY = ("aux_classifier.",)
"""The head that torchvision trains with beside the real one; no prediction uses it."""


def logits_at_images(output: Any, images: Tensor) -> Tensor:
    """A network's logits [B, classes, h, w] at the images' size, bilinear between pixel centres.

    `output` is the logits, or a mapping that holds them as `out` (torchvision) or `logits` (transformers)."""
    from torch.nn.functional import interpolate

    if isinstance(output, Mapping):
        output = output["out"] if "out" in output else output["logits"]
    logits: Tensor = output
    if logits.shape[-2:] == images.shape[-2:]:
        return logits
    return interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)


def installed(distribution: str, extra: str) -> str:
    """`NAME==VERSION` of a library. Raises QbenchError that names the extra where it is not installed."""
    try:
        return f"{distribution}=={version(distribution)}"
    except PackageNotFoundError:
        raise QbenchError(
            f"{distribution} is not installed; install the extra with `pip install 'qbench[{extra}]'`"
        ) from None


def imported(module: str, distribution: str, extra: str) -> Any:
    """A module of an optional library. Raises QbenchError that names the extra where it is not installed."""
    installed(distribution, extra)
    return import_module(module)


@dataclass(frozen=True, config=CONFIG)
class Segmenter(Ecosystem):
    """A segmentation network of a library; it takes pictures of any size unless `input` gives one."""

    classes: int | None = Field(default=None, ge=2, description="Classes told apart. Default: the weights' own.")

    def __post_init__(self) -> None:
        """Other classes than the hub's are no fault here: the last layer is drawn for them, as a start for training."""

    def _ready(self, net: nn.Module, own: InputConvention, fold: bool) -> LoadedModel:
        """Folded, and with logits at the images' size."""
        from qbench.models.base import LoadedModel
        from qbench.models.fold import for_inference

        ready = for_inference(net, keep=(self.sites.get("D1", ""),), fold=fold)
        return LoadedModel(ready, self.input.over(own), self.sites, logits_at_images)

    @property
    def sites(self) -> Mapping[str, str]:
        raise NotImplementedError


@model("torchvision-segmentation:*")
@dataclass(frozen=True, config=CONFIG)
class TorchvisionSegmentation(Segmenter):
    """A segmentation network of torchvision: its default weights from the hub, or the state in `weights`.

    `classes` other than the 21 of Pascal VOC keep, of the pretrained weights, those of the trunk on ImageNet alone; the
    head is then drawn from `seed`. `pretrained: false` draws all of it."""

    @property
    def label(self) -> str:
        return f"torchvision-segmentation:{self.name}"

    @property
    def sites(self) -> Mapping[str, str]:
        trunk = self.name.partition("_")[2]
        declared = sites_of(trunk, TORCHVISION_SITES)
        return {site: f"backbone.{path.removeprefix('features.')}" for site, path in declared.items()}

    def identity(self) -> Mapping[str, Any]:
        return {**self._identity("torchvision"), "task": "segmentation", "classes": self.classes or VOC_CLASSES}

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name or no network, WeightsError for a file that does not fit."""
        from torchvision import models

        known = models.list_models(module=models.segmentation)
        if self.name not in known:
            raise QbenchError(f"torchvision has no segmentation model {self.name!r}{nearest(self.name, known)}")
        hub = models.get_model_weights(self.name)["DEFAULT"]
        try:
            with self._seeded():
                net = models.get_model(self.name, **self._origin(hub))
        except OSError as error:
            raise self._offline(error) from error
        net.aux_classifier = None
        if self.weights is not None:
            load_any(net, self.weights, without=AUXILIARY)
        preset = hub.transforms()
        own = InputConvention(None, None, mean=tuple(preset.mean), std=tuple(preset.std), interpolation="bilinear")
        return self._ready(net, own, fold)

    def _origin(self, hub: Any) -> dict[str, Any]:
        """Arguments that say where the first weights come from."""
        classes = self.classes or VOC_CLASSES
        fetched = self.pretrained and self.weights is None
        if fetched and classes == len(hub.meta["categories"]):
            return {"weights": hub}
        trunk = "IMAGENET1K_V1" if fetched else None
        return {"weights": None, "weights_backbone": trunk, "num_classes": classes, "aux_loss": False}
