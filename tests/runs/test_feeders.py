"""Processes that prepare pictures, and devices that share a run: the same records, and one clear error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import qbench
from qbench.compute.prepare import PictureBatch, Prepared
from qbench.errors import DataError, NotApplicable, QbenchError, StoreError
from qbench.runs.feeders import packed, unpacked
from qbench.runs.plan import resolve_devices
from qbench.runs.run import run_plan
from qbench.runs.told import Told
from qbench.vocabulary import Manifest, Sample
from tests.compute.test_stream import METHODS, assert_same, frames, planned
from tests.conftest import ROOT

TASK: dict[str, Any] = {
    "dataset": {"name": "stream-pictures", "count": 70, "sizes": "two", "unreadable": 21},
    "models": [{"stream-net": {"seed": seed}} for seed in range(10)],
    "conditions": ["clean", "stream-noise", {"stream-trouble": {"refuses": "040"}}],
    "methods": METHODS[:3],
}
ENGINE = {"max_bad": 0.1}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The records of a run in one process."""
    return frames(planned(ENGINE, **TASK), tmp_path_factory.mktemp("alone"), feeders=0)


@pytest.mark.parametrize(
    ("device", "how"),
    [
        ("cpu", {"feeders": 1}),
        ("cpu", {"feeders": 3}),
        ("cpu,cpu", {}),
        ("cpu", {"workers": 2, "feeders": 1}),
    ],
)
def test_records_are_the_same_bits_in_however_many_processes(
    device: str, how: dict[str, int], alone: Any, tmp_path: Path
) -> None:
    assert_same(frames(planned({**ENGINE, "shard": 32}, device, **TASK), tmp_path, **how), alone)


def test_the_fault_of_a_condition_crosses_with_its_traceback(tmp_path: Path) -> None:
    before = children()
    plan = planned(ENGINE, conditions=["stream-noise", "stream-homeless"], methods=["direct"])
    info = run_plan(plan, tmp_path, workers=1, feeders=1, command="test")
    assert [result.status for result in info.cells] == ["done", "done"]
    trouble = {"stream-trouble": {"kills": "040"}}
    with pytest.raises(QbenchError, match="a process that prepares pictures failed"):
        run_plan(planned(ENGINE, conditions=[trouble]), tmp_path, workers=1, feeders=1, command="test")
    assert children() == before


def test_a_worker_that_is_killed_ends_the_run_with_one_error(tmp_path: Path) -> None:
    before = children()
    plan = planned(ENGINE, "cpu,cpu", conditions=[{"stream-trouble": {"kills": "040"}}], methods=["direct"])
    with pytest.raises(QbenchError, match="the process qbench on cpu was killed by signal 9"):
        run_plan(plan, tmp_path, workers=1, feeders=0, command="test")
    assert children() == before


def test_a_condition_may_take_processes_of_its_own_in_a_feeder_too(tmp_path: Path) -> None:
    task = {"dataset": {"name": "stream-pictures", "count": 3}, "conditions": ["stream-apart"], "methods": ["direct"]}
    here, fed = (frames(planned({}, **task), tmp_path / str(count), feeders=count) for count in (0, 1))
    assert_same(here, fed)
    assert next(iter(fed.values()))["error"].tolist() == [""] * 3


def test_workers_that_end_late_are_cut_short_in_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = children()
    plan = planned(ENGINE, "cpu,cpu", conditions=[{"stream-trouble": {"lingers": True}}], methods=["direct"])
    info = run_plan(plan, tmp_path, workers=1, feeders=0, command="test")
    assert [result.status for result in info.cells] == ["done"]
    assert children() == before
    assert capfd.readouterr().err == ""


def children(of: int | None = None) -> list[str]:
    """The processes below one, but for the one that looks after semaphores."""
    found, below = [], {of or os.getpid()}
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_text().replace("\0", " ")
        except (OSError, ValueError):
            continue
        if parent in below:
            below.add(int(folder.name))
            if command and "resource_tracker" not in command:
                found.append(f"{folder.name} {command}")
    return found


SUITE = """
suite: slow
version: 1
changelog: {1: first}
tasks:
  - dataset: {name: scenes, count: 2000}
    models: ["builtin:scenes"]
    conditions: [clean, {jpeg: {quality: [10, 20, 30]}}]
    methods: [arcnn]
"""


@pytest.mark.parametrize("options", [["--feeders", "2"], ["--workers", "2"], ["--device", "cpu,cpu", "--feeders", "1"]])
def test_ctrl_c_leaves_no_process_behind(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE)
    command = ["run", "suite.yaml", "--out", "run", "--own-store", "--device", "cpu", "--workers", "1", *options]
    run = subprocess.Popen(
        [Path(sys.executable).with_name("qbench"), *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.rglob("*.parquet")):
            assert run.poll() is None, run.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        started = children(run.pid)
        assert started
        os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 130, said
    assert "Traceback" not in said, said
    left = [one for one in started if Path(f"/proc/{one.split()[0]}/cmdline").exists()]
    assert left == []
    assert list(tmp_path.rglob("*.claim.*")) == []


@qbench.dataset("feeders-own")
class Own:
    """Declared by this process alone."""

    label = "own"

    def manifest(self) -> Manifest:
        return Manifest(("a", "b"), ("a", "b"))

    def load(self, index: int) -> Sample:
        return Sample("ab"[index], np.full((64, 64, 3), index, np.uint8), index)


def test_what_this_process_alone_declares_needs_no_feeders(tmp_path: Path) -> None:
    suite = {
        "suite": "own",
        "tasks": [{"dataset": "feeders-own", "models": ["builtin:scenes"], "conditions": ["clean"]}],
    }
    with pytest.raises(QbenchError, match=r"dataset 'feeders-own' is declared in .* use no feeders, or name"):
        qbench.run(suite, out=tmp_path, device="cpu", feeders=1)
    for feeders in (None, 0):
        info = qbench.run(suite, out=tmp_path, device="cpu", feeders=feeders).info
        assert [result.status for result in info.cells] == ["done"]


def test_a_live_network_stays_here_and_its_pictures_come_from_feeders(tmp_path: Path) -> None:
    def scores(out: str, **how: Any) -> list[float]:
        suite = {"suite": "live", "tasks": [{"dataset": {"name": "scenes", "count": 6}, "conditions": ["clean"]}]}
        net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d((2, 4)), torch.nn.Flatten())
        results = qbench.run(suite, models={"mine": net}, out=tmp_path / out, device="cpu", **how)
        return list(results.records()["nll"])

    assert scores("one") == scores("two", feeders=1, workers=2)


def test_devices_of_one_kind_share_a_run() -> None:
    assert resolve_devices("cuda:0,cuda:1") == resolve_devices(["cuda:0", "cuda:1"]) == ("cuda:0", "cuda:1")
    assert resolve_devices("cpu") == ("cpu",)
    with pytest.raises(QbenchError, match="--device takes devices of one kind, not cpu, cuda:0"):
        resolve_devices("cpu,cuda:0")
    keys = [[cell.key for cell in planned({}, device).cells] for device in ("cuda:0,cuda:1", "cuda")]
    assert keys[0] == keys[1]


@pytest.mark.parametrize("sizes", [[], [(2, 4, 5, 3)], [(1, 3, 3, 3), (2, 4, 5, 3)]])
def test_what_is_packed_is_unpacked(sizes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(0)
    batches = [
        PictureBatch(rng.integers(0, 256, size, dtype=np.uint8), ("a",), [np.ones(3)], ({"q": 1},), ["g"], [4])
        for size in sizes
    ]
    found = unpacked(packed(Prepared(batches, {3: "no picture"})))
    assert isinstance(found, Prepared)
    assert found.errors == {3: "no picture"}
    for one, other in zip(found.batches, batches, strict=True):
        assert np.array_equal(one.images.numpy(), other.images)
        assert (one.ids, one.facts, one.groups, one.positions) == (
            other.ids,
            other.facts,
            other.groups,
            other.positions,
        )
        assert np.array_equal(one.targets[0], other.targets[0])


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (StoreError("full"), StoreError, "full"),
        (NotApplicable("no site"), NotApplicable, "no site"),
        (DataError("no root"), DataError, "no root"),
        (KeyError("x"), QbenchError, "KeyError: 'x'"),
        (type("Mine", (DataError,), {})("mine"), DataError, "mine"),
    ],
)
def test_an_error_crosses_as_text(error: Exception, kind: type[QbenchError], message: str) -> None:
    with pytest.raises(type(error)) as caught:
        raise error
    told = Told.of(caught.value).error()
    assert type(told) is kind
    assert told.message == message
    assert "test_feeders.py" in told.__notes__[0]
