"""The stream of batches: what goes through a network together, how much lives at once, and what a fault ends."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qbench.compute import predict
from qbench.compute.cell import Shard
from qbench.compute.prepare import Window, windows
from qbench.data.scenes.dataset import Scenes
from qbench.degrade.jpeg import Jpeg
from qbench.documents.faults import validated
from qbench.documents.load import Document
from qbench.runs import store
from qbench.runs.plan import Options, make_plan
from qbench.runs.planned import Plan
from qbench.runs.run import run_plan
from qbench.suite.schema import Suite
from tests.conftest import ROOT

PLUGIN = ROOT / "tests" / "stream_plugin.py"
METHODS = ["direct", "stream-brighten", {"stream-scale": {"factor": 0.5}}, {"stream-scale": {"factor": 2}}]
Frames = Mapping[tuple[str, str, str], pd.DataFrame]


def planned(engine: Mapping[str, Any], device: str = "cpu", **task: Any) -> Plan:
    """A suite of one task on the plug-in's pictures."""
    count = {"name": "stream-pictures", "count": 70}
    whole = {"dataset": count, "models": ["stream-net"], "conditions": ["stream-noise"], "methods": METHODS, **task}
    data = {"suite": "stream", "version": 1, "changelog": {1: ""}, "engine": {"batch": 16, **engine}, "tasks": [whole]}
    options = Options(plugin_files=(PLUGIN,), device=device)
    document = Document(data, {})
    return make_plan(validated(Suite, document), document, options)


def frames(plan: Plan, out: Path, **how: Any) -> Frames:
    """The records of all cells, by condition, model and method."""
    info = run_plan(plan, out, **{"workers": 1, "command": "test", **how})
    assert [result.reason for result in info.cells if result.status != "done"] == []
    cells = [result.cell for result in info.cells]
    return {(c.condition.label, c.model.label, c.method.label): store.read_cell(out, info, c) for c in cells}


def assert_same(some: Frames, others: Frames) -> None:
    assert some.keys() == others.keys()
    for name, frame in some.items():
        pd.testing.assert_frame_equal(frame, others[name], check_exact=True)


@given(st.integers(0, 50), st.integers(1, 70), st.integers(1, 20))
def test_windows_cover_a_shard_and_depend_on_the_manifest_alone(start: int, count: int, batch: int) -> None:
    cut = list(windows(Shard(start=start, stop=start + count, name=""), batch))
    assert [i for window in cut for i in range(window.start, window.stop)] == list(range(start, start + count))
    of_all = list(windows(Shard(start=0, stop=200, name=""), batch))
    for window in cut:
        assert any(other.start <= window.start and window.stop <= other.stop for other in of_all)
    if start % batch == 0:
        assert (
            cut[:-1]
            == [other for other in of_all if start <= other.start and other.stop < start + count][: len(cut) - 1]
        )
    assert Window(start, start) not in cut


@pytest.mark.parametrize("sizes", ["one", "two", "all"])
def test_records_do_not_depend_on_the_shard(sizes: str, tmp_path: Path) -> None:
    dataset = {"name": "stream-pictures", "count": 70, "sizes": sizes, "unreadable": 21}
    by_shard = [
        frames(planned({"shard": shard, "max_bad": 0.1}, dataset=dataset), tmp_path / str(shard))
        for shard in (16, 32, 64)
    ]
    for others in by_shard[1:]:
        assert_same(by_shard[0], others)
    frame = next(iter(by_shard[0].values()))
    assert list(frame["id"]) == [f"{index:03d}" for index in range(70)]
    assert list(frame["target"]) == [-1 if index == 21 else index % 5 for index in range(70)]
    assert list(frame["group"]) == ["" if index == 21 else f"group {index % 3}" for index in range(70)]


def test_an_unreadable_picture_in_a_batch_leaves_the_other_windows_to_the_bit(tmp_path: Path) -> None:
    def of(unreadable: int) -> Frames:
        dataset = {"name": "stream-pictures", "count": 40, "unreadable": unreadable}
        return frames(planned({"max_bad": 0.1}, dataset=dataset), tmp_path / str(unreadable))

    whole, broken = of(-1), of(21)
    for name, frame in broken.items():
        assert frame["error"][21] == "ValueError: no picture 21"
        assert list(frame["error"].drop(21)) == [""] * 39
        others = [i for i in range(40) if not 16 <= i < 32]
        pd.testing.assert_frame_equal(frame.loc[others], whole[name].loc[others], check_exact=True)
        if name[2] == "direct":
            assert frame["nll"].drop(21).to_numpy() == pytest.approx(whole[name]["nll"].drop(21).to_numpy(), rel=1e-5)


def test_a_sample_that_one_condition_refuses_is_whole_under_the_others(tmp_path: Path) -> None:
    conditions = ["stream-noise", {"stream-trouble": {"refuses": "005"}}]
    alone = frames(planned({}), tmp_path / "alone")
    beside = frames(planned({"max_bad": 0.1}, conditions=conditions), tmp_path / "beside")
    assert_same(alone, {name: frame for name, frame in beside.items() if name[0] == "noise"})
    refused = beside["trouble 005", "net 0", "direct"]
    assert [i for i, error in enumerate(refused["error"]) if error] == [5]


def test_what_answers_from_one_memory_is_read_before_it_answers_again(tmp_path: Path) -> None:
    """A network whose layers write over each other's answers, under two methods at one site, and a restorer that writes
    over its own, in front of two networks: as if they did not."""
    both = []
    for reuses, kind in ((False, "plain"), (True, "reusing")):
        models = [{"stream-net": {"seed": seed, "reuses": reuses}} for seed in (0, 1)]
        methods = [*METHODS[2:], "direct", {"stream-brighten": {"kind": kind}}]
        dataset = {"name": "stream-pictures", "count": 40, "sizes": "two"}
        both.append(frames(planned({}, models=models, methods=methods, dataset=dataset), tmp_path / kind))
    plain, reusing = (list(some.values()) for some in both)
    for one, other in zip(plain, reusing, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_cell_that_fails_on_one_batch_is_not_computed_on_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = predict.whole

    def fails(model: Any, batch: predict.Batch) -> Any:
        seen.append(batch.context.ids[0])
        if "016" in batch.context.ids:
            raise RuntimeError("out of luck")
        return real(model, batch)

    monkeypatch.setattr(predict, "whole", fails)
    plan = planned({"shard": 80}, methods=["direct", {"stream-scale": {"factor": 2}}])
    info = run_plan(plan, tmp_path, workers=1, command="test")
    assert [(result.status, result.reason) for result in info.cells] == [
        ("failed", "RuntimeError: out of luck"), ("done", ""),
    ]  # fmt: skip
    assert seen == ["000", "016"]
    assert "out of luck" in (tmp_path / "errors" / f"{info.cells[0].cell.key}.txt").read_text()


def test_a_condition_that_cannot_be_built_ends_its_own_cells(tmp_path: Path) -> None:
    plan = planned({}, conditions=["stream-homeless", "stream-noise"], methods=["direct"])
    from qbench import registry

    registry.get("condition", "stream-homeless").target.built = 99
    info = run_plan(plan, tmp_path, workers=1, command="test")
    assert [result.status for result in info.cells] == ["failed", "done"]
    assert info.cells[0].reason == "RuntimeError: built too often"


class Living:
    """How many of some objects live, and lived at once."""

    def __init__(self) -> None:
        self.now = self.most = self.ever = 0

    def born(self, thing: Any) -> None:
        self.now, self.ever = self.now + 1, self.ever + 1
        self.most = max(self.most, self.now)
        weakref.finalize(thing, self.dies)

    def dies(self) -> None:
        self.now -= 1


@pytest.mark.parametrize("shard", [4, 32])
def test_pictures_and_batches_live_no_longer_than_their_window(
    shard: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, degraded, batches = Living(), Living(), Living()
    load, apply, on_device, restored = Scenes.load, Jpeg.apply, predict.on_device, predict.restored

    def loaded(self: Any, index: int) -> Any:
        sample = load(self, index)
        decoded.born(sample.image)
        return sample

    def compressed(self: Any, image: np.ndarray, draw: Any) -> Any:
        picture, facts = apply(self, image, draw)
        degraded.born(picture)
        return picture, facts

    def counted(real: Any) -> Any:
        def count(*given: Any) -> Any:
            batch = real(*given)
            batches.born(batch.images)
            return batch

        return count

    monkeypatch.setattr(Scenes, "load", loaded)
    monkeypatch.setattr(Jpeg, "apply", compressed)
    monkeypatch.setattr(predict, "on_device", counted(on_device))
    monkeypatch.setattr(predict, "restored", counted(restored))
    plan = planned(
        {"batch": 4, "shard": shard}, dataset={"name": "scenes", "count": 32}, models=["builtin:scenes"],
        conditions=["clean", {"jpeg": {"quality": [10, 20]}}], methods=["direct", "arcnn", "dncnn-small"],
    )  # fmt: skip
    frames(plan, tmp_path)
    assert (decoded.ever, degraded.ever, batches.ever) == (32, 64, 8 * 3 * 3)
    assert decoded.most <= 4
    assert degraded.most <= 4
    assert batches.most <= 2, "a batch, and one restoration of it"
    assert torch.is_grad_enabled()


def test_pictures_that_the_device_has_no_room_for_end_their_own_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = predict.on_device

    def full(given: Any, condition: str, settings: Any) -> predict.Batch:
        if "stream-noise" in condition and "016" in given.ids:
            raise RuntimeError("not enough memory")
        return real(given, condition, settings)

    monkeypatch.setattr(predict, "on_device", full)
    info = run_plan(
        planned({}, conditions=["stream-noise", "clean"], methods=METHODS[:2]), tmp_path, workers=1, command=""
    )
    assert {(r.cell.condition.label, r.status, r.reason) for r in info.cells} == {
        ("noise", "failed", "RuntimeError: not enough memory"),
        ("clean", "done", ""),
    }


@pytest.mark.parametrize("large", [1, 2**40])
def test_large_pictures_give_their_buffers_back(large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[int] = []
    monkeypatch.setattr("qbench.compute.shard.LARGE", large)
    monkeypatch.setattr("qbench.compute.shard.free_large_buffers", lambda: called.append(1))
    frames(planned({}, methods=["direct"]), tmp_path, feeders=0)
    assert bool(called) == (large == 1)
