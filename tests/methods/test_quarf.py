"""QuARF's block by its definition, its size, its routes, and inside networks."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from qbench.cards.lookup import find_weights
from qbench.draws import keyed
from qbench.errors import NotApplicable, WeightsError
from qbench.methods.adaptive import given, standardise
from qbench.methods.inserted import state_of
from qbench.methods.quarf import QuarfMethod, QuarfOptions
from qbench.methods.quarf.adapt import adapt, insert_fields
from qbench.methods.quarf.block import Plain, Quarf, Routing
from qbench.models.base import LoadedModel
from qbench.models.builtin.declared import Builtin
from qbench.quality.features import feature
from qbench.vocabulary import InputConvention, Setup

KINDS = ("dilated", "two_step", "dense_k")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def drawn(module: nn.Module, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return module


def block(**options: Any) -> Quarf:
    made: Quarf = drawn(Quarf(8, 5, **options)).eval()
    return made


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("channels", "published"), [(64, "9.3k + 131k"), (128, "168k"), (256, "279k")])
def test_the_size_of_the_released_block(channels: int, published: str) -> None:
    made = Quarf(channels, 4096)
    assert made.logits is not None
    assert made.spread is not None
    experts, router = count(made.experts), count(made.logits) + count(made.spread)
    assert count(made) == experts + router
    told = f"{experts / 1e3:.1f}k + {router / 1e3:.0f}k" if "+" in published else f"{count(made) / 1e3:.0f}k"
    assert told == published


def test_the_released_block_costs_as_much_as_a_plain_convolution() -> None:
    made, x = Quarf(64, 4096).eval(), noise(1, 64, 10, 12)
    with given(made, noise(1, 4096)), FlopCounterMode(display=False) as counter:
        made(x)
    router = 4096 * 16
    assert counter.get_total_flops() // 2 == 36_864 * 120 + router
    with FlopCounterMode(display=False) as plain:
        Plain(64)(x)
    assert plain.get_total_flops() // 2 == 36_864 * 120


def reach(module: nn.Module, size: int = 41) -> tuple[int, int]:
    """Width of the field of the middle output, and the places in its middle row that it does not see."""
    x = torch.zeros(1, 2, size, size, requires_grad=True)
    module(x)[0, 0, size // 2, size // 2].backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0)[size // 2].nonzero().flatten()
    width = int(seen[-1] - seen[0]) + 1
    return width, width - len(seen)


@pytest.mark.parametrize(
    ("kind", "fields", "holes"),
    [
        ("dilated", [3, 5, 9, 17], [0, 2, 6, 14]),
        ("two_step", [3, 7, 13, 25], [0] * 4),
        ("dense_k", [3, 5, 7, 9], [0] * 4),
    ],
)
def test_receptive_fields(kind: str, fields: list[int], holes: list[int]) -> None:
    made = drawn(Quarf(2, 5, experts=kind, groups=1))
    assert [reach(expert) for expert in made.experts] == list(zip(fields, holes, strict=True))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_soft_routing_is_its_definition(kind: str, own: bool) -> None:
    made = block(experts=kind, own_experts=own, top=3)
    x, q = noise(3, 8, 12, 10), noise(3, 5, seed=1) * 2 + 3
    standardise(made, noise(50, 5, seed=2) * 2 + 3)
    with given(made, q), torch.no_grad():
        found = made(x)
    assert made.logits is not None
    seen = (q - made.quality_mean) / made.quality_std
    seen = (seen - seen.mean(1, keepdim=True)) / (seen.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    logits = (seen @ made.logits.weight.T + made.logits.bias).detach().view(3, 4, 4).numpy()
    for picture in range(3):
        for group in range(4):
            kept = np.sort(logits[picture, group])[::-1][2]
            raised = np.where(logits[picture, group] >= kept, np.exp(logits[picture, group]), 0)
            gates = raised / raised.sum()
            part = x[picture : picture + 1, 2 * group : 2 * group + 2]
            with torch.no_grad():
                mixed = sum(float(g) * by_hand(made, e, part, group) for e, g in enumerate(gates))
            assert isinstance(mixed, Tensor)
            torch.testing.assert_close(
                found[picture : picture + 1, 2 * group : 2 * group + 2], mixed, atol=1e-4, rtol=1e-4
            )


def by_hand(made: Quarf, place: int, part: Tensor, group: int) -> Tensor:
    """An expert on one group [1, 2, H, W], tap by tap."""
    for conv in made.experts[place].steps:  # type: ignore[union-attr]
        rows = slice(2 * group, 2 * group + 2) if made.own else slice(None)
        weight, bias, step = conv.weight[rows], conv.bias[rows], conv.dilation[0]
        kernel = weight.shape[-1]
        padded = F.pad(part, [step * (kernel // 2)] * 4)
        out = bias.view(1, -1, 1, 1).expand(1, 2, *part.shape[-2:]).clone()
        for v in range(kernel):
            for u in range(kernel):
                seen = padded[:, :, v * step :, u * step :][:, :, : part.shape[-2], : part.shape[-1]]
                tap = weight[:, :, v, u]
                out += seen * tap.view(1, -1, 1, 1) if tap.shape[1] == 1 else torch.einsum("oc,bchw->bohw", tap, seen)
        part = out
    return part


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_hard_routing_is_soft_routing_by_one_expert(kind: str, own: bool) -> None:
    soft, hard = (block(experts=kind, own_experts=own, top=top, routing=r) for top, r in ((1, "soft"), (4, "hard")))
    x, q = noise(5, 8, 9, 11), noise(5, 5)
    with given(nn.ModuleList([soft, hard]), q), torch.no_grad():
        torch.testing.assert_close(hard(x), soft(x), atol=1e-5, rtol=1e-5)
        assert len(torch.unique(hard.last_gates.argmax(2))) > 1  # type: ignore[union-attr]


def test_hard_routing_runs_only_what_it_needs() -> None:
    soft, hard = block(), block(routing="hard")
    flops = []
    for made in (soft, hard):
        with given(made, noise(1, 5)), FlopCounterMode(display=False) as counter, torch.no_grad():
            made(noise(1, 8, 16, 16))
        flops.append(counter.get_total_flops() // 2 - 5 * 16)
    assert flops == [4 * 8 * 2 * 9 * 256, 8 * 2 * 9 * 256]


@pytest.mark.parametrize("top", [1, 2, 3, 4])
def test_gates_sum_to_one_and_only_the_largest_stay(top: int) -> None:
    made = block(top=top)
    x, q = noise(6, 8, 4, 4), noise(6, 5)
    with given(made, q), torch.no_grad():
        made(x)
    assert made.last_gates is not None
    torch.testing.assert_close(made.last_gates.sum(2), torch.ones(6, 4))
    assert ((made.last_gates > 0).sum(2) == top).all()


@pytest.mark.parametrize("gates", ["quality", "uniform"])
def test_no_more_than_the_largest_stay_where_logits_are_equal(gates: str) -> None:
    made = Quarf(8, 5, gates=gates, top=2).eval()  # type: ignore[arg-type]
    if made.logits is not None:
        nn.init.zeros_(made.logits.weight)
        nn.init.zeros_(made.logits.bias)
    with given(made, noise(2, 5)):
        made(noise(2, 8, 6, 6))
    assert made.last_gates is not None
    torch.testing.assert_close(made.last_gates, torch.tensor([0.5, 0.5, 0.0, 0.0]).expand(2, 4, 4))


def test_a_quality_of_one_number_decides_too() -> None:
    made, x = drawn(Quarf(8, 1)).eval(), noise(1, 8, 6, 6).expand(2, -1, -1, -1)
    with given(made, torch.tensor([[-3.0], [3.0]])):
        found = made(x)
    assert (made.last_gates[0] - made.last_gates[1]).abs().max() > 0.1
    assert (found[0] - found[1]).abs().max() > 1e-2


@pytest.mark.parametrize("afterwards", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("routing", ["soft", "hard"])
def test_networks_of_other_types_keep_their_type(routing: Routing, dtype: torch.dtype, afterwards: bool) -> None:
    """Whether the network has its type before it gets the blocks or after."""
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU()), noise(2, 3, 16, 16)
    with torch.no_grad():
        before = net(x)
    net = net if afterwards else net.to(dtype)
    run = lambda: net(x.to(next(net.parameters()).dtype))  # noqa: E731
    insert_fields(net, run, QuarfOptions(sites=("1",), quality="brisque", routing=routing))
    net.to(dtype) if afterwards else None
    with given(net.train(), noise(2, 36)):
        after = net(x.to(dtype))
        after.sum().backward()
    assert after.dtype == dtype
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
    assert (after - before).abs().max() < 0.1


def test_routes_follow_the_quality_alone_and_swap_with_it() -> None:
    made = block()
    q = noise(2, 5)
    with given(made, q), torch.no_grad():
        made(noise(2, 8, 4, 4))
        first = made.last_gates
        made(noise(2, 8, 4, 4, seed=9))
        assert torch.equal(made.last_gates, first)  # type: ignore[arg-type]
    assert first is not None
    assert (first[0] - first[1]).abs().max() > 0.05
    with given(made, q.flip(0)), torch.no_grad():
        made(noise(2, 8, 4, 4))
    torch.testing.assert_close(made.last_gates, first.flip(0))


def test_the_controls_do_not_look_at_the_quality() -> None:
    x, q = noise(1, 8, 6, 6).expand(2, -1, -1, -1), noise(2, 5)
    seen, zeroed, uniform = block(), block(zeroed=True), block(gates="uniform")
    outputs = []
    for made in (seen, zeroed, uniform):
        with given(made, q), torch.no_grad():
            outputs.append(made(x))
    assert (outputs[0][0] - outputs[0][1]).abs().max() > 1e-2
    for blind in outputs[1:]:
        torch.testing.assert_close(blind[0], blind[1])
    assert torch.equal(uniform.last_gates, torch.full((2, 4, 4), 0.25))  # type: ignore[arg-type]
    assert (zeroed.last_gates - 0.25).abs().max() > 0.05  # type: ignore[operator]


def test_noise_is_for_training_only_and_each_picture_s_own() -> None:
    made, x, q = block(), noise(3, 8, 4, 4), noise(3, 5)
    with given(made, q), torch.no_grad():
        assert torch.equal(made(x), made(x))
        still = made.last_gates
        made.train()
        made(x)
        noisy = made.last_gates
        made(x)
        assert torch.equal(made.last_gates, noisy)  # type: ignore[arg-type]
    assert still is not None
    assert noisy is not None
    assert (noisy - still).abs().max() > 0.01
    with given(made, q[1:2]), torch.no_grad():
        made(x[1:2])
    torch.testing.assert_close(made.last_gates, noisy[1:2])
    made.seed = 1
    with given(made, q), torch.no_grad():
        made(x)
    assert (made.last_gates - noisy).abs().max() > 0.01  # type: ignore[operator]
    quiet = block(noisy=False).train()
    quiet.load_state_dict(made.state_dict(), strict=False)
    with given(quiet, q), torch.no_grad():
        quiet(x)
    torch.testing.assert_close(quiet.last_gates, still)


def test_the_noise_of_the_first_block_has_the_key_that_it_always_had_and_others_draw_apart() -> None:
    q = noise(2, 5)
    names = [hashlib.blake2b(row.numpy().tobytes(), digest_size=16).hexdigest() for row in q]
    draws = [keyed(7, "quarf/noise", 0, name).standard_normal(16, dtype="float32") for name in names]
    first, second = (block(seed=7, index=index)._noise(q, 16).numpy() for index in (0, 1))
    assert np.array_equal(first, np.stack(draws))
    assert not np.isclose(first, second).any()


def test_the_control_s_noise_is_each_picture_s_own_too() -> None:
    made, x = block(zeroed=True).train(), noise(4, 8, 4, 4)
    with torch.no_grad():
        made(x)
        together = made.last_gates
        made(x[1:2])
        alone = made.last_gates
    assert together is not None
    assert len(torch.unique(together, dim=0)) == 4
    assert torch.equal(together[1:2], alone)  # type: ignore[arg-type]
    with torch.no_grad():
        made.eval()(x)
    assert len(torch.unique(made.last_gates, dim=0)) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("routing", ["soft", "hard"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own", [False, True])
def test_gradients_reach_every_parameter(kind: str, routing: str, own: bool) -> None:
    made = block(experts=kind, routing=routing, own_experts=own).train()
    with given(made, noise(32, 5)):
        made(noise(32, 8, 6, 6)).square().sum().backward()
    missing = [name for name, p in made.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # The largest logit is chosen after the noise, whose size has its gradient through the softmax too.
    assert missing == []


@pytest.mark.parametrize("routing", ["soft", "hard"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own", [False, True])
def test_gradients_in_bfloat16_with_channels_last_are_those_of_float32(kind: str, routing: str, own: bool) -> None:
    gradients = []
    for enabled in (False, True):
        made = drawn(Quarf(32, 5, experts=kind, routing=routing, own_experts=own, noisy=False)).train()
        made.to(memory_format=torch.channels_last)
        x = noise(4, 32, 32, 32).contiguous(memory_format=torch.channels_last)
        with given(made, noise(4, 5)), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            made(x).float().square().mean().backward()
        gradients.append({name: p.grad for name, p in made.named_parameters()})
    for name, exact in gradients[0].items():
        assert (gradients[1][name] - exact).norm() < 0.1 * exact.norm(), name


def test_without_straight_through_a_hard_router_learns_nothing() -> None:
    made = block(routing="hard", straight_through=False).train()
    with given(made, noise(8, 5)):
        made(noise(8, 8, 6, 6)).square().sum().backward()
    assert made.logits is not None
    assert made.logits.weight.grad is None
    assert any(p.grad is not None for p in made.experts.parameters())


def test_soft_then_hard() -> None:
    made = block(routing="soft-then-hard", noisy=False)
    soft, hard = (block(routing=routing, noisy=False) for routing in ("soft", "hard"))
    x, q = noise(2, 8, 6, 6), noise(2, 5)
    with given(nn.ModuleList([made, soft, hard]), q), torch.no_grad():
        assert torch.equal(made.eval()(x), hard(x))
        assert torch.equal(made.train()(x), soft(x))


@pytest.mark.parametrize("routing", ["soft", "hard"])
def test_a_picture_does_not_see_its_batch(routing: str) -> None:
    made, x, q = block(routing=routing), noise(4, 8, 6, 6), noise(4, 5)
    with given(made, q), torch.no_grad():
        together = made(x)
    for i in range(4):
        with given(made, q[i : i + 1]), torch.no_grad():
            torch.testing.assert_close(made(x[i : i + 1]), together[i : i + 1], atol=1e-5, rtol=1e-5)


def test_one_group_and_one_expert_are_a_convolution() -> None:
    made = drawn(Quarf(6, 5, groups=1, count=1, top=1)).eval()
    conv = made.experts[0].steps[0]
    x = noise(2, 6, 7, 7)
    with given(made, noise(2, 5)), torch.no_grad():
        torch.testing.assert_close(made(x), F.conv2d(x, conv.weight, conv.bias, padding=1))


def test_a_block_in_training_can_be_copied() -> None:
    made, x, q = block(noisy=False).train(), noise(2, 8, 4, 4), noise(2, 5)
    with given(made, q):
        expected = made(x)
    assert made.last_gates is not None
    assert made.last_gates.requires_grad
    twin = copy.deepcopy(made)
    assert twin.last_gates is None
    with given(twin, q):
        torch.testing.assert_close(twin(x), expected)


def test_importance_by_hand() -> None:
    made = block()
    made.last_gates = torch.tensor([[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.6, 0.4]]])
    second = np.array([1.6, 0.4])
    assert made.importance().item() == pytest.approx((0 + second.var() / second.mean() ** 2) / 2)


def test_options_that_cannot_be() -> None:
    with pytest.raises(NotApplicable, match="10 channels cannot be split into 4"):
        Quarf(10, 5)
    with pytest.raises(NotApplicable, match="1 <= top <= count"):
        Quarf(8, 5, count=2, top=3)


def tiny() -> LoadedModel:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    return LoadedModel(net.eval(), InputConvention(size=32, resize=None), {"D2": "1"})


@pytest.mark.parametrize("experts", [*KINDS, "plain"])
def test_it_starts_near_the_identity_in_a_pretrained_network(experts: str) -> None:
    plain = Builtin("scenes").build()
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    model, paths = adapt(Builtin("scenes").build(), QuarfOptions(experts=experts), feature("brisque"))  # type: ignore[arg-type]
    assert paths == ["relu.added"]
    with torch.no_grad():
        before, after = plain.predict(images), model.predict(images)
    assert 0 < (after - before).abs().max() < 0.1 * before.abs().max()
    with torch.no_grad():
        cut = model.cut("D2")
        assert torch.equal(cut.back(cut.front(images), images), after)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("experts", [*KINDS, "plain"])
def test_a_method_is_what_was_trained(whole: bool, experts: str, tmp_path: Path) -> None:
    quality = feature("brisque")
    choice = QuarfOptions(experts=experts, quality="brisque", top=2)  # type: ignore[arg-type]
    trained, paths = adapt(tiny(), choice, quality)
    for module in [trained.net] if whole else [trained.net.get_submodule(path) for path in paths]:
        drawn(module)
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    standardise(trained.net, quality.of(images))
    file = tmp_path / "quarf.safetensors"
    state = trained.net.state_dict() if whole else state_of(trained.net, paths)
    save_file(dict(state), file, choice.metadata(quality.key))
    method = QuarfMethod(weights=file)
    method.setup(Setup(tiny(), None, "cpu"))
    loaded = method.adapt(tiny())
    with torch.inference_mode():
        assert torch.equal(loaded.predict(images), trained.predict(images))
        torch.testing.assert_close(loaded.predict(images[:1]), trained.predict(images)[:1])
    save_file(dict(state), file, {"quarf": '{"grups": 2}'})
    with pytest.raises(WeightsError, match="does not describe a network of quarf"):
        QuarfMethod(weights=file).setup(Setup(tiny(), None, "cpu"))


def test_routing_may_change_after_training(tmp_path: Path) -> None:
    quality, file = feature("brisque"), tmp_path / "quarf.safetensors"
    trained, paths = adapt(tiny(), QuarfOptions(quality="brisque"), quality)
    drawn(trained.net.get_submodule(paths[0]))
    save_file(state_of(trained.net, paths), file, QuarfOptions(quality="brisque").metadata(quality.key))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    found = []
    for changed in ({}, {"routing": "hard"}, {"top": 2}):
        method = QuarfMethod(QuarfOptions(**changed), file)
        method.setup(Setup(tiny(), None, "cpu"))
        with torch.no_grad():
            found.append(method.adapt(tiny()).predict(images))
    assert not torch.allclose(found[0], found[1])
    assert not torch.allclose(found[0], found[2])
    with pytest.raises(WeightsError, match="`gates: uniform`: the weights were trained with `gates: quality`"):
        QuarfMethod(QuarfOptions(gates="uniform"), file).setup(Setup(tiny(), None, "cpu"))


@pytest.mark.parametrize("name", ["scenes", "scenes-segmenter", "scenes-detector"])
def test_what_ships_serves_every_network_of_scenes_since_their_stem_is_one(name: str) -> None:
    found = find_weights("quarf", f"builtin:{name}", "scenes", 0)
    assert found is not None
    method = QuarfMethod()
    method.setup(Setup(Builtin(name).build(), found.path, "cpu"))
    model = method.adapt(Builtin(name).build())
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad(), model.given(images):
        after = model.net(model.normalise(images))
    with torch.no_grad():
        assert not torch.allclose(after, Builtin(name).build().net(model.normalise(images)))  # type: ignore[arg-type]


def test_a_network_without_parameters_is_not_applicable() -> None:
    same = LoadedModel(nn.Identity(), InputConvention(size=None, resize=None), {})
    with pytest.raises(NotApplicable, match="no module of the network fits 'D2'"):
        adapt(same, QuarfOptions(quality="brisque"), feature("brisque"))


def test_places_without_maps_are_refused() -> None:
    model = tiny()
    with pytest.raises(NotApplicable, match="gives no maps"):
        adapt(model, QuarfOptions(sites=("4",)), feature("brisque"))
    net = nn.Sequential(nn.Linear(8, 8), nn.GELU())
    with pytest.raises(NotApplicable, match="gives no maps"):
        insert_fields(net, lambda: net(noise(2, 3, 8)), QuarfOptions(sites=("1",)))
