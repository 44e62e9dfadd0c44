"""Which trainings a suite asks for, and which methods it compares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qbench.errors import SuiteError, nearest
from qbench.registry.named import Named
from qbench.suite.schema import Suite, TaskSpec


def train_seeds(spec: TaskSpec, method: Named) -> Sequence[int]:
    """The trainings of a method: its own `train_seeds`, else the task's. Raises SuiteError with their path."""
    seeds = method.params.get("train_seeds", spec.train_seeds)
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
        text = f"'train_seeds' is a list of whole numbers from 0 on, at least one, not {seeds!r}"
        raise SuiteError(text, path=method.path("train_seeds"))
    return seeds


def check_controls(suite: Suite, methods: Iterable[str]) -> None:
    """Raise SuiteError for a control, or a method compared with it, that is not among the labels of the methods."""
    known = set(methods)
    for number, spec in enumerate(suite.controls):
        named = [(("control",), spec.control), *((("methods", i), name) for i, name in enumerate(spec.methods))]
        for where, name in named:
            if name not in known:
                text = f"no method of this suite is named {name!r} in tables{nearest(name, known)}"
                raise SuiteError(text, path=("controls", number, *where))
