"""Reading YAML so that every later complaint can name file:line:col."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from qbench.errors import KeyPath, Place, QbenchError, SuiteError
from qbench.registry.value_types import FromVariable
from qbench.storage.home import VARIABLE, home

_PLAIN = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
DEEPEST = 100
"""How deeply lists and mappings may be nested; suites and cards need a tenth of that."""
MOST = 100_000
"""Values in a file, each alias counted as what it stands for; the largest card has some thousands."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


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
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise SuiteError("expected a mapping of keys at the top", place=Place(file, 1, 1))
        reader = _Reader(loader, file)
        return Document(reader.read(node, ()), reader.places)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        raise SuiteError(f"not valid YAML: {error.problem or error.context}", place=place) from None
    except yaml.YAMLError as error:
        raise SuiteError(f"not valid YAML: {error}", place=Place(file, 1, 1)) from None


if TYPE_CHECKING:
    from yaml import SafeLoader as _Safe
else:  # in C where PyYAML was built with it: cards are long, and every plan reads several
    _Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_Safe):
    """YAML 1.1 as PyYAML reads it safely, but `1e-3` is a number, as in YAML 1.2.

    Raises yaml.MarkedYAMLError where collections are nested too deeply: composing them in C would end the process."""

    def __init__(self, text: str) -> None:
        depth = 0
        for event in yaml.parse(text, Loader=_Safe):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                mark: Any = event.start_mark
                problem = f"lists or mappings are nested too deeply, more than {DEEPEST}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        super().__init__(text)


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


@dataclass
class _Reader:
    """From nodes to plain data, keeping the place of each key path."""

    loader: yaml.SafeLoader
    file: Path
    places: dict[KeyPath, Place] = field(default_factory=dict)
    around: list[yaml.Node] = field(default_factory=list)
    """The nodes that the present one stands in."""
    values: int = 0
    """How many were read."""

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        place = self.places.setdefault(path, self._place(node))
        self.values += 1
        if self.values > MOST:
            raise SuiteError(f"more than {MOST:,} values, those that aliases repeat among them", place=place)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN:
            raise SuiteError(f"not valid YAML for a suite: the tag {node.tag}", place=place)
        if any(node is outer for outer in self.around):
            raise SuiteError("an alias stands inside of what it names", place=place)
        if not isinstance(node, yaml.CollectionNode):
            try:
                value = self.loader.construct_object(node)
            except ValueError as error:  # such as the date 2026-02-31
                raise SuiteError(f"not valid YAML: {error}", place=place) from None
            return _expand(value, place) if isinstance(value, str) else value
        self.around.append(node)
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        finally:
            self.around.pop()

    def _list(self, node: yaml.CollectionNode, path: KeyPath) -> list[Any]:
        return [self.read(child, (*path, i)) for i, child in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[Any, Any]:
        built: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            here = self._place(key_node)
            key = self.loader.construct_object(key_node)
            if not isinstance(key, str | int):
                raise SuiteError(f"a key must be a word or a whole number, not {key!r}", place=here)
            if key in built:
                raise SuiteError(f"key {key!r} stands here a second time; keep one", place=here)
            self.places[*path, key] = here
            built[key] = self.read(value_node, (*path, key))
        return built

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)


def _expand(text: str, place: Place) -> str:
    """`text` with its variables filled in; a value that is one variable alone may stand for a number."""

    def fill(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        value = os.environ.get(name) or default
        if value is None and name == VARIABLE:
            value = str(home())
        if value is None:
            raise SuiteError(f"${{{name}}} is not set; set it, or write ${{{name}:-DEFAULT}}", place=place)
        return value

    filled = _VARIABLE.sub(fill, text)
    return FromVariable(filled) if _VARIABLE.fullmatch(text) else filled


def load_suite_document(file: Path) -> Document:
    """A suite file and, one level down, the one that it `extends`: mappings merge key by key, lists are replaced."""
    child = load_yaml(file)
    base_name = child.data.get("extends")
    if base_name is None:
        return child
    place = child.place(("extends",))
    if not isinstance(base_name, str):
        raise SuiteError(f"`extends` takes the path of one suite file, not {base_name!r}", place=place)
    base_file = file.parent / base_name
    if not base_file.is_file():
        raise SuiteError(f"`extends` names {base_name!r}, but {base_file} does not exist", place=place)
    base = load_yaml(base_file)
    if "extends" in base.data:
        raise SuiteError(f"{base_name} itself extends another suite; only one level is allowed", place=place)
    places = dict(base.places)
    data = merged(base.data, child.data, (), places)
    places.update(child.places)
    del data["extends"]
    return Document(data, places)


def merged(base: dict[str, Any], child: dict[str, Any], path: KeyPath, places: dict[KeyPath, Place]) -> dict[str, Any]:
    """`base` with what `child` says: mappings merge key by key, anything else is replaced, with its places."""
    whole = dict(base)
    for key, value in child.items():
        here = (*path, key)
        if isinstance(value, dict) and isinstance(whole.get(key), dict):
            whole[key] = merged(whole[key], value, here, places)
            continue
        whole[key] = value
        for old in [p for p in places if p[: len(here)] == here]:
            del places[old]
    return whole
