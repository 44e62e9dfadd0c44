"""A user's own entries: by entry point (group `qbench`), by `plugins: [module]` in a suite, or by `--plugin FILE`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from qbench.errors import QbenchError, foreign
from qbench.registry.entries import Entry, load_builtin
from qbench.registry.importing import importing
from qbench.registry.modules import file_of, imports_of, leads_to, top_of

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
    """Import one plug-in file under the name `qbench_plugin_STEM`, once a process.

    What lies beside it can be imported by it, where nothing that is installed has that name."""
    name = f"{PLUGIN_FILE}{file.stem}"
    if name in sys.modules:
        return _same_file(sys.modules[name], file)
    with foreign(f"plugin file {file} cannot be read"):
        _check_file(file)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise QbenchError(f"plugin file {file} is no Python file")
    folder = str(file.parent.resolve())
    if folder not in sys.path:
        sys.path.append(folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with importing(f"plugin file {file}", f"what lies in {folder} can be imported", file=file):
            spec.loader.exec_module(module)
            _check_neighbours(name, Path(folder))
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _check_file(file: Path) -> None:
    if not file.exists():
        raise QbenchError(f"plugin file {file} does not exist")
    if not file.is_file() or file.suffix != ".py":
        raise QbenchError(f"plugin file {file} is not a file of Python source; expected NAME.py")


def _check_neighbours(plugin: str, folder: Path) -> None:
    """Raise QbenchError where the plug-in imports a module that lies beside it, and got one of that name that lies
    beside another plug-in."""
    homes = {Path(module.__file__).parent.resolve() for name, module in sys.modules.items()
             if name.startswith(PLUGIN_FILE) and module.__file__}  # fmt: skip
    for name in map(top_of, imports_of(plugin)):
        file, own = file_of(name), folder / f"{name}.py"
        if file is not None and own.is_file() and file.parent.resolve() in homes - {folder}:
            raise QbenchError(f"two plug-ins import a file {name}.py of their own: {file} and {own}; rename one")


def _same_file(module: ModuleType, file: Path) -> ModuleType:
    if module.__file__ is None or Path(module.__file__).resolve() != file.resolve():
        raise QbenchError(f"two plugin files are named {file.stem!r}: {module.__file__} and {file}; rename one")
    return module
