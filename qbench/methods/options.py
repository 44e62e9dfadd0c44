"""Options of trained networks: what a suite gives, over what the header of the weights says, over the defaults.

A method declares its options once, in one frozen model of pydantic: the network takes it, a suite's parameters and a
recipe's `network` are checked against it, and the weights carry it in their header. Light: nothing here loads torch."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qbench.errors import WeightsError


class Options(BaseModel):
    """The options of one method. `model_fields_set` tells which of them were given."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QualityOptions(Options):
    """Options that all quality-adaptive modules have."""

    quality: str = Field(default="encoder", description="The quality feature that the modules read.")
    zeroed: bool = Field(default=False, description="The control: every picture has the mean quality.")
    quality_weights: Path | None = Field(
        default=None, exclude=True, description="File of the quality feature, where it does not ship."
    )


AnyOptions = TypeVar("AnyOptions", bound=Options)


def described(header: Mapping[str, str], key: str) -> dict[str, Any] | None:
    """The options that weights were trained with, from the JSON under `key` in their header; None without that key.

    Raises WeightsError for other content."""
    if key not in header:
        return None
    try:
        return dict(json.loads(header[key]))
    except (TypeError, ValueError) as error:
        raise WeightsError(f"the header of the weights does not describe a network of {key}: {error}") from None


def completed(given: AnyOptions, trained: Mapping[str, Any] | None, key: str, free: Collection[str] = ()) -> AnyOptions:
    """`given` with what it leaves out from `trained` (see `described`), else from the defaults.

    Raises WeightsError where `trained` are no options of that class, and for given options that contradict it, except
    those in `free`, which may change after a training."""
    kind = type(given)
    chosen = {name: getattr(given, name) for name in kind.model_fields if name in given.model_fields_set}
    try:
        if trained is not None:
            fixed = {name: value for name, value in chosen.items() if name not in free}
            _check_same(kind(**trained), fixed)
        return kind(**{**(trained or {}), **chosen})
    except ValidationError as error:
        raise WeightsError(
            f"the header of the weights does not describe a network of {key}: {_first_fault(error)}"
        ) from None


def _check_same(trained: BaseModel, given: Mapping[str, Any]) -> None:
    """Raise WeightsError for an option that contradicts what weights were trained with. None there left a choice to the
    network, which names and shapes of the weights decide."""
    for name, value in given.items():
        before = getattr(trained, name)
        if before is not None and value != before:
            raise WeightsError(f"`{name}: {_yaml(value)}`: the weights were trained with `{name}: {_yaml(before)}`")


def _yaml(value: object) -> str:
    return json.dumps(value).strip('"')


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    place = ".".join(map(str, fault["loc"]))
    return f"`{place}`: {fault['msg']}" if place else fault["msg"]
