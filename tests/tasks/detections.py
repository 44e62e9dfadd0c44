"""Detection records that tests make up, and what pycocotools says of them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAMES = (
    "ap", "ap50", "ap75", "ap-small", "ap-medium", "ap-large",
    "ar1", "ar10", "ar100", "ar-small", "ar-medium", "ar-large",
)  # fmt: skip


def picture(
    detections: Sequence[tuple[Sequence[float], int, float]] = (),
    objects: Sequence[tuple[Sequence[float], int]] = (),
    crowd: Sequence[int] = (),
    area: Sequence[float] | None = None,
    error: str = "",
    labelled: bool = True,
) -> dict[str, Any]:
    """The record of one picture; `crowd` lists which objects are crowds."""
    corners = np.array([box for box, *_ in objects], np.float32).reshape(-1, 4)
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1]) if area is None else np.array(area)
    return {
        "det_corners": np.array([box for box, *_ in detections], np.float32).ravel(),
        "det_labels": np.array([label for _, label, _ in detections], np.int32),
        "det_scores": np.array([score for *_, score in detections], np.float32),
        "gt_corners": corners.ravel(),
        "gt_labels": np.array([label for _, label in objects], np.int32),
        "gt_crowd": np.isin(np.arange(len(objects)), crowd).astype(np.uint8),
        "gt_area": areas.astype(np.float64),
        "labelled": np.uint8(labelled),
        "error": error,
    }


def records(pictures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Columns by name, as they come back from the store."""
    columns: dict[str, Any] = {}
    for name in picture():
        values = [entry[name] for entry in pictures]
        if name in {"labelled", "error"}:
            columns[name] = np.array(values)
        else:
            columns[name] = np.empty(len(values), object)
            columns[name][:] = values
    return columns


def reference(pictures: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], dict[int, float]]:
    """All twelve scores, and AP by class, of pycocotools itself; NaN for its -1."""
    kept = [entry for entry in pictures if entry["labelled"] and not entry["error"]]
    truth = [
        (image, *row)
        for image, entry in enumerate(kept)
        for row in zip(
            entry["gt_corners"].reshape(-1, 4), entry["gt_labels"], entry["gt_area"], entry["gt_crowd"], strict=True
        )
    ]
    hits = [
        (image, *row)
        for image, entry in enumerate(kept)
        for row in zip(entry["det_corners"].reshape(-1, 4), entry["det_labels"], entry["det_scores"], strict=True)
    ]
    labels = sorted({int(row[2]) for row in truth} | {int(row[2]) for row in hits})
    base = {
        "images": [{"id": image} for image in range(len(kept))],
        "categories": [{"id": label} for label in labels],
    }
    objects = [
        {"id": n, "image_id": i, "category_id": int(k), "bbox": xywh(b), "area": float(a), "iscrowd": int(c)}
        for n, (i, b, k, a, c) in enumerate(truth, start=1)
    ]
    detections = [
        {"id": n, "image_id": i, "category_id": int(k), "bbox": xywh(b), "score": float(s), "iscrowd": 0}
        for n, (i, b, k, s) in enumerate(hits, start=1)
    ]
    for one in detections:
        one["area"] = one["bbox"][2] * one["bbox"][3]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(coco({**base, "annotations": objects}), coco({**base, "annotations": detections}), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    scores = {name: without_minus_one(value) for name, value in zip(NAMES, evaluation.stats, strict=True)}
    by_class = {}
    for place, label in enumerate(labels):
        values = evaluation.eval["precision"][:, :, place, 0, 2]
        by_class[label] = float(np.mean(values[values > -1])) if (values > -1).any() else float("nan")
    return scores, by_class


def without_minus_one(value: float) -> float:
    return float("nan") if value == -1 else float(value)


def xywh(corners: np.ndarray) -> list[float]:
    x0, y0, x1, y1 = (float(value) for value in corners)
    return [x0, y0, x1 - x0, y1 - y0]


def coco(data: dict[str, Any]) -> COCO:
    result = COCO()
    result.dataset = data
    result.createIndex()
    return result


def made_up(
    generator: np.random.Generator,
    pictures: int = 12,
    classes: int = 3,
    most: int = 12,
    ties: bool = False,
    crowds: float = 0.1,
    extra: int = 5,
) -> list[dict[str, Any]]:
    """Pictures with objects of all sizes, and detections around them, beside them and of the wrong class."""
    result = []
    for _ in range(pictures):
        number = int(generator.integers(0, most + 1))
        start = generator.uniform(0, 300, (number, 2))
        size = np.exp(generator.uniform(np.log(8), np.log(200), (number, 2)))
        boxes = np.concatenate([start, start + size], axis=1).round(int(generator.integers(0, 3)))
        labels = generator.integers(0, classes, number)
        objects = list(zip(boxes.tolist(), labels.tolist(), strict=True))
        detections = []
        for box, label in objects:
            for _ in range(int(generator.integers(0, 3))):
                moved = np.array(box) + generator.normal(0, 0.08, 4) * np.repeat([[box[2] - box[0]]], 4)
                moved[2:] = np.maximum(moved[2:], moved[:2] + 1)
                detections.append(
                    (moved.tolist(), int(label if generator.random() < 0.9 else generator.integers(classes)))
                )
        for _ in range(int(generator.integers(0, extra + 1))):
            corner = generator.uniform(0, 300, 2)
            detections.append(([*corner, *(corner + generator.uniform(4, 120, 2))], int(generator.integers(classes))))
        scores = generator.random(len(detections))
        if ties:
            scores = np.round(scores * 4) / 4
        crowd = np.flatnonzero(generator.random(number) < crowds).tolist()
        result.append(picture([(b, k, float(s)) for (b, k), s in zip(detections, scores, strict=True)], objects, crowd))
    return result
