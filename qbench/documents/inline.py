"""Names with parameters given on the command line, written as in a suite."""

from __future__ import annotations

from typing import Any, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from qbench import registry
from qbench.documents.construct import construct, entry_of, expanded
from qbench.documents.load import Loader
from qbench.errors import SuiteError
from qbench.registry.named import Named, NamedItem
from qbench.vocabulary import Condition, Dataset


def conditions(text: str) -> list[tuple[Named, Condition]]:
    """`jpeg: {quality: [25, 7]}` to its conditions, one for each value of a list. Raises SuiteError."""
    named = _named(text, "condition")
    items = expanded(entry_of("condition", named), named)
    if not items:
        raise SuiteError(f"condition {text!r}: a list is empty; expected at least one value")
    return [(item, cast(Condition, _built("condition", item, text))) for item in items]


def dataset(text: str) -> tuple[Named, Dataset]:
    """`scenes: {count: 9}` or `{name: csv, root: photos}` to the dataset. Raises SuiteError."""
    named = _named(text, "dataset")
    return named, cast(Dataset, _built("dataset", named, text))


def _named(text: str, kind: str) -> Named:
    try:
        return TypeAdapter(NamedItem).validate_python(yaml.load(text, Loader))
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or error
        raise SuiteError(f"{kind} {text!r} is not valid YAML: {problem}; quote it for the shell as one word") from None
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise SuiteError(f"{kind} {text!r}: {message}") from None


def _built(kind: registry.Kind, named: Named, text: str) -> Any:
    try:
        return construct(kind, named)
    except SuiteError as error:
        raise SuiteError(f"{kind} {text!r}: {error.message}") from None
