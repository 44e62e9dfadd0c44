"""From a name with its parameters to the object that it stands for."""

from __future__ import annotations

import itertools
from math import prod
from typing import Any

from pydantic import ValidationError

from qbench.documents.faults import explain
from qbench.errors import QbenchError, SuiteError, below, foreign, short
from qbench.registry import Entry, Kind, get
from qbench.registry.create import create
from qbench.registry.named import Named

MOST = 10_000
"""Combinations of the lists of one item."""


def entry_of(kind: Kind, named: Named) -> Entry:
    """The entry of that name. Raises SuiteError with the nearest valid name."""
    try:
        return get(kind, named.name)
    except QbenchError as error:
        raise SuiteError(error.message) from None


def combinations(entry: Entry, named: Named) -> int:
    """How many items `expanded` gives."""
    return prod(map(len, _lists(entry, named).values()))


def _lists(entry: Entry, named: Named) -> dict[str, list[Any]]:
    whole = entry.facts.get("whole", ())
    return {key: value for key, value in named.params.items() if isinstance(value, list) and key not in whole}


def expanded(entry: Entry, named: Named) -> list[Named]:
    """One name for each combination of the parameters that are given as lists; an empty list gives none.

    Parameters that the entry declares as `whole` take the list itself."""
    lists = _lists(entry, named)
    if (count := combinations(entry, named)) > MOST:
        text = f"the lists of {entry.kind} {short(named.name)} make {count:,} combinations; at most {MOST:,} are taken"
        raise SuiteError(text, path=named.path(*list(lists)[:1]))
    return [
        named.model_copy(update={"params": {**named.params, **dict(zip(lists, values, strict=True))}})
        for values in itertools.product(*lists.values())
    ]


def construct(kind: Kind, named: Named) -> Any:
    """The object that a name and its parameters stand for. Raises SuiteError with the parameter's path."""
    entry = entry_of(kind, named)
    with below(*named.path()), foreign(f"{kind} {short(named.name)}", SuiteError):
        try:
            entry.check_whole()
            return create(kind, named)
        except ValidationError as error:
            raise explain(error, named.params, kind=entry.schema, known=entry.parameters) from None
        except ValueError as error:
            raise SuiteError(f"{kind} {short(named.name)}: {error}") from None
