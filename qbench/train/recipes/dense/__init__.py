"""Training of segmenters and detectors: the built-in ones of scenes, or any declared model from its first weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from qbench.methods.options import Options
from qbench.registry import recipe
from qbench.train.recipes.finetune import OBJECT_PLANES

if TYPE_CHECKING:
    from qbench.train.core.recipe import Recipe
    from qbench.train.recipes.common import Parts


class DenseTraining(Options):
    """How the network is trained."""

    freeze: tuple[str, ...] = Field(default=(), description="Patterns of parameters that stay as they are.")


@recipe("segmenter", terms=("ce",), options=DenseTraining, planes={"ce": ("mask",)})
def segmenter(parts: Parts) -> Recipe:
    """A segmenter from masks."""
    from qbench.train.recipes.dense.training import build

    return build(parts)


@recipe("detector", terms=("heat", "box", "own"), options=DenseTraining, planes=OBJECT_PLANES)
def detector(parts: Parts) -> Recipe:
    """A detector from boxes, or the built-in one from the masks of scenes."""
    from qbench.train.recipes.dense.training import build

    return build(parts)
