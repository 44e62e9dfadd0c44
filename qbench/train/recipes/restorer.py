"""Image restorers: degraded pictures to clean ones, by l1 or mean squared error (methods ARCNN, DnCNN)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from qbench.models.restoration.plain_networks import Deployable, build
from qbench.train import losses as terms
from qbench.train.batches import Batch
from qbench.train.loop import Recipe
from qbench.train.recipes.common import Parts, channels_last, measure, stages


def recipe(parts: Parts) -> Recipe:
    """Trains the method's network from `parts.seed`; ships its deployed form."""
    net = channels_last(build(parts.method, parts.seed, **parts.spec.network), parts.device)

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
        return dict((net.deploy() if isinstance(net, Deployable) else net).state_dict())

    return Recipe({"net": net}, stages(parts, net, losses, prepare), ship, lambda: measure(parts, net, losses))
