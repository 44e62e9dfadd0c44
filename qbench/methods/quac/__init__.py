"""QuAC: activations that adapt to the quality of the picture (Q-ACON)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from qbench.methods.options import QualityOptions
from qbench.methods.weights import weights_for
from qbench.models.protocols import Setup
from qbench.registry import method

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel

Placement = Literal["post-backbone", "stage-end", "all"]
How = Literal["replace", "add"]
Kind = Literal["quac", "meta-acon", "acon-c"]
Norm = Literal["layer", "none", "release"]
Start = Literal["drop-in", "release"]
FREE = ("sites",)
"""Options that need not be as in the training; names of weights decide whether sites are those of the training."""


class QuacOptions(QualityOptions):
    """Which activations a network gets, and where. They travel in the header of its weights."""

    placement: Placement = "stage-end"
    sites: tuple[str, ...] = Field(default=(), description="Module path patterns in place of a placement.")
    how: How | None = Field(default=None, description="Default: `add` after a backbone, else `replace`.")
    activation: Kind = "quac"
    norm: Norm = "layer"
    start: Start = "drop-in"
    reduction: int = Field(default=16, ge=1, le=1024)
    quality_width: int | None = Field(
        default=None, ge=1, le=4096, description="Project the quality down to so many numbers."
    )

    def metadata(self, key: str) -> dict[str, str]:
        """For the header of the weights; `key` is that of the quality feature that they were trained with."""
        options = self.model_dump(include=set(QuacOptions.model_fields))
        return {"quac": json.dumps({**options, "key": key}, sort_keys=True)}


@method("quac", site="model", trained=True, options=QuacOptions)
@dataclass
class QuacMethod:
    """Quality-adaptive activations (Q-ACON): beta per picture and channel, from features and picture quality.

    What is not given is as the header of the weights says; without one, as `QuacOptions` has it."""

    options: QuacOptions = field(default_factory=QuacOptions)
    weights: Path | None = None

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file of another method or quality feature."""
        from qbench.methods.inserted import trained_options

        self._file = weights_for("quac", self.weights, setup)
        self._options, self._feature = trained_options(self.options, self._file, "quac", FREE)

    def adapt(self, model: LoadedModel) -> LoadedModel:
        """The model with adaptive activations and their weights. Raises NotApplicable, WeightsError."""
        from qbench.methods.inserted import load_part
        from qbench.methods.quac.adapt import adapt

        adapted, paths = adapt(model, self._options, self._feature)
        load_part(adapted.net, paths, self._file)
        return adapted
