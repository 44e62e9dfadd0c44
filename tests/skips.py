"""In continuous integration (the variable CI is set) a skipped test is a failure, unless its reason is on the list
`allowed_skips.txt`: a test that silently stopped running protects nothing."""

from __future__ import annotations

import os
from collections.abc import Generator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

LIST = Path(__file__).parent / "allowed_skips.txt"
OFF = {"", "0", "false"}


def allowed_reasons() -> list[str]:
    """The patterns of the list, without comments."""
    lines = (line.partition("  #")[0].strip() for line in LIST.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Makes a failure of a skip whose reason is not on the list. An expected failure is no skip."""
    if os.environ.get("CI", "").lower() in OFF or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not any(fnmatchcase(reason, pattern) for pattern in allowed_reasons()):
        report.outcome = "failed"
        report.longrepr = f"skipped, and tests/{LIST.name} does not allow it: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    judge(report)
    return report
