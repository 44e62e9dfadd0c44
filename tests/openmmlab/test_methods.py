"""Every method runs on networks of OpenMMLab, or says why not; the suite that ships runs with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import qbench
from qbench import registry
from qbench.methods.afd import AfdOptions
from qbench.methods.afd.net import Afd
from qbench.models.openmmlab.declared import MMDetection, MMSegmentation, OpenMMLab
from qbench.runs.plan import Options, load_suite, make_plan
from qbench.runs.run import run_plan
from tests.conftest import ROOT
from tests.openmmlab.states import SHIPPED, drawn

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
MODELS: dict[str, tuple[type[OpenMMLab], str, str]] = {
    "detection": (MMDetection, "scenes_detector", "boxes"),
    "segmentation": (MMSegmentation, "scenes_segmenter", "mask"),
}


def afd_weights(model: OpenMMLab, folder: Path) -> Path:
    """A module at D2 that changes features a little."""
    choice = AfdOptions(site="D2", gate=False, base=4)
    halves = model.build().cut("D2")
    net = Afd(choice, halves.geometry(), "deployed")
    state = {name: drawn(name, tensor, 3) * 0.3 for name, tensor in net.state_dict().items()}
    file = folder / "afd.safetensors"
    save_file(state, file, choice.metadata())
    return file


def tuned_weights(model: OpenMMLab, folder: Path) -> Path:
    """The whole state, its floating-point weights moved by a thousandth."""
    assert model.weights is not None
    file = folder / "finetune.safetensors"
    state = load_file(model.weights)
    save_file({name: value * 1.001 if value.is_floating_point() else value for name, value in state.items()}, file)
    return file


@pytest.mark.parametrize("task", list(MODELS))
def test_every_method_runs_or_says_why_not(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QBENCH_HOME", str(tmp_path / "home"))
    kind, name, target = MODELS[task]
    given = {"config": str(SHIPPED / f"{name}.py"), "weights": str(SHIPPED / f"{name}.safetensors"), "trust": True}
    model = kind(**given)  # type: ignore[arg-type]
    weights = {"afd": afd_weights(model, tmp_path), "finetune": tuned_weights(model, tmp_path)}
    others = [method for method in registry.names("method") if method not in {*weights, "restorer"}]
    methods: list[Any] = [*others, *({method: {"weights": str(file)}} for method, file in weights.items())]
    suite = {
        "suite": "openmmlab-methods",
        "tasks": [
            {
                "task": task,
                "dataset": {"name": "scenes", "count": 3, "target": target},
                "models": [{registry_name(kind): given}],
                "conditions": ["clean", {"jpeg": {"quality": 10}}],
                "methods": methods,
            }
        ],
    }
    results = qbench.run(suite, out=tmp_path / "run", device="cpu")
    cells = {(r.cell.method.label, r.cell.condition.label): r for r in results.info.cells}
    assert {method for method, _ in cells} == {*others, *weights}
    for method in ("direct", "arcnn", "dncnn-small", "afd", "finetune"):
        assert [cells[method, condition].status for condition in ("clean", "jpeg@10")] == ["done", "done"]
    for cell in cells.values():
        assert cell.status == "done" or (cell.status == "n/a" and cell.reason)
    scores = {key: told(results, *key) for key in cells if cells[key].status == "done"}
    for method in ("arcnn", "dncnn-small", "afd", "finetune"):
        assert scores[method, "jpeg@10"] != scores["direct", "jpeg@10"]


def registry_name(kind: type[OpenMMLab]) -> str:
    return kind.__name__.lower()


def told(results: qbench.Results, method: str, condition: str) -> str:
    records = results.records()
    mine = records[(records["method"] == method) & (records["condition"] == condition)]
    return str(mine.drop(columns=["method"]).to_dict("records"))


@pytest.mark.parametrize("task", list(MODELS))
def test_fine_tuned_weights_are_used(task: str, tmp_path: Path) -> None:
    kind, name, _ = MODELS[task]
    model = kind(config=SHIPPED / f"{name}.py", weights=SHIPPED / f"{name}.safetensors", trust=True)
    tuned = kind(config=model.config, weights=tuned_weights(model, tmp_path), trust=True)
    assert model.identity() != tuned.identity()
    one, other = model.build().net.state_dict(), tuned.build().net.state_dict()
    moved = [key for key in one if not torch.equal(one[key], other[key])]
    assert np.mean([key in moved for key in one if one[key].is_floating_point()]) > 0.9


def test_the_shipped_suite_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    plan = make_plan(*load_suite(ROOT / "suites" / "openmmlab.yaml"), Options(device="cpu", limit=8))
    info = run_plan(plan, tmp_path / "run", workers=1, command="test")
    assert {cell.status for cell in info.cells} == {"done"}
