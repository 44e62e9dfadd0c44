"""QDMR's training: what each loss sees, what each stage moves, crops of both domains, resuming, cards."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.cards.schema import CropView, RecipeSpec, StageSpec
from qbench.draws import Draw
from qbench.errors import QbenchError
from qbench.methods.qdmr.judge import hinge
from qbench.train.core.batches import Batch, Samples
from qbench.train.core.log import last
from qbench.train.core.loop import Stopped, _step, train
from qbench.train.core.mix import Mix, Part
from qbench.train.core.optimisers import optimiser
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.common import Parts
from qbench.train.recipes.qdmr import perception as qdmr_perception
from qbench.train.recipes.qdmr.fields import FieldBatches, Photographs
from qbench.train.recipes.qdmr.perception import ClassifierFeatures, Gradients, VggFeatures
from qbench.train.recipes.qdmr.stages import prepared, staged
from qbench.train.recipes.qdmr.training import Training
from qbench.vocabulary import Image, Manifest, Sample
from tests.train.pictures import Noise

LOSS = {
    "l1": 1.0, "perceptual": 0.5, "codebook": 1.0, "semantic": 0.1, "transfer": 0.1, "hinge": 0.01,
    "commitment": 1.0, "commitment-target": 0.1, "align-source": 0.5, "align-target": 2.0,
}  # fmt: skip
UDA = ("vqgan", "uda")
UNPAIRED = ("source", "target")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class Place:
    """Pictures that tell at every pixel which picture and place it is."""

    label = "place"

    def __init__(self, count: int, height: int = 50, width: int = 70) -> None:
        self.count, self.height, self.width = count, height, width

    def manifest(self) -> Manifest:
        ids = tuple(str(n) for n in range(self.count))
        return Manifest(ids, ids)

    def load(self, index: int) -> Sample:
        rows, columns = np.mgrid[: self.height, : self.width]
        return Sample(str(index), np.dstack([rows, columns, np.full_like(rows, index)]).astype(np.uint8), None)


class Vignette:
    """Darkens by the row in the whole picture: a crop that was degraded by itself would look different."""

    label, axis = "vignette", None

    def apply(self, image: Image, draw: Draw) -> tuple[Image, dict[str, Any]]:
        rows = np.arange(len(image), dtype=np.uint8)[:, None, None]
        return image + 100 + rows, {}


def spec(parts: tuple[str, ...] = UDA, loss: Mapping[str, float] = LOSS, **changes: Any) -> RecipeSpec:
    network = {"plan": "tiny-32", "perception": "gradients", **changes.pop("network", {})}
    given = {
        "kind": "qdmr",
        "network": network,
        "data": {role: {"dataset": "scenes"} for role in ("source", "target", "validation")},
        "crop": {"size": 32},
        "degradation": [{"condition": "clean"}],
        "loss": {k: v for k, v in loss.items() if network["perception"] != "gradients" or k != "semantic"},
        "stages": [{"part": part, "steps": 3, "batch": 2, "lr": 1e-3, "ema": 0.9} for part in parts],
    }
    return RecipeSpec(**{**given, **changes})


def ready(what: RecipeSpec, seed: int = 0) -> Training:
    mix = Mix((Part(Vignette(), False),), (1.0,))
    samples = {role: Samples(Noise(6), 6) for role in what.data}
    return prepared(Parts("qdmr", what, seed, "cpu", samples, mix, None, {"target": mix}))


def recipe_of(what: RecipeSpec, seed: int = 0) -> Recipe:
    return staged(ready(what, seed))


def batches(recipe: Recipe, stage: int, step: int = 0) -> dict[str, Batch]:
    return {name: role(step) for name, role in recipe.stages[stage].roles.items()}


def quiet(_stage: str, _done: int, _losses: Mapping[str, float]) -> None: ...


class Red(nn.Module):
    """A judge whose logits are the first channel of what it sees."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1]


def both_domains(training: Training) -> dict[str, Batch]:
    return {role: training.batches(role, "stage1", 2)(0) for role in UNPAIRED}


def with_judges(training: Training, **judges: Any) -> Training:
    players = replace(training.players, **judges)
    return replace(training, players=players, losses=replace(training.losses, players=players))


def test_stage_1_takes_target_pictures_for_real_and_rebuilt_source_ones_for_made_up() -> None:
    training = with_judges(ready(spec()), style=Red())
    by_role = both_domains(training)
    losses = training.losses.vqgan(by_role)
    vqgan = training.players.autoencoder
    rebuilt = vqgan(by_role["source"].degraded)[0][:, :1]
    real = by_role["target"].degraded[:, :1]
    torch.testing.assert_close(losses["judge"], (real - 1).square().mean() + rebuilt.square().mean())
    torch.testing.assert_close(losses["transfer"], 0.1 * (rebuilt - 1).square().mean())
    both = torch.cat([by_role["source"].degraded, by_role["target"].degraded])
    torch.testing.assert_close(losses["l1"], 2 * F.l1_loss(vqgan(both)[0], both))
    assert losses["transfer"].requires_grad
    assert not losses["judge"].requires_grad, "the judge's loss must not reach the autoencoder"


def test_stage_3_restores_both_kinds_of_pictures_and_confuses_the_domains() -> None:
    training = with_judges(ready(spec()), quality=Red(), domain=Red())
    by_role = both_domains(training)
    losses = training.losses.uda(by_role)
    net, vqgan = training.players.net, training.players.autoencoder
    source, clean, target = by_role["source"].degraded, by_role["source"].clean, by_role["target"].degraded
    restored, generated, real = (net.passed(images) for images in (source, vqgan(source)[0].detach(), target))
    assert restored.codes
    assert generated.codes
    assert real.codes
    pictures = torch.cat([restored.pictures, generated.pictures])
    torch.testing.assert_close(losses["l1"], F.l1_loss(restored.pictures, clean) + F.l1_loss(generated.pictures, clean))
    torch.testing.assert_close(losses["hinge"], -0.01 * 2 * pictures[:, :1].mean())
    fakes = [hinge(passed.pictures[:, :1], real=False) for passed in (restored, generated)]
    torch.testing.assert_close(losses["judge"], hinge(clean[:, :1], real=True) + fakes[0] + fakes[1])
    torch.testing.assert_close(losses["align-source"], 0.5 * (restored.features[:, :1] - 0.5).square().mean())
    torch.testing.assert_close(losses["align-target"], 2.0 * (real.features[:, :1] - 0.5).square().mean())
    expected = (real.features[:, :1] - 1).square().mean() + restored.features[:, :1].square().mean()
    torch.testing.assert_close(losses["judge-features"], expected)
    torch.testing.assert_close(losses["commitment-target"], 0.1 * real.codes.loss.mean())
    torch.testing.assert_close(losses["commitment"], restored.codes.loss.mean() + generated.codes.loss.mean())


def test_without_generated_pairs_only_source_pictures_are_restored() -> None:
    training = ready(spec(network={"generated": False}))
    by_role = both_domains(training)
    restored = training.players.net.passed(by_role["source"].degraded)
    losses = training.losses.uda(by_role)["l1"]
    torch.testing.assert_close(losses, F.l1_loss(restored.pictures, by_role["source"].clean))


@pytest.mark.parametrize("perception", ["gradients", "classifier"])
def test_gradients_reach_all_that_a_stage_trains_and_nothing_else(perception: str) -> None:
    training = recipe_of(spec(("vqgan", "base", "uda"), network={"perception": perception}))
    expected = [{"vqgan", "style"}, {"net", "quality"}, {"net", "quality", "domain"}]
    if perception == "classifier":
        expected[0] |= {"meaning"}
    for number, stage in enumerate(training.stages):
        stage.prepare()
        stage.begin()
        before = {k: v.clone() for name, m in training.modules.items() for k, v in _named(name, m)}
        _step(stage, batches(training, number), 0)
        for name, module in training.modules.items():
            for key, value in _named(name, module):
                codes = key == "net.quantiser.codebook.weight"
                # While all logits are inside the hinge's margins, the pulls of as many real and made-up pictures
                # on the judge's last bias cancel.
                still = key == "quality.last.bias" and number == 1
                moves = name in expected[number] and not codes and not still
                assert torch.equal(value, before[key]) != moves, f"{key} in stage {number + 1}"
                assert value.requires_grad != codes


def _named(name: str, module: nn.Module) -> list[tuple[str, Tensor]]:
    """Unused codes and relative positions have no gradient in a step; whole tensors must move all the same."""
    return [(f"{name}.{key}", value) for key, value in module.named_parameters()]


@pytest.mark.parametrize("parts", [("vqgan", "base"), ("vqgan", "uda")])
def test_the_codebook_of_stage_1_is_that_of_the_network(parts: tuple[str, ...], tmp_path: Path) -> None:
    """Also where a stage keeps averages: what was there before the codebook came is in none of them."""
    training = ready(spec(parts))
    start = training.players.net.quantiser.codebook.weight.clone()
    train(staged(training), tmp_path / "c.safetensors", "d", quiet)
    book = training.players.net.quantiser.codebook.weight
    assert torch.equal(book, training.players.autoencoder.quantiser.codebook.weight)
    assert not torch.equal(book, start)


@pytest.mark.parametrize("encoder", ["own", "vqgan"])
def test_the_encoder_starts_anew_or_where_stage_1_left_it(encoder: str) -> None:
    training = ready(spec(network={"encoder": encoder}))
    staged(training).stages[1].begin()
    mine, other = (part.encoder.first.weight for part in (training.players.net, training.players.autoencoder))
    assert torch.equal(mine, other) == (encoder == "vqgan")


def test_the_network_takes_over_what_stage_1_standardised_by() -> None:
    training = ready(spec(network={"standardised": True}))
    recipe, players = staged(training), training.players
    first, second = recipe.stages
    first.begin()
    first.prepare()
    _step(first, batches(recipe, 0), 0)
    second.begin()
    mine, other = (part.quantiser.norm.state_dict() for part in (players.net, players.autoencoder))
    assert all(torch.equal(value, other[key]) for key, value in mine.items())
    assert float(mine["running_mean"].abs().sum()) > 0


def test_generated_pictures_are_standardised_over_the_source_batch() -> None:
    """Not by what stage 1 kept of both domains: source features then lie where those of both lay."""
    training = ready(spec(network={"standardised": True}))
    recipe, vqgan = staged(training), training.players.autoencoder
    stage = recipe.stages[1]
    stage.begin()
    stage.prepare()
    seen: list[Tensor] = []
    vqgan.quantiser.norm.register_forward_hook(lambda _m, _i, output: seen.append(output))
    stage.step(batches(recipe, 1), 0)
    assert len(seen) == 1
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.zeros(seen[0].shape[1]), atol=1e-4, rtol=0)


def bits(training: Recipe) -> dict[str, bytes]:
    return {
        f"{name}.{key}": value.contiguous().numpy().tobytes()
        for name, module in training.modules.items()
        for key, value in module.state_dict().items()
    }


def test_a_resumed_training_ends_in_the_same_bits(tmp_path: Path) -> None:
    """All networks and both optimisers of each stage, stopped in stage 1, between the stages, and in stage 3."""
    what = spec(network={"standardised": True})
    whole = recipe_of(what)
    log = train(whole, tmp_path / "whole.safetensors", "d", quiet).log
    for stop in (2, 3, 4):

        def interrupt(_stage: str, done: int, _losses: Mapping[str, float], stop: int = stop) -> None:
            if done == stop:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(Stopped):
            train(recipe_of(what), tmp_path / f"{stop}.safetensors", "d", interrupt)
        resumed = recipe_of(what)
        again = train(resumed, tmp_path / f"{stop}.safetensors", "d", quiet).log
        assert bits(resumed) == bits(whole)
        np.testing.assert_equal(again, log)
    assert set(log) > {"l1", "perplexity", "judge", "judge-features"}


def test_what_is_measured_and_shipped() -> None:
    training = recipe_of(spec(network={"standardised": True}))
    measured = training.measure()
    assert {f"{what} {role}" for what in ("psnr", "perplexity", "codes used") for role in ("source", "target")} < set(
        measured
    )
    assert 1 <= measured["perplexity source"] <= 64
    assert set(training.ship()) == set(training.modules["net"].state_dict())
    assert training.metadata == {
        "qdmr": '{"codebook": true, "plan": "tiny-32", "residual": false, "standardised": true}'
    }
    plain = recipe_of(spec(("base",), {"l1": 1.0}, network={"codebook": False}))
    assert set(plain.modules) == {"net"}
    assert not any("quantiser" in key or "fusion" in key for key in plain.ship())


def _to_nearest(codes: Tensor, features: Tensor) -> Tensor:
    """By differences: products of matrices would round to 1e-3."""
    return torch.cdist(codes, features, compute_mode="donot_use_mm_for_euclid_dist").min(1).values


@pytest.mark.parametrize("standardised", [False, True])
def test_the_codebook_starts_from_the_data(standardised: bool) -> None:
    training = ready(spec(network={"start": "data", "standardised": standardised}))
    staged(training).stages[0].begin()
    vqgan = training.players.autoencoder
    codes, others = vqgan.quantiser.codebook.weight, ready(spec()).players.autoencoder.quantiser.codebook.weight
    assert len(torch.unique(codes, dim=0)) == len(codes)
    images = torch.cat([training.batches(role, "start", 2)(step).degraded for role in UNPAIRED for step in range(8)])
    with torch.no_grad():
        parts = [vqgan.quantiser.before(vqgan.encoder(part)) for part in images.split(2)]  # as they were seen
        if standardised:
            parts = [F.batch_norm(part, None, None, training=True) for part in parts]
        features = torch.cat(parts).permute(0, 2, 3, 1).flatten(0, 2)
        to_codes, to_others = (_to_nearest(book, features) for book in (codes, others))
    assert float(to_codes.max()) < 1e-3 < float(to_others.min())


def test_both_domains_are_cropped_at_one_place_after_the_whole_was_degraded() -> None:
    view = CropView(size=16, rotate=True)
    whole = Samples(Place(9), 9)
    mix = Mix((Part(Vignette(), False),), (1.0,))
    source = FieldBatches(Photographs(Samples(Place(9), 4), mix, 0, "source"), view, 4, 0, "s")
    target = FieldBatches(Photographs(whole, None, 0, "target", 4), view, 4, 0, "s")
    shown: tuple[set[int], set[int]] = set(), set()
    places = set()
    for step in range(6):
        a, b = source(step), target(step)
        assert torch.equal(a.clean[:, :2], b.clean[:, :2])
        assert torch.equal(b.clean, b.degraded)
        torch.testing.assert_close(a.degraded[:, 0], a.clean[:, 0] * 2 + 100 / 255)
        for seen, batch in zip(shown, (a, b), strict=True):
            seen |= set((batch.clean[:, 2] * 255).round().int().flatten().tolist())
        places |= {tuple((a.clean[n, :2, 0, 0] * 255).round().int().tolist()) for n in range(4)}
    assert shown == ({0, 1, 2, 3}, {4, 5, 6, 7, 8})
    assert len(places) > 15
    assert torch.equal(source(2).degraded, source(2).degraded)
    with pytest.raises(QbenchError, match="lower `crop: size`"):
        replace(source, view=CropView(size=64))(0)


class Redder(Vignette):
    """The target's cast: red in [0, 255] goes to [120, 247]."""

    def apply(self, image: Image, draw: Draw) -> tuple[Image, dict[str, Any]]:
        return np.dstack([image[..., 0] // 2 + 120, image[..., 1:]]), {}


class Untouched(Vignette):
    def apply(self, image: Image, draw: Draw) -> tuple[Image, dict[str, Any]]:
        return image, {}


@pytest.mark.slow
@pytest.mark.parametrize(("weight", "reaches"), [(0.3, True), (0.001, False)])
def test_the_autoencoder_becomes_a_generator_of_target_pictures(weight: float, reaches: bool) -> None:
    """Source pictures come out with the target's colours, and by the adversarial loss alone."""
    loss = {"l1": 1.0, "codebook": 1.0, "transfer": weight}
    stages = [{"part": part, "steps": 100, "batch": 2, "lr": 2e-3} for part in ("vqgan", "base")]
    what = spec(loss=loss, network={"start": "data"}, stages=stages)
    plain, red = (Mix((Part(condition, False),), (1.0,)) for condition in (Untouched(), Redder()))
    samples = {role: Samples(Noise(6), 6) for role in what.data}
    training = prepared(Parts("qdmr", what, 0, "cpu", samples, plain, None, {"target": red}))
    stage = staged(training).stages[0]
    stage.begin()
    for step in range(stage.steps):
        _step(stage, {role: make(step) for role, make in stage.roles.items()}, step)
    source, target = (stage.roles[role](500).degraded for role in UNPAIRED)
    with torch.no_grad():
        generated = training.players.autoencoder(source)[0]
    start, end, reached = (float(images[:, 0].mean()) for images in (source, target, generated))
    assert end - start > 0.15
    assert (reached > start + 0.6 * (end - start)) == reaches
    assert float((generated[:, 1:].mean((0, 2, 3)) - source[:, 1:].mean((0, 2, 3))).abs().max()) < 0.1


def test_a_photograph_is_taken_once(tmp_path: Path) -> None:
    taken: list[str] = []

    class Counting(Vignette):
        def apply(self, image: Image, draw: Draw) -> tuple[Image, dict[str, Any]]:
            taken.append(draw.sample_id)
            return image, {}

    photographs = Photographs(Samples(Place(3), 3), Mix((Part(Counting(), False),), (1.0,)), 0, "source")
    make = FieldBatches(photographs, CropView(size=16), 3, 0, "s")
    for step in range(4):
        make(step)
    assert sorted(taken) == ["source/0", "source/1", "source/2"]


def test_gradients_at_several_scales_in_closed_form() -> None:
    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    ramp = torch.arange(16.0).view(1, 1, 1, 16).expand(2, 3, 16, 16) / 16
    assert float(Gradients().distance(pictures, pictures + 0.25)) == pytest.approx(0, abs=1e-6)
    expected = (1 / 16 + 2 / 16 + 4 / 16) / 3
    assert float(Gradients().distance(pictures + ramp, pictures)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("factor", "width"), [(4, 32), (8, 64)])
def test_the_classifiers_features_see_what_is_shown(factor: int, width: int) -> None:
    seen = ClassifierFeatures(factor, "cpu")
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert seen.meaning(pictures).shape == (2, width, 32 // factor, 32 // factor)
    assert seen.width == width
    assert float(seen.distance(pictures, pictures).detach()) == 0
    distance = seen.distance(pictures, pictures.detach().flip(-1))
    assert distance > 0.05
    (gradient,) = torch.autograd.grad(distance, pictures)
    assert gradient.abs().sum() > 0


def test_vgg19_is_read_at_its_relus(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    build = models.vgg19
    monkeypatch.setattr(models, "vgg19", lambda weights: build(weights=None))
    with torch.device("meta"):
        seen = VggFeatures("meta")
        maps = seen.maps(torch.zeros(1, 3, 32, 32, device="meta"))
    assert [tuple(features.shape[1:]) for features in maps] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]

    def unreachable(weights: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(models, "vgg19", unreachable)
    with pytest.raises(QbenchError, match="perception: gradients"):
        qdmr_perception.vgg19()


def test_the_last_of_a_loss_is_of_the_stage_that_had_it() -> None:
    gap = float("nan")
    assert last([1.0, 3.0, 5.0, gap, gap, gap], 2) == 4.0
    assert last([gap, gap, 2.0], 2) == 2.0
    assert last([gap], 2) != last([gap], 2)


def test_milestones_halve_the_rate_and_betas_are_the_cards() -> None:
    stage = StageSpec(steps=10, batch=1, lr=1e-4, schedule="milestones", milestones=(3, 6), betas=(0.9, 0.99))
    halving = optimiser(stage, nn.Linear(1, 1).named_parameters())
    assert [halving.rate(step) for step in (0, 2, 3, 5, 6, 9)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert halving.torch.param_groups[0]["betas"] == (0.9, 0.99)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parts": ("uda", "vqgan")}, "vqgan, base, uda"),
        ({"parts": ("base",)}, "codebook: false"),
        ({"data": {"source": {"dataset": "scenes"}}}, "role `target`"),
        ({"data": {"source": {"dataset": "scenes", "skip": 2}, "target": {"dataset": "scenes"}}}, "only the data role"),
        ({"crop": {"size": 16, "scale": [0.5, 1.0]}}, "scale"),
        ({"model": "toy"}, "takes no `model`"),
    ],
)
def test_cards_that_cannot_be_trained(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spec(**changes)
