"""Plug-ins that raise or leave: the sample's or the cell's fault, while the run goes on and the report comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.corpus.case import Arguments, Case, Said, plugin, run

HEAD = """
import hashlib
import sys
import numpy as np
import torch
from torch import nn
import qbench
from qbench.errors import NotApplicable, StoreError
from qbench.models.base import LoadedModel
from qbench.vocabulary import InputConvention, Manifest, Sample

class Mute(Exception):
    def __str__(self): raise SystemExit("no text")

class Base(BaseException): pass
class Like(KeyboardInterrupt): pass

def fail(how):
    if how == "raise": raise ValueError("out of luck")
    if how == "exit": sys.exit(0)
    if how == "mute": raise Mute
    if how == "memory": raise MemoryError
    if how == "recurse": fail(how)
    if how == "base": raise Base("of all")
    if how == "like": raise Like("Ctrl-C")
    if how == "closed": raise GeneratorExit
    if how == "store": raise StoreError("no store")
"""
METHOD = """
@qbench.method("{name}", site="{site}")
class Fails:
    at = "D2"
    def __init__(self): fail("{how}" if "{where}" == "init" else "")
    def setup(self, setup): fail("{how}" if "{where}" == "setup" else "")
    def restore(self, images, context):
        fail("{how}" if "{where}" == "restore" or "{where}" == "alone" and len(images) == 1 else "")
        return images
    def enhance(self, features, images, context):
        fail("{how}" if "{where}" == "enhance" else "")
        return features
    def adapt(self, model):
        fail("{how}" if "{where}" == "adapt" else "")
        return model
"""
MODEL = """
class Net(nn.Module):
    def forward(self, x):
        fail("{how}" if "{where}" == "forward" else "")
        return torch.zeros(len(x), 24)

@qbench.model("{name}")
class Fails:
    label = "{name}"
    sites = {{}}
    def identity(self):
        fail("{how}" if "{where}" == "identity" else "")
        return {{"v": 1}}
    def build(self):
        fail("{how}" if "{where}" == "build" else "")
        return LoadedModel(Net().eval(), InputConvention(size=64, resize=None), self.sites)
"""
DATASET = """
@qbench.dataset("{name}")
class Fails:
    label = "{name}"
    def manifest(self):
        fail("{how}" if "{where}" == "manifest" else "")
        ids = tuple("abcd")
        return Manifest(ids, tuple(hashlib.sha256(name.encode()).hexdigest() for name in ids))
    def load(self, index):
        if index == 1: fail("{how}" if "{where}" == "load" else "")
        target = "cat" if index == 1 and "{where}" == "target" else 1
        size = 1 if index == 1 and "{where}" == "view" else 64
        return Sample("abcd"[index], np.full((size, 64 * 64 if size == 1 else 64, 3), index, np.uint8), target)
"""
CONDITION = """
@qbench.condition("{name}")
class Fails:
    label, axis = "{name}", None
    def apply(self, image, draw):
        fail("{how}" if "{where}" == "apply" else "")
        return image, {{}}
"""
METRIC = """
@qbench.metric("{name}", task="classification")
class Fails:
    higher_is_better, range = True, (0.0, 1.0)
    def __init__(self): fail("{how}" if "{where}" == "init" else "")
    @staticmethod
    def statistic(records, weights):
        fail("{how}" if "{where}" == "statistic" else "")
        if "{where}" == "resample" and weights.ndim > 1: fail("{how}")
        return weights @ (np.asarray(records["rank"]) == 0) / weights.sum(axis=-1)
    @staticmethod
    def counts(records):
        fail("{how}" if "{where}" == "counts" else "")
        return np.asarray(records["error"]) == ""
"""
MEASURE = """
@qbench.metric("{name}", task="restoration")
class Fails:
    higher_is_better, range = True, (0.0, 1.0)
    def measure(self):
        fail("{how}" if "{where}" == "measure" else "")
        def of(pictures, clean):
            fail("{how}" if "{where}" == "of" else "")
            return torch.zeros(len(pictures))
        return of
"""


def failing(
    text: str, where: str, how: str, words: Callable[[str], dict[str, str]], site: str = "image"
) -> Callable[[Path], Arguments]:
    """A run with a plug-in that fails there and so; `words` name it in the suite."""

    def make(folder: Path) -> Arguments:
        name = f"corpus-3-{how}-{where}-{site}"
        file = plugin(folder, name.replace("-", "_"), HEAD + text.format(name=name, where=where, how=how, site=site))
        return run(folder, "--plugin", file, "--workers", "1", **words(name))

    return make


def method(where: str, how: str, site: str = "image") -> Callable[[Path], Arguments]:
    return failing(METHOD, where, how, lambda name: {"methods": f"{name}, direct"}, site)


def model(where: str, how: str) -> Callable[[Path], Arguments]:
    return failing(MODEL, where, how, lambda name: {"model": f'{name}, "builtin:scenes"'})


def dataset(where: str, how: str) -> Callable[[Path], Arguments]:
    return failing(DATASET, where, how, lambda name: {"dataset": f"{{name: {name}}}"})


def condition(where: str, how: str) -> Callable[[Path], Arguments]:
    return failing(CONDITION, where, how, lambda name: {"conditions": f"{name}, clean"})


def metric(where: str, how: str) -> Callable[[Path], Arguments]:
    return failing(METRIC, where, how, lambda name: {"more": f"    metrics: [{name}, top1]\n"})


def priced() -> Callable[[Path], Arguments]:
    words = {"more": "tables: [accuracy-by-condition, efficiency]\n", "dataset": "{name: scenes, count: 4}"}
    return failing(METHOD, "alone", "raise", lambda name: {"methods": f"{name}, direct", **words})


def measured(where: str, how: str) -> Callable[[Path], Arguments]:
    words = "    task: restoration\n    metrics: [psnr, {name}]\n"
    return failing(MEASURE, where, how, lambda name: {"model": "identity", "more": words.format(name=name)})


def statuses(*expected: str) -> Callable[[Path, Said], None]:
    """What came of each cell in `run.json`; the report is there, and each done cell's records."""

    def then(folder: Path, said: Said) -> None:
        info = json.loads((folder / "run" / "run.json").read_text())
        assert tuple(result["status"] for result in info["cells"]) == expected
        assert (folder / "run" / "report" / "report.md").is_file()
        for result in info["cells"]:
            files = list((folder / "run" / "records").glob(f"*/{result['cell']['key']}/*.parquet"))
            assert result["status"] != "done" or len(files) == 1

    return then


BESIDE = statuses("failed", "done")
TOLD = "ValueError: out of luck"
EXITED = "it asked the process to exit (sys.exit(0))"
CASES = [
    Case("restore raises", method("restore", "raise"), TOLD, 1, BESIDE),
    Case("restore leaves", method("restore", "exit"), EXITED, 1, BESIDE),
    Case(
        "restore raises what cannot be printed",
        method("restore", "mute"),
        "Mute: its text cannot be printed",
        1,
        BESIDE,
    ),
    Case("restore is out of memory", method("restore", "memory"), "MemoryError", 1, BESIDE),
    Case("restore calls itself without end", method("restore", "recurse"), "RecursionError: maximum", 1, BESIDE),
    Case("restore raises what is no Exception", method("restore", "base"), "Base: of all", 1, BESIDE),
    Case("restore raises what is like Ctrl-C", method("restore", "like"), "Like: Ctrl-C", 1, BESIDE),
    Case("restore raises what closes generators", method("restore", "closed"), "GeneratorExit", 1, BESIDE),
    Case("restore raises an error of the store", method("restore", "store"), "no store", 1, BESIDE),
    Case("a model's forward raises what is no Exception", model("forward", "base"), "Base: of all", 1, BESIDE),
    Case("a model's build raises an error of the store", model("build", "store"), "no store", 1, BESIDE),
    Case("load raises what is like Ctrl-C", dataset("load", "like"), "first: Like: Ctrl-C", 1, statuses("failed")),
    Case("a condition raises what is no Exception", condition("apply", "base"), "first: Base: of all", 1, BESIDE),
    Case("a metric raises what closes generators", metric("statistic", "closed"), "GeneratorExit", 1, statuses("done")),
    Case("a model's identity raises what closes generators", model("identity", "closed"), "GeneratorExit", 2),
    Case("a method's setup leaves", method("setup", "exit"), EXITED, 1, BESIDE),
    Case("enhance leaves", method("enhance", "exit", "feature"), EXITED, 1, BESIDE),
    Case("adapt raises", method("adapt", "raise", "model"), TOLD, 1, BESIDE),
    Case("a model's build raises", model("build", "raise"), TOLD, 1, BESIDE),
    Case("a model's build leaves", model("build", "exit"), EXITED, 1, BESIDE),
    Case("a model's forward raises", model("forward", "raise"), TOLD, 1, BESIDE),
    Case(
        "load raises for one of four",
        dataset("load", "raise"),
        f"1 of 4 samples cannot be used, more than max_bad 0.01 allows; first: {TOLD}",
        1,
        statuses("failed"),
    ),
    Case("load leaves for one of four", dataset("load", "exit"), f"first: {EXITED}", 1, statuses("failed")),
    Case("a target that is no class", dataset("target", ""), "1 of 4 samples cannot be used", 1, statuses("failed")),
    Case(
        "a condition raises",
        condition("apply", "raise"),
        f"4 of 4 samples cannot be used, more than max_bad 0.01 allows; first: {TOLD}",
        1,
        BESIDE,
    ),
    Case("a condition leaves", condition("apply", "exit"), f"first: {EXITED}", 1, BESIDE),
    Case("a metric raises", metric("statistic", "raise"), f"statistic raised: {TOLD}", 1, statuses("done")),
    Case("a metric leaves", metric("statistic", "exit"), EXITED, 1, statuses("done")),
    Case("a metric raises in resamples", metric("resample", "raise"), f"statistic raised: {TOLD}", 1, statuses("done")),
    Case("a metric's counts raise", metric("counts", "mute"), "Mute: its text cannot be printed", 1, statuses("done")),
    Case(
        "a cost that cannot be measured",
        priced(),
        "cannot be measured: ValueError: out of luck",
        1,
        statuses("done", "done"),
    ),
    Case("a measure raises", measured("measure", "raise"), TOLD, 1, statuses("failed")),
    Case("a measure raises for pictures", measured("of", "raise"), TOLD, 1, statuses("failed")),
    Case("a manifest raises", dataset("manifest", "raise"), TOLD, 2),
    Case("a manifest leaves", dataset("manifest", "exit"), EXITED, 2),
    Case("a model's identity raises", model("identity", "raise"), TOLD, 2),
    Case("a method cannot be made", method("init", "raise"), "out of luck", 2),
    Case("a metric cannot be made", metric("init", "exit"), "SystemExit: 0", 2),
]
