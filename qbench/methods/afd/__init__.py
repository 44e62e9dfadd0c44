"""AFD: features of degraded pictures brought back to those of clean ones, guided by their DCT coefficients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.errors import NotApplicable
from qbench.methods.chosen import chosen
from qbench.methods.weights import given_weights
from qbench.registry import method
from qbench.vocabulary import Context, Setup

if TYPE_CHECKING:
    from torch import Tensor

    from qbench.methods.afd.net import AfdShape


Plan = Literal["light", "release"]
Guide = Literal["mul_residual", "mul_each_scale", "concat_each_scale"]
FdeInput = Literal["dct", "pixels", "shuffled", "none"]
Backbone = Literal["unet", "dcnn", "resnet", "inception", "vit", "densenet"]
_UNSAID = (("fde", "dct"), ("backbone", "unet"))


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Choice:
    """What a module is: where it works, and what decides its network. It travels in the header of its weights."""

    site: str = "D2"
    plan: Plan = "light"
    guide: Guide = "mul_residual"
    gate: bool = True
    base: Annotated[int, Field(ge=1)] | None = None
    nonnegative: bool = True
    fde: FdeInput = "dct"
    backbone: Backbone = "unet"

    def __post_init__(self) -> None:
        _check(self.guide, self.fde, self.backbone)

    def shape(self, channels: int) -> AfdShape:
        """What decides the network, for a site of so many channels."""
        from qbench.methods.afd.net import AfdShape, base_width

        base = self.base or base_width(channels)
        return AfdShape(channels, base, self.plan, self.guide, self.nonnegative, self.gate, self.fde, self.backbone)

    def metadata(self) -> dict[str, str]:
        """For the header of the weights; later options stand in it only where they are used."""
        told = {key: value for key, value in asdict(self).items() if (key, value) not in _UNSAID}
        return {"afd": json.dumps(told, sort_keys=True)}


def _check(guide: Guide | None, fde: FdeInput | None, backbone: Backbone | None) -> None:
    """Raise ValueError for a guide that needs a map, or a U-Net, that is not there."""
    if guide not in {None, "mul_residual"} and (fde == "none" or backbone not in {None, "unet"}):
        raise ValueError(f"the guide {guide} needs FDE-Net and the backbone unet; use mul_residual")


@method("afd", site="feature", trained=True)
@dataclass(config=ConfigDict(extra="forbid"))
class AfdMethod:
    """Adaptive feature de-drifting at an early site, light plan of 0.1 M parameters (arXiv 2401.01724).

    What is not given is as the header of the weights says; without one, as `Choice` has it."""

    site: str | None = None
    plan: Plan | None = None
    guide: Guide | None = None
    gate: bool | None = None
    base: Annotated[int, Field(ge=1)] | None = None
    nonnegative: bool | None = None
    fde: FdeInput | None = None
    backbone: Backbone | None = None
    weights: Path | None = None

    NAME: ClassVar[str] = "afd"
    DEFAULTS: ClassVar[Mapping[str, Any]] = {}

    def __post_init__(self) -> None:
        _check(self.guide, self.fde, self.backbone)

    @property
    def at(self) -> str:
        return self._choice.site

    def choice(self, header: Mapping[str, str]) -> Choice:
        """The given options, filled from the weights' header. Raises WeightsError for a header of another kind, and for
        options that contradict it; a site may have another name in another model."""
        return chosen(Choice, self, header, "afd", "an AFD module", self.DEFAULTS, free=("site",))

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights or site, WeightsError for a file that does not fit."""
        import torch

        from qbench.methods.afd.net import Afd
        from qbench.models.base import load_weights
        from qbench.models.files import header

        if setup.model is None:
            raise NotApplicable(f"{self.NAME} works inside a model, and there is none")
        file = given_weights(self.NAME, self.weights, setup)
        self._choice = self.choice(header(file))
        geometry = setup.model.cut(self.at).geometry()
        network = Afd(self._choice.shape(geometry.channels), geometry, "deployed")
        load_weights(network, file)
        self.network = network.eval().to(setup.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """Features at the site and the images in [0, 1] that the stem saw, to features."""
        enhanced: Tensor = self.network(features, images)
        return enhanced


@method("afd-release", site="feature", trained=True)
@dataclass(config=ConfigDict(extra="forbid"))
class AfdRelease(AfdMethod):
    """Adaptive feature de-drifting at the widths of the authors' release, without a gate (arXiv 2401.01724).

    FE-Net pools after its convolutions and concatenates both skips: 115,680 parameters at 64 channels, 0.54 GMACs at
    224 pixels. The map keeps a value for every block, as in the paper, where the released code averages it over the
    picture."""

    plan: Literal["release"] = "release"

    NAME: ClassVar[str] = "afd-release"
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"gate": False}
