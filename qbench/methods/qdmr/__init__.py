"""QDMR: pictures through one lens restored by a network that knows another, by a codebook that both share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qbench.errors import WeightsError
from qbench.methods.options import Options, completed, described
from qbench.methods.qdmr.shape import PLANS, PlanName
from qbench.methods.weights import weights_for, with_weights
from qbench.models.protocols import Setup
from qbench.registry import method
from qbench.vocabulary import Context

if TYPE_CHECKING:
    from torch import Tensor

    from qbench.methods.qdmr.net import Qdmr


class QdmrOptions(Options):
    """What decides the network. They travel in the header of its weights."""

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
        options = self.model_dump(include=set(QdmrOptions.model_fields))
        said = {key: value for key, value in options.items() if key != "standardised" or value}
        return {"qdmr": json.dumps(said, sort_keys=True)}


@method("qdmr", site="image", trained=True, options=QdmrOptions)
@dataclass
class QdmrMethod:
    """Aberrations corrected with a codebook of both domains, adapted to the real lens (Jiang et al., arXiv 2403.10012).

    `plan`, `residual` and `standardised` are as the header of the weights says where they are not given.
    `codebook: false` leaves the codebook out of a network that was trained with it: its features pass as they are."""

    options: QdmrOptions = field(default_factory=QdmrOptions)
    weights: Path | None = None

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file that does not fit."""
        from qbench.models.files import header

        file = weights_for("qdmr", self.weights, setup)
        given = self.options.model_dump(exclude_unset=True)
        codebook = given.pop("codebook", None)
        trained = completed(QdmrOptions(**given), described(header(file), "qdmr"), "qdmr")
        if codebook and not trained.codebook:
            raise WeightsError(f"weights {file} were trained without a codebook; leave `codebook: true` out")
        self.network = with_weights(trained.network(), file, setup)
        if codebook is not None:
            self.network.mixing = codebook

    def restore(self, images: Tensor, context: Context) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same; any height and width."""
        from qbench.models.restoration.running import clamped

        return clamped(self.network, images)
