"""Q-ACON by its formula, its size, and in networks of every kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from qbench.errors import NotApplicable, QbenchError, WeightsError
from qbench.methods.adaptive import given, standardise
from qbench.methods.inserted import state_of
from qbench.methods.quac import QuacMethod, QuacOptions
from qbench.methods.quac.acon import STEEP, AconC, MetaAcon, QAcon, start_as
from qbench.methods.quac.adapt import adapt, replace_activations
from qbench.models.builtin.declared import Builtin
from qbench.models.protocols import Setup
from qbench.quality.features import feature
from tests.conftest import ROOT

from .nets import count, drawn, normal, tiny, untrained

PAGE = ROOT / "docs" / "methods" / "quac.md"


@pytest.mark.parametrize(
    ("channels", "dimension", "published"),
    [
        (64, 36, "10.1k"), (64, 2048, "0.70M"), (64, 4096, "2.44M"), (256, 36, "87k"), (256, 2048, "1.26M"),
        (256, 4096, "3.50M"), (512, 36, "321k"), (512, 2048, "2.14M"), (512, 4096, "5.03M"),
    ],
)  # fmt: skip
def test_the_size_of_q_acon(channels: int, dimension: int, published: str) -> None:
    size = count(QAcon(channels, dimension))
    width = channels + dimension
    inner = max(16, width // 16)
    layers = (width * inner + inner) + (inner * width + width) + (width * channels + channels)
    assert size == layers + 2 * inner + 2 * width + 2 * channels
    unit = {"k": 1e3, "M": 1e6}[published[-1]]
    digits = len(published[:-1].partition(".")[2])
    assert f"{size / unit:.{digits}f}" == published[:-1]
    assert count(QAcon(channels, dimension, norm="release")) == size


def test_a_long_quality_projected_down_costs_less() -> None:
    size = count(QAcon(64, 2048, narrow=32))
    assert size == count(QAcon(64, 32)) + 2048 * 32 + 32
    assert f"With 64 channels and Q = 2048 the module has {size / 1e3:.0f} k parameters" in PAGE.read_text("utf-8")


@pytest.mark.parametrize(("channels", "published"), [(64, 2.4), (256, 9.5), (512, 35)])
def test_the_size_of_meta_acon(channels: int, published: float) -> None:
    assert round(count(MetaAcon(channels)) / 1e3, 1 if published < 10 else 0) == published


def q_acon_by_hand(module: QAcon, x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """One picture [C, H, W] in float64, written from the formula."""
    state = {name: value.double().numpy() for name, value in module.state_dict().items()}

    def linear(name: str, v: np.ndarray) -> np.ndarray:
        return state[f"{name}.weight"] @ v + state[f"{name}.bias"]

    def norm(name: str, v: np.ndarray) -> np.ndarray:
        if f"{name}.weight" not in state:
            return v
        return (v - v.mean()) / np.sqrt(v.var() + 1e-5) * state[f"{name}.weight"] + state[f"{name}.bias"]

    def sigmoid(v: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-v))

    q = (q - state["quality_mean"]) / state["quality_std"]
    z = np.concatenate([x.mean(axis=(1, 2)), linear("narrow", q) if "narrow.weight" in state else q])
    s = sigmoid(norm("squeeze.3", linear("squeeze.2", norm("squeeze.1", linear("squeeze.0", z)))))
    beta, p1, p2 = (v[:, None, None] for v in (linear("out", s), state["p1"], state["p2"]))
    return (p1 - p2) * x * sigmoid(beta * (p1 - p2) * x) + p2 * x


@pytest.mark.parametrize(("norm", "narrow"), [("layer", None), ("none", None), ("layer", 2)])
def test_q_acon_is_its_formula(norm: str, narrow: int | None) -> None:
    module = drawn(QAcon(6, 5, norm=norm, narrow=narrow))  # type: ignore[arg-type]
    x, q = normal(3, 6, 4, 5), normal(3, 5, seed=1) * 3 + 1
    standardise(module, normal(40, 5, seed=2) * 3 + 1)
    with given(module, q), torch.no_grad():
        output = module(x)
        assert narrow or (module.beta_for(x) < 0).any(), "beta may be negative"
    expected = np.stack([q_acon_by_hand(module, x[i].double().numpy(), q[i].double().numpy()) for i in range(3)])
    np.testing.assert_allclose(output.numpy(), expected, atol=2e-5)


def with_beta(module: QAcon, beta: float, p1: float = 1.0, p2: float = 0.0) -> QAcon:
    start_as(module, nn.ReLU())
    with torch.no_grad():
        module.out.bias.fill_(beta)
        module.p1.fill_(p1)
        module.p2.fill_(p2)
    return module


def test_the_corners_of_the_formula() -> None:
    x, module = normal(2, 6, 4, 4), QAcon(6, 3)
    with given(module, normal(2, 3)):
        torch.testing.assert_close(with_beta(module, 3.0, 1.0, 1.0)(x), x)
        torch.testing.assert_close(with_beta(module, 1e4)(x), F.relu(x), atol=1e-4, rtol=0)
        torch.testing.assert_close(with_beta(module, 1e4, p2=0.1)(x), F.leaky_relu(x, 0.1), atol=1e-4, rtol=0)
        torch.testing.assert_close(with_beta(module, 1.0)(x), F.silu(x))
        torch.testing.assert_close(with_beta(module, 0.0, 2.0, 0.5)(x), 1.25 * x)


def prelu() -> nn.PReLU:
    learned = nn.PReLU(6)
    learned.weight.data.copy_(torch.tensor([-0.5, 0.0, 0.25, 0.9, 1.0, 1.5]))
    return learned


@pytest.mark.parametrize("make", [lambda: QAcon(6, 3), lambda: AconC(6)])
@pytest.mark.parametrize(("replaced", "apart"), [
    (nn.ReLU(), 0.2785 / STEEP), (nn.LeakyReLU(0.2), 0.2785 / STEEP), (prelu(), 0.2785 / STEEP),
    (nn.PReLU(), 0.2785 / STEEP), (nn.ReLU6(), 0.2785 / STEEP), (nn.SiLU(), 1e-6), (nn.GELU(), 0.021),
    (nn.Hardswish(), 0.142), (nn.Mish(), 0.103), (nn.ELU(), 0.143), (None, 1e-6),
])  # fmt: skip
def test_it_starts_as_what_it_replaces(make: Callable[[], nn.Module], replaced: nn.Module | None, apart: float) -> None:
    x, module = torch.linspace(-3, 3, 6001).repeat(1, 6, 1), drawn(make())
    start_as(module, replaced)
    with given(module, normal(1, 3)), torch.no_grad():
        off = (module(x) - (x if replaced is None else replaced(x))).abs().max()
    assert apart * 0.95 < off < apart * 1.05 or (apart < 1e-5 and off < apart)


@pytest.mark.parametrize("make", [lambda: AconC(6), lambda: MetaAcon(6), lambda: QAcon(6, 3)])
def test_tokens_are_maps_whose_channels_lie_last(make: Callable[[], nn.Module]) -> None:
    first = drawn(make())
    last = drawn(make())
    last.layout = "last"  # type: ignore[assignment]
    x, q = normal(2, 6, 4, 5), normal(2, 3)
    with given(nn.ModuleList([first, last]), q):
        expected = first(x)
        torch.testing.assert_close(last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), expected)
        torch.testing.assert_close(last(x.flatten(2).mT).mT, expected.flatten(2))
        torch.testing.assert_close(last(x[:, :, 0, 0]), first(x[:, :, :1, :1])[:, :, 0, 0])


@pytest.mark.parametrize("norm", ["layer", "none"])
@pytest.mark.parametrize("kind", ["quac", "meta-acon", "acon-c"])
def test_a_batch_of_one_trains_every_parameter(kind: str, norm: str) -> None:
    modules = {"quac": QAcon(6, 3, norm=norm, narrow=2), "meta-acon": MetaAcon(6, norm=norm), "acon-c": AconC(6)}  # type: ignore[arg-type]
    module = drawn(modules[kind]).train()
    with given(module, normal(1, 3)):
        module(normal(1, 6, 4, 4)).square().sum().backward()
    assert untrained(module) == []


def test_the_released_norm_needs_batches_and_makes_pictures_depend_on_each_other() -> None:
    module = drawn(QAcon(6, 3, norm="release")).train()
    with (
        given(module, normal(1, 3)),
        pytest.raises(QbenchError, match="train on one picture; use `norm: layer`"),
    ):
        module(normal(1, 6, 4, 4))
    x, q = normal(4, 6, 4, 4), normal(4, 3)
    with given(module, q):
        together = module(x)[:2]
    with given(module, q[:2]):
        assert (module(x[:2]) - together).abs().max() > 1e-2


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_a_picture_does_not_see_its_batch(norm: str) -> None:
    module = drawn(QAcon(6, 3, norm=norm)).train()  # type: ignore[arg-type]
    x, q = normal(3, 6, 4, 4), normal(3, 3)
    with given(module, q):
        together = module(x)
    for i in range(3):
        with given(module, q[i : i + 1]):
            torch.testing.assert_close(module(x[i : i + 1]), together[i : i + 1])


def test_quality_decides_and_swapping_it_swaps_what_happens() -> None:
    module = drawn(QAcon(6, 3))
    x = normal(1, 6, 4, 4).expand(2, -1, -1, -1)
    q = normal(2, 3).requires_grad_()
    with given(module, q):
        output = module(x)
    output.square().sum().backward()
    assert q.grad is not None
    assert (q.grad.abs().sum(1) > 0).all()
    assert (output[0] - output[1]).abs().max() > 1e-2
    with given(module, q.detach().flip(0)):
        torch.testing.assert_close(module(x), output.flip(0))
    module.zeroed = True  # type: ignore[assignment]
    with given(module, q.detach()):
        blind = module(x)
    torch.testing.assert_close(blind[0], blind[1])
    assert (blind - output).abs().max() > 1e-2


class UNet(nn.Module):
    """A denoising U-Net in small: residual blocks with SiLU, and the step's embedding added to their maps."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(1, 8), nn.SiLU(), nn.Linear(8, 8))
        self.inward, self.down, self.up = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.act1, self.act2, self.act3, self.out = nn.SiLU(), nn.SiLU(), nn.SiLU(), nn.Conv2d(8, 3, 3, 1, 1)

    def forward(self, noisy: Tensor, times: Tensor) -> Tensor:
        first = self.act1(self.inward(noisy)) + self.time(times[:, None])[:, :, None, None]
        inner = self.act2(self.down(first))
        larger = F.interpolate(inner, scale_factor=2.0)
        return self.out(self.act3(self.up(larger) + first))


def vit() -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=5)


def swin() -> nn.Module:
    from torchvision.models.swin_transformer import SwinTransformer

    return SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=5)


def convnext() -> nn.Module:
    from timm.models.convnext import ConvNeXt

    return ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 12, 16, 24), num_classes=5)


def resnet() -> nn.Module:
    from timm.models.resnet import BasicBlock, ResNet

    return ResNet(BasicBlock, (1, 1, 1, 1), num_classes=5, channels=(8, 12, 16, 24), stem_width=8)


def unet_run(net: nn.Module) -> object:
    return net(normal(2, 3, 16, 16), torch.tensor([0.1, 0.7]))


def image_run(net: nn.Module) -> object:
    return net(normal(2, 3, 32, 32))


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], object], QuacOptions, list[tuple[str, int]]]] = {
    "resnet, all": (
        resnet, image_run, QuacOptions(placement="all"),
        [("act1", 64), *((f"layer{i}.0.act{k}", c) for i, c in enumerate((8, 12, 16, 24), 1) for k in (1, 2))],
    ),
    "resnet, stage ends": (
        resnet, image_run, QuacOptions(),
        [("act1", 64), *((f"layer{i}.0.act2", c) for i, c in enumerate((8, 12, 16, 24), 1))],
    ),
    "resnet, after the backbone": (
        resnet, image_run, QuacOptions(placement="post-backbone"), [("layer4.added", 24)],
    ),
    "tokens": (vit, image_run, QuacOptions(placement="all"), [("blocks.0.mlp.act", 128), ("blocks.1.mlp.act", 128)]),
    "tokens, after blocks": (
        vit, image_run, QuacOptions(sites=("blocks.?",)), [("blocks.0.added", 32), ("blocks.1.added", 32)],
    ),
    "windows": (
        swin, image_run, QuacOptions(placement="all"), [("features.1.0.mlp.1", 64), ("features.3.0.mlp.1", 128)],
    ),
    "channels last inside": (
        convnext, image_run, QuacOptions(placement="all"),
        [(f"stages.{i}.blocks.0.mlp.act", 4 * c) for i, c in enumerate((8, 12, 16, 24))],
    ),
    "channels last inside, first outside": (
        convnext, image_run, QuacOptions(sites=("stages.*.blocks.0",)),
        [(f"stages.{i}.blocks.0.added", c) for i, c in enumerate((8, 12, 16, 24))],
    ),
    "diffusion": (UNet, unet_run, QuacOptions(sites=("act?",)), [("act1", 8), ("act2", 8), ("act3", 8)]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_any_network_takes_it(case: str) -> None:
    make, run, choice, expected = CASES[case]
    torch.manual_seed(0)
    net = make().eval()
    with torch.no_grad():
        before = run(net)
    paths = replace_activations(net, lambda: run(net), choice)
    assert [(path, len(net.get_submodule(path).p1)) for path in sorted(paths)] == sorted(expected)  # type: ignore[arg-type]
    quality = normal(2, 256)
    with given(net, quality), torch.no_grad():
        after = run(net)
        assert isinstance(before, Tensor)
        assert isinstance(after, Tensor)
        # An added module starts as the identity; SiLU is met exactly, others nearly.
        exact = all(path.endswith("added") for path in paths) or case == "diffusion"
        assert (after - before).abs().max() < (1e-5 if exact else 0.5 * before.abs().max() + 0.1)
        for path in paths:
            drawn(net.get_submodule(path))
        moved = run(net)
    with given(net, quality.flip(0)), torch.no_grad():
        assert not torch.equal(run(net), moved)  # type: ignore[arg-type]


def test_all_steps_of_a_diffusion_share_one_quality() -> None:
    net = UNet()
    replace_activations(net, lambda: unet_run(net), QuacOptions(sites=("act?",), quality="brisque"))
    with given(net, normal(2, 36)), torch.no_grad():
        noisy = normal(2, 3, 16, 16)
        for step in (0.9, 0.5, 0.1):
            noisy = noisy - 0.1 * net(noisy, torch.full((2,), step))
    assert noisy.shape == (2, 3, 16, 16)


def test_guidance_runs_twice_the_batch_and_checkpointing_runs_again_as_the_page_says() -> None:
    net, (noisy, times), q = UNet(), (normal(2, 3, 16, 16), torch.tensor([0.1, 0.7])), normal(2, 36)
    paths = replace_activations(net, lambda: net(noisy, times), QuacOptions(sites=("act?",), quality="brisque"))
    for path in paths:
        drawn(net.get_submodule(path))
    with given(net, q):
        once = net(noisy, times)
    with given(net, q.repeat(2, 1)):
        torch.testing.assert_close(net(noisy.repeat(2, 1, 1, 1), times.repeat(2)), once.repeat(2, 1, 1, 1))
    (expected,) = torch.autograd.grad(once.square().sum(), net.inward.weight)
    with given(net, q):
        checkpoint(net, noisy, times, use_reentrant=False).square().sum().backward()
    torch.testing.assert_close(net.inward.weight.grad, expected)
    text = PAGE.read_text("utf-8")
    assert "q.repeat(2, 1)" in text
    assert "`loss.backward()` inside `given`" in text


def test_places_that_are_none_are_explained() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    with pytest.raises(NotApplicable, match="no activation module"):
        replace_activations(plain, lambda: plain(normal(2, 3, 8, 8)))
    with pytest.raises(NotApplicable, match="no module of the network fits 'layer9'"):
        replace_activations(plain, lambda: plain(normal(2, 3, 8, 8)), QuacOptions(sites=("layer9",)))
    with pytest.raises(NotApplicable, match="is no activation module"):
        replace_activations(plain, lambda: plain(normal(2, 3, 8, 8)), QuacOptions(sites=("0",), how="replace"))

    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.GELU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(x.reshape(len(x) * 4, -1, 3))

    windows = Windows()
    with pytest.raises(NotApplicable, match="sees 8 parts of 2 pictures"):
        replace_activations(windows, lambda: windows(normal(2, 3, 8, 8)), QuacOptions(sites=("act",)))


def test_weights_of_another_feature_or_method_are_refused(tmp_path: Path) -> None:
    file, quality = tmp_path / "quac.safetensors", feature("brisque")
    choice = QuacOptions(sites=("1",), quality="brisque")
    trained, paths = adapt(tiny(), choice, quality)
    save_file(state_of(trained.net, paths), file, choice.metadata("brisque of another day"))
    with pytest.raises(WeightsError, match="made by other weights or another version"):
        QuacMethod(weights=file).setup(Setup(tiny(), None, "cpu"))
    for option in ({"zeroed": True}, {"norm": "none"}, {"quality": "encoder"}):
        with pytest.raises(WeightsError, match=f"`{next(iter(option))}: .*`: the weights were trained with"):
            QuacMethod(QuacOptions(**option), file).setup(Setup(tiny(), None, "cpu"))
    save_file({"a": torch.zeros(1)}, file, choice.metadata(quality.key))
    method = QuacMethod(weights=file)
    method.setup(Setup(tiny(), None, "cpu"))
    with pytest.raises(WeightsError, match="do not fit"):
        method.adapt(tiny())
    with pytest.raises(NotApplicable, match="qbench train quac"):
        QuacMethod().setup(Setup(tiny(), None, "cpu"))


def test_the_built_in_classifier_takes_every_placement() -> None:
    quality = feature("encoder")
    expected = {"post-backbone": 1, "stage-end": 4, "all": 13}
    for placement, places in expected.items():
        _, paths = adapt(Builtin("scenes").build(), QuacOptions(placement=placement), quality)  # type: ignore[arg-type]
        assert len(paths) == places
