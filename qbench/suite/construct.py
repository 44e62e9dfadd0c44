"""From a name with its parameters to the object that it stands for."""

from __future__ import annotations

import itertools
from typing import Any

from pydantic import ValidationError

from qbench.documents.faults import explain
from qbench.documents.load import Document, KeyPath
from qbench.errors import QbenchError, SuiteError
from qbench.registry import Entry, Kind, get
from qbench.registry.create import create
from qbench.registry.named import Named


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


def construct(kind: Kind, named: Named, path: KeyPath, document: Document) -> Any:
    """The object that a name and its parameters stand for. Raises SuiteError at the parameter's place."""
    entry = entry_of(kind, named, path, document)
    at = (*path, *named.path())
    try:
        return create(kind, named)
    except ValidationError as error:
        raise explain(error, document, at=at, kind=entry.declares, known=entry.parameters) from None
    except (TypeError, ValueError) as error:
        raise SuiteError(f"{kind} {named.name!r}: {error}", place=document.place(at)) from None
    except QbenchError as error:
        raise type(error)(error.message, place=error.place or document.place((*at, *error.path))) from None
