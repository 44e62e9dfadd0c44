"""What the declarations of networks of libraries share."""

from __future__ import annotations

from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import torch

from qbench.errors import QbenchError
from qbench.models.classification.timm import Timm
from qbench.models.classification.torchvision import Torchvision
from qbench.models.detection.torchvision import TorchvisionDetection
from qbench.models.detection.transformers import HfDetection
from qbench.models.restoration.restorers import Spandrel
from qbench.models.segmentation.smp import Smp
from qbench.models.segmentation.torchvision import TorchvisionSegmentation
from qbench.models.segmentation.transformers import HfSegmentation


@pytest.mark.parametrize(
    ("declared", "extra"),
    [
        (HfSegmentation("x/y"), "hf"),
        (HfDetection("x/y"), "hf"),
        (Smp("unet", classes=3), "smp"),
        (Spandrel(Path("x.safetensors")), "restorers"),
    ],
)
def test_a_missing_library_names_its_extra(declared: Any, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("qbench.models.library.version", missing)
    for use in (declared.identity, declared.build):
        with pytest.raises(QbenchError, match=rf"install the extra with `pip install 'qbench\[{extra}\]'`"):
            use()


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "declare",
    [
        partial(Timm, "repvgg_a0"),
        partial(Torchvision, "squeezenet1_1"),
        partial(TorchvisionSegmentation, "lraspp_mobilenet_v3_large", classes=3),
        partial(Smp, "fpn", classes=3, encoder="tu-resnet18"),
        partial(TorchvisionDetection, "ssdlite320_mobilenet_v3_large", classes=2),
    ],
    ids=lambda declare: declare.func.__name__,
)
def test_random_weights_follow_the_seed_alone(declare: Any) -> None:
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    states = []
    for seed in (0, 0, 1):
        states.append(declare(pretrained=False, seed=seed).build(fold=False).net.state_dict())
        assert torch.equal(before, torch.random.get_rng_state()), "it leaves the global generator alone"
        torch.rand(7)
        before = torch.random.get_rng_state()
    first, again, other = states
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
