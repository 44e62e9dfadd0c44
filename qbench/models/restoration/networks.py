"""Networks that restore pictures, and what fits them to pictures of any size and colour."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from qbench.errors import WeightsError, foreign
from qbench.models.base import check_state, read_safetensors
from qbench.models.files import read_state
from qbench.models.state import State, check_numbers, forms


class OnLuma(nn.Module):
    """A restorer of one channel on pictures of three: luma (0.299 R + 0.587 G + 0.114 B, full range, as JPEG's) goes
    through `net`, and what it changes there is added to all channels, so that chroma stays."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same, not clamped."""
        luma = 0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]
        restored: Tensor = self.net(luma)
        return images + (restored - luma)


class Dncnn3Net(nn.Module):
    """Twenty 3x3 convolutions of 64 channels with ReLU between; output = input - net(input), one channel."""

    def __init__(self, depth: int = 20, width: int = 64) -> None:
        super().__init__()
        channels = [1, *[width] * (depth - 1), 1]
        layers: list[nn.Module] = []
        for number in range(depth):
            layers += [nn.Conv2d(channels[number], channels[number + 1], 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, luma: Tensor) -> Tensor:
        """[B, 1, H, W] in [0, 1] to the same, not clamped."""
        noise: Tensor = self.layers(luma)
        return luma - noise


def dncnn3(file: Path) -> Dncnn3Net:
    """DnCNN-3 with the weights in `file`, named `conv00.weight` ... `conv19.bias`. Raises WeightsError."""
    net = Dncnn3Net()
    places = {f"conv{number:02d}": f"layers.{2 * number}" for number in range(20)}
    state = {}
    for name, value in read_safetensors(file).items():
        layer, _, leaf = name.partition(".")
        state[f"{places.get(layer, layer)}.{leaf}"] = value
    check_state(net, state, str(file))
    net.load_state_dict(state, strict=True)
    return net


class AodNet(nn.Module):
    """AOD-Net: K from five convolutions, then K x - K + 1 (Li et al., ICCV 2017, equation 8 with b = 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.e_conv1 = nn.Conv2d(3, 3, 1)
        self.e_conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.e_conv3 = nn.Conv2d(6, 3, 5, padding=2)
        self.e_conv4 = nn.Conv2d(6, 3, 7, padding=3)
        self.e_conv5 = nn.Conv2d(12, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same, not clamped above."""
        first = relu(self.e_conv1(images))
        second = relu(self.e_conv2(first))
        third = relu(self.e_conv3(torch.cat([first, second], dim=1)))
        fourth = relu(self.e_conv4(torch.cat([second, third], dim=1)))
        factor = relu(self.e_conv5(torch.cat([first, second, third, fourth], dim=1)))
        return relu(factor * images - factor + 1)


class _OfSpandrel(nn.Module):
    """spandrel's model, picture by picture: it pads to the sizes that the architecture takes, and cuts again."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.net: nn.Module = descriptor.model
        self._descriptor = descriptor

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self._descriptor(image) for image in images.split(1)])  # type: ignore[no-untyped-call]


def from_spandrel(file: Path) -> nn.Module:
    """The restorer in a checkpoint, for [B, 3, H, W] in [0, 1].

    Raises WeightsError for a file that holds no architecture that spandrel knows, or one that is no restorer."""
    spandrel = importlib.import_module("spandrel")
    state = read_state(file)
    check_numbers(state, str(file), "a restorer")
    with foreign(f"{file} cannot be loaded by spandrel", WeightsError):
        descriptor = _known(spandrel, state)
    if descriptor is None:
        raise WeightsError(f"{file} holds no architecture that spandrel knows")
    if not isinstance(descriptor, spandrel.ImageModelDescriptor) or descriptor.scale != 1:
        raise WeightsError(f"{file} ({descriptor.architecture.name}) is no restorer of pictures at their own size")
    channels = (descriptor.input_channels, descriptor.output_channels)
    if channels not in {(1, 1), (3, 3)}:
        raise WeightsError(f"{file} ({descriptor.architecture.name}) maps {channels[0]} channels to {channels[1]}")
    descriptor.model.requires_grad_(False)
    net = _OfSpandrel(descriptor)
    return OnLuma(net) if channels[0] == 1 else net


def _known(spandrel: Any, state: State) -> Any:
    """What spandrel makes of the first form of a state whose names it knows; None for none."""
    for form, _ in forms(state):
        try:
            return spandrel.ModelLoader().load_from_state_dict(dict(form))
        except spandrel.UnsupportedModelError:
            continue
    return None
