"""Training of quality-adaptive modules inside a model (methods `quac` and `quarf`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from qbench.methods.quac import QuacOptions
from qbench.methods.quarf import QuarfOptions
from qbench.registry import recipe
from qbench.train.recipes.finetune import OBJECT_PLANES, SUPERVISED

if TYPE_CHECKING:
    from qbench.train.core.recipe import Recipe
    from qbench.train.recipes.common import Parts

Part = Literal["whole", "modules"]


class QuacTraining(QuacOptions):
    """Which activations the network gets, and how they are trained."""

    train: Part = "whole"
    scaled: bool = Field(default=False, description="beta and the means count in units of each place's maps.")
    smoothing: float = Field(default=0.0, ge=0, le=1, description="Of the labels.")


class QuarfTraining(QuarfOptions):
    """What the blocks are, and how they are trained."""

    train: Part = "whole"
    smoothing: float = Field(default=0.0, ge=0, le=1, description="Of the labels.")


@recipe("quac", terms=(*SUPERVISED, "deeper"), options=QuacTraining, planes=OBJECT_PLANES)
def quac(parts: Parts) -> Recipe:
    """Adaptive activations in a model."""
    from qbench.train.recipes.adaptive.training import quac as build

    return build(parts)


@recipe("quarf", terms=(*SUPERVISED, "deeper", "importance"), options=QuarfTraining, planes=OBJECT_PLANES)
def quarf(parts: Parts) -> Recipe:
    """Blocks of adaptive receptive fields in a model."""
    from qbench.train.recipes.adaptive.training import quarf as build

    return build(parts)
