"""A fault of one sample ends that sample: it is recorded by id with its reason, and the others are as without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qbench
from qbench.errors import QbenchError, described
from qbench.vocabulary import Manifest, Sample

COUNT = 6


@qbench.dataset("faults-dataset")
class Faulty:
    """Sample 2 cannot be loaded, as `kind` says; `none` is the same dataset without a fault."""

    label = "faults"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def manifest(self) -> Manifest:
        ids = tuple(f"sample {index}" for index in range(COUNT))
        return Manifest(ids, ids)

    def load(self, index: int) -> Sample:
        if index == 2 and self.kind != "none":
            raise {"key": KeyError("no such file"), "memory": MemoryError(), "exit": SystemExit(0)}[self.kind]
        pixels = np.random.default_rng(index).integers(0, 256, (128, 128, 3), dtype=np.uint8)
        return Sample(f"sample {index}", pixels, index)


@qbench.condition("faults-condition")
class Refuses:
    """Cannot degrade sample 4."""

    label, axis = "refuses", None

    def apply(self, image: np.ndarray, draw: Any) -> tuple[np.ndarray, dict[str, Any]]:
        if draw.sample_id == "sample 4":
            raise ValueError("too dark")
        return image, {}


def run(out: Path, kind: str, max_bad: float = 0.5) -> qbench.Results:
    task = {
        "dataset": {"name": "faults-dataset", "kind": kind}, "models": ["builtin:scenes"],
        "conditions": ["clean", "faults-condition"],
    }  # fmt: skip
    engine = {"max_bad": max_bad, "batch": 2, "shard": 3}
    return qbench.run({"suite": "faults", "engine": engine, "tasks": [task]}, out=out, device="cpu", own_store=True)


def values(results: qbench.Results, condition: str) -> dict[str, tuple[str, float]]:
    """Error and score of each sample under a condition."""
    records = results.records()
    here = records[records["condition"] == condition]
    return {row.id: (row.error, row.nll) for row in here.itertuples()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> qbench.Results:
    return run(tmp_path_factory.mktemp("whole"), "none")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("key", "KeyError: 'no such file'"),
        ("memory", "MemoryError"),
        ("exit", "it asked the process to exit (sys.exit(0))"),
    ],
)
def test_whatever_a_reader_raises_ends_the_sample(
    tmp_path: Path, whole: qbench.Results, kind: str, reason: str
) -> None:
    found, expected = values(run(tmp_path, kind), "clean"), values(whole, "clean")
    assert found.pop("sample 2")[0] == reason
    del expected["sample 2"]
    assert found.keys() == expected.keys()
    assert {error for error, _ in found.values()} == {""}
    assert [nll for _, nll in found.values()] == pytest.approx([nll for _, nll in expected.values()], abs=1e-5)


def test_a_condition_that_refuses_a_sample_ends_it_under_this_condition_alone(whole: qbench.Results) -> None:
    assert values(whole, "refuses")["sample 4"][0] == "ValueError: too dark"
    assert [result.status for result in whole.info.cells] == ["done", "done"]
    clean, refused = values(whole, "clean"), values(whole, "refuses")
    assert {name for name in clean if clean[name] == refused[name]} >= {"sample 0", "sample 1", "sample 3"}


def test_max_bad_decides_for_each_condition(tmp_path: Path) -> None:
    cells = run(tmp_path, "none", max_bad=0.1).info.cells
    assert [cell.status for cell in cells] == ["done", "failed"]
    said = "1 of 6 samples cannot be used, more than max_bad 0.1 allows; first: ValueError: too dark"
    assert cells[1].reason == said


class CannotBeSaid(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (QbenchError("one\nline"), "one line"),
        (KeyError("x"), "KeyError: 'x'"),
        (MemoryError(), "MemoryError"),
        (CannotBeSaid(), "CannotBeSaid: its text cannot be printed"),
        (RuntimeError("\x1b[2Jcleared\x00"), "RuntimeError: \\x1b[2Jcleared\\x00"),
        (RuntimeError("bad \udc80"), "RuntimeError: bad \\udc80"),
    ],
)
def test_an_error_is_one_line_that_can_be_printed(error: Exception, line: str) -> None:
    assert described(error) == line
    described(error).encode()
