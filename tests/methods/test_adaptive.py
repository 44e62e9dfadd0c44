"""How the quality of pictures reaches modules inside a network: in evaluation, in training and in halves of a cut."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

from qbench.errors import NotApplicable, QbenchError
from qbench.methods import quac, quarf
from qbench.methods.adaptive import QualityAdaptive, by_quality, given, standardise
from qbench.methods.quac.adapt import adapt as adapt_quac
from qbench.methods.quarf.adapt import adapt as adapt_quarf
from qbench.models.base import LoadedModel
from qbench.quality.features import Feature
from qbench.runs.costs import _context
from qbench.runs.measure import count_parameters
from qbench.vocabulary import InputConvention

from .nets import tiny


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
    ("adapted", "asks"),
    [
        (lambda model, feature: adapt_quac(model, quac.QuacOptions(), feature), True),
        (lambda model, feature: adapt_quac(model, quac.QuacOptions(zeroed=True), feature), False),
        (lambda model, feature: adapt_quac(model, quac.QuacOptions(activation="acon-c"), feature), False),
        (lambda model, feature: adapt_quac(model, quac.QuacOptions(activation="meta-acon"), feature), False),
        (lambda model, feature: adapt_quarf(model, quarf.QuarfOptions(), feature), True),
        (lambda model, feature: adapt_quarf(model, quarf.QuarfOptions(zeroed=True), feature), False),
        (lambda model, feature: adapt_quarf(model, quarf.QuarfOptions(gates="uniform"), feature), False),
        (lambda model, feature: adapt_quarf(model, quarf.QuarfOptions(experts="plain"), feature), False),
    ],
)
def test_controls_that_do_not_read_the_quality_do_not_ask_for_it(
    adapted: Callable[[LoadedModel, Feature], tuple[LoadedModel, object]], asks: bool
) -> None:
    runs: list[int] = []

    def compute(images: Tensor) -> Tensor:
        runs.append(len(images))
        return torch.zeros(len(images), 36)

    planted = Feature("brisque", 36, "planted", compute, (nn.Linear(2, 3),))
    model, _ = adapted(tiny(), planted)
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
