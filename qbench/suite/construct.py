"""From a name with its parameters to the object that it stands for."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from qbench.degrade.drawn import prepared
from qbench.documents.faults import check_kinds, explain
from qbench.documents.load import Document, KeyPath
from qbench.errors import Place, QbenchError, SuiteError, nearest
from qbench.registry import Entry, Kind, get
from qbench.registry.named import Named

RESERVED = ("recipe", "weights", "train_seeds")
"""Keys below a trained method that say which weights it gets; they are not its own parameters."""


def entry_of(kind: Kind, named: Named, path: KeyPath, document: Document) -> Entry:
    """The entry of that name. Raises SuiteError at its place, with the nearest valid name."""
    try:
        return get(kind, named.name)
    except QbenchError as error:
        raise SuiteError(error.message, place=document.place(path)) from None


def expanded(entry: Entry, named: Named) -> list[Named]:
    """One name for each combination of the parameters that are given as lists; an empty list gives none.

    Parameters that the entry declares as `whole` take the list itself."""
    whole = entry.facts.get("whole", ())
    lists = {key: value for key, value in named.params.items() if isinstance(value, list) and key not in whole}
    return [
        named.model_copy(update={"params": {**named.params, **dict(zip(lists, values, strict=True))}})
        for values in itertools.product(*lists.values())
    ]


def construct(entry: Entry, named: Named, path: KeyPath, document: Document) -> Any:
    """The object that a name and its parameters stand for. Raises SuiteError at the parameter's place."""
    at = (*path, named.name) if named.inner else path
    reserved = RESERVED if entry.facts.get("trained") else ()
    params = {key: value for key, value in named.params.items() if key not in reserved}
    first = _rest(entry, named, document.place(at))
    options = entry.facts.get("options")
    own = list(inspect.signature(options or entry.target).parameters)[len(first) :]
    known = [key for key in own if entry.kind != "method" or key not in RESERVED] + [*reserved, "label"]
    for key in params:
        if key not in known:
            raise SuiteError(_no_parameter(entry, named, key, known), place=document.place((*at, key)))
    try:
        if entry.kind == "condition":
            made = prepared(entry, params)
        else:
            made = options(**params) if options else entry.target(*first, **params)
    except ValidationError as error:
        raise explain(error, document, at=at, kind=options or entry.target, known=known) from None
    except (TypeError, ValueError) as error:
        raise SuiteError(f"{entry.kind} {named.name!r}: {error}", place=document.place(at)) from None
    except QbenchError as error:
        raise type(error)(error.message, place=error.place or document.place(at)) from None
    check_kinds(params, made, document, at=at)
    return entry.target(made) if options else made


def _rest(entry: Entry, named: Named, place: Place | None) -> list[str]:
    """What stands behind the colon of a name such as `timm:resnet50`. Raises SuiteError for nothing."""
    if not entry.name.endswith(":*"):
        return []
    prefix, _, rest = named.name.partition(":")
    if not rest:
        raise SuiteError(f"{entry.kind} {named.name!r} names nothing behind the colon: {prefix}:NAME", place=place)
    return [rest]


def _no_parameter(entry: Entry, named: Named, key: str, known: Sequence[str]) -> str:
    if entry.kind == "method" and key in RESERVED:
        return f"method {named.name!r} is not declared as trained; it takes no {key!r}"
    return f"{entry.kind} {named.name!r} has no parameter {key!r}{nearest(key, known)}"


def in_tables(dataset: Any, named: Named, label: str, condition: Any) -> tuple[str, tuple[str, float] | None]:
    """The label and the axis that a condition has in tables: of pictures that are degraded already (a dataset's
    `degraded`), what they are, and what is done to them further."""
    there: tuple[str, tuple[str, float] | None] | None = getattr(dataset, "degraded", None)
    if there is None:
        return label, condition.axis
    return there if named.name == "clean" else (f"{there[0]} → {label}", condition.axis)
