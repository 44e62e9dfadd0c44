"""Training of QDMR in its three stages (arXiv 2403.10012)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from qbench.methods.qdmr import QdmrOptions
from qbench.registry import recipe

if TYPE_CHECKING:
    from qbench.cards.schema import RecipeSpec

PerceptionName = Literal["classifier", "gradients", "vgg19"]
TERMS = (
    "l1", "perceptual", "codebook", "semantic", "transfer", "hinge", "commitment", "commitment-target",
    "align-source", "align-target",
)  # fmt: skip
ORDERS = {("base",), ("vqgan", "base"), ("vqgan", "uda"), ("vqgan", "base", "uda")}


def _staged(spec: RecipeSpec) -> None:
    """Raise ValueError for stages in another order, or without what they need."""
    parts = tuple(stage.part for stage in spec.stages)
    if parts not in ORDERS:
        raise ValueError("the stages' `part` are base; vqgan, base; vqgan, uda; or vqgan, base, uda")
    if "vqgan" in parts and "target" not in spec.data:
        raise ValueError("the stages vqgan and uda need the data role `target`")
    if "vqgan" not in parts and spec.network.get("codebook", True):
        raise ValueError("the codebook is learned in a stage with `part: vqgan`; or set `codebook: false`")
    if spec.crop.scale != (1.0, 1.0):
        raise ValueError("aberrations have a size in pixels: crops of qdmr are taken at scale [1, 1]")


@recipe("qdmr", terms=TERMS, model=False, roles=("target",), check=_staged, build=f"{__name__}.stages:build")
class QdmrTraining(QdmrOptions):
    """An autoencoder of two lenses' pictures, a restoration network for one, and its adaptation to the other."""

    perception: PerceptionName = "classifier"
    start: Literal["even", "data"] = Field(
        default="even", description="The first codes: evenly from ±1/K, or features of the first batches."
    )
    encoder: Literal["own", "vqgan"] = Field(
        default="own",
        description="Where the encoder starts: anew, as published, or where stage 1 left its own.",
    )
    generated: bool = True
