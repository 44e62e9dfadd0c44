"""CONTRIQUE's features, with weights that the user brings: the authors' checkpoint is not ours to ship.

Madhusudana, Birkbeck, Wang, Adsumilli and Bovik, Image Quality Assessment Using Contrastive Learning (TIP 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qbench.errors import WeightsError
from qbench.models.files import read_state, sha256

DIMENSION = 2048
STAGES = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
"""The published trunk is ResNet-50 without its last two layers, as a sequence: the layer at each place."""


def needed(file: Path | None) -> Path:
    """Raises WeightsError, with what to do, where no file is given."""
    if file is None:
        raise WeightsError(
            "CONTRIQUE's weights do not ship: fetch the authors' checkpoint (github.com/pavancm/CONTRIQUE) and name it "
            "in `quality_weights`, or use the features `encoder` or `brisque`"
        )
    return file


def load_trunk(file: Path, device: str) -> nn.Module:
    """ResNet-50 up to its last stage, in eval mode, from the authors' checkpoint (`encoder.0.weight` ..., the projector
    is left out) or from a state with torchvision's names; tensors only, no code. Raises WeightsError."""
    return _loaded(file, sha256(file), device)


def contrique(trunk: nn.Module, images: Tensor) -> Tensor:
    """[B, 3, H, W] in [0, 1], not normalised, to [B, 2048]: the mean over all places, as QuAC takes it."""
    return cast(Tensor, trunk(images)).mean(dim=(2, 3))


def contrique_scales(trunk: nn.Module, images: Tensor) -> Tensor:
    """[B, 3, H, W] in [0, 1] to [B, 4096]: features of unit length of the picture and of its half-size twin, as the
    authors' demonstration gives them and QuARF takes them."""
    half = F.interpolate(images, scale_factor=0.5, mode="bicubic", antialias=True).clamp(0, 1)
    return torch.cat([F.normalize(contrique(trunk, scale), dim=1) for scale in (images, half)], dim=1)


@cache
def _loaded(file: Path, digest: str, device: str) -> nn.Module:
    from torchvision.models import resnet50

    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        whole = resnet50(weights=None)
        trunk = nn.Sequential()
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            trunk.add_module(name, whole.get_submodule(name))
        given = _named(read_state(file))
        expected = trunk.state_dict()
        lacking = sorted(expected.keys() - given.keys())
        if lacking:
            raise WeightsError(f"{file} is no checkpoint of CONTRIQUE: it lacks {len(lacking)} tensors of ResNet-50, "
                               f"first {lacking[0]!r}")  # fmt: skip
        wrong = [name for name, value in expected.items() if given[name].shape != value.shape]
        if wrong:
            raise WeightsError(f"{file} is no checkpoint of CONTRIQUE: {wrong[0]!r} is {tuple(given[wrong[0]].shape)}")
        trunk.load_state_dict({name: given[name] for name in expected})
        return trunk.eval().requires_grad_(False).to(device)


def _named(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The trunk's tensors by torchvision's names."""
    named = {}
    for name, value in state.items():
        inner = name.removeprefix("module.").removeprefix("encoder.")
        place, _, rest = inner.partition(".")
        named[f"{STAGES[place]}.{rest}" if place in STAGES else inner] = value
    return named
