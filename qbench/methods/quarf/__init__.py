"""QuARF: receptive fields that adapt to the quality of the picture."""

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

Experts = Literal["dilated", "two_step", "dense_k", "plain"]
Gates = Literal["quality", "uniform"]
Routing = Literal["soft", "hard", "soft-then-hard"]
FREE = ("sites", "routing", "top")
"""Options that need not be as in the training; names of weights decide whether sites are those of the training."""


class QuarfOptions(QualityOptions):
    """What a block is, and behind which modules it stands. They travel in the header of its weights."""

    sites: tuple[str, ...] = Field(default=("D2",), description="Sites of the model, or module path patterns.")
    experts: Experts = "dilated"
    groups: int = Field(default=4, ge=1, le=256)
    count: int = Field(default=4, ge=1, le=4, description="Experts of a group, from the smallest field on.")
    top: int = Field(default=4, ge=1, le=4, description="Experts whose gates are not cut to zero.")
    own_experts: bool = Field(default=False, description="Weights for each group instead of shared ones.")
    gates: Gates = "quality"
    routing: Routing = "soft"
    straight_through: bool = True
    noisy: bool = True

    def metadata(self, key: str) -> dict[str, str]:
        """For the header of the weights; `key` is that of the quality feature that they were trained with."""
        options = self.model_dump(include=set(QuarfOptions.model_fields))
        return {"quarf": json.dumps({**options, "key": key}, sort_keys=True)}


@method("quarf", site="model", trained=True, options=QuarfOptions)
@dataclass
class QuarfMethod:
    """Quality-adaptive receptive fields: grouped experts of several sizes, routed by picture quality (AAAI 2025).

    What is not given is as the header of the weights says; without one, as `QuarfOptions` has it."""

    options: QuarfOptions = field(default_factory=QuarfOptions)
    weights: Path | None = None

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file of another method or quality feature."""
        from qbench.methods.inserted import trained_options

        self._file = weights_for("quarf", self.weights, setup)
        self._options, self._feature = trained_options(self.options, self._file, "quarf", FREE)

    def adapt(self, model: LoadedModel) -> LoadedModel:
        """The model with blocks behind its sites and their weights. Raises NotApplicable, WeightsError."""
        from qbench.methods.inserted import load_part
        from qbench.methods.quarf.adapt import adapt

        adapted, paths = adapt(model, self._options, self._feature)
        load_part(adapted.net, paths, self._file)
        return adapted
