"""Write the `run.json` of exports again, as of schema version 3: with the tables that their suites ask for now and,
where a suite is planned here with the same cells on the same samples, with the protocols of its cells. No figure
changes. Says what became of each export.

    QBENCH_DATA=FOLDER python tools/refresh_exports.py reports/*"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from qbench.degrade.jpeg import JPEG_LIBRARY
from qbench.errors import QbenchError
from qbench.keys.versions import library_version
from qbench.runs import run_info, schema_version
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan
from qbench.runs.run_info import RunInfo

SUITES = Path(__file__).resolve().parent.parent / "suites"


def refreshed(export: Path) -> str:
    """Rewrite one `run.json`; what became of it."""
    data = json.loads((export / run_info.FILE).read_text("utf-8"))
    info = RunInfo.model_validate_json(json.dumps({**data, "schema_version": schema_version.RUN, "digest": ""}))
    suite, document = load_suite(SUITES / f"{info.suite}.yaml")
    info = info.model_copy(update={"tables": tuple(suite.tables)})
    try:
        plan = make_plan(suite, document, Options(device="cpu"))
        why = differing(info, plan)
    except QbenchError as error:
        why = error.message
    if not why:
        info = with_protocols(info, {place: told.protocol for place, told in plan.told.items()})
    run_info.write(export, info)
    return f"without protocols: {why}" if why else "with protocols"


def with_protocols(info: RunInfo, protocols: Mapping[tuple[str, ...], str]) -> RunInfo:
    cells = [result.model_copy(update={"protocol": protocols[result.cell.in_tables]}) for result in info.cells]
    return info.model_copy(update={"cells": tuple(cells)})


def differing(info: RunInfo, plan: Plan) -> str:
    """Why the plan is not that of the run; empty where all but the methods is the same."""
    there, here = info.environment.get(JPEG_LIBRARY), library_version(JPEG_LIBRARY)
    if there != here:
        return f"{JPEG_LIBRARY} was {there} and is {here}"
    planned = {cell.in_tables: cell for cell in plan.cells}
    for result in info.cells:
        cell = planned.get(result.cell.in_tables)
        if cell is None:
            return f"the suite has no cell {' / '.join(result.cell.in_tables)}"
        if plan.sources[cell.source].whole.name != info.sources[result.cell.source].whole.name:
            return f"the samples of {cell.dataset.label} are others"
        if (cell.condition, cell.model.name) != (result.cell.condition, result.cell.model.name):
            return f"{cell.condition.label} or {cell.model.label} is another one"
    return ""


if __name__ == "__main__":
    for folder in map(Path, sys.argv[1:]):
        if (folder / run_info.FILE).is_file():
            print(f"{folder.name}: {refreshed(folder)}")
