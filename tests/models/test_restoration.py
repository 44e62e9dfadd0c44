"""Restorers as models, and the published figures of DnCNN-3 and of JPEG itself through reader, adapter and metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu

from qbench import registry
from qbench.data.pairs import Pairs, PhotosLuma
from qbench.data.readers import Photos
from qbench.data.scenes.dataset import Scenes
from qbench.data.views import View
from qbench.degrade.jpeg import Jpeg
from qbench.draws import Draw
from qbench.errors import QbenchError, WeightsError
from qbench.methods.restorers.plain import DncnnSmallMethod
from qbench.models.base import LoadedModel
from qbench.models.protocols import Setup
from qbench.models.restoration.networks import OnLuma
from qbench.models.restoration.restorers import AodNet, Dncnn3, Identity, Restorer, Spandrel
from qbench.models.restoration.running import Tiled
from qbench.registry.named import Named
from qbench.tasks.restoration.predict import scoring
from qbench.vocabulary import Context, Dataset, Image
from tests.quality.pictures import noise, tensor

WHOLE = View(None, None)


def mean_psnr(model: LoadedModel, data: Dataset, metric: str = "psnr", quality: int | None = 10) -> float:
    """As the engine does it: read, view, degrade, restore, score; the mean over pictures."""
    measures, scores = scoring([Named(name=metric)]), []
    for index in range(len(data.manifest().ids)):
        sample = data.load(index)
        viewed: Image = WHOLE.apply(sample.image)
        degraded = Jpeg(quality).apply(viewed, Draw(0, sample.id))[0] if quality else viewed
        with torch.inference_mode():
            restored = model.predict(tensor(degraded))
        scores.append(float(measures.score(restored, [measures.target(sample, viewed, WHOLE)])[metric][0]))
    return float(np.mean(scores))


@pytest.mark.parametrize(
    ("reader", "folder", "metric", "expected"),
    [(Photos, "classic5", "psnr", 27.82), (PhotosLuma, "live1", "psnr", 27.80), (Photos, "live1", "psnr-y", 28.39)],
)
def test_jpeg_alone_has_the_known_figures(
    shared: Path, reader: type[Photos], folder: str, metric: str, expected: float
) -> None:
    """Luma PSNR at quality 10 of Pillow's JPEG: of grey pictures, of colour ones' luma, and of colour JPEG."""
    measured = mean_psnr(Identity().build(), reader(shared / "data" / "testsets" / folder), metric)
    assert round(measured, 2) == expected


@pytest.mark.slow
def test_dncnn3_lifts_classic5_as_published(shared: Path) -> None:
    """Zhang et al. (TIP 2017), table IV: DnCNN-3 at quality 10, 29.40 dB from JPEG's 27.82."""
    model = Dncnn3(shared / "weights" / "dncnn3_blind.safetensors").build()
    assert round(mean_psnr(model, Photos(shared / "data" / "testsets" / "classic5")), 2) == 29.40


def test_aodnet_lifts_the_haze_pairs(shared: Path) -> None:
    """With these weights 50 images of SOTS indoor go from 15.43 to 21.89 dB, by 6.46; six hazy ones are here.

    `test_aodnet_is_its_formula` has a second opinion of the network, scikit-image's PSNR is one of the metric."""
    folder = shared / "data" / "haze"
    data = Pairs(folder, "hazy", "gt", table="pairs.csv")
    before = mean_psnr(Identity().build(), data, quality=None)
    after = mean_psnr(AodNet(shared / "weights" / "aodnet.safetensors").build(), data, quality=None)
    assert (round(before, 2), round(after, 2)) == (12.65, 19.01)
    assert after - before == pytest.approx(6.46, abs=0.15)
    pictures = [(data.load(i).image, data.load(i).target) for i in range(6)]
    theirs = np.mean([peak_signal_noise_ratio(clean, hazy) for hazy, clean in pictures])
    assert before == pytest.approx(theirs, abs=1e-4)


def test_identity_gives_the_picture_back() -> None:
    model = Identity().build()
    images = tensor(noise(0), noise(1))
    assert torch.equal(model.predict(images), images)
    assert model.input.size is None


def test_a_restorer_is_its_method_s_network_with_the_card_s_weights() -> None:
    declared = Restorer("dncnn-small", recipe="scenes")
    method = DncnnSmallMethod()
    method.setup(Setup(None, declared.file, "cpu"))
    images = tensor(noise(0))
    with torch.inference_mode():
        expected = method.restore(images, Context(("a",), images, ({},)))
        assert torch.allclose(declared.build().predict(images), expected, atol=1e-6)
    assert declared.label == "dncnn-small (scenes)"


@pytest.mark.parametrize(("name", "gain"), [("arcnn", 0.1), ("dncnn-small", 0.3)])
def test_restorers_help_jpeg_scenes(name: str, gain: float) -> None:
    data = Scenes(count=4, split="test")
    assert mean_psnr(Restorer(name, recipe="scenes").build(), data) > mean_psnr(Identity().build(), data) + gain


def test_a_recipe_is_named_where_weights_of_several_ship() -> None:
    """Weights for scenes are never taken in silence for photos."""
    with pytest.raises(QbenchError, match=r"card 'arcnn' .* name one as `recipe`: scenes \(ships\), .*, div2k$"):
        Restorer("arcnn").identity()
    with pytest.raises(QbenchError, match="card 'dncnn-small'"):
        _ = Restorer("dncnn-small").file
    assert Restorer("dncnn").file == Restorer("dncnn", recipe="photos").file, "its photos' weights alone ship"


def test_restorers_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(QbenchError, match=r"no restorer 'dncn' \(did you mean 'dncnn'\?\)"):
        Restorer("dncn")
    with pytest.raises(QbenchError, match="no recipe 'fotos'"):
        _ = Restorer("dncnn", recipe="fotos").file
    with pytest.raises(WeightsError, match="no weights yet"):
        _ = Restorer("dncnn", recipe="scenes", train_seed=77).file
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="do not fit"):
        Restorer("dncnn", weights=tmp_path / "other.safetensors").build()


class _Blur(nn.Module):
    """Looks two pixels far."""

    def forward(self, images: Tensor) -> Tensor:
        return conv2d(images, torch.ones(3, 1, 5, 5) / 25, padding=2, groups=3)


@pytest.mark.parametrize("size", [(40, 50), (64, 64), (65, 130), (100, 33)])
def test_tiles_are_the_whole_picture(size: tuple[int, int]) -> None:
    images = tensor(noise(0, *size), noise(1, *size))
    whole, tiled = _Blur()(images), Tiled(_Blur(), 32, 2)(images)
    assert torch.allclose(tiled, whole, atol=1e-6)
    assert not torch.allclose(Tiled(_Blur(), 32, 1)(images), whole, atol=1e-3)


def test_a_restorer_in_tiles_is_the_restorer() -> None:
    images = tensor(noise(0, 90, 110))
    with torch.inference_mode():
        whole, tiled = (Restorer("dncnn-small", "scenes", tile=tile).build().predict(images) for tile in (None, 32))
    assert torch.allclose(tiled, whole, atol=1e-5)


def test_luma_alone_is_restored() -> None:
    colour = tensor(noise(0))
    shifted = OnLuma(_Plus())(colour)
    assert torch.allclose(shifted - colour, torch.full_like(colour, 0.25), atol=1e-6)
    grey = tensor(np.repeat(noise(1)[..., :1], 3, axis=2))
    restored = OnLuma(_Square())(grey)
    assert torch.allclose(restored, grey**2, atol=1e-6)


class _Plus(nn.Module):
    def forward(self, luma: Tensor) -> Tensor:
        assert luma.shape[1] == 1
        return luma + 0.25


class _Square(nn.Module):
    def forward(self, luma: Tensor) -> Tensor:
        return luma**2


def dncnn3_state(generator: torch.Generator) -> dict[str, Tensor]:
    channels = [1, *[64] * 19, 1]
    state = {}
    for i in range(20):
        state[f"conv{i:02d}.weight"] = torch.randn(channels[i + 1], channels[i], 3, 3, generator=generator) * 0.06
        state[f"conv{i:02d}.bias"] = torch.randn(channels[i + 1], generator=generator) * 0.01
    return state


def test_dncnn3_is_twenty_convolutions_taken_from_luma(tmp_path: Path) -> None:
    state = dncnn3_state(torch.Generator().manual_seed(0))
    save_file(state, tmp_path / "w.safetensors")
    grey = tensor(np.repeat(noise(1, 24, 30)[..., :1], 3, axis=2))
    hidden = grey[:, :1]
    for i in range(20):
        hidden = conv2d(hidden, state[f"conv{i:02d}.weight"], state[f"conv{i:02d}.bias"], padding=1)
        hidden = relu(hidden) if i < 19 else hidden
    model = Dncnn3(tmp_path / "w.safetensors").build()
    with torch.inference_mode():
        assert torch.allclose(model.predict(grey), (grey - hidden).clamp(0, 1), atol=1e-5)
        front = model.cut("D1").front(grey)
        assert front.shape == (1, 64, 24, 30)
        assert torch.allclose(model.cut("D1").back(front, grey), model.predict(grey), atol=1e-6)


def test_dncnn3_takes_its_own_weights_only(tmp_path: Path) -> None:
    state = dncnn3_state(torch.Generator().manual_seed(0))
    del state["conv07.bias"]
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"1 missing, first 'layers\.14\.bias'"):
        Dncnn3(tmp_path / "w.safetensors").build()
    with pytest.raises(WeightsError, match="cannot be read"):
        Dncnn3(tmp_path / "none.safetensors").identity()


def test_aodnet_is_its_formula(shared: Path) -> None:
    model = AodNet(shared / "weights" / "aodnet.safetensors").build()
    images = tensor(noise(0, 20, 22))
    parts = dict(model.net.state_dict())

    def layer(number: int, *inputs: Tensor) -> Tensor:
        weight = parts[f"e_conv{number}.weight"]
        bias = parts[f"e_conv{number}.bias"]
        return conv2d(torch.cat(inputs, 1), weight, bias, padding=weight.shape[-1] // 2).clamp(min=0)

    first = layer(1, images)
    second = layer(2, first)
    third = layer(3, first, second)
    k = layer(5, first, second, third, layer(4, second, third))
    with torch.inference_mode():
        assert torch.allclose(model.predict(images), (k * images - k + 1).clamp(0, 1), atol=1e-6)
    assert sum(value.numel() for value in parts.values()) == 1761


def spandrel_dncnn(channels: int) -> nn.Module:
    arch = pytest.importorskip("spandrel.architectures.DnCNN")
    with torch.random.fork_rng():
        torch.manual_seed(channels)
        net: nn.Module = arch.DnCNN(in_nc=channels, out_nc=channels, nc=16, nb=8, act_mode="R")
    return net.eval()


@pytest.mark.parametrize(
    ("suffix", "prefix"),
    [(".safetensors", ""), (".pth", ""), (".pth", "module."), (".pth", "_orig_mod."), (".pth", "module._orig_mod.")],
)
def test_spandrel_knows_a_checkpoint_by_its_content(tmp_path: Path, suffix: str, prefix: str) -> None:
    net = spandrel_dncnn(3)
    file = tmp_path / f"anything{suffix}"
    if suffix == ".pth":
        torch.save({"params": {prefix + name: value for name, value in net.state_dict().items()}}, file)
    else:
        save_file(net.state_dict(), file)
    images = tensor(noise(0, 40, 50), noise(1, 40, 50))
    declared = Spandrel(file)
    with torch.inference_mode():
        assert torch.allclose(declared.build().predict(images), net(images).clamp(0, 1), atol=1e-6)
        assert torch.allclose(Spandrel(file, tile=32).build().predict(images), net(images).clamp(0, 1), atol=1e-5)
    assert declared.label == f"spandrel:anything{suffix}"
    assert declared.identity()["weights"] == Spandrel(file, tile=None).identity()["weights"]


def test_spandrel_s_grey_networks_restore_luma(tmp_path: Path) -> None:
    net = spandrel_dncnn(1)
    save_file(net.state_dict(), tmp_path / "grey.safetensors")
    grey = tensor(np.repeat(noise(1)[..., :1], 3, axis=2))
    with torch.inference_mode():
        restored = Spandrel(tmp_path / "grey.safetensors").build().predict(grey)
        assert torch.allclose(restored, net(grey[:, :1]).clamp(0, 1).expand(-1, 3, -1, -1), atol=1e-5)


def test_spandrel_refuses_what_is_no_restorer(tmp_path: Path) -> None:
    compact = pytest.importorskip("spandrel.architectures.Compact")
    save_file(compact.Compact(upscale=2, num_conv=2).state_dict(), tmp_path / "sr.safetensors")
    with pytest.raises(WeightsError, match="no restorer of pictures at their own size"):
        Spandrel(tmp_path / "sr.safetensors").build()
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="no architecture that spandrel knows"):
        Spandrel(tmp_path / "other.safetensors").build()
    state = spandrel_dncnn(3).state_dict()
    save_file({name: value.to(torch.int8) for name, value in state.items()}, tmp_path / "whole.safetensors")
    with pytest.raises(WeightsError, match=r"is int8, expected float32; quantised weights are not read"):
        Spandrel(tmp_path / "whole.safetensors").build()
    save_file({name: value * torch.nan for name, value in state.items()}, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsError, match="holds values that are not finite"):
        Spandrel(tmp_path / "nan.safetensors").build()
    torch.save({"params": nn.Linear(1, 1)}, tmp_path / "program.pth")
    with pytest.raises(WeightsError, match="cannot be read"):
        Spandrel(tmp_path / "program.pth").build()
    with pytest.raises(WeightsError, match="do not exist"):
        Spandrel(tmp_path / "none.safetensors").build()


def test_models_are_found_by_name() -> None:
    assert {"identity", "restorer:*", "dncnn3", "aodnet", "spandrel:*"} <= set(registry.names("model"))
