"""Quality features by name, and the encoder that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.errors import QbenchError, WeightsError
from qbench.quality.brisque import brisque_features
from qbench.quality.encoder import QualityEncoder
from qbench.quality.features import DIMENSIONS, dimension, feature, features
from qbench.vocabulary import Context


def pictures(count: int = 3, size: int = 64, seed: int = 0) -> Tensor:
    levels = torch.randint(0, 256, (count, 3, size // 8, size // 8), generator=torch.Generator().manual_seed(seed))
    return F.interpolate(levels.float() / 255, size=size, mode="bilinear")


def context(images: Tensor) -> Context:
    return Context(tuple(map(str, range(len(images)))), images, ({},) * len(images))


@pytest.mark.parametrize("name", ["brisque", "encoder"])
def test_a_feature_has_its_dimension_and_needs_no_other_picture(name: str) -> None:
    images = pictures()
    values = features(name, images)
    assert values.shape == (3, dimension(name))
    assert values.dtype == torch.float32
    assert not values.requires_grad
    alone = torch.cat([features(name, images[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(values, alone, atol=1e-5, rtol=1e-5)
    assert (values[0] - values[1]).abs().max() > 1e-3


def test_brisque_by_name_is_brisque() -> None:
    images = pictures()
    assert torch.equal(features("brisque", images), brisque_features(images))


@pytest.mark.parametrize("name", ["brisque", "encoder"])
def test_autocast_outside_does_not_reach_the_feature(name: str) -> None:
    images = pictures()
    with torch.autocast("cpu", torch.bfloat16):
        inside = features(name, images)
    assert torch.equal(inside, features(name, images))


def test_a_context_computes_a_feature_once_and_of_its_own_pictures() -> None:
    images = pictures()
    quality = feature("encoder")
    runs: list[int] = []
    handle = quality.networks[0].register_forward_hook(lambda *_: runs.append(1))
    try:
        travelling = context(images)
        first = quality.of(pictures(seed=5), travelling)
        second = feature("encoder").of(images, travelling)
    finally:
        handle.remove()
    assert len(runs) == 1
    assert first is second
    assert torch.equal(first, quality.of(images))


def test_names_are_checked() -> None:
    with pytest.raises(QbenchError, match="did you mean 'brisque'"):
        dimension("brisqe")
    with pytest.raises(QbenchError, match="no quality feature 'pyiqa:'"):
        dimension("pyiqa:")
    assert dimension("pyiqa:musiq") == 1
    assert DIMENSIONS == {"brisque": 36, "encoder": 256, "contrique": 2048, "contrique-scales": 4096}


def test_the_deployed_encoder_is_the_trained_one() -> None:
    torch.manual_seed(0)
    net = QualityEncoder(norms=True)
    for _ in range(3):
        net.train()(pictures(8))
    deployed = net.eval().deploy()
    assert sum(p.numel() for p in deployed.parameters()) == 97_440
    torch.testing.assert_close(deployed(pictures()), net(pictures()), atol=1e-5, rtol=1e-4)
    assert deployed(pictures()).norm(dim=1).detach().numpy() == pytest.approx(np.sqrt(2), rel=1e-5)


def test_an_encoder_of_ones_own_is_keyed_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    torch.manual_seed(1)
    net = QualityEncoder().eval()
    save_file(net.state_dict(), file)
    mine = feature("encoder", file)
    assert torch.equal(mine.of(pictures()), net(pictures()).detach())
    assert mine.key != feature("encoder").key
    save_file({"a": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match="of no quality encoder"):
        feature("encoder", file)


def test_contrique_without_its_weights_says_what_to_do() -> None:
    with pytest.raises(WeightsError, match=r"github\.com/pavancm/CONTRIQUE"):
        feature("contrique")


@pytest.fixture(scope="module")
def trunk() -> nn.Module:
    from torchvision.models import resnet50

    torch.manual_seed(0)
    return resnet50(weights=None).eval()


@pytest.mark.parametrize("layout", ["published", "wrapped", "torchvision"])
def test_contrique_reads_the_published_layout(trunk: nn.Module, layout: str, tmp_path: Path) -> None:
    """The authors' network holds the layers of ResNet-50 but its last two in a sequence, and a projector beside it."""
    sequence = nn.ModuleDict(
        {"encoder": nn.Sequential(*list(trunk.children())[:-2]), "projector": nn.Linear(2048, 128, bias=False)}
    )
    state = sequence.state_dict() if layout != "torchvision" else trunk.state_dict()
    file = tmp_path / "contrique.tar"
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}} if layout == "wrapped" else state, file)
    images = pictures(2, 32)
    with torch.no_grad():
        pooled = sequence["encoder"](images).mean((2, 3))
        half = F.interpolate(images, scale_factor=0.5, mode="bicubic", antialias=True).clamp(0, 1)
        both = torch.cat([F.normalize(pooled, dim=1), F.normalize(sequence["encoder"](half).mean((2, 3)), dim=1)], 1)
    torch.testing.assert_close(features("contrique", images, weights=file), pooled, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(features("contrique-scales", images, weights=file), both, atol=1e-5, rtol=1e-4)


def test_other_files_are_no_contrique(tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, file)
    with pytest.raises(WeightsError, match="no checkpoint of CONTRIQUE"):
        feature("contrique", file)
    torch.save(nn.Linear(2, 2), file)
    with pytest.raises(WeightsError, match="cannot be read"):
        feature("contrique", file)
