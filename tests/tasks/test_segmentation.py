"""Segmentation scores against torchmetrics, plain loops and closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional import classification as functional

from qbench import registry
from qbench.data.views import View
from qbench.errors import BadTarget, DataError, QbenchError
from qbench.tasks.segmentation import Segmentation
from qbench.tasks.segmentation.metrics import ClassIoU, class_ious, scored
from qbench.tasks.segmentation.predict import COLUMNS, bad, score, target
from qbench.vocabulary import Sample

ALL = (*Segmentation.metrics, "iou:0", "iou:2")


def one_hot(prediction: np.ndarray, classes: int) -> torch.Tensor:
    """Logits [B, K, H, W] whose highest is at `prediction` [B, H, W]."""
    return torch.nn.functional.one_hot(torch.from_numpy(prediction).long(), classes).movedim(-1, 1).float()


def records(prediction: np.ndarray, truth: np.ndarray, classes: int) -> dict[str, Any]:
    columns = score(one_hot(prediction, classes), list(truth.astype(np.uint8)))
    return {**columns, "error": [""] * len(truth)}


def value(name: str, columns: Any, weights: Any = None) -> Any:
    entry = registry.get("metric", name)
    scorer = entry.target(name.split(":")[1]) if name.startswith("iou:") else entry.target
    return scorer.statistic(columns, np.ones(len(columns["error"])) if weights is None else weights)


def drawn(seed: int = 0, count: int = 6, classes: int = 5, size: int = 17) -> tuple[np.ndarray, np.ndarray]:
    """Predictions right in two of three pixels, and masks with ignored pixels."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, (count, size, size + 3))
    wrong = random.integers(0, classes, truth.shape)
    prediction = np.where(random.random(truth.shape) < 0.66, truth, wrong)
    return prediction, np.where(random.random(truth.shape) < 0.1, 255, truth)


def theirs(name: str, prediction: np.ndarray, truth: np.ndarray, classes: int) -> Any:
    preds, masks = torch.from_numpy(prediction), torch.from_numpy(truth)
    options = {"num_classes": classes, "ignore_index": 255}
    if name == "miou":
        return functional.multiclass_jaccard_index(preds, masks, average="macro", **options)
    if name == "pixel-accuracy":
        return functional.multiclass_accuracy(preds, masks, average="micro", **options)
    if name == "mean-accuracy":
        return functional.multiclass_recall(preds, masks, average="macro", **options)
    return functional.multiclass_jaccard_index(preds, masks, average="none", **options)[int(name[4:])]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_torchmetrics(name: str, seed: int) -> None:
    prediction, truth = drawn(seed)
    assert value(name, records(prediction, truth, 5)) == pytest.approx(float(theirs(name, prediction, truth, 5)))


def test_scores_are_torchmetrics_where_classes_are_absent() -> None:
    """Class 5 of 7 is predicted and not there, class 6 neither: the one counts in the mean, the other does not."""
    prediction, truth = drawn(4)
    prediction[0, :3] = 5
    columns = records(prediction, truth, 7)
    ious = class_ious(columns, np.ones(6))
    assert ious[5] == 0
    assert np.isnan(ious[6])
    assert value("miou", columns) == pytest.approx(np.mean(ious[:6]))
    for name in ("miou", "pixel-accuracy"):
        assert value(name, columns) == pytest.approx(float(theirs(name, prediction, truth, 7)))
    assert value("mean-accuracy", columns) == pytest.approx(
        np.mean([np.mean(prediction[truth == k] == k) for k in range(5)])
    )


@pytest.mark.parametrize("name", ALL)
def test_weights_count_samples_as_often_as_if_they_were_there_again(name: str) -> None:
    prediction, truth = drawn(1)
    times = np.array([2, 0, 1, 3, 0, 1])
    again = records(np.repeat(prediction, times, axis=0), np.repeat(truth, times, axis=0), 5)
    assert value(name, records(prediction, truth, 5), times) == pytest.approx(value(name, again), rel=1e-14)


def test_a_class_of_unweighted_samples_is_absent() -> None:
    truth = np.stack([np.zeros((4, 4), int), np.full((4, 4), 2)])
    columns = records(truth, truth, 3)
    assert np.isnan(value("iou:2", columns, np.array([1, 0])))
    assert value("miou", columns, np.array([1, 0])) == 1
    assert np.isnan(value("miou", columns, np.array([0, 0])))


def test_rows_of_weights_give_a_value_each() -> None:
    columns = records(*drawn(2), 5)
    weights = np.random.default_rng(2).multinomial(6, np.full(6, 1 / 6), size=(2, 4)).astype(float)
    for name in ALL:
        together = value(name, columns, weights)
        assert together.shape == (2, 4)
        assert together == pytest.approx(np.array([[value(name, columns, row) for row in half] for half in weights]))


def test_identical_pictures_are_perfect_in_every_score() -> None:
    _, truth = drawn(3)
    prediction = np.where(truth == 255, 0, truth)
    assert all(value(name, records(prediction, truth, 5)) == 1 for name in ALL)


def test_a_shift_by_one_pixel_has_the_closed_form() -> None:
    """A square of side n moved by one column: IoU n (n - 1) / (n (n + 1)) of the square."""
    for side in (1, 4, 9):
        truth, prediction = np.zeros((1, 20, 20), int), np.zeros((1, 20, 20), int)
        truth[0, 5 : 5 + side, 5 : 5 + side] = 1
        prediction[0, 5 : 5 + side, 6 : 6 + side] = 1
        columns = records(prediction, truth, 2)
        rest = (400 - side * side - side) / (400 - side * side + side)
        assert class_ious(columns, np.ones(1)) == pytest.approx([rest, (side - 1) / (side + 1)])
        assert value("pixel-accuracy", columns) == pytest.approx(1 - 2 * side / 400)


def test_masks_that_are_ignored_everywhere_count_in_nothing() -> None:
    prediction, truth = drawn(5)
    without = records(prediction[:3], truth[:3], 5)
    truth[3:] = 255
    columns = records(prediction, truth, 5)
    assert [int(columns[name][4].sum()) for name in COLUMNS] == [0, 0, 0]
    assert all(value(name, columns) == value(name, without) for name in ALL)
    assert scored({**columns, "error": ["", "broken", "", "", "", ""]}).tolist() == [
        True,
        False,
        True,
        False,
        False,
        False,
    ]
    alone = records(prediction[3:], truth[3:], 5)
    assert all(np.isnan(value(name, alone)) for name in ALL)


def test_pictures_without_a_mask_count_in_nothing() -> None:
    prediction, truth = drawn(6, count=2)
    columns = score(one_hot(prediction, 5), [truth[0].astype(np.uint8), None])
    assert value("miou", {**columns, "error": ["", ""]}) == value("miou", records(prediction[:1], truth[:1], 5))


def test_unreadable_samples_count_in_nothing_even_through_a_file() -> None:
    prediction, truth = drawn(7)
    good = records(prediction, truth, 5)
    rows = {name: [*good[name], *bad(2)[name]] for name in COLUMNS}
    rows["error"] = [""] * 6 + ["cannot be decoded"] * 2
    stored = pa.table({name: pa.array(list(values)) for name, values in rows.items()}).to_pandas()
    for name in ALL:
        assert value(name, rows) == value(name, stored) == value(name, good)
    planted = {**good, "error": ["", "", "broken", "", "", ""]}
    kept = [0, 1, 3, 4, 5]
    assert value("miou", planted) == value("miou", records(prediction[kept], truth[kept], 5))


def test_columns_of_arrays_and_of_lists_score_alike() -> None:
    columns = records(*drawn(8), 5)
    stacked = {**{name: np.stack(columns[name]) for name in COLUMNS}, "error": np.array(columns["error"])}
    frame = pd.DataFrame(columns)
    assert all(value(name, columns) == value(name, stacked) == value(name, frame) for name in ALL)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_counts_are_those_of_a_plain_loop(data: st.DataObject) -> None:
    height, width, classes = (data.draw(st.integers(low, high)) for low, high in ((1, 4), (1, 4), (2, 4)))
    cells = st.lists(st.integers(0, classes - 1), min_size=height * width, max_size=height * width)
    prediction = np.array(data.draw(cells)).reshape(1, height, width)
    truth = np.array(data.draw(cells)).reshape(1, height, width)
    truth[np.array(data.draw(cells)).reshape(truth.shape) == 0] = 255
    columns = records(prediction, truth, classes)
    pairs = [(p, t) for p, t in zip(prediction.flat, truth.flat, strict=True) if t != 255]
    for k in range(classes):
        assert columns["tp"][0][k] == sum(p == t == k for p, t in pairs)
        assert columns["fp"][0][k] == sum(p == k != t for p, t in pairs)
        assert columns["fn"][0][k] == sum(t == k != p for p, t in pairs)


def test_a_batch_is_its_pictures_one_by_one() -> None:
    prediction, truth = drawn(9)
    together = records(prediction, truth, 5)
    for number in range(6):
        alone = records(prediction[number : number + 1], truth[number : number + 1], 5)
        assert all(np.array_equal(together[name][number], alone[name][0]) for name in COLUMNS)


def test_metrics_are_declared_with_title_unit_and_direction() -> None:
    assert Segmentation.metrics[0] == "miou"
    for name in (*Segmentation.metrics, "iou:1"):
        entry = registry.get("metric", name)
        assert entry.facts["task"] == "segmentation"
        assert (entry.target.unit, entry.target.range, entry.target.higher_is_better) == ("percent", (0.0, 1.0), True)
    assert registry.get("metric", "miou").target.title == "mIoU (%)"
    assert (ClassIoU("3").title, ClassIoU(3, "Road").title) == ("IoU 3 (%)", "IoU Road (%)")


def test_wrong_input_is_one_error() -> None:
    prediction, truth = drawn(0)
    columns = records(prediction, truth, 5)
    with pytest.raises(QbenchError, match="5 classes, none of index 5"):
        value("iou:5", columns)
    with pytest.raises(QbenchError, match="index of a class"):
        ClassIoU("Road")
    other = records(np.zeros((1, 2, 2), int), np.zeros((1, 2, 2), int), 3)
    mixed = {name: [*columns[name], *other[name]] for name in (*COLUMNS, "error")}
    with pytest.raises(QbenchError, match="3 and 5 classes"):
        value("miou", mixed)
    few = np.where((truth == 4) & (np.arange(6) != 2)[:, None, None], 0, truth)
    few[2, 0, 0] = 77
    with pytest.raises(BadTarget, match="has class 77, but the model tells only 5 classes apart") as caught:
        score(torch.zeros(6, 5, 17, 20), list(few.astype(np.uint8)))
    assert caught.value.index == 2
    with pytest.raises(DataError, match=r"\(17, 20\) pixels, the model's output \(17, 19\)"):
        score(torch.zeros(6, 5, 17, 19), list(truth.astype(np.uint8)))
    with pytest.raises(QbenchError, match="not finite"):
        score(torch.full((1, 5, 2, 2), torch.nan), [None])
    with pytest.raises(QbenchError, match="two classes or more"):
        score(torch.zeros(1, 1, 2, 2), [None])


def test_a_mask_moves_with_its_picture() -> None:
    """Pixels of the two classes have grey values of their own, so that the picture tells where the mask must be."""
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 24:46], mask[:3] = 7, 255
    picture = np.repeat(np.where(mask == 7, 200, 20).astype(np.uint8)[..., None], 3, axis=2)
    for view in (View(None, None), View(None, 32), View(80, 64, "bilinear"), View(20, None)):
        viewed = view.apply(picture)
        moved = target(Sample("a", picture, mask), viewed, view)
        assert moved is not None
        assert moved.shape == viewed.shape[:2]
        assert set(np.unique(moved)) <= {0, 7, 255}
        assert np.array_equal(moved == 7, viewed[..., 0] > 110)
    assert target(Sample("a", picture), picture, View(None, None)) is None
    with pytest.raises(DataError, match="target of sample 'a' is not a mask"):
        target(Sample("a", picture, 3), picture, View(None, None))
    with pytest.raises(DataError, match="target of sample 'a' is not a mask"):
        target(Sample("a", picture, mask[1:]), picture, View(None, None))
