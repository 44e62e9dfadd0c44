"""What the recipe of `osr` trains in which stage, that a frozen restorer never moves, and its losses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional as F

from qbench.cards.schema import RecipeSpec
from qbench.errors import QbenchError
from qbench.methods.osr import OsrOptions
from qbench.methods.osr.net import Osr
from qbench.train.core.batches import Samples
from qbench.train.core.loop import _step
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.common import Parts, layers
from qbench.train.recipes.osr import OsrTraining
from qbench.train.recipes.osr.training import build as recipe

from .pictures import Noise, copied, jpeg_mix
from .test_recipes import Built

PERCEPTUAL = {"weight": 0.04, "sites": ["relu", "stages.0"]}


def parts(tmp_path: Path, stages: int = 2, loss: dict[str, Any] | None = None, **network: Any) -> Parts:
    loss = loss or {"smooth_l1": 1.0}
    spec = RecipeSpec.model_validate(
        {
            "kind": "osr", "model": "builtin:scenes" if "perceptual" in loss else None,
            "data": {"source": {"dataset": "scenes"}}, "crop": {"size": 16}, "degradation": [{"condition": "clean"}],
            "loss": loss, "network": {"plan": "small", **network},
            "stages": [{"steps": 4, "batch": 2, "lr": 1e-3, "optimiser": "adamw", "weight_decay": 0.1}] * stages,
        }
    )  # fmt: skip
    data = Samples(Noise(), 7)
    return Parts("osr", spec, 0, "cpu", {"source": data, "validation": data}, jpeg_mix(tmp_path), Built())


def run(training: Recipe, stage: int, count: int = 4) -> set[str]:
    """Names of the parameters that real steps of one stage moved."""
    net, before = training.modules["net"], copied(training.modules["net"])
    training.stages[stage].prepare()
    for i in range(count):
        _step(training.stages[stage], {"source": training.stages[stage].roles["source"](i)}, i)
    return {key for key, value in net.named_parameters() if not torch.equal(value, before[key])}


def names(net: nn.Module) -> tuple[set[str], set[str]]:
    """Of the restorer, and of the transforms."""
    every = {name for name, _ in net.named_parameters()}
    restorer = {name for name in every if name.startswith("restorer.")}
    return restorer, every - restorer


def test_the_first_stage_is_the_restorers_and_the_second_leaves_it_alone(tmp_path: Path) -> None:
    training = recipe(parts(tmp_path))
    restorer, transforms = names(training.modules["net"])
    assert run(training, 0) == restorer
    assert run(training, 1) == transforms
    assert len(restorer) > 20
    assert len(transforms) > 10


def test_a_random_restorer_stays_as_it_was_drawn(tmp_path: Path) -> None:
    training = recipe(parts(tmp_path, stages=1, restorer_init="random"))
    _, transforms = names(training.modules["net"])
    assert run(training, 0) == transforms


def test_a_restorer_that_is_not_frozen_moves_along(tmp_path: Path) -> None:
    training = recipe(parts(tmp_path, freeze_restorer=False))
    restorer, transforms = names(training.modules["net"])
    run(training, 0)
    assert run(training, 1) == restorer | transforms


def test_norms_of_the_phase_move_and_ship(tmp_path: Path) -> None:
    training = recipe(parts(tmp_path, stages=1, restorer_init="random", phase_act="relu_bn"))
    before = copied(training.modules["net"])
    run(training, 0)
    assert not torch.equal(training.ship()["input.act.0.running_mean"], before["input.act.0.running_mean"])


def test_the_control_begins_as_the_same_network_and_sees_the_same_batches(tmp_path: Path) -> None:
    method, control = recipe(parts(tmp_path)), recipe(parts(tmp_path, plain=True))
    for stage in (0, 1):
        ours, plain = (training.stages[stage].roles["source"](3) for training in (method, control))
        assert torch.equal(ours.degraded, plain.degraded)
    run(method, 0)
    run(control, 0)
    state = method.modules["net"].state_dict()
    assert all(torch.equal(value, state[key]) for key, value in control.modules["net"].state_dict().items())
    assert run(control, 1) == names(control.modules["net"])[0]


def test_what_ships_builds_the_same_network(tmp_path: Path) -> None:
    training = recipe(parts(tmp_path, otf_residual=True, channels=6))
    run(training, 0)
    run(training, 1)
    again = Osr(OsrOptions(**json.loads(training.metadata["osr"]))).eval()
    again.load_state_dict(dict(training.ship()), strict=True)
    images = torch.rand(1, 3, 11, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again(images), training.modules["net"].eval()(images))


def test_the_loss_is_smooth_l1_and_the_mean_over_layers(tmp_path: Path) -> None:
    given = parts(tmp_path, loss={"smooth_l1": 1.0, "perceptual": PERCEPTUAL}, plain=True)
    training = recipe(given)
    batch = training.stages[0].roles["source"](0)
    losses = training.stages[0].step({"source": batch}, 0)
    restored = training.modules["net"](batch.degraded)
    gap = (restored - batch.clean).abs()
    expected = torch.where(gap < 1, 0.5 * gap**2, gap - 0.5).mean()
    assert float(losses["smooth_l1"].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    model = Built().build()
    with torch.no_grad(), layers(model.net, PERCEPTUAL["sites"]) as ours:
        model.predict(restored)
    with torch.no_grad(), layers(model.net, PERCEPTUAL["sites"]) as theirs:
        model.predict(batch.clean)
    gaps = [float(F.mse_loss(ours[name], theirs[name])) for name in PERCEPTUAL["sites"]]
    assert gaps[0] != pytest.approx(gaps[1], rel=0.01)
    assert float(losses["perceptual"].detach()) == pytest.approx(0.04 * sum(gaps) / 2, rel=1e-4)


def test_the_network_of_the_perceptual_loss_never_moves(tmp_path: Path) -> None:
    given = parts(tmp_path, loss={"smooth_l1": 1.0, "perceptual": PERCEPTUAL})
    before = copied(given.model.loaded.net)
    run(recipe(given), 0)
    after = given.model.loaded.net.state_dict()
    assert all(torch.equal(value, before[key]) for key, value in after.items())


def test_validation_is_measured_on_the_whole(tmp_path: Path) -> None:
    training = recipe(parts(tmp_path))
    assert set(training.measure()) == {"validation smooth_l1"}


def test_a_trained_restorer_needs_two_stages(tmp_path: Path) -> None:
    with pytest.raises(QbenchError, match="two stages"):
        recipe(parts(tmp_path, stages=1))
    assert len(recipe(parts(tmp_path, stages=1, plain=True)).stages) == 1


def test_options_are_checked(tmp_path: Path) -> None:
    options = OsrTraining(plan="small", freeze_restorer=False, channels=6)
    assert (options.freeze_restorer, options.restorer_init) == (False, "trained")
    assert (options.plan, options.channels) == ("small", 6)
    with pytest.raises(ValidationError, match="restorer_init"):
        OsrTraining(restorer_init="guessed")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": {"perceptual": 0.04}, "model": "builtin:scenes"}, "layers to compare"),
        ({"loss": {"perceptual": PERCEPTUAL}}, "needs a `model`"),
        ({"model": "builtin:scenes"}, "takes no `model`"),
    ],
)
def test_cards_are_checked(changes: dict[str, Any], said: str) -> None:
    card = {
        "kind": "osr", "data": {"source": {"dataset": "scenes"}}, "crop": {"size": 16}, "loss": {"smooth_l1": 1.0},
        "degradation": [{"condition": "clean"}], "stages": [{"steps": 1, "batch": 1, "lr": 1e-3}], **changes,
    }  # fmt: skip
    with pytest.raises(ValidationError, match=said):
        RecipeSpec.model_validate(card)
