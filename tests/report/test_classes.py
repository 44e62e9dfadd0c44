"""The table by class, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from fake_run import condition_of, row, source, table

import qbench
from qbench.compute.cell import Cell, DatasetItem, Item, MethodItem, MetricItem
from qbench.data.views import ViewSpec
from qbench.report.build import report
from qbench.report.render import RENDERERS
from qbench.report.render.text import text_table
from qbench.report.source import Loaded
from qbench.runs.run_info import CellResult, RunInfo
from qbench.stats.bootstrap import resamples, standard
from qbench.tasks.segmentation.metrics import MeanIoU

NAMES = ("road", "sky", "cat", "dog")
SAMPLES = 6


def cell(method, condition, key, *, status="done", reason="", metrics=("miou",), oracle=False, seed=0):
    cell_ = Cell(
        key=key, task="segmentation", dataset=DatasetItem(name="streets", label="streets", own_label="streets"),
        source=0, view=ViewSpec(resize=None, crop=None), condition=condition_of(condition), samples=SAMPLES,
        model=Item(name="net", label="net"), train_seed=seed, cost=None,
        method=MethodItem(name=method, label=method, site="none", oracle=oracle),
        metrics=tuple(MetricItem(name=name) for name in metrics),
    )  # fmt: skip
    return CellResult(cell=cell_, status=status, reason=reason)


def counts(seed, classes=4, absent=(3,)):
    """Counts of pixels in which the classes `absent` never occur; the last sample is unreadable."""
    random = np.random.default_rng(seed)
    columns = {name: random.integers(1, 50, (SAMPLES, classes)).astype(np.int32) for name in ("tp", "fp", "fn")}
    for counted in columns.values():
        counted[:, list(absent)] = 0
    columns["tp"][0, 2] = columns["fn"][0, 2] = 0
    error = np.array([""] * (SAMPLES - 1) + ["cannot be decoded"])
    return {**columns, "error": error, "bpp": np.full(SAMPLES, np.nan)}


def report_of(cells, records, names=NAMES, tables=("accuracy-by-class",)):
    info = RunInfo(
        suite="fake", title="", version=1, seed=5, command="qbench run fake.yaml", tables=tables,
        sources=(source(SAMPLES, names),), cells=tuple(cells), environment={},
    )  # fmt: skip
    return report(Loaded(info, {f"{key}/0": columns for key, columns in records.items()}, ()))


def by_class(*args, **options):
    return table(report_of(*args, **options), "accuracy-by-class")


def iou(columns, k, times=None):
    """By plain sums over the readable pictures."""
    times = [1] * (SAMPLES - 1) if times is None else times
    tp, fp, fn = (sum(int(n * columns[name][i][k]) for i, n in enumerate(times)) for name in ("tp", "fp", "fn"))
    return tp / (tp + fp + fn)


@pytest.fixture
def street():
    records = {f"{m}{c}": counts(10 * m + c) for m in (1, 2) for c in (0, 1, 2)}
    cells = [
        cell(method, condition, f"{m}{c}")
        for m, method in ((1, "direct"), (2, "afd"))
        for c, condition in enumerate(("clean", "jpeg@10", "jpeg@7"))
    ]
    return cells, records


def test_scores_are_those_of_plain_sums(street):
    _, records = street
    clean, jpeg = by_class(*street).groups
    assert (clean.of["family"], jpeg.of["family"]) == ("clean", "mean of jpeg@10, jpeg@7")
    for number, method in ((1, "direct"), (2, "afd")):
        for k, name in enumerate(NAMES[:3]):
            assert row(clean, method)[name].value == pytest.approx(iou(records[f"{number}0"], k))
            expected = (iou(records[f"{number}1"], k) + iou(records[f"{number}2"], k)) / 2
            assert row(jpeg, method)[name].value == pytest.approx(expected)
            assert (row(jpeg, method)[name].n, row(jpeg, method)[name].bad) == (SAMPLES - 1, 1)
    assert "dog" not in row(clean, "direct")


def test_their_mean_is_the_mean_over_classes(street):
    _, records = street
    clean, _ = by_class(*street).groups
    values = [value.value for value in row(clean, "afd").values()]
    assert np.mean(values) == pytest.approx(float(MeanIoU.statistic(records["20"], np.ones(SAMPLES))))


def test_intervals_resample_pictures(street):
    _, records = street
    _, jpeg = by_class(*street).groups
    drawn = [
        (iou(records["21"], 1, times[:-1]) + iou(records["22"], 1, times[:-1])) / 2
        for block in resamples(SAMPLES, 5, "streets")
        for times in block
        if times[:-1].any()
    ]
    sky = row(jpeg, "afd")["sky"]
    assert (sky.low, sky.high) == pytest.approx(standard(np.array(drawn), sky.value, SAMPLES - 1))


def test_a_class_says_how_much_of_it_there_is(street):
    _, records = street
    clean, _ = by_class(*street).groups
    heading = {column.name: column.heading for column in clean.columns}
    truth = (records["10"]["tp"] + records["10"]["fn"])[:-1]
    share = 100 * truth[:, 2].sum() / truth.sum()
    assert heading["cat"] == f"cat (4 pictures, {share:.1f}% of pixels)"


def test_a_line_for_each_class_and_the_best_of_those_that_are_apart(street):
    cells, records = street
    records["20"]["tp"][:, [0, 2]] += 1000
    records["20"]["tp"][:, 1] = records["10"]["tp"][:, 1]
    whole = report_of(cells, records)
    clean, _ = table(whole, "accuracy-by-class").groups
    shown = text_table(clean)
    assert shown.heads == ("class", "direct", "afd")
    assert [title.split(" (")[0] for title, _ in shown.lines] == ["road", "sky", "cat"]
    assert [[value.mark for value, _ in values] for _, values in shown.lines] == [
        ["", "best"], ["", ""], ["", "best"],
    ]  # fmt: skip
    for form in ("md", "tex", "csv", "json"):
        assert "sky" in RENDERERS[form].render(whole)


def test_what_is_missing_says_why(street):
    cells, records = street
    cells[5] = cell("afd", "jpeg@7", "22", status="n/a", reason="no weights")
    classes = by_class(cells, {key: columns for key, columns in records.items() if key != "22"})
    _, jpeg = classes.groups
    assert [value.missing for value in row(jpeg, "afd").values()] == ["n/a"] * 3
    assert classes.notes == ("afd on net: no weights",)
    assert row(jpeg, "direct")["sky"].value is not None


def test_kinds_are_averaged_apart():
    names = ("clean", "fog/1", "snow/2", "jpeg@7", "haze(beta 1.2)")
    cells = [cell("direct", name, str(i)) for i, name in enumerate(names)]
    classes = by_class(cells, {str(i): counts(i) for i in range(len(names))})
    assert [group.of["family"] for group in classes.groups] == [
        "clean", "mean of fog/1, snow/2", "jpeg@7", "haze(beta 1.2)"
    ]  # fmt: skip


def test_seeds_are_averaged():
    cells = [cell("afd", "clean", str(seed), seed=seed) for seed in (0, 1)]
    records = {str(seed): counts(seed) for seed in (0, 1)}
    (group,) = by_class(cells, records).groups
    pair = [iou(records[str(seed)], 0) for seed in (0, 1)]
    value = row(group, "afd")["road"]
    assert (value.value, value.spread, value.seeds) == pytest.approx((np.mean(pair), np.std(pair, ddof=1), 2))


def test_classes_without_names_are_numbered(street):
    clean, _ = by_class(*street, names=("road",)).groups
    assert [column.name for column in clean.columns] == ["road", "1", "2"]


def test_a_run_without_means_over_classes_says_so(street):
    _, records = street
    classes = by_class([cell("direct", "clean", "10", metrics=("pixel-accuracy",))], records)
    assert "miou or ap" in classes.empty
    assert not classes.groups


@pytest.mark.slow
def test_a_suite_asks_for_it_by_one_word(tmp_path):
    suite = {
        "suite": "small", "tables": ["accuracy-by-class"],
        "tasks": [
            {
                "task": "detection", "dataset": {"name": "scenes", "count": 2, "target": "boxes"},
                "models": ["builtin:scenes-detector"], "conditions": ["clean"], "metrics": ["ap50"],
            },
            {
                "task": "segmentation", "dataset": {"name": "scenes", "count": 2, "target": "mask"},
                "models": ["builtin:scenes-segmenter"], "conditions": ["clean"],
            },
        ],
    }  # fmt: skip
    qbench.run(suite, out=tmp_path, device="cpu")
    boxes, masks = (
        t.groups[0].columns for t in qbench.report.build.build(tmp_path).tables if t.name == "accuracy-by-class"
    )
    assert masks[0].name == "background"
    assert {column.name for column in boxes} <= {column.name for column in masks}
