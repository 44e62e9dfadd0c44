"""Digests of the sources of modules, found and read without importing them."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

from qbench.registry.modules import file_of, imports_of, parsed, top_of, versioned
from qbench.storage.files import digest

_NOT_NUMERIC = {
    *("qbench", "qbench.errors", "qbench.cards.lookup", "qbench.storage.shipped"),
    *("qbench.registry", "qbench.registry.entries", "qbench.registry.plugins"),
}


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
        waiting.extend(each for each in imports_of(name) if top_of(each) in {top_of(name), "qbench"} and file_of(each))
    return frozenset(found)


def origin(module: str) -> str | None:
    """What tells what a module does: nothing more where every key has its version, the list of contents of an installed
    package, else sources; None where there are none."""
    if versioned(module):
        return ""
    if installed := _installed(top_of(module)):
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
    return hashlib.blake2b(ast.dump(_without_docstrings(parsed(file))).encode(), digest_size=16).hexdigest()


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
