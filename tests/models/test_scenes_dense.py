"""The built-in segmenter and detector of scenes: their maps, and what a perfect answer would be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from qbench.data.scenes.dataset import Scenes
from qbench.errors import QbenchError
from qbench.models.builtin.box_maps import boxes_of, targets_of
from qbench.models.builtin.dense_net import ScenesDetector, ScenesSegmenter
from qbench.train.recipes.supervised import focal, giou

CLASSES = len(Scenes().classes)


def scenes(count: int = 6) -> tuple[list[object], Tensor, Tensor]:
    drawn = [Scenes(count=count).scene(index) for index in range(count)]
    planes = ((s.mask for s in drawn), (s.instances for s in drawn))
    masks, instances = (torch.from_numpy(np.stack(list(p))).long() for p in planes)
    return list(drawn), masks, instances


def test_perfect_maps_give_back_every_box() -> None:
    drawn, masks, instances = scenes()
    heat, sides, _ = targets_of(masks, instances, CLASSES)
    perfect = torch.cat([torch.logit(heat.clamp(1e-4, 1 - 1e-4)), sides], 1)
    for scene, boxes in zip(drawn, boxes_of(perfect, torch.zeros(len(drawn), 3, 128, 128)), strict=True):
        assert boxes.scores is not None
        sure = boxes.scores > 0.9
        detected = {(*map(float, c), int(k)) for c, k in zip(boxes.corners[sure], boxes.labels[sure], strict=True)}
        assert detected == {(*map(float, box[:4]), box[4]) for box in scene.boxes}  # type: ignore[attr-defined]


def test_losses_are_least_for_perfect_maps() -> None:
    _, masks, instances = scenes()
    heat, sides, counts = targets_of(masks, instances, CLASSES)
    logits = torch.logit(heat.clamp(1e-4, 1 - 1e-4))
    assert giou(sides, sides, counts) == pytest.approx(1, abs=1e-5)
    assert giou(sides * 1.3, sides, counts) < 0.9
    shifted = sides + torch.tensor([2.0, 0.0, -2.0, 0.0]).view(1, 4, 1, 1)
    assert giou(shifted.clamp_min(0), sides, counts) < 0.9
    assert focal(logits, heat) < 0.2 * focal(torch.full_like(logits, -4.6), heat)
    assert focal(logits.roll(8, dims=3), heat) > 10 * focal(logits, heat)


@pytest.mark.parametrize("kind", [ScenesSegmenter, ScenesDetector])
@pytest.mark.parametrize("size", [(128, 128), (96, 160), (65, 70)])
def test_any_size_goes_through_and_every_free_weight_learns(
    kind: type[ScenesSegmenter] | type[ScenesDetector], size: tuple[int, int]
) -> None:
    net = kind(5)
    net.start_from({})
    out = net.train()(torch.rand(2, 3, *size))
    wide = (5, *size) if kind is ScenesSegmenter else (9, (size[0] + 3) // 4, (size[1] + 3) // 4)
    assert tuple(out.shape[1:]) == wide
    out.square().mean().backward()
    still = {name for name, p in net.named_parameters() if p.grad is None}
    assert still == {"conv1.weight", "bn1.weight", "bn1.bias"}


def test_the_stem_is_the_classifier_s_own_and_stays_so() -> None:
    from safetensors.torch import load_file

    from qbench.storage.shipped import shipped

    classifier = load_file(shipped("baselines/weights/builtin-scenes.safetensors"))
    net = ScenesSegmenter(25)
    net.start_from(classifier)
    net.train()(torch.rand(4, 3, 128, 128) * 3)
    for name in ("conv1.weight", "bn1.weight", "bn1.running_mean", "bn1.running_var"):
        assert torch.equal(net.state_dict()[name], classifier[name])
    assert not torch.equal(net.state_dict()["stages.0.0.bn1.running_mean"], classifier["stages.0.0.bn1.running_mean"])


def test_maps_that_are_not_finite_are_no_empty_detections() -> None:
    maps = torch.zeros(1, 28, 8, 8)
    maps[0, 3, 2, 2] = torch.nan
    with pytest.raises(QbenchError, match="the model's outputs are not finite"):
        boxes_of(maps, torch.zeros(1, 3, 32, 32))
