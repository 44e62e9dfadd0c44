"""The benchmark of reports, at a size that takes seconds; no time is asserted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import report_records, report_speed
from qbench.report.build import build
from tests.conftest import ROOT

SMALL = {
    name: replace(shape, samples=20, models=2, methods=2, qualities=2, times=min(shape.times, 1))
    for name, shape in report_records.SHAPES.items()
}


def test_the_shapes_have_the_cells_that_the_page_names() -> None:
    counts = {name: shape.count for name, shape in report_records.SHAPES.items()}
    assert counts == {"classification": 100, "pairs": 100, "shipped": 220, "detection": 32}


@pytest.mark.parametrize("name", SMALL)
def test_a_drawn_run_gives_a_whole_report(name: str, tmp_path: Path) -> None:
    files = report_records.write(SMALL[name], tmp_path)
    assert len(files) == SMALL[name].count
    assert all(file.is_file() for file in files)
    report = build(tmp_path)
    assert report.faults == ()
    values = [value for table in report.tables for group in table.groups for row in group.rows for value in row.values]
    assert [value for value in values if value.value is None and value.missing != "–"] == []
    assert any(value.value not in {None, 0.0, 1.0} for value in values)


def test_every_figure_has_a_median_and_quartiles(tmp_path: Path) -> None:
    found = json.loads(json.dumps(report_speed.benchmark("classification", SMALL["classification"], tmp_path / "x", 2)))
    for figure in (*found["seconds"].values(), found["total"], found["reading"], found["ratio"]):
        assert 0 < figure["low"] <= figure["median"] <= figure["high"]
    assert set(found["seconds"]) == {"load", "tables", "md", "tex", "csv", "json", "png", "terminal"}
    assert "| classification | 20 x " in report_speed.markdown({"classification": found})


def test_the_page_says_what_the_committed_result_says() -> None:
    result = json.loads(report_speed.OUT.read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert set(result) == set(report_records.SHAPES)
    for line in report_speed.markdown(result).splitlines():
        assert line in page
