"""A compact export of a run: three files that give the same report and are small enough to commit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qbench.errors import StoreError
from qbench.report.source import EFFICIENCY, Loaded, exported_records
from qbench.runs import run_info, schema_version
from qbench.storage.files import write_text
from qbench.storage.sealed import write_sealed

_DICTIONARY = {"cell", "id", "group", "target", "prediction", "rank", "facts", "error"}


def export(loaded: Loaded, folder: Path) -> None:
    """Write `run.json`, the records of each task and `efficiency.json`. Raises StoreError where the disk refuses, and
    for the folder of a run.

    run.json comes last: a folder that has one is whole."""
    if os.path.lexists(folder / run_info.FILE) and run_info.read(folder).store:
        raise StoreError(f"--export {folder} is the folder of a run; name another one")
    for task in dict.fromkeys(result.cell.task for result in loaded.info.cells):
        table = records_table(loaded, task)
        absent = " ".join(loaded.absent.get(task, ()))
        facts = {schema_version.KEY: str(schema_version.EXPORT), "task": task, "absent": absent}
        write_sealed(folder / exported_records(task), table, facts, **options_of(table))
    efficiency = ",\n".join(record.model_dump_json() for record in loaded.efficiency)
    write_text(folder / EFFICIENCY, f"[{efficiency}]\n")
    run_info.write(folder, loaded.info.model_copy(update={"store": ""}))


def options_of(table: pa.Table) -> dict[str, Any]:
    """How an export is compressed."""
    often = [name for name in table.column_names if name in _DICTIONARY]
    return {"compression_level": 15, "use_dictionary": often}


def records_table(loaded: Loaded, task: str = "classification") -> pa.Table:
    """Records of a task's finished cells, in the order of run.json, with `cell` as their cell's index there."""
    cells = enumerate(loaded.info.cells)
    done = [
        (i, loaded.records[result.cell.place])
        for i, result in cells
        if result.cell.task == task and result.cell.place in loaded.records
    ]
    numbers = np.repeat([i for i, _ in done], [len(records["error"]) for _, records in done])
    arrays: dict[str, Any] = {"cell": pa.array(numbers, pa.int32())}
    for name in done[0][1] if done else ("error",):
        arrays[name] = _column([records[name] for _, records in done])
    return pa.table(arrays)


def _column(parts: Sequence[NDArray[Any]]) -> Any:
    if not parts or parts[0].dtype.kind == "U":
        return pa.array([text for part in parts for text in part], pa.string())
    if any(part.dtype == object or part.ndim == 2 for part in parts):
        return pa.array([row for part in parts for row in part])
    return pa.array(np.concatenate(parts))
