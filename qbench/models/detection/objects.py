"""What the detectors of all libraries share: their input convention, and objects in their form and in ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.models.outputs import are_objects
from qbench.vocabulary import Boxes, InputConvention

if TYPE_CHECKING:
    from torch import Tensor, nn

UNCHANGED = InputConvention(size=None, resize=None, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation="bilinear")
"""Detectors take [0, 1] pictures of any size and resize and normalise inside."""

DETECTORS = "torchvision.models.detection"
COCO_PLACES = 91
"""Places for classes in torchvision's detectors of COCO: its category ids, with gaps, and the background."""


def class_indices(names: Sequence[str], skipped: int = 0) -> tuple[int, ...]:
    """For each of a network's own classes its index from 0, -1 for those that stand for nothing.

    The first `skipped` (the background) and `N/A` stand for nothing: COCO's category ids have gaps, and heads that were
    trained on them a place for each id."""
    real = [place >= skipped and name != "N/A" for place, name in enumerate(names)]
    return tuple(int(number) - 1 if is_class else -1 for is_class, number in zip(real, np.cumsum(real), strict=True))


def real_names(names: Sequence[str], skipped: int = 0) -> tuple[str, ...]:
    """The names of those that stand for something, by index."""
    return tuple(name for name, index in zip(names, class_indices(names, skipped), strict=True) if index >= 0)


def decode(table: tuple[int, ...] | None, output: Sequence[Mapping[str, Tensor]], images: Tensor) -> list[Boxes]:
    """`boxes`, `labels` and `scores` of each picture, on any device, to Boxes; `table` maps labels to indices, where
    they are none themselves."""
    index_of = None if table is None else np.array(table, dtype=np.int32)
    boxes = []
    for picture in output:
        given = picture["labels"].cpu().numpy()
        labels = given.astype(np.int32) if index_of is None else index_of[given]
        kept = np.ones(len(labels), bool) if index_of is None else labels >= 0
        corners, scores = (picture[part].detach().float().cpu().numpy() for part in ("boxes", "scores"))
        boxes.append(Boxes(corners[kept].reshape(-1, 4), labels[kept], scores[kept]))
    return boxes


def as_targets(boxes: Sequence[Boxes], images: Tensor, scale: float = 1.0) -> list[dict[str, Tensor]]:
    """Objects as torchvision's detectors take them, in a picture of `scale`: labels from 1, after the background."""
    import torch

    return [
        {
            "boxes": torch.from_numpy(objects.corners).to(images.device) * scale,
            "labels": torch.from_numpy(objects.labels.astype(np.int64) + 1).to(images.device),
        }
        for objects in boxes
    ]


def as_boxes(net: nn.Module, given: Any, images: Tensor) -> Any:
    """A network's lists of `boxes`, `labels` and `scores` as Boxes; what is none as it is. Labels of torchvision's
    detectors start behind the background, those of others are indices."""
    listed = isinstance(given, list | tuple) and len(given) > 0 and all(map(are_objects, given))
    return decode(_labels(net), given, images) if listed else given


def _labels(net: nn.Module) -> tuple[int, ...] | None:
    """The index of each label of a detector of torchvision, whose first is the background; None for other networks,
    whose labels are indices."""
    for module in net.modules():
        if not type(module).__module__.startswith(DETECTORS):
            continue
        score = getattr(module, "cls_score", None)
        places = getattr(score, "out_features", getattr(module, "num_classes", getattr(module, "num_columns", None)))
        if isinstance(places, int):
            return _coco() if places == COCO_PLACES else tuple(range(-1, places - 1))
    return None


def _coco() -> tuple[int, ...]:
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

    return class_indices(FasterRCNN_ResNet50_FPN_Weights.DEFAULT.meta["categories"], skipped=1)
