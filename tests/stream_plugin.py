"""A plug-in whose pictures come in several sizes, some unreadable, and are degraded by the global generators."""

from __future__ import annotations

import os
import random
import signal
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

import qbench
from qbench.draws import Draw
from qbench.models.base import LoadedModel
from qbench.vocabulary import Context, InputConvention, Manifest, Sample

CLASSES = 5


@qbench.dataset("stream-pictures")
class Pictures:
    """`sizes` is one size, two orientations in turn, or no two alike; the sample `unreadable` is so."""

    label = "pictures"

    def __init__(self, count: int, sizes: Literal["one", "two", "all"] = "one", unreadable: int = -1) -> None:
        self.count, self.sizes, self.unreadable = count, sizes, unreadable

    def manifest(self) -> Manifest:
        ids = tuple(f"{index:03d}" for index in range(self.count))
        return Manifest(ids, ids)

    def load(self, index: int) -> Sample:
        if index == self.unreadable:
            raise ValueError(f"no picture {index}")
        size = {"one": (24, 24), "two": [(24, 32), (32, 24)][index % 2], "all": (20 + index // 8, 20 + index % 8)}
        pixels = np.random.default_rng(index).integers(0, 256, (*size[self.sizes], 3), dtype=np.uint8)
        return Sample(f"{index:03d}", pixels, index % CLASSES, f"group {index % 3}")


@qbench.condition("stream-noise")
class Noise:
    """Noise of every global generator."""

    label, axis = "noise", None

    def apply(self, image: np.ndarray, draw: Draw) -> tuple[np.ndarray, dict[str, Any]]:
        shift = int(np.random.randint(20)) + random.randrange(20) + int(torch.randint(20, (1,)))
        return np.roll(image, shift, axis=1), {"shift": shift, "bpp": shift / 8}


@qbench.condition("stream-trouble")
class Trouble:
    """Refuses the sample `refuses`, and kills the process at the sample `kills`."""

    axis = None

    def __init__(self, refuses: str = "", kills: str = "") -> None:
        self.refuses, self.kills, self.label = refuses, kills, f"trouble {refuses or kills}"

    def apply(self, image: np.ndarray, draw: Draw) -> tuple[np.ndarray, dict[str, Any]]:
        if draw.sample_id == self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        if draw.sample_id == self.refuses:
            raise ValueError("too dark")
        return image, {}


@qbench.condition("stream-homeless")
class Homeless:
    """Cannot be built anywhere but where the suite was planned."""

    label, axis = "homeless", None
    built = 0

    def __init__(self) -> None:
        type(self).built += 1
        if self.built > 2:
            raise RuntimeError("built too often")

    def apply(self, image: np.ndarray, draw: Draw) -> tuple[np.ndarray, dict[str, Any]]:
        return image, {}


class Reusing(nn.Module):
    """A layer that answers in memory that all layers of its network share."""

    def __init__(self, layer: nn.Module, memory: dict[tuple[int, ...], Tensor]) -> None:
        super().__init__()
        self.layer, self.memory = layer, memory

    def forward(self, pictures: Tensor) -> Tensor:
        answer = self.layer(pictures)
        return self.memory.setdefault(tuple(answer.shape), torch.empty_like(answer)).copy_(answer)


@qbench.model("stream-net")
class Net:
    """A small network of pictures of any size. `seed` draws its weights; with `reuses` its layers share memory."""

    def __init__(self, seed: int = 0, reuses: bool = False) -> None:
        self.seed, self.reuses = seed, reuses
        self.label, self.sites = f"net {seed}{' reusing' if reuses else ''}", {"D1": "0"}

    def identity(self) -> dict[str, Any]:
        return {"seed": self.seed, "reuses": self.reuses}

    def build(self) -> LoadedModel:
        memory: dict[tuple[int, ...], Tensor] = {}
        layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)]
        if self.reuses:
            layers = [Reusing(layer, memory) for layer in layers]
        net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, CLASSES))
        draws = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=draws) / 3)
        return LoadedModel(net.eval(), InputConvention(size=None, resize=None), self.sites)


@qbench.method("stream-brighten", site="image")
class Brighten:
    """Brighter pictures: by the global generator, or the same for all, also in one memory for every answer."""

    def __init__(self, kind: Literal["random", "plain", "reusing"] = "random") -> None:
        self.kind, self.label = kind, f"brighten {kind}"
        self.memory: dict[tuple[int, ...], Tensor] = {}
        self.network = nn.Conv2d(3, 16, 3)

    def restore(self, images: Tensor, context: Context) -> Tensor:
        answer = (images * (1.2 + (torch.rand(1) if self.kind == "random" else 0))).clamp(0, 1)
        if self.kind != "reusing":
            return answer
        return self.memory.setdefault(tuple(answer.shape), torch.empty_like(answer)).copy_(answer)


@qbench.method("stream-scale", site="feature")
class Scale:
    """Features times a factor."""

    at = "D1"

    def __init__(self, factor: float = 0.5) -> None:
        self.factor, self.label = factor, f"scale {factor}"

    def enhance(self, features: Tensor, images: Tensor, context: Context) -> Tensor:
        return features * self.factor


@qbench.method("stream-adapt", site="model")
class Adapt:
    """The network with every weight doubled."""

    def adapt(self, model: LoadedModel) -> LoadedModel:
        with torch.no_grad():
            for parameter in model.net.parameters():
                parameter.mul_(2)
        return model
