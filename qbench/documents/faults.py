"""What is wrong with a file's data, as one sentence with its place and the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from qbench.documents.class_keys import field_at, home_of, keys_at
from qbench.documents.load import Document
from qbench.errors import KeyPath, SuiteError, nearest, short
from qbench.registry.value_types import KINDS, misfits

M = TypeVar("M", bound=BaseModel)
_UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument", "invalid_key"}
_MISSING = {"missing", "missing_argument"}
_WORDS = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), f"expected {KINDS[int]}"),
    **dict.fromkeys(("float_type", "float_parsing"), f"expected {KINDS[float]}"),
    **dict.fromkeys(("bool_type", "bool_parsing"), f"expected {KINDS[bool]}"),
    **dict.fromkeys(("list_type", "tuple_type"), "expected a list"),
    **dict.fromkeys(("dict_type", "model_type", "dataclass_type"), "expected keys with their values"),
    "path_type": "expected a path",
    "string_type": f"expected {KINDS[str]}",
}
_QUOTED = re.compile(r"'([^']*)'")
_PREFIX = re.compile(r"^(Value error|Assertion failed), ")


def validated(model: type[M], document: Document) -> M:
    """`document` as `model`. Raises SuiteError for its first fault, at its place, with the nearest valid key."""
    with document.at():
        return fitted(model, document.data)


def fitted(model: type[M], data: Any) -> M:
    """`data` as `model`. Raises SuiteError for its first fault, with its path in the data."""
    try:
        result = model.model_validate(data)
    except ValidationError as error:
        raise explain(error, data, kind=model) from None
    for path, text in misfits(data, result):
        raise SuiteError(text, path=path)
    return result


def explain(error: ValidationError, data: Any, *, kind: Any = None, known: Iterable[str] = ()) -> SuiteError:
    """The first fault of a validation of `data` as one sentence, with its path in the data.

    `kind` is the class that the data was to become, and `known` the keys that it may have where the class does not
    say."""
    first, shown = _first([(fault, _existing(fault["loc"], data)) for fault in error.errors(include_url=False)])
    if first["type"] in _UNKNOWN:
        text = _unknown(first["loc"], kind, known)
    elif first["type"] in _MISSING:
        text = _missing(first["loc"], kind)
    elif first["type"] == "value_error":
        text = message(first["msg"])
    else:
        text = _unfit(first, shown)
    return SuiteError(text, path=shown)


def message(text: str) -> str:
    """What a validator said, without what pydantic puts in front."""
    return _PREFIX.sub("", text)


def _first(faults: Sequence[tuple[ErrorDetails, KeyPath]]) -> tuple[ErrorDetails, KeyPath]:
    """Unknown keys come first: they tell why another is missing. Text that fits none of several types is measured by
    the words that it might be."""
    unknown = next((pair for pair in faults if pair[0]["type"] in _UNKNOWN), None)
    if unknown is not None:
        return unknown
    first, shown = faults[0]
    same = (pair for pair in faults if pair[1] == shown and isinstance(pair[0]["input"], str))
    return next((pair for pair in same if pair[0]["type"] == "literal_error"), (first, shown))


def _unknown(loc: KeyPath, kind: Any, known: Iterable[str]) -> str:
    key = str(loc[-1])
    home = home_of(kind, key)
    if home:
        return f"unknown key {key!r} here; it belongs under `{home}`"
    return f"unknown key {key!r}{nearest(key, keys_at(kind, loc[:-1]) or known)}"


def _missing(loc: KeyPath, kind: Any) -> str:
    field = field_at(kind, loc)
    example = f", such as `{loc[-1]}: {field.examples[0]}`" if field is not None and field.examples else ""
    return f"key {str(loc[-1])!r} is missing{example}"


def _unfit(fault: ErrorDetails, shown: KeyPath) -> str:
    """The innermost key that is written in the file stands for the value, not what pydantic calls its type."""
    keys = [part for part in shown if isinstance(part, str)]
    name = keys[-1] if keys else str(fault["loc"][-1]) if fault["loc"] else ""
    text, given = message(fault["msg"]), fault["input"]
    near = nearest(given, _QUOTED.findall(text)) if isinstance(given, str) else ""
    return f"{name!r}: {_WORDS.get(fault['type'], text[:1].lower() + text[1:])}, not {short(given)}{near}"


def _existing(path: KeyPath, data: Any) -> KeyPath:
    """`path` without the parts that pydantic adds for unions and functions."""
    kept: list[str | int] = []
    for part in path:
        known = range(len(data)) if isinstance(data, list) else data if isinstance(data, dict) else ()
        if part in known:
            data = data[part]
            kept.append(part)
    return tuple(kept)
