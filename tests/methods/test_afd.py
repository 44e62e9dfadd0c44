"""AFD: exact re-parameterization, published sizes, alignment of the drifting map, identity, gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from qbench.errors import NotApplicable, WeightsError
from qbench.methods.afd import AfdMethod, AfdOptions
from qbench.methods.afd.fde import Gate
from qbench.methods.afd.net import Afd, base_width
from qbench.methods.afd.repconv import RepConv
from qbench.models.base import LoadedModel
from qbench.models.cut import Geometry, geometry
from qbench.models.initial import initialise
from qbench.vocabulary import Context, InputConvention, Setup


def stem(channels: int) -> Geometry:
    return Geometry(channels, 2.0, 0.5)


def drawn(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter away from zero, biases too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return module


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 1), (2, 5)])
@pytest.mark.parametrize(("inputs", "outputs"), [(6, 4), (4, 6)])
def test_a_merged_repconv_is_exact_to_the_border(size: tuple[int, int], inputs: int, outputs: int) -> None:
    block = drawn(RepConv(inputs, outputs))
    assert isinstance(block, RepConv)
    x = noise(2, inputs, *size)
    torch.testing.assert_close(block.deploy()(x), block(x), atol=1e-5, rtol=1e-5)


def test_padding_after_the_1x1_convolution_would_be_wrong_at_the_border() -> None:
    """The trap that `RepConv` avoids: zeros where the merged convolution assumes the bias."""
    block = drawn(RepConv(4, 4))
    assert isinstance(block, RepConv)
    x = noise(1, 4, 8, 8)
    trapped = F.conv2d(block.reduce(x), block.spread.weight, block.spread.bias, padding=1)
    trapped = trapped + block.mix(block.gather(x)) + block.point(x)
    off = (trapped - block.deploy()(x)).abs()
    assert off[:, :, 1:-1, 1:-1].max() < 1e-5
    assert off.max() > 1e-2


@pytest.mark.parametrize("plan", ["light", "release"])
@pytest.mark.parametrize("guide", ["mul_residual", "mul_each_scale", "concat_each_scale"])
@pytest.mark.parametrize("size", [(32, 32), (37, 27)])
def test_the_deployed_module_agrees(plan: str, guide: str, size: tuple[int, int]) -> None:
    net = drawn(Afd(AfdOptions(base=4, plan=plan, guide=guide, gate=True), stem(8)))  # type: ignore[arg-type]
    assert isinstance(net, Afd)
    images = noise(2, 3, *size)
    features = noise(2, 8, -(-size[0] // 2), -(-size[1] // 2))
    expected = net(features, images)
    assert (expected - features).abs().max() > 1e-2
    torch.testing.assert_close(net.deploy()(features, images), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("plan", "parameters"), [("light", 106_464), ("release", 115_680)])
def test_published_size(plan: str, parameters: int) -> None:
    assert count(Afd(AfdOptions(plan=plan, gate=False), stem(64), "deployed")) == parameters  # type: ignore[arg-type]


@pytest.mark.parametrize("gate", [False, True])
def test_the_light_plan_meets_the_papers_budget(gate: bool) -> None:
    net = Afd(AfdOptions(gate=gate), stem(64), "deployed")
    with FlopCounterMode(display=False) as counter:
        net(noise(1, 64, 112, 112), noise(1, 3, 224, 224))
    assert counter.get_total_flops() / 2 <= 0.36e9
    assert count(net) <= 110_000


def test_the_map_is_constant_inside_a_block() -> None:
    net = drawn(Afd(AfdOptions(base=4, gate=False), Geometry(8, 2.0, 0.5)))
    assert isinstance(net, Afd)
    fdm = net.spread(net.drifting_map(noise(1, 3, 32, 32)), torch.Size((16, 16)))
    cells = fdm.reshape(1, 8, 4, 4, 4, 4)
    assert torch.equal(cells, cells[:, :, :, :1, :, :1].expand_as(cells))
    assert not torch.equal(cells[:, :, 0], cells[:, :, 1])


def test_the_map_stays_aligned_on_an_odd_stem() -> None:
    """SqueezeNet's 7x7 stride-2 convolution without padding: 227 pixels to 111 features. A picture that lights one
    block alone gives features whose strongest response must get that block's value."""
    stem = nn.Conv2d(3, 4, 7, stride=2)
    measured = geometry(stem, 227)
    assert (measured.stride, measured.offset) == (2.0, 3.0)
    net = Afd(AfdOptions(base=4, gate=False), measured)
    blocks = torch.arange(29 * 29, dtype=torch.float32).reshape(1, 1, 29, 29)
    spread = net.spread(blocks, torch.Size((111, 111)))[0, 0]
    for row, column in ((0, 0), (1, 2), (13, 7), (110, 110), (55, 110)):
        window = torch.zeros(227, 227)
        window[2 * row : 2 * row + 7, 2 * column : 2 * column + 7] = 1
        centre = window.nonzero().float().mean(0)
        expected = 29 * int(centre[0] // 8) + int(centre[1] // 8)
        assert spread[row, column] == expected


@pytest.mark.parametrize("form", ["train", "deployed"])
def test_a_zero_residual_changes_nothing(form: str) -> None:
    net = drawn(Afd(AfdOptions(base=4, gate=True), stem(8), form))  # type: ignore[arg-type]
    assert isinstance(net, Afd)
    with torch.no_grad():
        for parameter in net.fe.outc.parameters():
            parameter.zero_()
    features = noise(1, 8, 16, 16)
    assert torch.equal(net(features, noise(1, 3, 32, 32)), features)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (40, 8), (8, 8), (16, 9)])
def test_pictures_of_one_block_a_side_have_features_too(size: tuple[int, int]) -> None:
    net = drawn(Afd(AfdOptions(base=4, gate=True, nonnegative=False), stem(8)))
    features = noise(1, 8, *(max(1, side // 2) for side in size))
    found = net(features, noise(1, 3, *size))
    assert found.shape == features.shape
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("guide", ["mul_residual", "mul_each_scale", "concat_each_scale"])
@pytest.mark.parametrize("plan", ["light", "release"])
def test_gradients_reach_every_parameter(plan: str, guide: str) -> None:
    net = drawn(Afd(AfdOptions(base=4, plan=plan, guide=guide, nonnegative=False, gate=True), stem(8)))  # type: ignore[arg-type]
    assert isinstance(net, Afd)
    assert net.gate is not None
    with torch.no_grad():
        net.gate.out.weight.mul_(0.01)
        net.gate.out.bias.zero_()
    net(noise(2, 8, 16, 16), noise(2, 3, 32, 32)).square().sum().backward()
    missing = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missing == []


def test_an_image_does_not_see_its_batch() -> None:
    net = drawn(Afd(AfdOptions(base=4, gate=True), stem(8)))
    features, images = noise(3, 8, 16, 16), noise(3, 3, 32, 32)
    alone = torch.cat([net(features[i : i + 1], images[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(net(features, images), alone, atol=1e-6, rtol=1e-6)


def test_features_below_zero_survive_where_the_site_has_them() -> None:
    features, images = -noise(1, 8, 16, 16), noise(1, 3, 32, 32)
    free, clipped = (Afd(AfdOptions(base=4, nonnegative=flag, gate=False), stem(8)) for flag in (False, True))
    initialise(free, 0, zero=("fe.outc",))
    assert torch.equal(free(features, images), features)
    assert clipped(features, images).min() >= 0


def test_an_open_gate_and_a_closed_one() -> None:
    net = drawn(Afd(AfdOptions(base=4, gate=True, nonnegative=False), stem(8)))
    assert isinstance(net, Afd)
    assert net.gate is not None
    features, images = noise(1, 8, 16, 16), noise(1, 3, 32, 32)
    with torch.no_grad():
        net.gate.out.weight.zero_()
        net.gate.out.bias.fill_(-9.0)
    assert torch.equal(net(features, images), features)
    with torch.no_grad():
        net.gate.out.bias.fill_(9.0)
    ungated = Afd(AfdOptions(base=4, nonnegative=False, gate=False), stem(8))
    ungated.load_state_dict({name: value for name, value in net.state_dict().items() if not name.startswith("gate")})
    assert torch.equal(net(features, images), ungated(features, images))


def test_the_gates_evidence_is_the_grid() -> None:
    """Blocks of constant colour, smooth inside, on the codec's grid against the same picture moved by half a block."""
    from qbench.methods.afd.dct import BlockDct

    levels = noise(1, 1, 12, 12).repeat_interleave(8, -1).repeat_interleave(8, -2)
    gate, dct = Gate(), BlockDct()
    aligned = gate.statistics(dct, levels[..., :80, :80])
    moved = gate.statistics(dct, levels[..., 4:84, 4:84])
    assert aligned[:, 1:64].mean() > 0.1
    assert moved[:, 1:64].mean() < -0.1


def test_base_width() -> None:
    assert [base_width(c) for c in (32, 64, 96, 192, 256)] == [16, 16, 16, 24, 32]


@pytest.fixture
def stem_model() -> LoadedModel:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    return LoadedModel(net.eval(), InputConvention(size=32, resize=None), {"D2": "1"})


def test_a_method_is_set_up_from_its_weights(stem_model: LoadedModel, tmp_path: Path) -> None:
    cut = stem_model.cut("D2")
    trained = drawn(Afd(AfdOptions(gate=True), cut.geometry(), "train"))
    assert isinstance(trained, Afd)
    file = tmp_path / "afd.safetensors"
    save_file(trained.deploy().state_dict(), file)
    images = noise(2, 3, 32, 32)
    features, context = cut.front(images), Context(("a", "b"), images, ({}, {}))
    helped = AfdMethod(weights=file)
    helped.setup(Setup(stem_model, None, "cpu"))
    with torch.inference_mode():
        found = helped.enhance(features, images, context)
    np.testing.assert_allclose(found.numpy(), trained(features, images).detach().numpy(), rtol=1e-4, atol=1e-2)


def test_weights_that_do_not_fit_and_none_at_all(stem_model: LoadedModel, tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file(Afd(AfdOptions(gate=True), stem(16), "deployed").state_dict(), file)
    with pytest.raises(WeightsError, match="do not fit Afd"):
        AfdMethod(weights=file).setup(Setup(stem_model, None, "cpu"))
    odd = tmp_path / "odd.safetensors"
    save_file(
        Afd(AfdOptions(gate=False), stem(8), "deployed").state_dict(), odd, {"afd": '{"site": "D2", "plann": "light"}'}
    )
    with pytest.raises(WeightsError, match="header of the weights"):
        AfdMethod(weights=odd).setup(Setup(stem_model, None, "cpu"))
    with pytest.raises(NotApplicable, match="qbench train afd"):
        AfdMethod().setup(Setup(stem_model, None, "cpu"))
    with pytest.raises(NotApplicable, match="no site 'D7'"):
        AfdMethod(AfdOptions(site="D7"), file).setup(Setup(stem_model, None, "cpu"))


def test_the_header_of_the_weights_says_what_they_are(stem_model: LoadedModel, tmp_path: Path) -> None:
    file = tmp_path / "afd.safetensors"
    choice = AfdOptions(site="0", plan="release", gate=False, base=4, nonnegative=False)
    geometry = stem_model.cut("0").geometry()
    save_file(Afd(choice, geometry, "deployed").state_dict(), file, choice.metadata())
    helped = AfdMethod(weights=file)
    helped.setup(Setup(stem_model, None, "cpu"))
    assert helped.at == "0"
    assert helped.network.options == choice
    with pytest.raises(WeightsError, match="`plan: light`: the weights were trained with `plan: release`"):
        AfdMethod(AfdOptions(plan="light"), file).setup(Setup(stem_model, None, "cpu"))
    with pytest.raises(WeightsError, match="`fde: pixels`: the weights were trained with `fde: dct`"):
        AfdMethod(AfdOptions(fde="pixels"), file).setup(Setup(stem_model, None, "cpu"))
    with pytest.raises(WeightsError, match="`nonnegative: true`: the weights were trained with `nonnegative: false`"):
        AfdMethod(AfdOptions(nonnegative=True), file).setup(Setup(stem_model, None, "cpu"))
    elsewhere = AfdMethod(AfdOptions(site="1", plan="release"), file)
    elsewhere.setup(Setup(stem_model, None, "cpu"))
    assert elsewhere.at == "1"
