"""QuAC: activations that adapt to the quality of the picture (Q-ACON)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from qbench.errors import WeightsError
from qbench.methods.weights import given_weights
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
    zeroed: bool = Field(default=False, description="The control: every picture has the mean quality.")

    def metadata(self, key: str) -> dict[str, str]:
        """For the header of the weights; `key` is that of the quality feature that they were trained with."""
        return {"quac": json.dumps({**asdict(self), "key": key}, sort_keys=True)}


@method("quac", site="model", trained=True)
@dataclass(config=ConfigDict(extra="forbid"))
class QuacMethod:
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
    zeroed: bool | None = None
    quality_weights: Path | None = None
    weights: Path | None = None

    def choice(self, header: Mapping[str, str]) -> tuple[Choice, str]:
        """The given options, filled from the weights' header, and the key of the quality feature there.

        Raises WeightsError for a header of another kind."""
        given = {f.name: getattr(self, f.name) for f in fields(Choice) if getattr(self, f.name) is not None}
        try:
            told: dict[str, Any] = json.loads(header.get("quac", "{}"))
            key = str(told.pop("key", ""))
            return Choice(**{**told, **given}), key
        except (TypeError, ValueError, AttributeError) as error:
            raise WeightsError(f"the header of the weights does not describe QuAC: {error}") from error

    def setup(self, setup: Setup) -> None:
        """Raises NotApplicable without weights, WeightsError for a file of another method or quality feature."""
        from qbench.methods.shipping import same_feature
        from qbench.models.files import header
        from qbench.quality.features import feature

        self._file = given_weights("quac", self.weights, setup)
        self._choice, key = self.choice(header(self._file))
        self._feature = feature(self._choice.quality, self.quality_weights)
        same_feature(self._feature, key, self._file)

    def adapt(self, model: LoadedModel) -> LoadedModel:
        """The model with adaptive activations and their weights. Raises NotApplicable, WeightsError."""
        from qbench.methods.quac.adapt import adapt
        from qbench.methods.shipping import load_part

        adapted, paths = adapt(model, self._choice, self._feature)
        load_part(adapted.net, paths, self._file)
        return adapted
