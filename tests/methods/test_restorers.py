"""Restorers: published sizes, exact folding, identity at the start, range, any size; fine-tuning and direct."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from qbench.errors import NotApplicable, QbenchError, WeightsError
from qbench.methods.direct import Direct
from qbench.methods.finetune import Finetune
from qbench.methods.restorers.plain import ArcnnMethod, DncnnMethod, DncnnSmallMethod
from qbench.models.base import LoadedModel
from qbench.models.protocols import Setup
from qbench.models.restoration.plain_networks import Dncnn
from qbench.models.restoration.running import build, empty
from qbench.registry import get
from qbench.vocabulary import Context, InputConvention

from .nets import count, uniform

NAMES = ("arcnn", "dncnn", "dncnn-small")
METHODS = {"arcnn": ArcnnMethod, "dncnn": DncnnMethod, "dncnn-small": DncnnSmallMethod}


def gmacs(net: nn.Module) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(uniform(1, 3, 32, 32))
    return counter.get_total_flops() / 2 / 1e9 * (224 / 32) ** 2


def test_arcnn_has_its_published_size() -> None:
    assert count(empty("arcnn")) == 117_731 + 3  # three shared PReLU slopes
    assert gmacs(empty("arcnn")) == pytest.approx(5.90, abs=0.01)


def test_dncnn_has_its_published_size() -> None:
    """556,416 weights, 1,027 biases, and 1,920 numbers of norms, which the deployed form folds."""
    assert count(DncnnMethod.new_network()) == 556_416 + 1_027 + 1_920
    assert count(empty("dncnn")) == 556_416 + 1_027
    assert gmacs(empty("dncnn")) == pytest.approx(27.9, abs=0.05)


def test_the_small_one_is_much_cheaper() -> None:
    assert gmacs(empty("dncnn")) > 5 * gmacs(empty("dncnn-small"))


@pytest.mark.parametrize("depth", [3, 6])
def test_folded_norms_are_exact(depth: int) -> None:
    net = Dncnn(depth, 8)
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value in (module.running_mean, module.running_var, module.weight.data, module.bias.data):
                assert value is not None
                value.copy_(torch.rand(value.shape, generator=generator) + 0.3)
    net.eval()
    deployed = net.deploy()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in deployed.modules())
    images = uniform(2, 3, 17, 23)
    torch.testing.assert_close(deployed(images), net(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_training_starts_at_the_identity_and_from_the_seed(name: str) -> None:
    images = uniform(1, 3, 24, 31)
    assert torch.equal(build(name, 0).eval()(images), images)
    first, again, other = (build(name, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["layers.0.weight"], other["layers.0.weight"])


def deployed_file(name: str, folder: Path) -> Path:
    net = empty(name)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)) * 0.3)
    file = folder / f"{name}.safetensors"
    save_file(net.state_dict(), file)
    return file


@pytest.mark.parametrize("name", NAMES)
def test_restored_images_stay_in_range(name: str, tmp_path: Path) -> None:
    method = METHODS[name](weights=deployed_file(name, tmp_path))
    method.setup(Setup(None, None, "cpu"))
    images = uniform(2, 3, 19, 26)
    restored = method.restore(images, Context(("a", "b"), images, ({}, {})))
    assert restored.shape == images.shape
    assert restored.min() >= 0
    assert restored.max() <= 1
    assert not torch.equal(restored, images)


def test_wrong_weights_and_none(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="do not fit Dncnn"):
        DncnnMethod(weights=deployed_file("dncnn-small", tmp_path)).setup(Setup(None, None, "cpu"))
    with pytest.raises(NotApplicable, match="qbench train arcnn"):
        ArcnnMethod().setup(Setup(None, None, "cpu"))
    with pytest.raises(QbenchError, match="did you mean 'dncnn'"):
        empty("dncn")


def test_fine_tuning_leaves_the_model_as_it_is(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    model = LoadedModel(net.eval(), InputConvention(size=2, resize=None), {})
    file = tmp_path / "tuned.safetensors"
    tuned = {name: value + 1 for name, value in net.state_dict().items()}
    save_file(tuned, file)
    method = Finetune(weights=file)
    method.setup(Setup(model, None, "cpu"))
    images = uniform(1, 3, 2, 2)
    before = model.logits(images)
    adapted = method.adapt(model)
    assert torch.equal(model.logits(images), before)
    assert not torch.equal(adapted.logits(images), before)
    assert all(torch.equal(adapted.net.state_dict()[name], value) for name, value in tuned.items())


def test_sites_and_weights_as_declared() -> None:
    Direct()
    facts = {name: get("method", name).facts for name in ("direct", "finetune", "afd", "osr", "qdmr", *NAMES)}
    assert {name: fact["site"] for name, fact in facts.items()} == {
        "direct": "none", "finetune": "model", "afd": "feature",
        "arcnn": "image", "dncnn": "image", "dncnn-small": "image", "osr": "image", "qdmr": "image",
    }  # fmt: skip
    assert [name for name, fact in facts.items() if not fact["trained"]] == ["direct"]
    assert not any(fact["oracle"] for fact in facts.values())


def test_a_passing_start_hands_the_first_features_through_the_depth() -> None:
    """Sixteen hidden layers must leave the first layer's features nearly as they are; the usual start does not."""
    images = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    kept = {}
    for passing in (True, False):
        net = build("dncnn", 0, norms=False, passing=passing)
        with torch.no_grad():
            first, deepest = net.layers[:2](images).flatten(), net.layers(images).flatten()
            kept[passing] = float(torch.cosine_similarity(first, deepest, dim=0))
            assert torch.equal(net(images), images)
    assert kept[True] > 0.8
    assert kept[False] < 0.5
