"""What tests share: a home of their own, where the real photos lie, and a suite that runs in a second."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "tests" / "toy_plugin.py"

TOY = """\
suite: toy
version: 1
changelog: {1: first}
seed: 3
engine: {batch: 4, shard: 4}
tasks:
  - dataset: {name: scenes, count: 10}
    models: [toy]
    conditions:
      - clean
      - jpeg: {quality: [25, 7]}
      - rejpeg: {times: [2, 3]}
    methods: [direct, median3, damp]
tables: [accuracy-by-quality, accuracy-by-times]
"""


@pytest.fixture(scope="session", autouse=True)
def qbench_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty $QBENCH_HOME of this process: no test reads what the user or another worker keeps."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("QBENCH_HOME", str(home))
        yield home


@pytest.fixture(autouse=True)
def empty_store(qbench_home: Path) -> Iterator[None]:
    """No test finds the records of another one. Runs that several tests look at keep their own."""
    yield
    shutil.rmtree(qbench_home / "store", ignore_errors=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder that holds `data` and `weights`. Skips where there is none; a test that has it must use it."""
    data = Path(os.environ.get("QBENCH_DATA", ROOT.parent / "shared" / "data"))
    if not data.is_dir():
        pytest.skip(f"no real photos at {data}; set QBENCH_DATA")
    return data.parent


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., Path]:
    """Writes the toy suite, with pieces of its text replaced, and returns its file."""

    def write(*changes: tuple[str, str], name: str = "toy.yaml") -> Path:
        text = TOY
        for old, new in changes:
            assert old in text, f"{old!r} does not stand in the toy suite"
            text = text.replace(old, new)
        file = tmp_path / name
        file.write_text(text)
        return file

    return write
