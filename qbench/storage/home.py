"""Where qbench keeps what it makes for its user: runs, trained weights, fetched files."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "QBENCH_HOME"


def home() -> Path:
    """$QBENCH_HOME, by default ~/.cache/qbench."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "qbench"
