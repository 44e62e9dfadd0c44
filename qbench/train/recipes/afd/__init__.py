"""Training of feature enhancers (methods `afd` and `afd-release`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qbench.methods.afd import AfdOptions
from qbench.registry import recipe


@recipe("afd", terms=("feature", "kl", "deeper", "gate", "l1", "mse"), build=f"{__name__}.training:build")
class AfdTraining(AfdOptions):
    """Features of a degraded picture to those of its clean twin, at a site of a frozen model."""

    form: Literal["train", "deployed"] = Field(
        default="train", description="Whether convolutions are trained with their branches or merged."
    )
    standardise: bool = Field(
        default=True, description="Features count in standard deviations of the clean ones; false: as published."
    )
