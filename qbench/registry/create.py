"""From a name with its parameters to the object that it stands for. Part of every cell's key, so it holds no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from qbench.boundary import lent
from qbench.errors import QbenchError
from qbench.registry.entries import WEIGHTS_KEYS, Entry, Kind, get
from qbench.registry.named import Spec, rest_of
from qbench.registry.value_types import located, misfits

Maker: TypeAlias = Callable[[Entry, Mapping[str, Any]], Any]
_makers: dict[Kind, Maker] = {}


def create(kind: Kind, named: Spec) -> Any:
    """The object that a name and its parameters stand for; what follows the colon of `timm:resnet50` comes first.

    A plug-in's dataset or condition comes behind the boundary (see `qbench.boundary`).
    Raises QbenchError for an unknown name or parameter, ValidationError at the place of a value that does not fit, and
    what the object's class raises."""
    entry = get(kind, named.name)
    params = own_params(kind, named)
    entry.check(named.name, named.params)
    if kind in _makers:
        return lent(entry, _makers[kind](entry, params))
    return lent(entry, call(entry, params, *([rest_of(named.name)] if entry.takes_rest else [])))


def own_params(kind: Kind, named: Spec) -> dict[str, Any]:
    """The parameters that the object itself takes."""
    return {key: value for key, value in named.params.items() if kind != "method" or key not in WEIGHTS_KEYS}


def call(entry: Entry, params: Mapping[str, Any], *first: str) -> Any:
    """What the entry's class makes of the parameters, or of its `options` made of them.

    Raises ValidationError also for a value of another kind, such as `true` for a number."""
    result = entry.schema(*first, **params)
    for path, text in misfits(params, result):
        raise located(text, *path)
    return result if entry.schema is entry.target else entry.target(result)


def maker(kind: Kind) -> Callable[[Maker], Maker]:
    """Declare what makes the objects of a kind instead of `call`. Raises QbenchError for a second one."""

    def decorate(make: Maker) -> Maker:
        if kind in _makers:
            raise QbenchError(f"{kind}s have a maker already: {_makers[kind].__module__}")
        _makers[kind] = make
        return make

    return decorate
