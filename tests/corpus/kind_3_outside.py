"""Plug-ins that fail outside of a run: in a copy, a contact sheet or a training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.corpus.case import Arguments, Case, Said, plugin

FAULTS = {
    "exit": "raise SystemExit(0)",
    "raise": "raise KeyError('mist')",
    "shape": "return image[::2], {}",
}
CONDITION = """
import qbench

@qbench.condition("{name}")
class Mine:
    label, axis = "mine", None

    def apply(self, image, draw):
        {fault}
"""
RECIPE = """
from pydantic import BaseModel
from qbench.registry import recipe

def build(parts):
    import torch
    from torch import nn
    from qbench.train.core.recipe import Recipe
    from qbench.train.recipes.common import stages

    net = nn.Conv2d(3, 3, 1)
    {build}

    def losses(batch):
        {losses}
        return {"mse": (net(batch.degraded) - batch.clean).square().mean()}

    return Recipe({"net": net}, stages(parts, net, losses, net.train), net.state_dict, dict)

@recipe("{name}", terms=("mse",), build=build, model=False)
class Mine(BaseModel, frozen=True, extra="forbid"):
    pass
"""
CARD = """
card: broken
version: 1
title: Broken
citation: none
licence: Apache-2.0
recipes:
  only:
    kind: {name}
    data: {source: {dataset: {name: scenes, count: 2}}}
    crop: {size: 32}
    degradation: [{weight: 1, condition: clean}]
    loss: {mse: 1.0}
    stages: [{steps: 2, batch: 2, lr: 1.0e-2, optimiser: sgd}]
"""


def degrade(fault: str) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        name = f"outside-degrade-{fault}"
        file = plugin(folder, name, CONDITION.replace("{name}", name).replace("{fault}", FAULTS[fault]))
        return ["degrade", "scenes: {count: 2}", "copy", "--condition", name, "--plugin", file, "--workers", "1"]

    return make


def preview(fault: str) -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        name = f"outside-preview-{fault}"
        file = plugin(folder, name, CONDITION.replace("{name}", name).replace("{fault}", FAULTS[fault]))
        return ["preview", "--condition", name, "--plugin", file]

    return make


def train(number: int, build: str = "pass", losses: str = "pass") -> Callable[[Path], Arguments]:
    def make(folder: Path) -> Arguments:
        name = f"outside-train-{number}"
        file = plugin(
            folder, name, RECIPE.replace("{name}", name).replace("{build}", build).replace("{losses}", losses)
        )
        (folder / "card.yaml").write_text(CARD.replace("{name}", name))
        return ["train", "card.yaml", "--plugin", file, "--device", "cpu", "--out", folder / "weights"]

    return make


def rows_say_why(folder: Path, said: Said) -> None:
    assert len((folder / "copy" / "labels.csv").read_text().splitlines()) == 3


CASES = [
    Case("a copy whose condition exits", degrade("exit"), "asked the process to exit", 1, rows_say_why),
    Case("a copy whose condition raises", degrade("raise"), "KeyError: 'mist'", 1, rows_say_why),
    Case("a copy of smaller pictures", degrade("shape"), "(Mine): apply gave a numpy array, uint8", 1, rows_say_why),
    Case("a sheet whose condition exits", preview("exit"), "asked the process to exit"),
    Case("a sheet whose condition raises", preview("raise"), "KeyError: 'mist'"),
    Case("a sheet of smaller pictures", preview("shape"), "(Mine): apply gave a numpy array, uint8"),
    Case("a recipe that exits", train(0, "raise SystemExit(0)"), "asked the process to exit"),
    Case("a recipe that raises", train(1, "raise KeyError('lr')"), "recipe kind 'outside-train-1': KeyError: 'lr'"),
    Case("a step that exits", train(2, losses="raise SystemExit(0)"), "asked the process to exit"),
    Case("a step that raises", train(3, losses="raise KeyError('x')"), "step 1 of stage1: KeyError: 'x'"),
    Case(
        "a loss that is not finite", train(4, losses="batch.clean.fill_(float('nan'))"), "loss 'mse' is not finite in"
    ),
]
