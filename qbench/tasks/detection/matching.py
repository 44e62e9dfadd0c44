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
    """What becomes of each detection for the objects of one range of `AREAS`."""
    classes = np.unique(gathered.objects.labels)
    rows = np.arange(gathered.rows)
    states = _states(gathered, classes, AREAS[area]) if len(classes) and len(rows) else []
    numbers = np.array([len(scores) for _, _, scores, *_ in states], dtype=np.int64)
    kind, image = np.divmod(np.repeat(np.arange(len(states)), numbers), max(1, len(rows)))
    passed = _by_overlap([ignored for *_, ignored, _ in states], np.bool_)
    objects = [len(unwanted) - sum(unwanted) for _, _, _, unwanted, _, _ in states]
    return Matches(
        classes,
        image,
        kind,
        np.array([score for _, _, scores, *_ in states for score in scores], dtype=np.float64),
        np.arange(len(kind)) - np.repeat(np.cumsum(numbers) - numbers, numbers),
        (_by_overlap([hits for hits, *_ in states], np.int64) != 0) & ~passed,
        passed,
        np.array(objects, dtype=np.int64).reshape(len(classes), -1).T
        if objects
        else np.zeros((len(rows), 0), np.int64),
    )


def _by_overlap(flags: Sequence[Sequence[Any]], kind: Any) -> NDArray[Any]:
    """Flags of each class and picture [overlaps x D], side by side: [overlaps, all D]."""
    nothing = np.zeros((len(OVERLAPS), 0), dtype=kind)
    return np.concatenate([nothing, *(np.array(row, kind).reshape(len(OVERLAPS), -1) for row in flags)], axis=1)


def _states(gathered: Gathered, classes: Whole, area: tuple[float, float]) -> list[Any]:
    """The library's findings by class and picture: ids of the objects that detections hit (0: none) [overlaps x D], the
    reverse, scores [D], whether objects are ignored, whether detections are [overlaps x D], and a list of pairs.

    They are the state that the library pickles its findings with, which is how it hands them from host to host."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster  # type: ignore[import-untyped]
    except ImportError:
        raise QbenchError(
            "average precision is computed by faster-coco-eval, which is not installed; install it"
        ) from None
    frame: dict[str, Any] = {
        "images": [{"id": row} for row in range(gathered.rows)],
        "categories": [{"id": int(label), "name": str(label)} for label in classes],
    }
    known = np.isin(gathered.detections.labels, classes)
    evaluation = COCOeval_faster(
        COCO({**frame, "annotations": _annotations(gathered.objects, "area")}),
        COCO({**frame, "annotations": _annotations(gathered.detections, "score", known)}),
        "bbox",
        separate_eval=True,
    )
    evaluation.params.iouThrs = OVERLAPS
    evaluation.params.maxDets = [MOST]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [list(area)], ["one"]
    evaluation.evaluate()
    states = [outcome.__getstate__() for outcome in evaluation._evalImgs_cpp]
    if any(len(state) != 6 or len(state[0]) != len(OVERLAPS) * len(state[2]) for state in states):
        raise QbenchError("this version of faster-coco-eval keeps its findings in another form; install 1.8")
    return states


def _annotations(flat: Flat, number: str, kept: Flags | None = None) -> list[dict[str, Any]]:
    """The boxes in COCO's form. Ids count from 1, because 0 stands for no match."""
    sizes = flat.corners[:, 2:] - flat.corners[:, :2]
    boxes = np.concatenate([flat.corners[:, :2], sizes], axis=1).tolist()
    columns = (flat.image.tolist(), flat.labels.tolist(), boxes, flat.scores.tolist(), flat.crowd.tolist())
    return [
        {
            "id": index, "image_id": image, "category_id": label, "bbox": box,
            "area": box[2] * box[3], "iscrowd": int(crowd), number: value,
        }
        for index, (image, label, box, value, crowd) in enumerate(zip(*columns, strict=True), start=1)
        if kept is None or kept[index - 1]
    ]  # fmt: skip
