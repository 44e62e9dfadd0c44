"""Trainings of quality-adaptive modules: what moves, what ships, and that it runs as it was trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet50

from qbench.errors import QbenchError, WeightsError
from qbench.methods.adaptive import QualityAdaptive, adaptive_modules, given
from qbench.methods.quac.acon import Acon
from qbench.models.base import LoadedModel
from qbench.models.protocols import Setup
from qbench.quality.features import Feature, features
from qbench.registry import get
from qbench.train.core import losses as terms
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.adaptive import training as adaptive
from qbench.train.recipes.adaptive.training import quac, quarf
from qbench.train.recipes.common import layers

from .pictures import copied, moved, steps
from .test_recipes import Built, parts

TERMS: dict[str, object] = {"kl": 1.0, "ce": 1.0, "deeper": {"weight": 0.5, "sites": ["stages.2"]}}


RECIPES = {"quac": quac, "quarf": quarf}


def shipped(recipe: Recipe, kind: str, folder: Path, **options: object) -> LoadedModel:
    """The model before, adapted by what the training ships."""
    file = folder / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in recipe.ship().items()}, file, dict(recipe.metadata))
    entry = get("method", kind)
    method = entry.target(entry.facts["options"](**options), file)
    method.setup(Setup(Built().build(), None, "cpu"))
    model: LoadedModel = method.adapt(Built().build())
    return model


def check_it_runs_as_trained(adapted: LoadedModel, recipe: Recipe, feature: str, weights: Path | None = None) -> None:
    """The shipped model against the network in training, which is given the quality by hand."""
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    net = recipe.modules["net"].eval()
    with torch.no_grad(), given(net, features(feature, images, weights=weights)):
        torch.testing.assert_close(adapted.predict(images), net(adapted.normalise(images)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("train", ["whole", "modules"])
@pytest.mark.parametrize(
    ("kind", "network", "loss"),
    [
        ("quac", {"norm": "layer"}, TERMS),
        ("quac", {"norm": "release"}, TERMS),
        ("quarf", {"groups": 2}, {"kl": 1.0, "ce": 1.0, "importance": 0.01}),
    ],
)
def test_a_training_moves_its_modules_and_the_network_only_if_asked(
    tmp_path: Path, kind: str, network: dict[str, object], loss: dict[str, object], train: str
) -> None:
    recipe = RECIPES[kind](parts(tmp_path, kind, loss, {"quality": "brisque", "train": train, **network}))
    net = recipe.modules["net"]
    before = copied(net)
    assert set(steps(recipe, 3)[-1]) == set(loss)
    changed, trainable = moved(net, before), {name for name, _ in net.named_parameters()}
    adaptive_parts = (".p1", ".squeeze.", ".out.") if kind == "quac" else ("relu.added.",)
    inserted = {name for name in trainable if any(part in name for part in adaptive_parts)}
    assert inserted
    assert inserted <= changed
    others = trainable - inserted - {name for name in before if name.endswith(".p2")}
    assert (others <= changed) if train == "whole" else not others & changed
    running = {name for name in changed if "running" in name}
    assert all("squeeze" in name for name in running), "the network's own norms keep their statistics"
    assert bool(running) == (network.get("norm") == "release")


@pytest.mark.parametrize("kind", ["quac", "quarf"])
def test_nothing_but_the_modules_is_in_training_mode(tmp_path: Path, kind: str) -> None:
    """A frozen network's dropout would make its own answers differ from themselves, and the control has none."""
    recipe = RECIPES[kind](parts(tmp_path, kind, {"kl": 1.0}, {"train": "modules"}))
    net = recipe.modules["net"]
    recipe.stages[0].prepare()
    adapted = {inner for outer in net.modules() if isinstance(outer, QualityAdaptive) for inner in outer.modules()}
    assert adapted
    assert all(module.training == (module in adapted) for module in net.modules())


@pytest.mark.parametrize(
    ("kind", "network", "fewest", "most"),
    [
        ("quac", {"train": "whole", "placement": "post-backbone"}, 61, 1000),
        ("quac", {"train": "modules", "placement": "post-backbone"}, 1, 19),
        ("quarf", {"train": "modules", "experts": "two_step", "top": 2}, 1, 60),
    ],
)
def test_what_ships_is_what_was_trained(
    tmp_path: Path, kind: str, network: dict[str, object], fewest: int, most: int
) -> None:
    recipe = RECIPES[kind](parts(tmp_path, kind, {"kl": 1.0}, {"quality": "encoder", **network}))
    steps(recipe, 2)
    check_it_runs_as_trained(shipped(recipe, kind, tmp_path), recipe, "encoder")
    assert fewest <= len(recipe.ship()) <= most


@pytest.mark.parametrize("activation", ["quac", "acon-c"])
def test_units_of_the_maps_are_put_into_what_ships(tmp_path: Path, activation: str) -> None:
    options = {"quality": "brisque", "train": "modules", "activation": activation, "scaled": True}
    recipe = quac(parts(tmp_path, "quac", {"kl": 1.0}, options))
    net = recipe.modules["net"]
    places = [module for module in net.modules() if isinstance(module, Acon)]
    seen: list[torch.Tensor] = []
    handle = places[0].register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    plain = parts(tmp_path, "quac", {"kl": 1.0}, options).batches("source", "quality", 32)(0).degraded
    with torch.no_grad(), given(net, features("brisque", plain)):
        net.eval()(Built().build().normalise(plain))
    handle.remove()
    assert places[0].unit == pytest.approx(float(seen[0].square().mean().sqrt()) / 4, rel=1e-4)
    assert all(place.unit != 1 for place in places)
    steps(recipe, 2)
    check_it_runs_as_trained(shipped(recipe, "quac", tmp_path), recipe, "brisque")
    assert all(place.unit != 1 for place in places), "the network in training keeps its units"


def test_units_are_refused_where_beta_cannot_follow(tmp_path: Path) -> None:
    with pytest.raises(QbenchError, match="meta-ACON"):
        quac(parts(tmp_path, "quac", {"kl": 1.0}, {"activation": "meta-acon", "scaled": True}))


def test_features_are_standardised_on_what_it_trains_on(tmp_path: Path) -> None:
    card_parts = parts(tmp_path, "quac", {"kl": 1.0}, {"quality": "brisque"})
    recipe = quac(card_parts)
    make = card_parts.batches("source", "quality", 32)
    quality = torch.cat([features("brisque", make(i).degraded) for i in range(12)])
    for module in adaptive_modules(recipe.modules["net"]):
        torch.testing.assert_close(module.quality_mean, quality.mean(0), atol=1e-4, rtol=1e-4)


def test_the_teacher_of_maps_is_the_model_before_on_clean_pictures(tmp_path: Path) -> None:
    card_parts = parts(tmp_path, "quac", {"deeper": {"sites": ["stages.1"]}, "kl": 1.0}, {"placement": "post-backbone"})
    recipe = quac(card_parts)
    batch = recipe.stages[0].roles["source"](0)
    recipe.stages[0].prepare()
    plain = Built().build()
    with torch.no_grad(), layers(plain.net, ["stages.1"]) as seen:
        plain.predict(batch.degraded)
        given_maps = seen["stages.1"]
        plain.predict(batch.clean)
        expected = terms.deeper(given_maps, seen["stages.1"])
        loss = recipe.stages[0].step({"source": batch}, 0)["deeper"]
    # The added module lies behind stage 2 and starts as the identity: stage 1 is the teacher's own.
    assert float(loss) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "network", "asks"),
    [
        ("quac", {}, True),
        ("quac", {"zeroed": True, "train": "whole"}, False),
        ("quac", {"activation": "acon-c"}, False),
        ("quac", {"activation": "meta-acon"}, False),
        ("quarf", {"groups": 2}, True),
        ("quarf", {"groups": 2, "zeroed": True}, False),
        ("quarf", {"groups": 2, "gates": "uniform"}, False),
        ("quarf", {"groups": 2, "experts": "plain"}, False),
    ],
)
def test_a_training_that_does_not_read_the_quality_never_computes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, network: dict[str, object], asks: bool
) -> None:
    runs: list[int] = []

    def compute(images: torch.Tensor) -> torch.Tensor:
        runs.append(len(images))
        return images.flatten(1)[:, :36]

    monkeypatch.setattr(adaptive, "feature", lambda _name, _weights: Feature("brisque", 36, "planted", compute))
    card_parts = parts(tmp_path, kind, {"ce": 1.0, "kl": 1.0}, network)
    steps(RECIPES[kind](card_parts), 2)
    assert bool(runs) == asks


@pytest.mark.parametrize(("kind", "more"), [("quac", {"quality_width": 8}), ("quarf", {})])
def test_features_with_weights_of_the_user_s_train_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, more: dict[str, object]
) -> None:
    monkeypatch.setattr(adaptive, "QUALITY_BATCHES", 2)
    checkpoint = tmp_path / "contrique.tar"
    torch.manual_seed(0)
    torch.save(resnet50(weights=None).state_dict(), checkpoint)
    network = {"quality": "contrique", "quality_weights": str(checkpoint), "train": "modules", **more}
    recipe = RECIPES[kind](parts(tmp_path, kind, {"kl": 1.0}, network))
    before = copied(recipe.modules["net"])
    steps(recipe, 2)
    assert moved(recipe.modules["net"], before)
    with pytest.raises(WeightsError, match="quality_weights"):
        shipped(recipe, kind, tmp_path)
    adapted = shipped(recipe, kind, tmp_path, quality_weights=checkpoint)
    check_it_runs_as_trained(adapted, recipe, "contrique", checkpoint)


def test_first_weights_are_keyed_by_the_seed(tmp_path: Path) -> None:
    network: dict[str, object] = {"quality": "brisque", "start": "release", "quality_width": 4}
    states = []
    for other in (1, 2):
        torch.manual_seed(other)
        card_parts = parts(tmp_path, "quac", {"kl": 1.0}, network)
        card_parts.model.build().net.load_state_dict(Built().build().net.state_dict())
        states.append(quac(card_parts).modules["net"].state_dict())
    first, second = states
    drawn = [name for name in first if name.endswith((".p1", ".p2", ".narrow.weight", "squeeze.0.weight"))]
    assert len(drawn) == 16
    assert all(torch.equal(first[name], second[name]) for name in drawn)
    assert len({float(first[name].flatten()[0]) for name in drawn}) == len(drawn)
