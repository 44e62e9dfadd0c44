"""AFD: exact re-parameterization, published sizes, alignment of the drifting map, identity, gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from qbench.errors import NotApplicable, WeightsError
from qbench.methods.afd import AfdMethod, AfdOptions
from qbench.methods.afd.backbones import BACKBONES
from qbench.methods.afd.fde import Gate
from qbench.methods.afd.net import Afd, base_width
from qbench.methods.afd.repconv import RepConv
from qbench.models.cut import geometry
from qbench.models.initial import initialise
from qbench.models.protocols import Setup
from qbench.vocabulary import Context

from .nets import afd, count, drawn, stem, tiny, uniform, untrained

GATED: list[dict[str, Any]] = [
    {"plan": plan, "guide": guide, "gate": True}
    for plan in ("light", "release")
    for guide in ("mul_residual", "mul_each_scale", "concat_each_scale")
]
ABLATIONS: list[dict[str, Any]] = [
    *({"fde": fde} for fde in ("pixels", "shuffled", "none")),
    *({"backbone": backbone} for backbone in BACKBONES),
    {"backbone": "dcnn", "fde": "none"},
    {"plan": "release"},
]


def name(options: dict[str, Any]) -> str:
    return " ".join(map(str, options.values()))


every_module = pytest.mark.parametrize("options", GATED + ABLATIONS, ids=name)


def pair(height: int, width: int, count: int = 2) -> tuple[Tensor, Tensor]:
    """Features and the pictures that they come from, in float64."""
    features, images = uniform(count, 8, -(-height // 2), -(-width // 2)), uniform(count, 3, height, width, seed=2)
    return features.double(), images.double()


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 1), (2, 5)])
@pytest.mark.parametrize(("inputs", "outputs"), [(6, 4), (4, 6)])
def test_a_merged_repconv_is_exact_to_the_border(size: tuple[int, int], inputs: int, outputs: int) -> None:
    block = drawn(RepConv(inputs, outputs), 0.2)
    x = uniform(2, inputs, *size)
    torch.testing.assert_close(block.deploy()(x), block(x), atol=1e-5, rtol=1e-5)


def test_padding_after_the_1x1_convolution_would_be_wrong_at_the_border() -> None:
    """The trap that `RepConv` avoids: zeros where the merged convolution assumes the bias."""
    block = drawn(RepConv(4, 4), 0.2)
    x = uniform(1, 4, 8, 8)
    trapped = F.conv2d(block.reduce(x), block.spread.weight, block.spread.bias, padding=1)
    trapped = trapped + block.mix(block.gather(x)) + block.point(x)
    off = (trapped - block.deploy()(x)).abs()
    assert off[:, :, 1:-1, 1:-1].max() < 1e-5
    assert off.max() > 1e-2


@every_module
@pytest.mark.parametrize("size", [(32, 32), (37, 27)])
def test_the_deployed_form_agrees_and_keeps_the_shape(options: dict[str, Any], size: tuple[int, int]) -> None:
    net = afd(**options).double()
    features, images = pair(*size)
    expected = net(features, images)
    assert expected.shape == features.shape
    assert (expected - features).abs().max() > 1e-2
    torch.testing.assert_close(net.deploy()(features, images), expected)


@pytest.mark.parametrize(("plan", "parameters"), [("light", 106_464), ("release", 115_680)])
def test_published_size(plan: str, parameters: int) -> None:
    assert count(Afd(AfdOptions(plan=plan, gate=False), stem(64), "deployed")) == parameters  # type: ignore[arg-type]


@pytest.mark.parametrize("gate", [False, True])
def test_the_light_plan_meets_the_papers_budget(gate: bool) -> None:
    net = Afd(AfdOptions(gate=gate), stem(64), "deployed")
    with FlopCounterMode(display=False) as counter:
        net(uniform(1, 64, 112, 112), uniform(1, 3, 224, 224))
    assert counter.get_total_flops() / 2 <= 0.36e9
    assert count(net) <= 110_000


def test_the_map_is_constant_inside_a_block() -> None:
    net = afd()
    fdm = net.spread(net.drifting_map(uniform(1, 3, 32, 32)), torch.Size((16, 16)))
    cells = fdm.reshape(1, 8, 4, 4, 4, 4)
    assert torch.equal(cells, cells[:, :, :, :1, :, :1].expand_as(cells))
    assert not torch.equal(cells[:, :, 0], cells[:, :, 1])


def test_the_map_stays_aligned_on_an_odd_stem() -> None:
    """SqueezeNet's 7x7 stride-2 convolution without padding: 227 pixels to 111 features. A picture that lights one
    block alone gives features whose strongest response must get that block's value."""
    measured = geometry(nn.Conv2d(3, 4, 7, stride=2), 227)
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
    net = afd(form, gate=True)
    with torch.no_grad():
        for parameter in net.fe.outc.parameters():
            parameter.zero_()
    features = uniform(1, 8, 16, 16)
    assert torch.equal(net(features, uniform(1, 3, 32, 32)), features)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (40, 8), (8, 8), (16, 9)])
def test_pictures_of_one_block_a_side_have_features_too(size: tuple[int, int]) -> None:
    net = afd(gate=True, nonnegative=False)
    features = uniform(1, 8, *(max(1, side // 2) for side in size))
    mended = net(features, uniform(1, 3, *size))
    assert mended.shape == features.shape
    assert torch.isfinite(mended).all()


@every_module
@pytest.mark.parametrize("form", ["train", "deployed"])
def test_gradients_reach_every_parameter(options: dict[str, Any], form: str) -> None:
    net = afd(form, **options, nonnegative=False).double()
    if net.gate is not None:
        with torch.no_grad():
            net.gate.out.weight.mul_(0.01)
            net.gate.out.bias.zero_()
    net(*pair(32, 32)).square().sum().backward()
    assert untrained(net) == []


@pytest.mark.parametrize("options", ABLATIONS, ids=name)
def test_training_moves_every_parameter_from_the_closed_start(options: dict[str, Any]) -> None:
    """The first step opens the last layer; from the second on every parameter learns."""
    net = afd(**options, nonnegative=False)
    initialise(net, 0, zero=net.closing)
    net.double()
    features, images = pair(32, 32)
    assert torch.equal(net(features, images), features)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-2)
    target = features + 0.1 * uniform(*features.shape, seed=5)
    for _ in range(3):
        optimiser.zero_grad()
        F.mse_loss(net(features, images), target).backward()
        optimiser.step()
    assert untrained(net) == []


@every_module
def test_an_image_does_not_see_its_batch(options: dict[str, Any]) -> None:
    net = afd(**options).double()
    features, images = pair(32, 40, count=3)
    alone = torch.cat([net(features[i : i + 1], images[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(net(features, images), alone)


def test_features_below_zero_survive_where_the_site_has_them() -> None:
    features, images = -uniform(1, 8, 16, 16), uniform(1, 3, 32, 32)
    free, clipped = (Afd(AfdOptions(base=4, nonnegative=flag, gate=False), stem(8)) for flag in (False, True))
    initialise(free, 0, zero=("fe.outc",))
    assert torch.equal(free(features, images), features)
    assert clipped(features, images).min() >= 0


def test_an_open_gate_and_a_closed_one() -> None:
    net = afd(gate=True, nonnegative=False)
    assert net.gate is not None
    features, images = uniform(1, 8, 16, 16), uniform(1, 3, 32, 32)
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

    levels = uniform(1, 1, 12, 12).repeat_interleave(8, -1).repeat_interleave(8, -2)
    gate, dct = Gate(), BlockDct()
    aligned = gate.statistics(dct, levels[..., :80, :80])
    moved = gate.statistics(dct, levels[..., 4:84, 4:84])
    assert aligned[:, 1:64].mean() > 0.1
    assert moved[:, 1:64].mean() < -0.1


def test_base_width() -> None:
    assert [base_width(c) for c in (32, 64, 96, 192, 256)] == [16, 16, 16, 24, 32]


@pytest.mark.parametrize(
    ("options", "header"),
    [*((options, True) for options in [*GATED, *ABLATIONS]), ({"gate": True, "base": None}, False)],
)
def test_a_method_is_set_up_from_its_weights(options: dict[str, Any], header: bool, tmp_path: Path) -> None:
    """The header alone says which module it is; without one it is the default."""
    trained, file, images = afd(**options), tmp_path / "afd.safetensors", uniform(2, 3, 32, 32)
    save_file(trained.deploy().state_dict(), file, trained.options.metadata() if header else None)
    helped = AfdMethod(weights=file)
    helped.setup(Setup(tiny(), None, "cpu"))
    assert helped.network.options == trained.options
    features = tiny().cut("D2").front(images)
    with torch.inference_mode():
        mended = helped.enhance(features, images, Context(("a", "b"), images, ({}, {})))
        expected = trained(features, images)
    torch.testing.assert_close(mended, expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-4)


def test_weights_that_do_not_fit_and_none_at_all(tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file(Afd(AfdOptions(gate=True), stem(16), "deployed").state_dict(), file)
    with pytest.raises(WeightsError, match="do not fit Afd"):
        AfdMethod(weights=file).setup(Setup(tiny(), None, "cpu"))
    odd = tmp_path / "odd.safetensors"
    save_file(
        Afd(AfdOptions(gate=False), stem(8), "deployed").state_dict(), odd, {"afd": '{"site": "D2", "plann": "light"}'}
    )
    with pytest.raises(WeightsError, match="header of the weights"):
        AfdMethod(weights=odd).setup(Setup(tiny(), None, "cpu"))
    with pytest.raises(NotApplicable, match="qbench train afd"):
        AfdMethod().setup(Setup(tiny(), None, "cpu"))
    with pytest.raises(NotApplicable, match="no site 'D7'"):
        AfdMethod(AfdOptions(site="D7"), file).setup(Setup(tiny(), None, "cpu"))


def test_the_header_of_the_weights_says_what_they_are(tmp_path: Path) -> None:
    assert '"fde": "none"' in AfdOptions(fde="none").metadata()["afd"]
    assert "fde" not in AfdOptions().metadata()["afd"], "weights of the default, trained again, keep their digest"
    file = tmp_path / "afd.safetensors"
    choice = AfdOptions(site="0", plan="release", gate=False, base=4, nonnegative=False)
    geometry = tiny().cut("0").geometry()
    save_file(Afd(choice, geometry, "deployed").state_dict(), file, choice.metadata())
    helped = AfdMethod(weights=file)
    helped.setup(Setup(tiny(), None, "cpu"))
    assert helped.at == "0"
    assert helped.network.options == choice
    with pytest.raises(WeightsError, match="`plan: light`: the weights were trained with `plan: release`"):
        AfdMethod(AfdOptions(plan="light"), file).setup(Setup(tiny(), None, "cpu"))
    with pytest.raises(WeightsError, match="`fde: pixels`: the weights were trained with `fde: dct`"):
        AfdMethod(AfdOptions(fde="pixels"), file).setup(Setup(tiny(), None, "cpu"))
    with pytest.raises(WeightsError, match="`nonnegative: true`: the weights were trained with `nonnegative: false`"):
        AfdMethod(AfdOptions(nonnegative=True), file).setup(Setup(tiny(), None, "cpu"))
    elsewhere = AfdMethod(AfdOptions(site="1", plan="release"), file)
    elsewhere.setup(Setup(tiny(), None, "cpu"))
    assert elsewhere.at == "1"
