"""A user's own entries: by entry point (group `qbench`), by `plugins: [module]` in a suite, or by `--plugin FILE`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from qbench.errors import QbenchError
from qbench.registry.entries import Entry, load_builtin
from qbench.registry.importing import importing
from qbench.registry.modules import leads_to

PLUGIN_FILE = "qbench_plugin_"


def reaches_workers(entry: Entry, modules: Iterable[str]) -> bool:
    """Whether a process that imports the built-in entries, the installed entry points, plug-in files and `modules` gets
    to know this entry: it is declared below one of their packages, or in a module that one of them imports."""
    installed = (point.module for point in entry_points(group="qbench"))
    roots = [*installed, *modules]
    tops = {name.partition(".")[0] for name in ("qbench", *roots)}
    if entry.module.partition(".")[0] in tops or entry.module.startswith(PLUGIN_FILE):
        return True
    return leads_to([*roots, *(name for name in sys.modules if name.startswith(PLUGIN_FILE))], entry.module)


def load_plugins(modules: Iterable[str], files: Iterable[str | Path]) -> None:
    """Import the suite's `plugins` and every `--plugin FILE`; safe to call again in each worker.

    Raises QbenchError for one that is not there, or that raises anything while it is imported."""
    load_builtin()
    for name in modules:
        with importing(f"plugin {name!r}", "install it or use --plugin FILE"):
            importlib.import_module(name)
    for file in files:
        load_file(Path(file))


def load_file(file: Path) -> ModuleType:
    """Import one plug-in file under the name `qbench_plugin_STEM`, once a process."""
    name = f"{PLUGIN_FILE}{file.stem}"
    if name in sys.modules:
        return _same_file(sys.modules[name], file)
    spec = importlib.util.spec_from_file_location(name, file) if file.is_file() else None
    if spec is None or spec.loader is None:
        raise QbenchError(f"plugin file {file} does not exist or is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with importing(f"plugin file {file}"):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _same_file(module: ModuleType, file: Path) -> ModuleType:
    if module.__file__ is None or Path(module.__file__).resolve() != file.resolve():
        raise QbenchError(f"two plugin files are named {file.stem!r}: {module.__file__} and {file}; rename one")
    return module
