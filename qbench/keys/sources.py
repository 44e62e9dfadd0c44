"""What tells what code does: source files, and the versions of installed packages.

The rule: what has source files is told by those files and by the files that they import; an installed package that they
import is told by its name and version; what has no source (a prompt, a notebook) is told by the `version` of its
decorator, and without one it is computed anew in each process."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from contextlib import suppress
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from qbench.registry import Entry
from qbench.registry.modules import file_of, imports_of, packages_of, statements, top_of, versioned

_DECIDES_NO_NUMBER = ("qbench.errors", "qbench.storage", "qbench.registry", "qbench.cards")
"""Errors, files, names, and where weights lie, whose digest every key has."""
_CREATES = ("qbench.registry.create", "qbench.registry.named")
"""What turns names and parameters into objects: the part of the registry that can change a number."""
_SITE_PACKAGES = tuple({Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")})


@cache
def code_of_modules(*modules: str) -> dict[str, Any]:
    """What tells what these modules do, as plain data for a key: digests of source files and versions of packages.

    Comments, docstrings, layout and the texts of errors do not count, nor does the name of a plug-in's own module."""
    label = {file_of(module): "" for module in modules if top_of(module) != "qbench"}
    names = closure(*modules)
    files = {label.get(file_of(name), name): _file_digest(file) for name in names if (file := file_of(name))}
    return {"sources": {name: files[name] for name in sorted(files)}, "packages": _packages(modules, names)}


def code_of_entry(entry: Entry) -> dict[str, Any]:
    """What tells what a declared class or function does; see the rule above."""
    if file_of(entry.module) is not None or versioned(entry.module):
        return code_of_modules(entry.module)
    return {"declared": entry.facts.get("version") or entry.declaration}


@cache
def closure(*modules: str) -> frozenset[str]:
    """`modules` and all with source files that they import, directly or through others; not what decides no number,
    nor installed packages, but for the one that a module is part of itself."""
    names: set[str] = set()
    waiting = [(module, top_of(module)) for module in modules]
    while waiting:
        name, home = waiting.pop()
        if name in names or _decides_no_number(name) or versioned(name):
            continue
        names.add(name)
        imported = [*imports_of(name), *(packages_of(name) if top_of(name) != "qbench" else ())]
        waiting.extend((other, home) for other in imported if _is_followed(other, home))
    return frozenset(names)


def _is_followed(module: str, home: str) -> bool:
    file = file_of(module)
    return file is not None and (top_of(module) in {"qbench", home} or not _is_installed(file))


def _is_installed(file: Path) -> bool:
    return any(file.is_relative_to(folder) for folder in _SITE_PACKAGES)


def _decides_no_number(module: str) -> bool:
    inside = any(module == room or module.startswith(f"{room}.") for room in _DECIDES_NO_NUMBER)
    return module == "qbench" or (inside and module not in _CREATES)


def installed_package(module: str) -> str:
    """`name==version` of the installed package that a module belongs to; empty for a module of a local folder."""
    file = file_of(module)
    if file is None or not _is_installed(file):
        return ""
    return ", ".join(f"{name}=={number}" for name, number in _versions(top_of(module)).items())


def _packages(modules: tuple[str, ...], names: frozenset[str]) -> dict[str, str]:
    """Versions of the installed packages that the sources of a plug-in import. Those that qbench's own code imports are
    told by the parts that use them."""
    homes = {"qbench", *map(top_of, modules)}
    imported = {top_of(other) for name in names if top_of(name) != "qbench" for other in imports_of(name)}
    by_package = [_versions(top) for top in sorted(imported - homes) if not versioned(top)]
    return {name: number for versions in by_package for name, number in versions.items()}


@cache
def _versions(top: str) -> dict[str, str]:
    """The installed distributions that bring a top-level module, with their versions."""
    return {name: version(name) for name in sorted(set(packages_distributions().get(top, ())))}


@cache
def _file_digest(file: Path) -> str:
    source = file.read_bytes()
    with suppress(RecursionError):  # an expression of very many parts: the file as it is tells it too
        source = ast.dump(numeric_part(ast.parse(source))).encode()
    return hashlib.blake2b(source, digest_size=16).hexdigest()


def numeric_part(tree: ast.Module) -> ast.Module:
    """`tree` without what changes no number: docstrings, what `raise` gives to an error, and the texts of a function
    that nothing but such an error reads."""
    for node in (tree, *statements(tree)):
        if isinstance(node, ast.Raise):
            node.exc = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            node.cause = None
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _docstring(node):
            node.body = node.body[1:]
    for node in statements(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _leave_out_texts(node)
    return tree


def _docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _leave_out_texts(function: ast.AST) -> None:
    """Empty the texts that are assigned to names which the function never reads, now that no error reads them."""
    if not any(isinstance(statement, ast.Raise) for statement in statements(function)):
        return
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _is_text(node.value):
            targets = node.targets
            if all(isinstance(target, ast.Name) and target.id not in read for target in targets):
                node.value = ast.Constant("")


def _is_text(value: ast.expr) -> bool:
    if isinstance(value, ast.IfExp):
        return _is_text(value.body) and _is_text(value.orelse)
    if isinstance(value, ast.BinOp):
        return _is_text(value.left) and _is_text(value.right)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return _is_text(value.func.value)  # "; ".join(...)
    return isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str))
