"""The parts of a cell, and what of them decides its result."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from qbench import registry
from qbench.cards import lookup as cards
from qbench.degrade.drawn import inner
from qbench.errors import KeyPath, QbenchError, below, foreign, short
from qbench.keys import versions as fingerprints
from qbench.keys.sources import code_of_entry, code_of_modules
from qbench.registry.create import own_params
from qbench.registry.named import Named, plain
from qbench.storage.files import sha256

COMPUTE = ("qbench.compute.shard", "qbench.degrade.drawn")
"""Where the path of every cell begins, and what makes its condition; all that they import is part of every key."""


@dataclass(frozen=True)
class Part:
    """One object of the suite with its name, its label and the key path that it has in its task."""

    named: Named
    target: Any
    entry: registry.Entry
    label: str
    path: KeyPath

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What the object says of itself, asked once: a live network reads all of its weights for it."""
        weights = getattr(self.target, "weights", None)
        cards.check_made(weights if isinstance(weights, Path) else None)
        identity: Mapping[str, Any] = self.target.identity()
        return identity


def metric_facts(part: Part) -> list[Any]:
    """What decides a metric's numbers, its label apart. Raises QbenchError with the part's path."""
    identity = identity_of(part) if hasattr(part.target, "identity") else {}
    code = [code_of_entry(entry) for entry in entries_of(part)]
    return [part.named.name, plain(part.named.params), code, plain(identity), *_files_of(part, part.named.params)]


def condition_facts(condition: Part) -> list[Any]:
    """What decides what a condition does: parameters, and the contents of files that they name."""
    params = condition.named.params
    return [condition.named.name, plain(params), *_files_of(condition, params)]


def method_facts(method: Part) -> list[Any]:
    """What decides what a method does, apart from the weights of its card: parameters, the contents of files that they
    name, and of one that runs a model, which."""
    params = own_params("method", method.named)
    identity = [plain(identity_of(method))] if hasattr(method.target, "identity") else []
    return [method.named.name, plain(params), *_files_of(method, params), *identity]


def _files_of(part: Part, params: Mapping[str, Any]) -> Iterator[str]:
    """The sha256 of every file that the parameters of a part name, those included that it has by default."""
    signature = inspect.signature(part.entry.schema).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in signature}
    yield from _files_in({**defaults, **params})


def _files_in(value: Any) -> Iterator[str]:
    """The sha256 of every file that parameters name, in lists and mappings too."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _files_in(item)
    elif isinstance(value, str | Path) and is_file(value):
        yield sha256(Path(value))


def is_file(value: str | Path) -> bool:
    """Most texts are no names of files, and some could not be."""
    try:
        return Path(value).is_file()
    except (OSError, ValueError):
        return False


def identity_of(part: Part) -> Mapping[str, Any]:
    """All that decides a model's predictions apart from code. Raises QbenchError with the part's path."""
    with below(*part.path), foreign(f"{part.entry.kind} {part.named.name!r} cannot be told from others"):
        identity = part.identity
        if not part.entry.builtin and not (isinstance(identity, Mapping) and _is_plain(identity)):
            raise QbenchError(
                f"identity gave {short(identity)}; expected a mapping of texts, numbers, lists and mappings"
            )
        return identity


def _is_plain(value: Any) -> bool:
    """Whether two that are equal look the same in every process."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str | int) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, str | int | float | Path | np.generic | None)


def code_of(*parts: Part) -> list[Any]:
    """What tells the code of these parts and of the path that they run on."""
    return [code_of_modules(*COMPUTE), *(code_of_entry(entry) for part in parts for entry in entries_of(part))]


def cell_code(task: registry.Entry, *parts: Part) -> list[Any]:
    """What tells the code that a cell runs."""
    return [code_of_modules(task.module, task.target.predict), *code_of(*parts)]


def libraries_of(condition: Part) -> dict[str, str]:
    """Versions of what decides every result, and of the codecs and libraries of this condition."""
    names = {name for entry in entries_of(condition) for name in entry.facts.get("libraries", ())}
    return {name: fingerprints.library_version(name) for name in names} | fingerprints.library_versions()


def entries_of(part: Part) -> list[registry.Entry]:
    """The part's own entry and, for a composite one, those that it runs through."""
    return [part.entry, *inner(part.target)]
