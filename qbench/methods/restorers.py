"""Image restorers: the picture is cleaned before any model sees it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from qbench.methods.weights import weights_for, with_weights
from qbench.models.protocols import Setup
from qbench.registry import method
from qbench.vocabulary import Context

if TYPE_CHECKING:
    from torch import Tensor

_CONFIG = ConfigDict(extra="forbid")


@dataclass(config=_CONFIG)
class _Restorer:
    weights: Path | None = None
    name: ClassVar[str]

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file that does not fit."""
        from qbench.models.restoration.plain_networks import empty

        file = weights_for(self.name, self.weights, setup)
        self.network = with_weights(empty(self.name, deployed=True), file, setup)

    def restore(self, images: Tensor, context: Context) -> Tensor:
        from qbench.models.restoration.plain_networks import clamped

        return clamped(self.network, images)


@method("arcnn", site="image", trained=True)
@dataclass(config=_CONFIG)
class ArcnnMethod(_Restorer):
    """ARCNN, four convolutions, 0.12 M parameters (Dong et al., ICCV 2015)."""

    name: ClassVar[str] = "arcnn"


@method("dncnn", site="image", trained=True)
@dataclass(config=_CONFIG)
class DncnnMethod(_Restorer):
    """DnCNN, 17 convolutions of 64 channels, 0.56 M parameters (Zhang et al., TIP 2017)."""

    name: ClassVar[str] = "dncnn"


@method("dncnn-small", site="image", trained=True)
@dataclass(config=_CONFIG)
class DncnnSmallMethod(_Restorer):
    """DnCNN cut down to 8 convolutions of 24 channels, 0.03 M parameters: not the published network."""

    name: ClassVar[str] = "dncnn-small"
