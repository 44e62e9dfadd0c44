"""A compact export of a run: three files that give the same report and are small enough to commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qbench.files import atomic, write_text
from qbench.report.source import COLUMNS, EFFICIENCY, RECORDS, Loaded

_TYPES = {
    "target": pa.int32(), "prediction": pa.int32(), "rank": pa.int32(), "confidence": pa.float32(), "nll": pa.float32(),
    "bpp": pa.float32(),
}  # fmt: skip
_DICTIONARY = ["cell", "id", "target", "prediction", "rank", "error"]


def export(loaded: Loaded, folder: Path) -> None:
    """Write `run.json`, `records.parquet` and `efficiency.json`. Raises StoreError where the disk refuses.

    run.json comes last: a folder that has one is whole."""
    table = records_table(loaded)
    efficiency = ",\n".join(record.model_dump_json() for record in loaded.efficiency)
    atomic(folder / RECORDS, lambda file: _write(table, file))
    write_text(folder / EFFICIENCY, f"[{efficiency}]\n")
    write_text(folder / "run.json", loaded.info.model_dump_json(indent=1) + "\n")


def _write(table: pa.Table, file: Path) -> None:
    pq.write_table(
        table, file, compression="zstd", compression_level=15, use_dictionary=_DICTIONARY, write_statistics=False
    )


def records_table(loaded: Loaded) -> pa.Table:
    """Records of all finished cells, in the order of run.json, with `cell` as their cell's index there."""
    done = [(index, loaded.records[c.key]) for index, c in enumerate(loaded.info.cells) if c.key in loaded.records]
    arrays: dict[str, Any] = {
        "cell": pa.array(np.repeat([i for i, _ in done], [len(r["target"]) for _, r in done]), pa.int32())
    }
    for name in COLUMNS:
        parts = [records[name] for _, records in done]
        values = np.concatenate(parts) if parts else np.zeros(0)
        arrays[name] = pa.array(values, _TYPES.get(name, pa.string()))
    return pa.table(arrays)
