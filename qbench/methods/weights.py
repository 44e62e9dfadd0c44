"""What trained methods share: finding out which weights they are given."""

from __future__ import annotations

from pathlib import Path

from qbench.errors import NotApplicable
from qbench.vocabulary import Setup


def weights_for(method: str, given: Path | None, setup: Setup) -> Path:
    """The file given to the method, else the one of the suite or its card. Raises NotApplicable where there is none."""
    file = given or setup.weights
    if file is None:
        raise NotApplicable(f"{method} has no weights for this model and data; `qbench train {method}` makes them")
    return file
