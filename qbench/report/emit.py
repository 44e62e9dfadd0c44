"""Where a rendered report goes: the terminal, standard output, or files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from qbench.errors import QbenchError
from qbench.report.build import FORMATS, render, write
from qbench.report.leaderboard import Report


def emit(made: Report, formats: Sequence[str], out: Path | None) -> None:
    """Files into `out` (all formats unless some are named), else text to standard output. Raises QbenchError."""
    if out is not None:
        files = write(made, out, [form for form in FORMATS if not formats or form in formats])
        sys.stdout.write("".join(f"{file}\n" for file in files))
    if "terminal" in formats or (out is None and not formats):
        from rich.console import Console

        from qbench.report.render.terminal import show

        show(made, Console())
    if out is None:
        if "png" in formats:
            raise QbenchError("a picture cannot be printed; add --out FOLDER")
        for form in FORMATS:
            if form in formats:
                sys.stdout.write(render(made, form))
