"""Reading the JSON that runs leave on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from qbench.errors import StoreError, described
from qbench.runs import schema_version
from qbench.storage.files import Damaged, content_of

M = TypeVar("M", bound=BaseModel)


class _Versioned(BaseModel):
    schema_version: int | None = None


def read_json(file: Path, what: type[M], version: int) -> M:
    """What a file holds. Raises FileNotFoundError, Damaged, and StoreError for one of another schema version."""
    return _validated(file, content_of(file), what, version)


def read_entries(file: Path, what: type[M], version: int) -> list[M]:
    """What a file holds, one entry or a list of them. Raises as `read_json`."""
    content = content_of(file)
    if not content.lstrip().startswith(b"["):
        return [_validated(file, content, what, version)]
    with _damaged(file):
        for one in TypeAdapter(list[_Versioned]).validate_json(content):
            schema_version.check(file, one.schema_version, version)
        return TypeAdapter(list[what]).validate_json(content)  # type: ignore[valid-type]


def _validated(file: Path, content: bytes, what: type[M], version: int) -> M:
    with _damaged(file):
        schema_version.check(file, _Versioned.model_validate_json(content).schema_version, version)
        return what.model_validate_json(content)


@contextmanager
def _damaged(file: Path) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise Damaged(file, _first(error)) from None


def _first(error: ValidationError) -> str:
    """The first fault in one printable line, with its place where it has one."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    fault = problem["msg"].removeprefix("Value error, ")
    return described(StoreError(f"{place}: {fault}" if place else fault))
