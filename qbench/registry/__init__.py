"""Everything that a suite can name: the decorators that declare it, and how it is looked up by name."""

from qbench.registry.entries import (
    KINDS,
    Entry,
    Kind,
    condition,
    dataset,
    get,
    load_builtin,
    method,
    metric,
    model,
    names,
    recipe,
    task,
)
from qbench.registry.plugins import load_file, load_plugins, reaches_workers

__all__ = [
    "KINDS",
    "Entry",
    "Kind",
    "condition",
    "dataset",
    "get",
    "load_builtin",
    "load_file",
    "load_plugins",
    "method",
    "metric",
    "model",
    "names",
    "reaches_workers",
    "recipe",
    "task",
]
