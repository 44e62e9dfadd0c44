"""Reading YAML so that every later complaint can name file:line:col."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qbench.documents.nodes import read
from qbench.documents.text import read_text
from qbench.errors import KeyPath, Place, QbenchError, SuiteError, short


@dataclass(frozen=True)
class Document:
    """Plain data, and the place in a file of each key path in it."""

    data: dict[str, Any]
    places: Mapping[KeyPath, Place]

    def place(self, path: KeyPath) -> Place | None:
        """The place of `path`, or of the nearest of its parents that stands in the file."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)

    @contextmanager
    def at(self, path: KeyPath = ()) -> Iterator[None]:
        """An error raised inside that has no place gets one: that of its own path below `path`."""
        try:
            yield
        except QbenchError as error:
            if error.place is None:
                error.place = self.place((*path, *error.path))
            raise


def load_yaml(file: Path) -> Document:
    """One YAML mapping, safely read; `${VAR:-default}` is filled in. Raises SuiteError with its place."""
    data, places = read(read_text(file), file)
    if not isinstance(data, dict):
        raise SuiteError("expected a mapping of keys at the top", place=Place(file, 1, 1))
    return Document(data, places)


def load_suite_document(file: Path) -> Document:
    """A suite file and, one level down, the one that it `extends`: mappings merge key by key, lists are replaced."""
    child = load_yaml(file)
    own = {key: value for key, value in child.data.items() if key != "extends"}
    base_name = child.data.get("extends")
    if base_name is None:
        return Document(own, child.places)
    with child.at(("extends",)):
        if not isinstance(base_name, str) or not base_name:
            raise SuiteError(f"`extends` takes the path of one suite file, not {short(base_name)}")
        base = load_yaml(file.parent / base_name)
        if "extends" in base.data:
            raise SuiteError(f"{short(base_name)} itself extends another suite; only one level is allowed")
    return merged(base, Document(own, child.places))


def merged(base: Document, child: Document) -> Document:
    """`base` with what `child` says: mappings merge key by key, anything else is replaced, with its places."""
    replaced: set[KeyPath] = set()
    data = _merged(base.data, child.data, (), replaced)
    kept = {path: place for path, place in base.places.items() if not _lies_below(path, replaced)}
    return Document(data, {**kept, **child.places})


def _merged(base: dict[Any, Any], child: dict[Any, Any], path: KeyPath, replaced: set[KeyPath]) -> dict[Any, Any]:
    whole = dict(base)
    for key, value in child.items():
        here = (*path, key)
        if isinstance(value, dict) and isinstance(whole.get(key), dict):
            whole[key] = _merged(whole[key], value, here, replaced)
        else:
            whole[key] = value
            replaced.add(here)
    return whole


def _lies_below(path: KeyPath, paths: set[KeyPath]) -> bool:
    return any(path[:length] in paths for length in range(1, len(path) + 1))
