"""The built-in classifier: cheap, cut at its sites, and honest about weights that do not fit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from qbench.data.scenes import CLASSES
from qbench.errors import QbenchError, WeightsError
from qbench.models.builtin.classifier_net import ScenesNet
from qbench.models.builtin.declared import SITES, Builtin
from qbench.registry import get
from qbench.storage.shipped import shipped


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    file = tmp_path / "scenes.safetensors"
    save_file(ScenesNet(len(CLASSES)).state_dict(), file)
    return file


def test_it_is_small_and_cheap() -> None:
    net = ScenesNet(len(CLASSES)).eval()
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, 128, 128))
    assert counter.get_total_flops() / 2 <= 0.15e9
    assert sum(parameter.numel() for parameter in net.parameters()) <= 1_000_000


@pytest.mark.parametrize(
    ("site", "shape"), [("D1", (32, 64, 64)), ("D2", (32, 64, 64)), ("D3", (32, 32, 32)), ("D4", (32, 32, 32))]
)
def test_its_sites_cut_it_without_moving_a_bit(weights: Path, site: str, shape: tuple[int, ...]) -> None:
    loaded = Builtin("scenes", weights).build()
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    halves = loaded.cut(site)
    assert halves.geometry().channels == shape[0]
    with torch.inference_mode():
        features = halves.front(images)
        assert features.shape[1:] == shape
        assert torch.equal(halves.back(features, images), loaded.logits(images))


def test_d1_is_the_stem_before_its_norm_and_d2_after_its_activation(weights: Path) -> None:
    loaded = Builtin("scenes", weights).build()
    images = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        before, after = loaded.cut("D1").front(images), loaded.cut("D2").front(images)
        torch.testing.assert_close(torch.relu(loaded.net.get_submodule("bn1")(before)), after)
    assert (before < 0).any()


def test_identity_follows_the_weights_bytes(weights: Path) -> None:
    identity = Builtin("scenes", weights).identity()
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in identity.values()


def test_the_registry_finds_it_and_names_the_nearest() -> None:
    entry = get("model", "builtin:scenes")
    assert entry.target("scenes").sites == SITES
    with pytest.raises(QbenchError, match="did you mean 'scenes'"):
        entry.target("scene")


def test_weights_that_do_not_fit_or_are_cut_short(weights: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file(ScenesNet(7).state_dict(), other)
    with pytest.raises(WeightsError, match="fc"):
        Builtin("scenes", other).build()
    other.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError):
        Builtin("scenes", other).build()
    with pytest.raises(WeightsError, match="exist"):
        Builtin("scenes", tmp_path / "none.safetensors").build()


def test_shipped_files_are_found_or_named() -> None:
    assert shipped("suites").is_dir()
    with pytest.raises(QbenchError, match="no/such/file"):
        shipped("no/such/file")
