"""Options of trained networks: what a suite gives, over what the header of the weights says. Light: no torch here."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
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
    free: Collection[str] = (),
) -> T:
    """The dataclass `kind` from the fields of `method` of the same names, where they are not None, over what JSON says
    under `key` in the weights' header, over `defaults`.

    Raises WeightsError for a header that describes no `what`, and for options that are not as it says, but for those in
    `free`, which may change after a training."""
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    given = {name: getattr(method, name) for name in names if getattr(method, name, None) is not None}
    try:
        told = {**(defaults or {}), **json.loads(header.get(key, "{}"))}
        if key in header:
            _agree(kind(**told), {name: value for name, value in given.items() if name not in free})
        return kind(**{**told, **given})
    except (TypeError, ValueError) as error:
        raise WeightsError(f"the header of the weights does not describe {what}: {error}") from error


def _agree(trained: object, given: Mapping[str, Any]) -> None:
    """Raise WeightsError for an option that contradicts what weights were trained with. None there left a choice to the
    network, which names and shapes of the weights decide."""
    for name, value in given.items():
        was = getattr(trained, name)
        if was is not None and value != was:
            raise WeightsError(f"`{name}: {_said(value)}`: the weights were trained with `{name}: {_said(was)}`")


def _said(value: object) -> str:
    return json.dumps(value).strip('"')


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
    FREE: ClassVar[Collection[str]] = ("sites",)
    """Options that need not be as in the training; names of weights decide whether sites are those of the training."""
    weights: Path | None
    quality_weights: Path | None

    def _set_up(self, kind: type[C], what: str, setup: Setup) -> tuple[Path, C, Feature]:
        """File, options and feature. Raises NotApplicable without weights, WeightsError for a file of another method or
        quality feature."""
        from qbench.methods.shipping import same_feature
        from qbench.models.files import header
        from qbench.quality.features import feature

        file = given_weights(self.NAME, self.weights, setup)
        choice = chosen(kind, self, header(file), self.NAME, what, free=self.FREE)
        quality = feature(choice.quality, self.quality_weights)
        same_feature(quality, choice.key, file)
        return file, choice, quality
