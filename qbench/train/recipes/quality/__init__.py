"""Training of the quality encoder."""

from __future__ import annotations

from qbench.methods.options import Options
from qbench.registry import recipe


@recipe("quality", terms=("contrast",), model=False, build=f"{__name__}.training:build")
class QualityTraining(Options):
    """An encoder that draws pictures of one degradation together, whatever they show."""
