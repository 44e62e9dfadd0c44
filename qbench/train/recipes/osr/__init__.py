"""Training of reprogrammed restorers (method `osr`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qbench.methods.osr import OsrOptions
from qbench.registry import recipe

if TYPE_CHECKING:
    from qbench.cards.schema import RecipeSpec


def _compared(spec: RecipeSpec) -> None:
    """Raise ValueError unless the card has a model with layers to compare where it has the perceptual term, and no
    model where it has not."""
    perceptual = spec.loss.get("perceptual")
    if (spec.model is not None) != (perceptual is not None):
        raise ValueError(f"such an osr recipe {'needs a' if perceptual else 'takes no'} `model`")
    if perceptual and not perceptual.sites:
        raise ValueError("the loss `perceptual` needs the layers to compare in `sites`")


@recipe("osr", terms=("smooth_l1", "perceptual"), model=None, check=_compared, build=f"{__name__}.training:build")
class OsrTraining(OsrOptions):
    """A restorer, then the transforms around it; or the restorer alone.

    The paper reprograms restorers of both kinds; whether it freezes them is not known."""

    restorer_init: Literal["random", "trained"] = "trained"
    freeze_restorer: bool = True
