"""Write the `run.json` of exports again, as of schema version 3: with the tables that their suites ask for now and,
where a suite can be planned here on the same samples with the same weights, with the protocols of its cells. No figure
changes.

python tools/refresh_exports.py reports/*"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from qbench.errors import QbenchError
from qbench.report.source import exported_records
from qbench.runs import run_info, schema_version
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan
from qbench.runs.run_info import CellResult, RunInfo
from qbench.runs.store import open_records
from qbench.storage.files import digest

ROOT = Path(__file__).parents[1]


def refresh(folder: Path) -> str:
    """Rewrite one `run.json`; returns why its cells have no protocols, or nothing."""
    data = json.loads((folder / run_info.FILE).read_text("utf-8"))
    info = RunInfo.model_validate_json(json.dumps({**data, "schema_version": schema_version.RUN, "digest": ""}))
    suite, document = load_suite(ROOT / shlex.split(info.command)[2])
    told: Mapping[tuple[str, ...], str] = {}
    why = ""
    try:
        plan = make_plan(suite, document, Options(device="cpu"))
        why = differing(folder, info, plan)
        told = {} if why else {place: of_cell.protocol for place, of_cell in plan.told.items()}
    except QbenchError as error:
        why = error.message
    cells = tuple(result.model_copy(update={"protocol": told.get(result.cell.in_tables, "")}) for result in info.cells)
    kept = any(result.protocol for result in info.cells) and not told
    new = {"tables": tuple(suite.tables), **({} if kept else {"cells": cells})}
    run_info.write(folder, info.model_copy(update=new))
    return why


def differing(folder: Path, info: RunInfo, plan: Plan) -> str:
    """Why the plan is not that of the run; empty where cells, weights and samples are the same."""
    planned = {cell.in_tables: cell for cell in plan.cells}
    for result in info.cells:
        cell = planned.get(result.cell.in_tables)
        if cell is None:
            return f"the suite has no cell {' / '.join(result.cell.in_tables)}"
        if result.status == "done" and cell.weights_sha256 != result.cell.weights_sha256:
            return f"the weights of {cell.method.label} on {cell.model.label} are others"
    for number, ids in samples_of(folder, info).items():
        places = [result.cell.in_tables for result in info.cells if result.cell.source == number]
        if plan.sources[planned[places[0]].source].whole.ids != ids:
            return f"the samples of {info.sources[number].dataset.label} are others"
    return ""


def samples_of(folder: Path, info: RunInfo) -> dict[int, str]:
    """A digest of the ids of each source that has records."""
    first: dict[int, tuple[int, CellResult]] = {}
    for place, result in enumerate(info.cells):
        if result.status == "done":
            first.setdefault(result.cell.source, (place, result))
    found = {}
    for number, (place, result) in first.items():
        sealed = open_records(folder / exported_records(result.cell.task), schema_version.EXPORT)
        table = sealed.read(["cell", "id"]).to_pydict()
        found[number] = digest([i for cell, i in zip(table["cell"], table["id"], strict=True) if cell == place])
    return found


if __name__ == "__main__":
    for folder in map(Path, sys.argv[1:]):
        if (folder / run_info.FILE).is_file():
            print(folder, refresh(folder) or "all cells with their protocols")
