"""What the columns of records can hold. Numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = {"U": "text", "iu": "whole numbers", "f": "numbers", "fiu": "numbers"}
INFINITY = float("inf")


@dataclass(frozen=True)
class Domain:
    """Values of one kind (numpy's letters) from `low` to `high`; NaN is none of them, and always let through."""

    kind: str
    low: float = -INFINITY
    high: float = INFINITY
    lists: bool = False
    """Whether each sample has a list of them."""

    def fault(self, values: NDArray[Any]) -> str:
        """What is wrong with a column, and what is expected; empty where it fits."""
        if self.lists != (values.dtype == object or values.ndim == 2):
            return f"{'single values' if self.lists else 'lists'}; expected {self}"
        parts = [part for part in values if len(part)] if values.dtype == object else [values]
        flat = parts[0] if len(parts) == 1 else np.concatenate(parts or [np.zeros(0)])
        if not flat.size:
            return ""
        if flat.dtype.kind not in self.kind:
            return f"values of type {flat.dtype}; expected {self}"
        if self.kind == "U":
            return ""
        if np.fmin.reduce(flat, axis=None) >= self.low and np.fmax.reduce(flat, axis=None) <= self.high:
            return ""
        outside = flat[(flat < self.low) | (flat > self.high)]
        return f"{outside[0]:g}; expected {self}" if len(outside) else ""

    def __str__(self) -> str:
        end = "on" if self.high == INFINITY else f"to {self.high:g}"
        bounds = "" if self.low == -INFINITY else f" from {self.low:g} {end}"
        return f"{'lists of ' if self.lists else ''}{KINDS[self.kind]}{bounds}"


ROUNDING = 1e-4
TEXT, INDEX, COUNT = Domain("U"), Domain("iu", -1), Domain("iu", 0)
MANY, MANY_COUNTS, MANY_FLAGS = Domain("f", lists=True), Domain("iu", 0, lists=True), Domain("iu", 0, 1, lists=True)
DOMAINS = {
    "id": TEXT, "group": TEXT, "facts": TEXT, "error": TEXT, "bpp": Domain("f", 0), "cell": COUNT,
    "target": INDEX, "prediction": INDEX, "rank": INDEX, "top5": Domain("iu", 0, lists=True),
    "confidence": Domain("f", 0, 1 + ROUNDING), "nll": Domain("f", -ROUNDING),
    "brier": Domain("f", -ROUNDING, 2 + ROUNDING),
    "tp": MANY_COUNTS, "fp": MANY_COUNTS, "fn": MANY_COUNTS,
    "det_corners": MANY, "det_scores": MANY, "det_labels": MANY_COUNTS,
    "gt_corners": MANY, "gt_labels": MANY_COUNTS, "gt_crowd": MANY_FLAGS, "gt_area": MANY,
    "labelled": Domain("iu", 0, 1),
}  # fmt: skip
"""By column; any other is the number of a metric of restoration."""
MEASURED = Domain("fiu")


def misfit(records: Mapping[str, NDArray[Any]]) -> str:
    """What is wrong with the first column that holds what it cannot; empty where all fit."""
    for name, values in records.items():
        if fault := DOMAINS.get(name, MEASURED).fault(values):
            return f"its column {name!r} holds {fault}"
    if "rank" in records and "target" in records and np.any((records["rank"] < 0) != (records["target"] < 0)):
        return "its column 'rank' holds ranks of samples without a target, or none of those with one"
    return ""
