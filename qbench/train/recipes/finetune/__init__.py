"""Training of a model itself: fine-tuning on degraded pictures, and the built-in classifier from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from qbench.methods.options import Options
from qbench.registry import recipe

if TYPE_CHECKING:
    from qbench.cards.schema import RecipeSpec

SUPERVISED = ("ce", "kl", "heat", "box", "own", "l1", "mse")
"""The terms of `qbench.train.recipes.supervised.Supervised`."""
OBJECT_PLANES = {"heat": ("mask", "instances"), "box": ("mask", "instances")}
"""What of a scene the terms of the built-in detector need."""


def _one_mask_layer(spec: RecipeSpec) -> None:
    if "mask" in spec.loss and len(spec.loss["mask"].sites) != 1:
        raise ValueError("the loss `mask` needs one layer in `sites`")


@recipe(
    "classifier",
    terms=("ce", "mask"),
    planes={"mask": ("mask",)},
    check=_one_mask_layer,
    build=f"{__name__}.training:classifier",
)
class ClassifierTraining(Options):
    """The built-in classifier from first weights drawn by the seed."""

    smoothing: float = Field(default=0.0, ge=0, le=1, description="Of the labels.")


@recipe("finetune", terms=SUPERVISED, planes=OBJECT_PLANES, build=f"{__name__}.training:finetune")
class FinetuneTraining(ClassifierTraining):
    """All weights of a model on degraded pictures."""

    freeze: tuple[str, ...] = Field(default=(), description="Patterns of parameters that stay as they are.")
