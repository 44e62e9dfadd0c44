"""The gate of this repository: its four built-in reports as baselines, with regressions planted in copies of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import qbench
from qbench.compute.cell import Cell
from qbench.gate.check import Checked, check
from qbench.gate.rules import FILE, Rules, read_rules
from qbench.report.columns import Records
from qbench.report.source import Loaded, load
from qbench.runs.plan import Options, load_suite, make_plan
from tests.conftest import ROOT

TODAY = date(2026, 12, 1)
BUILT_IN = ("jpeg", "segmentation", "detection", "restoration")
Change = Callable[[Cell, Records], Records]


@lru_cache(maxsize=4)
def shipped(report: str) -> tuple[Loaded, Rules]:
    folder = ROOT / "reports" / report
    return load(folder, whole=True), read_rules(folder / FILE)


def changed(run: Loaded, change: Change) -> Loaded:
    records = {
        result.cell.place: {**run.records[result.cell.place], **change(result.cell, run.records[result.cell.place])}
        for result in run.info.cells
    }
    return replace(run, records=records)


def checked(report: str, change: Change) -> Checked:
    before, rules = shipped(report)
    if report == "detection":  # whose resamples take longest
        before = under(before, "clean", "jpeg@10")
    return check(before, changed(before, change), rules, TODAY)


def under(run: Loaded, *conditions: str) -> Loaded:
    """A run under some of its conditions alone."""
    cells = tuple(result for result in run.info.cells if result.cell.condition.label in conditions)
    return replace(run, info=run.info.model_copy(update={"cells": cells}))


@pytest.mark.parametrize("report", BUILT_IN)
def test_a_report_names_the_samples_that_its_suite_has(report: str) -> None:
    """Else a run of the suite could not be compared with it."""
    plan = make_plan(*load_suite(ROOT / "suites" / f"{report}.yaml"), Options(device="cpu"))
    info = shipped(report)[0].info
    assert (info.suite, info.version, info.seed) == (plan.suite, plan.version, plan.settings.seed)
    assert [source.whole.name for source in info.sources] == [source.whole.name for source in plan.sources]
    assert [result.cell.in_tables for result in info.cells] == [cell.in_tables for cell in plan.cells]


@pytest.mark.parametrize("report", BUILT_IN)
def test_a_report_keeps_its_own_rules(report: str) -> None:
    before, rules = shipped(report)
    assert rules.inconclusive == "fail"
    result = check(before, before, rules, TODAY)
    assert result.exit_code == 0
    assert {one.verdict for one in result.judged} == {"identical"}


def rounded_otherwise(_: Cell, records: Records) -> Records:
    """As other kernels give it: the last bits of every number."""
    moved = {}
    for name, values in records.items():
        if name in ("bpp", "gt_area", "gt_corners") or (values.dtype.kind != "f" and name != "det_scores"):
            continue
        signs = np.where(np.arange(len(values)) % 2, 1.0, -1.0) * 3e-6
        if values.dtype == object:
            rows = np.empty(len(values), dtype=object)
            rows[:] = [row * np.float32(1 + sign) for row, sign in zip(values, signs, strict=True)]
            moved[name] = rows
        else:
            moved[name] = (values * (1 + signs.reshape(-1, *[1] * (values.ndim - 1)))).astype(values.dtype)
    return moved


@pytest.mark.parametrize("report", BUILT_IN)
def test_other_last_bits_pass(report: str) -> None:
    assert checked(report, rounded_otherwise).exit_code == 0


def constant(cell: Cell, records: Records) -> Records:
    """What a predictor that looks at no picture leaves."""
    if cell.task == "classification":
        target = records["target"]
        return {"prediction": np.full_like(target, 3), "rank": np.where(target == 3, 0, 1).astype(np.int32)}
    if cell.task == "segmentation":
        truth = records["tp"] + records["fn"]
        only = np.arange(truth.shape[1]) == 0
        wrong = truth.sum(axis=1, keepdims=True) - truth
        return {"tp": truth * only, "fp": wrong * only, "fn": truth * ~only}
    if cell.task == "detection":
        return {name: _repeated(records[name]) for name in ("det_corners", "det_scores", "det_labels")}
    grey = {"psnr": 12.0, "ssim": 0.2, "niqe-local": 30.0}
    return {name: np.full_like(records[name], value) for name, value in grey.items()}


def _repeated(values: Any) -> Any:
    rows = np.empty(len(values), dtype=object)
    rows[:] = [values[0]] * len(values)
    return rows


@pytest.mark.parametrize("report", BUILT_IN)
def test_a_constant_predictor_does_not_pass(report: str) -> None:
    result = checked(report, constant)
    assert result.exit_code == 1
    assert {one.figure.method for one in result.blocking} >= {"direct", "arcnn"}


@pytest.mark.parametrize("report", BUILT_IN)
def test_a_deleted_cell_and_swapped_ids_cannot_be_compared(report: str) -> None:
    before, rules = shipped(report)
    without = before.info.model_copy(update={"cells": before.info.cells[:-1]})
    gone = check(before, replace(before, info=without), rules, TODAY)
    assert gone.exit_code == 2
    assert "the run has no such cell" in gone.comparison.against[0]
    last = next(
        r.cell for r in before.info.cells if (r.cell.method.name, r.cell.condition.label) == ("arcnn", "jpeg@10")
    )
    ids = before.records[last.place]["id"].copy()
    ids[[3, 4]] = ids[[4, 3]]
    swapped = checked(report, lambda cell, _: {"id": ids} if cell == last else {})
    assert swapped.exit_code == 2
    assert swapped.comparison.against[0].endswith("its records hold other ids, or in another order")


def worse_by_five_points(method: str) -> Change:
    """Under each degraded condition the method loses the first hits, 5 points and half a sample."""

    def change(cell: Cell, records: Records) -> Records:
        if cell.method.name != method or cell.condition.family == "clean":
            return {}
        rank = records["rank"].copy()
        shifted = np.roll(np.flatnonzero(rank == 0), 7 * len(cell.condition.label))
        rank[shifted[: int(np.ceil(0.05 * len(rank)))]] = 1
        return {"rank": rank}

    return change


@pytest.mark.parametrize("method", ["afd", "finetune"])
def test_five_points_less_fail(method: str) -> None:
    result = checked("jpeg", worse_by_five_points(method))
    assert result.exit_code == 1
    assert {one.figure.kind for one in result.blocking} >= {"average", "gain"}
    assert {one.figure.method for one in result.blocking} == {method}


@pytest.mark.parametrize(("report", "metric", "least"), [("segmentation", "miou", 0.05), ("detection", "ap50", 0.03)])
def test_afd_that_does_nothing_fails(report: str, metric: str, least: float) -> None:
    """All that AFD gains is lost."""
    before, _ = shipped(report)
    direct = {
        result.cell.condition.label: before.records[result.cell.place]
        for result in before.info.cells
        if result.cell.method.name == "direct"
    }
    result = checked(report, lambda cell, _: direct[cell.condition.label] if cell.method.name == "afd" else {})
    gain = next(
        one for one in result.judged
        if (one.figure.kind, one.figure.metric, one.figure.method) == ("gain", metric, "afd")
    )  # fmt: skip
    assert gain.figure.before > least
    assert gain.blocks
    assert result.exit_code == 1


def test_scores_of_fewer_samples_cannot_be_compared() -> None:
    """A picture that is no longer restored has no PSNR; what is left may look better."""

    def lose(cell: Cell, records: Records) -> Records:
        if cell.method.name != "arcnn" or cell.condition.label != "jpeg@10":
            return {}
        lowest = records["psnr"] < np.quantile(records["psnr"], 0.1)
        return {"psnr": np.where(lowest, np.nan, records["psnr"]).astype(np.float32)}

    result = checked("restoration", lose)
    assert result.exit_code == 2
    assert "128 samples had a score, and now 115" in result.comparison.against[0]


def suite(**afd: object) -> Mapping[str, Any]:
    """A small suite, in which AFD may have other weights under its own name."""
    return {
        "suite": "small",
        "tasks": [
            {
                "dataset": {"name": "scenes", "count": 40},
                "models": ["builtin:scenes"],
                "conditions": ["clean", {"jpeg": {"quality": [15, 7]}}],
                "methods": ["direct", {"afd": dict(afd)}],
            }
        ],
    }


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    out = tmp_path_factory.mktemp("baseline")
    return load(qbench.run(suite(), out=out, own_store=True, device="cpu").folder, whole=True)


def test_other_kernels_pass(baseline: Loaded, tmp_path: Path) -> None:
    with torch.backends.mkldnn.flags(enabled=False):
        other = load(qbench.run(suite(), out=tmp_path, own_store=True, device="cpu").folder, whole=True)
    assert any(not np.array_equal(baseline.records[p]["nll"], other.records[p]["nll"]) for p in baseline.records)
    assert check(baseline, other, Rules(), TODAY).exit_code == 0


def test_noise_in_weights_under_the_same_name_fails(baseline: Loaded, tmp_path: Path) -> None:
    file = tmp_path / "afd.safetensors"
    with safe_open(ROOT / "baselines" / "weights" / "afd-scenes-s0.safetensors", "pt") as given:
        tensors = {name: given.get_tensor(name) for name in given.keys()}  # noqa: SIM118
        facts = given.metadata()
    generator = torch.Generator().manual_seed(0)
    noisy = {
        name: tensor + 2 * tensor.std() * torch.randn(tensor.shape, generator=generator)
        if tensor.is_floating_point() and tensor.numel() > 1 else tensor
        for name, tensor in tensors.items()
    }  # fmt: skip
    save_file(noisy, file, facts)
    run = qbench.run(suite(weights=str(file), label="afd"), out=tmp_path / "run", own_store=True, device="cpu")
    result = check(baseline, load(run.folder, whole=True), Rules(), TODAY)
    average = next(one for one in result.judged if (one.figure.kind, one.figure.method) == ("average", "afd"))
    assert average.figure.change < -0.05
    assert (result.exit_code, average.blocks) == (1, True)
    assert any(text.startswith("weights of afd on builtin:scenes") for text in result.comparison.differ)
