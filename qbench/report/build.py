"""From a run to a report."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from qbench.report.declared import tables_of
from qbench.report.grid import Grids
from qbench.report.leaderboard import Report
from qbench.report.protocol import with_protocols
from qbench.report.source import Loaded, load
from qbench.runs.run_info import RunInfo


def build(run: Path) -> Report:
    """The report of a run directory or an export. Raises StoreError that names the damaged file."""
    return report(load(run))


def report(loaded: Loaded) -> Report:
    """The tables that the suite asks for, and one by condition where some conditions fit in no other."""
    info, grids = loaded.info, Grids(loaded)
    tables = with_protocols(info, tables_of(grids))
    return Report(
        info.suite, info.title, info.version, info.command, _provenance(info), tables, dict(info.environment),
        faults=tuple(dict.fromkeys(grids.faults)), pending=sum(result.status == "pending" for result in info.cells),
    )  # fmt: skip


SEVERAL = "last bits may differ between them"
"""Said of records that come from several processors."""


def _provenance(info: RunInfo) -> tuple[tuple[str, str], ...]:
    """Datasets with their denominators, cells by status, weights, and the environment, in a fixed order."""
    cells = [result.cell for result in info.cells]
    sizes = dict.fromkeys((cell.dataset.label, cell.view.label, cell.samples) for cell in cells)
    status = ", ".join(f"{count} {name}" for name, count in Counter(result.status for result in info.cells).items())
    weights = dict.fromkeys(
        (cell.method.label, cell.model.label, cell.train_seed, cell.weights_sha256)
        for cell in cells
        if cell.weights_sha256
    )
    return (
        *(("data", f"{dataset}, {view}: {samples} samples") for dataset, view, samples in sizes),
        ("cells", f"{len(cells)} ({status})"),
        ("seed", str(info.seed)),
        *(
            ("weights", f"{method} on {model}, train_seed {seed}: sha256 {digest[:16]}")
            for method, model, seed, digest in weights
        ),
        *([("computed by", f"{'; '.join(info.computed_by)} ({SEVERAL})")] if len(info.computed_by) > 1 else ()),
        *((name, plain(value)) for name, value in sorted(info.environment.items())),
    )


def plain(value: Any) -> str:
    """A fact of the environment as text."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(inner)}" for name, inner in sorted(value.items()))
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
