"""QDMR's networks: published sizes, the codebook's search and gradients, windows, fusion, any size, weights."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from qbench.errors import NotApplicable, WeightsError
from qbench.methods.qdmr import QdmrMethod, QdmrOptions
from qbench.methods.qdmr.codebook import Codebook, Quantiser, usage
from qbench.methods.qdmr.judge import Judge, SpectralConv, hinge, least_squares
from qbench.methods.qdmr.net import Fusion, Qdmr, padded
from qbench.methods.qdmr.shape import PLANS
from qbench.methods.qdmr.start import begin
from qbench.methods.qdmr.swin import Attention, SwinBlock, joined, strangers, windows
from qbench.methods.qdmr.vqgan import Decoder, Encoder, Vqgan
from qbench.models.protocols import Setup
from qbench.runs.measure import count_macs
from qbench.vocabulary import Context

from .nets import count, uniform

TINY = PLANS["tiny-32"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def started(**options: bool) -> Qdmr:
    net = Qdmr(TINY, **options)
    begin(net, 0, "net")
    return net


def lively(net: Qdmr) -> Qdmr:
    """Codes as large as what they stand for, so that the codebook matters."""
    with torch.no_grad():
        net.quantiser.codebook.weight.copy_(torch.randn(net.quantiser.codebook.weight.shape, generator=_generator()))
    return net


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.mark.parametrize(
    ("plan", "millions"),
    [
        ("release", (12.18, 33.80, 4.38, 4.52)),
        ("tiny-64", (0.67, 0.90, 0.27, 0.28)),
        ("tiny-32", (0.16, 0.19, 0.07, 0.07)),
    ],
)
def test_the_networks_have_their_sizes(plan: str, millions: tuple[float, ...]) -> None:
    """The authors' release: autoencoder, restoration network, discriminators of pictures and of features."""
    shape = PLANS[plan]
    with torch.device("meta"):
        nets = Vqgan(shape), Qdmr(shape), Judge(3, shape.judge), Judge(shape.width, shape.judge)
    assert tuple(round(count(net) / 1e6, 2) for net in nets) == millions


def test_the_published_parts_add_up() -> None:
    """Encoder 6.28 M, decoder 4.06 M, codebook 0.52 M, bottleneck 21.36 M."""
    shape = PLANS["release"]
    with torch.device("meta"):
        net = Qdmr(shape)
        parts = net.encoder, net.decoder, net.quantiser.codebook, net.bottleneck
        assert count(Vqgan(shape)) == 12_176_707
        assert count(Judge(3, shape.judge)) == 4_376_897
    assert [round(count(part) / 1e6, 2) for part in parts] == [6.28, 4.06, 0.52, 21.36]


@pytest.mark.parametrize(("kind", "billions"), [(Vqgan, 68.6), (Qdmr, 91.4)])
def test_the_networks_cost_what_the_release_does_but_for_its_one_hot_product(
    kind: type[nn.Module], billions: float
) -> None:
    """Of 256 pixels. The release looks codes up by a matrix of zeros and ones, 1,024 places by 1,024 codes."""
    net, one_hot = kind(PLANS["release"]).eval(), 1024 * 1024 * 512
    counted = 16 * count_macs(net, uniform(1, 3, 64, 64))
    assert round((counted + one_hot) / 1e9, 1) == billions


def test_encoder_and_decoder_change_the_size_by_the_factor() -> None:
    for shape in (PLANS["tiny-32"], PLANS["tiny-64"]):
        features = Encoder(shape)(uniform(1, 3, 32, 48))
        assert features.shape == (1, shape.width, 32 // shape.factor, 48 // shape.factor)
        assert Decoder(shape)(features).shape == (1, 3, 32, 48)


def test_the_search_finds_what_a_one_hot_search_finds() -> None:
    """Against the textbook way: all differences, a matrix of zeros and ones, and its product with the codes."""
    book = Codebook(11, 5)
    with torch.no_grad():
        book.weight.copy_(torch.randn(11, 5, generator=_generator()))
    z = torch.randn(3, 5, 4, 6, generator=_generator())
    rows = z.permute(0, 2, 3, 1).reshape(-1, 5)
    distances = (rows[:, None] - book.weight[None]).pow(2).sum(2)
    one_hot = torch.zeros(len(rows), 11).scatter_(1, distances.argmin(1, keepdim=True), 1.0)
    expected = (one_hot @ book.weight).view(3, 4, 6, 5).permute(0, 3, 1, 2)
    codes = book(z)
    torch.testing.assert_close(codes.values, expected)
    assert torch.equal(codes.indices.flatten(), distances.argmin(1))
    assert codes.indices.unique().numel() > 3


def test_long_searches_are_cut_into_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Codebook(6, 3)
    begin(book, 0, "book")
    vectors = torch.randn(50, 3, generator=_generator())
    whole = book.nearest(vectors)
    monkeypatch.setattr("qbench.methods.qdmr.codebook.ROWS", 7)
    assert torch.equal(book.nearest(vectors), whole)


def test_gradients_pass_the_codebook_unchanged_and_its_loss_is_as_published() -> None:
    book = Codebook(4, 3)
    begin(book, 0, "book")
    z = torch.randn(2, 3, 5, 5, generator=_generator(), requires_grad=True)
    weight = torch.randn(2, 3, 5, 5, generator=_generator())
    codes = book(z)
    (passed,) = torch.autograd.grad((codes.values * weight).sum(), z, retain_graph=True)
    assert torch.equal(passed, weight)
    chosen = book.weight[codes.indices].permute(0, 3, 1, 2).detach()
    torch.testing.assert_close(codes.loss, 1.25 * (chosen - z.detach()).square().flatten(1).mean(1))
    to_features, to_codes = torch.autograd.grad(codes.loss[0], (z, book.weight))
    torch.testing.assert_close(to_features[0], 0.25 * 2 * (z.detach() - chosen)[0] / z[0].numel())
    expected = torch.zeros_like(book.weight)
    for row, column in itertools.product(range(5), range(5)):
        expected[codes.indices[0, row, column]] += 2 * (chosen - z.detach())[0, :, row, column] / z[0].numel()
    torch.testing.assert_close(to_codes, expected)


@pytest.mark.parametrize("standardised", [False, True])
def test_features_that_shrink_keep_their_codes_where_they_are_standardised(standardised: bool) -> None:
    """A thousandth of the size falls into one code's cell, unless each channel has mean 0 and variance 1 again."""
    quantiser = Quantiser(TINY, standardised=standardised)
    begin(quantiser, 0, "quantiser")
    with torch.no_grad():
        quantiser.codebook.weight.copy_(torch.randn(TINY.codes, TINY.code_width, generator=_generator()))
        features = 20 * torch.randn(2, TINY.width, 8, 8, generator=_generator())
        wide = quantiser(features)[1].indices
        shrunk = quantiser(features / 1000)[1].indices
        searched = quantiser.searched(features)
    assert wide.unique().numel() > 8
    assert (shrunk.unique().numel() > 8) == standardised
    means, variances = searched.mean((0, 2, 3)), searched.var((0, 2, 3), unbiased=False)
    as_asked = torch.allclose(means, torch.zeros_like(means), atol=1e-4) and torch.allclose(
        variances, torch.ones_like(variances), atol=1e-2
    )
    assert as_asked == standardised


def test_usage_in_closed_form() -> None:
    perplexity, used = usage(torch.tensor([[0, 1], [2, 3]]), 8)
    assert float(perplexity) == pytest.approx(4.0)
    assert float(used) == 0.5
    assert float(usage(torch.full((9,), 2), 8)[0]) == pytest.approx(1.0)
    uneven = usage(torch.tensor([0, 0, 0, 1]), 2)[0]
    assert float(uneven) == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


def test_a_codebook_feature_of_zero_changes_nothing() -> None:
    fusion = Fusion(8)
    begin(fusion, 0, "fusion")
    features = uniform(2, 8, 4, 4) - 0.5
    assert torch.equal(fusion(features, torch.zeros_like(features)), features)
    assert not torch.equal(fusion(features, uniform(2, 8, 4, 4, seed=1)), features)
    assert not any(name.endswith("bias") for name, _ in fusion.named_parameters())


def test_windows_are_cut_and_joined() -> None:
    x = uniform(2, 8, 12, 3)
    cut = windows(x, 4)
    assert cut.shape == (2, 6, 16, 3)
    assert torch.equal(cut[1, 4].view(4, 4, 3), x[1, 4:8, 4:8])
    assert torch.equal(joined(cut, 4, 8, 12), x)


def reference_attention(layer: Attention, x: Tensor, bands: list[range]) -> Tensor:
    """Attention written out, place by place and head by head, inside the rectangles of the bands; x [H, W, C]."""
    out = torch.zeros_like(x)
    width = x.shape[-1] // layer.heads
    query, key, value = (layer.qkv(x)[..., n * x.shape[-1] :][..., : x.shape[-1]] for n in range(3))
    for rows, columns in itertools.product(bands, bands):
        places = list(itertools.product(rows, columns))
        for (i, j), head in itertools.product(places, range(layer.heads)):
            part = slice(head * width, (head + 1) * width)
            scores = []
            for k, m in places:
                offset = (i - k + layer.side - 1) * (2 * layer.side - 1) + (j - m + layer.side - 1)
                scores.append(query[i, j, part] @ key[k, m, part] * width**-0.5 + layer.bias[offset, head])
            weights = torch.stack(scores).softmax(0)
            out[i, j, part] = sum(w * value[k, m, part] for w, (k, m) in zip(weights, places, strict=True))
    attended: Tensor = layer.out(out)
    return attended


@pytest.mark.parametrize("shifted", [False, True])
def test_attention_stays_inside_its_windows(shifted: bool) -> None:
    block = SwinBlock(TINY, shifted)
    begin(block, 0, "block")
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=_generator()))
    x = torch.randn(1, 8, 8, TINY.width, generator=_generator())
    bands = [range(2), range(2, 6), range(6, 8)] if shifted else [range(4), range(4, 8)]
    with torch.no_grad():
        after = x[0] + reference_attention(block.attention, block.norm1(x)[0], bands)
        expected = after + block.outer(nn.functional.gelu(block.inner(block.norm2(after))))
        output = block(x, strangers(8, 8, 4, 2, x.device))[0]
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-4)


def test_spectral_norms_come_to_one_and_rest_in_eval() -> None:
    layer = SpectralConv(6, 9, 3)
    begin(layer, 0, "layer")
    for _ in range(200):
        layer.scaled()
    values = torch.linalg.svdvals(layer.scaled().flatten(1))
    assert float(values[0].detach()) == pytest.approx(1.0, abs=1e-3)
    before = layer.get_buffer("u").clone()
    layer.eval()
    layer(uniform(1, 6, 8, 8))
    assert torch.equal(layer.get_buffer("u"), before)
    layer.train()
    layer.weight.data.mul_(torch.linspace(0.1, 3, 9).view(-1, 1, 1, 1))
    layer(uniform(1, 6, 8, 8))
    assert not torch.equal(layer.get_buffer("u"), before)


def test_a_judge_judges_every_place() -> None:
    judge = Judge(3, 4)
    begin(judge, 0, "judge")
    assert judge(uniform(2, 3, 16, 24)).shape == (2, 1, 16, 24)
    judge(uniform(2, 3, 16, 24)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in judge.parameters())


def test_adversarial_losses_in_closed_form() -> None:
    logits = torch.tensor([-2.0, 0.0, 0.5, 3.0])
    assert float(least_squares(logits, 1.0)) == pytest.approx((9 + 1 + 0.25 + 4) / 4)
    assert float(hinge(logits, real=True)) == pytest.approx((3 + 1 + 0.5 + 0) / 4)
    assert float(hinge(logits, real=False)) == pytest.approx((0 + 1 + 1.5 + 4) / 4)


@pytest.mark.parametrize("size", [(16, 32), (17, 30), (5, 3), (1, 1)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    net = lively(started()).eval()
    images = uniform(2, 3, *size)
    restored = net(images)
    assert restored.shape == images.shape
    whole = padded(images, TINY.multiple)
    assert whole.shape[-2] % TINY.multiple == whole.shape[-1] % TINY.multiple == 0
    assert torch.equal(whole[..., -1, -1], images[..., -1, -1])
    assert torch.equal(restored, net.passed(whole).pictures[..., : size[0], : size[1]])


@pytest.mark.parametrize("standardised", [False, True])
def test_pictures_do_not_see_their_batch(standardised: bool) -> None:
    net = lively(started(standardised=standardised))
    images = uniform(4, 3, 32, 32)
    with torch.no_grad():
        net(uniform(4, 3, 32, 32, seed=1))
        net.eval()
        together = net(images)
        alone = torch.cat([net(images[n : n + 1]) for n in range(4)])
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)


def test_training_and_deployed_forms_are_one() -> None:
    net = lively(started())
    images = uniform(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(net.train()(images), net.eval()(images))


def test_switches_change_the_computation() -> None:
    images = uniform(1, 3, 32, 32)
    net = lively(started()).eval()
    with torch.no_grad():
        whole = net(images)
        net.residual = True
        torch.testing.assert_close(net(images), whole + images)
        net.residual, net.mixing = False, False
        unmixed = net(images)
        assert (unmixed - whole).abs().max() > 1e-3
        plain = started(codebook=False).eval()
        plain.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith(("quantiser", "fusion"))})
        assert torch.equal(plain(images), unmixed)


def test_first_weights_are_the_seeds() -> None:
    first, again, other = (begin(Qdmr(TINY), seed, "net").state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    codes = first["quantiser.codebook.weight"]
    assert float(codes.abs().max()) <= 1 / TINY.codes
    assert not torch.equal(codes, other["quantiser.codebook.weight"])
    identity = Qdmr(TINY, residual=True)
    begin(identity, 0, "net", zero=("decoder.last",))
    images = uniform(1, 3, 32, 32)
    assert torch.equal(identity(images), images)


def saved(net: Qdmr, choice: QdmrOptions, folder: Path) -> Path:
    file = folder / "qdmr.safetensors"
    save_file(net.state_dict(), file, choice.metadata())
    return file


def restored(method: QdmrMethod, images: Tensor) -> Tensor:
    method.setup(Setup(None, None, "cpu"))
    return method.restore(images, Context(("a",) * len(images), images, ({},) * len(images)))


@pytest.mark.parametrize("standardised", [False, True])
def test_weights_travel_with_their_choice(standardised: bool, tmp_path: Path) -> None:
    choice = QdmrOptions(plan="tiny-32", residual=True, standardised=standardised)
    net = lively(started(residual=True, standardised=standardised))
    net(uniform(2, 3, 32, 32, seed=1))  # leaves means and variances to travel along
    net.eval()
    file, images = saved(net, choice, tmp_path), uniform(2, 3, 37, 50)
    mended = restored(QdmrMethod(weights=file), images)
    torch.testing.assert_close(mended, net(images).detach().clamp(0, 1), atol=1e-5, rtol=1e-4)
    assert 0 <= float(mended.min()) <= float(mended.max()) <= 1
    without = restored(QdmrMethod(QdmrOptions(codebook=False), file), images)
    assert (without - mended).abs().max() > 1e-3
    torch.testing.assert_close(restored(QdmrMethod(QdmrOptions(codebook=True), file), images), mended)


def test_weights_that_do_not_fit_are_told(tmp_path: Path) -> None:
    file = saved(started(codebook=False), QdmrOptions(plan="tiny-32", codebook=False), tmp_path)
    images = uniform(1, 3, 16, 16)
    assert restored(QdmrMethod(weights=file), images).shape == images.shape
    with pytest.raises(WeightsError, match="without a codebook"):
        restored(QdmrMethod(QdmrOptions(codebook=True), file), images)
    with pytest.raises(WeightsError, match="`plan: tiny-64`: the weights were trained with `plan: tiny-32`"):
        restored(QdmrMethod(QdmrOptions(plan="tiny-64"), file), images)
    with pytest.raises(WeightsError, match="`residual: true`: the weights were trained with `residual: false`"):
        restored(QdmrMethod(QdmrOptions(residual=True), file), images)
    save_file(started().state_dict(), file, {"qdmr": '{"plan": "huge"}'})
    with pytest.raises(WeightsError, match="does not describe a network of qdmr"):
        restored(QdmrMethod(weights=file), images)
    with pytest.raises(NotApplicable, match="qbench train qdmr"):
        QdmrMethod().setup(Setup(None, None, "cpu"))
