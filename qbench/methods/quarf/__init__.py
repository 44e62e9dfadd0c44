"""QuARF: receptive fields that adapt to the quality of the picture."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.methods.chosen import ByQualityMethod, chosen
from qbench.registry import method
from qbench.vocabulary import Setup

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel

Experts = Literal["dilated", "two_step", "dense_k", "plain"]
Gates = Literal["quality", "uniform"]
Routing = Literal["soft", "hard", "soft-then-hard"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Choice:
    """What a block is, and behind which modules it stands. It travels in the header of its weights."""

    sites: tuple[str, ...] = Field(default=("D2",), description="Sites of the model, or module path patterns.")
    experts: Experts = "dilated"
    groups: int = Field(default=4, ge=1)
    count: int = Field(default=4, ge=1, le=4, description="Experts of a group, from the smallest field on.")
    top: int = Field(default=4, ge=1, le=4, description="Experts whose gates are not cut to zero.")
    own_experts: bool = Field(default=False, description="Weights for each group instead of shared ones.")
    gates: Gates = "quality"
    routing: Routing = "soft"
    straight_through: bool = True
    noisy: bool = True
    zeroed: bool = Field(default=False, description="The control: every picture has the mean quality.")
    quality: str = "encoder"

    key: str = Field(default="", description="Of the weights: the key of the quality feature that they saw.")

    def metadata(self, key: str) -> dict[str, str]:
        """For the header of the weights; `key` is that of the quality feature that they were trained with."""
        return {"quarf": json.dumps({**asdict(self), "key": key}, sort_keys=True)}


@method("quarf", site="model", trained=True)
@dataclass(config=ConfigDict(extra="forbid"))
class QuarfMethod(ByQualityMethod):
    """Quality-adaptive receptive fields: grouped experts of several sizes, routed by picture quality (AAAI 2025).

    What is not given is as the header of the weights says; without one, as `Choice` has it. `quality_weights`: the file
    of the quality feature, where it does not ship."""

    sites: tuple[str, ...] | None = None
    experts: Experts | None = None
    groups: int | None = None
    count: int | None = None
    top: int | None = None
    own_experts: bool | None = None
    gates: Gates | None = None
    routing: Routing | None = None
    straight_through: bool | None = None
    noisy: bool | None = None
    zeroed: bool | None = None
    quality: str | None = None
    quality_weights: Path | None = None
    weights: Path | None = None

    NAME: ClassVar[str] = "quarf"
    FREE: ClassVar[Collection[str]] = ("sites", "routing", "top")

    def choice(self) -> Choice:
        """The given options, filled from the defaults: those of a training."""
        return chosen(Choice, self, {}, self.NAME, "QuARF")

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file of another method or quality feature."""
        self._file, self._choice, self._feature = self._set_up(Choice, "QuARF", setup)

    def adapt(self, model: LoadedModel) -> LoadedModel:
        """The model with blocks behind its sites and their weights. Raises NotApplicable, WeightsError."""
        from qbench.methods.quarf.adapt import adapt
        from qbench.methods.shipping import load_part

        adapted, paths = adapt(model, self._choice, self._feature)
        load_part(adapted.net, paths, self._file)
        return adapted
