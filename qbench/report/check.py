"""Does a committed page say what its records say?"""

from __future__ import annotations

import difflib
from pathlib import Path

from qbench.errors import QbenchError
from qbench.report.build import FILES, render
from qbench.report.leaderboard import Report


def difference(made: Report, file: Path) -> str:
    """A unified diff from the Markdown in `file` to the report's; empty where they agree.

    Whether the page links to its picture is taken from the file: a picture may be left out. Raises QbenchError."""
    try:
        there = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QbenchError(f"{file} cannot be compared: {error}; give a Markdown page made by qbench report") from None
    picture = FILES["png"]
    ours = render(made, "md", picture if f"]({picture})" in there else None)
    lines = difflib.unified_diff(
        there.splitlines(keepends=True), ours.splitlines(keepends=True), str(file), "from the records"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
