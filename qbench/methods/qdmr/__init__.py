"""QDMR: pictures through one lens restored by a network that knows another, by a codebook that both share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from qbench.errors import WeightsError
from qbench.methods.chosen import chosen
from qbench.methods.qdmr.shape import PLANS, PlanName
from qbench.methods.weights import given_weights
from qbench.registry import method
from qbench.vocabulary import Context, Setup

if TYPE_CHECKING:
    from torch import Tensor

    from qbench.methods.qdmr.net import Qdmr


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Choice:
    """What decides the network. It travels in the header of its weights."""

    plan: PlanName = "release"
    codebook: bool = True
    residual: bool = False
    standardised: bool = False

    def network(self) -> Qdmr:
        """The network, with whatever weights; see `qbench.methods.qdmr.start`."""
        from qbench.methods.qdmr.net import Qdmr

        return Qdmr(PLANS[self.plan], codebook=self.codebook, residual=self.residual, standardised=self.standardised)

    def metadata(self) -> dict[str, str]:
        """For the header of the weights. Networks that are not standardised do not say so: the bytes of weights from
        before there was a choice stay what their recipes make."""
        told = {key: value for key, value in asdict(self).items() if key != "standardised" or value}
        return {"qdmr": json.dumps(told, sort_keys=True)}


@method("qdmr", site="image", trained=True)
@dataclass(config=ConfigDict(extra="forbid"))
class QdmrMethod:
    """Aberrations corrected with a codebook of both domains, adapted to the real lens (Jiang et al., arXiv 2403.10012).

    `plan`, `residual` and `standardised` are as the header of the weights says where they are not given.
    `codebook: false` leaves the codebook out of a network that was trained with it: its features pass as they are."""

    plan: PlanName | None = None
    codebook: bool | None = None
    residual: bool | None = None
    standardised: bool | None = None
    weights: Path | None = None

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file that does not fit."""
        import torch

        from qbench.models.base import load_weights
        from qbench.models.files import header

        file = given_weights("qdmr", self.weights, setup)
        trained = self.choice(header(file))
        network = trained.network()
        load_weights(network, file)
        if self.codebook is not None:
            network.mixing = self._mixing(trained.codebook, file)
        self.network = network.eval().to(setup.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def choice(self, told: Mapping[str, str]) -> Choice:
        """What the header tells, with what is given in its place. Raises WeightsError."""
        trained = replace(self, codebook=None)  # what it was trained with says the header alone
        return chosen(Choice, trained, told, "qdmr", "a QDMR network")

    def _mixing(self, trained: bool, file: Path) -> bool:
        if self.codebook and not trained:
            raise WeightsError(f"weights {file} were trained without a codebook; leave `codebook: true` out")
        return bool(self.codebook)

    def restore(self, images: Tensor, context: Context) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same; any height and width."""
        import torch

        with torch.no_grad():
            restored: Tensor = self.network(images)
        return restored.clamp(0, 1)
