"""Training of image restorers (methods ARCNN, DnCNN)."""

from __future__ import annotations

from qbench.methods.options import Options
from qbench.registry import recipe


@recipe("restorer", terms=("l1", "mse"), model=False, build=f"{__name__}.training:build")
class RestorerTraining(Options):
    """Degraded pictures to clean ones, by a network of the method's name.

    Options of the method's `new_network`, and `passing` (see `qbench.models.restoration.running.build`)."""

    residual: bool = True
    norms: bool = True
    passing: bool = False
