"""What image restorers share: their weights, and tiles for large pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.methods.weights import weights_for, with_weights
from qbench.models.protocols import Setup
from qbench.vocabulary import Context

if TYPE_CHECKING:
    from torch import Tensor, nn

CONFIG = ConfigDict(extra="forbid")


@dataclass(config=CONFIG)
class Restorer:
    """A network that cleans the picture before any model sees it.

    A class below is declared by `@method(NAME, site="image", trained=True)` and says what its network is (see
    `qbench.models.restoration.declared.Declared`). `qbench train` trains it by the card of its name, and the model
    `restorer:NAME` runs it alone."""

    weights: Path | None = None
    tile: int | None = Field(
        default=None, ge=32, le=16_384, kw_only=True, description="Pixels of a tile's side. Default: the whole picture."
    )
    overlap: int | None = Field(
        default=None, ge=0, le=4096, kw_only=True,
        description="Pixels that a tile sees of its neighbours. Default: as far as the network looks; 32 where that is "
        "the whole picture.",
    )  # fmt: skip

    name: ClassVar[str]
    reach: ClassVar[int | None]
    closing: ClassVar[tuple[str, ...]] = ("last",)
    sites: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def new_network(cls) -> nn.Module:
        """The network in its training form: [B, 3, H, W] in [0, 1] to the same, not clamped."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        return f"{self.name}-tiled" if self.tile is not None and self.reach is None else self.name

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file that does not fit."""
        from qbench.models.restoration.running import deployed, tiled

        file = weights_for(self.name, self.weights, setup)
        self.network = tiled(
            with_weights(deployed(self.new_network()), file, setup), self.tile, self.overlap, self.reach
        )

    def restore(self, images: Tensor, context: Context) -> Tensor:
        from qbench.models.restoration.running import clamped

        return clamped(self.network, images)
