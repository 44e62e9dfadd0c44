"""Training of image restorers (methods ARCNN, DnCNN)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.methods.options import Options
from qbench.registry import recipe

if TYPE_CHECKING:
    from qbench.train.core.recipe import Recipe
    from qbench.train.recipes.common import Parts


class RestorerTraining(Options):
    """Options of `qbench.models.restoration.plain_networks.build`."""

    residual: bool = True
    norms: bool = True
    passing: bool = False


@recipe("restorer", terms=("l1", "mse"), options=RestorerTraining, model=False)
def restorer(parts: Parts) -> Recipe:
    """Degraded pictures to clean ones, by a network of the method's name."""
    from qbench.train.recipes.restorer.training import build

    return build(parts)
