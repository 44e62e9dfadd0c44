"""AFD's ablations: their sizes and costs, and that each changes the computation."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch.nn import functional as F

from qbench.cards.lookup import card_path, load_card
from qbench.methods.afd import AfdOptions, AfdRelease, AfdReleaseOptions
from qbench.methods.afd.backbones import BACKBONES
from qbench.methods.afd.dct import BlockDct
from qbench.methods.afd.guides import block_inputs, orders
from qbench.methods.afd.net import Afd
from qbench.models.initial import initialise
from qbench.models.protocols import Setup
from qbench.runs.measure import count_macs, count_parameters
from qbench.runs.plan import load_suite
from tests.conftest import ROOT

from .nets import afd, stem, tiny, uniform


@pytest.mark.parametrize(("backbone", "parameters"), [("dcnn", 69_237), ("resnet", 69_336), ("inception", 69_244),
                                                      ("vit", 69_276), ("densenet", 69_752)])  # fmt: skip
def test_backbones_are_as_large_as_the_unet_that_the_suite_sets_them_beside(backbone: str, parameters: int) -> None:
    """By hand: 3x3 of 64-44-45-64 has 9 (64·44 + 44·45 + 45·64) + 153 = 69,237, and so on."""
    methods = load_suite(ROOT / "suites" / "paper" / "afd-table-4.yaml")[0].tasks[0].methods
    named = {method.params.get("recipe", "resnet50") for method in methods if method.name == "afd"}
    recipes = {name: load_card(card_path("afd")).recipes[name].network for name in named}
    (ablated,) = (network for network in recipes.values() if network.get("backbone") == backbone)
    (unet,) = (network for network in recipes.values() if "backbone" not in network)
    net, usual = (Afd(_choice(network), stem(64), "deployed") for network in (ablated, unet))
    assert count_parameters([net.fe]) == parameters
    assert count_parameters([net]) == parameters + 37_120
    assert count_parameters([usual.fe]) == 69_344
    assert abs(parameters / 69_344 - 1) < 0.01


def test_backbones_at_other_widths_are_as_far_from_the_unet_as_the_page_says() -> None:
    page = (ROOT / "docs" / "methods" / "afd.md").read_text(encoding="utf-8")
    for channels, shown in ((24, "0.45 to 0.80 of its parameters"), (128, "1.21 to 1.58"), (256, "1.21 to 1.58")):
        size = {b: count_parameters([Afd(AfdOptions(backbone=b), stem(channels), "deployed").fe])
                for b in ("unet", *BACKBONES)}  # fmt: skip
        shares = [size[backbone] / size["unet"] for backbone in BACKBONES]
        assert f"{min(shares):.2f} to {max(shares):.2f}" in shown
        assert shown in page.replace("\n", " ")


def _choice(network: dict[str, Any]) -> AfdOptions:
    return AfdOptions(**{key: value for key, value in network.items() if key in AfdOptions.model_fields})


def test_what_fde_net_costs() -> None:
    """Multiply-accumulates of 224 pixels by hand: three 1x1 convolutions and the DCT on 784 blocks, FE-Net's, and the
    matrix of colours, which all pictures go through."""
    dct, fde, fe, colours = 3 * 64 * 64 * 784, (192 * 128 + 128 * 64 + 64 * 64) * 784, 303_464_448, 9 * 224**2
    expected = {"dct": dct + fde + fe, "shuffled": dct + fde + fe, "pixels": fde + fe, "none": fe}
    for name, macs in expected.items():
        net = Afd(AfdOptions(fde=name, gate=False), stem(64), "deployed")  # type: ignore[arg-type]
        assert macs_at_224(net) == macs + colours
        assert count_parameters([net]) == 69_344 + (0 if name == "none" else 37_120)


@pytest.mark.parametrize(
    ("plan", "fe", "billions"),
    [
        ("light", 64 * 16 * 112**2 + 16 * 32 * 56**2 + (32 * 64 + 64 * 32) * 28**2
                  + 64 * 16 * 56**2 + 16 * 64 * 112**2, 0.342),
        ("release", (64 * 16 + 16 * 32) * 112**2 + 32 * 64 * 56**2 + 64 * 32 * 28**2
                    + 64 * 16 * 56**2 + 32 * 64 * 112**2, 0.545),
    ],
)  # fmt: skip
def test_both_plans_cost_what_the_page_tells(plan: str, fe: int, billions: float) -> None:
    """FE-Net's 3x3 convolutions at 112, 56 and 28 places a side; light pools before them, release after."""
    net = Afd(AfdOptions(plan=plan, gate=False), stem(64), "deployed")  # type: ignore[arg-type]
    rest = 3 * 64 * 64 * 784 + (192 * 128 + 128 * 64 + 64 * 64) * 784 + 9 * 224**2
    assert macs_at_224(net) == 9 * fe + rest
    assert round((9 * fe + rest) / 1e9, 3) == billions


def macs_at_224(net: Afd) -> int:
    features = uniform(1, 64, 112, 112)
    return count_macs(lambda images: net(features, images), uniform(1, 3, 224, 224))


@pytest.mark.parametrize("fde", ["pixels", "shuffled"])
def test_another_input_of_fde_net_gives_another_map(fde: str) -> None:
    """The same weights, since all inputs have 192 numbers a block."""
    usual, other = afd(), afd(fde=fde)
    other.load_state_dict(usual.state_dict())
    features, images = (uniform(2, 8, 16, 16), uniform(2, 3, 32, 32, seed=2))
    assert (usual.drifting_map(images) - other.drifting_map(images)).abs().max() > 1e-2
    assert (usual(features, images) - other(features, images)).abs().max() > 1e-2


def test_without_fde_net_the_picture_decides_nothing() -> None:
    net, usual, (features, images) = afd(fde="none"), afd(), (uniform(2, 8, 16, 16), uniform(2, 3, 32, 32, seed=2))
    assert torch.equal(net(features, images), net(features, 1 - images))
    assert not torch.equal(usual(features, images), usual(features, 1 - images))
    usual.load_state_dict({**usual.state_dict(), **net.state_dict()})
    ones = torch.ones_like(features)
    assert torch.equal(net(features, images), F.relu(features + usual.fe(features, None)))
    assert torch.equal(net.spread(net.drifting_map(images), features.shape[-2:]), ones)


def test_the_image_block_is_the_blocks_pixels() -> None:
    images = uniform(1, 3, 21, 16)
    blocks = block_inputs("pixels", BlockDct(), images, BlockDct().planes(images))
    assert blocks.shape == (1, 192, 3, 2)
    assert torch.equal(blocks[0, :, 1, 1].reshape(3, 8, 8), images[0, :, 8:16, 8:16])
    last = blocks[0, :, 2, 0].reshape(3, 8, 8)
    assert torch.equal(last[:, 5:], images[0, :, 20:21, :8].expand(-1, 3, -1))


def test_shuffling_reorders_every_block_on_its_own() -> None:
    dct, images = BlockDct(), uniform(2, 3, 40, 48)
    planes = dct.planes(images)
    plain, shuffled = dct(images), block_inputs("shuffled", dct, images, planes)
    torch.testing.assert_close(shuffled.sort(1).values, plain.sort(1).values)
    order = orders(5, 6)
    assert len({tuple(order[0, :, i, j].tolist()) for i in range(5) for j in range(6)}) == 30
    assert torch.equal(orders(9, 7)[:, :, :5, :6], order)  # a block's place alone decides
    assert torch.equal(shuffled[1, :, 3, 4], plain[1, order[0, :, 3, 4], 3, 4])


def test_resnets_blocks_have_shortcuts_and_densenets_layers_see_all() -> None:
    features = uniform(1, 8, 8, 8)
    resnet, dense = afd(backbone="resnet").fe, afd(backbone="densenet").fe
    with torch.no_grad():
        for parameter in resnet.blocks.parameters():  # type: ignore[union-attr]
            parameter.zero_()
        inner = F.relu(resnet.inc(features))  # type: ignore[operator]
        assert torch.equal(resnet(features), resnet.outc(inner))  # type: ignore[operator]
        for name, parameter in dense.outc.named_parameters():  # type: ignore[union-attr]
            if name == "weight":
                parameter[:, 8:].zero_()
    only_input = F.conv2d(features, dense.outc.weight[:, :8], dense.outc.bias)  # type: ignore[union-attr,index,arg-type]
    torch.testing.assert_close(dense(features), only_input)


def test_vit_looks_everywhere() -> None:
    """A patch in one corner changes the answer in the other, which no other backbone's receptive field spans."""
    features = uniform(1, 8, 64, 64)
    changed = features.clone()
    changed[..., :4, :4] += 1
    for name, network in BACKBONES.items():
        net = network(8, 4)
        initialise(net, 1)
        moved = (net(changed) - net(features))[..., -4:, -4:].abs().max()
        assert (moved > 0) == (name == "vit"), name


def test_the_release_is_a_method_of_its_own(tmp_path: Path) -> None:
    choice = AfdReleaseOptions()
    assert (choice.plan, choice.gate) == ("release", False)
    assert count_parameters([Afd(choice, stem(64), "deployed")]) == 115_680
    assert AfdReleaseOptions(gate=True).gate
    with pytest.raises(ValidationError, match="release"):
        AfdReleaseOptions(plan="light")  # type: ignore[arg-type]
    net = Afd(choice, tiny().cut("D2").geometry(), "deployed")
    save_file(net.state_dict(), tmp_path / "afd.safetensors", choice.metadata())
    helped = AfdRelease(weights=tmp_path / "afd.safetensors")
    helped.setup(Setup(tiny(), None, "cpu"))
    assert helped.network.options.plan == "release"


@pytest.mark.parametrize("options", [{"fde": "none"}, {"backbone": "vit"}])
def test_a_guide_needs_what_it_guides(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="needs FDE-Net and the backbone unet"):
        AfdOptions(guide="mul_each_scale", **options)


def page_blocks(kind: str) -> list[str]:
    page = (ROOT / "docs" / "methods" / "afd.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_the_code_of_the_page_mends_features_at_the_site_of_the_size_that_its_table_says(tmp_path: Path) -> None:
    (code,) = page_blocks("python")
    (tmp_path / "page.py").write_text(code)
    names = runpy.run_path(str(tmp_path / "page.py"))
    features, pictures, deployed = names["features"], names["pictures"], names["deployed"]
    mended = deployed(features, pictures)
    assert features.shape == mended.shape == (1, 64, 112, 112)
    torch.testing.assert_close(names["cut"].back(mended, pictures), names["logits"], rtol=1e-3, atol=1e-3)
    assert names["logits"].shape == (1, 1000)
    torch.testing.assert_close(names["cut"].back(features, pictures), names["model"].logits(pictures))
    assert sum(parameter.numel() for parameter in deployed.parameters()) == 106_464


def test_the_card_of_the_page_is_valid(tmp_path: Path) -> None:
    (card,) = page_blocks("yaml")
    (tmp_path / "mine.yaml").write_text(card)
    assert load_card(tmp_path / "mine.yaml").recipes["first"].network
