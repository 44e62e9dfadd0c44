"""Detections matched to objects, once for all resamples, by the library that computes COCO's scores.

Nothing but numpy is loaded until something is matched. The rules are COCO's (Lin et al., Microsoft COCO, ECCV 2014, and
the evaluation code that is published with it): in each picture and class the 100 detections with the highest scores
choose in turn the free object that they overlap most; crowds, and objects outside the range of areas, may be hit but
need not be, and detections that hit them count neither as right nor as wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbench.errors import QbenchError
from qbench.tasks.score import Columns, Numbers

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

OVERLAPS: Numbers = np.linspace(0.5, 0.95, 10)
"""Thresholds of intersection over union."""
MOST = 100
"""Detections of one class that count in one picture."""
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Ranges of an object's area in square pixels, ends included."""


@dataclass(frozen=True)
class Flat:
    """The boxes of all pictures one after another."""

    image: Whole
    """[N], not falling: the picture's row in the records."""
    corners: Numbers
    """[N, 4]."""
    labels: Whole
    scores: Numbers
    """[N]: scores of detections, areas of objects."""
    crowd: Flags


@dataclass(frozen=True, eq=False)
class Gathered:
    """The boxes of the records that count, told apart from others by a digest of all that matters."""

    rows: int
    detections: Flat
    objects: Flat
    digest: bytes

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Gathered) and self.digest == other.digest


@dataclass(frozen=True)
class Matches:
    """What became of each detection for one range of areas.

    Detections come by class, in a class by picture, and in a picture by falling score."""

    classes: Whole
    """[K]: labels of the classes that have an object anywhere."""
    image: Whole
    """[D]: the picture's row in the records."""
    kind: Whole
    """[D]: place in `classes`."""
    scores: Numbers
    """[D]"""
    rank: Whole
    """[D]: place among the detections of its picture and class, from 0."""
    right: Flags
    """[overlaps, D]: it found an object that counts."""
    ignored: Flags
    """[overlaps, D]: it counts neither as right nor as wrong."""
    wanted: Whole
    """[rows, K]: how many objects count and have to be found."""


def scored(records: Columns) -> Flags:
    """[samples]: readable and labelled."""
    readable = np.asarray(records["error"], dtype=np.str_) == ""
    return np.asarray(readable & np.asarray(records["labelled"], dtype=np.bool_))


def gather(records: Columns) -> Gathered:
    """The boxes of readable, labelled samples; see `qbench.tasks.detection.predict.bad` for the columns."""
    counts = scored(records)
    detections = _flat(records, counts, "det_corners", "det_labels", "det_scores", None)
    objects = _flat(records, counts, "gt_corners", "gt_labels", "gt_area", "gt_crowd")
    state = hashlib.blake2b(np.int64(len(counts)).tobytes(), digest_size=16)
    for flat in (detections, objects):
        for values in (flat.image, flat.corners, flat.labels, flat.scores, flat.crowd):
            state.update(np.int64(len(values)).tobytes() + values.tobytes())
    return Gathered(len(counts), detections, objects, state.digest())


def _flat(records: Columns, counts: Flags, corners: str, labels: str, scores: str, crowd: str | None) -> Flat:
    rows = np.flatnonzero(counts)
    classes = [np.asarray(records[labels][row]).ravel() for row in rows]
    image = np.repeat(rows, [len(values) for values in classes])
    kinds = _joined(classes, np.int64)
    box = _joined([np.asarray(records[corners][row]).ravel() for row in rows], np.float64)
    numbers = _joined([np.asarray(records[scores][row]).ravel() for row in rows], np.float64)
    if crowd is None:
        crowds = np.zeros(len(kinds), dtype=np.bool_)
    else:
        crowds = _joined([np.asarray(records[crowd][row]).ravel() for row in rows], np.bool_)
    if not len(box) == 4 * len(kinds) == 4 * len(numbers) == 4 * len(crowds):
        raise QbenchError(
            f"the records hold {len(kinds)} {labels}, but {len(box)} {corners} and {len(numbers)} {scores}"
        )
    return Flat(image, box.reshape(-1, 4), kinds, numbers, crowds)


def _joined(rows: Sequence[NDArray[Any]], kind: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=kind), *(row.astype(kind) for row in rows)])


@lru_cache(maxsize=64)
def matches(gathered: Gathered, area: str) -> Matches:
    """What becomes of each detection for the objects of one range of `AREAS`.

    The library sees the pictures and classes that have both detections and objects. The rest needs no matching: a
    detection without an object is wrong, or ignored where its area is out of range."""
    low, high = AREAS[area]
    detections, objects = gathered.detections, gathered.objects
    classes = np.unique(objects.labels)
    known = np.flatnonzero(np.isin(detections.labels, classes))
    place = _places(detections, classes, gathered.rows)[known]
    order = np.lexsort((-detections.scores[known], place))
    which, place = known[order], place[order]
    rank = np.arange(len(place)) - np.searchsorted(place, place)
    which, place, rank = (values[rank < MOST] for values in (which, place, rank))
    sizes = _sizes(detections.corners[which])
    outside = (sizes[:, 0] * sizes[:, 1] < low) | (sizes[:, 0] * sizes[:, 1] > high)
    right = np.zeros((len(OVERLAPS), len(which)), dtype=np.bool_)
    ignored = np.repeat(outside[None], len(OVERLAPS), axis=0)
    of_objects = _places(objects, classes, gathered.rows)
    both = np.intersect1d(place, of_objects)
    at, there = np.flatnonzero(np.isin(place, both)), np.flatnonzero(np.isin(of_objects, both))
    if len(both):
        right[:, at], ignored[:, at] = _judged(
            _annotations(objects, there, np.searchsorted(both, of_objects[there]), "area"),
            _annotations(detections, which[at], np.searchsorted(both, place[at]), "score"),
            np.bincount(np.searchsorted(both, place[at])),
            (low, high),
        )
    unwanted = objects.crowd | (objects.scores < low) | (objects.scores > high)
    wanted = np.bincount(of_objects[~unwanted], minlength=len(classes) * gathered.rows)
    kind, image = np.divmod(place, max(1, gathered.rows))
    return Matches(
        classes, image, kind, detections.scores[which], rank, right, ignored,
        wanted.reshape(len(classes), gathered.rows).T,
    )  # fmt: skip


def _places(flat: Flat, classes: Whole, rows: int) -> Whole:
    """[N]: a number for each class and picture, by class and in it by picture; for boxes of `classes` alone."""
    return np.asarray(np.searchsorted(classes, flat.labels) * rows + flat.image, dtype=np.int64)


def _sizes(corners: Numbers) -> Numbers:
    return corners[:, 2:] - corners[:, :2]


def _judged(
    objects: list[dict[str, Any]], detections: list[dict[str, Any]], numbers: Whole, area: tuple[float, float]
) -> tuple[Flags, Flags]:
    """[overlaps, D] each: which detections found an object that counts, and which count neither as right nor as wrong.
    `numbers` says how many detections each place has, one after another in falling score.

    They are from the state that the library pickles its findings with, which is how it hands them from host to host:
    for each place ids of the objects that detections hit (0: none) [overlaps x D], the reverse, scores [D], whether
    objects are ignored, whether detections are [overlaps x D], and a list of pairs."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster  # type: ignore[import-untyped]
    except ImportError:
        raise QbenchError(
            "average precision is computed by faster-coco-eval, which is not installed; install it"
        ) from None
    frame: dict[str, Any] = {
        "images": [{"id": number} for number in range(len(numbers))],
        "categories": [{"id": 1, "name": "all"}],
    }
    evaluation = COCOeval_faster(
        COCO({**frame, "annotations": objects}), COCO({**frame, "annotations": detections}), "bbox", separate_eval=True
    )
    evaluation.params.iouThrs = OVERLAPS
    evaluation.params.maxDets = [MOST]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [list(area)], ["one"]
    evaluation.evaluate()
    states = [outcome.__getstate__() for outcome in evaluation._evalImgs_cpp]
    lengths = [(6, len(OVERLAPS) * number, number) for number in numbers.tolist()]
    if [(len(state), len(state[0]), len(state[2])) for state in states] != lengths:
        raise QbenchError("this version of faster-coco-eval keeps its findings in another form; install 1.8")
    first = np.repeat(np.cumsum(numbers) - numbers, numbers)
    here = first * len(OVERLAPS) + np.arange(len(first)) - first
    where = here + np.arange(len(OVERLAPS))[:, None] * np.repeat(numbers, numbers)
    hits, ignored = (
        np.fromiter(chain.from_iterable(state[part] for state in states), np.int64, where.size)[where] != 0
        for part in (0, 4)
    )
    return hits & ~ignored, ignored


def _annotations(flat: Flat, which: Whole, places: Whole, number: str) -> list[dict[str, Any]]:
    """Some boxes in COCO's form, as if each place were a picture. Ids count from 1, because 0 stands for no match."""
    boxes = np.concatenate([flat.corners[which, :2], _sizes(flat.corners[which])], axis=1).tolist()
    columns = (places.tolist(), boxes, flat.scores[which].tolist(), flat.crowd[which].tolist())
    return [
        {
            "id": index, "image_id": place, "category_id": 1, "bbox": box,
            "area": box[2] * box[3], "iscrowd": int(crowd), number: value,
        }
        for index, (place, box, value, crowd) in enumerate(zip(*columns, strict=True), start=1)
    ]  # fmt: skip
