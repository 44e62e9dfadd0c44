"""Training of the quality encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.methods.options import Options
from qbench.registry import recipe

if TYPE_CHECKING:
    from qbench.train.core.recipe import Recipe
    from qbench.train.recipes.common import Parts


@recipe("quality", terms=("contrast",), options=Options, model=False)
def quality(parts: Parts) -> Recipe:
    """An encoder that draws pictures of one degradation together, whatever they show."""
    from qbench.train.recipes.quality.training import build

    return build(parts)
