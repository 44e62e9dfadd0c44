"""A cut network has the bits of the whole one, and its geometry is that of hand arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qbench.errors import NotApplicable
from qbench.models.base import LoadedModel
from qbench.models.classification.timm import Timm
from qbench.models.classification.torchvision import Torchvision
from qbench.models.cut import geometry
from qbench.vocabulary import InputConvention

CASES = [
    (Timm(name="resnet18", pretrained=False), "D1"),
    (Timm(name="resnet18", pretrained=False), "D2"),
    (Timm(name="resnet18", pretrained=False), "layer2.0"),
    (Timm(name="repvgg_a0", pretrained=False), "D2"),
    (Timm(name="tf_efficientnet_lite0", pretrained=False), "D4"),
    (Torchvision(name="squeezenet1_0", pretrained=False), "D2"),
    (Torchvision(name="mobilenet_v2", pretrained=False), "D3"),
]


@pytest.mark.parametrize(("declared", "site"), CASES, ids=lambda value: getattr(value, "label", value))
def test_the_halves_have_the_bits_of_the_whole(declared: Timm | Torchvision, site: str) -> None:
    model = declared.build()
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        cut = model.cut(site)
        features = cut.front(images)
        kept = features.clone()
        assert torch.equal(cut.back(features, images), model.logits(images))
        assert torch.equal(features, kept), "the second half changed the features that other methods share"
        assert not torch.equal(cut.back(features * 0.5, images), model.logits(images))


class _Branching(nn.Module):
    """Uses the site's output and the image beside it, so that only hooks can cut it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.side = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.stem(x) * self.side(x)).mean((2, 3))


def test_a_network_with_a_second_path_is_cut_too() -> None:
    model = LoadedModel(_Branching().eval(), InputConvention(size=32, resize=None), {"D1": "stem"})
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        cut = model.cut("D1")
        features = cut.front(images)
        assert torch.equal(cut.back(features, images), model.logits(images))
        assert torch.equal(cut.back(features * 0, images), model.logits(images) * 0)


class _AtInputSize(nn.Module):
    """Pads its input and gives maps at the size before: the second half reads the first one's sizes, nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        below, right = -height % 8, -width % 8
        maps = self.head(self.stem(nn.functional.pad(x, (0, right, 0, below))))
        whole = nn.functional.interpolate(maps, size=(height + below, width + right), mode="bilinear")
        return whole[..., :height, :width]


def test_a_second_half_that_reads_sizes_runs_nothing_of_the_first_again() -> None:
    model = LoadedModel(_AtInputSize().eval(), InputConvention(size=None, resize=None), {"D1": "stem"})
    cut = model.cut("D1")
    runs: list[int] = []
    handle = model.net.get_submodule("stem").register_forward_hook(lambda *_: runs.append(1))
    for size in ((32, 32), (21, 45)):
        images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            features = cut.front(images)
            runs.clear()
            answer = cut.back(features, images)
            assert answer.shape == (2, 2, *size)
            assert not runs, "the stem ran again"
            assert torch.equal(answer, model.predict(images))
    handle.remove()


@pytest.mark.parametrize(
    ("layers", "stride", "offset"),
    [
        ([nn.Conv2d(3, 4, 7, stride=2)], 2, 3.0),  # feature 0 sees pixels 0-6
        ([nn.Conv2d(3, 4, 7, stride=2, padding=3)], 2, 0.0),
        ([nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 2, stride=2)], 4, 1.0),  # pixels -1-1 and 1-3
        ([nn.Conv2d(3, 4, 4, stride=4)], 4, 1.5),
    ],
)
def test_centres_of_receptive_fields(layers: list[nn.Module], stride: float, offset: float) -> None:
    layout = geometry(nn.Sequential(*layers), 64)
    assert (layout.channels, layout.stride, layout.offset) == (4, stride, offset)


def test_a_site_that_is_not_there_is_named() -> None:
    model = Timm(name="resnet18", pretrained=False).build()
    with pytest.raises(NotApplicable, match=r"no site 'layer1.9'.*declared sites: D1, D2, D3, D4"):
        model.cut("layer1.9")
