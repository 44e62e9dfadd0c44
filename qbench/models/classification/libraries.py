"""`timm:NAME` and `torchvision:NAME`: classifiers of the two libraries, from their hubs or from a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError, nearest
from qbench.models.files import sha256
from qbench.models.merge import branched
from qbench.registry import model
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from torch import nn

    from qbench.models.base import LoadedModel

_CONFIG = ConfigDict(extra="forbid")
_EFFICIENTNET = {"D1": "conv_stem", "D2": "bn1", "D3": "blocks.0", "D4": "blocks.1"}
_RESNET_TIMM = {"D1": "conv1", "D2": "act1", "D3": "layer1.0", "D4": "layer1"}
_RESNET = {"D1": "conv1", "D2": "relu", "D3": "layer1.0", "D4": "layer1"}
_TORCHVISION = {"D1": "features.0.0", "D2": "features.0", "D3": "features.1", "D4": "features.2"}
_SQUEEZENET = {"D1": "features.0", "D2": "features.1", "D3": "features.3", "D4": "features.4"}
_REPVGG = {"D1": "stem", "D2": "stages.0.0", "D3": "stages.0", "D4": "stages.1"}
TIMM_SITES: Mapping[str, Mapping[str, str]] = {
    r"(wide_|se)?res(net|next)(aa|blur|rs)?\d+[cdst]?(_gn|_2|_\d+x\d+d)?(\.|$)": _RESNET_TIMM,
    "repvgg": _REPVGG,
    "efficientnet": _EFFICIENTNET,
    "tf_efficientnet": _EFFICIENTNET,
    "mobilenetv2": _EFFICIENTNET,
    "mobilenetv3": _EFFICIENTNET,
    "tf_mobilenetv3": _EFFICIENTNET,
}
"""Sites by a pattern of how a name starts: D1-D4 of AFD's table I (stem convolution, its activation, first block, first
stage; for RepVGG the stem, the first block of stage 1, stage 1 and stage 2). Other models are reached by module path,
as are those that timm calls ResNets and builds otherwise (resnetv2_50, resnet50_clip, resnet51q ...)."""
TORCHVISION_SITES: Mapping[str, Mapping[str, str]] = {
    "resnet": _RESNET,
    "resnext": _RESNET,
    "wide_resnet": _RESNET,
    "efficientnet": _TORCHVISION,
    "mobilenet": _TORCHVISION,
    "squeezenet": _SQUEEZENET,
}


@dataclass(frozen=True, config=_CONFIG)
class Input:
    """What to change in the model's own input convention; see `InputConvention`. `resize: null` is not expressible."""

    size: int | None = Field(default=None, ge=8)
    resize: int | None = Field(default=None, ge=8)
    channels: Literal["RGB", "BGR"] | None = None
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    interpolation: Literal["bilinear", "bicubic", "lanczos"] | None = None

    def given(self) -> dict[str, Any]:
        """What differs from the model's own."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    def over(self, own: InputConvention) -> InputConvention:
        return replace(own, **self.given())


@dataclass(frozen=True, config=_CONFIG)
class Ecosystem:
    """A network of a library, by name: from its hub, or with the state in a file (an empty name is no file)."""

    name: str
    weights: Annotated[Path | None, BeforeValidator(lambda given: given or None)] = None
    pretrained: bool = True
    input: Input = Input()
    seed: int = 0
    classes: int | None = Field(
        default=None, ge=2, description="Of a network whose weights know others than the hub's."
    )

    def __post_init__(self) -> None:
        if self.classes is not None and self.weights is None and self.pretrained:
            raise ValueError("`classes` are those of your `weights`; the hub's have their own")

    def _source(self, library: str) -> str:
        if self.weights is not None:
            return sha256(self.weights)
        if self.pretrained:
            return f"hub:{self._published}@{library}=={version(library)}"
        return f"seed:{self.seed}"

    @property
    def _published(self) -> str:
        return self.name

    @property
    def _head(self) -> dict[str, Any]:
        """What the library's constructor is told of the classes."""
        return {} if self.classes is None else {"num_classes": self.classes}

    def _identity(self, library: str) -> Mapping[str, Any]:
        found = {
            "architecture": f"{library}:{self.name}",
            "weights": self._source(library),
            "input": self.input.given(),
        }
        return found if self.classes is None else {**found, "classes": self.classes}

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """The libraries draw first weights from torch's global generator: seeded inside, as it was outside."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            yield

    def _loaded(self, net: nn.Module, own: InputConvention, sites: Mapping[str, str], fold: bool) -> LoadedModel:
        from qbench.models.base import LoadedModel
        from qbench.models.files import load_any
        from qbench.models.fold import for_inference

        if self.weights is not None:
            load_any(net, self.weights)
        there = {path for path, _ in net.named_modules()}
        found = {site: path for site, path in sites.items() if path in there}
        ready = for_inference(net, keep=(found.get("D1", ""),), fold=fold)
        return LoadedModel(ready, self.input.over(own), found)

    def _offline(self, error: Exception) -> QbenchError:
        return QbenchError(f"the pretrained {self.name} cannot be fetched ({error}); give `weights:` a file instead")


@model("timm:*")
@dataclass(frozen=True, config=_CONFIG)
class Timm(Ecosystem):
    """A classifier of timm: pretrained from its hub, or with the state in `weights` and no network touched.

    `pretrained: false` gives random weights drawn from `seed`. `input` overrides the library's convention. Networks
    with branches that merge (RepVGG, MobileOne) are read in the form that they train in and run in the merged one."""

    @property
    def label(self) -> str:
        return f"timm:{self.name}"

    @property
    def sites(self) -> Mapping[str, str]:
        return sites_of(self.name, TIMM_SITES)

    def identity(self) -> Mapping[str, Any]:
        found = self._identity("timm")
        return {**found, "form": "merged"} if branched(self.name) else found

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name or no network, WeightsError for a file that does not fit."""
        import timm

        if not timm.is_model(self.name.split(".", 1)[0]):
            raise QbenchError(f"timm has no model {self.name!r}{nearest(self.name, timm.list_models())}")
        try:
            with self._seeded():
                net = timm.create_model(self.name, pretrained=self.pretrained and self.weights is None, **self._head)
        except (OSError, RuntimeError) as error:
            raise self._offline(error) from error
        config: dict[str, Any] = dict(net.pretrained_cfg)  # type: ignore[arg-type]
        size = int(config["input_size"][-1])
        own = InputConvention(
            size=size,
            resize=int(size / config.get("crop_pct", 0.875)),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            interpolation=_known(config.get("interpolation", "bicubic")),
        )
        return self._loaded(net, own, self.sites, fold)


@model("torchvision:*")
@dataclass(frozen=True, config=_CONFIG)
class Torchvision(Ecosystem):
    """A classifier of torchvision: its default weights from the hub (or those of `tag`), or the state in `weights`.

    `pretrained: false` gives random weights drawn from `seed`. `input` overrides the library's convention, which is
    that of the tag."""

    tag: str | None = Field(default=None, description="Such as IMAGENET1K_V1.")

    @property
    def _published(self) -> str:
        return self.name if self.tag is None else f"{self.name}.{self.tag}"

    @property
    def label(self) -> str:
        return f"torchvision:{self.name}"

    @property
    def sites(self) -> Mapping[str, str]:
        return sites_of(self.name, TORCHVISION_SITES)

    def identity(self) -> Mapping[str, Any]:
        return self._identity("torchvision")

    def build(self, fold: bool = True) -> LoadedModel:
        """Raises QbenchError for an unknown name or no network, WeightsError for a file that does not fit."""
        from torchvision import models

        known = models.list_models(module=models)
        if self.name not in known:
            raise QbenchError(f"torchvision has no model {self.name!r}{nearest(self.name, known)}")
        every = models.get_model_weights(self.name)
        if self.tag is not None and self.tag not in every.__members__:
            raise QbenchError(
                f"torchvision's {self.name} has no weights {self.tag!r}{nearest(self.tag, every.__members__)}"
            )
        weights = every[self.tag or "DEFAULT"]
        extra = {"init_weights": False} if self.name.startswith(("googlenet", "inception")) else {}
        try:
            hub = weights if self.pretrained and self.weights is None else None
            with self._seeded():
                net = models.get_model(self.name, weights=hub, **self._head, **({} if hub else extra))
        except OSError as error:
            raise self._offline(error) from error
        preset = weights.transforms()
        own = InputConvention(
            size=int(preset.crop_size[0]),
            resize=int(preset.resize_size[0]),
            mean=tuple(preset.mean),
            std=tuple(preset.std),
            interpolation=_known(preset.interpolation.value),
        )
        return self._loaded(net, own, self.sites, fold)


def sites_of(name: str, declared: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """What is declared for a network of this name; nothing for those of other families."""
    return next((sites for start, sites in declared.items() if re.match(start, name)), {})


def _known(interpolation: str) -> str:
    return interpolation if interpolation in ("bilinear", "bicubic", "lanczos") else "bicubic"
