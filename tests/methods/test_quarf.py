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
from qbench.methods.quarf.block import Plain, Quarf
from qbench.models.builtin.declared import Builtin
from qbench.models.protocols import Setup
from qbench.quality.features import feature

from .nets import count, drawn, normal, tiny, untrained

KINDS = ("dilated", "two_step", "dense_k")


def block(**options: Any) -> Quarf:
    drawn_block: Quarf = drawn(Quarf(8, 5, **options)).eval()
    return drawn_block


@pytest.mark.parametrize(("channels", "published"), [(64, "9.3k + 131k"), (128, "168k"), (256, "279k")])
def test_the_size_of_the_released_block(channels: int, published: str) -> None:
    module = Quarf(channels, 4096)
    assert module.logits is not None
    assert module.spread is not None
    experts, router = count(module.experts), count(module.logits) + count(module.spread)
    assert count(module) == experts + router
    size = f"{experts / 1e3:.1f}k + {router / 1e3:.0f}k" if "+" in published else f"{count(module) / 1e3:.0f}k"
    assert size == published


def test_the_released_block_costs_as_much_as_a_plain_convolution() -> None:
    module, x = Quarf(64, 4096).eval(), normal(1, 64, 10, 12)
    with given(module, normal(1, 4096)), FlopCounterMode(display=False) as counter:
        module(x)
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
    module = drawn(Quarf(2, 5, experts=kind, groups=1))
    assert [reach(expert) for expert in module.experts] == list(zip(fields, holes, strict=True))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_soft_routing_is_its_definition(kind: str, own: bool) -> None:
    module = block(experts=kind, own_experts=own, top=3)
    x, q = normal(3, 8, 12, 10), normal(3, 5, seed=1) * 2 + 3
    standardise(module, normal(50, 5, seed=2) * 2 + 3)
    with given(module, q), torch.no_grad():
        output = module(x)
    assert module.logits is not None
    seen = (q - module.quality_mean) / module.quality_std
    seen = (seen - seen.mean(1, keepdim=True)) / (seen.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    logits = (seen @ module.logits.weight.T + module.logits.bias).detach().view(3, 4, 4).numpy()
    for picture in range(3):
        for group in range(4):
            kept = np.sort(logits[picture, group])[::-1][2]
            raised = np.where(logits[picture, group] >= kept, np.exp(logits[picture, group]), 0)
            gates = raised / raised.sum()
            part = x[picture : picture + 1, 2 * group : 2 * group + 2]
            with torch.no_grad():
                mixed = sum(float(g) * by_hand(module, e, part, group) for e, g in enumerate(gates))
            assert isinstance(mixed, Tensor)
            torch.testing.assert_close(
                output[picture : picture + 1, 2 * group : 2 * group + 2], mixed, atol=1e-4, rtol=1e-4
            )


def by_hand(module: Quarf, place: int, part: Tensor, group: int) -> Tensor:
    """An expert on one group [1, 2, H, W], tap by tap."""
    for conv in module.experts[place].steps:  # type: ignore[union-attr]
        rows = slice(2 * group, 2 * group + 2) if module.own_experts else slice(None)
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
    x, q = normal(5, 8, 9, 11), normal(5, 5)
    with given(nn.ModuleList([soft, hard]), q), torch.no_grad():
        torch.testing.assert_close(hard(x), soft(x), atol=1e-5, rtol=1e-5)
        assert len(torch.unique(hard.last_gates.argmax(2))) > 1  # type: ignore[union-attr]


def test_hard_routing_runs_only_what_it_needs() -> None:
    soft, hard = block(), block(routing="hard")
    flops = []
    for module in (soft, hard):
        with given(module, normal(1, 5)), FlopCounterMode(display=False) as counter, torch.no_grad():
            module(normal(1, 8, 16, 16))
        flops.append(counter.get_total_flops() // 2 - 5 * 16)
    assert flops == [4 * 8 * 2 * 9 * 256, 8 * 2 * 9 * 256]


@pytest.mark.parametrize("top", [1, 2, 3, 4])
def test_gates_sum_to_one_and_only_the_largest_stay(top: int) -> None:
    module = block(top=top)
    x, q = normal(6, 8, 4, 4), normal(6, 5)
    with given(module, q), torch.no_grad():
        module(x)
    assert module.last_gates is not None
    torch.testing.assert_close(module.last_gates.sum(2), torch.ones(6, 4))
    assert ((module.last_gates > 0).sum(2) == top).all()


@pytest.mark.parametrize("gates", ["quality", "uniform"])
def test_no_more_than_the_largest_stay_where_logits_are_equal(gates: str) -> None:
    module = Quarf(8, 5, gates=gates, top=2).eval()  # type: ignore[arg-type]
    if module.logits is not None:
        nn.init.zeros_(module.logits.weight)
        nn.init.zeros_(module.logits.bias)
    with given(module, normal(2, 5)):
        module(normal(2, 8, 6, 6))
    assert module.last_gates is not None
    torch.testing.assert_close(module.last_gates, torch.tensor([0.5, 0.5, 0.0, 0.0]).expand(2, 4, 4))


def test_a_quality_of_one_number_decides_too() -> None:
    module, x = drawn(Quarf(8, 1)).eval(), normal(1, 8, 6, 6).expand(2, -1, -1, -1)
    with given(module, torch.tensor([[-3.0], [3.0]])):
        output = module(x)
    assert (module.last_gates[0] - module.last_gates[1]).abs().max() > 0.1
    assert (output[0] - output[1]).abs().max() > 1e-2


def test_routes_follow_the_quality_alone_and_swap_with_it() -> None:
    module = block()
    q = normal(2, 5)
    with given(module, q), torch.no_grad():
        module(normal(2, 8, 4, 4))
        first = module.last_gates
        module(normal(2, 8, 4, 4, seed=9))
        assert torch.equal(module.last_gates, first)  # type: ignore[arg-type]
    assert first is not None
    assert (first[0] - first[1]).abs().max() > 0.05
    with given(module, q.flip(0)), torch.no_grad():
        module(normal(2, 8, 4, 4))
    torch.testing.assert_close(module.last_gates, first.flip(0))


def test_the_controls_do_not_look_at_the_quality() -> None:
    x, q = normal(1, 8, 6, 6).expand(2, -1, -1, -1), normal(2, 5)
    seen, zeroed, uniform = block(), block(zeroed=True), block(gates="uniform")
    outputs = []
    for module in (seen, zeroed, uniform):
        with given(module, q), torch.no_grad():
            outputs.append(module(x))
    assert (outputs[0][0] - outputs[0][1]).abs().max() > 1e-2
    for blind in outputs[1:]:
        torch.testing.assert_close(blind[0], blind[1])
    assert torch.equal(uniform.last_gates, torch.full((2, 4, 4), 0.25))  # type: ignore[arg-type]
    assert (zeroed.last_gates - 0.25).abs().max() > 0.05  # type: ignore[operator]


def test_noise_is_for_training_only_and_each_picture_s_own() -> None:
    module, x, q = block(), normal(3, 8, 4, 4), normal(3, 5)
    with given(module, q), torch.no_grad():
        assert torch.equal(module(x), module(x))
        still = module.last_gates
        module.train()
        module(x)
        noisy = module.last_gates
        module(x)
        assert torch.equal(module.last_gates, noisy)  # type: ignore[arg-type]
    assert still is not None
    assert noisy is not None
    assert (noisy - still).abs().max() > 0.01
    with given(module, q[1:2]), torch.no_grad():
        module(x[1:2])
    torch.testing.assert_close(module.last_gates, noisy[1:2])
    module.seed = 1
    with given(module, q), torch.no_grad():
        module(x)
    assert (module.last_gates - noisy).abs().max() > 0.01  # type: ignore[operator]
    quiet = block(noisy=False).train()
    quiet.load_state_dict(module.state_dict(), strict=False)
    with given(quiet, q), torch.no_grad():
        quiet(x)
    torch.testing.assert_close(quiet.last_gates, still)


def test_the_noise_of_the_first_block_has_the_key_that_it_always_had_and_others_draw_apart() -> None:
    q = normal(2, 5)
    names = [hashlib.blake2b(row.numpy().tobytes(), digest_size=16).hexdigest() for row in q]
    draws = [keyed(7, "quarf/noise", 0, name).standard_normal(16, dtype="float32") for name in names]
    first, second = (block(seed=7, index=index)._noise(q, 16).numpy() for index in (0, 1))
    assert np.array_equal(first, np.stack(draws))
    assert not np.isclose(first, second).any()


def test_the_control_s_noise_is_each_picture_s_own_too() -> None:
    module, x = block(zeroed=True).train(), normal(4, 8, 4, 4)
    with torch.no_grad():
        module(x)
        together = module.last_gates
        module(x[1:2])
        alone = module.last_gates
    assert together is not None
    assert len(torch.unique(together, dim=0)) == 4
    assert torch.equal(together[1:2], alone)  # type: ignore[arg-type]
    with torch.no_grad():
        module.eval()(x)
    assert len(torch.unique(module.last_gates, dim=0)) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("routing", ["soft", "hard"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own", [False, True])
def test_gradients_reach_every_parameter(kind: str, routing: str, own: bool) -> None:
    module = block(experts=kind, routing=routing, own_experts=own).train()
    with given(module, normal(32, 5)):
        module(normal(32, 8, 6, 6)).square().sum().backward()
    # The largest logit is chosen after the noise, whose size has its gradient through the softmax too.
    assert untrained(module) == []


@pytest.mark.parametrize("routing", ["soft", "hard"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own", [False, True])
def test_gradients_in_bfloat16_with_channels_last_are_those_of_float32(kind: str, routing: str, own: bool) -> None:
    gradients = []
    for enabled in (False, True):
        module = drawn(Quarf(32, 5, experts=kind, routing=routing, own_experts=own, noisy=False)).train()
        module.to(memory_format=torch.channels_last)
        x = normal(4, 32, 32, 32).contiguous(memory_format=torch.channels_last)
        with given(module, normal(4, 5)), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            module(x).float().square().mean().backward()
        gradients.append({name: p.grad for name, p in module.named_parameters()})
    for name, exact in gradients[0].items():
        assert (gradients[1][name] - exact).norm() < 0.1 * exact.norm(), name


def test_without_straight_through_a_hard_router_learns_nothing() -> None:
    module = block(routing="hard", straight_through=False).train()
    with given(module, normal(8, 5)):
        module(normal(8, 8, 6, 6)).square().sum().backward()
    assert module.logits is not None
    assert module.logits.weight.grad is None
    assert any(p.grad is not None for p in module.experts.parameters())


def test_soft_then_hard() -> None:
    module = block(routing="soft-then-hard", noisy=False)
    soft, hard = (block(routing=routing, noisy=False) for routing in ("soft", "hard"))
    x, q = normal(2, 8, 6, 6), normal(2, 5)
    with given(nn.ModuleList([module, soft, hard]), q), torch.no_grad():
        assert torch.equal(module.eval()(x), hard(x))
        assert torch.equal(module.train()(x), soft(x))


@pytest.mark.parametrize("routing", ["soft", "hard"])
def test_a_picture_does_not_see_its_batch(routing: str) -> None:
    module, x, q = block(routing=routing), normal(4, 8, 6, 6), normal(4, 5)
    with given(module, q), torch.no_grad():
        together = module(x)
    for i in range(4):
        with given(module, q[i : i + 1]), torch.no_grad():
            torch.testing.assert_close(module(x[i : i + 1]), together[i : i + 1], atol=1e-5, rtol=1e-5)


def test_one_group_and_one_expert_are_a_convolution() -> None:
    module = drawn(Quarf(6, 5, groups=1, count=1, top=1)).eval()
    conv = module.experts[0].steps[0]
    x = normal(2, 6, 7, 7)
    with given(module, normal(2, 5)), torch.no_grad():
        torch.testing.assert_close(module(x), F.conv2d(x, conv.weight, conv.bias, padding=1))


def test_a_block_in_training_can_be_copied() -> None:
    module, x, q = block(noisy=False).train(), normal(2, 8, 4, 4), normal(2, 5)
    with given(module, q):
        expected = module(x)
    assert module.last_gates is not None
    assert module.last_gates.requires_grad
    twin = copy.deepcopy(module)
    assert twin.last_gates is None
    with given(twin, q):
        torch.testing.assert_close(twin(x), expected)


def test_importance_by_hand() -> None:
    module = block()
    module.last_gates = torch.tensor([[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.6, 0.4]]])
    second = np.array([1.6, 0.4])
    assert module.importance().item() == pytest.approx((0 + second.var() / second.mean() ** 2) / 2)


def test_options_that_cannot_be() -> None:
    with pytest.raises(NotApplicable, match="10 channels cannot be split into 4"):
        Quarf(10, 5)
    with pytest.raises(NotApplicable, match="1 <= top <= count"):
        Quarf(8, 5, count=2, top=3)


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


def test_routing_may_change_after_training(tmp_path: Path) -> None:
    quality, file = feature("brisque"), tmp_path / "quarf.safetensors"
    trained, paths = adapt(tiny(), QuarfOptions(quality="brisque"), quality)
    drawn(trained.net.get_submodule(paths[0]))
    save_file(state_of(trained.net, paths), file, QuarfOptions(quality="brisque").metadata(quality.key))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    outputs = []
    for changed in ({}, {"routing": "hard"}, {"top": 2}):
        method = QuarfMethod(QuarfOptions(**changed), file)
        method.setup(Setup(tiny(), None, "cpu"))
        with torch.no_grad():
            outputs.append(method.adapt(tiny()).predict(images))
    assert not torch.allclose(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2])
    with pytest.raises(WeightsError, match="`gates: uniform`: the weights were trained with `gates: quality`"):
        QuarfMethod(QuarfOptions(gates="uniform"), file).setup(Setup(tiny(), None, "cpu"))


@pytest.mark.parametrize("name", ["scenes", "scenes-segmenter", "scenes-detector"])
def test_what_ships_serves_every_network_of_scenes_since_their_stem_is_one(name: str) -> None:
    weights = find_weights("quarf", f"builtin:{name}", "scenes", 0)
    assert weights is not None
    method = QuarfMethod()
    method.setup(Setup(Builtin(name).build(), weights.path, "cpu"))
    model = method.adapt(Builtin(name).build())
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad(), model.given(images):
        after = model.net(model.normalise(images))
    with torch.no_grad():
        assert not torch.allclose(after, Builtin(name).build().net(model.normalise(images)))  # type: ignore[arg-type]


def test_places_without_maps_are_refused() -> None:
    model = tiny()
    with pytest.raises(NotApplicable, match="gives no maps"):
        adapt(model, QuarfOptions(sites=("4",)), feature("brisque"))
    net = nn.Sequential(nn.Linear(8, 8), nn.GELU())
    with pytest.raises(NotApplicable, match="gives no maps"):
        insert_fields(net, lambda: net(normal(2, 3, 8)), QuarfOptions(sites=("1",)))
