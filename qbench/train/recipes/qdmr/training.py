"""What the stages of one QDMR training share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qbench.train.recipes.common import Parts
from qbench.train.recipes.qdmr import QdmrTraining
from qbench.train.recipes.qdmr.fields import FieldBatches, Photographs
from qbench.train.recipes.qdmr.losses import Players, StageLosses


@dataclass(frozen=True)
class Training:
    """The networks, losses and data of one training."""

    parts: Parts
    options: QdmrTraining
    players: Players
    losses: StageLosses
    photographs: Mapping[str, Photographs]

    def batches(self, role: str, stage: str, size: int) -> FieldBatches:
        spec = self.parts.spec
        return FieldBatches(self.photographs[role], spec.crop, size, self.parts.seed, stage, self.parts.device)

    def followed(self, terms: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `terms` that the card asks for and that this network has."""
        coded = self.options.codebook
        return tuple(t for t in terms if t in self.parts.spec.loss and (coded or not t.startswith("commitment")))
