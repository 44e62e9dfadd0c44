"""Names with parameters given on the command line, written as in a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from qbench import registry
from qbench.documents.construct import construct, entry_of, expanded
from qbench.documents.faults import message
from qbench.documents.nodes import read
from qbench.errors import SuiteError, short
from qbench.registry.named import Named, NamedItem
from qbench.vocabulary import Condition, Dataset


def conditions(text: str) -> list[tuple[Named, Condition]]:
    """`jpeg: {quality: [25, 7]}` to its conditions, one for each value of a list. Raises SuiteError."""
    named = _named(text, "condition")
    items = expanded(entry_of("condition", named), named)
    if not items:
        raise SuiteError(f"condition {short(text)}: a list is empty; expected at least one value")
    return [(item, cast(Condition, _built("condition", item, text))) for item in items]


def dataset(text: str) -> tuple[Named, Dataset]:
    """`scenes: {count: 9}` or `{name: csv, root: photos}` to the dataset. Raises SuiteError."""
    named = _named(text, "dataset")
    return named, cast(Dataset, _built("dataset", named, text))


def _named(text: str, kind: str) -> Named:
    try:
        return TypeAdapter(NamedItem).validate_python(read(text, Path("the command line"))[0])
    except SuiteError as error:
        advice = "; quote it for the shell as one word" if error.message.startswith("not valid YAML:") else ""
        raise SuiteError(f"{kind} {short(text)}: {error.message}{advice}") from None
    except ValidationError as error:
        raise SuiteError(f"{kind} {short(text)}: {message(error.errors()[0]['msg'])}") from None


def _built(kind: registry.Kind, named: Named, text: str) -> Any:
    try:
        return construct(kind, named)
    except SuiteError as error:
        raise SuiteError(f"{kind} {short(text)}: {error.message}") from None
