"""Training of quality-adaptive modules inside a model (methods `quac` and `quarf`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qbench.methods.quac import QuacOptions
from qbench.methods.quarf import QuarfOptions
from qbench.registry import recipe
from qbench.train.recipes.finetune import OBJECT_PLANES, SUPERVISED

Part = Literal["whole", "modules"]


@recipe("quac", terms=(*SUPERVISED, "deeper"), planes=OBJECT_PLANES, build=f"{__name__}.training:quac")
class QuacTraining(QuacOptions):
    """Adaptive activations in a model."""

    train: Part = "whole"
    scaled: bool = Field(default=False, description="beta and the means count in units of each place's maps.")
    smoothing: float = Field(default=0.0, ge=0, le=1, description="Of the labels.")


@recipe("quarf", terms=(*SUPERVISED, "deeper", "importance"), planes=OBJECT_PLANES, build=f"{__name__}.training:quarf")
class QuarfTraining(QuarfOptions):
    """Blocks of adaptive receptive fields in a model."""

    train: Part = "whole"
    smoothing: float = Field(default=0.0, ge=0, le=1, description="Of the labels.")
