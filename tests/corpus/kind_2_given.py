"""Plug-ins that give back what they may not: the error names the class, what came, and what is expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.corpus.case import Arguments, Case, Said, plugin, run

HEAD = """
from dataclasses import dataclass
import numpy as np
import torch
from torch import nn
import qbench
from qbench.models.base import LoadedModel
from qbench.vocabulary import Boxes, InputConvention, Manifest, Sample
"""
METHOD = """
@qbench.method("{name}", site="{site}")
class Mine:
    at = "D2"

    def restore(self, images, context):
        return {value}

    def enhance(self, features, images, context):
        return {value}

    def adapt(self, model):
        return {value}
"""
CONDITION = """
@qbench.condition("{name}")
class Mine:
    label, axis = "mine", None

    def apply(self, image, draw):
        return {value}
"""
DATASET = """
@qbench.dataset("{name}")
class Mine:
    label = "mine"

    def manifest(self):
        return {manifest}

    def load(self, index):
        picture = np.zeros((128, 128, 3), np.uint8)
        return {sample}
"""
MODEL = """
@qbench.model("{name}")
class Mine:
    label, sites = "mine", {}

    def identity(self):
        return {"version": 1}

    def build(self):
        net = nn.Sequential(nn.Conv2d(3, 24, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), {layer})
        convention = InputConvention(size=64, resize=64)
        return {value}
"""
GOOD = "Sample(str(index), picture, 0)"
LISTED = "Manifest(('0', '1'), ('a', 'b'))"


def filled(text: str, **words: str) -> str:
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    return HEAD + text


def method(number: int, site: str, value: str) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        name = f"given-method-{number}"
        file = plugin(folder, name, filled(METHOD, name=name, site=site, value=value))
        return run(folder, "--plugin", file, methods=f"{name}, direct")

    return make


def condition(number: int, value: str) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        name = f"given-condition-{number}"
        file = plugin(folder, name, filled(CONDITION, name=name, value=value))
        return run(folder, "--plugin", file, conditions=f"{name}, clean")

    return make


def dataset(number: int, sample: str, manifest: str = LISTED) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        name = f"given-dataset-{number}"
        file = plugin(folder, name, filled(DATASET, name=name, sample=sample, manifest=manifest))
        return run(folder, "--plugin", file, dataset=f"{{name: {name}}}")

    return make


def model(number: int, value: str, layer: str = "nn.Identity()") -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        name = f"given-model-{number}"
        file = plugin(folder, name, filled(MODEL, name=name, value=value, layer=layer))
        return run(folder, "--plugin", file, model=f"{name}, 'builtin:scenes'")

    return make


def others_stay(folder: Path, said: Said) -> None:
    """One of the two cells has its records and its score."""
    from qbench.runs import run_info

    statuses = sorted(cell.status for cell in run_info.read(folder / "run").cells)
    assert statuses == ["done", "failed"], said.out + said.err


RESTORED = "(Mine): restore gave"
METHODS = (
    ("pictures to 255", "image", "images * 255", "(Mine): restore gave values from"),
    ("pictures below 0", "image", "images - 1", "expected pictures in [0, 1]"),
    ("uint8 pictures", "image", "(images * 255).byte()", f"{RESTORED} a uint8 tensor of [2, 3, 128, 128]"),
    ("float64 pictures", "image", "images.double()", f"{RESTORED} a float64 tensor"),
    ("half pictures", "image", "images.half()", f"{RESTORED} a float16 tensor"),
    ("numpy pictures", "image", "images.numpy()", f"{RESTORED} a numpy array, float32 [2, 3, 128, 128]; expected"),
    ("no pictures", "image", "None", f"{RESTORED} nothing; expected a float32 tensor of [2, 3, 128, 128]"),
    ("a tuple of pictures", "image", "(images, images)", f"{RESTORED} a value of type tuple"),
    ("smaller pictures", "image", "images[..., ::2, ::2]", "tensor of [2, 3, 64, 64] on cpu; expected"),
    ("fewer pictures", "image", "images[:1]", "tensor of [1, 3, 128, 128] on cpu; expected"),
    ("pictures that are not finite", "image", "images * float('nan')", "not finite"),
    ("smaller features", "feature", "features[..., ::2, ::2]", "(Mine): enhance gave a float32 tensor"),
    ("no features", "feature", "None", "(Mine): enhance gave nothing; expected a float32 tensor"),
    ("features that are not finite", "feature", "features * float('nan')", "not finite"),
    ("no model", "model", "None", "(Mine) gave nothing; expected a qbench.models.base.LoadedModel"),
    ("a network for a model", "model", "model.net", "expected a qbench.models.base.LoadedModel"),
    ("a model in training mode", "model", "model.net.train() and model", "network in training mode"),
)
CONDITIONS = (
    ("a condition without facts", "image", "apply gave a numpy array, uint8 [128, 128, 3]; expected a picture and its"),
    ("floats of a condition", "(image / 255, {})", "float64 [128, 128, 3]; expected uint8 [128, 128, 3]"),
    ("a smaller picture", "(image[::2], {})", "uint8 [64, 128, 3]; expected uint8 [128, 128, 3]"),
    ("facts that are arrays", "(image, {'kernel': image})", "its facts are no plain values"),
    ("no facts", "(image, None)", "its facts are no plain values"),
)
SAMPLES = (
    ("a target below 0", "Sample(str(index), picture, -5)", "is -5; expected a class index from 0 on"),
    ("a target that is true", "Sample(str(index), picture, True)", "is True; expected a class index from 0 on"),
    ("a target that is text", "Sample(str(index), picture, 'cat')", "is 'cat'; expected a class index from 0 on"),
    ("another sample's id", "Sample('x', picture, 0)", "(Mine): load(0) gave sample 'x'; its manifest says '0'"),
    ("a picture of floats", "Sample(str(index), picture / 255, 0)", "float64 [128, 128, 3]; expected uint8"),
    ("a grey picture", "Sample(str(index), picture[..., 0], 0)", "uint8 [128, 128]; expected uint8 [height, width, 3]"),
    ("a picture without pixels", "Sample(str(index), picture[:0], 0)", "has no pixels"),
    ("no sample", "None", "(Mine): load gave nothing; expected a qbench.vocabulary.Sample"),
    ("a group that is a number", "Sample(str(index), picture, 0, 7)", "the group of its sample is 7"),
)
MANIFESTS = (
    ("ids twice", "Manifest(('0', '0'), ('a', 'b'))", "names sample '0' 2 times; ids must be unique"),
    ("more ids than digests", "Manifest(('0', '1'), ('a',))", "has 2 ids and 1 digests"),
    ("ids that are numbers", "Manifest((0, 1), ('a', 'b'))", "its manifest's ids are no texts"),
    ("no manifest", "['0', '1']", "manifest gave a value of type list; expected a qbench.vocabulary.Manifest"),
    ("no samples", "Manifest((), ())", "holds no samples"),
)
LOADED = "LoadedModel({net}, convention, self.sites)"
MODELS = (
    ("a network for a loaded model", "net.eval()", "nn.Identity()", "gave a value of type Sequential; expected a"),
    ("a network in training mode", LOADED.replace("{net}", "net"), "nn.Dropout()", "training mode"),
    ("probabilities", LOADED.replace("{net}", "net.eval()"), "nn.Softmax(1)", "leave out its softmax"),
    ("logits of three dimensions", LOADED.replace("{net}", "net.eval()"), "nn.Unflatten(1, (4, 6))", "logits [B, cla"),
)
CASES = [
    *(
        Case(what, method(number, site, value), line, code=1, then=others_stay)
        for number, (what, site, value, line) in enumerate(METHODS)
    ),
    *(
        Case(what, condition(number, value), line, code=1, then=others_stay)
        for number, (what, value, line) in enumerate(CONDITIONS)
    ),
    *(Case(what, dataset(number, sample), line, code=1) for number, (what, sample, line) in enumerate(SAMPLES)),
    *(
        Case(what, dataset(100 + number, GOOD, manifest), line)
        for number, (what, manifest, line) in enumerate(MANIFESTS)
    ),
    *(
        Case(what, model(number, value, layer), line, code=1, then=others_stay)
        for number, (what, value, layer, line) in enumerate(MODELS)
    ),
]
