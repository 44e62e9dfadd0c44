"""Digests of the sources of modules, found and read without importing them."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

from qbench.storage.files import digest

_VERSIONED = {"torch", "torchvision", "timm", "numpy", "PIL", "builtins"}
_STDLIB = Path(sysconfig.get_path("stdlib"))
_NOT_NUMERIC = {"qbench", "qbench.registry", "qbench.errors", "qbench.cards.lookup", "qbench.storage.shipped"}


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
        waiting.extend(each for each in _imports(name) if _top(each) in {_top(name), "qbench"} and file_of(each))
    return frozenset(found)


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
        if name in sys.modules and name not in seen and _top(name) != "qbench" and not versioned(name):
            waiting.extend([*_imports(name), *_packages(name)])
        seen.add(name)
    return False


def _packages(module: str) -> Iterator[str]:
    """Those that a module lies in, which are imported before it."""
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _top(module: str) -> str:
    return module.partition(".")[0]


@cache
def versioned(module: str) -> bool:
    """Whether the versions of Python and of the libraries in every key tell all of a module."""
    top = _top(module)
    if top in _VERSIONED:
        return True
    file = getattr(sys.modules.get(top), "__file__", None)
    return top in sys.stdlib_module_names and (file is None or Path(file).is_relative_to(_STDLIB))


def origin(module: str) -> str | None:
    """What tells what a module does: nothing more where every key has its version, the list of contents of an installed
    package, else sources; None where there are none."""
    if versioned(module):
        return ""
    if installed := _installed(_top(module)):
        return digest([source_digest(module), installed])
    return code_digest([module]) if file_of(module) else None


@cache
def _installed(top: str) -> str:
    """Digest of the files of an installed package as its installer lists them; empty for what lies elsewhere."""
    file = file_of(top)
    if file is None or not file.is_relative_to(sysconfig.get_path("purelib")):
        return ""
    names = set(packages_distributions().get(top, ()))
    rows = [row for name in names for row in (distribution(name).read_text("RECORD") or "").splitlines()]
    return digest(sorted(row for row in rows if ",sha256=" in row and ".dist-info/" not in row and row[:2] != ".."))


def source_digest(module: str) -> str:
    file = file_of(module)
    return "" if file is None else _file_digest(file)


@cache
def _file_digest(file: Path) -> str:
    return hashlib.blake2b(ast.dump(_without_docstrings(_parsed(file))).encode(), digest_size=16).hexdigest()


def _imports(module: str) -> list[str]:
    file = file_of(module)
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
    return found


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
