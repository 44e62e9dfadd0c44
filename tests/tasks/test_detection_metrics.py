"""Average precision against pycocotools to the last bit, resampled and on edge cases, and rPC."""

from __future__ import annotations

import numpy as np
import pytest

from qbench import registry
from qbench.errors import QbenchError
from qbench.tasks.detection import Detection
from qbench.tasks.detection.metrics import class_ap, rpc
from tests.tasks.detections import NAMES, made_up, picture, records, reference

BOX, SMALL, FAR = (10, 10, 60, 70), (100, 100, 120, 115), (200, 200, 330, 340)


def scores(columns, weights):
    return {name: registry.get("metric", name).target.statistic(columns, weights) for name in NAMES}


def check(pictures, weights=None):
    """Equal to pycocotools on the pictures, each repeated as its weight says; not nearly, but equal."""
    times = np.ones(len(pictures)) if weights is None else np.asarray(weights)
    ours = scores(records(pictures), times)
    copies = [entry for entry, count in zip(pictures, times.astype(int), strict=True) for _ in range(count)]
    theirs, by_class = reference(copies)
    assert {name: float(value) for name, value in ours.items()} == pytest.approx(theirs, rel=0, abs=0, nan_ok=True)
    labels, values = class_ap(records(pictures), times)
    for label, value in zip(labels, values, strict=True):
        assert float(value) == pytest.approx(by_class.get(int(label), np.nan), rel=0, abs=0, nan_ok=True)
    return theirs


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_random_pictures(seed, ties):
    generator = np.random.default_rng(seed)
    pictures = made_up(generator, ties=ties)
    expected = check(pictures)
    assert 0 < expected["ap"] < 1
    check(pictures, generator.integers(0, 4, len(pictures)).astype(float))


EDGES = {
    "no objects, no detections": [picture()],
    "no objects, one detection": [picture([(BOX, 0, 0.5)])],
    "objects, no detections": [picture((), [(BOX, 0), (FAR, 1)])],
    "an empty picture among others": [picture(), picture([(BOX, 0, 0.5)], [(BOX, 0)]), picture()],
    "detections only where nothing is": [picture([(BOX, 0, 0.9)]), picture((), [(BOX, 0)])],
    "perfect": [picture([(BOX, 0, 0.5), (SMALL, 1, 0.4), (FAR, 2, 0.3)], [(BOX, 0), (SMALL, 1), (FAR, 2)])],
    "wrong class": [picture([(BOX, 1, 0.5)], [(BOX, 0)])],
    "a class that no object has": [picture([(BOX, 7, 0.5), (BOX, 0, 0.4)], [(BOX, 0)])],
    "crowd only": [picture([(BOX, 0, 0.5)], [(FAR, 0)], crowd=[0])],
    "crowd only, and hit": [picture([(BOX, 0, 0.5), (BOX, 0, 0.4)], [(BOX, 0)], crowd=[0])],
    "many in a crowd beside an object": [
        picture(
            [((200, 200, 220, 220), 0, 0.9), ((230, 230, 260, 260), 0, 0.8), (BOX, 0, 0.7)],
            [(FAR, 0), (BOX, 0)],
            crowd=[0],
        )
    ],
    "an object inside a crowd": [picture([(SMALL, 0, 0.9)], [((90, 90, 150, 150), 0), (SMALL, 0)], crowd=[0])],
    "identical detections": [picture([(BOX, 0, 0.5)] * 3, [(BOX, 0)])],
    "identical objects": [picture([(BOX, 0, 0.5), (BOX, 0, 0.4)], [(BOX, 0)] * 3)],
    "one pixel to the right": [picture([((11, 10, 61, 70), 0, 0.5)], [(BOX, 0)])],
    "overlap of exactly a half": [picture([((0, 0, 10, 10), 0, 0.5)], [((0, 0, 10, 20), 0)])],
    "equal scores, right one last": [picture([(FAR, 0, 0.5), (BOX, 0, 0.5)], [(BOX, 0)])],
    "equal scores, right one first": [picture([(BOX, 0, 0.5), (FAR, 0, 0.5)], [(BOX, 0)])],
    "equal scores in two pictures": [picture([(FAR, 0, 0.5)], [(BOX, 0)]), picture([(BOX, 0, 0.5)], [(BOX, 0)])],
    "a mask smaller than its box": [picture([(FAR, 0, 0.5)], [(FAR, 0)], area=[900.0])],
    "areas on the borders of ranges": [
        picture([((0, 0, 32, 32), 0, 0.5), ((0, 100, 96, 196), 0, 0.4)], [((0, 0, 32, 32), 0), ((0, 100, 96, 196), 0)])
    ],
    "a detection without extent": [picture([((5, 5, 5, 5), 0, 0.5), (BOX, 0, 0.4)], [(BOX, 0)])],
    "score of zero": [picture([(BOX, 0, 0.0)], [(BOX, 0)])],
}


@pytest.mark.parametrize("case", EDGES)
def test_edges(case):
    pictures = EDGES[case]
    check(pictures)
    check(pictures * 2, [3, 2] * len(pictures))


def test_more_than_a_hundred_detections():
    generator = np.random.default_rng(5)
    spread = [((x, 0, x + 20, 30), 0, s) for x, s in generator.uniform((0, 0), (300, 1), (160, 2))]
    objects = [((x, 0, x + 20, 30), 0) for x in range(0, 300, 25)]
    pictures = [picture(spread, objects), picture(spread[:40], objects[:3])]
    check(pictures)
    check(pictures, [2, 3])
    late = [((400 + i, 0, 420 + i, 9), 0, 0.9) for i in range(100)] + [(BOX, 0, 0.1)]
    assert check([picture(late, [(BOX, 0)])])["ar100"] == 0, "the hit is the 101st"


def test_the_numbers_that_a_hand_can_check():
    """A hit, a miss and a hit of two objects: precision 1 up to recall 0.5 (51 of 101 points), 2/3 beyond."""
    pictures = [picture([(BOX, 0, 0.9), (SMALL, 0, 0.8), (FAR, 0, 0.7)], [(BOX, 0), (FAR, 0)])]
    assert scores(records(pictures), np.ones(1))["ap"] == pytest.approx((51 + 50 * 2 / 3) / 101)


@pytest.mark.parametrize("ties", [False, True])
def test_a_bootstrap_is_one_call(ties):
    generator = np.random.default_rng(11)
    pictures = made_up(generator, pictures=9, ties=ties)
    weights = generator.multinomial(9, [1 / 9] * 9, size=(2, 6)).astype(float)
    weights[0, 0] = 0
    columns = records(pictures)
    every = scores(columns, weights)
    for index in np.ndindex(2, 6):
        copies = [entry for entry, count in zip(pictures, weights[index], strict=True) for _ in range(int(count))]
        theirs = reference(copies)[0]
        ours = {name: float(value[index]) for name, value in every.items()}
        assert ours == pytest.approx(theirs, rel=0, abs=0, nan_ok=True)


def test_a_class_that_a_resample_lacks_leaves_the_mean():
    pictures = [picture([(BOX, 0, 0.9)], [(BOX, 0)]), picture((), [(FAR, 1)])]
    weights = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], float)
    values = scores(records(pictures), weights)["ap"]
    assert values[:3] == pytest.approx([0.5, 1, 0])
    assert np.isnan(values[3])


def test_bad_and_unlabelled_pictures_count_in_nothing():
    hit = picture([(BOX, 0, 0.5)], [(BOX, 0)])
    others = [picture([(BOX, 0, 0.9)], labelled=False), picture(error="unreadable"), picture(labelled=False)]
    assert scores(records([*others, hit]), np.array([2, 1, 1, 1.0]))["ap"] == pytest.approx(1)
    assert np.isnan(scores(records(others), np.ones(3))["ap"])


def test_equal_numbers_of_boxes_make_matrices():
    """As a reader of records may stack lists of one length."""
    pictures = made_up(np.random.default_rng(2), pictures=1) * 3
    columns = {name: np.stack(list(column)) for name, column in records(pictures).items()}
    assert columns["det_corners"].ndim == 2
    assert scores(columns, np.ones(3)) == scores(records(pictures), np.ones(3))


def test_a_class_has_a_metric_of_its_own():
    pictures = made_up(np.random.default_rng(3))
    columns, weights = records(pictures), np.ones((2, len(pictures)))
    kind = registry.get("metric", "ap:1").target
    labels, values = class_ap(columns, weights)
    assert np.array_equal(kind("1").statistic(columns, weights), values[:, list(labels).index(1)])
    assert np.isnan(kind("17").statistic(columns, weights)).all()
    assert kind(1, "cat").title == "AP cat (%)"
    with pytest.raises(QbenchError, match="index of a class"):
        kind("cat")


def test_weights_are_counts():
    columns = records([picture([(BOX, 0, 0.5)], [(BOX, 0)])])
    for wrong in ([0.5], [-1.0]):
        with pytest.raises(QbenchError, match="how often"):
            scores(columns, np.array(wrong))


def test_records_that_do_not_fit_are_refused():
    broken = picture([(BOX, 0, 0.5)], [(BOX, 0)])
    broken["det_scores"] = np.array([0.5, 0.6], np.float32)
    with pytest.raises(QbenchError, match="1 det_labels"):
        scores(records([broken]), np.ones(1))


def test_a_change_of_one_score_is_not_taken_for_the_same_records():
    first = [picture([(BOX, 0, 0.5), (FAR, 0, 0.4)], [(BOX, 0)])]
    second = [picture([(BOX, 0, 0.3), (FAR, 0, 0.4)], [(BOX, 0)])]
    assert scores(records(first), np.ones(1))["ap"] == pytest.approx(1)
    assert scores(records(second), np.ones(1))["ap"] == pytest.approx(0.5)


def test_declared():
    assert Detection.metrics == NAMES
    for name in NAMES:
        target = registry.get("metric", name).target
        assert (target.higher_is_better, target.range, target.unit) == (True, (0.0, 1.0), "percent")


def test_rpc_averages_severities_then_corruptions():
    assert rpc(0.5, {"fog": [0.4, 0.2], "snow": [0.1]}) == pytest.approx((0.3 + 0.1) / 2 / 0.5)
    assert rpc(0.5, [[0.5] * 5] * 15) == 1
    clean = np.array([0.5, 0.4, 0.0])
    low, high = np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.4, 0.3])
    assert rpc(clean, [[low, high]]) == pytest.approx([0.4, 0.75, np.nan], nan_ok=True)
    for wrong in ([], [[]], {"fog": []}):
        with pytest.raises(QbenchError, match="rPC"):
            rpc(0.5, wrong)


@pytest.mark.parametrize("seed", range(4))
def test_every_class_at_once_equals_pycocotools(seed):
    pictures = made_up(np.random.default_rng(seed))
    columns = records(pictures)
    every = registry.get("metric", "ap").target.each
    values = every.statistic(columns, np.ones(len(pictures)))
    _, by_class = reference(pictures)
    known = {k: v for k, v in by_class.items() if not np.isnan(v)}
    assert {k: values[k] for k in np.flatnonzero(~np.isnan(values))} == pytest.approx(known, rel=1e-12)
    assert len(every.support(columns)) == len(values)


def test_every_class_at_one_overlap():
    off = (BOX[0], BOX[1], BOX[2], BOX[1] + (BOX[3] - BOX[1]) * 0.6)
    columns = records([picture([(off, 1, 0.5)], [(BOX, 1), (FAR, 3)]), picture([], [(BOX, 3)])])
    ap50, ap75 = (registry.get("metric", name).target.each for name in ("ap50", "ap75"))
    assert ap50.statistic(columns, np.ones(2)) == pytest.approx([np.nan, 1, np.nan, 0], nan_ok=True)
    assert ap75.statistic(columns, np.ones(2)) == pytest.approx([np.nan, 0, np.nan, 0], nan_ok=True)
    assert ap50.support(columns) == ["no object", "1 picture, 1 object", "no object", "2 pictures, 2 objects"]
