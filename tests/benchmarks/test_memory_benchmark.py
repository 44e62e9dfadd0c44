"""The benchmark of memory, at sizes that take seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import memory
from tests.conftest import ROOT

MEGABYTE = 10**6


def test_the_peak_is_that_of_the_child() -> None:
    """Told by a process as small as the benchmark's own: this one is larger than what it would measure."""
    code = """
import sys
from pathlib import Path
from benchmarks.memory import peak
print(*(peak([sys.executable, "-c", f"b'x' * {size}"], Path()) for size in (1, 200 * 10**6)))
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    small, large = map(int, told.split())
    assert large - small == pytest.approx(200 * MEGABYTE, rel=0.1)


def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no such number"):
        memory.peak([sys.executable, "-c", "raise ValueError('no such number')"], tmp_path)


@pytest.mark.parametrize("case", ["few", "large"])
def test_a_small_case_runs(case: str) -> None:
    assert memory.measured(case, 3, (64, 128) if case == "large" else (32, 32)) > 100 * MEGABYTE


def test_the_page_says_what_the_committed_result_says() -> None:
    result = json.loads((ROOT / "benchmarks" / "results" / "memory.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for line in memory.table(result).splitlines()[2:]:
        assert line in page
