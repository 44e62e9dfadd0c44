"""Write the group of each sample into the records of an export that has none, by the rule that its suite gives now.

    python tools/add_groups.py reports/segmentation-camvid '([^/_]+)_[^/]*$'

The rule is the `group` of the dataset `masks`: a regular expression, whose first group names a sample's in its id. No
score changes."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from qbench.report.columns import Records
from qbench.report.export import export
from qbench.report.source import Loaded, load

COLUMN = "group"


def group_of(sample: str, rule: re.Pattern[str]) -> str:
    match = rule.search(sample)
    return match[1] if match else ""


def with_groups(records: Records, rule: re.Pattern[str]) -> Records:
    """The column stands behind the ids, as in the records of a run. A sample that was not read has none."""
    known = zip(records["id"].tolist(), records["error"].tolist(), strict=True)
    groups = np.array(["" if error else group_of(sample, rule) for sample, error in known], dtype=np.str_)
    rest = {name: values for name, values in records.items() if name != "id"}
    return {"id": records["id"], COLUMN: groups, **rest}


def grouped(loaded: Loaded, rule: re.Pattern[str]) -> Loaded:
    """Raises ValueError where records have groups already."""
    if any(COLUMN not in absent for absent in loaded.absent.values()):
        raise ValueError("these records have groups")
    absent = {task: tuple(name for name in names if name != COLUMN) for task, names in loaded.absent.items()}
    records = {place: with_groups(of_cell, rule) for place, of_cell in loaded.records.items()}
    return replace(loaded, records=records, absent=absent)


if __name__ == "__main__":
    folder, pattern = sys.argv[1:]
    export(grouped(load(Path(folder), whole=True), re.compile(pattern)), Path(folder))
