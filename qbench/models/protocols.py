"""What declares a model, and what methods that work with a loaded one are given. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel


class Model(Protocol):
    """A light declaration of a predictor; `build` loads torch and the weights."""

    @property
    def label(self) -> str: ...

    @property
    def sites(self) -> Mapping[str, str]:
        """Feature sites by name (the paper's D1-D4) to module paths; any other module path is a site too."""

    def identity(self) -> Mapping[str, Any]:
        """All that decides its predictions apart from code: architecture, weights digest or hub name."""

    def build(self) -> LoadedModel: ...


@dataclass(frozen=True)
class Setup:
    """What a method is given before its first batch: the model (None at the image site), its weights and device."""

    model: LoadedModel | None
    weights: Path | None
    device: str


class ModelMethod(Protocol):
    def adapt(self, model: LoadedModel) -> LoadedModel:
        """The model, changed or retrained; what is passed is a copy that it may change."""


@runtime_checkable
class NeedsSetup(Protocol):
    def setup(self, setup: Setup) -> None:
        """Build networks and load weights. Raises NotApplicable, WeightsError."""
