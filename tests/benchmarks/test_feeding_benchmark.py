"""The benchmark of feeders, at a size that takes seconds; no time is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import feeding
from tests.conftest import ROOT

SMALL = feeding.Feeding(batches=12, batch=2, repetitions=1, picture=128, resize=64, crop=32)


def test_rows_have_ratios_of_the_slower_side() -> None:
    rows = feeding.benchmark([1], SMALL)
    assert [row["load"] for row in rows] == list(feeding.LOADS)
    for row in rows:
        (one,) = row["seconds"]
        assert row["ratio"]["median"] == pytest.approx(one["wall"] / max(one["prepare"], one["device"]), abs=1e-4)
    assert feeding.table(rows).count("\n") == 4


def test_the_data_has_as_many_names_as_asked_for(tmp_path: Path) -> None:
    feeding.write_dataset(tmp_path, samples=11, drawn=3, picture=128)
    files = [file.stat() for file in tmp_path.rglob("*.png")]
    assert len(files) == 11
    assert len({file.st_ino for file in files}) == 3


def test_the_page_says_what_the_committed_result_says() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "feeding.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for line in feeding.table(result["rows"]).splitlines()[2:]:
        assert line in page
