"""A skip fails in continuous integration unless the committed list allows its reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

CONFTEST = "from tests.skips import pytest_make_collect_report, pytest_runtest_makereport\n"
PLANTED = """\
import pytest

@pytest.fixture
def unlucky():
    pytest.skip("by a fixture")

@pytest.fixture
def lacking():
    pytest.skip("no real photos at /here; set QBENCH_DATA")

def test_1(): pytest.skip("by a call")
def test_2(unlucky): pass
@pytest.mark.skipif(True, reason="by a mark")
def test_3(): pass

def test_4(lacking): pass
@pytest.mark.xfail(reason="an expected failure is no skip")
def test_5(): raise ValueError
"""
PLANTED_MODULE = "import pytest\npytest.skip('by a module', allow_module_level=True)\n"
WAYS = ("call", "fixture", "mark", "module")


def outcome(folder: Path, ci: str, *arguments: str) -> str:
    """The last line and the faults that pytest prints of the planted skips, in a process of its own."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_planted.py").write_text(PLANTED)
    (folder / "test_planted_module.py").write_text(PLANTED_MODULE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    path = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "xdist.plugin"]
    return subprocess.run(
        [*command, "--continue-on-collection-errors", str(folder), *arguments],
        env={**environment, "PYTHONPATH": path, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=folder, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip


@pytest.mark.parametrize("arguments", [[], ["-n", "2"]], ids=["serial", "two workers"])
def test_planted_skips_fail_in_ci_but_for_those_on_the_list(arguments: list[str], tmp_path: Path) -> None:
    told = outcome(tmp_path, "true", *arguments)
    for way in WAYS:
        assert f"skipped, and tests/allowed_skips.txt does not allow it: by a {way}" in told
    assert "1 failed, 1 skipped, 1 xfailed, 3 errors" in told


def test_elsewhere_they_pass(tmp_path: Path) -> None:
    assert "5 skipped, 1 xfailed" in outcome(tmp_path, "")
