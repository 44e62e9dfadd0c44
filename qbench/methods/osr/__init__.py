"""OSR-style: a restorer reprogrammed by waves, so that it also helps with degradations that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from qbench.methods.osr.choice import Choice
from qbench.methods.weights import given_weights
from qbench.registry import method
from qbench.vocabulary import Context, Setup

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Choice", "OsrMethod"]


@method("osr", site="image", trained=True)
@dataclass(config=ConfigDict(extra="forbid"))
class OsrMethod:
    """OSR-style reprogramming of a restorer by amplitude and phase (Jiang and Han, TIP 2024), transforms as its figure.

    The header of the weights says which network they are for; recipes `plain-...` are the restorer alone."""

    weights: Path | None = None

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file that does not fit."""
        import torch

        from qbench.methods.osr.net import Osr
        from qbench.models.base import load_weights
        from qbench.models.files import header

        file = given_weights("osr", self.weights, setup)
        network = Osr(Choice.read(header(file)))
        load_weights(network, file)
        self.network = network.eval().to(setup.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def restore(self, images: Tensor, context: Context) -> Tensor:
        from qbench.models.restoration.plain_networks import clamped

        return clamped(self.network, images)
