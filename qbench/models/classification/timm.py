"""`timm:NAME`: classifiers of timm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import floor
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, foreign, nearest
from qbench.models.classification.classifier import Classifier, known_interpolation
from qbench.models.library import CONFIG, InputChanges
from qbench.models.merge import branched
from qbench.models.sites import TIMM_SITES, sites_of
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel

NO_CHANGES = InputChanges()


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
            net: Any = timm.create_model(self.name, pretrained=self._fetched, **self._head)
        with foreign(f"the configuration of {self.label} cannot be read"):
            declared = timm_input(net.pretrained_cfg, self.label, self.input)
            check_channels(net, self.label)
        loaded = self._loaded(net, declared, self.sites, fold)
        return replace(loaded, classes=int(net.num_classes))


def check_channels(net: Any, label: str) -> None:
    """Raise QbenchError for a network of timm whose first layer takes no pictures of three channels."""
    first = net.pretrained_cfg.get("first_conv") or ()
    for path in (first,) if isinstance(first, str) else first:
        layer = dict(net.named_modules()).get(path)
        channels = getattr(layer, "in_channels", 3)
        if channels != 3:
            raise not_rgb(label, channels)


def not_rgb(label: str, channels: int) -> QbenchError:
    return QbenchError(f"{label} takes pictures of {channels} channels; qbench shows a model RGB pictures, 3 channels")


def timm_input(config: Mapping[str, Any], label: str, changes: InputChanges = NO_CHANGES) -> InputConvention:
    """What timm shows a network of this pretrained configuration in an evaluation: its test size, crop and way there.

    Raises QbenchError for pictures that are not of three channels, or no squares unless `changes` give a size."""
    from timm.data import config as timms

    declared = timms.resolve_data_config(pretrained_cfg=config, use_test_size=True)  # type: ignore[no-untyped-call]
    channels, height, width = declared["input_size"]
    if channels != 3:
        raise not_rgb(label, channels)
    if height != width and changes.size is None:
        raise QbenchError(
            f"{label} takes pictures of {height} x {width} pixels, and views are squares; give `input: {{size: N, "
            "resize: N}}`"
        )
    resize = floor(height / declared["crop_pct"])
    padded = declared["crop_mode"] == "center" and resize < height
    return InputConvention(
        size=height,
        resize=resize,
        mean=tuple(declared["mean"]),
        std=tuple(declared["std"]),
        interpolation=changes.interpolation or known_interpolation(declared["interpolation"], label),
        crop_mode="padded" if padded else declared["crop_mode"],
        native=height,
    )
