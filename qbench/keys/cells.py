"""The parts of a cell, and what of them decides its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qbench import registry
from qbench.cards import lookup as cards
from qbench.degrade.drawn import inner
from qbench.documents.load import Document, KeyPath
from qbench.errors import QbenchError
from qbench.keys import sources
from qbench.keys import versions as fingerprints
from qbench.keys.live import contents
from qbench.registry.modules import file_of
from qbench.registry.named import Named
from qbench.storage.files import digest, sha256
from qbench.suite.construct import RESERVED


@dataclass(frozen=True)
class Part:
    """One object of the suite with its name, its label and the key path that it stands at."""

    named: Named
    target: Any
    entry: registry.Entry
    label: str
    path: KeyPath

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What the object says of itself, asked once: a live network reads all of its weights for it."""
        cards.check_made(getattr(self.target, "weights", None))
        found: Mapping[str, Any] = self.target.identity()
        return found

    @cached_property
    def without_file(self) -> list[str]:
        """What it runs that was declared at a prompt, in a notebook and the like, where no source can be read."""
        return [contents(entry.target) for entry in entries_of(self) if file_of(entry.module) is None]


def metric_facts(part: Part, document: Document) -> list[Any]:
    """What decides a metric's numbers. Raises QbenchError with the place in the suite."""
    own = identity_of(part, document) if hasattr(part.target, "identity") else {}
    return [part.named.model_dump(), fingerprints.plain(own), *_files_in(part.named.params)]


def condition_facts(condition: Part) -> list[Any]:
    """What decides what a condition does: parameters, and the contents of files that they name."""
    params = condition.named.params
    return [condition.named.name, fingerprints.plain(params), *_files_in(params)]


def method_facts(method: Part, document: Document) -> list[Any]:
    """What decides what a method does, apart from the weights of its card: parameters, the contents of files that they
    name, and of one that runs a model, which."""
    params = {key: value for key, value in method.named.params.items() if key not in RESERVED}
    own = [fingerprints.plain(identity_of(method, document))] if hasattr(method.target, "identity") else []
    return [method.named.name, fingerprints.plain(params), *_files_in(params), *own]


def _files_in(value: Any) -> Iterator[str]:
    """The sha256 of every file that parameters name, in lists and mappings too."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _files_in(item)
    elif isinstance(value, str | Path) and _is_file(value):
        yield sha256(Path(value))


def _is_file(value: str | Path) -> bool:
    """Most texts are no names of files, and some could not be."""
    try:
        return Path(value).is_file()
    except (OSError, ValueError):
        return False


def identity_of(part: Part, document: Document) -> Mapping[str, Any]:
    """All that decides a model's predictions apart from code. Raises QbenchError with the place in the suite."""
    try:
        return part.identity
    except QbenchError as error:
        raise type(error)(error.message, place=error.place or document.place(part.path)) from None


def code_of(*parts: Part) -> str:
    """Digest of the code of these parts and of the path that they run on."""
    return _code([], parts)


def cell_code(task: registry.Entry, *parts: Part) -> str:
    """Digest of the code that a cell runs."""
    return _code([task.module, task.target.predict], parts)


def _code(modules: Sequence[str], parts: Sequence[Part]) -> str:
    own = [entry.module for part in parts for entry in entries_of(part)]
    own += [type(part.target).__module__ for part in parts if inner(part.target)]
    of_files = sources.code_digest([*own, *modules, "qbench.compute.pipeline"])
    declared = [part.without_file for part in parts if part.without_file]
    return digest([of_files, *declared]) if declared else of_files


def libraries_of(condition: Part) -> dict[str, str]:
    """Versions of what decides every result, and of the codecs and libraries of this condition."""
    names = {name for entry in entries_of(condition) for name in entry.facts.get("libraries", ())}
    return {name: fingerprints.library_version(name) for name in names} | fingerprints.library_versions()


def entries_of(part: Part) -> list[registry.Entry]:
    """The part's own entry and, for a composite one, those that it runs through."""
    return [part.entry, *inner(part.target)]
