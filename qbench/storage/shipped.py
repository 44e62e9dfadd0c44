"""Files that ship beside the code: baselines (cards, weights), suites, and reports as baselines."""

from __future__ import annotations

from pathlib import Path

from qbench.errors import QbenchError

PACKAGE = Path(__file__).resolve().parent.parent
ROOTS = (PACKAGE / "_shipped", PACKAGE.parent)
"""An installed wheel carries them inside the package; in a checkout they lie at the root of the repository."""


def shipped(relative: str) -> Path:
    """The shipped file or folder of that name, such as `baselines/weights/builtin-scenes.safetensors`.

    Raises QbenchError where this installation has none."""
    for root in ROOTS:
        if (root / relative).exists():
            return root / relative
    raise QbenchError(f"{relative} is not part of this installation; install qbench again or use a full checkout")
