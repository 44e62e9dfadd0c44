"""Models of restoration learn from the clean pictures: all of them, or modules inside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from qbench.errors import QbenchError
from qbench.methods.adaptive import given
from qbench.models.base import LoadedModel
from qbench.models.initial import initialise
from qbench.models.restoration.networks import Dncnn3Net, OnLuma
from qbench.models.restoration.restorers import INPUT
from qbench.models.restoration.running import in_range
from qbench.quality.features import feature
from qbench.train.recipes.adaptive.training import quac, quarf
from qbench.train.recipes.afd.training import build as afd
from qbench.train.recipes.common import Parts
from qbench.train.recipes.finetune.training import finetune

from .pictures import copied, moved, steps
from .test_recipes import parts

SITES = {"D1": "net.layers.0", "D2": "net.layers.1"}


class BuiltRestorer:
    """A declared restorer of luma: DnCNN-3 cut down to four layers, with first weights."""

    def __init__(self) -> None:
        net = OnLuma(Dncnn3Net(depth=4, width=8)).eval()
        initialise(net, 0)
        self.loaded = LoadedModel(net, INPUT, SITES, in_range)

    def build(self) -> LoadedModel:
        return self.loaded


def with_restorer(tmp_path: Path, kind: str, loss: dict[str, object], network: dict[str, object]) -> Parts:
    return replace(parts(tmp_path, kind, loss, network), model=BuiltRestorer())


def test_finetune_learns_a_restorer_from_clean_pictures(tmp_path: Path) -> None:
    card_parts = with_restorer(tmp_path, "finetune", {"l1": 2.0, "mse": 1.0}, {})
    recipe = finetune(card_parts)
    net = recipe.modules["net"]
    before, batch = copied(net), recipe.stages[0].roles["source"](0)
    with torch.no_grad():
        difference = net(batch.degraded).clamp(0, 1) - batch.clean
        losses = recipe.stages[0].step({"source": batch}, 0)
    assert float(losses["l1"]) == pytest.approx(2 * float(difference.abs().mean()), rel=1e-5)
    assert float(losses["mse"]) == pytest.approx(float(difference.square().mean()), rel=1e-5)
    steps(recipe)
    assert moved(net, before) == set(before)
    assert set(recipe.measure()) == {"validation l1", "validation mse"}


def test_afd_learns_in_a_restorer_that_stays_as_it_is(tmp_path: Path) -> None:
    card_parts = with_restorer(tmp_path, "afd", {"l1": 3.0}, {"gate": False, "base": 4})
    model = card_parts.model.loaded.net
    recipe = afd(card_parts)
    net, frozen = recipe.modules["net"], copied(model)
    before, batch = copied(net), recipe.stages[0].roles["source"](0)
    with torch.no_grad():
        untouched = (model(batch.degraded).clamp(0, 1) - batch.clean).abs().mean()
    first = float(recipe.stages[0].step({"source": batch}, 0)["l1"].detach())
    assert first == pytest.approx(3 * float(untouched), rel=1e-4)
    steps(recipe, 3)
    assert {name for name, _ in net.named_parameters()} <= moved(net, before)
    assert moved(model, frozen) == set()


@pytest.mark.parametrize(("kind", "network", "fresh"), [
    ("quac", {"quality": "brisque", "placement": "all"}, {"net.layers.1", "net.layers.3", "net.layers.5"}),
    ("quarf", {"quality": "brisque", "sites": ["D2"]}, {"net.layers.1.added"}),
])  # fmt: skip
def test_adaptive_modules_learn_in_a_restorer_that_stays_as_it_is(
    tmp_path: Path, kind: str, network: dict[str, object], fresh: set[str]
) -> None:
    card_parts = with_restorer(tmp_path, kind, {"l1": 3.0}, {**network, "train": "modules"})
    recipe = {"quac": quac, "quarf": quarf}[kind](card_parts)
    net = recipe.modules["net"]
    before, batch = copied(net), recipe.stages[0].roles["source"](0)
    with torch.no_grad(), given(net, feature("brisque").of(batch.degraded)):
        expected = 3 * (net(batch.degraded).clamp(0, 1) - batch.clean).abs().mean()
        assert float(recipe.stages[0].step({"source": batch}, 0)["l1"]) == pytest.approx(float(expected), rel=1e-3)
    steps(recipe, 3)
    changed = moved(net, before)
    assert changed
    assert all(name.startswith(tuple(fresh)) for name in changed)
    assert {name for name in recipe.ship() if name.startswith(tuple(fresh))} == set(recipe.ship())
    assert recipe.measure()["validation l1"] > 0


@pytest.mark.parametrize("kind", ["finetune", "afd", "quac", "quarf"])
def test_a_classifier_gives_no_pictures(tmp_path: Path, kind: str) -> None:
    card_parts = parts(tmp_path, kind, {"l1": 1.0}, {"quality": "brisque"} if kind.startswith("qua") else {})
    recipe = {"finetune": finetune, "afd": afd, "quac": quac, "quarf": quarf}[kind](card_parts)
    with pytest.raises(QbenchError, match="of restored pictures, and this model gives none"):
        steps(recipe, 1)


@pytest.mark.parametrize("kind", ["finetune", "afd"])
def test_a_restorer_gives_no_logits(tmp_path: Path, kind: str) -> None:
    recipe = {"finetune": finetune, "afd": afd}[kind](with_restorer(tmp_path, kind, {"kl": 1.0}, {}))
    with pytest.raises(QbenchError, match=r"are of logits, and this model gives none; .* restorers by `l1` or `mse`"):
        steps(recipe, 1)
