"""Digests of what decides a cell's result: sources, files, library and codec versions."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import marshal
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from qbench.degrade.codecs.versions import CODECS, codec_version

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow")
_DISTRIBUTIONS = {
    "opencv": ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")
}
_NOT_NUMERIC = {"qbench", "qbench.registry", "qbench.errors", "qbench.cards", "qbench.shipped"}


def digest(value: Any) -> str:
    """BLAKE2b of a JSON-able value, 32 hex digits; mappings in any order give the same digest."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def library_versions() -> dict[str, str]:
    """Versions of the libraries and codecs that take part in a result, none of them imported."""
    found = {name: _version(name) for name in LIBRARIES}
    found["libjpeg_turbo"] = library_version("libjpeg_turbo")
    found["python"] = platform.python_version()
    return found


@cache
def library_version(name: str) -> str:
    """Version of a library or codec by the name that conditions use for it; `none` where it is not installed."""
    if name in CODECS:
        return codec_version(name)
    found = (_version(each) for each in _DISTRIBUTIONS.get(name, (name,)))
    return next((version for version in found if version != "none"), "none")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def code_digest(modules: Iterable[str]) -> str:
    """Digest of the sources of `modules` and of all that they import from their own packages.

    Comments, docstrings and layout do not count. The registry and the errors do not either: they decide no number."""
    return digest({name: source_digest(name) for name in sorted(closure(frozenset(modules)))})


@cache
def closure(modules: frozenset[str]) -> frozenset[str]:
    """`modules` and the modules of their own top-level packages that they import, directly or through others."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name in _NOT_NUMERIC:
            continue
        found.add(name)
        waiting.extend(_imports(name))
    return frozenset(found)


def source_digest(module: str) -> str:
    file = _file(module)
    return _session_digest(module) if file is None else _file_digest(file)


@cache
def _file_digest(file: Path) -> str:
    return hashlib.blake2b(ast.dump(_without_docstrings(_parsed(file))).encode(), digest_size=16).hexdigest()


def _session_digest(module: str) -> str:
    """Of a module without a file, such as a notebook's `__main__`: the code of its own classes and functions."""
    found = sys.modules.get(module)
    own = [value for value in vars(found).values() if getattr(value, "__module__", "") == module] if found else []
    hashed = hashlib.blake2b(digest_size=16)
    for code in (code for value in own for code in _codes(value)):
        hashed.update(marshal.dumps(code, 2))  # later formats depend on reference counts
    return hashed.hexdigest()


def _codes(value: Any) -> Iterator[CodeType]:
    """The code of a function, or of the functions of a class, properties and the like among them."""
    for each in vars(value).values() if isinstance(value, type) else [value]:
        inner = getattr(each, "__func__", getattr(each, "fget", each))
        if isinstance(inner, FunctionType):
            yield inner.__code__
        elif isinstance(inner, type) and inner.__qualname__.startswith(f"{value.__qualname__}."):
            yield from _codes(inner)


def _imports(module: str) -> list[str]:
    file = _file(module)
    if file is None:
        return []
    found: list[str] = []
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in _statements(_parsed(file)):
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            found.append(base)
            found.extend(f"{base}.{alias.name}" for alias in node.names)
    top = module.partition(".")[0]
    return [name for name in found if name.partition(".")[0] in {top, "qbench"} and _file(name) is not None]


def _statements(block: ast.AST) -> Iterator[ast.AST]:
    """Every statement in a block and in the blocks inside it; expressions hold no imports."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(block, name, ())
        for each in inner if isinstance(inner, list) else ():
            yield each
            yield from _statements(each)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    base = ".".join(parents[: len(parents) - node.level + 1])
    return f"{base}.{node.module}" if node.module else base


@cache
def _file(module: str) -> Path | None:
    """The source file of a module, found without importing it."""
    there = sys.modules.get(module)
    loaded = getattr(there, "__file__", None)
    if loaded is not None:
        return Path(loaded) if loaded.endswith(".py") else None
    if there is not None and getattr(there, "__spec__", None) is None:
        return None  # a notebook, an interpreter's prompt, `python -c`
    parent, _, name = module.rpartition(".")
    if not parent:
        spec = importlib.util.find_spec(name)
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    package = _file(parent)
    if package is None or package.name != "__init__.py":
        return None
    choices = (package.parent / f"{name}.py", package.parent / name / "__init__.py")
    return next((choice for choice in choices if choice.is_file()), None)


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return tree


def plain(value: Any) -> Any:
    """A parameter as JSON-able data, for a key."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
