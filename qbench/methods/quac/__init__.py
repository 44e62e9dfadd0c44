"""QuAC: activations that adapt to the quality of the picture (Q-ACON)."""

from __future__ import annotations

import json
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

Placement = Literal["post-backbone", "stage-end", "all"]
How = Literal["replace", "add"]
Kind = Literal["quac", "meta-acon", "acon-c"]
Norm = Literal["layer", "none", "release"]
Start = Literal["drop-in", "release"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Choice:
    """Which activations a network gets, and where. It travels in the header of its weights."""

    placement: Placement = "stage-end"
    sites: tuple[str, ...] = Field(default=(), description="Module path patterns in place of a placement.")
    how: How | None = Field(default=None, description="Default: `add` after a backbone, else `replace`.")
    activation: Kind = "quac"
    quality: str = "encoder"
    norm: Norm = "layer"
    start: Start = "drop-in"
    reduction: int = Field(default=16, ge=1)
    quality_width: int | None = Field(default=None, ge=1, description="Project the quality down to so many numbers.")
    zeroed: bool = Field(default=False, description="The control: every picture has the mean quality.")

    key: str = Field(default="", description="Of the weights: the key of the quality feature that they saw.")

    def metadata(self, key: str) -> dict[str, str]:
        """For the header of the weights; `key` is that of the quality feature that they were trained with."""
        return {"quac": json.dumps({**asdict(self), "key": key}, sort_keys=True)}


@method("quac", site="model", trained=True)
@dataclass(config=ConfigDict(extra="forbid"))
class QuacMethod(ByQualityMethod):
    """Quality-adaptive activations (Q-ACON): beta per picture and channel, from features and picture quality.

    What is not given is as the header of the weights says; without one, as `Choice` has it. `quality_weights`: the file
    of the quality feature, where it does not ship."""

    placement: Placement | None = None
    sites: tuple[str, ...] | None = None
    how: How | None = None
    activation: Kind | None = None
    quality: str | None = None
    norm: Norm | None = None
    start: Start | None = None
    reduction: int | None = None
    quality_width: int | None = None
    zeroed: bool | None = None
    quality_weights: Path | None = None
    weights: Path | None = None

    NAME: ClassVar[str] = "quac"

    def choice(self) -> Choice:
        """The given options, filled from the defaults: those of a training."""
        return chosen(Choice, self, {}, self.NAME, "QuAC")

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file of another method or quality feature."""
        self._file, self._choice, self._feature = self._set_up(Choice, "QuAC", setup)

    def adapt(self, model: LoadedModel) -> LoadedModel:
        """The model with adaptive activations and their weights. Raises NotApplicable, WeightsError."""
        from qbench.methods.quac.adapt import adapt
        from qbench.methods.shipping import load_part

        adapted, paths = adapt(model, self._choice, self._feature)
        load_part(adapted.net, paths, self._file)
        return adapted
