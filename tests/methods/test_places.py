"""Where modules go, in networks of every kind."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.errors import NotApplicable, QbenchError
from qbench.methods.adaptive import given
from qbench.methods.inserted import state_of
from qbench.methods.places import After, ByWidth, Place, is_activation, observe
from qbench.methods.quac import QuacMethod, QuacOptions
from qbench.methods.quac.acon import AconC, QAcon
from qbench.methods.quac.adapt import adapt, replace_activations
from qbench.methods.quarf import QuarfOptions
from qbench.methods.quarf.adapt import insert_fields
from qbench.methods.quarf.block import Quarf
from qbench.methods.stages import activations_at_stage_ends, backbone_end, stage_ends
from qbench.models.base import LoadedModel
from qbench.models.builtin.declared import Builtin
from qbench.models.protocols import Setup
from qbench.quality.features import feature
from qbench.vocabulary import InputConvention


def pictures(height: int, width: int, count: int = 2) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(0))


class Residual(nn.Module):
    """As diffusers' residual block: one activation for maps of two widths, and for the embedding of the step."""

    def __init__(self, inward: int, outward: int, act: nn.Module) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(inward, outward, 3, 1, 1), nn.Conv2d(outward, outward, 3, 1, 1)
        self.step, self.nonlinearity = nn.Linear(32, outward), act

    def forward(self, x: Tensor, step: Tensor) -> Any:
        inner = self.conv1(self.nonlinearity(x)) + self.step(self.nonlinearity(step))[:, :, None, None]
        return self.conv2(self.nonlinearity(inner))


class UNet(nn.Module):
    """All blocks have the same SiLU object, as in diffusers' older U-Nets."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.SiLU()
        self.inward, self.smaller = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(16, 16, 3, 2, 1)
        self.down, self.middle, self.up = Residual(8, 16, act), Residual(16, 16, act), Residual(32, 16, act)
        self.embed, self.out = nn.Linear(1, 32), nn.Conv2d(16, 3, 3, 1, 1)

    def forward(self, x: Tensor) -> Any:
        step = self.embed(torch.full((len(x), 1), 0.3))
        first = self.down(self.inward(x), step)
        inner = F.interpolate(self.middle(self.smaller(first), step), scale_factor=2.0)
        return self.out(self.up(torch.cat([first, inner], 1), step))


def torchvision(name: str) -> Callable[[], nn.Module]:
    def make() -> Any:
        from torchvision import models

        if name.startswith("fcn"):
            return models.get_model(name, weights=None, weights_backbone=None, num_classes=5)
        return models.get_model(name, weights=None)

    return make


def timm(name: str) -> Callable[[], nn.Module]:
    def make() -> Any:
        from timm import create_model

        return create_model(name)

    return make


def swin(width: int = 16) -> Any:
    from torchvision.models.swin_transformer import SwinTransformer

    return SwinTransformer([4, 4], width, [1, 1], [2, 2], [4, 4], num_classes=5)


def deit() -> Any:
    from timm.models.deit import VisionTransformerDistilled

    network: Any = VisionTransformerDistilled
    return network(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=5)


def convnext(width: int = 16) -> Any:
    from timm.models.convnext import ConvNeXt

    return ConvNeXt(depths=(1, 1, 1, 1), dims=(width, 12, 16, 24), num_classes=5)


def builtin(name: str) -> Callable[[], nn.Module]:
    return lambda: Builtin(name).build().net


TRUNK = ["relu", "stages.0.1.relu2", "stages.1.1.relu2", "stages.2.1.relu2"]
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int], list[str], str]] = {
    "torchvision resnet50": (
        torchvision("resnet50"), (64, 64),
        ["relu", *(f"layer{i}.{n}.relu" for i, n in ((1, 2), (2, 3), (3, 5), (4, 2)))], "layer4",
    ),
    "timm resnet50": (
        timm("resnet50"), (64, 64),
        ["act1", *(f"layer{i}.{n}.act3" for i, n in ((1, 2), (2, 3), (3, 5), (4, 2)))], "layer4",
    ),
    "fcn_resnet50": (
        torchvision("fcn_resnet50"), (64, 96),
        ["backbone.relu", "backbone.layer1.2.relu", "classifier.2"], "backbone.layer4",
    ),
    "torchvision efficientnet": (
        torchvision("efficientnet_b0"), (96, 96),
        ["features.1.0.block.0.2", "features.2.1.block.1.2", "features.3.1.block.1.2", "features.5.2.block.1.2",
         "features.8.2"], "features",
    ),
    "timm efficientnet": (
        timm("efficientnet_b0"), (96, 96),
        ["blocks.0.0.bn1.act", "blocks.1.1.bn2.act", "blocks.2.1.bn2.act", "blocks.4.2.bn2.act", "bn2.act"], "blocks.6",
    ),
    "mobilenet with a pooled head": (
        timm("mobilenetv3_small_100"), (128, 128),
        ["bn1.act", "blocks.0.0.bn1.act", "blocks.1.1.bn2.act", "blocks.3.1.bn2.act", "blocks.5.0.bn1.act"], "blocks.5",
    ),
    "swin": (swin, (64, 96), ["features.1.0.mlp.1", "features.3.0.mlp.1"], "features"),
    "deit": (deit, (32, 32), ["blocks.1.mlp.act"], "blocks.1"),
    "convnext": (convnext, (64, 96), [f"stages.{i}.blocks.0.mlp.act" for i in range(4)], "stages.3"),
    "built-in classifier": (builtin("scenes"), (128, 128), TRUNK, "stages.2"),
    "SqueezeNet, whose last activation is of the class scores": (
        torchvision("squeezenet1_0"), (96, 96),
        ["features.1", *(f"features.{n}.expand3x3_activation" for n in (5, 10, 12))], "features",
    ),
    "built-in segmenter": (
        builtin("scenes-segmenter"), (64, 96), [*TRUNK, "up3.relu", "up2.relu", "up1.relu"], "stages.2",
    ),
    "built-in detector": (builtin("scenes-detector"), (64, 96), [*TRUNK, "up3.relu", "tower.2"], "stages.2"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_where_stages_and_the_backbone_end(case: str) -> None:
    make, (height, width), ends, backbone = CASES[case]
    net, x = make().eval(), pictures(height, width)
    assert [place.path for place in activations_at_stage_ends(net, lambda: net(x))] == ends
    with torch.no_grad():
        before = answer(net(x))
        (path,) = replace_activations(net, lambda: net(x), QuacOptions(placement="post-backbone"))
        assert path == f"{backbone}.added"
        with given(net, torch.randn(2, 256)):
            assert torch.equal(answer(net(x)), before)


@pytest.mark.parametrize("classes", [10, 64, 256])
def test_stages_as_wide_as_there_are_classes_are_stages(classes: int) -> None:
    from torchvision.models import resnet18

    net, x = resnet18(weights=None, num_classes=classes).eval(), pictures(64, 64)
    places_ = activations_at_stage_ends(net, lambda: net(x))
    assert [place.path for place in places_] == ["relu", *(f"layer{i}.1.relu" for i in range(1, 5))]


def answer(output: Tensor | dict[str, Tensor]) -> Tensor:
    return output["out"] if isinstance(output, dict) else output


@pytest.mark.parametrize("make", [torchvision("resnet50"), torchvision("fcn_resnet50"), UNet])
def test_an_activation_of_several_widths_gets_a_module_for_each(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    net = make().eval()
    x = pictures(32, 32, 1)
    acts = [module for module in net.modules() if is_activation(module)]
    paths = replace_activations(net, lambda: net(pictures(32, 32)), QuacOptions(placement="all", quality="brisque"))
    left = [path for path, module in net.named_modules(remove_duplicate=False) if is_activation(module)]
    assert not left
    assert len(paths) > len(acts)
    assert any(isinstance(module, ByWidth) for module in net.modules())
    with given(net.train(False), torch.randn(1, 36)):
        loss: Any = answer(net(x)).square().mean()
        loss.backward()
    modules = [net.get_submodule(path) for path in paths]
    assert all(isinstance(module, QAcon) for module in modules)
    missing = [path for path, m in zip(paths, modules, strict=True) if any(p.grad is None for p in m.parameters())]
    assert missing == []


def test_a_u_net_with_one_shared_activation_starts_as_it_was_and_reads_the_quality_everywhere() -> None:
    torch.manual_seed(0)
    net, x = UNet().eval(), pictures(16, 16)
    with torch.no_grad():
        before = net(x)
    paths = replace_activations(net, lambda: net(x), QuacOptions(placement="all", quality="brisque"))
    widths = {"down": (8, 16, 32), "middle": (16, 32), "up": (16, 32)}
    assert sorted(paths) == sorted(f"{part}.nonlinearity.of.{w}" for part, ws in widths.items() for w in ws)
    q = torch.randn(2, 36)
    with given(net, q), torch.no_grad():
        torch.testing.assert_close(net(x), before)
        for path in paths:
            module = net.get_submodule(path)
            assert isinstance(module, QAcon)
            plain = net(x)
            module.out.weight.normal_()
            assert not torch.allclose(net(x), plain), path
    other = UNet()
    with pytest.raises(NotApplicable, match="cannot be told where the network's backbone ends"):
        replace_activations(other, lambda: other(x), QuacOptions(placement="post-backbone"))


def test_modules_go_behind_blocks_whose_activations_have_several_widths() -> None:
    net = torchvision("resnet50")().eval()
    x = pictures(64, 64)
    with torch.no_grad():
        before = net(x)
    paths = replace_activations(net, lambda: net(x), QuacOptions(sites=("layer?",), how="add"))
    assert paths == [f"layer{i}.added" for i in (1, 2, 3, 4)]
    with given(net, torch.randn(2, 256)), torch.no_grad():
        assert torch.equal(net(x), before)


@pytest.mark.parametrize(("make", "site"), [
    (torchvision("resnet50"), "layer1"), (torchvision("resnet50"), "maxpool"), (torchvision("resnet50"), "relu"),
    (torchvision("fcn_resnet50"), "backbone.layer1"), (builtin("scenes-segmenter"), "up1"),
])  # fmt: skip
def test_fields_go_to_the_front_of_any_encoder(make: Callable[[], nn.Module], site: str) -> None:
    net, x = make().eval(), pictures(64, 64)
    assert insert_fields(net, lambda: net(x), QuarfOptions(sites=(site,))) == [f"{site}.added"]
    with given(net, torch.randn(2, 256)), torch.no_grad():
        assert answer(net(x)).isfinite().all()


class Tokens(nn.Module):
    """torch's own transformer, which in evaluation calls a fused kernel in place of its layers' modules."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, activation=activation, batch_first=True)  # type: ignore[arg-type]
        self.embed, self.layers = nn.Conv2d(3, 16, 8, 8), nn.TransformerEncoder(layer, 2)

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Any:
        return self.layers(self.embed(x).flatten(2).mT, src_key_padding_mask=padding)


@pytest.mark.parametrize(
    "choice", [QuacOptions(placement="all"), QuacOptions(sites=("*.linear1",)), QuacOptions(sites=("*.layers.?",))]
)
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.GELU()])
@pytest.mark.parametrize("padded", [False, True])
def test_torch_s_fused_transformer_layers_run_the_new_activations(
    choice: QuacOptions, activation: nn.Module, padded: bool
) -> None:
    torch.manual_seed(0)
    net, x = Tokens(activation).eval(), pictures(32, 32)
    padding = torch.arange(16).expand(2, -1) >= torch.tensor([[16], [12]]) if padded else None
    paths, q = replace_activations(net, lambda: net(x), choice), torch.randn(2, 256)
    with torch.no_grad(), given(net, q):
        for path in paths:
            before = net(x, padding)
            for parameter in net.get_submodule(path).parameters():
                parameter.normal_()
            assert not torch.allclose(net(x, padding), before), path
        moved = net(x, padding)
    with given(net, q):
        torch.testing.assert_close(net(x, padding), moved)


def test_a_module_with_another_behind_it_still_tells_what_the_network_asks_of_it() -> None:
    after = After(nn.Conv2d(3, 4, 3, stride=2), nn.Identity())
    assert (after.stride, after.weight.shape) == ((2, 2), (4, 3, 3, 3))
    assert copy.deepcopy(after).stride == (2, 2)
    with pytest.raises(AttributeError, match="neither"):
        after.neither  # noqa: B018


def test_a_copy_of_a_module_that_copies_itself_keeps_what_stands_behind_it() -> None:
    after = After(torch.fx.symbolic_trace(nn.Conv2d(3, 4, 3)), nn.ReLU())
    assert isinstance(copy.deepcopy(after), After)


def test_fields_behind_a_module_of_several_widths_are_refused() -> None:
    net = torchvision("resnet50")().eval()
    with pytest.raises(NotApplicable, match="runs with 64 and with 256 channels; name the block"):
        insert_fields(net, lambda: net(pictures(32, 32)), QuarfOptions(sites=("layer1.0.relu",)))


def test_each_block_of_fields_draws_noise_of_its_own() -> None:
    net, x = builtin("scenes")().train(), pictures(64, 64)
    paths = insert_fields(net, lambda: net(x), QuarfOptions(sites=("stages.0.?",), quality="brisque"), seed=3)
    blocks = [net.get_submodule(path) for path in paths]
    with given(net, torch.randn(2, 36)), torch.no_grad():
        net(x)
    gates = [block.last_gates for block in blocks if isinstance(block, Quarf)]
    assert len(gates) == 2
    assert not torch.allclose(gates[0], gates[1])  # type: ignore[arg-type]


def bottlenecks() -> LoadedModel:
    from torchvision.models.resnet import Bottleneck, ResNet

    torch.manual_seed(0)
    net = ResNet(Bottleneck, [1, 1, 1, 1], num_classes=5).eval()
    return LoadedModel(net, InputConvention(size=32, resize=None), {"D2": "relu"})


def test_modules_by_width_are_what_was_trained(tmp_path: Path) -> None:
    quality, choice = feature("brisque"), QuacOptions(sites=("layer1.0.relu", "layer2"), how="add", quality="brisque")
    trained, paths = adapt(bottlenecks(), choice, quality)
    assert paths == ["layer1.0.relu.added.of.64", "layer1.0.relu.added.of.256", "layer2.added"]
    with torch.no_grad():
        for path in paths:
            for parameter in trained.net.get_submodule(path).parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    file = tmp_path / "quac.safetensors"
    save_file(state_of(trained.net, paths), file, choice.metadata(quality.key))
    method = QuacMethod(weights=file)
    method.setup(Setup(bottlenecks(), None, "cpu"))
    loaded, images = method.adapt(bottlenecks()), torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        expected = trained.predict(images)
        assert torch.equal(loaded.predict(images), expected)
        assert not torch.allclose(bottlenecks().predict(images), expected)
        cut = loaded.cut("D2")
        assert torch.equal(cut.back(cut.front(images), images), expected)


def test_a_width_that_was_not_seen_is_an_error() -> None:
    module = ByWidth({4: AconC(4), 6: AconC(6)}, {4: "first"})
    assert module(torch.randn(2, 6, 4, 4)).shape == (2, 6, 4, 4)
    with pytest.raises(QbenchError, match="widths that were seen: 4, 6"):
        module(torch.randn(2, 5, 6, 4))


@pytest.mark.parametrize(("make", "site", "layout"), [
    (lambda: swin(64), "features.0", "last"),
    (lambda: swin(64), "features.1.0", "last"), (lambda: swin(64), "features.1.0.mlp.1", "last"),
    (lambda: convnext(64), "stages.0.blocks.0", "first"), (lambda: convnext(64), "stages.0.blocks.0.mlp.act", "first"),
])  # fmt: skip
def test_channels_are_found_in_maps_as_wide_as_they_have_channels(
    make: Callable[[], nn.Module], site: str, layout: str
) -> None:
    net = make().eval()
    (square,) = [place for place in observe(net, lambda: net(pictures(256, 256)), [site]) if place.path == site]
    (oblong,) = [place for place in observe(net, lambda: net(pictures(256, 192)), [site]) if place.path == site]
    assert "mlp" in site or square.size == (square.channels,) * 2
    if site != "stages.0.blocks.0.mlp.act":  # inside, ConvNeXt's channels lie last
        assert square.layout == oblong.layout == layout
    assert (square.layout, square.channels) == (oblong.layout, oblong.channels)


def test_a_norm_of_rows_tells_that_channels_lie_last() -> None:
    net = swin().eval()
    with pytest.raises(NotApplicable, match=r"'features.0' gives no maps \[B, C, H, W\]"):
        insert_fields(net, lambda: net(pictures(64, 64)), QuarfOptions(sites=("features.0",)))
    assert insert_fields(net, lambda: net(pictures(64, 64)), QuarfOptions(sites=("features.0.0",))) == [
        "features.0.0.added"
    ]


def test_a_network_that_takes_one_size_is_taken_at_its_linear_layer_s_word() -> None:
    from timm.models.swin_transformer import SwinTransformer

    net = SwinTransformer(
        img_size=64, patch_size=4, embed_dim=16, depths=(1, 1), num_heads=(2, 2), window_size=4
    ).eval()
    x = pictures(64, 64)
    with pytest.raises(AssertionError):
        net(x[..., :32])
    (place,) = [place for place in observe(net, lambda: net(x), ["layers.0"]) if place.path == "layers.0"]
    assert (place.layout, place.channels, place.size) == ("last", 16, (16, 16))


def test_what_sees_parts_of_pictures_even_once_is_no_place() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act, self.other = nn.GELU(), nn.ReLU()

        def forward(self, x: Tensor) -> Any:
            windows = self.act(x.reshape(len(x) * 4, 3, -1, 8)).reshape(x.shape)
            return self.other(self.act(windows))

    net = Both()
    assert [place.path for place in observe(net, lambda: net(pictures(8, 8)))] == ["other"]


def places(*sizes: tuple[str, int]) -> list[Place]:
    return [Place(path, 4, "first", (size, size), True, (4,), {4: "first"}) for path, size in sizes]


@pytest.mark.parametrize(("seen", "expected"), [
    ([("stem", 8), ("a.act", 4), ("a.se", 1), ("b.act", 4), ("b.se", 1), ("c.act", 2), ("c.se", 1), ("d.act", 2)],
     ["stem", "b.act", "d.act"]),
    ([("a", 16), ("b", 8), ("c", 4), ("d", 2), ("e", 1)], ["a", "b", "c", "d", "e"]),
    ([("a", 14), ("b", 7), ("head", 1)], ["a", "b"]),
    ([("a", 8), ("b", 4), ("c", 2), ("d", 4), ("e", 4), ("f", 8)], ["a", "b", "c", "e", "f"]),
    ([("a", 1), ("b", 1)], ["b"]),
    ([("s.0.x", 8), ("s.0.y", 8), ("s.1.x", 8), ("s.1.y", 4), ("s.2.x", 4), ("s.2.y", 2)], ["s.0.y", "s.1.y", "s.2.y"]),
    ([], []),
])  # fmt: skip
def test_stage_ends(seen: list[tuple[str, int]], expected: list[str]) -> None:
    assert [place.path for place in stage_ends(places(*seen))] == expected


def test_a_classifier_without_the_usual_names_ends_before_it_pools() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 5),
    )  # fmt: skip
    x = pictures(16, 16)
    assert replace_activations(net, lambda: net(x), QuacOptions(placement="post-backbone")) == ["3.added"]


class Branches(nn.Module):
    """A classifier without the usual names, whose last maps are of one pixel on pictures of 16."""

    def __init__(self, pool: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 4, 3, 4, 1), nn.Conv2d(4, 4, 3, 4), nn.Conv2d(4, 4, 1, 4)
        self.join, self.pool, self.head = nn.Conv2d(8, 6, 1), pool, head

    def forward(self, x: Tensor) -> Any:
        x = self.stem(x)
        return self.head(self.pool(self.join(torch.cat([self.left(x), self.right(x)], 1))).flatten(1))


class Mean(nn.Module):
    """A pool that does not say so by its class."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_a_backbone_without_the_usual_names_ends_before_the_pool_or_is_refused(size: int) -> None:
    linear, convolved = nn.Linear(6, 5), nn.Sequential(nn.Unflatten(1, (6, 1, 1)), nn.Conv2d(6, 5, 1), nn.Flatten())
    x = pictures(size, size)
    for head in (linear, convolved):
        net = Branches(nn.AdaptiveAvgPool2d(1), head)
        assert backbone_end(net, lambda net=net: net(x)).path == "join"
    unsaid = Branches(Mean(), linear)
    with pytest.raises(NotApplicable, match="cannot be told where the network's backbone ends"):
        backbone_end(unsaid, lambda: unsaid(x))


@pytest.mark.parametrize(("name", "backbone"), [
    ("googlenet", "inception5b"), ("deeplabv3_mobilenet_v3_large", "backbone.16"),
])  # fmt: skip
def test_backbones_of_torchvision_end_at_one_module_on_pictures_of_any_size(name: str, backbone: str) -> None:
    from torchvision import models

    first_weights = {"init_weights": False} if name == "googlenet" else {"weights_backbone": None}
    net = models.get_model(name, weights=None, **first_weights).eval()
    for size in (32, 64):
        x = pictures(size, size)
        assert backbone_end(net, lambda x=x: net(x)).path == backbone


@pytest.mark.parametrize(("name", "declared"), [("convnext_atto", "stages_3"), ("tf_efficientnet_lite0", "blocks.6")])
def test_an_encoder_of_timm_inside_another_network_tells_its_own_stages(name: str, declared: str) -> None:
    from timm import create_model

    decoder = nn.Conv2d(3, 3, 1)
    encoder = create_model(name, features_only=True)
    net = nn.Sequential(OrderedDict(decoder_blocks=decoder, body=encoder)).eval()
    assert backbone_end(net, lambda: net(pictures(64, 64))).path == f"body.{declared}"
