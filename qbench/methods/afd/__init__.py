"""AFD: features of degraded pictures brought back to those of clean ones, guided by their DCT coefficients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from qbench.errors import NotApplicable
from qbench.methods.weights import given_weights
from qbench.registry import method
from qbench.vocabulary import Context, Setup

if TYPE_CHECKING:
    from torch import Tensor

    from qbench.methods.afd.net import AfdShape


@method("afd", site="feature", trained=True)
@dataclass(config=ConfigDict(extra="forbid"))
class AfdMethod:
    """Adaptive feature de-drifting at an early site, light plan of 0.1 M parameters (arXiv 2401.01724).

    `site`, `plan`, `guide` and `gate` must be those that the weights were trained with; see the card `afd`."""

    site: str = "D2"
    plan: Literal["light", "release"] = "light"
    guide: Literal["mul_residual", "mul_each_scale", "concat_each_scale"] = "mul_residual"
    gate: bool = True
    base: int | None = None
    nonnegative: bool = True
    weights: Path | None = None

    @property
    def at(self) -> str:
        return self.site

    def shape(self, channels: int) -> AfdShape:
        """What decides the network, for a site of so many channels."""
        from qbench.methods.afd.net import AfdShape, base_width

        base = self.base or base_width(channels)
        return AfdShape(channels, base, self.plan, self.guide, self.nonnegative, self.gate)

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights or site, WeightsError for a file that does not fit."""
        import torch

        from qbench.methods.afd.net import Afd
        from qbench.models.base import load_weights

        if setup.model is None:
            raise NotApplicable("afd works inside a model, and there is none")
        geometry = setup.model.cut(self.site).geometry()
        network = Afd(self.shape(geometry.channels), geometry, "deployed")
        load_weights(network, given_weights("afd", self.weights, setup))
        self.network = network.eval().to(setup.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """Features at the site and the images in [0, 1] that the stem saw, to features."""
        enhanced: Tensor = self.network(features, images)
        return enhanced
