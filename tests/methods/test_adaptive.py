"""How the quality of pictures reaches modules inside a network: in evaluation, in training and in halves of a cut."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, fx, nn

from qbench.errors import NotApplicable, QbenchError, WeightsError
from qbench.methods.adaptive import QualityAdaptive, by_quality, given, reads_quality, standardise
from qbench.methods.inserted import state_of
from qbench.methods.quac import Kind, Placement, QuacOptions
from qbench.methods.quac.adapt import adapt as adapt_quac
from qbench.methods.quac.adapt import replace_activations
from qbench.methods.quarf import Experts, QuarfOptions
from qbench.methods.quarf.adapt import adapt as adapt_quarf
from qbench.methods.quarf.adapt import insert_fields
from qbench.models.base import LoadedModel
from qbench.models.protocols import Setup
from qbench.quality.features import Feature, feature
from qbench.registry import get
from qbench.runs.costs import _context
from qbench.runs.measure import count_parameters
from qbench.vocabulary import InputConvention

from .nets import drawn, normal, tiny, uniform


class Tinted(QualityAdaptive):
    """Adds the first quality feature to everything; not a leaf, so that a tracer would look inside."""

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        self.inner = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.quality_for(x)[:, 0].view(-1, *[1] * (x.dim() - 1))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.tint, self.head = nn.Conv2d(3, 4, 3, 2, 1), Tinted(1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.tint(self.stem(x)))).mean((2, 3))


def red(runs: list[int]) -> Feature:
    def compute(images: Tensor) -> Tensor:
        runs.append(len(images))
        return images[:, :1].mean((2, 3))

    return Feature("red", 1, "red", compute)


@pytest.fixture
def runs() -> list[int]:
    return []


@pytest.fixture
def model(runs: list[int]) -> LoadedModel:
    torch.manual_seed(0)
    return by_quality(LoadedModel(Net().eval(), InputConvention(size=16, resize=None), {"D1": "stem"}), red(runs))


def pictures(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(count))


def by_hand(model: LoadedModel, images: Tensor, quality: Tensor) -> Tensor:
    net = model.net
    assert isinstance(net, Net)
    inner = net.stem(model.normalise(images)) + quality.view(-1, 1, 1, 1)
    return net.head(torch.relu(inner)).mean((2, 3))


def test_the_quality_is_that_of_the_pictures_before_the_network_normalises_them(model: LoadedModel) -> None:
    images = pictures()
    torch.testing.assert_close(model.predict(images), by_hand(model, images, images[:, 0].mean((1, 2))))
    assert torch.allclose(model.predict(images[:1]), model.predict(images)[:1], atol=1e-6)


def test_with_a_context_it_is_computed_once_and_of_the_degraded_pictures(model: LoadedModel, runs: list[int]) -> None:
    images, helped = pictures(), pictures() * 0.5
    context = _context(images)
    expected = by_hand(model, helped, images[:, 0].mean((1, 2)))
    torch.testing.assert_close(model.predict(helped, context), expected)
    model.predict(images, context)
    assert runs == [3]


def test_both_halves_of_a_cut_know_it(model: LoadedModel, runs: list[int]) -> None:
    images = pictures()
    whole = model.predict(images)
    for site in ("D1", "tint", "head"):
        cut = model.cut(site)
        assert isinstance(cut._front, fx.GraphModule), "the module inside kept the network from being traced"
        features = cut.front(images)
        assert torch.equal(cut.back(features, images), whole), site
        with pytest.raises(QbenchError, match="without the quality"):
            cut._back(torch.zeros_like(features), images) if site == "D1" else cut._front(images)
    assert model.cut("D1").geometry().stride == 2
    other = pictures() * 0.3
    with model.given(images):
        traced = model.cut("head")
    assert torch.equal(traced.front(other).mean((2, 3)), model.predict(other)), "a trace kept the quality"
    assert torch.equal(model.cut("head").front(other).mean((2, 3)), model.predict(other)), "a trace kept the quality"


def test_nothing_stays_behind_and_copies_are_their_own(model: LoadedModel) -> None:
    net = model.net
    assert isinstance(net, Net)
    twin = copy.deepcopy(net)
    with given(net, torch.ones(1, 1)):
        net(pictures(1))
        with given(net, torch.zeros(1, 1)):
            assert net.tint.quality_for(pictures(1)).item() == 0
        assert net.tint.quality_for(pictures(1)).item() == 1
        with pytest.raises(QbenchError, match="without the quality"):
            twin(pictures(1))
    with pytest.raises(QbenchError, match="without the quality"):
        net(pictures(1))
    with pytest.raises(ZeroDivisionError), given(net, torch.ones(1, 1)):
        raise ZeroDivisionError
    assert net.tint._quality is None


def test_another_batch_s_quality_is_refused(model: LoadedModel) -> None:
    with given(model.net, torch.ones(2, 1)), pytest.raises(QbenchError, match=r"of 3 pictures, not \[2, 1\]"):
        model.net(pictures(3))


def test_features_are_standardised_and_the_control_sees_the_mean(model: LoadedModel) -> None:
    module = Tinted(3)
    sample = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 0.1, 0.0]) + 7
    standardise(module, sample)
    with given(module, sample):
        standardised = module.quality_for(torch.zeros(50, 1))
    assert standardised.mean(0).abs().max() < 1e-4
    torch.testing.assert_close(standardised.std(0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-3, rtol=1e-3)
    module.zeroed = True
    with given(module, sample):
        assert not module.quality_for(torch.zeros(50, 1)).any()
    again = Tinted(3)
    again.load_state_dict(module.state_dict())
    assert torch.equal(again.quality_std, module.quality_std)


@pytest.mark.parametrize(
    ("adapt", "asks"),
    [
        (lambda model, feature: adapt_quac(model, QuacOptions(), feature), True),
        (lambda model, feature: adapt_quac(model, QuacOptions(zeroed=True), feature), False),
        (lambda model, feature: adapt_quac(model, QuacOptions(activation="acon-c"), feature), False),
        (lambda model, feature: adapt_quac(model, QuacOptions(activation="meta-acon"), feature), False),
        (lambda model, feature: adapt_quarf(model, QuarfOptions(), feature), True),
        (lambda model, feature: adapt_quarf(model, QuarfOptions(zeroed=True), feature), False),
        (lambda model, feature: adapt_quarf(model, QuarfOptions(gates="uniform"), feature), False),
        (lambda model, feature: adapt_quarf(model, QuarfOptions(experts="plain"), feature), False),
    ],
)
def test_controls_that_do_not_read_the_quality_do_not_ask_for_it(
    adapt: Callable[[LoadedModel, Feature], tuple[LoadedModel, object]], asks: bool
) -> None:
    runs: list[int] = []

    def compute(images: Tensor) -> Tensor:
        runs.append(len(images))
        return torch.zeros(len(images), 36)

    planted = Feature("brisque", 36, "planted", compute, (nn.Linear(2, 3),))
    model, _ = adapt(tiny(), planted)
    images = pictures()
    with torch.no_grad():
        plain = model.predict(images)
        assert torch.equal(model.predict(images, _context(images)), plain)
        cut = model.cut("D2")
        assert torch.equal(cut.back(cut.front(images), images), plain)
        with given(model.net, torch.full((3, 36), 9.0)):
            with_quality = model.net(model.normalise(images))
    assert bool(runs) == asks
    assert (count_parameters(model.networks) - count_parameters([model.net])) == (9 if asks else 0)
    assert asks or torch.equal(with_quality, plain)


def test_a_model_adapts_once(model: LoadedModel) -> None:
    with pytest.raises(NotApplicable, match="already knows"):
        by_quality(model, red([]))


EXPERTS: tuple[Experts, ...] = get_args(Experts)
ACTIVATIONS: tuple[Kind, ...] = get_args(Kind)
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
INSERTED: list[QuacOptions | QuarfOptions] = [
    QuacOptions(sites=("1",), how="replace", quality="brisque"),
    QuacOptions(sites=("1",), how="add", quality="brisque"),
    QuacOptions(sites=("1",), how="replace", quality_width=4, quality="brisque"),
    *(QuarfOptions(experts=experts, top=2, quality="brisque") for experts in EXPERTS),
]


def adapted(options: QuacOptions | QuarfOptions, model: LoadedModel) -> tuple[LoadedModel, list[str]]:
    adapt: Any = adapt_quac if isinstance(options, QuacOptions) else adapt_quarf
    model_and_paths: tuple[LoadedModel, list[str]] = adapt(model, options, feature("brisque"))
    return model_and_paths


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("options", INSERTED)
def test_a_method_is_what_was_trained(options: QuacOptions | QuarfOptions, whole: bool, tmp_path: Path) -> None:
    key, quality = "quac" if isinstance(options, QuacOptions) else "quarf", feature("brisque")
    trained, paths = adapted(options, tiny())
    for module in [trained.net] if whole else [trained.net.get_submodule(path) for path in paths]:
        drawn(module)
    images, file = uniform(3, 3, 32, 32), tmp_path / "weights.safetensors"
    standardise(trained.net, quality.of(images))
    state = trained.net.state_dict() if whole else state_of(trained.net, paths)
    save_file(dict(state), file, options.metadata(quality.key))
    method = get("method", key).target(weights=file)
    method.setup(Setup(tiny(), None, "cpu"))
    loaded = method.adapt(tiny())
    with torch.inference_mode():
        expected = trained.predict(images)
        assert torch.equal(loaded.predict(images), expected)
        assert torch.equal(loaded.predict(images, _context(images)), expected)
        torch.testing.assert_close(loaded.predict(images[:1]), expected[:1])
        cut = loaded.cut("D2")
        assert torch.equal(cut.back(cut.front(images), images), expected)
        swapped = loaded.predict(images, _context(images.flip(0)))
        assert torch.equal(swapped, expected) != reads_quality(trained.net)
    save_file(dict(state), file, {key: '{"grups": 2}'})
    with pytest.raises(WeightsError, match=f"does not describe a network of {key}"):
        get("method", key).target(weights=file).setup(Setup(tiny(), None, "cpu"))


@pytest.mark.parametrize("afterwards", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    "options",
    [
        *(QuacOptions(placement="all", activation=activation, quality="brisque", quality_width=4)
          for activation in ACTIVATIONS),
        QuarfOptions(sites=("1",), routing="soft", quality="brisque"),
        QuarfOptions(sites=("1",), routing="hard", quality="brisque"),
    ],
)  # fmt: skip
def test_networks_of_other_types_keep_their_type(
    options: QuacOptions | QuarfOptions, dtype: torch.dtype, afterwards: bool
) -> None:
    """Whether the network has its type before it gets the modules or after."""
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1)), normal(2, 3, 16, 16)
    with torch.no_grad():
        before = net(x)
    net = net if afterwards else net.to(dtype)
    put: Any = replace_activations if isinstance(options, QuacOptions) else insert_fields
    put(net, lambda: net(x.to(next(net.parameters()).dtype)), options)
    if afterwards:
        net.to(dtype)
    with given(net.train(), normal(2, 36)):
        after = net(x.to(dtype))
        after.sum().backward()
    assert after.dtype == dtype
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert isinstance(options, QuarfOptions) or len(gradients) == len(list(net.parameters()))
    starts_as_it_was = isinstance(options, QuarfOptions) or options.activation == "quac"
    assert (after - before).abs().max() < 0.1 or not starts_as_it_was


@pytest.mark.parametrize("options", [QuarfOptions(), *(QuacOptions(placement=placement) for placement in PLACEMENTS)])
def test_a_network_without_parameters_is_not_applicable(options: QuacOptions | QuarfOptions) -> None:
    with pytest.raises(NotApplicable):
        adapted(options, LoadedModel(nn.Identity(), InputConvention(size=None, resize=None), {}))
