"""Models whose classes, outputs, sizes or weights are not what the data or the network ask for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from tests.corpus.case import Arguments, Case, picture, plugin, run, validate

MODEL = """
import numpy as np
import torch
from torch import nn

import qbench
from qbench.models.base import LoadedModel
from qbench.vocabulary import Boxes, InputConvention


class Net(nn.Module):
    def forward(self, x):
        b, _, h, w = x.shape
        return GIVES


@qbench.model("NAME")
class Model:
    label, sites = "NAME", {}

    def identity(self):
        return {"version": 1}

    def build(self):
        return LoadedModel(Net().eval(), InputConvention(None, None), {}MORE)
"""
TARGETS = {"classification": "label", "segmentation": "mask", "detection": "boxes", "restoration": "label"}
FOUND = "[Boxes(np.float32([[0, 0, 9, 9]]), np.int32([{}]), np.float32([0.5]))] * b"


def giving(what: str, gives: str, line: str, task: str = "classification", more: str = "") -> Case:
    """A plug-in's model whose network gives this on scenes."""
    name = "gives-" + what.replace(" ", "-")

    def make(folder: Path) -> Arguments:
        text = MODEL.replace("GIVES", gives).replace("NAME", name).replace("MORE", more)
        file = plugin(folder, name.replace("-", "_"), text)
        dataset = f"{{name: scenes, count: 2, target: {TARGETS[task]}}}"
        arguments = run(folder, "--plugin", file, dataset=dataset, model=name)
        suite = folder / "suite.yaml"
        suite.write_text(suite.read_text().replace("  - dataset:", f"  - task: {task}\n    dataset:"))
        return arguments

    return Case(what, make, line, code=1)


def on_imagenet(what: str, model: str, line: str) -> Case:
    """A model on two pictures of ImageNet."""

    def make(folder: Path) -> Arguments:
        for wnid in ("n01440764", "n01443537"):
            picture(folder / "data" / wnid / "0.png")
        return run(folder, dataset=f"{{name: imagenet, root: '{folder / 'data'}'}}", model=model)

    return Case(what, make, line, code=1)


@functools.cache
def scenes_state() -> dict[str, Tensor]:
    from qbench.models.builtin.classifier_net import ScenesNet

    return dict(ScenesNet(24).state_dict())


def weights(what: str, change: Callable[[dict[str, Tensor]], object], line: str) -> Case:
    """The built-in classifier with a changed state."""

    def make(folder: Path) -> Arguments:
        torch.save(change(scenes_state()), folder / "w.pth")
        return run(folder, dataset="{name: scenes, count: 2}", model="{'builtin:scenes': {weights: w.pth}}")

    return Case(what, make, line, code=1)


def with_first(change: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], object]:
    return lambda state: {**state, "conv1.weight": change(state["conv1.weight"])}


SUITE = """\
suite: s
version: 1
changelog: {1: first}
tasks: [{dataset: {name: scenes}, conditions: [clean], models: [{'timm:resnet10t': {%s}}]}]
"""
CASES = [
    on_imagenet(
        "a network without a classifier", "{'timm:convnextv2_atto.fcmae': {pretrained: false}}",
        "the model has 0 classes: it gives features, and the dataset has 1000 classes; give it `classes: 1000`",
    ),
    on_imagenet(
        "1001 classes on ImageNet", "{'timm:test_resnet': {pretrained: false, classes: 1001}}",
        "the model tells 1001 classes apart, and the dataset has 1000; classes are compared by index: use a model",
    ),
    on_imagenet(
        "a size that the network cannot take",
        "{'timm:vit_tiny_patch16_224': {pretrained: false, input: {size: 64, resize: 64}}}",
        "cannot take pictures of 64 x 64 pixels; it was made for 224 x 224: leave `size` out of its `input`",
    ),
    on_imagenet(
        "an output that there is not", "{'timm:test_resnet': {pretrained: false, output: logit}}",
        "`output` is 'logit', but the network gives a tensor of [2, 1000]",
    ),
    giving("more logits than classes", "torch.ones(b, 512)", "tells 512 classes apart, and the dataset has 24"),
    giving("fewer logits than classes", "torch.ones(b, 7)", "tells 7 classes apart, and the dataset has 24"),
    giving("one logit", "torch.ones(b, 1)", "tells 1 classes apart, and the dataset has 24"),
    giving(
        "logits of one picture", "torch.ones(1, 24)",
        "gives outputs for 1 pictures of 2, and classification needs one for each",
    ),
    giving("complex logits", "torch.ones(b, 24) * 1j", "a complex tensor of [2, 24], and classification needs logits"),
    giving(
        "a mapping of unusual names", "{'main': torch.ones(b, 24), 'aux': torch.ones(b, 24)}",
        "gives a dict of 'main' (tensor [2, 24]), 'aux' (tensor [2, 24]); name the one that is its prediction as `out",
    ),
    giving(
        "a pair of tensors", "(torch.ones(b, 24), torch.ones(b, 9))",
        "gives a tuple of 0 (tensor [2, 24]), 1 (tensor [2, 9]); name the one",
    ),
    giving(
        "names under other numbers", "torch.ones(b, 24)", "which is class 1 of the model; classes are compared",
        more=", names=('x', 'striped disc')",
    ),
    giving(
        "masks of other classes", "torch.ones(b, 21, h, w)", "tells 21 classes apart, and the dataset has 25",
        "segmentation",
    ),
    giving(
        "masks in a mapping", "{'a': torch.ones(b, 25, h, w), 'b': 3}", "'a' (tensor [2, 25, 128, 128]), 'b' (int)",
        "segmentation",
    ),
    giving(
        "boxes of an unknown class", FOUND.format(30),
        "detects class 30, but the dataset has 24 classes, 0 to 23; classes are compared by index; give a model",
        "detection",
    ),
    giving(
        "boxes of a negative class", FOUND.format(-1), "detects class -1, but the dataset has 24 classes", "detection"
    ),
    giving(
        "boxes past the names", FOUND.format(25), "detects class 25, but the model has 24 classes", "detection",
        ", classes=24",
    ),
    giving(
        "a detector of fewer classes", FOUND.format(0), "tells 3 classes apart, and the dataset has 24", "detection",
        ", classes=3",
    ),
    giving(
        "objects without scores", "[{'boxes': torch.ones(1, 4), 'labels': torch.ones(1)}] * b",
        "gives a list of 0 (dict), 1 (dict); name the one", "detection",
    ),
    giving(
        "objects of an unknown class",
        "[{'boxes': torch.ones(1, 4), 'labels': 24 * torch.ones(1).long(), 'scores': torch.ones(1)}] * b",
        "detects class 24, but the dataset has 24 classes", "detection",
    ),
    giving(
        "pictures from 0 to 255", "255 * torch.ones(b, 3, h, w)",
        "gives values from 255 to 255, and restoration needs pictures [B, 3, H, W] in [0, 1]", "restoration",
    ),
    weights(
        "names with a prefix that does not help",
        lambda state: {f"module.{name}": value for name, value in state.items() if name != "fc.bias"},
        "1 missing, first 'fc.bias'; the file's names have 'module.' in front",
    ),
    weights("weights of 8 bits", with_first(lambda w: w.to(torch.int8)), "'conv1.weight' is int8, expected float32"),
    weights("complex weights", with_first(lambda w: w * 1j), "'conv1.weight' is complex64, expected float32"),
    weights("weights that are not finite", with_first(lambda w: w * torch.nan), "holds values that are not finite"),
    weights("weights of another shape", with_first(lambda w: w[1:]), "'conv1.weight' is (31, 3, 3, 3), expected (32,"),
    weights("no tensors", lambda state: {"epoch": 3}, "hold no tensors by name; expected those of ScenesNet"),
    Case(
        "a way of cropping that there is not",
        lambda folder: validate(folder, SUITE % "input: {crop_mode: squish}"),
        "crop_mode",
    ),
    Case(
        "an output that is no name", lambda folder: validate(folder, SUITE % "output: [logits]"), "output",
    ),
]  # fmt: skip
