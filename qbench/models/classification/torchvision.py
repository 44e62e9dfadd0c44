"""`torchvision:NAME`: classifiers of torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, nearest
from qbench.models.classification.classifier import Classifier, known_interpolation
from qbench.models.library import CONFIG
from qbench.models.sites import TORCHVISION_SITES, sites_of
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel


@model("torchvision:*")
@dataclass(frozen=True, config=CONFIG)
class Torchvision(Classifier):
    """A classifier of torchvision: its default weights from the hub (or those of `tag`), or the state in `weights`.

    `pretrained: false` gives random weights drawn from `seed`. `input` overrides the library's convention, which is
    that of the tag."""

    prefix: ClassVar[str] = "torchvision"
    library: ClassVar[str] = "torchvision"

    tag: str | None = Field(default=None, description="Such as IMAGENET1K_V1.")

    def _hub(self) -> str:
        return f"hub:{self.name}" if self.tag is None else f"hub:{self.name}.{self.tag}"

    @property
    def sites(self) -> Mapping[str, str]:
        return sites_of(self.name, TORCHVISION_SITES)

    def _as_fetched(self, hub: Any) -> dict[str, Any]:
        """Arguments that torchvision itself gives to networks with these weights of its hub."""
        if self.name.startswith(("googlenet", "inception")):
            return {"init_weights": False, "transform_input": True}
        return {"image_size": hub.meta["min_size"][0]} if self.name.startswith("vit_") else {}

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name or no network, WeightsError for a file that does not fit."""
        from torchvision import models

        known = models.list_models(module=models)
        if self.name not in known:
            raise QbenchError(f"torchvision has no model {self.name!r}{nearest(self.name, known)}")
        tags = models.get_model_weights(self.name)
        if self.tag is not None and self.tag not in tags.__members__:
            near = nearest(self.tag, tags.__members__)
            raise QbenchError(f"torchvision's {self.name} has no weights {self.tag!r}{near}")
        hub = tags[self.tag or "DEFAULT"]
        with self._making():
            net = models.get_model(
                self.name, weights=hub if self._fetched else None, **self._head,
                **({} if self._fetched else self._as_fetched(hub)),
            )  # fmt: skip
        return self._loaded(net, torchvision_input(hub.transforms(), self.label), self.sites, fold)


def torchvision_input(preset: Any, label: str) -> InputConvention:
    """What torchvision shows a network with some weights of its hub: their `transforms()`."""
    return InputConvention(
        size=int(preset.crop_size[0]),
        resize=int(preset.resize_size[0]),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=known_interpolation(preset.interpolation.value, label),
        native=int(preset.crop_size[0]),
    )
