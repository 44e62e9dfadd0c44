"""Options of trained networks: what a suite gives, over what the header of the weights says. Light: no torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from qbench.errors import WeightsError
from qbench.methods.weights import given_weights
from qbench.vocabulary import Setup

if TYPE_CHECKING:
    from qbench.quality.features import Feature

T = TypeVar("T")


def chosen(
    kind: type[T],
    method: object,
    header: Mapping[str, str],
    key: str,
    what: str,
    defaults: Mapping[str, Any] | None = None,
) -> T:
    """The dataclass `kind` from the fields of `method` of the same names, where they are not None, over what JSON says
    under `key` in the weights' header, over `defaults`. Raises WeightsError for a header that describes no `what`."""
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    given = {name: getattr(method, name) for name in names if getattr(method, name, None) is not None}
    try:
        return kind(**{**(defaults or {}), **json.loads(header.get(key, "{}")), **given})
    except (TypeError, ValueError) as error:
        raise WeightsError(f"the header of the weights does not describe {what}: {error}") from error


class ByQuality(Protocol):
    """What a choice of quality-adaptive modules says of the quality that they were trained with."""

    @property
    def quality(self) -> str: ...
    @property
    def key(self) -> str: ...


C = TypeVar("C", bound=ByQuality)


class ByQualityMethod:
    """What methods of quality-adaptive modules share: their weights, options and quality feature."""

    NAME: ClassVar[str]
    weights: Path | None
    quality_weights: Path | None

    def _set_up(self, kind: type[C], what: str, setup: Setup) -> tuple[Path, C, Feature]:
        """File, options and feature. Raises NotApplicable without weights, WeightsError for a file of another method or
        quality feature."""
        from qbench.methods.shipping import same_feature
        from qbench.models.files import header
        from qbench.quality.features import feature

        file = given_weights(self.NAME, self.weights, setup)
        choice = chosen(kind, self, header(file), self.NAME, what)
        quality = feature(choice.quality, self.quality_weights)
        same_feature(quality, choice.key, file)
        return file, choice, quality
