"""Boxes moved through a view, and records of detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qbench.compute.cell import Shard
from qbench.data.views import View
from qbench.errors import DataError, QbenchError
from qbench.runs.store import open_shard, table_of, write_records
from qbench.tasks.detection.metrics import AveragePrecision
from qbench.tasks.detection.predict import COLUMNS, VISIBLE, bad, score, target
from qbench.vocabulary import Boxes, Sample


def boxes(*corners, labels=None, **more):
    array = np.array(corners, np.float32).reshape(-1, 4)
    names = np.arange(len(array)) if labels is None else np.array(labels)
    return Boxes(array, names.astype(np.int32), **more)


def seen(objects, view, height=100, width=200):
    picture = np.zeros((height, width, 3), np.uint8)
    return target(Sample("s", picture, objects), view.apply(picture), view)


def test_the_whole_picture_leaves_boxes_alone():
    objects = boxes((10, 20, 50, 60), (0, 0, 200, 100), crowd=np.array([False, True]), area=np.array([900, 5e3]))
    moved = seen(objects, View(None, None))
    assert np.array_equal(moved.corners, objects.corners)
    assert np.array_equal(moved.labels, objects.labels)
    assert np.array_equal(moved.crowd, objects.crowd)
    assert np.array_equal(moved.area, objects.area)


def test_boxes_that_leave_a_whole_picture_stay_as_they_are():
    """pycocotools clips nothing: a detection of the visible part alone overlaps too little of such a box."""
    objects = boxes((600, 400, 700, 500), (700, 10, 720, 30), labels=[0, 1], area=np.array([1024.00001, 400.0]))
    for view in (View(None, None), View(480, None)):
        moved = seen(objects, view, 480, 640)
        assert np.array_equal(moved.corners, objects.corners)
        assert np.array_equal(moved.area, objects.area), "to the last digit: the area is not small"
    detection = boxes((600, 400, 640, 480), labels=[0], scores=np.ones(1))
    records = {**score([detection], [seen(objects, View(None, None), 480, 640)]), "error": np.array([""])}
    assert records["gt_area"][0].tolist() == [1024.00001, 400.0]
    assert AveragePrecision.statistic(records, np.ones(1)) == 0
    assert seen(objects, View(960, None), 480, 640).corners[0].tolist() == [1200, 800, 1400, 1000]


@pytest.mark.parametrize("size", [(60, 110), (37, 61), (101, 64)])
@pytest.mark.parametrize("view", [View(48, 32), View(None, 32), View(50, None), View(96, 96)])
def test_boxes_land_where_the_pixels_do(view, size):
    """A bright rectangle is followed through resizing and cropping."""
    height, width = size
    picture = np.zeros((height, width, 3), np.uint8)
    left, top, right, bottom = width // 2 - 9, height // 2 - 8, width // 2 + 7, height // 2 + 8
    picture[top:bottom, left:right] = 255
    viewed = view.apply(picture)
    moved = target(Sample("s", picture, boxes((left, top, right, bottom))), viewed, view)
    rows, columns = np.nonzero(viewed[..., 0] > 127)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert moved.corners[0] == pytest.approx(expected, abs=1.0)


@pytest.mark.parametrize("size", [(64, 100), (100, 64), (37, 91), (480, 639)])
def test_a_box_around_the_picture_stays_around_it(size):
    """Sides are rounded to pixels, each on its own: the scales of the two differ a little."""
    for resize in (30, 37, 53):
        picture = np.zeros((*size, 3), np.uint8)
        view = View(resize, None)
        viewed = view.apply(picture)
        moved = target(Sample("s", picture, boxes((0, 0, size[1], size[0]))), viewed, view)
        assert moved.corners[0] == pytest.approx([0, 0, viewed.shape[1], viewed.shape[0]], abs=1e-4)
        assert moved.area == pytest.approx([viewed.shape[0] * viewed.shape[1]], rel=1e-5)


def test_boxes_are_clipped_and_dropped_by_the_share_that_is_visible():
    """The view of 100 x 200 pixels is its middle 100 columns, 50 to 150."""
    inside = boxes(
        (60, 10, 80, 30), (40, 10, 60, 30), (40, 40, 56, 60), (30, 10, 54, 30), (0, 0, 40, 40), (35, 0, 55, 20)
    )
    moved = seen(inside, View(None, 100))
    assert moved.labels.tolist() == [0, 1, 2, 5], "half, 6/16 and a quarter of their boxes are visible; 1/6 and 0 not"
    assert moved.corners.tolist() == [[10, 10, 30, 30], [0, 10, 10, 30], [0, 40, 6, 60], [0, 0, 5, 20]]
    assert moved.area.tolist() == [400, 200, 120, 100]
    assert VISIBLE == 0.25


def test_a_crowd_stays_while_any_of_it_is_visible():
    crowd = np.array([True, True, False])
    moved = seen(boxes((0, 0, 51, 50), (0, 0, 50, 50), (0, 0, 51, 50), crowd=crowd), View(None, 100))
    assert moved.labels.tolist() == [0]
    assert moved.crowd.tolist() == [True]


def test_areas_of_outlines_shrink_as_boxes_do():
    moved = seen(boxes((0, 0, 100, 100), area=np.array([4000.0])), View(50, 50))
    assert moved.corners.tolist() == [[0, 0, 25, 50]]
    assert moved.area == pytest.approx([4000 / 4 / 2])


def test_no_labels_stay_no_labels_and_others_are_refused():
    assert seen(None, View(None, None)) is None
    assert len(seen(boxes(), View(None, 50)).labels) == 0
    with pytest.raises(DataError, match="not Boxes"):
        seen(3, View(None, None))


def test_records_survive_the_store_and_are_scored(tmp_path: Path):
    truths = [boxes((0, 0, 10, 10), (20, 20, 40, 40), labels=[0, 2]), boxes(), None]
    moved = [
        boxes((0, 0, 10, 10), (20, 20, 40, 40), labels=[0, 2], scores=np.array([0.9, 0.8])),
        boxes(scores=np.zeros(0)),
        boxes((1, 1, 5, 5), labels=[0], scores=np.array([0.99])),
    ]
    parts = [score(moved[:2], truths[:2]), score(moved[2:], truths[2:]), bad(1)]
    columns = {
        name: np.concatenate([part[name] for part in parts])
        if name == "labelled"
        else [row for part in parts for row in part[name]]
        for name in COLUMNS
    }
    table = table_of({"id": list("abcd"), **columns, "error": ["", "", "", "unreadable"]})
    shard = Shard(start=0, stop=4, name="s")
    assert write_records(tmp_path, "key", shard, table, "a processor").bad == 1
    stored = open_shard(tmp_path, "key", shard).read().to_pandas()
    assert stored["labelled"].tolist() == [1, 1, 0, 0]
    assert [len(row) for row in stored["det_corners"]] == [8, 0, 4, 0]
    assert AveragePrecision.statistic(stored, np.ones(4)) == pytest.approx(1)


def test_bad_has_the_columns_of_score():
    columns = score([boxes(scores=np.zeros(0))], [None])
    assert set(columns) == set(bad(2)) == set(COLUMNS)
    for name in COLUMNS:
        assert len(bad(2)[name]) == 2
        assert np.asarray(columns[name][0]).dtype == np.asarray(bad(2)[name][0]).dtype


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([boxes((0, 0, 1, 1))], "with scores"),
        ([boxes((0, 0, 1, np.nan), scores=np.ones(1))], "not finite"),
        ([boxes((0, 0, 1, 1), scores=np.array([np.inf]))], "not finite"),
        ([boxes((0, 0, 1, 1), scores=np.ones(2))], r"expected \[1\]"),
        ([boxes((0, 0, 1, 1), scores=np.ones(1))] * 2, "2 pictures of 1"),
    ],
)
def test_what_a_detector_must_not_give(wrong, message):
    with pytest.raises(QbenchError, match=message):
        score(wrong, [None])
