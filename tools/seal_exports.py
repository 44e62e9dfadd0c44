"""Write the records of exports of schema version 1 again with the checksum of version 2, and `run.json` with its
digest: the same columns, values and fields.

python tools/seal_exports.py reports/*"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq

from qbench.report.export import options_of
from qbench.runs import run_info, schema_version
from qbench.storage.sealed import write_sealed


def seal(file: Path) -> None:
    """Rewrite one file. Files of another version are left alone."""
    table = pq.read_table(file)
    said = table.schema.metadata or {}
    if said.get(b"qbench.schema_version") != b"1":
        return
    task = file.stem.removeprefix("records").removeprefix("-") or "classification"
    absent = said.get(b"qbench.absent", b"").decode()
    facts = {schema_version.KEY: str(schema_version.EXPORT), "task": task, "absent": absent}
    write_sealed(file, table.replace_schema_metadata(None), facts, **options_of(table))


if __name__ == "__main__":
    for folder in map(Path, sys.argv[1:]):
        for file in sorted(folder.glob("records*.parquet")):
            seal(file)
        run_info.write(folder, run_info.read(folder))
