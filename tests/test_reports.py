"""The reports that this repository stands behind: rendered again from their committed records, to the same bytes."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest

from qbench.report.build import build
from qbench.report.check import difference
from qbench.runs import run_info
from qbench.runs.plan import load_suite
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


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_an_export_has_the_tables_that_its_suite_asks_for(export: Path) -> None:
    info = run_info.read(export)
    suite, _ = load_suite(ROOT / "suites" / f"{info.suite}.yaml")
    assert info.tables == tuple(suite.tables), "run python tools/refresh_exports.py"


def test_refreshing_an_export_gives_its_tables_and_protocols_again(tmp_path: Path) -> None:
    copy = tmp_path / "jpeg"
    shutil.copytree(ROOT / "reports" / "jpeg", copy)
    info = run_info.read(copy)
    bare = tuple(result.model_copy(update={"protocol": ""}) for result in info.cells)
    run_info.write(copy, info.model_copy(update={"tables": ("efficiency",), "cells": bare}))
    said = runpy.run_path(str(ROOT / "tools" / "refresh_exports.py"))["refreshed"](copy)
    again = run_info.read(copy)
    assert again.tables == info.tables
    if said == "with protocols":
        assert again == info
    else:  # with another libjpeg-turbo than the records'
        assert again.cells == bare
