"""ARCNN and DnCNN: plain stacks of convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from qbench.methods.restorers.base import CONFIG, Restorer
from qbench.registry import method

if TYPE_CHECKING:
    from torch import nn

SITES = {"D1": "layers.0", "D2": "layers.1"}


@method("arcnn", site="image", trained=True)
@dataclass(config=CONFIG)
class ArcnnMethod(Restorer):
    """ARCNN, four convolutions, 0.12 M parameters (Dong et al., ICCV 2015)."""

    name: ClassVar[str] = "arcnn"
    reach: ClassVar[int | None] = 9
    sites: ClassVar[dict[str, str]] = SITES

    @classmethod
    def new_network(cls, residual: bool = True) -> nn.Module:
        from qbench.models.restoration.plain_networks import Arcnn

        return Arcnn(residual)


@method("dncnn", site="image", trained=True)
@dataclass(config=CONFIG)
class DncnnMethod(Restorer):
    """DnCNN, 17 convolutions of 64 channels, 0.56 M parameters (Zhang et al., TIP 2017)."""

    name: ClassVar[str] = "dncnn"
    reach: ClassVar[int | None] = 17
    sites: ClassVar[dict[str, str]] = SITES

    @classmethod
    def new_network(cls, norms: bool = True) -> nn.Module:
        from qbench.models.restoration.plain_networks import Dncnn

        return Dncnn(17, 64, norms)


@method("dncnn-small", site="image", trained=True)
@dataclass(config=CONFIG)
class DncnnSmallMethod(Restorer):
    """DnCNN cut down to 8 convolutions of 24 channels, 0.03 M parameters: not the published network."""

    name: ClassVar[str] = "dncnn-small"
    reach: ClassVar[int | None] = 8
    sites: ClassVar[dict[str, str]] = SITES

    @classmethod
    def new_network(cls, norms: bool = True) -> nn.Module:
        from qbench.models.restoration.plain_networks import Dncnn

        return Dncnn(8, 24, norms)
