"""A kind of training is one declaration: no list or table of qbench knows its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from safetensors.torch import load_file

from qbench import registry
from qbench.cards.lookup import load_card
from qbench.errors import SuiteError
from qbench.train.run import Order, read_job, run

PLUGIN = '''
from pydantic import BaseModel
from qbench.registry import recipe

def build(parts):
    import torch
    from torch import nn
    from qbench.train.core.recipe import Recipe
    from qbench.train.recipes.common import stages

    class Shift(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.tensor(Brightness(**parts.spec.network).start))

    net = Shift()
    losses = lambda batch: {"mse": (batch.degraded + net.shift - batch.clean).square().mean()}
    return Recipe({"net": net}, stages(parts, net, losses, net.train), net.state_dict, dict)

@recipe("brightness", terms=("mse",), build=build, model=False)
class Brightness(BaseModel, frozen=True, extra="forbid"):
    """One number that is added to every picture."""
    start: float = 0.0
'''
CARD = """\
card: shift
version: 1
title: Shift
citation: none
licence: Apache-2.0
recipes:
  only:
    kind: brightness
    network: {start: 0.5}
    data: {source: {dataset: {name: scenes, count: 2}}}
    crop: {size: 16}
    degradation: [{condition: clean}]
    loss: {mse: 1.0}
    stages: [{steps: 40, batch: 2, lr: 5.0e-2, optimiser: sgd, momentum: 0.9}]
"""


def quiet(_stage: str, _done: int, _losses: Mapping[str, float]) -> None: ...


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "brightness_kind.py").write_text(PLUGIN)
    registry.load_plugins([], [tmp_path / "brightness_kind.py"])
    (tmp_path / "card.yaml").write_text(CARD)
    return tmp_path / "card.yaml"


def test_a_plugin_s_kind_trains_from_a_card_and_checks_it(card: Path, tmp_path: Path) -> None:
    """Clean pictures need no shift: the loss has its minimum at 0."""
    trained = run(read_job(Order(card, out=tmp_path)), quiet)
    assert abs(float(load_file(trained.weights)["shift"])) < 0.1
    for old, new, said in (
        ("start: 0.5", "strat: 0.5", r"card.yaml:9:15: unknown key 'strat' \(did you mean 'start'\?\)"),
        ("start: 0.5", "start: dark", r"card.yaml:9:15: 'start': expected a number, not 'dark'"),
        ("{mse: 1.0}", "{mes: 1.0}", r"card.yaml:7:3: unknown loss term 'mes' \(did you mean 'mse'\?\)"),
        ("kind: brightness", "kind: brightnes", r"card.yaml:8:5: .*did you mean 'brightness'"),
        ("    crop:", "    model: identity\n    crop:", "takes no `model`"),
    ):
        card.write_text(CARD.replace(old, new))
        with pytest.raises(SuiteError, match=said):
            load_card(card)
