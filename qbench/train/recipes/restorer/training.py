"""Image restorers: degraded pictures to clean ones, by l1 or mean squared error (methods ARCNN, DnCNN)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from qbench.models.restoration.running import build as build_network
from qbench.models.restoration.running import deployed
from qbench.train.core import losses as terms
from qbench.train.core.batches import Batch
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.common import Parts, channels_last, measure, stages
from qbench.train.recipes.restorer import RestorerTraining


def build(parts: Parts) -> Recipe:
    """Trains the method's network from `parts.seed`; ships its deployed form."""
    options = RestorerTraining(**parts.spec.network).model_dump(exclude_unset=True)
    net = channels_last(build_network(parts.method, parts.seed, **options), parts.device)

    def losses(batch: Batch) -> Mapping[str, Tensor]:
        with parts.precision():
            restored = net(batch.degraded)
        restored = restored.float()
        return {
            name: term.weight * terms.PICTURE[name](restored, batch.clean) for name, term in parts.spec.loss.items()
        }

    def prepare() -> None:
        net.train()

    def ship() -> Mapping[str, Tensor]:
        return dict(deployed(net).state_dict())

    return Recipe({"net": net}, stages(parts, net, losses, prepare), ship, lambda: measure(parts, net, losses))
