"""The losses of MMDetection's networks are those of its own training, and fine-tuning learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from qbench.data.scenes.dataset import Scenes
from qbench.errors import QbenchError
from qbench.models.openmmlab.declared import MMDetection
from qbench.vocabulary import Boxes
from tests.openmmlab.states import CONFIGS, SHIPPED, random_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def theirs(net: Any, images: torch.Tensor, boxes: list[Boxes], scale: float) -> float:
    """By the framework's data samples and preprocessor, with pictures that are resized by hand where they are."""
    samples = []
    for target in boxes:
        known = InstanceData(
            bboxes=torch.from_numpy(target.corners * np.float32(scale)), labels=torch.from_numpy(target.labels).long()
        )
        size = (round(images.shape[2] * scale), round(images.shape[3] * scale))
        sample = DetDataSample(metainfo={"img_shape": size, "ori_shape": size, "scale_factor": (scale, scale)})
        sample.gt_instances, sample.ignored_instances = known, InstanceData(bboxes=torch.zeros(0, 4))
        samples.append(sample)
    with DefaultScope.overwrite_default_scope("mmdet"):
        data = net.data_preprocessor({"inputs": list(images.flip(1) * 255), "data_samples": samples}, False)
        losses = net.loss(data["inputs"], data["data_samples"])
        return float(net.parse_losses(losses)[0])


def scenes(count: int) -> tuple[torch.Tensor, list[Boxes]]:
    losses = [Scenes(count=count, target="boxes").load(i) for i in range(count)]
    images = torch.from_numpy(np.stack([sample.image for sample in losses])).permute(0, 3, 1, 2).float() / 255
    return images, [sample.target for sample in losses]


def shipped() -> MMDetection:
    files = (SHIPPED / "scenes_detector.py", SHIPPED / "scenes_detector.safetensors")
    return MMDetection(config=files[0], weights=files[1], trust=True)


def test_losses_are_those_of_the_framework() -> None:
    model, (images, boxes) = shipped().build(), scenes(4)
    assert model.own_losses is not None
    losses = model.own_losses(model.net, images, boxes)
    assert float(losses["own"]) == pytest.approx(theirs(model.net, images, boxes, 1.0), rel=1e-4)
    wrong = [Boxes(target.corners, (target.labels + 1) % 24) for target in boxes]
    assert float(model.own_losses(model.net, images, wrong)["own"]) > 1.2 * float(losses["own"])


def test_gradients_reach_every_weight() -> None:
    model, (images, boxes) = shipped().build(), scenes(2)
    assert model.own_losses is not None
    model.net.requires_grad_(True)
    model.own_losses(model.net, images, boxes)["own"].backward()
    lacking = [name for name, value in model.net.named_parameters() if value.grad is None]
    assert lacking == []


def test_crowds_are_no_objects(tmp_path: Path) -> None:
    """On pictures that the network scales, so that boxes must follow."""
    config = CONFIGS / "detector_scaled.py"
    file = random_checkpoint(config, tmp_path, "mmdet")
    model, (images, boxes) = MMDetection(config=config, checkpoint=file, trust=True).build(), scenes(1)
    assert model.own_losses is not None
    labels = np.zeros(len(boxes[0].labels), np.int32)
    objects = Boxes(boxes[0].corners, labels)
    crowd = Boxes(boxes[0].corners, labels, crowd=np.ones(len(labels), bool))
    none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int32))
    totals = [float(model.own_losses(model.net, images, [target])["own"]) for target in (objects, crowd, none)]
    assert totals[0] != pytest.approx(totals[2])
    assert totals[1] == pytest.approx(totals[2])


def test_a_configuration_for_inference_alone_says_so(tmp_path: Path) -> None:
    config = CONFIGS / "detector_two_stages.py"
    file = random_checkpoint(config, tmp_path, "mmdet")
    model, (images, boxes) = MMDetection(config=config, checkpoint=file, trust=True).build(), scenes(1)
    assert model.own_losses is not None
    with pytest.raises(QbenchError, match="may be for inference only"):
        model.own_losses(model.net, images, boxes)
