"""Tables and renderers as they are declared."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from fake_run import FakeRun

from qbench.report import declared
from qbench.report.build import build
from qbench.report.grid import Grids
from qbench.report.leaderboard import Table
from qbench.suite.schema import TableName


def test_suites_may_ask_for_exactly_the_tables_that_are_declared() -> None:
    of_their_own = {"against-control", "published"}
    assert {table.name for table in declared.declared()} - of_their_own == set(get_args(TableName))


def test_a_table_of_a_new_file_stands_where_its_order_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(grids: Grids) -> list[Table]:
        return [Table("count", f"{len(grids.info.cells)} cells", ())]

    new = (*declared.declared(), declared.Declared("count", count, order=15, always=False))
    monkeypatch.setattr(declared, "declared", lambda: new)
    fake = FakeRun(10, tables=("efficiency", "count", "accuracy-by-quality"))
    fake.cell("direct", "jpeg@10", np.ones(10, int))
    report = build(fake.write(tmp_path))
    assert [table.name for table in report.tables] == ["accuracy-by-quality", "count", "efficiency"]
    assert report.tables[1].title == "1 cells"
