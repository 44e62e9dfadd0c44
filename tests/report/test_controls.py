"""Tables of differences from a control: pairing by training and by sample, checked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_run import FakeRun, row, table
from scipy.stats import t as student

from qbench.report.build import build, report
from qbench.report.render import RENDERERS
from qbench.report.source import load
from qbench.suite.schema import Control
from tests.conftest import ROOT

SAMPLES = 200


def flip(base, count, seed):
    """`base` with `count` misses run hits."""
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(base == 0))[:count]
    changed = base.copy()
    changed[chosen] = 1
    return changed


@pytest.fixture
def run():
    """Direct; a control trained with seeds 0 to 2; a method that has 10, 12 and 14 more hits than it."""
    run = FakeRun(SAMPLES)
    base = (np.arange(SAMPLES) % 2).astype(int)
    run.cell("direct", "clean", base)
    run.cell("direct", "jpeg@10", base)
    for seed in range(3):
        control = flip(base, 5 * seed, seed)
        for condition, more in (("clean", 0), ("jpeg@10", 10 + 2 * seed)):
            run.cell("control", condition, control, train_seed=seed)
            run.cell("ours", condition, flip(control, more, seed), train_seed=seed)
    return run


def against(run, path, control, *methods):
    run.controls.append(Control(control=control, methods=methods))
    report = build(run.write(path))
    return table(report, "against-control"), report


def test_trainings_of_the_same_seed_are_paired(run, tmp_path):
    shown, report = against(run, tmp_path, "control", "ours")
    (group,) = shown.groups
    assert group.heading.endswith("against control")
    assert [r.method for r in group.rows] == ["ours"]
    ours = row(group, "ours")
    assert (ours["clean"].value, ours["clean"].low, ours["clean"].high) == (0, None, None)
    degraded = ours["jpeg@10"]
    assert degraded.value == pytest.approx(0.06)
    assert degraded.spread == pytest.approx(0.01)
    assert ours["average"] == degraded
    assert ours["pairs"].value == 3
    paired_only = student.ppf(0.975, 2) * 0.01 / 3**0.5
    assert degraded.high - degraded.value == pytest.approx(degraded.value - degraded.low)
    share = 36 / 3 / SAMPLES  # the mean of three sets of hits that hardly overlap
    at_most = share**0.5 / SAMPLES**0.5 * student.ppf(0.975, 2) + paired_only
    assert paired_only / 2 < degraded.high - degraded.value < at_most
    for form in ("md", "tex", "csv", "json"):
        assert "against control" in RENDERERS[form].render(report)


def test_a_control_that_is_not_trained_meets_every_training(run, tmp_path):
    shown, _ = against(run, tmp_path, "direct")
    (group,) = shown.groups
    assert [r.method for r in group.rows] == ["control", "ours"]
    ours = row(group, "ours")
    assert ours["pairs"].value == 3
    assert ours["jpeg@10"].value == pytest.approx(np.mean([10, 17, 24]) / SAMPLES)
    assert ours["jpeg@10"].spread == pytest.approx(7 / SAMPLES)


def test_one_training_has_the_interval_of_its_samples(tmp_path):
    run = FakeRun(SAMPLES)
    base = (np.arange(SAMPLES) % 2).astype(int)
    run.cell("direct", "jpeg@10", base)
    run.cell("ours", "jpeg@10", flip(base, 20, 0))
    shown, report = against(run, tmp_path, "direct")
    ours = row(shown.groups[0], "ours")["jpeg@10"]
    gain = row(table(report, "accuracy-by-quality").groups[0], "ours")["gain"]
    assert (ours.value, ours.low, ours.high) == pytest.approx((gain.value, gain.low, gain.high))
    assert ours.spread is None


def test_trainings_without_a_partner_are_left_out_and_what_is_missing_says_why(run, tmp_path):
    for condition in ("clean", "jpeg@10"):
        run.cell("ours", condition, np.ones(SAMPLES, dtype=int), train_seed=7)
        run.cell("late", condition, status="n/a", reason="no weights yet")
    shown, _ = against(run, tmp_path, "control")
    ours = row(shown.groups[0], "ours")
    assert (ours["pairs"].value, ours["jpeg@10"].value) == (3, pytest.approx(0.06))
    late = row(shown.groups[0], "late")["jpeg@10"]
    assert (late.missing, shown.notes[late.note - 1]) == ("n/a", "late on net: no weights yet")


def test_samples_that_count_on_one_side_only_drop_out(tmp_path):
    run = FakeRun(10)
    run.cell("direct", "jpeg@10", np.zeros(10, dtype=int), bad=(0, 1))
    run.cell("ours", "jpeg@10", np.arange(10) < 4, unlabelled=(9,))
    shown, _ = against(run, tmp_path, "direct")
    ours = row(shown.groups[0], "ours")["jpeg@10"]
    assert (ours.n, ours.bad, ours.value) == (7, 2, pytest.approx(2 / 7))


def test_no_controls_no_table(run, tmp_path):
    assert "against-control" not in {table.name for table in build(run.write(tmp_path)).tables}


def test_scores_that_are_no_means_have_the_interval_that_gains_have():
    """The committed records of segmentation: mIoU has the standard bootstrap in one table as in the other."""
    loaded = load(ROOT / "reports" / "segmentation")
    cells = tuple(result for result in loaded.info.cells if result.cell.condition.label.startswith(("clean", "jpeg")))
    controls = (Control(control="direct", methods=("afd",)),)
    info = loaded.info.model_copy(update={"cells": cells, "controls": controls})
    tables = {table.name: table for table in report(replace(loaded, info=info)).tables}
    averages = {group.heading: row(group, "afd")["average"] for group in tables["against-control"].groups}
    (control,) = averages.values()
    gain = row(tables["accuracy-by-quality"].groups[0], "afd")["gain"]
    assert (control.low, control.high) == pytest.approx((gain.low, gain.high))
    assert "standard bootstrap" in " ".join(tables["against-control"].remarks)
