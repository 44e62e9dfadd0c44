"""Finished cells: sealed whole whatever is stopped when, found by every suite, and never mixed with anything else."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from qbench.compute.cell import Cell, Shard, Source
from qbench.errors import StoreError
from qbench.runs import seal, store
from qbench.runs.claims import Runner, beating
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan
from qbench.runs.run import run_plan
from qbench.runs.run_info import RunInfo
from qbench.runs.units import missing_units, survey
from qbench.runs.upkeep import contents, known_runs, waste
from qbench.storage.files import atomic, digest
from qbench.storage.sealed import open_sealed
from tests.conftest import PLUGIN

Suite = Callable[..., Path]


def planned(file: Path, **options: Any) -> Plan:
    return make_plan(*load_suite(file), Options(plugin_files=(PLUGIN,), device="cpu", **options))


@pytest.fixture
def cell(toy: Suite) -> tuple[Cell, Source]:
    """A cell of ten samples in three shards."""
    plan = planned(toy())
    return plan.cells[0], plan.sources[0]


def columns(shard: Shard) -> dict[str, Any]:
    numbers = range(shard.start, shard.stop)
    return {
        "id": [f"test/{number:06d}" for number in numbers],
        "rank": np.array(numbers, np.int32),
        "boxes": [[float(number)] * (number % 3) for number in numbers],
        "error": ["no picture" if number == 5 else "" for number in numbers],
    }


def write_shards(root: Path, cell: Cell, source: Source) -> None:
    for number, shard in enumerate(source.shards):
        by = (f"cpu, {number % 2}",)
        store.write_records(root, cell.key, shard, store.table_of(columns(shard)), by, cell.parts)


def left(root: Path, cell: Cell) -> list[str]:
    return sorted(store.names(root, cell.key))


def test_a_sealed_cell_holds_its_shards_in_order_and_says_what_it_is(tmp_path: Path, cell: tuple[Cell, Source]) -> None:
    one, source = cell
    write_shards(tmp_path, one, source)
    with beating(tmp_path) as runner:
        stored = seal.seal(runner, one, source)
    assert stored == store.Stored(("cpu, 0", "cpu, 1"), bad=1)
    assert left(tmp_path, one) == [f"{source.whole.name}.parquet"]
    sealed = store.open_shard(tmp_path, one.key, source.whole)
    assert sealed.read().to_pydict() == pa.table(columns(source.whole)).to_pydict()
    assert digest_of(sealed.facts["parts"]) == one.key == sealed.facts["key"]
    assert sealed.facts["ids"] == digest(columns(source.whole)["id"])


def test_who_stood_still_while_another_sealed_goes_on(
    tmp_path: Path, cell: tuple[Cell, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its look and its reading, a runner that takes over seals the cell and removes the small files."""
    one, source = cell
    write_shards(tmp_path, one, source)
    put_together, calls = seal._put_together, []

    def late(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            for claim in tmp_path.rglob(".*.claim.*"):
                claim.unlink()
            with beating(tmp_path) as other:
                assert seal.seal(other, one, source) is not None
        put_together(*arguments)

    monkeypatch.setattr(seal, "_put_together", late)
    with beating(tmp_path) as runner:
        assert seal.seal(runner, one, source) == store.Stored(("cpu, 0", "cpu, 1"), bad=1)
    assert len(calls) == 2
    assert left(tmp_path, one) == [f"{source.whole.name}.parquet"]


def test_a_temporary_file_that_another_runner_cleared_away_is_written_again(tmp_path: Path) -> None:
    file, calls = tmp_path / "file", []

    def write(temporary: Path) -> None:
        temporary.write_text("all of it")
        calls.append(temporary)
        if len(calls) == 1:
            temporary.unlink()

    atomic(file, write)
    assert len(set(calls)) == 2
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "all of it")]


def digest_of(text: str) -> str:
    import hashlib

    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


OPERATIONS = ("open", "replace", "rename", "unlink", "fsync", "mkdir", "write_bytes", "touch")


def killed_at(step: int, what: Callable[[], object]) -> bool:
    """Do something in a process that is gone, as by SIGKILL, just before its file operation of this number. Whether it
    came so far."""
    child = os.fork()
    if child == 0:
        left = step

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def operation(*arguments: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    os._exit(9)
                return real(*arguments, **options)

            return operation

        for name in OPERATIONS:
            for place in (Path, os):
                if hasattr(place, name) and not (place is os and name == "open"):
                    setattr(place, name, counted(getattr(place, name)))
        try:
            what()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_kill_at_any_step_of_sealing_loses_nothing(tmp_path: Path, cell: tuple[Cell, Source]) -> None:
    """And what it leaves goes with the next run of the cell."""
    one, source = cell
    expected, step = pa.table(columns(source.whole)).to_pydict(), 0

    def sealing() -> None:
        with beating(root) as runner:
            seal.seal(runner, one, source)

    while True:
        root = tmp_path / str(step)
        write_shards(root, one, source)
        if not killed_at(step, sealing):
            break
        state = seal.look(root, one, source)
        assert state.whole is not None or len(state.shards) == len(source.shards), f"records are lost at step {step}"
        assert not state.damaged
        with beating(root) as runner:
            seal.remove(state.leftovers)
            assert seal.seal(runner, one, source) is not None
        assert left(root, one) == [f"{source.whole.name}.parquet"], f"something is left at step {step}"
        assert store.open_shard(root, one.key, source.whole).read().to_pydict() == expected
        step += 1
    assert step > 12, "the steps of sealing were not met"


def test_shards_that_do_not_fit_together_are_told(tmp_path: Path, cell: tuple[Cell, Source]) -> None:
    one, source = cell
    write_shards(tmp_path, one, source)
    odd = columns(source.shards[1]) | {"rank": ["a"] * 4}
    store.write_records(tmp_path, one.key, source.shards[1], store.table_of(odd), ("cpu",), one.parts)
    with beating(tmp_path) as runner, pytest.raises(StoreError, match="do not fit together"):
        seal.seal(runner, one, source)
    assert len(left(tmp_path, one)) == 3


def run(plan: Plan, out: Path, records: Path) -> RunInfo:
    return run_plan(plan, out, records=records, workers=1, command="test")


def test_another_suite_finds_the_same_cells(toy: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another name, with other shards, other labels and one more method."""
    first = run(planned(toy(("direct, median3, damp", "direct, damp"))), tmp_path / "a", tmp_path / "store")
    real, written = store.write_records, []
    monkeypatch.setattr(store, "write_records", lambda *given: written.append(given[1]) or real(*given))
    other = planned(toy(("suite: toy", "suite: other"), ("shard: 4", "shard: 8"), name="other.yaml"))
    second = run(other, tmp_path / "b", tmp_path / "store")
    keys = {result.cell.key for result in first.cells}
    assert {result.cell.key for result in second.cells if result.cell.method.label != "median3"} == keys
    assert written
    assert not keys & set(written)
    assert {result.status for result in second.cells} == {"done"}
    assert not (tmp_path / "b" / "records").exists()


@pytest.mark.parametrize(("before", "after"), [({"limit": 9}, {}), ({}, {"limit": 8})])
def test_shards_of_fewer_or_more_samples_are_taken_over(
    toy: Suite, tmp_path: Path, before: dict[str, int], after: dict[str, int]
) -> None:
    run(planned(toy(), **before), tmp_path / "a", tmp_path / "store")
    plan = planned(toy(), **after)
    found = survey(plan, tmp_path / "store")
    lacking = missing_units(plan, found)
    assert {unit.shard.start for unit in lacking} == ({8} if not after else set())
    fresh = run(plan, tmp_path / "fresh", tmp_path / "fresh")
    taken = run(plan, tmp_path / "b", tmp_path / "store")
    for result in taken.cells:
        one, other = (
            store.read_cell(tmp_path / name, info, result.cell) for name, info in (("b", taken), ("fresh", fresh))
        )
        assert one.equals(other)


def test_all_samples_of_one_run_stay_where_they_are_a_shard_of_another(toy: Suite, tmp_path: Path) -> None:
    """After the other one has sealed its cells, after it looked again, and after what nobody needs was removed."""
    root = tmp_path / "store"
    few = run(planned(toy(), limit=4), tmp_path / "few", root)
    before = [store.read_cell(tmp_path / "few", few, result.cell) for result in few.cells]
    for _ in range(2):
        run(planned(toy()), tmp_path / "all", root)
        with beating(root) as runner:
            assert [part.why for part in waste(runner, contents(root), known_runs(root)) if part.files] == []
        for result, frame in zip(few.cells, before, strict=True):
            assert store.read_cell(tmp_path / "few", few, result.cell).equals(frame)


@pytest.mark.parametrize("change", ["foreign", "damaged", "other key", "other samples"])
def test_a_sealed_file_that_does_not_hold_is_set_aside(
    toy: Suite, tmp_path: Path, change: str, cell: tuple[Cell, Source]
) -> None:
    plan = planned(toy())
    info = run(plan, tmp_path / "a", tmp_path / "store")
    one, other = (
        store.shard_file(tmp_path / "store", found.key, plan.sources[0].whole.name) for found in plan.cells[:2]
    )
    before = open_sealed(one).read().to_pydict()
    if change == "foreign":
        one.write_text("not of qbench")
    elif change == "damaged":
        one.write_bytes(one.read_bytes()[:-50] + one.read_bytes()[-49:])
    elif change == "other key":
        shutil.copy(other, one)
    else:
        shard = plan.sources[0].whole.model_copy(update={"ids": ""})
        table = open_sealed(one).read()
        ids = pa.array([f"x{number}" for number in range(len(table))])
        store.write_records(tmp_path / "store", plan.cells[0].key, shard, table.set_column(0, "id", ids), ("cpu",))
    with pytest.warns(UserWarning, match=rf"{one} is damaged: .* set aside as {one.name}\.damaged"):
        assert run(plan, tmp_path / "a", tmp_path / "store") == info
    assert repr(open_sealed(one).read().to_pydict()) == repr(before)


COMMAND = "from qbench.cli import main; main()"


@pytest.mark.slow
def test_runs_that_are_killed_again_and_again_end_in_the_same_records(toy: Suite, tmp_path: Path) -> None:
    suite, generator, kills = toy(), random.Random(7), 0
    arguments = ["run", str(suite), "--plugin", str(PLUGIN), "--device", "cpu", "--workers", "1"]
    whole = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments, "--out", str(tmp_path / "a"), "--own-store"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert whole.returncode == 0, whole.stderr
    command = [sys.executable, "-c", COMMAND, *arguments, "--out", str(tmp_path / "b"), "--own-store"]
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        files = len(list((tmp_path / "b").rglob("*.parquet")))
        while process.poll() is None and time.monotonic() < deadline:
            if len(list((tmp_path / "b").rglob("*.parquet"))) != files:
                time.sleep(generator.random() / 10)
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.002)
        process.wait(60)
    last = subprocess.run(command, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert kills
    one, other = (
        {file.relative_to(tmp_path / name): open_sealed(file).read() for file in (tmp_path / name).rglob("*.parquet")}
        for name in ("a", "b")
    )
    assert one.keys() == other.keys()
    assert all(repr(table.to_pydict()) == repr(other[file].to_pydict()) for file, table in one.items())
    assert not [file for file in (tmp_path / "b" / "records").rglob(".*") if file.is_file()]


def test_a_store_can_be_read_while_nobody_beats(tmp_path: Path, cell: tuple[Cell, Source]) -> None:
    one, source = cell
    write_shards(tmp_path, one, source)
    assert len(seal.look(tmp_path, one, source).shards) == 3
    assert not Runner(tmp_path, "none").holder(store.shard_file(tmp_path, one.key, source.shards[0].name))
