"""Detections and objects to records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qbench.data.views import Placement, View
from qbench.errors import DataError, QbenchError, short
from qbench.tasks.outputs import misfit
from qbench.vocabulary import Boxes, Image, Sample

VISIBLE = 0.25
"""An object stays in the truth while at least this share of its box is inside the view."""
LARGEST = 2**31 - 1
"""The largest class index that records hold."""
COLUMNS = ("det_corners", "det_scores", "det_labels", "gt_corners", "gt_labels", "gt_crowd", "gt_area", "labelled")


def target(sample: Sample, viewed: Image, view: View) -> Boxes | None:
    """The sample's objects scaled and cut as its picture is; None where it has no labels.

    A view that cuts nothing off only scales: boxes may leave the picture, as they may in COCO's files. Otherwise boxes
    are clipped to the view. An object with less than `VISIBLE` of its box inside is dropped, as if it were not there; a
    crowd stays while any of it is inside. Areas shrink as boxes do: by the scale, and by the share of the box that is
    left. Raises DataError for a target that is no Boxes, or whose parts do not fit each other."""
    boxes = sample.target
    if boxes is None:
        return None
    if not isinstance(boxes, Boxes):
        raise DataError(
            f"the target of sample {sample.id!r} is not Boxes, as detection needs, but {type(boxes).__name__}"
        )
    if fault := _fault(boxes):
        raise DataError(f"the boxes of sample {sample.id!r} {fault}")
    height, width = sample.image.shape[:2]
    return _placed(boxes, view.place(height, width), height, width)


def _fault(boxes: Boxes) -> str:
    """What is wrong with the objects of a picture; empty for nothing."""
    if fault := _misfit(boxes, {"crowd": (boxes.crowd, "biu"), "area": (boxes.area, "fiu")}):
        return fault
    if np.any(boxes.corners[:, 2:] < boxes.corners[:, :2]):
        return "have corners whose x1 or y1 is below x0 or y0; expected x0, y0, x1, y1"
    if boxes.crowd is not None and not np.isin(boxes.crowd, (0, 1)).all():
        return f"have crowd {short(boxes.crowd.max())}; expected True or False for each"
    if boxes.area is not None and not (np.isfinite(boxes.area) & (boxes.area >= 0)).all():
        return "have areas that are not finite, or below 0"
    return ""


def _misfit(boxes: Boxes, more: Mapping[str, tuple[Any, str]]) -> str:
    """What is wrong with corners, labels and the parts of `more` (each with the kinds of numbers that it may hold)."""
    parts: dict[str, tuple[Any, str]] = {"corners": (boxes.corners, "fiu"), "labels": (boxes.labels, "fiub")}
    parts |= {name: (part, kinds) for name, (part, kinds) in more.items() if part is not None}
    for name, (part, kinds) in parts.items():
        if not isinstance(part, np.ndarray):
            return f"have {type(part).__name__} for {name}; expected a numpy array"
        if part.dtype.kind not in kinds:
            return f"have {name} of type {part.dtype}; expected real numbers"
    labels = boxes.labels
    count = len(labels) if labels.ndim == 1 else -1
    if boxes.corners.shape != (count, 4):
        return f"have corners {list(boxes.corners.shape)} and labels {list(labels.shape)}; expected [N, 4] and [N]"
    for name, (part, _) in list(parts.items())[2:]:
        if part.shape != (count,):
            return f"have {name} {list(part.shape)} for {count} objects; expected [{count}]"
    if count and (not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() > LARGEST):
        return f"have labels {labels.dtype} from {labels.min()} to {labels.max()}; expected class indices from 0 on"
    return "" if np.isfinite(boxes.corners).all() else "have corners that are not finite"


def _placed(boxes: Boxes, place: Placement, height: int, width: int) -> Boxes:
    scale = np.array([place.width / width, place.height / height] * 2)
    origin = np.array([place.left, place.top] * 2, dtype=np.float64)
    whole = boxes.corners.astype(np.float64).reshape(-1, 4) * scale - origin
    crowd = _crowd(boxes)
    area = _areas(whole) if boxes.area is None else boxes.area.astype(np.float64) * scale[0] * scale[1]
    if (place.cut_width, place.cut_height) == (place.width, place.height):
        return Boxes(whole.astype(np.float32), boxes.labels.astype(np.int32), crowd=crowd, area=area)
    inside = np.clip(whole, 0.0, np.array([place.cut_width, place.cut_height] * 2, dtype=np.float64))
    before, after = _areas(whole), _areas(inside)
    share = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
    kept = (share > 0) & (crowd | (share >= VISIBLE))
    return Boxes(
        inside[kept].astype(np.float32),
        boxes.labels[kept].astype(np.int32),
        crowd=crowd[kept],
        area=(area * share)[kept],
    )


def _areas(corners: Any) -> Any:
    return (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])


def _crowd(boxes: Boxes) -> Any:
    return np.zeros(len(boxes.labels), dtype=np.bool_) if boxes.crowd is None else boxes.crowd


def _own_area(boxes: Boxes) -> Any:
    return _areas(boxes.corners) if boxes.area is None else boxes.area


def score(output: Sequence[Boxes], targets: Sequence[Boxes | None]) -> Mapping[str, Any]:
    """A batch's detections and objects to columns; see `bad` for their meaning.

    Raises QbenchError for detections that are not Boxes with scores, or not finite."""
    if not isinstance(output, Sequence) or not all(_are_detections(boxes) for boxes in output):
        raise misfit(output, "detection", "a list of Boxes with scores, one for each picture")
    for detections in output:
        _check(detections)
    true = [Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int32)) if boxes is None else boxes for boxes in targets]
    if len(true) != len(output):
        raise QbenchError(f"the model gave detections for {len(output)} pictures of {len(true)}")
    return {
        "det_corners": [detections.corners.astype(np.float32).ravel() for detections in output],
        "det_scores": [np.array(detections.scores, dtype=np.float32) for detections in output],
        "det_labels": [detections.labels.astype(np.int32) for detections in output],
        "gt_corners": [boxes.corners.astype(np.float32).ravel() for boxes in true],
        "gt_labels": [boxes.labels.astype(np.int32) for boxes in true],
        "gt_crowd": [_crowd(boxes).astype(np.uint8) for boxes in true],
        "gt_area": [_own_area(boxes).astype(np.float64) for boxes in true],
        "labelled": np.array([boxes is not None for boxes in targets], dtype=np.uint8),
    }


def _are_detections(detections: Any) -> bool:
    return isinstance(detections, Boxes) and detections.scores is not None


def _check(detections: Boxes) -> None:
    if fault := _misfit(detections, {"scores": (detections.scores, "fiu")}):
        raise QbenchError(f"the model's detections of one picture {fault}")
    if not np.isfinite(np.asarray(detections.scores)).all():
        raise QbenchError("the model's outputs are not finite")


def bad(count: int) -> Mapping[str, Any]:
    """The columns of `count` samples that could not be read.

    `det_corners` (4 numbers a detection: x0, y0, x1, y1 in pixels of the view), `det_scores` and `det_labels` hold what
    was found; `gt_corners`, `gt_labels`, `gt_crowd` (1: a crowd) and `gt_area` what is there; `labelled` is 0 where
    nobody has said what is there."""
    kinds = {"det_labels": np.int32, "gt_labels": np.int32, "gt_crowd": np.uint8, "gt_area": np.float64}
    columns: dict[str, Any] = {
        name: [np.zeros(0, dtype=kinds.get(name, np.float32)) for _ in range(count)] for name in COLUMNS[:-1]
    }
    return {**columns, "labelled": np.zeros(count, dtype=np.uint8)}
