"""The reports that this repository stands behind: rendered again from their committed records, to the same bytes."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from qbench.report.build import build
from qbench.report.check import difference
from tests.conftest import ROOT

EXPORTS = sorted(file.parent for file in (ROOT / "reports").glob("*/run.json"))


def test_there_are_reports() -> None:
    assert EXPORTS


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_a_committed_page_is_what_its_records_give(export: Path) -> None:
    assert difference(build(export), export / "README.md") == ""


def test_the_table_of_agreement_is_what_the_reports_say() -> None:
    page = (ROOT / "reports" / "README.md").read_text("utf-8")
    assert runpy.run_path(str(ROOT / "tools" / "fill_agreement.py"))["filled"](page) == page
