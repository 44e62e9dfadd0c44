"""What networks give, in whatever they wrap it."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models import InceptionOutputs
from torchvision.models.detection import fcos_resnet50_fpn
from transformers import SegformerConfig, SegformerForSemanticSegmentation
from transformers.modeling_outputs import ImageClassifierOutput, SemanticSegmenterOutput

from qbench.errors import QbenchError
from qbench.keys.live import network_identity
from qbench.models.base import LoadedModel
from qbench.models.detection.objects import _labels
from qbench.models.live import LiveModel, check_live, default_input
from qbench.models.live_names import ANY, INPUTS
from qbench.models.outputs import usual
from qbench.vocabulary import Boxes, InputConvention

WANTED = torch.arange(6.0).view(2, 3)
OTHER = torch.zeros(2, 5)
WHOLE = InputConvention(None, None, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class Named(NamedTuple):
    features: Tensor
    logits: Tensor


@dataclass
class Record:
    scores: Tensor
    hidden: Tensor


@dataclass
class Held:
    out: Tensor
    aux: Tensor


@pytest.mark.parametrize(
    "output",
    [
        WANTED, (WANTED,), [WANTED], {"logits": WANTED, "loss": OTHER}, OrderedDict(out=WANTED, aux=OTHER),
        {"x": WANTED}, Named(OTHER, WANTED), InceptionOutputs(WANTED, OTHER), Held(WANTED, OTHER),
        ImageClassifierOutput(logits=WANTED),
        SemanticSegmenterOutput(loss=OTHER, logits=WANTED), {"out": {"logits": WANTED, "aux": OTHER}}, ([WANTED],),
        {"logits": None, "out": WANTED},
    ],
    ids=lambda output: type(output).__name__,
)  # fmt: skip
def test_the_part_with_a_usual_name_is_the_prediction(output: Any) -> None:
    assert usual(output, OTHER) is WANTED


@pytest.mark.parametrize(
    ("output", "key"),
    [({"a": OTHER, "b": WANTED}, "b"), ((OTHER, WANTED), 1), ([OTHER, WANTED], 1), (Record(WANTED, OTHER), "scores"),
     (Named(WANTED, OTHER), "features"), ({"logits": OTHER, 3: WANTED}, 3)],
)  # fmt: skip
def test_a_key_names_the_part(output: Any, key: str | int) -> None:
    assert usual(output, OTHER, key=key) is WANTED


@pytest.mark.parametrize(
    ("output", "key", "said"),
    [
        ({"a": OTHER, "b": WANTED}, None, "gives a dict of 'a' (tensor [2, 5]), 'b' (tensor [2, 3]); name the one"),
        ((OTHER, None), None, "gives a tuple of 0 (tensor [2, 5]), 1 (NoneType); name the one"),
        (Record(WANTED, OTHER), None, "gives a Record of 'scores' (tensor [2, 3]), 'hidden' (tensor [2, 5]); name"),
        ({str(n): OTHER for n in range(9)}, None, "'5' (tensor [2, 5]), 3 more; name the one"),
        ({"semantic": OTHER, "b": WANTED}, "semantics", "`output` is 'semantics', but the network gives a dict of"),
        ({"semantic": OTHER, "b": WANTED}, "semantics", "(did you mean 'semantic'?)"),
        ((OTHER, WANTED), 2, "`output` is 2, but the network gives a tuple of 0 (tensor [2, 5]), 1 (tensor [2, 3])"),
        (WANTED, "logits", "`output` is 'logits', but the network gives a tensor of [2, 3]"),
    ],
)  # fmt: skip
def test_what_is_not_clear_names_the_parts_and_the_key(output: Any, key: Any, said: str) -> None:
    with pytest.raises(QbenchError) as caught:
        usual(output, OTHER, key=key)
    assert said in str(caught.value)
    assert "`output`" in str(caught.value)


def test_boxes_and_what_is_no_tensor_pass() -> None:
    boxes = [Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.float32))]
    array = np.zeros(3)
    for output in (boxes, tuple(boxes), array, None, 3):
        assert usual(output, OTHER) is output


class Giving(nn.Module):
    """A network that gives what it is told."""

    def __init__(self, give: Any) -> None:
        super().__init__()
        self.give = give
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Any:
        return self.give


def live(net: nn.Module, output: str | int | None = None) -> LoadedModel:
    return LiveModel("mine", net, WHOLE, network_identity(net), output).build()


def test_any_models_outputs_are_unwrapped() -> None:
    images = torch.zeros(2, 3, 4, 4)
    assert torch.equal(LoadedModel(Giving({"logits": WANTED, "x": OTHER}), WHOLE, {}).predict(images), WANTED)
    assert torch.equal(live(Giving((OTHER, WANTED)), 1).predict(images), WANTED)
    with pytest.raises(QbenchError, match=r"name the one that is its prediction as `output`"):
        live(Giving((OTHER, WANTED))).predict(images)


def objects(*labels: int) -> dict[str, Tensor]:
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0]] * len(labels))
    return {
        "boxes": boxes.view(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "scores": torch.ones(len(labels)),
    }


def test_lists_of_objects_become_boxes() -> None:
    for listed in ([objects(0, 2), objects()], (objects(0, 2), objects())):
        first, second = live(Giving(listed)).predict(torch.zeros(2, 3, 8, 8))
        assert (first.labels.tolist(), first.corners.shape, second.corners.shape) == ([0, 2], (2, 4), (0, 4))


def test_torchvisions_labels_start_behind_the_background() -> None:
    """Of a detector of COCO's places they are category ids, with gaps."""
    own = fcos_resnet50_fpn(weights=None, weights_backbone=None, num_classes=4)
    assert _labels(own) == (-1, 0, 1, 2)
    assert _labels(nn.Sequential(own)) == (-1, 0, 1, 2)
    assert _labels(Giving(objects(1))) is None
    with torch.device("meta"):
        coco = _labels(fcos_resnet50_fpn(weights=None, weights_backbone=None, num_classes=91))
    assert coco is not None
    assert (coco[1], coco[12], coco[13], coco[90]) == (0, -1, 11, 79)


def test_a_live_detector_of_torchvision_gives_boxes() -> None:
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    torch.manual_seed(0)
    net = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4, score_thresh=0.0).eval()
    images = torch.rand(1, 3, 64, 64)
    (found,) = live(net).predict(images)
    expected = net(list(images))[0]
    assert len(expected["labels"])
    assert np.array_equal(found.labels, expected["labels"].numpy() - 1)
    assert np.array_equal(found.corners, expected["boxes"].detach().numpy())


def test_networks_see_what_those_of_their_task_do() -> None:
    for task in ("restoration", "detection"):
        assert (INPUTS[task].size, INPUTS[task].mean, INPUTS[task].std) == (None, (0.0,) * 3, (1.0,) * 3)


def test_a_live_network_of_timm_is_shown_what_timm_declares() -> None:
    net = timm.create_model("test_resnet.r160_in1k")
    declared = default_input(net, ANY)
    assert (declared.size, declared.resize, declared.mean) == (160, 168, (0.5, 0.5, 0.5))
    assert default_input(net, "restoration") == INPUTS["restoration"]
    assert default_input(nn.Sequential(net), ANY) == INPUTS[ANY]


def test_a_network_with_computed_weights_is_copied() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.utils.weight_norm(nn.Conv2d(3, 2, 1))
    images = torch.rand(1, 3, 4, 4)
    check_live("mine", net)
    made = live(net)
    with torch.no_grad():
        assert torch.equal(made.predict(images), net(images))
        net.weight_g.mul_(2)
        assert not torch.equal(made.predict(images), net(images))


def test_a_live_network_of_one_channel_is_refused() -> None:
    net = timm.create_model("test_resnet.r160_in1k", in_chans=1)
    with pytest.raises(QbenchError, match=r"the network ResNet takes pictures of 1 channels; qbench shows a model RGB"):
        default_input(net, ANY)


def test_a_live_segmenters_maps_are_enlarged_and_a_restorers_are_not() -> None:
    torch.manual_seed(0)
    config = SegformerConfig(hidden_sizes=[8, 8, 8, 8], depths=[1] * 4, num_attention_heads=[1] * 4, num_labels=4)
    net = SegformerForSemanticSegmentation(config).eval()
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        quarter = net(images).logits
        expected = interpolate(quarter, size=(64, 96), mode="bilinear", align_corners=False)
        torch.testing.assert_close(live(net).predict(images), expected)
        assert quarter.shape == (1, 4, 16, 24)
        small = LiveModel("mine", nn.AvgPool2d(2), WHOLE, {}, task="restoration").build()
        assert small.predict(images).shape == (1, 3, 32, 48)
