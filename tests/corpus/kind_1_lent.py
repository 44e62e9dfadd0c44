"""Plug-ins that write into what they are lent, or leave the process in another state: the cells beside them stay."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.corpus.case import Arguments, Case, Said, here, plugin, run

CONDITIONS = "clean, {jpeg: {quality: 10}}"
IMAGE = """
import os, random, warnings
import numpy as np
import torch
import qbench

@qbench.method("{name}", site="image")
class Mine:
    def restore(self, images, context):
        answer = images.clone()
        {statement}
        return answer
"""
FEATURE = """
import torch
import qbench

@qbench.method("{name}", site="feature")
class Mine:
    at = "D2"

    def setup(self, setup):
        net = setup.model.net
        {statement}

    def enhance(self, features, images, context):
        answer = features.clone()
        features.zero_(), images.zero_()
        return answer
"""
MODEL = """
import torch
import qbench

@qbench.method("{name}", site="model")
class Mine:
    def adapt(self, model):
        net = model.net
        {statement}
        return model
"""


def records(folder: Path) -> dict[str, list[float]]:
    """What `direct` gave for each sample under each condition."""
    from qbench.api import Results
    from qbench.runs import run_info

    frame = Results(folder, run_info.read(folder)).records()
    direct = frame[frame["method"] == "direct"]
    return {name: list(direct[direct["condition"] == name]["nll"]) for name in ("clean", "jpeg@10")}


@functools.cache
def alone() -> dict[str, list[float]]:
    """The records of `direct` where no plug-in is near."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        said = here([str(word) for word in run(folder, conditions=CONDITIONS)], folder)
        assert said.code == 0, said.err
        return records(folder / "run")


def same(folder: Path, said: Said) -> None:
    assert records(folder / "run") == alone()


def beside(text: str, number: int, statement: str) -> Callable[[Path], Arguments]:
    """The plug-in's cells come before those of `direct`."""
    name = f"lent-{number}"

    def make(folder: Path) -> Arguments:
        file = plugin(folder, f"lent_{number}", text.replace("{name}", name).replace("{statement}", statement))
        return run(folder, "--plugin", file, conditions=CONDITIONS, methods=f"{name}, direct, arcnn")

    return make


STATEMENTS = (
    ("pictures", IMAGE, "images.zero_()"),
    ("the degraded pictures", IMAGE, "context.degraded.zero_()"),
    ("what is computed once", IMAGE, "context.once('mean', lambda degraded: degraded.zero_())"),
    ("facts", IMAGE, "[facts.clear() for facts in context.facts]"),
    ("default dtype", IMAGE, "torch.set_default_dtype(torch.float64)"),
    ("default device", IMAGE, "torch.set_default_device('meta')"),
    ("threads", IMAGE, "torch.set_num_threads(3)"),
    ("gradients", IMAGE, "torch.set_grad_enabled(True)"),
    ("global generators", IMAGE, "torch.manual_seed(1), np.random.seed(1), random.seed(1)"),
    ("working directory", IMAGE, "os.chdir('/')"),
    ("environment", IMAGE, "os.environ.clear()"),
    ("numpy's and Python's warnings", IMAGE, "np.seterr(all='raise'), warnings.simplefilter('error')"),
    ("precision", IMAGE, "torch.set_float32_matmul_precision('medium'), torch.set_autocast_enabled('cpu', True)"),
    ("hooks of all modules", IMAGE, "torch.nn.modules.module.register_module_forward_hook(lambda m, i, o: o * 0)"),
    ("search path and output", IMAGE, "import sys; sys.path.clear(), sys.stdout.close(), sys.stderr.close()"),
    ("what Ctrl-C does", IMAGE, "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"),
    ("weights in the set-up", FEATURE, "[parameter.data.zero_() for parameter in net.parameters()]"),
    ("training mode in the set-up", FEATURE, "net.train()"),
    ("a hook in the set-up", FEATURE, "net.register_forward_hook(lambda module, given, output: output * 0)"),
    ("a layer in the set-up", FEATURE, "net.add_module(next(iter(dict(net.named_children()))), torch.nn.Identity())"),
    ("weights of the adapted model", MODEL, "[parameter.data.mul_(0.5) for parameter in net.parameters()]"),
    ("sites of the adapted model", MODEL, "model.sites.clear()"),
)
CASES = [
    Case(what, beside(text, number, statement), "written to {}/run/report", code=0, then=same)
    for number, (what, text, statement) in enumerate(STATEMENTS)
]
