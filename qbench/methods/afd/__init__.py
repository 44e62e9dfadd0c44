"""AFD: features of degraded pictures brought back to those of clean ones, guided by their DCT coefficients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from qbench.errors import NotApplicable, WeightsError
from qbench.methods.weights import given_weights
from qbench.registry import method
from qbench.vocabulary import Context, Setup

if TYPE_CHECKING:
    from torch import Tensor

    from qbench.methods.afd.net import AfdShape


Plan = Literal["light", "release"]
Guide = Literal["mul_residual", "mul_each_scale", "concat_each_scale"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Choice:
    """What a module is: where it works, and what decides its network. It travels in the header of its weights."""

    site: str = "D2"
    plan: Plan = "light"
    guide: Guide = "mul_residual"
    gate: bool = True
    base: int | None = None
    nonnegative: bool = True

    def shape(self, channels: int) -> AfdShape:
        """What decides the network, for a site of so many channels."""
        from qbench.methods.afd.net import AfdShape, base_width

        base = self.base or base_width(channels)
        return AfdShape(channels, base, self.plan, self.guide, self.nonnegative, self.gate)

    def metadata(self) -> dict[str, str]:
        """For the header of the weights."""
        return {"afd": json.dumps(asdict(self), sort_keys=True)}


@method("afd", site="feature", trained=True)
@dataclass(config=ConfigDict(extra="forbid"))
class AfdMethod:
    """Adaptive feature de-drifting at an early site, light plan of 0.1 M parameters (arXiv 2401.01724).

    What is not given is as the header of the weights says; without one, as `Choice` has it."""

    site: str | None = None
    plan: Plan | None = None
    guide: Guide | None = None
    gate: bool | None = None
    base: int | None = None
    nonnegative: bool | None = None
    weights: Path | None = None

    @property
    def at(self) -> str:
        return self._choice.site

    def choice(self, header: Mapping[str, str]) -> Choice:
        """The given options, filled from the weights' header. Raises WeightsError for a header of another kind."""
        given = {f.name: getattr(self, f.name) for f in fields(Choice) if getattr(self, f.name) is not None}
        try:
            return Choice(**{**json.loads(header.get("afd", "{}")), **given})
        except (TypeError, ValueError) as error:
            raise WeightsError(f"the header of the weights does not describe an AFD module: {error}") from error

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights or site, WeightsError for a file that does not fit."""
        import torch

        from qbench.methods.afd.net import Afd
        from qbench.models.base import load_weights
        from qbench.models.files import header

        if setup.model is None:
            raise NotApplicable("afd works inside a model, and there is none")
        file = given_weights("afd", self.weights, setup)
        self._choice = self.choice(header(file))
        geometry = setup.model.cut(self.at).geometry()
        network = Afd(self._choice.shape(geometry.channels), geometry, "deployed")
        load_weights(network, file)
        self.network = network.eval().to(setup.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        """Features at the site and the images in [0, 1] that the stem saw, to features."""
        enhanced: Tensor = self.network(features, images)
        return enhanced
