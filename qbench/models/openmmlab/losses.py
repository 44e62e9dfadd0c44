"""The losses that MMDetection's networks come with, of pictures in [0, 1] and the objects in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qbench.errors import foreign
from qbench.vocabulary import Boxes

Feed = Callable[[Any, Tensor], dict[str, Any]]
"""A network and pictures [B, 3, H, W] in [0, 1] to its `inputs` and `data_samples`, behind its own test pipeline."""


def own_losses(feed: Feed, net: nn.Module, images: Tensor, boxes: Sequence[Boxes]) -> Mapping[str, Tensor]:
    """What the network gives with `mode="loss"`, summed as mmengine's runner sums it.

    Crowds are given as regions to ignore; masks are not given. Raises QbenchError where the network cannot be trained
    so, as one whose configuration has no `train_cfg`, or that needs masks."""
    from mmengine.registry import DefaultScope

    whole: Any = net
    data = feed(net, images)
    for sample, objects in zip(data["data_samples"], boxes, strict=True):
        across, down = sample.metainfo.get("scale_factor", (1.0, 1.0))
        scale = np.array([across, down, across, down], np.float32)
        crowd = objects.crowd if objects.crowd is not None else np.zeros(len(objects.labels), bool)
        sample.gt_instances = _instances(objects, scale, ~crowd, images)
        sample.ignored_instances = _instances(objects, scale, crowd, images)
    text = "the framework cannot make the network's losses from boxes; its configuration may be for inference only"
    with foreign(text), DefaultScope.overwrite_default_scope("mmdet"):
        total, _ = whole.parse_losses(whole.loss(data["inputs"], data["data_samples"]))
    return {"own": total}


def _instances(objects: Boxes, scale: np.ndarray[Any, Any], chosen: np.ndarray[Any, Any], images: Tensor) -> Any:
    from mmengine.structures import InstanceData

    corners = torch.from_numpy(objects.corners[chosen] * scale).to(images.device)
    labels = torch.from_numpy(objects.labels[chosen].astype(np.int64)).to(images.device)
    return InstanceData(bboxes=corners.reshape(-1, 4), labels=labels)
