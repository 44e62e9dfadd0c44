"""Networks of branches run merged: the same outputs and sites, fewer parameters, and all of them can be trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from qbench.cards.schema import RecipeSpec
from qbench.models.classification.timm import Timm
from qbench.models.fold import for_inference
from qbench.models.merge import BRANCHED, branched, merged
from qbench.models.sites import TIMM_SITES
from qbench.registry import get
from qbench.runs.measure import count_macs, count_parameters
from qbench.train.core.batches import Samples
from qbench.train.core.loop import _step
from qbench.train.core.recipe import Recipe
from qbench.train.recipes.afd.training import build as afd
from qbench.train.recipes.common import Parts
from qbench.train.recipes.finetune.training import finetune
from tests.train.pictures import Noise, jpeg_mix

from .test_classifiers import randomised


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def named(name: str) -> nn.Module:
    """timm's network with norms as after training: statistics and factors drawn, the sum of the branches kept small."""
    torch.manual_seed(0)
    net = randomised(timm.create_model(name))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.mul_(0.4)
            module.bias.data.uniform_(-0.2, 0.2)
    return net


@torch.no_grad()
def outputs(net: nn.Module, sites: Sequence[str], images: Tensor) -> dict[str, Tensor]:
    """What the network answers, and what its sites do on the way."""
    answers: dict[str, Tensor] = {}
    hooks = [
        net.get_submodule(site).register_forward_hook(
            lambda _m, _i, out, site=site: answers.update({site: out.clone()})
        )
        for site in sites
    ]
    answers["logits"] = net.eval()(images)
    for hook in hooks:
        hook.remove()
    return answers


@pytest.mark.parametrize(
    ("name", "before", "after"), [("repvgg_a2", 28_210_600, 25_499_944), ("mobileone_s0", 5_293_272, 2_078_504)]
)
def test_the_merged_form_agrees_at_every_site_with_the_librarys_own_count(name: str, before: int, after: int) -> None:
    """RepVGG-A2 has 25.5 M parameters when deployed (Ding et al., CVPR 2021, Table 4), MobileOne-S0 2.1 M (Vasu et al.,
    CVPR 2023, Table 2)."""
    net, images = named(name), drawn(2, 3, 64, 64)
    sites = ["stem", "stages.0.0", "stages.0", "stages.1"]
    expected = outputs(net, sites, images)
    ready = for_inference(net)
    assert (count_parameters([net]), count_parameters([ready])) == (before, after)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
    for site, values in outputs(ready, sites, images).items():
        assert values.abs().max() > 0.1
        torch.testing.assert_close(values, expected[site], rtol=1e-4, atol=1e-4 * float(expected[site].abs().max()))


@pytest.mark.slow
def test_sites_of_repvgg_are_those_of_the_paper(tmp_path: Path) -> None:
    """Channels and strides of D1-D4 (AFD, section IV-C1), and the bits of the whole network when cut there."""
    save_file(named("repvgg_a2").state_dict(), tmp_path / "net.safetensors")
    model = Timm(name="repvgg_a2", weights=tmp_path / "net.safetensors").build()
    assert model.sites == {"D1": "stem", "D2": "stages.0.0", "D3": "stages.0", "D4": "stages.1"}
    images = drawn(1, 3, 64, 64)
    shapes = {}
    for site in model.sites:
        cut = model.cut(site)
        geometry = cut.geometry()
        shapes[site] = (geometry.channels, geometry.stride)
        with torch.inference_mode():
            assert torch.equal(cut.back(cut.front(images), images), model.logits(images))
    assert shapes == {"D1": (64, 2.0), "D2": (96, 4.0), "D3": (96, 4.0), "D4": (192, 8.0)}


def test_macs_of_repvgg_are_the_published_ones() -> None:
    """5.12 G (AFD, Table VII); the branches would add 0.56."""
    net = Timm(name="repvgg_a2", pretrained=False).build().net
    assert count_macs(net, drawn(1, 3, 224, 224)) == pytest.approx(5.12e9, rel=2e-3)


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_050"])
def test_other_networks_stay_as_they_are(name: str) -> None:
    net = timm.create_model(name)
    assert merged(net) is net
    assert not branched(name)
    assert "form" not in Timm(name=name).identity()


def test_a_network_that_is_to_be_trained_from_its_first_weights_keeps_its_branches() -> None:
    net = timm.create_model("repvgg_a0")
    paths = {path for path, _ in for_inference(net, fold=False).named_modules()}
    assert "stages.0.0.conv_kxk" in paths
    assert "stages.0.0.conv_kxk" not in {path for path, _ in for_inference(net).named_modules()}


def test_the_keys_of_cells_tell_the_merged_form() -> None:
    """Only of networks that have one."""
    assert Timm(name="repvgg_a2").identity()["form"] == "merged"
    for encoder, has_form in (("tu-mobileone_s0", True), ("mobileone_s0", False), ("tu-resnet18", False)):
        smp = get("model", "smp:unet").target(name="unet", encoder=encoder, classes=2, pretrained=False)
        assert ("form" in smp.identity()) == has_form
    heads = get("model", "torchvision-heads:fcos").target
    assert [("form" in heads(classes=2, encoder=name).identity()) for name in ("repvgg_a0", "resnet18")] == [
        True,
        False,
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["fastvit_t8", "repvit_m0_9", "repghostnet_050", "ghostnetv3_050", "lcnetv2_small", "iformer_t",
             "levit_128s", "tiny_vit_5m_224", "shvit_s1", "efficientvit_m0", "efficientvim_m1"]
)  # fmt: skip
def test_every_declared_family_merges_exactly(name: str) -> None:
    if not timm.is_model(name):
        pytest.skip(f"this timm has no {name}")
    assert name.startswith(BRANCHED)
    net = randomised(timm.create_model(name))
    size = net.pretrained_cfg["input_size"][-1]  # type: ignore[index]
    ready, images = merged(net), drawn(1, 3, size, size)  # type: ignore[arg-type]
    assert ready is not net
    assert count_parameters([ready]) < count_parameters([net])
    assert all(parameter.requires_grad for parameter in ready.parameters())
    expected = outputs(net, (), images)["logits"]
    torch.testing.assert_close(outputs(ready, (), images)["logits"], expected, rtol=1e-4, atol=1e-4)


def recipe_parts(tmp_path: Path, kind: str, loss: dict[str, object], network: dict[str, object]) -> Parts:
    file = tmp_path / "net.safetensors"
    save_file(named("repvgg_a0").state_dict(), file)
    spec = RecipeSpec.model_validate(
        {
            "kind": kind, "model": "timm:repvgg_a0", "data": {"source": {"dataset": "scenes"}}, "crop": {"size": 32},
            "degradation": [{"condition": "clean"}], "loss": loss, "network": network,
            "stages": [{"steps": 4, "batch": 2, "lr": 1e-2}],
        }
    )  # fmt: skip
    data = Samples(Noise(), 7)
    return Parts(
        "toy", spec, 0, "cpu", {"source": data, "validation": data}, jpeg_mix(tmp_path), Timm("repvgg_a0", file)
    )


def stepped(recipe: Recipe, count: int) -> set[str]:
    """Parameters that some steps of the recipe move."""
    net = recipe.modules["net"]
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    stage = recipe.stages[0]
    stage.prepare()
    for step in range(count):
        assert all(torch.isfinite(torch.tensor(loss)) for loss in
                   _step(stage, {"source": stage.roles["source"](step)}, step).values())  # fmt: skip
    return {name for name, value in net.named_parameters() if not torch.equal(value, before[name])}


def test_a_merged_network_is_finetuned_and_comes_back(tmp_path: Path) -> None:
    parts = recipe_parts(tmp_path, "finetune", {"kl": 1.0}, {})
    recipe = finetune(parts)
    names = {name for name, _ in recipe.modules["net"].named_parameters()}
    assert "stages.0.0.reparam_conv.weight" in names
    assert stepped(recipe, 2) == names
    again = Timm("repvgg_a0", tmp_path / "net.safetensors").build()
    again.net.load_state_dict(dict(recipe.ship()), strict=True)


def test_gradients_go_through_a_merged_network_to_afd(tmp_path: Path) -> None:
    loss: dict[str, object] = {"kl": 1.0, "deeper": {"sites": ["stages.2.0.act"]}}
    recipe = afd(recipe_parts(tmp_path, "afd", loss, {"site": "D1", "gate": False}))
    assert stepped(recipe, 3) == {name for name, _ in recipe.modules["net"].named_parameters()}
    assert set(TIMM_SITES["repvgg"]) == {"D1", "D2", "D3", "D4"}
