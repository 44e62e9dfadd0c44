"""What trained methods share: finding out which weights they are given."""

from __future__ import annotations

from pathlib import Path

from qbench.errors import NotApplicable
from qbench.vocabulary import Setup


def given_weights(method: str, own: Path | None, setup: Setup) -> Path:
    """The file named in the suite, or the one that the card leads to. Raises NotApplicable where there is neither."""
    found = own or setup.weights
    if found is None:
        raise NotApplicable(f"{method} has no weights for this model and data; `qbench train {method}` makes them")
    return found
