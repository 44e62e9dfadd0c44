"""From the text of a file of YAML to plain data, with the place of each key path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from qbench.documents.text import forbidden
from qbench.errors import KeyPath, Place, SuiteError, foreign, short
from qbench.registry.value_types import FromVariable, unfit_number
from qbench.storage.home import VARIABLE, home

DEEPEST = 100
"""How deeply lists and mappings may be nested; suites and cards need a tenth of that."""
TOO_DEEP = f"lists or mappings are nested too deeply, more than {DEEPEST} levels"
MOST = 100_000
"""Values in a file, each alias counted as what it stands for; the largest card has some thousands."""
TOO_MANY = f"more than {MOST:,} values, those that aliases repeat among them"
LONGEST = 100_000
"""Characters of one text."""
_TAG = "tag:yaml.org,2002:"
_COLLECTIONS = {f"{_TAG}map", f"{_TAG}seq"}
_SCALARS = {f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null")}
_ADVICE = {
    f"{_TAG}merge": "merge keys (`<<`) are not taken; write the keys out, or use `extends`",
    f"{_TAG}timestamp": "this is read as a date; put it in quotes where it is text",
}
_OTHER_BASE = re.compile(r"[-+]?(0[0-7_]+|0b[01_]+|[0-9_]+(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Numbers that YAML 1.1 reads otherwise than they look: `010` is 8 there, and `1:30` is 90."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::-((?:(?!\$\{)[^}])*))?\}|\$\{")

if TYPE_CHECKING:
    from yaml import SafeLoader as _Safe
else:  # in C where PyYAML was built with it: cards are long, and every plan reads several
    _Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_Safe):
    """YAML 1.1 as PyYAML reads it safely, but `1e-3` is a number, as in YAML 1.2."""


Loader.add_implicit_resolver(f"{_TAG}float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789"))


def read(text: str, file: Path) -> tuple[Any, Mapping[KeyPath, Place]]:
    """The data that a text of YAML stands for, and the place of each key path in it; `${VAR:-default}` is filled in.

    Raises SuiteError with its place for what is no YAML, for what only YAML has (tags, merge keys, dates), and past the
    bounds above."""
    with _placed(Place(file, 1, 1)), foreign("not valid YAML", SuiteError), _marked(file):
        _check_bounds(text, file)
        loader = Loader(text)
        node = loader.get_single_node()
        reader = _Reader(loader, file)
        return (None if node is None else reader.read(node, ())), reader.places


@contextmanager
def _placed(place: Place) -> Iterator[None]:
    """An error raised inside that has no place gets this one."""
    try:
        yield
    except SuiteError as error:
        error.place = error.place or place
        raise


@contextmanager
def _marked(file: Path) -> Iterator[None]:
    """What YAML's own errors say, at the place that they mark."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else None
        raise SuiteError(f"not valid YAML: {error.problem or error.context}", place=place) from None


def _check_bounds(text: str, file: Path) -> None:
    """Before anything is built of it: composing what is nested deeply would end the process, in C."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_Safe):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        if depth > DEEPEST:
            problem = TOO_DEEP
        elif values > 2 * MOST:
            problem = TOO_MANY
        elif getattr(event, "tag", None) == "!":
            problem = _tagged("!")
        else:
            continue
        mark: Any = event.start_mark
        raise SuiteError(problem, place=Place(file, mark.line + 1, mark.column + 1))


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
            raise SuiteError(TOO_MANY, place=place)
        if any(node is outer for outer in self.around):
            raise SuiteError("an alias stands inside of what it names", place=place)
        if len(self.around) > DEEPEST:
            raise SuiteError(TOO_DEEP, place=place)
        if not isinstance(node, yaml.CollectionNode):
            value = self._scalar(node, place)
            return _filled(value, place) if isinstance(value, str) else value
        if node.tag not in _COLLECTIONS:
            raise SuiteError(_tagged(node.tag), place=place)
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
            key: Any = None if isinstance(key_node, yaml.CollectionNode) else self._scalar(key_node, here)
            if type(key) not in (str, int):
                what = "a list or a mapping" if isinstance(key_node, yaml.CollectionNode) else repr(key)
                raise SuiteError(f"a key must be a word or a whole number, not {what}", place=here)
            if key in built:
                raise SuiteError(f"key {key!r} stands here a second time; keep one", place=here)
            self.places[*path, key] = here
            built[key] = self.read(value_node, (*path, key))
        return built

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        """Text, a number, true, false or None. Raises SuiteError for anything else that YAML may hold."""
        text = node.value
        if len(text) > LONGEST:
            raise SuiteError(f"a text of {len(text):,} characters; at most {LONGEST:,} are taken", place=place)
        if node.tag not in _SCALARS:
            raise SuiteError(_ADVICE.get(node.tag) or _tagged(node.tag), place=place)
        if node.tag in {f"{_TAG}int", f"{_TAG}float"} and _OTHER_BASE.fullmatch(text):
            raise SuiteError(f"{text} is no plain decimal number; put it in quotes where it is text", place=place)
        with _placed(place), foreign(f"not valid YAML: {short(text)} is no {node.tag.removeprefix(_TAG)}", SuiteError):
            value = self.loader.construct_object(node)
        if isinstance(value, int | float) and (problem := unfit_number(value)):
            raise SuiteError(problem, place=place)
        return value

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)


def _tagged(tag: str) -> str:
    short_tag = tag.replace(_TAG, "!!")
    return f"not valid YAML for a suite or card: the tag {short_tag}; expected plain text, numbers, lists and mappings"


def _filled(text: str, place: Place) -> str:
    """`text` with its variables filled in; a value that is one variable alone may stand for a number."""

    def fill(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        if name is None:
            advice = "expected a variable's name, such as ${DATA} or ${DATA:-a/folder}"
            raise SuiteError(f"`${{` in {short(text)}: {advice}", place=place)
        value = os.environ.get(name) or default
        if value is None and name == VARIABLE:
            value = str(home())
        if value is None:
            raise SuiteError(f"${{{name}}} is not set; set it, or write ${{{name}:-DEFAULT}}", place=place)
        return value

    filled = _VARIABLE.sub(fill, text)
    if (found := forbidden(filled)) is not None:
        raise SuiteError(f"the character {found.group()!a} cannot stand in a text of a suite or card", place=place)
    return FromVariable(filled) if _VARIABLE.fullmatch(text) else filled
