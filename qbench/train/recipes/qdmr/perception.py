"""What stands in the perceptual and semantic losses of QDMR: frozen features, or gradients at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.errors import QbenchError
from qbench.models.builtin.declared import Builtin
from qbench.train.recipes.common import frozen, layers
from qbench.train.recipes.qdmr import PerceptionName

TRUNKS = {4: ("relu", "stages.0.1.relu2"), 8: ("relu", "stages.0.1.relu2", "stages.1.1.relu2")}
"""The ends of the built-in classifier's stem and stages up to the features' size, by the networks' factor."""
VGG_LAYERS = (3, 8, 17, 26)
"""relu1_2, relu2_2, relu3_4 and relu4_4 of VGG19; the last has an eighth of the picture's size, as the features."""
SCALES = 3


class Perception(Protocol):
    """How far two pictures are apart, and what a picture shows."""

    width: int
    """Channels of `meaning`; 0 where there is none."""

    def distance(self, pictures: Tensor, targets: Tensor) -> Tensor:
        """The perceptual loss of [B, 3, H, W] in [0, 1]: one number."""

    def meaning(self, pictures: Tensor) -> Tensor:
        """[B, width, h, w] at the size of the features."""


class Gradients:
    """The mean absolute difference of horizontal and vertical steps, at the picture's size, a half and a quarter."""

    width = 0

    def distance(self, pictures: Tensor, targets: Tensor) -> Tensor:
        total = pictures.new_zeros(())
        difference = pictures - targets
        for scale in range(SCALES):
            if scale:
                difference = F.avg_pool2d(difference, 2)
            total = total + difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
        return total / SCALES

    def meaning(self, pictures: Tensor) -> Tensor:
        raise QbenchError("`perception: gradients` knows no meanings; leave out the loss `semantic`")


class _Features:
    """LPIPS's distance without its learned weights (Zhang et al., CVPR 2018, arXiv 1801.03924): squared differences of
    features that were scaled to length 1 at every place, summed over channels and layers."""

    width: int

    def maps(self, pictures: Tensor) -> Sequence[Tensor]:
        raise NotImplementedError

    def distance(self, pictures: Tensor, targets: Tensor) -> Tensor:
        pairs = zip(self.maps(pictures), self.maps(targets), strict=True)
        return torch.stack([(_unit(a) - _unit(b)).square().sum(1).mean() for a, b in pairs]).sum()

    def meaning(self, pictures: Tensor) -> Tensor:
        with torch.no_grad():
            return self.maps(pictures)[-1]


class ClassifierFeatures(_Features):
    """Features of the classifier that ships with qbench, after its stem and its first stages."""

    def __init__(self, factor: int, device: str) -> None:
        loaded = Builtin("scenes").build()
        frozen(loaded.net.to(device))
        self._net, self._paths = loaded.net, TRUNKS[factor]
        self._cut = loaded.cut(self._paths[-1])
        self.width = int(self.maps(torch.zeros(1, 3, 8 * factor, 8 * factor, device=device))[-1].shape[1])

    def maps(self, pictures: Tensor) -> Sequence[Tensor]:
        with layers(self._net, self._paths[:-1]) as outputs:
            last = self._cut.front(pictures)
        return [*(outputs[path] for path in self._paths[:-1]), last]


class VggFeatures(_Features):
    """Features of torchvision's VGG19; its weights come from torchvision's hub (574 MB, once)."""

    width = 512

    def __init__(self, device: str) -> None:
        self._net = frozen(vgg19().to(device))

    def maps(self, pictures: Tensor) -> Sequence[Tensor]:
        mean = torch.tensor((0.485, 0.456, 0.406), device=pictures.device).view(1, 3, 1, 1)
        std = torch.tensor((0.229, 0.224, 0.225), device=pictures.device).view(1, 3, 1, 1)
        maps, x = [], (pictures - mean) / std
        for number, layer in enumerate(cast(nn.Sequential, self._net)):
            x = layer(x)
            if number in VGG_LAYERS:
                maps.append(x)
        return maps


def vgg19() -> nn.Module:
    """The layers up to relu4_4. Raises QbenchError where the hub cannot be reached."""
    from torchvision import models

    try:
        net = models.vgg19(weights=models.VGG19_Weights.IMAGENET1K_V1)
    except (URLError, OSError) as error:
        advice = "connect once, or choose `perception: gradients`"
        raise QbenchError(f"the weights of VGG19 cannot be fetched: {error}; {advice}") from error
    layers_: nn.Module = net.features[: VGG_LAYERS[-1] + 1]
    for layer in layers_.modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return layers_


def perception(name: PerceptionName, factor: int, device: str) -> Perception:
    """What the card names, for networks of that factor."""
    match name:
        case "classifier":
            return ClassifierFeatures(factor, device)
        case "vgg19":
            return VggFeatures(device)
    return Gradients()


def _unit(features: Tensor) -> Tensor:
    return features / features.square().sum(1, keepdim=True).add(1e-10).sqrt()
