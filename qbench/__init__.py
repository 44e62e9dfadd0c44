"""qbench: what happens to a vision model when its pictures are degraded, and what helps.

Nothing here loads torch; `qbench.run` does when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qbench.registry import condition, dataset, method, metric, model, task

if TYPE_CHECKING:
    from qbench.api import Results, run

__version__ = "0.1.0"
__all__ = ["Results", "__version__", "condition", "dataset", "method", "metric", "model", "run", "task"]


def __getattr__(name: str) -> Any:
    if name in {"run", "Results"}:
        from qbench import api

        return getattr(api, name)
    raise AttributeError(f"module 'qbench' has no attribute {name!r}")
