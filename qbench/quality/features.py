"""Quality features by name: vectors that say how degraded a picture is, for the modules that adapt to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from qbench.errors import QbenchError, nearest
from qbench.models.files import sha256
from qbench.quality import brisque, contrique, encoder, iqa
from qbench.vocabulary import Context

DIMENSIONS = {
    "brisque": brisque.FEATURES,
    "encoder": encoder.DIMENSION,
    "contrique": contrique.DIMENSION,
    "contrique-scales": 2 * contrique.DIMENSION,
}


@dataclass(frozen=True)
class Feature:
    """A quality feature, ready to compute."""

    name: str
    dimension: int
    key: str
    """What decides its numbers: the name, and the digest of its weights or the version of its library."""
    compute: Callable[[Tensor], Tensor]
    networks: tuple[nn.Module, ...] = ()
    """What it runs through, for its cost to be counted."""

    def of(self, images: Tensor, context: Context | None = None) -> Tensor:
        """[B, 3, H, W] in [0, 1] to [B, dimension], float32, on the device, without gradients.

        With a context: of its degraded pictures, computed once a batch whoever asks."""
        if context is None:
            return self._plain(images)
        return context.once(f"quality/{self.key}", self._plain)

    def _plain(self, images: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self.compute(images.float()).float()


def feature(name: str, weights: Path | None = None) -> Feature:
    """The feature of that name: `brisque` (36), `encoder` (256: this project's own, two scales), `contrique` (2048) or
    `contrique-scales` (4096) with the user's `weights`, or `pyiqa:NAME` (1: the score of a metric of pyiqa).

    Raises QbenchError with the nearest name, WeightsError for weights that are missing or of another network."""
    size = dimension(name)
    if name.startswith("pyiqa:"):
        metric = name.removeprefix("pyiqa:")
        return Feature(name, size, f"{name} {iqa.pyiqa_version()}", partial(_by_pyiqa, metric))
    if name == "brisque":
        return Feature(name, size, name, brisque.brisque_features)
    if name == "encoder":
        file = encoder.encoder_file(weights)
        net: nn.Module = encoder.load_encoder(file, "cpu")
        return Feature(name, size, f"{name} {sha256(file)}", partial(_encoded, file), (net,))
    file = contrique.needed(weights)
    kind = contrique.contrique if name == "contrique" else contrique.contrique_scales
    net = contrique.load_trunk(file, "cpu")
    return Feature(name, size, f"{name} {sha256(file)}", partial(_by_contrique, file, kind), (net,))


def features(name: str, images: Tensor, context: Context | None = None, weights: Path | None = None) -> Tensor:
    """`feature(name, weights).of(images, context)`: [B, 3, H, W] in [0, 1] to [B, dimension(name)]."""
    return feature(name, weights).of(images, context)


def dimension(name: str) -> int:
    """Numbers in the vector of a feature. Raises QbenchError with the nearest name."""
    if name.startswith("pyiqa:") and name != "pyiqa:":
        return 1
    if name not in DIMENSIONS:
        known = ", ".join([*DIMENSIONS, "pyiqa:NAME"])
        raise QbenchError(f"no quality feature {name!r}{nearest(name, DIMENSIONS)}; there are: {known}")
    return DIMENSIONS[name]


def _encoded(file: Path, images: Tensor) -> Tensor:
    features: Tensor = encoder.load_encoder(file, str(images.device))(images)
    return features


def _by_contrique(file: Path, kind: Callable[[nn.Module, Tensor], Tensor], images: Tensor) -> Tensor:
    return kind(contrique.load_trunk(file, str(images.device)), images)


def _by_pyiqa(metric: str, images: Tensor) -> Tensor:
    if iqa.settings(metric)["metric_mode"] != "NR":
        raise QbenchError(f"pyiqa's {metric} compares with a clean picture; a quality feature needs one that does not")
    return iqa.load_metric(metric, str(images.device))(images, None).to(images.device).unsqueeze(1)
