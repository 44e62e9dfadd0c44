"""The methods that qbench declares are lent the originals: they write into nothing, and leave the process as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from qbench import registry
from qbench.compute import predict
from qbench.compute.bench import Workbench
from qbench.compute.cell import Cell
from qbench.compute.predict import Batch
from qbench.compute.prepare import Order, Preparer, Window
from qbench.methods.afd import AfdReleaseOptions
from qbench.methods.afd.net import Afd
from qbench.models.builtin.declared import Builtin
from qbench.registry.named import text_of
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.planned import Plan

SUITE = """
suite: builtin
version: 1
changelog: {1: first}
tasks:
  - dataset: {name: scenes, count: 2}
    models: ["builtin:scenes"]
    conditions: [{jpeg: {quality: 10}}]
    methods: [METHODS]
"""
BUILTIN = [name for name in registry.names("method") if registry.get("method", name).builtin]
WRITTEN = {
    "restorer": "restorer: {model: {name: 'restorer:arcnn', recipe: scenes}}",
    "osr": "osr: {recipe: haze}",
    "dncnn": "dncnn: {recipe: photos}",
    "afd-release": "afd-release: {weights: RELEASE}",
}
"""Methods that do not run by their name alone."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Every built-in method on the small classifier."""
    folder = tmp_path_factory.mktemp("builtin")
    options = AfdReleaseOptions()
    network = Afd(options, Builtin("scenes").build().cut(options.site).geometry(), "deployed")
    save_file(network.state_dict(), folder / "release.safetensors", options.metadata())
    methods = (WRITTEN.get(name, name).replace("RELEASE", str(folder / "release.safetensors")) for name in BUILTIN)
    file = folder / "suite.yaml"
    file.write_text(SUITE.replace("METHODS", ", ".join(f"{{{m}}}" if ":" in m else m for m in methods)))
    return make_plan(*load_suite(file), Options(device="cpu"))


@pytest.fixture(scope="module")
def bench(plan: Plan) -> Workbench:
    return Workbench(plan.sources, "cpu")


@pytest.fixture
def batch(plan: Plan, bench: Workbench) -> Batch:
    cell = plan.cells[0]
    order = Order(cell, Window(0, plan.sources[0].samples), cell.view.of(bench.model(cell).input))
    (pictures,) = Preparer(bench, seed=0)(order).batches
    return predict.on_device(pictures, text_of(cell.condition), plan.settings)


def state(net: torch.nn.Module) -> list[Any]:
    """Tensors, modes and hooks."""
    tensors = {name: value.clone() for name, value in net.state_dict().items()}
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.modules()]
    return [tensors, [module.training for module in net.modules()], hooks]


def same(one: list[Any], other: list[Any]) -> bool:
    return one[1:] == other[1:] and all(torch.equal(value, other[0][name]) for name, value in one[0].items())


def used(cell: Cell, bench: Workbench, batch: Batch) -> None:
    """Set the method up and run it on a batch, as a cell does."""
    method = bench.method(cell)
    if cell.method.site == "image":
        method.restore(batch.images, batch.context)
    elif cell.method.site == "feature":
        cut = bench.cut(cell, method.at)
        features = cut.front(batch.images, batch.context)
        before = features.clone()
        method.enhance(features, batch.images, batch.context)
        assert torch.equal(features, before)
    else:
        bench.adapted(cell).predict(batch.images, batch.context)


@pytest.mark.parametrize("name", BUILTIN)
def test_a_method_of_qbench_writes_into_nothing(name: str, plan: Plan, bench: Workbench, batch: Batch) -> None:
    cells = [cell for cell in plan.cells if cell.method.name == name and not cell.not_applicable]
    assert cells, f"{name} has no cell that can be computed: {[c.not_applicable for c in plan.cells]}"
    model = bench.model(cells[0])
    context = batch.context
    kept = batch.images.clone(), context.degraded.clone(), repr(context.facts), state(model.net)
    generators = torch.get_rng_state(), np.random.get_state()[1].tolist()
    settings = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), Path.cwd()
    with torch.inference_mode():
        used(cells[0], bench, batch)
    assert torch.equal(batch.images, kept[0])
    assert torch.equal(context.degraded, kept[1])
    assert repr(context.facts) == kept[2]
    assert same(state(model.net), kept[3])
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert np.random.get_state()[1].tolist() == generators[1]
    assert (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), Path.cwd()) == settings
