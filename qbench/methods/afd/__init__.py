"""AFD: features of degraded pictures brought back to those of clean ones, guided by their DCT coefficients."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from qbench.errors import NotApplicable
from qbench.methods.options import Options, completed, described
from qbench.methods.weights import weights_for, with_weights
from qbench.models.protocols import Setup
from qbench.registry import method
from qbench.vocabulary import Context

if TYPE_CHECKING:
    from torch import Tensor

Plan = Literal["light", "release"]
Guide = Literal["mul_residual", "mul_each_scale", "concat_each_scale"]
FdeInput = Literal["dct", "pixels", "shuffled", "none"]
Backbone = Literal["unet", "dcnn", "resnet", "inception", "vit", "densenet"]
_NOT_SAID = (("fde", "dct"), ("backbone", "unet"))


class AfdOptions(Options):
    """What a module is: where it works, and what decides its network. They travel in the header of its weights."""

    site: str = "D2"
    plan: Plan = "light"
    guide: Guide = "mul_residual"
    gate: bool = True
    base: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Width of FE-Net's first scale. Default: 16, beyond 128 channels an eighth.",
    )
    nonnegative: bool = Field(default=True, description="Ends in a ReLU: right where the site itself follows one.")
    fde: FdeInput = Field(
        default="dct", description="What FDE-Net is given of each block; none: no FDE-Net, the map is 1 everywhere."
    )
    backbone: Backbone = Field(default="unet", description="What stands in FE-Net's place.")

    @model_validator(mode="after")
    def _guided(self) -> Self:
        if self.guide != "mul_residual" and (self.fde == "none" or self.backbone != "unet"):
            raise ValueError(f"the guide {self.guide} needs FDE-Net and the backbone unet; use mul_residual")
        return self

    def metadata(self) -> dict[str, str]:
        """For the header of the weights; later options stand in it only where they are used."""
        options = self.model_dump(include=set(AfdOptions.model_fields))
        said = {key: value for key, value in options.items() if (key, value) not in _NOT_SAID}
        return {"afd": json.dumps(said, sort_keys=True)}


class AfdReleaseOptions(AfdOptions):
    """Options at the widths of the authors' release."""

    plan: Literal["release"] = "release"
    gate: bool = False


@method("afd", site="feature", trained=True, options=AfdOptions)
@dataclass
class AfdMethod:
    """Adaptive feature de-drifting at an early site, light plan of 0.1 M parameters (arXiv 2401.01724).

    What is not given is as the header of the weights says; without one, as `AfdOptions` has it."""

    options: AfdOptions = field(default_factory=AfdOptions)
    weights: Path | None = None

    NAME: ClassVar[str] = "afd"

    @property
    def at(self) -> str:
        return self._options.site

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights or site, WeightsError for a file that does not fit, and for options that
        contradict its header; a site may have another name in another model."""
        from qbench.methods.afd.net import Afd
        from qbench.models.files import header

        if setup.model is None:
            raise NotApplicable(f"{self.NAME} works inside a model, and there is none")
        file = weights_for(self.NAME, self.weights, setup)
        self._options = completed(self.options, described(header(file), "afd"), "afd", free=("site",))
        network = Afd(self._options, setup.model.cut(self.at).geometry(), "deployed")
        self.network = with_weights(network, file, setup)

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """Features at the site and the images in [0, 1] that the stem saw, to features."""
        enhanced: Tensor = self.network(features, images)
        return enhanced


@method("afd-release", site="feature", trained=True, options=AfdReleaseOptions)
@dataclass
class AfdRelease(AfdMethod):
    """Adaptive feature de-drifting at the widths of the authors' release, without a gate (arXiv 2401.01724).

    FE-Net pools after its convolutions and concatenates both skips: 115,680 parameters at 64 channels, 0.54 GMACs at
    224 pixels. The map keeps a value for every block, as in the paper, where the released code averages it over the
    picture."""

    options: AfdOptions = field(default_factory=AfdReleaseOptions)

    NAME: ClassVar[str] = "afd-release"
