"""Detections matched to objects, once for all resamples.

The rules are COCO's (Lin et al., Microsoft COCO, ECCV 2014, and the evaluation code that is published with it): in each
picture and class the 100 detections with the highest scores choose in turn the free object that they overlap most;
crowds, and objects outside the range of areas, may be hit but need not be, and detections that hit them count neither
as right nor as wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
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

    A detection without an object that it overlaps enough is wrong, or ignored where its area is out of range."""
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
    of_objects = _places(objects, classes, gathered.rows)
    unwanted = objects.crowd | (objects.scores < low) | (objects.scores > high)
    pairs = _pairs(detections.corners[which], place, objects, of_objects, unwanted)
    right, ignored = _judged(pairs, place, unwanted, objects.crowd)
    ignored |= outside & ~right
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


@dataclass(frozen=True)
class _Pairs:
    """Detections and objects of their picture and class that overlap enough for the lowest threshold: by detection, for
    each the best object last. Objects that have to be found are better than others, then those that overlap more, then
    later ones."""

    detection: Whole
    """[P]"""
    object: Whole
    """[P]"""
    overlap: Numbers
    """[P]"""


def _pairs(corners: Numbers, place: Whole, objects: Flat, of_objects: Whole, unwanted: Flags) -> _Pairs:
    """`place` [D], not falling, and `of_objects` [N] say which picture and class detections and objects are of."""
    order = np.argsort(of_objects, kind="stable")
    first, end = (np.searchsorted(of_objects[order], place, side) for side in ("left", "right"))
    counts = end - first
    detection = np.repeat(np.arange(len(place)), counts)
    start = np.repeat(np.cumsum(counts) - counts, counts)
    other = order[np.repeat(first, counts) + np.arange(len(detection)) - start]
    overlap = _overlaps(corners[detection], objects.corners[other], objects.crowd[other])
    near = np.flatnonzero(overlap >= OVERLAPS[0])
    detection, other, overlap = detection[near], other[near], overlap[near]
    best_last = np.lexsort((other, overlap, ~unwanted[other], detection))
    return _Pairs(detection[best_last], other[best_last], overlap[best_last])


def _overlaps(ones: Numbers, others: Numbers, crowd: Flags) -> Numbers:
    """[P] of corners [P, 4] each: intersection over union, over the first one's area where the other is a crowd; as
    COCO's code adds up, from corners and sizes."""
    sizes, sizes_of_others = _sizes(ones), _sizes(others)
    ends = np.minimum(ones[:, :2] + sizes, others[:, :2] + sizes_of_others)
    common = ends - np.maximum(ones[:, :2], others[:, :2])
    met = np.flatnonzero((common > 0).all(axis=1))
    area, area_of_others, both = (np.prod(values[met], axis=1) for values in (sizes, sizes_of_others, common))
    overlap = np.zeros(len(ones))
    overlap[met] = both / np.where(crowd[met], area, area + area_of_others - both)
    return overlap


def _judged(pairs: _Pairs, place: Whole, unwanted: Flags, crowd: Flags) -> tuple[Flags, Flags]:
    """[overlaps, D] each: which detections found an object that counts, and which hit one that need not be found.

    In each picture and class detections choose in turn. Those whose turn it is choose together: of the objects that are
    free, or crowds, each takes its last one that it overlaps enough."""
    right, ignored = (np.zeros((len(OVERLAPS), len(place)), dtype=np.bool_) for _ in range(2))
    taken = np.zeros((len(OVERLAPS), len(crowd)), dtype=np.bool_)
    choosing, starts = np.unique(pairs.detection, return_index=True)
    turn = np.arange(len(choosing)) - np.searchsorted(place[choosing], place[choosing])
    turn_of_pair = np.repeat(turn, np.diff(np.append(starts, len(pairs.detection))))
    for now in range(int(turn.max(initial=-1)) + 1):
        here = np.flatnonzero(turn_of_pair == now)
        chosen, first = np.unique(pairs.detection[here], return_index=True)
        free = ~taken[:, pairs.object[here]] | crowd[pairs.object[here]]
        can = free & (pairs.overlap[here] >= OVERLAPS[:, None])
        last = np.maximum.reduceat(np.where(can, np.arange(len(here)), -1), first, axis=1)
        overlap, column = np.nonzero(last >= 0)
        hit = pairs.object[here[last[overlap, column]]]
        right[overlap, chosen[column]], ignored[overlap, chosen[column]] = ~unwanted[hit], unwanted[hit]
        taken[overlap, hit] = True
    return right, ignored
