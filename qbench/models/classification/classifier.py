"""What the classifiers of all libraries share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic.dataclasses import dataclass

from qbench.errors import QbenchError
from qbench.models.library import CONFIG, NormalisedModel
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from torch import nn

    from qbench.models.base import LoadedModel

INTERPOLATIONS = ("bilinear", "bicubic", "lanczos")


@dataclass(frozen=True, config=CONFIG)
class Classifier(NormalisedModel):
    """A classifier of a library: its own weights from the hub, or those of a file, which may know other classes."""

    def __post_init__(self) -> None:
        if self.classes is not None and self._fetched:
            raise ValueError("`classes` are those of your `weights`; the hub's have their own")

    @property
    def _head(self) -> dict[str, Any]:
        """What the library's constructor is told of the classes."""
        return {} if self.classes is None else {"num_classes": self.classes}

    def _loaded(self, net: nn.Module, convention: InputConvention, sites: Mapping[str, str], fold: bool) -> LoadedModel:
        """With the weights of a file, where there is one, and those of the declared sites that the network has."""
        from qbench.models.base import LoadedModel
        from qbench.models.files import load_any
        from qbench.models.fold import for_inference
        from qbench.models.outputs import usual

        if self.weights is not None:
            load_any(net, self.weights)
        paths = {path for path, _ in net.named_modules()}
        present = {site: path for site, path in sites.items() if path in paths}
        ready = for_inference(net, keep=(present.get("D1", ""),), fold=fold)
        return LoadedModel(ready, self.input.over(convention), present, partial(usual, key=self.output))


def known_interpolation(interpolation: str, label: str) -> str:
    """The library's. Raises QbenchError where it is none of ours."""
    if interpolation not in INTERPOLATIONS:
        known = ", ".join(INTERPOLATIONS)
        raise QbenchError(
            f"{label} resizes pictures by {interpolation!r}; give `input: {{interpolation: ...}}`: {known}"
        )
    return interpolation
