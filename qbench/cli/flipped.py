"""Pictures of the samples that a check found lost."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from qbench.storage.files import write_bytes, write_text

if TYPE_CHECKING:
    from qbench.gate.check import Checked
    from qbench.report.source import Loaded

WORST = 8
"""Samples of each cell that are drawn at most: those whose right class lost most of its likelihood."""
INDEX = "pictures.csv"
FIELDS = ("file", "task", "dataset", "view", "condition", "model", "method", "train_seed", "id", "likelihood_change",
          "facts")  # fmt: skip
_LONGEST = 60


def write_lost(checked: Checked, now: Loaded, folder: Path) -> int:
    """Write the worst lost samples of each cell as its model was given them, before any method, and an index. Returns
    how many there are. Raises DataError where the data is not there any more, StoreError where the disk refuses."""
    from PIL import Image as Pillow

    from qbench.pictures.again import Again
    from qbench.report.render.tidy import cell as plain_cell

    again = Again(now.info.sources, now.info.seed)
    cells = {result.cell.in_tables: result.cell for result in now.info.cells}
    rows = []
    for number, flips in enumerate((flips for flips in checked.flips if flips.lost), start=1):
        cell = cells[flips.cell]
        inside = f"{number:03d}-{_safe(cell.condition.label)}-{_safe(cell.model.label)}-{_safe(cell.method.label)}"
        for place, flip in enumerate(flips.lost[:WORST], start=1):
            content = io.BytesIO()
            Pillow.fromarray(again(cell, flip.position, flip.id)).save(content, "PNG")
            file = f"{inside}/{place:02d}-{_safe(flip.id)}.png"
            write_bytes(folder / file, content.getvalue())
            rows.append((file, *flips.cell, flip.id, f"{flip.change:.6g}", flip.facts))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows([plain_cell(value) for value in row] for row in rows)
    write_text(folder / INDEX, out.getvalue())
    return len(rows)


def _safe(text: str) -> str:
    """Text as part of a file's name, on any system."""
    return re.sub(r"[^A-Za-z0-9_.@-]+", "_", text)[-_LONGEST:]
