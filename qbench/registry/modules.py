"""The sources of modules and what they import, found and read without importing them."""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

_VERSIONED = {"torch", "torchvision", "timm", "numpy", "PIL", "builtins"}
_STDLIB = Path(sysconfig.get_path("stdlib"))


@cache
def file_of(module: str) -> Path | None:
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
    package = file_of(parent)
    if package is None or package.name != "__init__.py":
        return None
    choices = (package.parent / f"{name}.py", package.parent / name / "__init__.py")
    return next((choice for choice in choices if choice.is_file()), None)


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


def imports_of(module: str) -> list[str]:
    file = file_of(module)
    if file is None:
        return []
    names: list[str] = []
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in _statements(parsed(file)):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names.append(base)
            names.extend(f"{base}.{alias.name}" for alias in node.names)
    return names


def _statements(block: ast.AST) -> Iterator[ast.AST]:
    """Every statement in a block and in the blocks inside it; expressions hold no imports."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(block, name, ())
        for statement in inner if isinstance(inner, list) else ():
            yield statement
            yield from _statements(statement)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    base = ".".join(parents[: len(parents) - node.level + 1])
    return f"{base}.{node.module}" if node.module else base


def leads_to(modules: Iterable[str], wanted: str) -> bool:
    """Whether the import of `modules` imports `wanted` too, as far as statements tell; never so for the `__main__` of
    this process, which is another one elsewhere.

    They are followed through what this process has loaded, which is all that they load, and not into qbench."""
    seen: set[str] = set()
    waiting = deque(modules)
    while waiting:
        name = waiting.popleft()
        if name == wanted != "__main__":
            return True
        if name in sys.modules and name not in seen and top_of(name) != "qbench" and not versioned(name):
            waiting.extend([*imports_of(name), *_packages(name)])
        seen.add(name)
    return False


def _packages(module: str) -> Iterator[str]:
    """Those that a module lies in, which are imported before it."""
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def top_of(module: str) -> str:
    return module.partition(".")[0]


@cache
def versioned(module: str) -> bool:
    """Whether the versions of Python and of the libraries in every key tell all of a module."""
    top = top_of(module)
    if top in _VERSIONED:
        return True
    file = getattr(sys.modules.get(top), "__file__", None)
    return top in sys.stdlib_module_names and (file is None or Path(file).is_relative_to(_STDLIB))
