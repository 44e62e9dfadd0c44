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
    {facts}

    def apply(self, image, draw):
        return {value}
"""
DATASET = """
@qbench.dataset("{name}")
class Mine:
    label = "mine"
    {facts}

    def manifest(self):
        return {manifest}

    def load(self, index):
        picture = np.zeros((128, 128, 3), np.uint8)
        return {sample}
"""
MODEL = """
class B(nn.Module):
    def forward(self, x): return x > 0

class N(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        self.seen += 1
        return x + self.seen

class T(nn.Module):
    def forward(self, x): return self.train() and x

@qbench.model("{name}")
class Mine:
    label, sites = "mine", {}

    def identity(self):
        return {identity}

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


def condition(number: int, value: str, facts: str = "") -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        name = f"given-condition-{number}"
        file = plugin(folder, name, filled(CONDITION, name=name, value=value, facts=facts))
        return run(folder, "--plugin", file, conditions=f"{name}, clean")

    return make


def dataset(
    number: int, sample: str, manifest: str = LISTED, facts: str = "", **words: str
) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        name = f"given-dataset-{number}"
        file = plugin(folder, name, filled(DATASET, name=name, sample=sample, manifest=manifest, facts=facts))
        return run(folder, "--plugin", file, dataset=f"{{name: {name}}}", **words)

    return make


def model(
    number: int, value: str, layer: str = "nn.Identity()", identity: str = "{'version': 1}"
) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        name = f"given-model-{number}"
        file = plugin(folder, name, filled(MODEL, name=name, value=value, layer=layer, identity=identity))
        return run(folder, "--plugin", file, model=f"{name}, 'builtin:scenes'")

    return make


def filled_boxes(corners: str, more: str) -> str:
    return BOXED.replace("{corners}", corners).replace("{more}", more)


def others_stay(folder: Path, said: Said) -> None:
    """One of the two cells has its records and its score."""
    from qbench.runs import run_info

    statuses = sorted(cell.status for cell in run_info.read(folder / "run").cells)
    assert statuses == ["done", "failed"], said.out + said.err


def adapted(change: str) -> str:
    return f"__import__('dataclasses').replace(model, {change})"


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
    ("sparse pictures", "image", "images.to_sparse()", f"{RESTORED} a sparse_coo float32 tensor"),
    ("nested pictures", "image", "torch.nested.nested_tensor(list(images))", f"{RESTORED} a nested tensor"),
    ("pictures without values", "image", "images.to('meta')", "tensor of [2, 3, 128, 128] on meta; expected"),
    ("names that are a number", "model", adapted("names=7"), "a model with 7 for `names`; expected a tuple of texts"),
    ("no decode", "model", adapted("decode=None"), "a model with None for `decode`; expected a function"),
    ("no network", "model", adapted("net=None"), "a model with None for `net`; expected a torch.nn.Module"),
    ("weights without values", "model", "model.net.to('meta') and model", "is on the device meta and holds no values"),
    ("weights in half precision", "model", "model.net.half() and model", "the network has torch.float16 weights"),
    ("fewer classes than told before", "model", adapted("classes=5"), "the model tells 5 classes apart, and the data"),
    (
        "a model that sees other pictures",
        "model",
        adapted("input=InputConvention(size=64, resize=64)"),
        "the method gives a model that sees View(resize=64, crop=64",
    ),
)
CONDITIONS = (
    ("a condition without facts", "image", "apply gave a numpy array, uint8 [128, 128, 3]; expected a picture and its"),
    ("floats of a condition", "(image / 255, {})", "float64 [128, 128, 3]; expected uint8 [128, 128, 3]"),
    ("a smaller picture", "(image[::2], {})", "uint8 [64, 128, 3]; expected uint8 [128, 128, 3]"),
    ("facts that are arrays", "(image, {'kernel': image})", "its facts are no plain values"),
    ("no facts", "(image, None)", "its facts are no plain values"),
    ("facts that are not finite", "(image, {'a': float('nan')})", "its facts are no plain values"),
    ("facts that are never read", "(image, [sys.exit(0) for sys in [__import__('sys')]])", "sys.exit(0)"),
    ("bits per pixel in words", "(image, {'bpp': 'many'})", "its fact `bpp` is 'many'; expected bits per pixel"),
    ("bits per pixel below 0", "(image, {'bpp': -1})", "its fact `bpp` is -1; expected bits per pixel"),
)
SAMPLES = (
    ("a target below 0", "Sample(str(index), picture, -5)", "is -5; expected a class index from 0 on"),
    ("a target past all classes", "Sample(str(index), picture, 10**30)", "expected a class index from 0 on"),
    ("a group that no file holds", r"Sample(str(index), picture, 0, '\udc80')", "UTF-8 cannot hold it"),
    (
        "a target that cannot be copied",
        "Sample(str(index), picture, __import__('threading').Lock())",
        "the target of its sample, a value of type lock, cannot be copied",
    ),
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
    ("ids that are gone once read", "Manifest((i for i in '01'), ('a',))", "has 2 ids and 1 digests"),
    ("ids that are missing", "Manifest(None, ('a',))", "its manifest's ids are None; expected a tuple of str"),
    ("ids that no file holds", r"Manifest(('\udc80', '1'), ('a', 'b'))", r"hold '\udc80'; expected texts that UTF-8"),
    ("notes that are a number", "Manifest(('0', '1'), ('a', 'b'), 3)", "its manifest's notes are 3; expected a tuple"),
    ("ids that are numbers", "Manifest((0, 1), ('a', 'b'))", "its manifest's ids are not all str"),
    ("no manifest", "['0', '1']", "manifest gave a value of type list; expected a qbench.vocabulary.Manifest"),
    ("no samples", "Manifest((), ())", "holds no samples"),
)
LOADED = "LoadedModel({net}, convention, self.sites)"
MODELS = (
    ("a network for a loaded model", "net.eval()", "nn.Identity()", "gave a value of type Sequential; expected a"),
    ("a network in training mode", LOADED.replace("{net}", "net"), "nn.Dropout()", "training mode"),
    ("probabilities", LOADED.replace("{net}", "net.eval()"), "nn.Softmax(1)", "leave out its softmax"),
    ("true and false", LOADED.replace("{net}", "net.eval()"), "B()", "gives a bool tensor of [2, 24]"),
    (
        "a network that changes itself",
        LOADED.replace("{net}", "net.eval()"),
        "N()",
        "changed '3.seen' while it predicted",
    ),
    ("a network that trains", LOADED.replace("{net}", "net.eval()"), "T()", "to training mode while it predicted"),
    ("an input without pixels", "InputConvention(size=0, resize=None)", "B()", "has 0 for `size`; expected pixels"),
    (
        "an input of two channels",
        "InputConvention(8, None, mean=(0, 0))",
        "B()",
        "has (0, 0) for `mean`; expected three",
    ),
    ("an input of no deviation", "InputConvention(8, None, std=(1, 1, 0))", "B()", "for `std`; expected three numbers"),
    (
        "another interpolation",
        "InputConvention(8, 8, interpolation='x')",
        "B()",
        "for `interpolation`; expected one of",
    ),
    ("logits of three dimensions", LOADED.replace("{net}", "net.eval()"), "nn.Unflatten(1, (4, 6))", "logits [B, cla"),
)
DECLARED = (
    ("a condition whose label is nothing", "label = None", "its label is None; expected a text"),
    ("a condition whose label no file holds", r"label = '\udc80'", r"its label is '\udc80'; expected a text"),
    ("a condition whose family is a number", "family = 3", "its family is 3; expected a text"),
    ("an axis without its place", "axis = 'share', float('nan')", "not ('share', nan)"),
    ("an axis past all numbers", "axis = 'share', 10 ** 400", "`axis` is a name and a number, or None"),
    ("entries that are none", "runs_through = (7,)", "`runs_through` is (7,); expected registry entries"),
)
BOXED = "Sample(str(index), picture, Boxes({corners}, np.zeros(1, np.int32), {more}))"
ONE = "np.array([[0, 0, 1, 1]], np.float32)"
BOXES = (
    ("no corners", "None", "", "have NoneType for corners; expected a numpy array"),
    ("corners that are text", "np.array([['a'] * 4])", "", "have corners of type <U1; expected real numbers"),
    ("corners inside out", "np.array([[9, 9, 1, 1]])", "", "whose x1 or y1 is below x0 or y0; expected x0, y0, x1, y1"),
    ("a crowd of two", ONE, "crowd=np.array([2])", "have crowd np.int64(2); expected True or False"),
    ("an area below 0", ONE, "area=np.array([-1.0])", "have areas that are not finite, or below 0"),
)
DETECTION = {"model": "'builtin:scenes-detector'", "more": "    task: detection\n"}
RESTORATION = {"model": "identity", "more": "    task: restoration\n"}
CASES = [
    *(
        Case(what, condition(100 + number, "(image, {})", facts), line)
        for number, (what, facts, line) in enumerate(DECLARED)
    ),
    *(
        Case(what, dataset(200 + number, filled_boxes(corners, more), **DETECTION), line, code=1)
        for number, (what, corners, more, line) in enumerate(BOXES)
    ),
    Case(
        "a clean picture that is a tensor",
        dataset(300, "Sample(str(index), picture, torch.from_numpy(picture))", **RESTORATION),
        "is a value of type Tensor; expected uint8 [128, 128, 3]",
        code=1,
    ),
    Case("a dataset whose label is nothing", dataset(301, GOOD, facts="label = None"), "its label is None; expected"),
    Case("classes that are one text", dataset(302, GOOD, facts="classes = 'cat'"), "its classes are 'cat'", code=1),
    Case("classes that are a number", dataset(303, GOOD, facts="classes = 3"), "its classes are 3; expected", code=1),
    Case(
        "an identity that differs in each process",
        model(100, "None", identity="{'a': object()}"),
        "identity gave {'a': <object object at",
    ),
    Case("an identity of one tensor", model(101, "None", identity="torch.ones(2)"), "identity gave tensor([1., 1.])"),
    Case(
        "an identity without end",
        model(102, "None", identity="(lambda d: d.update(a=d) or d)({})"),
        "cannot be told from others: RecursionError",
    ),
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
