"""Write the `run.json` of exports of schema version 1 again as of version 2: a source names the whole of its samples in
place of its shards. No figure changes. The digests of the samples' contents are no longer known, so that the whole is
named by its shards.

python tools/whole_sources.py reports/*"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from qbench.runs import run_info, schema_version
from qbench.runs.run_info import RunInfo
from qbench.storage.files import digest


def whole(shards: list[dict[str, Any]]) -> dict[str, Any]:
    """The slice of all samples."""
    names = [shard["name"] for shard in shards]
    name = names[0] if len(names) == 1 else f"000000-{digest(names)[:16]}"
    return {"start": 0, "stop": shards[-1]["stop"], "name": name}


def convert(folder: Path) -> None:
    """Rewrite one `run.json`. One of another version is left alone."""
    data = json.loads((folder / run_info.FILE).read_text("utf-8"))
    if data["schema_version"] != 1:
        return
    for source in data["sources"]:
        source["whole"] = whole(source.pop("shards"))
    new = {**data, "schema_version": schema_version.RUN, "digest": ""}
    run_info.write(folder, RunInfo.model_validate_json(json.dumps(new)))


if __name__ == "__main__":
    for folder in map(Path, sys.argv[1:]):
        if (folder / run_info.FILE).is_file():
            convert(folder)
