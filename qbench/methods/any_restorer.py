"""Any model of restoration as an image method."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError
from qbench.models.protocols import Setup
from qbench.registry import Entry, get, method
from qbench.registry.create import create
from qbench.registry.named import NamedItem
from qbench.vocabulary import Context

if TYPE_CHECKING:
    from torch import Tensor, nn

    from qbench.models.base import LoadedModel


@method("restorer", site="image")
@dataclass(config=ConfigDict(extra="forbid"))
class AnyRestorer:
    """Any model of restoration (dncnn3, aodnet, spandrel:PATH) in front of the model: `model` names it."""

    model: NamedItem

    def __post_init__(self) -> None:
        _ = self._declared

    @cached_property
    def _declared(self) -> Any:
        """Raises QbenchError, TypeError or ValidationError for a model or a parameter that there is not."""
        return create("model", self.model)

    @property
    def label(self) -> str:
        return str(self.model.label or self._declared.label)

    @property
    def runs_through(self) -> tuple[Entry, ...]:
        return (get("model", self.model.name),)

    def identity(self) -> Mapping[str, Any]:
        """All that decides its pictures apart from code. Raises WeightsError for weights that are missing."""
        identity: Mapping[str, Any] = self._declared.identity()
        return identity

    def setup(self, setup: Setup) -> None:
        """Raises WeightsError for a file that does not fit."""
        self._loaded: LoadedModel = self._declared.build()
        self.network: nn.Module = self._loaded.net.to(setup.device)

    def restore(self, images: Tensor, context: Context) -> Tensor:
        """Raises QbenchError for a model whose answer is no picture of the same size."""
        import torch

        with torch.no_grad():
            restored = self._loaded.predict(images)
        if not isinstance(restored, torch.Tensor) or restored.shape != images.shape:
            raise QbenchError(f"model {self.model.name!r} gives no picture: it cannot restore one")
        return restored
