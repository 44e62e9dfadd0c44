"""Does a committed page say what its records say?"""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

from qbench.errors import QbenchError
from qbench.report.leaderboard import Report
from qbench.report.render import PICTURE, RENDERERS
from qbench.storage.files import Damaged, content_of


def difference(report: Report, file: Path) -> str:
    """A unified diff from the Markdown in `file` to the report's; empty where they agree.

    Whether the page links to its picture is taken from the file: a picture may be left out. Raises QbenchError."""
    try:
        there = content_of(file).decode()
    except (OSError, ValueError, Damaged) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise QbenchError(f"{file} cannot be compared: {reason}; give a Markdown page made by qbench report") from None
    picture = RENDERERS[PICTURE].file
    ours = RENDERERS["md"].render(replace(report, picture=picture if f"]({picture})" in there else ""))
    lines = difflib.unified_diff(
        there.splitlines(keepends=True), str(ours).splitlines(keepends=True), str(file), "from the records"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
