"""Training of feature enhancers (methods `afd` and `afd-release`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from qbench.methods.afd import AfdOptions
from qbench.registry import recipe

if TYPE_CHECKING:
    from qbench.train.core.recipe import Recipe
    from qbench.train.recipes.common import Parts


class AfdTraining(AfdOptions):
    """What the module is, and how its training sees it."""

    form: Literal["train", "deployed"] = Field(
        default="train", description="Whether convolutions are trained with their branches or merged."
    )
    standardise: bool = Field(
        default=True, description="Features count in standard deviations of the clean ones; false: as published."
    )


@recipe("afd", terms=("feature", "kl", "deeper", "gate", "l1", "mse"), options=AfdTraining)
def afd(parts: Parts) -> Recipe:
    """Features of a degraded picture to those of its clean twin, at a site of a frozen model."""
    from qbench.train.recipes.afd.training import build

    return build(parts)
