"""Several runners on one store: each shard of each cell is computed once, and what a runner leaves is taken over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from qbench.runs import claims
from qbench.runs.claims import Runner, beating, claims_of
from qbench.storage.sealed import open_sealed

PLUGIN = '''
import os, time
from pathlib import Path
import torch
import qbench

def noted(what):
    """Appends a line: one write, which others do not interrupt."""
    descriptor = os.open(os.environ["QBENCH_TEST_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (what + "\\n").encode())
    os.close(descriptor)

@qbench.method("claims-slow", site="image")
class Slow:
    """Notes which pictures it sees, and takes its time."""

    def __init__(self, name="a"):
        self.name = name

    def restore(self, images, context):
        time.sleep(float(os.environ.get("QBENCH_TEST_WAIT", "0.15")))
        noted(" ".join([self.name, *context.ids]))
        return images * 0.5

@qbench.method("claims-fails", site="image")
class Fails:
    """Fails."""

    def restore(self, images, context):
        noted("fails")
        raise ValueError("as it must")
'''
SUITE = """
suite: shared
version: 1
changelog: {1: first}
engine: {batch: 2, shard: 2}
tasks:
  - dataset: {name: scenes, count: 10}
    models: ["builtin:scenes"]
    conditions: [clean]
    methods: [{claims-slow: {name: a, label: a}}, {claims-slow: {name: b, label: b}}METHODS]
"""
COMMAND = "from qbench.cli import main; main()"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "suite.yaml").write_text(SUITE.replace("METHODS", ""))
    return tmp_path


def started(folder: Path, name: str, **variables: str) -> subprocess.Popen[str]:
    """A run of the suite into a folder of that name; all share a store."""
    arguments = ["run", "suite.yaml", "--plugin", "plugin.py", "--out", name, "--store", "store"]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments, "--device", "cpu", "--workers", "1"],
        cwd=folder, env={**os.environ, "QBENCH_TEST_LOG": str(folder / "log"), **variables},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def log(folder: Path) -> Counter[str]:
    return Counter((folder / "log").read_text().splitlines()) if (folder / "log").exists() else Counter()


def computed_twice(folder: Path) -> set[str]:
    """The samples of units of which something was computed twice."""
    return {line.partition(" ")[2] for line, count in log(folder).items() if count > 1}


def statuses(run: Path) -> list[str]:
    return [result["status"] for result in json.loads((run / "run.json").read_text())["cells"]]


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_runners_share_the_work_and_compute_everything_once(folder: Path, count: int) -> None:
    processes = [started(folder, f"run-{number}") for number in range(count)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * count, errors
    done = log(folder)
    assert len(done) == 10
    assert set(done.values()) == {1}
    assert all(statuses(folder / f"run-{number}") == ["done"] * 2 for number in range(count))
    assert len(list((folder / "store").rglob("*.parquet"))) == 2
    assert not [file for file in (folder / "store" / "records").rglob(".*") if file.is_file()]
    assert not list((folder / "store" / "runners").iterdir())


def begun(folder: Path, **variables: str) -> subprocess.Popen[str]:
    """A run that has claimed something, and has stored something."""
    process, end = started(folder, "first", **variables), time.monotonic() + 60
    while not list((folder / "store").rglob("*.parquet")) or not list((folder / "store").rglob(".*.claim.1")):
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    return process


@pytest.mark.slow
def test_what_a_killed_runner_held_is_taken_over_at_once(folder: Path) -> None:
    """On the same machine nobody waits until it is stale."""
    process = begun(folder, QBENCH_TEST_WAIT="1")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = len(list((folder / "store").rglob("*.parquet")))
    second = started(folder, "second", QBENCH_TEST_WAIT="0")
    errors = second.communicate(timeout=claims.STALE - 10)[1]
    assert second.returncode == 0, errors
    assert before
    assert len(computed_twice(folder)) <= 1, "more than the unit in flight was lost"
    assert not [file for file in (folder / "store" / "records").rglob(".*") if file.is_file()]


@pytest.mark.slow
def test_a_run_waits_for_a_live_runner_and_takes_over_a_stale_one(folder: Path) -> None:
    """The first is stopped, as a machine may be that its network has lost: it lives, and does not beat."""
    process = begun(folder, QBENCH_TEST_WAIT="1")
    process.send_signal(signal.SIGSTOP)
    second = started(folder, "second", QBENCH_TEST_WAIT="0")
    try:
        assert second.stderr is not None
        said = second.stderr.readline()
        assert "waiting for what another run computes in the same store: " in said
        assert f"-{process.pid}-" in said
        (beats,) = (file for file in (folder / "store" / "runners").iterdir() if f"-{process.pid}-" in file.name)
        long_ago = time.time() - claims.STALE - 5
        os.utime(beats, (long_ago, long_ago))
        assert second.wait(60) == 0
    finally:
        process.send_signal(signal.SIGCONT)
    assert process.wait(60) == 0, "a runner that was taken over goes on"
    assert statuses(folder / "first") == statuses(folder / "second") == ["done"] * 2
    assert len(computed_twice(folder)) <= 1, "more than the unit in flight was computed twice"
    files = list((folder / "store").rglob("*.parquet"))
    assert sorted({open_sealed(file).rows for file in files}) in ([10], [2, 10])


def test_cells_that_fail_are_not_held(folder: Path) -> None:
    (folder / "suite.yaml").write_text(SUITE.replace("METHODS", ", claims-fails"))
    processes = [started(folder, name, QBENCH_TEST_WAIT="0") for name in ("first", "second")]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [1, 1], errors
    for name in ("first", "second"):
        assert statuses(folder / name) == ["done", "done", "failed"]
    assert not list((folder / "store").rglob(".*.claim.*"))


def test_one_of_all_takes_a_claim_and_a_stale_one_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "records" / "ab" / "abc" / "x.parquet"
    with beating(tmp_path) as one, beating(tmp_path) as two, beating(tmp_path) as three:
        assert one.take(file) == ""
        assert two.take(file) == two.holder(file) == one.id
        assert one.take(file) == one.id, "nobody holds a file twice"
        old = (tmp_path / "runners" / two.id).stat().st_mtime - claims.STALE - 1
        os.utime(tmp_path / "runners" / one.id, (old, old))
        left = file.with_name(f".{file.name}.{'0' * 32}")
        left.write_bytes(b"half")
        assert two.holder(file) == ""
        assert two.take(file) == ""
        assert not left.exists()
        assert three.take(file) == two.id
        one.release(file)
        assert three.take(file) == two.id, "one gives up its own claim alone"
        two.release(file)
        assert not claims_of(file)
        assert three.take(file) == ""
        three.release(file)


def test_a_runner_that_is_gone_or_never_was_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    with beating(tmp_path) as gone:
        gone.take(file)
    with beating(tmp_path) as one:
        assert one.holder(file) == ""
        assert one.take(file) == ""
        one.release(file)
        file.with_name(".x.claim.1").write_text("")
        assert one.take(file) == "a runner that just began"
        old = time.time() - claims.STALE - 5
        os.utime(file.with_name(".x.claim.1"), (old, old))
        assert one.take(file) == ""
        one.release(file)
    assert not list(tmp_path.glob(".x*"))


def test_the_clock_of_the_disk_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of this machine, which may go wrong."""
    with beating(tmp_path) as one, beating(tmp_path) as two:
        monkeypatch.setattr(time, "time", lambda: 0.0)
        assert two.is_live(one.id)
        for runner in (one, two):
            os.utime(tmp_path / "runners" / runner.id, (1000.0, 1000.0))
        assert two.is_live(one.id)
        os.utime(tmp_path / "runners" / two.id, (1000.0 + claims.STALE + 1,) * 2)
        assert not two.is_live(one.id)


def test_a_runner_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT", 0.01)
    with beating(tmp_path) as runner:
        file = tmp_path / "runners" / runner.id
        os.utime(file, (1000.0, 1000.0))
        end = time.monotonic() + 30
        while file.stat().st_mtime == 1000.0:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert not file.exists()
    assert not Runner(tmp_path, runner.id).holder(tmp_path / "x.parquet")


def test_a_clock_that_was_set_back_keeps_no_runner_alive(tmp_path: Path) -> None:
    with beating(tmp_path) as runner:
        ahead = tmp_path / claims.RUNNERS / "ahead"
        ahead.write_text('{"boot": "of another machine"}')
        assert runner.is_live("ahead")
        os.utime(ahead, (time.time() + 3600,) * 2)
        assert not runner.is_live("ahead")


def test_a_host_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "a/b", "..", "a\nb", "x" * 300):
        monkeypatch.setattr("socket.gethostname", lambda name=name: name)
        with beating(tmp_path) as runner:
            assert runner.is_live(runner.id)
