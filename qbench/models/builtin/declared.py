"""`builtin:NAME`: small networks trained by this project, whose weights ship with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.dataclasses import dataclass

from qbench.data.scenes.scene import CLASSES, SMALLEST
from qbench.errors import QbenchError, nearest
from qbench.models.files import sha256
from qbench.models.library import CONFIG
from qbench.registry import model
from qbench.storage.shipped import shipped
from qbench.vocabulary import InputConvention

if TYPE_CHECKING:
    from qbench.models.base import LoadedModel

NAMES = ("scenes", "scenes-segmenter", "scenes-detector")
SITES = {"D1": "conv1", "D2": "relu", "D3": "stages.0.0", "D4": "stages.0"}
"""As in the paper of AFD (arXiv 2401.01724, section IV): the stem's convolution, its activation, the first block of
stage 1, and stage 1."""
INPUT = InputConvention(size=SMALLEST, resize=None, mean=(0.45, 0.45, 0.45), std=(0.25, 0.25, 0.25))

WHOLE = replace(INPUT, size=None)


@model("builtin:*")
@dataclass(frozen=True, config=CONFIG)
class Builtin:
    """A model of scenes that qbench ships: `builtin:scenes`, `builtin:scenes-segmenter`, `builtin:scenes-detector`.

    The classifier tells 24 classes apart in 128 px with 0.7 M parameters.

    `weights` is a safetensors file to use in place of the shipped one."""

    name: str
    weights: Path | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            known = ", ".join(f"builtin:{name}" for name in NAMES)
            raise QbenchError(f"no built-in model {self.name!r}{nearest(self.name, NAMES)}; there are: {known}")

    @property
    def label(self) -> str:
        return f"builtin:{self.name}"

    @property
    def sites(self) -> Mapping[str, str]:
        return SITES

    @property
    def file(self) -> Path:
        """Where its weights lie. Raises QbenchError where nothing ships."""
        return self.weights or shipped(f"baselines/weights/builtin-{self.name}.safetensors")

    def identity(self) -> Mapping[str, Any]:
        return {"model": self.label, "classes": len(CLASSES), "weights": sha256(self.file)}

    def build(self) -> LoadedModel:
        """The network with its weights, in eval mode. Raises WeightsError."""
        from qbench.models.base import LoadedModel, load_weights
        from qbench.models.builtin.box_maps import boxes_of
        from qbench.models.builtin.classifier_net import ScenesNet
        from qbench.models.builtin.dense_net import ScenesDetector, ScenesSegmenter

        count = len(CLASSES)
        if self.name == "scenes":
            loaded = LoadedModel(ScenesNet(count), INPUT, SITES)
        elif self.name == "scenes-segmenter":
            loaded = LoadedModel(ScenesSegmenter(count + 1), WHOLE, SITES)
        else:
            loaded = LoadedModel(ScenesDetector(count), WHOLE, SITES, boxes_of, classes=count)
        load_weights(loaded.net, self.file)
        loaded.net.eval()
        return loaded
