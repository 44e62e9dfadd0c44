"""A small encoder of quality: what a picture has been through, whatever it shows.

Trained by this project to tell degradations and their severities apart (supervised contrastive learning, Khosla et al.,
arXiv 2004.11362), after CONTRIQUE (Madhusudana et al., TIP 2022), whose own weights do not ship."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from qbench.errors import WeightsError, foreign
from qbench.models.files import sha256
from qbench.storage.shipped import shipped

WIDTHS = (16, 32, 64, 128)
SCALES = 2
DIMENSION = SCALES * WIDTHS[-1]
SHIPPED = "baselines/weights/quality-encoder-scenes-s0.safetensors"


class QualityEncoder(nn.Module):
    """Four 3x3 convolutions of stride 2 with norms and ReLU, then the mean over all places; at full and at half size.

    97,440 parameters when deployed. `norms`: as trained; without, as it ships."""

    def __init__(self, norms: bool = False, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inward, outward in zip((3, *widths[:-1]), widths, strict=True):
            layers.append(nn.Conv2d(inward, outward, 3, 2, 1, bias=not norms))
            layers += [nn.BatchNorm2d(outward), nn.ReLU()] if norms else [nn.ReLU()]
        self.trunk = nn.Sequential(*layers)

    def scales(self, images: Tensor) -> list[Tensor]:
        """[B, 3, H, W] in [0, 1] to features [B, 128] of unit length, of the picture and of its half-size twin."""
        seen = (images, F.avg_pool2d(images, 2))
        return [F.normalize(cast(Tensor, self.trunk(scale * 4 - 2)).mean(dim=(2, 3)), dim=1) for scale in seen]

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1], from 32 pixels a side, to [B, 256]: both scales side by side."""
        return torch.cat(self.scales(images), dim=1)

    def deploy(self) -> QualityEncoder:
        """The same with each norm folded into its convolution."""
        layers = list(self.trunk.eval())
        merged = QualityEncoder(widths=[m.out_channels for m in layers if isinstance(m, nn.Conv2d)])
        convolutions = [
            fuse_conv_bn_eval(layer, norm)
            for layer, norm in pairwise(layers)
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        ]
        for place, convolution in enumerate(convolutions):
            merged.trunk[2 * place] = convolution
        return merged.eval()


def encoder_file(given: Path | None = None) -> Path:
    """The weights: the file that is given, else the one that ships."""
    return given or shipped(SHIPPED)


def load_encoder(file: Path, device: str) -> QualityEncoder:
    """The encoder of a file, in eval mode on a device, read once for each state of the file. Raises WeightsError."""
    return _loaded(file, sha256(file), device)


@cache
def _loaded(file: Path, digest: str, device: str) -> QualityEncoder:
    with torch.inference_mode(False):
        with foreign(f"weights {file} cannot be read as safetensors", WeightsError):
            state = load_file(file)
        net = QualityEncoder()
        with foreign(f"weights {file} are of no quality encoder", WeightsError):
            net.load_state_dict(state)
        return net.eval().requires_grad_(False).to(device)
