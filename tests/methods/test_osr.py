"""OSR-style reprogramming: the waves' arithmetic, published sizes, where it starts, and what each switch changes."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from qbench.errors import NotApplicable, WeightsError
from qbench.methods.osr import OsrMethod, OsrOptions
from qbench.methods.osr.net import Fusion, Osr, Waves, triples
from qbench.methods.osr.restorer import PlainRestorer
from qbench.models.protocols import Setup
from qbench.vocabulary import Context
from tests.conftest import ROOT

from .nets import count, uniform, untrained

SMALL = OsrOptions(plan="small")
SWITCHES: dict[str, OsrOptions] = {
    "as drawn": SMALL,
    "restorer residual": OsrOptions(plan="small", restorer_residual=True),
    "output residual": OsrOptions(plan="small", otf_residual=True),
    "pooled gates": OsrOptions(plan="small", gate_pool=True),
    "rectified phase": OsrOptions(plan="small", phase_act="relu_bn"),
    "two waves": OsrOptions(plan="small", channels=6),
    "no phase": OsrOptions(plan="small", phase=False),
    "no amplitude": OsrOptions(plan="small", amplitude=False),
    "no output transform": OsrOptions(plan="small", output="none"),
    "image translation": OsrOptions(plan="small", translation="image"),
    "plain": OsrOptions(plan="small", plain=True),
}


def drawn(choice: OsrOptions, restorer: nn.Module | None = None) -> Osr:
    """A network all of whose parameters were drawn, each with the scale of its layer: nothing rests at zero."""
    net = Osr(choice, restorer).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3
            faded = 0.1 if name.endswith("second.weight") else 1.0
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale * faded)
    return net


def test_the_restorer_has_the_released_sizes() -> None:
    assert count(PlainRestorer()) == 738_819
    assert count(PlainRestorer(block_bias=True)) == 740_035
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        PlainRestorer()(uniform(1, 3, 32, 32))
    assert counter.get_total_flops() / 2 / 32**2 * 224**2 == pytest.approx(37e9, rel=0.01)


def test_the_restorer_runs_twice() -> None:
    """On the real and on the imaginary part: 74.3 G at 224 pixels, of which the transforms are 0.15."""
    sums = []
    for net in (Osr(OsrOptions()), PlainRestorer()):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(uniform(1, 3, 32, 32))
        sums.append(counter.get_total_flops() / 2 / 32**2 * 224**2)
    assert round(sums[0] / 1e9, 1) == 74.3
    assert 0 < sums[0] - 2 * sums[1] < 0.16e9


def test_the_transforms_cost_what_their_layers_say() -> None:
    phase_and_amplitude, hidden = 2 * (3 * 3 + 3), 32
    waves, image, mix = 6 * hidden + hidden, 3 * hidden + hidden, hidden * hidden + hidden
    gates, last = hidden * 8 + 8 + 8 * 64 + 64, hidden * 3 * 9 + 3
    expected = phase_and_amplitude + waves + image + mix + gates + last
    assert expected == 3_139
    assert count(Osr(OsrOptions())) == 738_819 + expected
    assert count(Osr(SMALL)) == 46_467 + expected


def test_real_and_imaginary_parts_have_the_amplitude() -> None:
    """R^2 + M^2 = A^2, with R and M as the restorer meets them."""
    seen: list[Tensor] = []

    class Watched(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            seen.append(pictures)
            return pictures

    net, images = drawn(SMALL, Watched()), uniform(2, 3, 9, 11)
    net(images)
    real, imaginary = seen[0].chunk(2)
    assert isinstance(net.input, Waves)
    assert net.input.amplitude is not None
    assert net.input.amplitude.bias is not None
    weight, bias = net.input.amplitude.weight[:, :, 0, 0], net.input.amplitude.bias
    amplitude = torch.einsum("oc,bchw->bohw", weight, images) + bias[:, None, None]
    assert imaginary.abs().max() > 0.05
    torch.testing.assert_close(real**2 + imaginary**2, amplitude**2, atol=1e-6, rtol=1e-5)


def test_the_wave_is_the_real_part_of_the_answer_turned_back() -> None:
    """c + s = Re((R' + i M') exp(-i theta)), in complex numbers of numpy."""
    net, images = drawn(SMALL), uniform(2, 3, 9, 11)
    waves: list[tuple[Tensor, Tensor]] = []
    assert net.output is not None
    net.output.register_forward_pre_hook(lambda _m, given: waves.append(given[1:]))
    net(images)
    pixels = images.double().numpy()
    assert isinstance(net.input, Waves)

    def mixed(layer: nn.Conv2d) -> np.ndarray:
        weight, bias = layer.weight.detach().double().numpy()[:, :, 0, 0], layer.bias.detach().double().numpy()
        return np.einsum("oc,bchw->bohw", weight, pixels) + bias[:, None, None]

    wave = mixed(net.input.amplitude) * np.exp(1j * mixed(net.input.phase))

    def restored(part: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net.restorer(torch.from_numpy(part.copy()).float()).double().numpy()

    answer = restored(wave.real) + 1j * restored(wave.imag)
    expected = (answer * np.exp(-1j * mixed(net.input.phase))).real
    real, imaginary = waves[0]
    np.testing.assert_allclose((real + imaginary).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["output residual", "pooled gates", "rectified phase", "two waves", "no phase"])
def test_with_a_restorer_that_changes_nothing_it_starts_at_the_identity(name: str) -> None:
    options = json.loads(SWITCHES[name].metadata()["osr"]) | {"otf_residual": True}
    net = Osr(OsrOptions(**options), nn.Identity()).eval()
    net.start(3)
    images = uniform(2, 3, 12, 15)
    torch.testing.assert_close(net(images), images, atol=1e-6, rtol=0)


@pytest.mark.parametrize("choice", [SWITCHES["output residual"], SWITCHES["image translation"]])
def test_it_starts_at_the_restorer_as_it_is(choice: OsrOptions) -> None:
    net = Osr(choice).eval()
    net.start(0)
    assert isinstance(net.restorer, PlainRestorer)
    images = uniform(2, 3, 12, 15)
    torch.testing.assert_close(triples(net._restored(net.input(images)[0])).mean(1), net.restorer(images))
    if choice.otf_residual:
        torch.testing.assert_close(net(images), net.restorer(images), atol=1e-6, rtol=1e-5)


def test_half_a_turn_of_phase_negates_what_the_restorer_sees() -> None:
    """A closed form: theta = pi everywhere, A = x, and a restorer that adds b to everything it sees, gives
    R' = -x + b and c = x - b; M = A sin(pi) = 0, so that s = 0."""

    class Plus(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            return pictures + 0.25

    net = Osr(OsrOptions(plan="small", otf_residual=True), Plus()).eval()
    net.start(0)
    assert isinstance(net.input, Waves)
    with torch.no_grad():
        net.input.phase.bias.fill_(torch.pi)
    images = uniform(1, 3, 8, 8)
    torch.testing.assert_close(net(images), images - 0.25, atol=1e-5, rtol=0)


def test_equal_gates_halve_both_branches() -> None:
    """A closed form of the output transform: no opinion of the gates, identity branches, a convolution that passes."""
    fusion = Fusion(OsrOptions(hidden=8))
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.zero_()
        for i in range(3):
            fusion.waves.weight[i, i] = fusion.waves.weight[i, i + 3] = fusion.image.weight[i, i] = 1
            fusion.last.weight[i, i, 1, 1] = 1
        images, real, imaginary = uniform(3, 1, 3, 6, 5).unbind(0)
        torch.testing.assert_close(fusion(images, real, imaginary), (real + imaginary + images) / 2)
        fusion.gates[2].bias[:8] = 50.0
        torch.testing.assert_close(fusion(images, real, imaginary), real + imaginary)


@pytest.mark.parametrize("name", [name for name in SWITCHES if name != "as drawn"])
def test_every_switch_changes_what_is_computed(name: str) -> None:
    """From the same numbers wherever the networks share parameters."""
    usual, other = drawn(SMALL), Osr(SWITCHES[name]).eval()
    shared = {
        key: value
        for key, value in usual.state_dict().items()
        if key in other.state_dict() and value.shape == other.state_dict()[key].shape
    }
    other.load_state_dict(shared, strict=False)
    images = uniform(2, 3, 12, 15)
    with torch.no_grad():
        assert (usual(images) - other(images)).abs().max() > 1e-3


@pytest.mark.parametrize("choice", SWITCHES.values(), ids=list(SWITCHES))
def test_gradients_reach_every_parameter_from_the_start(choice: OsrOptions) -> None:
    """Where the last convolution starts at zero, its own gradient comes first: one step, and all are reached."""
    net = Osr(choice).train()
    net.start(0)
    images, clean = uniform(2, 3, 16, 16), uniform(2, 3, 16, 16, seed=1)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3)
    for _ in range(2):
        optimiser.zero_grad()
        (net(images) - clean).square().mean().backward()
        optimiser.step()
    assert untrained(net) == []


@pytest.mark.parametrize("choice", SWITCHES.values(), ids=list(SWITCHES))
def test_any_size_and_no_word_between_the_pictures_of_a_batch(choice: OsrOptions) -> None:
    net = drawn(choice)
    images = uniform(3, 3, 13, 10)
    with torch.no_grad():
        together, alone = net(images), torch.cat([net(image[None]) for image in images])
        assert net(uniform(1, 3, 1, 7)).shape == (1, 3, 1, 7)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_it_reprograms_a_restorer_of_any_kind() -> None:
    blur = nn.AvgPool2d(3, 1, 1)
    net = Osr(OsrOptions(otf_residual=True), blur).eval()
    net.start(0)
    images = uniform(1, 3, 9, 9)
    torch.testing.assert_close(net(images), blur(images), atol=1e-6, rtol=1e-5)


def write(net: Osr, choice: OsrOptions, folder: Path) -> Path:
    file = folder / "osr.safetensors"
    save_file(net.state_dict(), file, choice.metadata())
    return file


@pytest.mark.parametrize("choice", SWITCHES.values(), ids=list(SWITCHES))
def test_the_method_builds_what_the_header_says(choice: OsrOptions, tmp_path: Path) -> None:
    net = drawn(choice)
    method = OsrMethod(weights=write(net, choice, tmp_path))
    method.setup(Setup(None, None, "cpu"))
    images = uniform(2, 3, 19, 26)
    with torch.no_grad():
        expected = net(images).clamp(0, 1)
    restored = method.restore(images, Context(("a", "b"), images, ({}, {})))
    torch.testing.assert_close(restored, expected, atol=1e-5, rtol=1e-5)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="qbench train osr"):
        OsrMethod().setup(Setup(None, None, "cpu"))
    file = write(drawn(SMALL), OsrOptions(plan="small", plain=True), tmp_path)
    with pytest.raises(WeightsError, match="do not fit Osr"):
        OsrMethod(weights=file).setup(Setup(None, None, "cpu"))
    save_file({"x": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match="does not describe a network of osr"):
        OsrMethod(weights=file).setup(Setup(None, None, "cpu"))


@pytest.mark.parametrize("bad", [{"channels": 4}, {"channels": 6, "amplitude": False}, {"hidden": 6}, {"plan": "tiny"}])
def test_options_that_make_no_network(bad: dict[str, object]) -> None:
    make: Callable[..., OsrOptions] = OsrOptions
    with pytest.raises(ValueError, match=r"multiple|channels|plan"):
        make(**bad)


def test_the_example_of_the_page_starts_at_the_restorer_and_trains_the_transforms_alone(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "methods" / "osr.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "example.py"
    file.write_text(code)
    names = runpy.run_path(str(file))
    picture, net = names["picture"], names["net"]
    np.testing.assert_allclose(net(picture).detach().numpy(), names["mine"](picture).numpy(), atol=1e-6)
    sizes = {sum(parameter.numel() for parameter in part) for part in (names["transforms"], net.parameters())}
    assert sizes == {3139}, "a restorer without parameters adds none"
    assert f"{3139:,} parameters" in page
