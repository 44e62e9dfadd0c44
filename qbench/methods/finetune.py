"""Fine-tuning: the same model with weights that have seen degraded pictures."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from qbench.methods.weights import weights_for
from qbench.models.protocols import Setup
from qbench.registry import method

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel


@method("finetune", site="model", trained=True)
@dataclass(config=ConfigDict(extra="forbid"))
class Finetune:
    """The model fine-tuned on degraded pictures, from labels or from its own answers to the clean ones."""

    weights: Path | None = None

    def setup(self, setup: Setup) -> None:
        self._file = weights_for("finetune", self.weights, setup)

    def adapt(self, model: LoadedModel) -> LoadedModel:
        """The same architecture with the fine-tuned state. Raises WeightsError for a file that does not fit."""
        from qbench.models.base import load_weights

        net = copy.deepcopy(model.net)
        load_weights(net, self._file)
        return replace(model, net=net.eval())
