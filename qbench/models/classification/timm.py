"""`timm:NAME`: classifiers of timm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, nearest
from qbench.models.classification.classifier import Classifier, known_interpolation
from qbench.models.library import CONFIG
from qbench.models.merge import branched
from qbench.models.sites import TIMM_SITES, sites_of
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel


@model("timm:*")
@dataclass(frozen=True, config=CONFIG)
class Timm(Classifier):
    """A classifier of timm: pretrained from its hub, or with the state in `weights` and no network touched.

    `pretrained: false` gives random weights drawn from `seed`. `input` overrides the library's convention. Networks
    with branches that merge (RepVGG, MobileOne) are read in the form that they train in and run in the merged one."""

    prefix: ClassVar[str] = "timm"
    library: ClassVar[str] = "timm"

    @property
    def sites(self) -> Mapping[str, str]:
        return sites_of(self.name, TIMM_SITES)

    def identity(self) -> Mapping[str, Any]:
        return {**super().identity(), **({"form": "merged"} if branched(self.name) else {})}

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name or no network, WeightsError for a file that does not fit."""
        import timm

        if not timm.is_model(self.name.split(".", 1)[0]):
            raise QbenchError(f"timm has no model {self.name!r}{nearest(self.name, timm.list_models())}")
        with self._making():
            net = timm.create_model(self.name, pretrained=self._fetched, **self._head)
        config: dict[str, Any] = dict(net.pretrained_cfg)  # type: ignore[arg-type]
        size = int(config["input_size"][-1])
        convention = InputConvention(
            size=size,
            resize=int(size / config.get("crop_pct", 0.875)),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            interpolation=known_interpolation(config.get("interpolation", "bicubic")),
        )
        return self._loaded(net, convention, self.sites, fold)
