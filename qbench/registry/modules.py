"""The sources of modules and what they import, found and read without importing them."""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

_VERSIONED = {"torch", "torchvision", "timm", "numpy", "PIL", "builtins"}
_STDLIB = Path(sysconfig.get_path("stdlib"))


@cache
def file_of(module: str) -> Path | None:
    """The source file of a module, found without importing it; None where there is none."""
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if file is not None:
        return Path(file) if file.endswith(".py") else None
    if loaded is not None and getattr(loaded, "__spec__", None) is None:
        return None  # a notebook, an interpreter's prompt, `python -c`
    parent, _, name = module.rpartition(".")
    if not parent:
        spec = _spec(name)
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    choices = (file for folder in _folders(parent) for file in (folder / f"{name}.py", folder / name / "__init__.py"))
    return next((choice for choice in choices if choice.is_file()), None)


@cache
def _folders(package: str) -> tuple[Path, ...]:
    """Where the modules of a package lie; several folders for a package without an `__init__.py`."""
    loaded = getattr(sys.modules.get(package), "__path__", None)
    if loaded is not None:
        return tuple(map(Path, loaded))
    parent, _, name = package.rpartition(".")
    if not parent:
        return tuple(map(Path, getattr(_spec(name), "submodule_search_locations", None) or ()))
    return tuple(folder / name for folder in _folders(parent) if (folder / name).is_dir())


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


@cache
def imports_of(module: str) -> tuple[str, ...]:
    """What the statements of a module import, as full names; not what only type checkers import.

    A name that is imported from a module stands here as `module.name` too: it may be a module itself."""
    file = file_of(module)
    if file is None:
        return ()
    names: list[str] = []
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in statements(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names.append(base)
            names.extend(f"{base}.{alias.name}" for alias in node.names)
    return tuple(names)


def statements(block: ast.AST) -> Iterator[ast.stmt]:
    """Every statement in a block and in the blocks inside it; expressions hold no imports."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        if name == "body" and isinstance(block, ast.If) and _for_type_checkers(block.test):
            continue
        inner = getattr(block, name, ())
        for statement in inner if isinstance(inner, list) else ():
            yield statement
            yield from statements(statement)


def _for_type_checkers(test: ast.expr) -> bool:
    return (test.id if isinstance(test, ast.Name) else getattr(test, "attr", "")) == "TYPE_CHECKING"


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
            waiting.extend([*imports_of(name), *packages_of(name)])
        seen.add(name)
    return False


def packages_of(module: str) -> Iterator[str]:
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
